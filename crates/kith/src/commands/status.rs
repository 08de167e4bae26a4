//! `kith status`.

use std::fmt::Write as _;

use kith_api::{Empty, Problem, Status};

use super::Context;
use crate::failure::Result;
use crate::output::{Align, Bytes, Millis, Output, Table, Tone};

pub(super) async fn status(context: &Context) -> Result<()> {
    let mut client = context.client().await?;
    let status: Status = client.call("node.status", &Empty {}).await?;
    context.output.object(&status);
    context.output.line(text(context.output, &status));
    let next = if status.connected == 0 { "invite Chat" } else { "peers" };
    let does =
        if status.connected == 0 { "a link for a friend" } else { "who is reached, and how" };
    context.output.next(context.suggest(next), does);
    Ok(())
}

/// The status, as a person reads it: what needs them first.
fn text(output: Output, status: &Status) -> String {
    let mut out = String::new();
    for Problem { error: problem, .. } in &status.problems {
        let _ = writeln!(out, "{} {problem}\n", output.tint(Tone::Bad, "Problem:"));
    }
    let people = match status.connected {
        0 => "nobody is connected yet".to_owned(),
        1 => "1 person connected".to_owned(),
        n => format!("{n} people connected"),
    };
    let reach = if status.offline { "offline: this machine and its LAN only" } else { "online" };
    let facts = [
        ("kith", format!("{}, running for {}", status.version, Millis(status.uptime))),
        ("People", people),
        ("Reach", reach.to_owned()),
        (
            "Traffic",
            format!(
                "{} sent, {} received",
                Bytes(status.traffic.sent),
                Bytes(status.traffic.received)
            ),
        ),
        ("Dashboard", status.http.clone()),
        ("Address", status.addr.clone()),
        ("Data", status.data_dir.clone()),
    ];
    for (name, fact) in facts {
        let _ = writeln!(out, "{} {fact}", output.tint(Tone::Strong, format_args!("{name:<10}")));
    }
    let _ = write!(out, "\n{}", ways(status));
    if !status.apps.is_empty() {
        let _ = write!(out, "\n\n{}", super::apps::table(&status.apps));
    }
    if !status.refused.is_empty() {
        let mut table = Table::new(&[("over a limit", Align::Left), ("refused", Align::Right)]);
        for (limit, count) in &status.refused {
            table.row(vec![limit.replace('_', " "), count.to_string()]);
        }
        let _ = write!(out, "\n\n{table}");
    }
    out
}

/// By which ways people are found.
fn ways(status: &Status) -> Table {
    let mut table =
        Table::new(&[("found by", Align::Left), ("people", Align::Right), ("now", Align::Left)]);
    for way in &status.discovery {
        table.row(vec![name_of(&way.way), way.found.to_string(), way.state.clone()]);
    }
    table
}

/// A way of discovery, in a person's words.
pub(super) fn name_of(way: &str) -> String {
    match way {
        "link" => "a link",
        "manual" => "--peer",
        "lan" => "this LAN",
        "cache" => "meeting before",
        "exchange" => "other people",
        "incoming" => "their coming here",
        other => other,
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::fixture;

    #[test]
    fn a_status() {
        insta::assert_snapshot!(text(Output::plain(), &fixture::status()));
    }

    #[test]
    fn a_status_with_nothing_yet() {
        let mut status = fixture::status();
        (status.connected, status.offline) = (0, true);
        status.apps.clear();
        status.refused.clear();
        status.problems.clear();
        insta::assert_snapshot!(text(Output::plain(), &status));
    }
}
