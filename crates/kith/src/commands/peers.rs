//! `kith peers`.

use std::time::{SystemTime, UNIX_EPOCH};

use kith_api::{BlockPeer, Empty, PeerInfo, PeerState, Peers};

use super::Context;
use super::status::name_of;
use crate::args::PeersAction;
use crate::control::Client;
use crate::failure::Result;
use crate::names::{self, Named};
use crate::output::{Ago, Align, Bytes, Micros, Millis, Table};

/// Digits of a node's id that are shown: enough to tell people apart, and to name them.
const SHORT_ID: usize = 10;

pub(super) async fn peers(context: &Context, action: Option<PeersAction>) -> Result<()> {
    let mut client = context.client().await?;
    match action {
        None => list(context, &mut client).await,
        Some(PeersAction::Block { peer }) => block(context, &mut client, &peer, true).await,
        Some(PeersAction::Unblock { peer }) => block(context, &mut client, &peer, false).await,
    }
}

async fn list(context: &Context, client: &mut Client) -> Result<()> {
    let peers: Peers = client.call("peers.list", &Empty {}).await?;
    for peer in &peers.peers {
        context.output.object(peer);
    }
    if peers.peers.is_empty() {
        context.output.line("Nobody is known yet.");
        context.output.next(context.suggest("invite Chat"), "a link for a friend");
    } else {
        context.output.line(table(&peers.peers, now()));
        context.output.next(context.suggest("status"), "by which ways people are looked for");
    }
    Ok(())
}

async fn block(context: &Context, client: &mut Client, meant: &str, blocked: bool) -> Result<()> {
    let peers: Peers = client.call("peers.list", &Empty {}).await?;
    let named: Vec<Named<'_>> =
        peers.peers.iter().map(|peer| Named { id: &peer.id, name: &peer.name }).collect();
    let id = names::find(meant, "peer", &named, "kith peers")?.to_owned();
    let Empty {} = client.call("peers.block", &BlockPeer { peer: id.clone(), blocked }).await?;
    context.output.object(&serde_json::json!({ "peer": id, "blocked": blocked }));
    let short = short(&id);
    if blocked {
        context
            .output
            .line(format_args!("{short} is blocked: no connection to them is made or accepted."));
        context.output.next(context.suggest(&format!("peers unblock {short}")), "takes it back");
    } else {
        context.output.line(format_args!("{short} is no longer blocked."));
    }
    Ok(())
}

fn table(peers: &[PeerInfo], now: u64) -> Table {
    let mut table = Table::new(&[
        ("name", Align::Left),
        ("id", Align::Left),
        ("state", Align::Left),
        ("address", Align::Left),
        ("rtt", Align::Right),
        ("for", Align::Right),
        ("sent", Align::Right),
        ("received", Align::Right),
        ("found by", Align::Left),
        ("problem", Align::Left),
    ]);
    for peer in peers {
        let found: Vec<String> = peer.found.iter().map(|way| name_of(way)).collect();
        table.row(vec![
            if peer.name.is_empty() { "(unnamed)".to_owned() } else { peer.name.clone() },
            short(&peer.id).to_owned(),
            state(peer, now),
            peer.address.clone().unwrap_or_default(),
            peer.rtt.map(|rtt| Micros(rtt).to_string()).unwrap_or_default(),
            peer.since.map(|then| Ago { then, now }.to_string()).unwrap_or_default(),
            Bytes(peer.traffic.sent).to_string(),
            Bytes(peer.traffic.received).to_string(),
            found.join(", "),
            peer.error.clone().unwrap_or_default(),
        ]);
    }
    table
}

/// How it stands with a peer, in words.
fn state(peer: &PeerInfo, now: u64) -> String {
    match peer.state {
        PeerState::Connected => match peer.path.as_deref() {
            Some("lan") => "connected on this LAN".to_owned(),
            Some("relay") => "connected through a relay".to_owned(),
            Some(_) | None => "connected".to_owned(),
        },
        PeerState::Dialing => "being reached".to_owned(),
        PeerState::Waiting => match peer.next_try {
            Some(next) => format!("again in {}", Millis(next.saturating_sub(now))),
            None => "not reached".to_owned(),
        },
        PeerState::Blocked => "blocked".to_owned(),
        PeerState::Banned => match peer.next_try {
            Some(end) => format!("kept out for {}", Millis(end.saturating_sub(now))),
            None => "kept out".to_owned(),
        },
    }
}

fn short(id: &str) -> &str {
    id.get(..SHORT_ID).unwrap_or(id)
}

/// Milliseconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::fixture;

    #[test]
    fn a_table_of_peers() {
        insta::assert_snapshot!(table(&fixture::peers().peers, fixture::NOW));
    }
}
