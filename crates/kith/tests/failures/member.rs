//! A member of a space that is no kith: made of kith's own library, to say what no kith says.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use iroh::EndpointId;
use kith_app::{AppId, Destination, Link, SpaceKeys};
use kith_log::sync::Message as SyncMessage;
use kith_log::{AuthorSecret, Draft, Opening, Run, SpaceId, append};
use kith_overlay::boxed::BoxFuture;
use kith_overlay::space::{Begin, Here, Message, SpaceMessage};
use kith_overlay::transport::{
    Bind, Close, Config, Ended, Handler, Overlay, Peer, PeerAddr, Reason, RecvStream, SendStream,
    SpaceKey, SpaceRef, StreamHeader, Way,
};
use tokio::sync::watch;

use crate::support::PATIENCE;

/// What the holder of an invitation has.
#[derive(Clone)]
pub(crate) struct Room {
    pub(crate) key: SpaceKey,
    admission: [u8; 32],
}

impl Room {
    pub(crate) fn of(link: &str) -> Self {
        let link: Link = link.parse().expect("a link");
        let Destination::Space(secret) = link.destination() else { panic!("no invitation") };
        let keys = SpaceKeys::derive(link.app(), secret);
        let at = SpaceRef { app: *link.app(), space: SpaceId::from_bytes(keys.space) };
        let key = SpaceKey { at, sync_key: *keys.sync.as_bytes() };
        Self { key, admission: *keys.admission.as_bytes() }
    }

    /// A space that nobody is in.
    pub(crate) fn elsewhere(admission: [u8; 32]) -> Self {
        let space = *AuthorSecret::from_seed(&admission).author().as_bytes();
        let at = SpaceRef { app: AppId::from_bytes([9; 32]), space: SpaceId::from_bytes(space) };
        Self { key: SpaceKey { at, sync_key: [9; 32] }, admission }
    }

    pub(crate) fn space(&self) -> SpaceId {
        self.key.at.space
    }

    pub(crate) fn opening(&self, author: &AuthorSecret) -> Opening {
        Opening::admit(&self.admission, &author.author(), None)
    }

    /// A log of an author, as a push: its opening, and entries of these bytes that nobody can read.
    pub(crate) fn log(&self, author: &AuthorSecret, opening: Opening, entries: &[&[u8]]) -> Run {
        let first =
            Draft { lamport: 1, time_ms: 1_700_000_000_000, epoch: 0, body: opening.to_body() };
        let drafts = (2..).zip(entries).map(|(lamport, body)| Draft {
            lamport,
            time_ms: 1_700_000_000_000 + lamport,
            epoch: 1,
            body: body.to_vec(),
        });
        let drafts = std::iter::once(first).chain(drafts).collect();
        let run = append(author, &self.space(), None, drafts).expect("a log");
        let checkpoint = run.head().checkpoint(&author.author());
        Run { start: 0, base: None, entries: run.into_entries(), checkpoint }
    }
}

/// Takes everything, and says nothing by itself.
struct Silent {
    key: SpaceKey,
    /// Whom it is to talk to.
    to: EndpointId,
    entered: watch::Sender<Option<Arc<Peer>>>,
}

impl Handler for Silent {
    fn connected(&self, _peer: &Arc<Peer>) {}

    fn spaces(&self) -> Vec<SpaceKey> {
        vec![self.key]
    }

    fn entered(&self, peer: &Arc<Peer>, _space: SpaceRef) {
        // Others of the space are told of this one, and come, too.
        if peer.id() == self.to {
            self.entered.send_replace(Some(peer.clone()));
        }
    }

    fn left(&self, _peer: &Arc<Peer>, _space: SpaceRef) {}

    fn frame<'a>(
        &'a self,
        _peer: &'a Arc<Peer>,
        _space: SpaceRef,
        _frame: Bytes,
    ) -> BoxFuture<'a, Result<(), Close>> {
        Box::pin(async { Ok(()) })
    }

    fn stream<'a>(
        &'a self,
        _peer: &'a Arc<Peer>,
        _header: StreamHeader,
        _send: SendStream,
        mut recv: RecvStream,
    ) -> BoxFuture<'a, Result<(), Close>> {
        Box::pin(async move {
            while let Ok(Some(_)) = recv.read_chunk(1 << 20).await {}
            Ok(())
        })
    }

    fn disconnected(&self, _peer: &Arc<Peer>) {}
}

pub(crate) struct Member {
    pub(crate) overlay: Overlay,
    pub(crate) peer: Arc<Peer>,
    pub(crate) author: AuthorSecret,
    pub(crate) room: Room,
}

impl Member {
    /// Enters, with a key that stands for `n`, and begins to talk.
    pub(crate) async fn enter(room: &Room, addr: &str, n: u8) -> Self {
        let mut config = Config::new([n; 32]);
        config.offline = true;
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        config.bind = vec![Bind { addr: any, prefix: Some(8), required: true }];
        let addr: PeerAddr = addr.parse().expect("an address");
        let entered = watch::Sender::new(None);
        let silent = Arc::new(Silent { key: room.key, to: addr.id, entered });
        let mut entered = silent.entered.subscribe();
        let overlay = Overlay::bind(config, silent).await.expect("a free port");
        overlay.add_peer(&addr, Way::Manual, Some(Reason::Person));
        let peer = tokio::time::timeout(PATIENCE, entered.wait_for(Option::is_some)).await;
        let peer =
            peer.expect("it lets members in").expect("it lasts").clone().expect("it is there");
        let member =
            Self { overlay, peer, author: AuthorSecret::from_seed(&[n; 32]), room: room.clone() };
        member.say(&SpaceMessage::Begin(Begin { mine: 1, yours: 0 }));
        member
    }

    pub(crate) fn id(&self) -> String {
        self.overlay.id().to_string()
    }

    /// Queues a message; false where there is no room, or nobody any more.
    pub(crate) fn say(&self, message: &SpaceMessage) -> bool {
        self.peer.send_frame(self.room.key.at, &message.encode()).is_ok()
    }

    /// Pushes a run.
    pub(crate) fn push(&self, run: Run) -> bool {
        self.say(&SpaceMessage::Sync(SyncMessage::Run(run).encode()))
    }

    /// Who it is, with the opening of its choice.
    pub(crate) fn here(&self, opening: &Opening) -> Here {
        let author = self.author.author();
        let text = [
            b"kith/1 here\n".as_slice(),
            self.room.space().as_bytes(),
            author.as_bytes(),
            &self.peer.exporter(),
            self.overlay.id().as_bytes(),
        ]
        .concat();
        let signature = self.author.sign(&text);
        Here { author, opening: opening.to_body(), signature }
    }

    /// A message that is not kept.
    pub(crate) fn message(&self, seq: u64, payload: Vec<u8>) -> Message {
        let run = [9; 16];
        let text = [
            b"kith/1 message\n".as_slice(),
            self.room.space().as_bytes(),
            &run,
            &seq.to_be_bytes(),
            &payload,
        ]
        .concat();
        let signature = self.author.sign(&text);
        Message { author: self.author.author(), run, seq, payload, signature }
    }

    /// Waits until the connection is over.
    pub(crate) async fn ended(&self) -> Ended {
        let ended = async {
            loop {
                match self.peer.ended() {
                    Some(ended) => break ended,
                    None => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
                }
            }
        };
        tokio::time::timeout(PATIENCE, ended).await.expect("it is ended")
    }
}
