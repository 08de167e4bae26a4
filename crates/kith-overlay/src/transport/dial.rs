//! The two tasks that make connections: one accepts, one dials.

use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::stream::{FuturesUnordered, StreamExt};
use iroh::endpoint::{Connection, Incoming, IncomingAddr};
use iroh::{Endpoint, EndpointAddr, TransportAddr, Watcher};
use n0_future::task::JoinSet;
use n0_future::time::{Instant, sleep_until, timeout};
use tracing::{debug, trace};

use super::endpoint::Bound;
use super::exchange;
use super::gate::{OneOf, Place};
use super::limits::{ALPN, MAX_UNVALIDATED_HANDSHAKES};
use super::node::{Node, jitter};
use super::session;
use super::table::Dial;
use super::{Scope, scope};

/// Accepts until the endpoint is closed.
pub(crate) async fn accept(node: Arc<Node>, endpoint: Endpoint) {
    let mut tasks = JoinSet::new();
    loop {
        tokio::select! {
            incoming = endpoint.accept() => match incoming {
                Some(incoming) => admit(&node, incoming, &mut tasks),
                None => break,
            },
            Some(_) = tasks.join_next(), if !tasks.is_empty() => {}
        }
    }
    // Sessions end by themselves: their connections are closed.
    while tasks.join_next().await.is_some() {}
}

/// Decides by the address alone; the rest happens in the connection's own task.
fn admit(node: &Arc<Node>, incoming: Incoming, tasks: &mut JoinSet<()>) {
    let IncomingAddr::Ip(addr) = incoming.remote_addr() else {
        incoming.ignore();
        return;
    };
    // Nothing is sent there, not even a refusal.
    if node.config.offline && scope(&addr).is_none_or(|scope| scope > Scope::Local) {
        node.refused.count("too_far_for_offline");
        incoming.ignore();
        return;
    }
    let under_way = node.gate.handshakes_under_way();
    if under_way >= MAX_UNVALIDATED_HANDSHAKES && !incoming.remote_addr_validated() {
        // Whoever can't be reached at its address takes no place.
        if incoming.retry().is_err() {
            node.refused.count("handshakes_without_retry");
        }
        return;
    }
    let Some((handshake, stranger, place)) = seats(node, &addr) else {
        incoming.refuse();
        return;
    };
    let node = node.clone();
    tasks.spawn(async move {
        let session = async {
            let accepting = incoming.accept().map_err(|error| error.to_string())?;
            let conn = accepting.await.map_err(|error| error.to_string())?;
            let begun = session::begin(&node, conn, place, Some(stranger)).await;
            begun.map_err(|close| close.to_string())
        };
        let limit = node.config.timings.dial + node.config.timings.hello;
        let session = timeout(limit, session).await.unwrap_or_else(|_| Err("too slow".to_owned()));
        drop(handshake);
        match session {
            Ok(session) => session.run().await,
            Err(error) => debug!(%error, "an incoming connection came to nothing"),
        }
    });
}

/// What a newcomer from an address takes. None where there is no room; who comes again may find some.
fn seats(node: &Node, addr: &SocketAddr) -> Option<(OneOf, OneOf, Place)> {
    let handshake = node.gate.handshake(addr)?;
    let stranger = node.gate.stranger(addr).or_else(|| {
        let from = OneOf::prefix_of(addr);
        node.dismiss_stranger(|prefix| *prefix == from);
        node.gate.stranger(addr)
    })?;
    let place = node.gate.incoming().or_else(|| {
        // Its place is free a moment later.
        node.dismiss_stranger(|_| true);
        None
    })?;
    Some((handshake, stranger, place))
}

/// Dials whom the table names, until the node closes.
pub(crate) async fn dial(node: Arc<Node>) {
    let mut closing = node.closing.subscribe();
    let mut tasks = JoinSet::new();
    let mut addresses = node.endpoint().watch_addr();
    loop {
        // Asked for before looking, so that no change goes unseen.
        let kicked = node.kick.notified();
        let due = node.table().poll_dials(Instant::now());
        if !due.is_empty() {
            node.tell_change();
        }
        for dial in due {
            tasks.spawn(dial_one(node.clone(), dial));
        }
        let next = node.table().poll_timeout();
        tokio::select! {
            () = kicked => {}
            () = until(next) => {}
            // Another network: who could not be reached may be now.
            Ok(_) = addresses.updated() => node.change(|table| table.retry_all(Instant::now())),
            Some(_) = tasks.join_next(), if !tasks.is_empty() => {}
            _ = closing.wait_for(|closing| *closing) => break,
        }
    }
    // Sessions end by themselves: the node drains them.
    while tasks.join_next().await.is_some() {}
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

async fn dial_one(node: Arc<Node>, dial: Dial) {
    let id = dial.id;
    if dial.failures > 0 {
        exchange::ask_for(&node, id, dial.failures);
    }
    let session = match node.gate.outgoing() {
        Some(place) => reach(&node, &dial, place).await,
        None => {
            node.refused.count("connections");
            Err("no place for another connection".to_owned())
        }
    };
    let (session, error) = match session {
        Ok(session) => (Some(session), None),
        Err(error) => (None, Some(error)),
    };
    if let Some(error) = &error {
        debug!(peer = %id.fmt_short(), failures = dial.failures + 1, %error, "not reached");
    }
    let jitter = jitter();
    node.change(|table| table.dialled(Instant::now(), &id, error, jitter));
    if let Some(session) = session {
        session.run().await;
    }
}

async fn reach(node: &Arc<Node>, dial: &Dial, place: Place) -> Result<session::Session, String> {
    trace!(peer = %dial.id.fmt_short(), addrs = ?dial.addrs, "dialling");
    let mut closing = node.closing.subscribe();
    let connecting = timeout(node.config.timings.dial, connect(node, dial));
    let conn = tokio::select! {
        conn = connecting => conn,
        _ = closing.wait_for(|closing| *closing) => return Err("the node stops".to_owned()),
    };
    let conn = conn.map_err(|_| "no answer".to_owned())??;
    session::begin(node, conn, place, None).await.map_err(|close| close.to_string())
}

/// Tries all endpoints whose sockets reach an address of the peer; the first answer counts.
async fn connect(node: &Node, dial: &Dial) -> Result<Connection, String> {
    let mut tries = FuturesUnordered::new();
    for Bound { endpoint, bind } in node.endpoints() {
        let reached =
            |addr: &&SocketAddr| bind.is_empty() || bind.iter().any(|socket| socket.reaches(addr));
        let addrs: Vec<_> =
            dial.addrs.iter().filter(reached).map(|addr| TransportAddr::Ip(*addr)).collect();
        if !addrs.is_empty() {
            let addr = EndpointAddr::from_parts(dial.id, addrs);
            tries.push(async move { endpoint.connect(addr, ALPN).await });
        }
    }
    let mut error = "this machine is in no network of theirs".to_owned();
    while let Some(tried) = tries.next().await {
        match tried {
            Ok(conn) => return Ok(conn),
            Err(failed) => error = words(&failed),
        }
    }
    Err(error)
}

/// An error with its causes, each once.
fn words(error: &(dyn std::error::Error + 'static)) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut cause = Some(error);
    while let Some(error) = cause {
        let text = error.to_string();
        if words.last() != Some(&text) {
            words.push(text);
        }
        cause = error.source();
    }
    words.join(": ")
}
