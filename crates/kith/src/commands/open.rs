//! `kith open`.

use kith_api::{
    AppInfo, Attempt, Empty, Event, OpenBegin, OpenBegun, OpenConfirm, OpenedSpace, OpeningRef,
    OpeningStage, PageUrl, SpaceChoice, Subscription,
};

use super::{Context, absolute, page};
use crate::args;
use crate::control::Client;
use crate::failure::{Failure, Result};
use crate::output::{Bar, Bytes, Output, TICK, Tone};
use crate::system::End;

/// Digits of a space's id that are shown: enough to name it by.
const SHORT_ID: usize = 10;
/// How every link begins.
const SCHEME: &str = "kith:";

pub(super) async fn open(context: &Context, args: &args::Open) -> Result<()> {
    let target = target(&args.target)?;
    let mut client = context.client().await?;
    let begin = OpenBegin { target, new_space: args.new_space, yes: args.yes };
    let begun: OpenBegun = client.call("open.begin", &begin).await?;
    let opened = match begun.opened {
        Some(opened) => opened,
        None => follow(context, &mut client, begun.opening, args.new_space).await?,
    };
    let output = context.output;
    output.object(&opened);
    if output.person && !args.no_open {
        let page = PageUrl { space: Some(opened.space.clone()), path: String::new() };
        page::show(context, &mut client, page).await?;
        output.line("It opens in your browser.");
    } else {
        output.line(format_args!("Open this URL within 30 s; it works once:\n\n  {}", opened.url));
    }
    let space = opened.space.get(..SHORT_ID).unwrap_or(&opened.space);
    output.next(context.suggest(&format!("invite {space}")), "a link for a friend");
    Ok(())
}

/// A link as it is, a file by its path from the root, and what is neither as an app's name or id.
fn target(typed: &str) -> Result<String> {
    if typed.starts_with(SCHEME) {
        return Ok(typed.to_owned());
    }
    let path = absolute(typed.as_ref())?;
    let is_name = !typed.contains(std::path::is_separator) && !typed.ends_with(".xdc");
    if !path.is_file() && is_name {
        return Ok(typed.to_owned());
    }
    if !path.is_file() {
        return Err(Failure::new("not_found", format!("“{typed}” can't be opened."))
            .why("It is no kith:// link, and there is no such file.")
            .todo("Give a whole link, in quotes, or the path of an .xdc file."));
    }
    path.into_os_string()
        .into_string()
        .map_err(|_| Failure::usage("The path is no UTF-8.").todo("Rename the file."))
}

/// Shows how an opening goes on, and asks what it asks. Ctrl-C gives it up.
async fn follow(
    context: &Context,
    client: &mut Client,
    opening: String,
    new_space: bool,
) -> Result<OpenedSpace> {
    let subscription = client.subscribe(Subscription::Opening { opening: opening.clone() }).await?;
    let mut bar = Bar::new(context.output);
    let mut tick = tokio::time::interval(TICK);
    let mut end = End::listen();
    loop {
        let event = tokio::select! {
            event = client.event(subscription) => event?,
            _ = tick.tick() => {
                bar.redraw();
                continue;
            }
            () = end.asked() => {
                let Empty {} = client.call("open.cancel", &OpeningRef { opening }).await?;
                return Err(Failure::new("cancelled", "The opening was given up."));
            }
        };
        let Event::Opening(state) = event else { continue };
        match state.stage {
            OpeningStage::Fetching { tried, bytes: 0, .. } => {
                bar.draw(&looking("the app", &tried));
            }
            OpeningStage::Fetching { bytes, size, .. } => {
                bar.draw_transfer("Fetching", bytes, size)
            }
            OpeningStage::Asking { app, invited } => {
                drop(bar);
                let Some(space) = ask(context.output, &app, invited, new_space) else {
                    let Empty {} = client.call("open.cancel", &OpeningRef { opening }).await?;
                    return Err(refused(context.output, &app));
                };
                return client.call("open.confirm", &OpenConfirm { opening, space }).await;
            }
            OpeningStage::Ready(opened) => return Ok(opened),
            OpeningStage::Failed { error } => return Err(error.into()),
        }
    }
}

/// Who is tried: one of them, and how many more.
pub(super) fn looking(what: &str, tried: &[Attempt]) -> String {
    let more = match tried.len() {
        0 | 1 => String::new(),
        n => format!(", and {} more", n - 1),
    };
    let first = tried.first().map(|attempt| format!(" {}{more}", attempt.state));
    format!("Looking for someone who has {what}…{}", first.unwrap_or_default())
}

/// What the app is and asks for, and the person's answer.
fn ask(output: Output, app: &AppInfo, invited: bool, new_space: bool) -> Option<SpaceChoice> {
    if !output.person {
        return None;
    }
    output.line(question(output, app));
    if !output.ask("Open it?", false) {
        return None;
    }
    Some(if new_space {
        SpaceChoice::Own
    } else if invited {
        SpaceChoice::Invited
    } else if output
        .ask("Join its public space, where anybody can see you, instead of one of your own?", false)
    {
        SpaceChoice::Public
    } else {
        SpaceChoice::Own
    })
}

fn question(output: Output, app: &AppInfo) -> String {
    let mut text = format!(
        "{}  version {}, {}",
        output.tint(Tone::Strong, &app.name),
        app.version,
        Bytes(app.size)
    );
    if !app.description.is_empty() {
        text += &format!("\n  {}", app.description);
    }
    match (app.bundled, app.ours) {
        (true, _) => text += "\n  It came with kith.",
        (false, true) => text += "\n  It is signed by you.",
        (false, false) => text += &format!("\n  It is signed by {}.", app.app),
    }
    match app.permissions.as_slice() {
        [] => text += "\n  It asks for nothing.",
        asked => {
            asked.iter().for_each(|permission| text += &format!("\n  It wants to {permission}."))
        }
    }
    text
}

fn refused(output: Output, app: &AppInfo) -> Failure {
    let failure = Failure::new("not_permitted", format!("“{}” was not opened.", app.name));
    if output.person {
        failure.why("You did not say yes.")
    } else {
        failure
            .why("Somebody has to say yes to an app, and there is nobody to ask.")
            .todo("Say --yes to grant what it asks for.")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::control::{Server, fixture};

    #[test]
    fn a_target_is_a_link_or_a_file_that_is_there() {
        assert_eq!(target("kith://abc/#def").unwrap(), "kith://abc/#def");
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("game.xdc");
        std::fs::write(&file, b"").unwrap();
        assert_eq!(target(file.to_str().unwrap()).unwrap(), file.to_str().unwrap());
        assert_eq!(target("nothing.xdc").unwrap_err().code, "not_found");
    }

    #[test]
    fn a_wait_says_who_is_tried() {
        let tried = |n: usize| {
            let one = Attempt { peer: "p".into(), way: "link".into(), state: "Connecting".into() };
            looking("the app", &vec![one; n])
        };
        assert_eq!(tried(0), "Looking for someone who has the app…");
        assert_eq!(tried(1), "Looking for someone who has the app… Connecting");
        assert_eq!(tried(3), "Looking for someone who has the app… Connecting, and 2 more");
    }

    #[tokio::test]
    async fn nothing_is_granted_where_nobody_can_be_asked() {
        let dir = tempfile::tempdir().unwrap();
        let _server = Server::start(dir.path(), Arc::new(fixture::Fixture)).unwrap();
        let context = Context { data_dir: dir.path().to_owned(), output: Output::plain() };
        let args = args::Open {
            target: "kith://a/#b".into(),
            new_space: false,
            yes: false,
            no_open: true,
        };
        let failure = open(&context, &args).await.unwrap_err();
        assert_eq!(failure.code, "not_permitted");
        assert!(failure.todo.contains("--yes"), "{failure:?}");
    }

    #[test]
    fn the_question_names_what_is_asked() {
        let mut app = fixture::status().apps.remove(1);
        app.permissions = vec!["use the camera".into(), "know where you are".into()];
        insta::assert_snapshot!(question(Output::plain(), &app));
    }
}
