//! `kith invite`.

use kith_api::{Apps, Empty, Invite, InviteLink, Spaces};
use qrcode::render::unicode::Dense1x2;

use super::Context;
use crate::args;
use crate::control::Client;
use crate::failure::Result;
use crate::names::{self, Named};
use crate::output::Output;

pub(super) async fn invite(context: &Context, args: &args::Invite) -> Result<()> {
    let mut client = context.client().await?;
    let target = target(&mut client, &args.target).await?;
    let invitation: InviteLink = client.call("spaces.invite", &Invite { target }).await?;
    let InviteLink { link, space, .. } = &invitation;
    context.output.object(&serde_json::json!({ "link": link, "space": space }));
    context.output.line("Whoever has this link can join:\n");
    show(context.output, link);
    context.output.next("kith open LINK", "on your friend's machine");
    Ok(())
}

/// A link, and for a person its QR code.
pub(super) fn show(output: Output, link: &str) {
    output.line(format_args!("  {link}"));
    if output.person
        && let Ok(code) = qrcode::QrCode::new(link)
    {
        // The light parts are drawn, since most terminals are dark.
        let mut image = code.render::<Dense1x2>();
        let code = image.dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build();
        output.line(format_args!("\n{code}"));
    }
}

/// The id that is meant: a space's, else an app's.
async fn target(client: &mut Client, meant: &str) -> Result<String> {
    let spaces: Spaces = client.call("spaces.list", &Empty {}).await?;
    let named: Vec<Named<'_>> =
        spaces.spaces.iter().map(|space| Named { id: &space.space, name: &space.name }).collect();
    // The app's name comes after the spaces': a space is called like its app until it is renamed,
    // and the node takes the one last used then.
    if let [space] = names::candidates(meant, &named)[..] {
        return Ok(space.id.to_owned());
    }
    let apps: Apps = client.call("apps.list", &Empty {}).await?;
    let mut either: Vec<Named<'_>> =
        apps.apps.iter().map(|app| Named { id: &app.app, name: &app.name }).collect();
    if names::candidates(meant, &either).is_empty() {
        either.extend(named);
    }
    names::find(meant, "space or app", &either, "kith apps").map(str::to_owned)
}
