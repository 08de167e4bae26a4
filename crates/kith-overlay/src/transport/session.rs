//! One connection, from Hello to its end: the control stream, the streams that the peer opens, and
//! handing over what is under way when it ends.

use std::net::SocketAddr;
use std::sync::Arc;

use iroh::EndpointId;
use iroh::endpoint::Connection;
use n0_future::task::JoinSet;
use n0_future::time::{Instant, sleep, timeout};
use tokio::sync::watch;
use tracing::{debug, info};

use super::accept::{self, Streams};
use super::bucket::Bucket;
use super::control::{Control, Hello};
use super::exchange;
use super::gate::{OneOf, Place};
use super::hello::{self, Greeted};
use super::limits::{
    CONTROL_BURST, CONTROL_RATE, INTRODUCE_BURST, INTRODUCE_PER_MINUTE, INTRODUCED_BURST,
    INTRODUCED_PER_MINUTE, LEAVE_BURST, LEAVES_PER_MINUTE, MAX_CONTROL_FRAME, OBSERVED_BURST,
    OBSERVED_PER_HOUR, VERSION,
};
use super::node::{Installed, NewConnection, Node};
use super::outbox::News;
use super::peer::{Peer, Phase};
use super::{Close, CloseCode, Ended, RecvStream, SendStream};

/// How far handing over is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Progress {
    /// The one-way streams that the peer opened, as its Goodbye says.
    goodbye: Option<u32>,
    /// The one-way streams of the peer that were read to their end.
    pub(crate) uni_done: u32,
}

impl Progress {
    fn delivered(&self) -> bool {
        self.goodbye.is_some_and(|streams| self.uni_done >= streams)
    }
}

/// A connection that said Hello and has its place.
pub(crate) struct Session {
    node: Arc<Node>,
    peer: Arc<Peer>,
    serves: bool,
    send: SendStream,
    recv: RecvStream,
    _place: Place,
}

/// Says Hello on a new connection and gives it its place. A stranger is counted as one until it is
/// known for more than its key.
///
/// # Errors
/// With what the connection was closed.
pub(crate) async fn begin(
    node: &Arc<Node>,
    conn: Connection,
    place: Place,
    stranger: Option<OneOf>,
) -> Result<Session, Close> {
    let id = conn.remote_id();
    let (counts, lost) = {
        let mut table = node.table();
        (table.counts(Instant::now(), id), table.lost(&id))
    };
    let limit = node.config.timings.hello;
    let ours = Hello { version: VERSION, features: 0, run_id: node.run_id, lost };
    let greeted = hello::greet(&conn, ours, &counts, &node.counts, limit).await;
    let begun = greeted.and_then(|Greeted { hello, exporter, send, recv }| {
        let conn = conn.clone();
        let new = NewConnection { conn, hello, exporter, counts, stranger };
        let Installed { peer, serves } = node.install(new)?;
        let node = node.clone();
        Ok(Session { node, peer, serves, send, recv, _place: place })
    });
    if let Err(close) = &begun {
        conn.close(close.code.into(), close.reason.as_bytes());
        blame(node, id, close);
        debug!(peer = %id.fmt_short(), reason = %close, "no connection after the handshake");
    }
    begun
}

impl Session {
    /// Runs to the end of the connection.
    pub(crate) async fn run(self) {
        let Self { node, peer, serves, send, recv, _place } = self;
        let span = peer.id();
        info!(peer = %span.fmt_short(), dialled = peer.dialled(), serves, "connected");
        if serves {
            greet_handler(&node, &peer);
        }
        let ended = drive(&node, &peer, serves, send, recv).await;
        let mut banned = None;
        if let Ended::Here(close) = &ended {
            peer.conn().close(close.code.into(), close.reason.as_bytes());
            banned = blame(&node, peer.id(), close);
        }
        if let Ended::There(code) = &ended {
            peer.conn().close((*code).into(), b"");
        }
        peer.set_ended(ended.clone());
        node.uninstall(&peer, &ended, banned);
        if serves {
            node.handler.disconnected(&peer);
            node.tell_change();
        }
        info!(peer = %span.fmt_short(), reason = %ended, "disconnected");
    }
}

/// Counts a close that a limit or a fault of the peer's is the reason of. Who broke the protocol is
/// kept out for a while: until when.
fn blame(node: &Node, id: EndpointId, close: &Close) -> Option<Instant> {
    match close.code {
        CloseCode::Violation
        | CloseCode::Incompatible
        | CloseCode::Limits
        | CloseCode::Blocked
        | CloseCode::Internal => node.refused.count(close.code.name()),
        CloseCode::Shutdown | CloseCode::Replaced | CloseCode::Duplicate => {}
    }
    let banned = (close.code == CloseCode::Violation).then(|| node.gate.strike(id));
    if banned.is_some() {
        info!(peer = %id.fmt_short(), reason = %close, "broke the protocol: kept out for a while");
    }
    banned
}

fn greet_handler(node: &Node, peer: &Arc<Peer>) {
    node.handler.connected(peer);
    peer.know(&node.handler.spaces());
    peer.offer(&node.handler.offers(peer));
    if let Some(addr) = peer.address() {
        let addr = SocketAddr::new(addr.ip(), addr.port());
        peer.send_control(Control::Observed { addr });
    }
}

/// All that runs while the connection lasts; whatever ends first ends all of it.
async fn drive(
    node: &Arc<Node>,
    peer: &Arc<Peer>,
    serves: bool,
    send: SendStream,
    recv: RecvStream,
) -> Ended {
    let progress = watch::Sender::new(Progress::default());
    let streams = Streams::new(node.clone(), peer.clone());
    let mut uni = JoinSet::new();
    let mut bi = JoinSet::new();
    let first = tokio::select! {
        ended = control(node, peer, send, recv, &progress) => ended,
        close = accept::uni(&streams, &mut uni, &progress) => Ended::Here(close),
        close = accept::bi(&streams, &mut bi, serves) => Ended::Here(close),
        ended = told(node, peer) => ended,
        ended = drain_timeout(node, peer) => ended,
        error = peer.conn().closed() => Ended::from_transport(&error),
    };
    // The handler is told that it is over only when nothing of it runs any more.
    uni.shutdown().await;
    bi.shutdown().await;
    // Who closed by `Peer::close` said why.
    peer.ended().unwrap_or(first)
}

/// Both directions of the control stream. Ends when everything is handed over, or by a fault.
async fn control(
    node: &Arc<Node>,
    peer: &Arc<Peer>,
    send: SendStream,
    recv: RecvStream,
    progress: &watch::Sender<Progress>,
) -> Ended {
    let both = async {
        tokio::try_join!(
            write_control(peer, send, progress.subscribe()),
            read_control(node, peer, recv, progress),
        )
    };
    match both.await {
        Ok(_) => match &*peer.phase().borrow() {
            Phase::Draining(ended) | Phase::Ended(ended) => ended.clone(),
            Phase::Open => Ended::Here(Close::violation("the control stream ended")),
        },
        // The connection itself knows better why it is over, or will in a moment.
        Err(close) if close.code == CloseCode::Shutdown => {
            let closed = timeout(node.config.timings.drain, peer.conn().closed()).await;
            closed.map_or_else(
                |_| Ended::Here(Close::violation("the control stream was ended alone")),
                |error| Ended::from_transport(&error),
            )
        }
        Err(close) => Ended::Here(close),
    }
}

/// Writes what waits, until the connection drains; then what is left, Goodbye, and, when everything
/// of the peer's was read, the end of the stream.
async fn write_control(
    peer: &Peer,
    mut send: SendStream,
    mut progress: watch::Receiver<Progress>,
) -> Result<(), Close> {
    let mut phase = peer.phase();
    let goodbye = loop {
        while let Some(message) = peer.outbox().next_message() {
            write(&mut send, &message).await?;
        }
        if let Phase::Draining(ended) = &*phase.borrow_and_update() {
            break ended.code();
        }
        tokio::select! {
            () = peer.outbox().message_waits() => {}
            _ = phase.changed() => {}
        }
    };
    // An error would mean that the peer is gone, which it is not: it is borrowed.
    let _ = peer.lanes_running().wait_for(|running| *running == 0).await;
    while let Some(message) = peer.outbox().next_message() {
        write(&mut send, &message).await?;
    }
    let streams = peer.uni_opened();
    write(&mut send, &Control::Goodbye { code: goodbye.number(), streams }).await?;
    let _ = progress.wait_for(Progress::delivered).await;
    send.finish();
    Ok(())
}

async fn write(send: &mut SendStream, message: &Control) -> Result<(), Close> {
    send.write_frame(&message.encode()).await.map_err(|error| hello::fault(&error))
}

/// Reads to the end of the stream.
async fn read_control(
    node: &Arc<Node>,
    peer: &Arc<Peer>,
    mut recv: RecvStream,
    progress: &watch::Sender<Progress>,
) -> Result<(), Close> {
    let now = Instant::now();
    let mut rate = Bucket::new(now, CONTROL_BURST, CONTROL_RATE * 60);
    let mut introductions = Bucket::new(now, INTRODUCE_BURST, INTRODUCE_PER_MINUTE);
    let mut leaves = Bucket::new(now, LEAVE_BURST, LEAVES_PER_MINUTE);
    // One liar must not push out what the others say.
    let mut observed = Bucket::new(now, OBSERVED_BURST, OBSERVED_PER_HOUR / 60);
    let mut introduced = Bucket::new(now, INTRODUCED_BURST, INTRODUCED_PER_MINUTE);
    while let Some(frame) =
        recv.read_frame(MAX_CONTROL_FRAME).await.map_err(|error| hello::fault(&error))?
    {
        wait(&mut rate, peer, "control_rate").await;
        let message = Control::decode(&frame).map_err(|error| hello::control_fault(&error))?;
        match message {
            None => peer.refused("control_of_newer_version"),
            Some(Control::Hello(_)) => return Err(Close::violation("a second Hello")),
            Some(Control::Enter { tags }) => {
                let (step, dropped) = peer.entering().received(&tags);
                node.refused.add("unmatched_tags", dropped as u64);
                peer.outbox().step(step);
            }
            Some(Control::Leave { space }) => {
                wait(&mut leaves, peer, "leaves").await;
                exchange::peer_left(peer, space);
            }
            Some(Control::Observed { addr }) => match observed.take(Instant::now()) {
                Ok(()) => exchange::observed(node, peer, addr),
                Err(_) => peer.refused("observed"),
            },
            Some(Control::Peers { space, peers }) => exchange::told(node, peer, space, &peers),
            Some(Control::Introduce { space, peer: whom, addrs }) => {
                match introductions.take(Instant::now()) {
                    Ok(()) => exchange::introduce(node, peer, space, whom, addrs),
                    Err(_) => peer.refused("introductions"),
                }
            }
            Some(Control::Introduced { space, peer: who, addrs }) => {
                match introduced.take(Instant::now()) {
                    Ok(()) => exchange::introduced(node, peer, space, who, addrs),
                    Err(_) => peer.refused("introduced"),
                }
            }
            Some(Control::Goodbye { code, streams }) => {
                if progress.borrow().goodbye.is_some() {
                    return Err(Close::violation("a second Goodbye"));
                }
                peer.drain(Ended::by_peer(code.into()));
                progress.send_modify(|progress| progress.goodbye = Some(streams));
            }
        }
    }
    if progress.borrow().goodbye.is_some() {
        Ok(())
    } else {
        Err(Close::violation("the control stream ended without Goodbye"))
    }
}

/// Waits for a token: the peer's next messages wait, too.
async fn wait(bucket: &mut Bucket, peer: &Peer, limit: &'static str) {
    while let Err(wait) = bucket.take(Instant::now()) {
        peer.refused(limit);
        sleep(wait).await;
    }
}

/// Tells the handler and the other peers who entered and left.
async fn told(node: &Arc<Node>, peer: &Arc<Peer>) -> Ended {
    loop {
        while let Some(news) = peer.outbox().next_news() {
            match news {
                News::Entered(at) => {
                    debug!(peer = %peer.id().fmt_short(), space = %at.space, "entered");
                    node.change(|table| table.entered(&peer.id(), at.space));
                    peer.is_no_stranger();
                    peer.expect(&at);
                    node.handler.entered(peer, at);
                    peer.admit(at);
                    exchange::entered(node, peer, at);
                }
                News::FramesLost(app) => node.handler.frames_lost(peer, app),
                News::Left(at) => {
                    peer.dismiss(&at);
                    node.handler.left(peer, at);
                    node.tell_change();
                }
            }
        }
        peer.outbox().news_waits().await;
    }
}

async fn drain_timeout(node: &Node, peer: &Peer) -> Ended {
    let mut phase = peer.phase();
    let ended = loop {
        match &*phase.borrow_and_update() {
            Phase::Open => {}
            Phase::Draining(ended) => break ended.clone(),
            Phase::Ended(ended) => return ended.clone(),
        }
        if phase.changed().await.is_err() {
            return Ended::Here(Close::internal("a peer without a state"));
        }
    };
    tokio::select! {
        () = sleep(node.config.timings.drain) => node.refused.count("drain_timeout"),
        _ = phase.wait_for(|phase| matches!(phase, Phase::Ended(_))) => {}
    }
    ended
}
