//! `kith demo`: three people on this machine, an app open for each.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use kith_api::{
    Apps, CreateSpace, Empty, Invite, InviteLink, OpenBegin, OpenBegun, OpenedSpace, PageLink,
    PageUrl, RenameSpace, Settings, SettingsChange,
};
use serde::Deserialize;
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::{Context, page};
use crate::args;
use crate::control::Client;
use crate::failure::{Failure, Result};
use crate::output::during;
use crate::system::{self, End};

/// Who takes part.
const PEOPLE: [&str; 3] = ["Ada", "Ben", "Cleo"];
/// What their space is called.
const SPACE: &str = "Demo";
/// What a node's log is called, in its data directory.
const LOG: &str = "log.txt";
/// How long a node may take to end in order, before it is killed. It holds nothing of worth.
const END_WITHIN: Duration = Duration::from_secs(5);

/// One of them, with a node of their own. Dropping it kills the node.
struct Person {
    name: &'static str,
    child: Child,
    client: Client,
    addr: String,
    space: String,
}

/// What `kith up --json` says.
#[derive(Deserialize)]
struct Ready {
    addr: String,
}

pub(super) async fn demo(context: &Context, args: &args::Demo) -> Result<()> {
    let root = TempDir::with_prefix("kith-demo-").map_err(|error| {
        Failure::new("storage", "There is no room for the demo.")
            .why(format!("No temporary folder can be made: {error}."))
    })?;
    let mut end_of_demo = End::listen();
    let mut people = tokio::select! {
        people = during(context.output, "Starting three nodes", gather(root.path())) => people?,
        () = end_of_demo.asked() => return Ok(()),
    };
    let shown = show(context, &mut people, args.no_open).await;
    if shown.is_ok() {
        context.output.line("\nCtrl-C ends the demo and removes everything again.");
        end_of_demo.asked().await;
    }
    for person in people {
        end(person).await;
    }
    shown
}

/// Starts all nodes, and brings their people into one space.
async fn gather(root: &Path) -> Result<Vec<Person>> {
    let [first, others @ ..] = PEOPLE;
    let mut host = start(first, root, None).await?;
    let apps: Apps = host.client.call("apps.list", &Empty {}).await?;
    let app = apps.apps.into_iter().find(|app| app.bundled).ok_or_else(|| {
        Failure::new("internal", "There is nothing to show.").why("This build has no bundled app.")
    })?;
    let create = CreateSpace { app: app.app, name: Some(SPACE.to_owned()), public: false };
    let opened: OpenedSpace = host.client.call("spaces.create", &create).await?;
    let invite = Invite { target: opened.space.clone() };
    let invitation: InviteLink = host.client.call("spaces.invite", &invite).await?;
    host.space = opened.space;
    let mut people = vec![host];
    for name in others {
        let mut guest = start(name, root, Some(&people[0].addr)).await?;
        let begin = OpenBegin { target: invitation.link.clone(), new_space: false, yes: true };
        let begun: OpenBegun = guest.client.call("open.begin", &begin).await?;
        guest.space = begun.opened.map(|opened| opened.space).unwrap_or_default();
        // What a space is called is each person's own affair.
        let rename = RenameSpace { space: guest.space.clone(), name: SPACE.to_owned() };
        let Empty {} = guest.client.call("spaces.rename", &rename).await?;
        people.push(guest);
    }
    Ok(people)
}

/// Starts a node with a data directory and a port of its own.
async fn start(name: &'static str, root: &Path, peer: Option<&str>) -> Result<Person> {
    let dir = root.join(name);
    let failed =
        |why: String| Failure::new("internal", "A node of the demo did not start.").why(why);
    std::fs::create_dir(&dir).map_err(|error| failed(error.to_string()))?;
    let log = std::fs::File::create(dir.join(LOG)).map_err(|error| failed(error.to_string()))?;
    let program = std::env::current_exe().map_err(|error| failed(error.to_string()))?;
    let mut command = Command::new(program);
    command
        .args(["up", "--offline", "--no-open", "--json", "--until-stdin-ends"])
        .args(["--http", "127.0.0.1:0", "--data-dir"])
        .arg(&dir)
        // Three people who are none are shown to no LAN, and reach nobody whom this person knows.
        .env("KITH_LAN", "0")
        .env("KITH_BIND", "127.0.0.1:0")
        .env("KITH_PEERS", "")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(log)
        .kill_on_drop(true);
    if let Some(peer) = peer {
        command.args(["--peer", peer]);
    }
    let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
    let stdout = child.stdout.take().ok_or_else(|| failed("it has no output".to_owned()))?;
    let mut line = String::new();
    let read = BufReader::new(stdout).read_line(&mut line).await;
    let ready: Ready =
        read.ok().and_then(|_| serde_json::from_str(&line).ok()).ok_or_else(|| {
            failed(std::fs::read_to_string(dir.join(LOG)).unwrap_or_default().trim_end().to_owned())
        })?;
    let mut client = Client::connect(&dir).await?;
    let change = SettingsChange { name: Some(name.to_owned()), ..SettingsChange::default() };
    let _: Settings = client.call("settings.set", &change).await?;
    Ok(Person { name, child, client, addr: ready.addr, space: String::new() })
}

/// Opens everybody's page, or prints where it is.
async fn show(context: &Context, people: &mut [Person], no_open: bool) -> Result<()> {
    let output = context.output;
    let in_browser = output.person && !no_open && system::has_screen();
    if in_browser {
        output.line("Three people, each with a node of their own, in one space:\n");
    } else {
        output.line("Open these URLs within 30 s; each works once:\n");
    }
    for person in people {
        let page = PageUrl { space: Some(person.space.clone()), path: String::new() };
        let link: PageLink = person.client.call("page.url", &page).await?;
        output.object(&json!({ "name": person.name, "url": link.url, "addr": person.addr }));
        if in_browser {
            output.line(format_args!("  {}", person.name));
            page::in_browser(output, &link);
        } else {
            output.line(format_args!("  {:<5} {}", person.name, link.url));
        }
    }
    Ok(())
}

/// Ends a node in order, by the end of its standard input.
async fn end(mut person: Person) {
    drop(person.child.stdin.take());
    if tokio::time::timeout(END_WITHIN, person.child.wait()).await.is_err() {
        let _ = person.child.kill().await;
    }
}
