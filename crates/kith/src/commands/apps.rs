//! `kith apps`.

use kith_api::{AppInfo, Apps, Empty, SpaceInfo, Spaces};
use serde::Serialize;

use super::Context;
use crate::failure::Result;
use crate::output::{Align, Bytes, Table};

/// An app with its spaces, for programs.
#[derive(Serialize)]
struct WithSpaces<'a> {
    #[serde(flatten)]
    app: &'a AppInfo,
    spaces_here: Vec<&'a SpaceInfo>,
}

pub(super) async fn apps(context: &Context) -> Result<()> {
    let mut client = context.client().await?;
    let apps: Apps = client.call("apps.list", &Empty {}).await?;
    let spaces: Spaces = client.call("spaces.list", &Empty {}).await?;
    for app in &apps.apps {
        let spaces_here = spaces.spaces.iter().filter(|space| space.app == app.app).collect();
        context.output.object(&WithSpaces { app, spaces_here });
    }
    if apps.apps.is_empty() {
        context.output.line("No app is installed yet.");
        context.output.next(context.suggest("open kith://…"), "opens one from a link");
        return Ok(());
    }
    context.output.line(table(&apps.apps));
    if !spaces.spaces.is_empty() {
        context.output.line(format_args!("\n{}", table_of_spaces(&spaces.spaces)));
    }
    context.output.next(context.suggest("invite APP-OR-SPACE"), "a link for a friend");
    Ok(())
}

/// Apps and what they use.
pub(super) fn table(apps: &[AppInfo]) -> Table {
    let mut table = Table::new(&[
        ("app", Align::Left),
        ("version", Align::Right),
        ("spaces", Align::Right),
        ("disk", Align::Right),
        ("sent", Align::Right),
        ("received", Align::Right),
        ("from", Align::Left),
        ("id", Align::Left),
    ]);
    for app in apps {
        let from = match (app.bundled, app.ours) {
            (true, _) => "kith",
            (false, true) => "you",
            (false, false) => "others",
        };
        table.row(vec![
            app.name.clone(),
            app.version.to_string(),
            app.spaces.to_string(),
            Bytes(app.disk.saturating_add(app.size)).to_string(),
            Bytes(app.traffic.sent).to_string(),
            Bytes(app.traffic.received).to_string(),
            from.to_owned(),
            app.app.clone(),
        ]);
    }
    table
}

/// Spaces, and who is there.
fn table_of_spaces(spaces: &[SpaceInfo]) -> Table {
    let mut table = Table::new(&[
        ("space", Align::Left),
        ("app", Align::Left),
        ("people", Align::Right),
        ("online", Align::Right),
        ("entries", Align::Right),
        ("disk", Align::Right),
        ("open to", Align::Left),
        ("id", Align::Left),
    ]);
    for space in spaces {
        let online = space.members.iter().filter(|member| member.online && !member.me).count();
        table.row(vec![
            space.name.clone(),
            space.app_name.clone(),
            space.members.len().to_string(),
            online.to_string(),
            space.entries.to_string(),
            Bytes(space.bytes).to_string(),
            if space.public { "anybody" } else { "invited" }.to_owned(),
            space.space.clone(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::fixture;

    #[test]
    fn a_table_of_apps() {
        insta::assert_snapshot!(table(&fixture::status().apps));
    }

    #[test]
    fn a_table_of_spaces() {
        insta::assert_snapshot!(table_of_spaces(&fixture::spaces().spaces));
    }
}
