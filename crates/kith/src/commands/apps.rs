//! `kith apps`.

use kith_api::{AppInfo, AppRef, AppUpdate, Apps, Empty, Removed, SpaceInfo, Spaces};
use serde::Serialize;

use super::Context;
use crate::args::{AppsAction, OneApp};
use crate::failure::{Failure, Result};
use crate::names::{self, Named};
use crate::output::{Align, Bytes, Table};

/// An app with its spaces, for programs.
#[derive(Serialize)]
struct WithSpaces<'a> {
    #[serde(flatten)]
    app: &'a AppInfo,
    spaces_here: Vec<&'a SpaceInfo>,
}

pub(super) async fn apps(context: &Context, action: Option<AppsAction>) -> Result<()> {
    match action {
        None => list(context).await,
        Some(AppsAction::Update(args)) => update(context, &args).await,
        Some(AppsAction::Remove(args)) => remove(context, &args).await,
    }
}

async fn list(context: &Context) -> Result<()> {
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
    let newer: Vec<_> =
        apps.apps.iter().filter_map(|app| Some((app, app.update.as_ref()?))).collect();
    let Some((first, _)) = newer.first() else {
        context.output.next(context.suggest("invite APP-OR-SPACE"), "a link for a friend");
        return Ok(());
    };
    let lines: Vec<_> = newer.iter().map(|(app, update)| changes(app, update)).collect();
    context.output.line(format_args!("\n{}", lines.join("\n")));
    let command = format!("apps update {}", quoted(&first.name));
    context.output.next(context.suggest(&command), "installs the newer version");
    Ok(())
}

/// What a newer version changes, in a sentence or two.
fn changes(app: &AppInfo, update: &AppUpdate) -> String {
    let size = Bytes(update.size);
    let mut text = format!("{}: version {} is here ({size}).", app.name, update.version);
    if update.name != app.name {
        text += &format!(" It calls itself “{}”.", update.name);
    }
    match (&update.adds[..], &update.removes[..]) {
        ([], []) => text += " It asks for nothing new.",
        (adds, removes) => {
            if !adds.is_empty() {
                text += &format!(" It also wants to {}.", adds.join(", "));
            }
            if !removes.is_empty() {
                text += &format!(" It no longer wants to {}.", removes.join(", "));
            }
        }
    }
    text
}

fn quoted(name: &str) -> String {
    if name.contains(|c: char| !c.is_alphanumeric()) {
        format!("{name:?}")
    } else {
        name.to_owned()
    }
}

/// The app that is meant.
fn find<'a>(apps: &'a [AppInfo], text: &str) -> Result<&'a AppInfo> {
    let named: Vec<_> = apps.iter().map(|app| Named { id: &app.app, name: &app.name }).collect();
    let id = names::find(text, "app", &named, "kith apps")?;
    Ok(apps.iter().find(|app| app.app == id).expect("it was found among them"))
}

async fn update(context: &Context, args: &OneApp) -> Result<()> {
    let mut client = context.client().await?;
    let apps: Apps = client.call("apps.list", &Empty {}).await?;
    let app = find(&apps.apps, &args.app)?;
    if let Some(update) = &app.update {
        context.output.note(changes(app, update));
        let question = format!("Install version {} of {}?", update.version, app.name);
        if !args.yes && !context.output.ask(&question, true) {
            let stays = format!("{} stays at version {}.", app.name, app.version);
            return Err(Failure::new("cancelled", stays));
        }
    }
    let updated: AppInfo = client.call("apps.update", &AppRef { app: app.app.clone() }).await?;
    context.output.object(&updated);
    context.output.line(format_args!("{} is at version {} now.", updated.name, updated.version));
    if updated.behind > 0 {
        context.output.note("Open pages go on with the version before until they are reloaded.");
    }
    Ok(())
}

async fn remove(context: &Context, args: &OneApp) -> Result<()> {
    let mut client = context.client().await?;
    let apps: Apps = client.call("apps.list", &Empty {}).await?;
    let spaces: Spaces = client.call("spaces.list", &Empty {}).await?;
    let app = find(&apps.apps, &args.app)?;
    if !app.bundled {
        context.output.note(loss(app, &spaces.spaces));
        let question = format!("Remove {}?", app.name);
        if !args.yes && !context.output.ask(&question, true) {
            return Err(Failure::new("cancelled", format!("{} stays.", app.name)));
        }
    }
    let removed: Removed = client.call("apps.remove", &AppRef { app: app.app.clone() }).await?;
    context.output.object(&removed);
    let freed = Bytes(removed.freed);
    context.output.line(format_args!("{} is removed: {freed} are free.", removed.name));
    if app.ours {
        context.output.note("Its publishing key stays: “kith key” lists it.");
    }
    Ok(())
}

/// What goes with an app.
fn loss(app: &AppInfo, spaces: &[SpaceInfo]) -> String {
    let spaces: Vec<_> = spaces.iter().filter(|space| space.app == app.app).collect();
    let frees = Bytes(app.size + app.disk + app.files.freed);
    let mut text = format!("Removing {} frees {frees}.", app.name);
    if spaces.is_empty() {
        return text + " It has no space here.";
    }
    let alone = |space: &&&SpaceInfo| space.members.len() == 1;
    let names: Vec<_> = spaces.iter().map(|space| format!("“{}”", space.name)).collect();
    text += &format!(" You leave {}, and all that is here of it is deleted.", names.join(", "));
    let gone: Vec<_> =
        spaces.iter().filter(alone).map(|space| format!("“{}”", space.name)).collect();
    if !gone.is_empty() {
        text += &format!(" Nobody else is in {}: it is gone for good.", gone.join(", "));
    }
    if gone.len() < spaces.len() {
        text += " Others keep what they have; to come back you need an invitation.";
    }
    text
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
            match &app.update {
                Some(update) => format!("{}, {} is here", app.version, update.version),
                None => app.version.to_string(),
            },
            app.spaces.to_string(),
            Bytes(app.disk + app.size + app.files.bytes).to_string(),
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
            Bytes(space.bytes + space.files.bytes).to_string(),
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
    fn what_a_newer_version_changes_is_said() {
        let apps = fixture::status().apps;
        let said = changes(&apps[1], apps[1].update.as_ref().expect("it has one"));
        insta::assert_snapshot!(said, @"Book club: version 13 is here (2.5 MB). It also wants to use the camera. It no longer wants to know where you are.");
    }

    #[test]
    fn what_goes_with_an_app_is_said() {
        let app = AppInfo { app: "A".repeat(43), ..fixture::status().apps.remove(1) };
        insta::assert_snapshot!(loss(&app, &fixture::spaces().spaces), @"Removing Book club frees 2.4 MB. You leave “Book club”, “Chat”, and all that is here of it is deleted. Nobody else is in “Chat”: it is gone for good. Others keep what they have; to come back you need an invitation.");
    }

    #[test]
    fn a_table_of_spaces() {
        insta::assert_snapshot!(table_of_spaces(&fixture::spaces().spaces));
    }
}
