//! A node that remembers nothing and answers from a table, for tests of the command line.

use std::collections::BTreeMap;
use std::future::{pending, ready};

use futures_util::stream;
use kith_api::*;

/// When the tests take place, in milliseconds since 1970.
pub(crate) const NOW: u64 = 1_800_000_000_000;

/// The node. `open.begin` starts an opening that asks; `publish` waits for ever.
pub(crate) struct Fixture;

fn nothing<T: Send + 'static>(method: &str) -> BoxFuture<'static, Result<T>> {
    Box::pin(ready(Err(Error::new(ErrorCode::NotFound, format!("No {method} here."))
        .why("This is a fixture.")
        .todo("Ask a real node."))))
}

fn reply<T: Send + 'static>(value: T) -> BoxFuture<'static, Result<T>> {
    Box::pin(ready(Ok(value)))
}

macro_rules! answers {
    ($($name:ident($params:ty) -> $reply:ty = $answer:expr;)+) => {
        impl Service for Fixture {
            $(fn $name<'a>(&'a self, _: &'a Caller, _: $params) -> BoxFuture<'a, Result<$reply>> { $answer })+
        }
    };
}

answers! {
    me(Empty) -> Me = nothing("me");
    me_set_name(SetName) -> Empty = nothing("name");
    space_append(Append) -> Appended = nothing("entry");
    space_read(Read) -> Entries = nothing("entry");
    space_members(Empty) -> Members = nothing("member");
    space_send(SendMessage) -> Sent = nothing("message");
    app_reload(Empty) -> Empty = nothing("page");
    node_status(Empty) -> Status = reply(status());
    node_stop(Empty) -> Empty = reply(Empty {});
    page_url(PageUrl) -> PageLink = nothing("page");
    settings_get(Empty) -> Settings = nothing("setting");
    settings_set(SettingsChange) -> Settings = nothing("setting");
    apps_list(Empty) -> Apps = reply(Apps { apps: status().apps });
    apps_publish(Publish) -> Published = Box::pin(pending());
    apps_update(AppRef) -> AppInfo = nothing("update");
    apps_remove(AppRef) -> Removed = nothing("app");
    open_begin(OpenBegin) -> OpenBegun = reply(OpenBegun { opening: "o1".into(), opened: None });
    open_confirm(OpenConfirm) -> OpenedSpace = nothing("opening");
    open_cancel(OpeningRef) -> Empty = reply(Empty {});
    spaces_list(Empty) -> Spaces = reply(spaces());
    spaces_create(CreateSpace) -> OpenedSpace = nothing("app");
    spaces_invite(Invite) -> InviteLink = nothing("space");
    spaces_leave(SpaceRef) -> Empty = nothing("space");
    problems_dismiss(ProblemRef) -> Empty = nothing("problem");
    spaces_rename(RenameSpace) -> Empty = nothing("space");
    peers_list(Empty) -> Peers = reply(peers());
    peers_block(BlockPeer) -> Empty = nothing("peer");
    keys_list(Empty) -> Keys = reply(Keys { keys: Vec::new() });
    keys_export(KeyRef) -> ExportedKey = nothing("key");
    keys_import(ImportKey) -> KeyInfo = nothing("key");
    blobs_fetch(BlobRef) -> Empty = nothing("file");
    blobs_pause(BlobRef) -> Empty = nothing("file");
    blobs_drop(BlobRef) -> Empty = nothing("file");
    blobs_files(FolderRead) -> FolderFiles = nothing("folder");
    space_link(Empty) -> InviteLink = nothing("space");
    space_offer(Offer) -> Empty = nothing("space");
    space_import(Import) -> Imported = nothing("space");
    asks_files(AskRef) -> AskFiles = nothing("ask");
    asks_give(GiveFiles) -> Empty = nothing("ask");
    space_draft(Empty) -> DraftTaken = nothing("space");
    asks_look(AskRef) -> Ask = nothing("ask");
    asks_place(PlaceOffer) -> OpenedSpace = nothing("ask");
    asks_refuse(AskRef) -> Empty = nothing("ask");
    files_share(Share) -> JobRef = nothing("file");
    files_get(Get) -> JobRef = nothing("file");
    files_held(SpaceRef) -> HeldFiles = nothing("space");
    files_free(FreeFiles) -> HeldPart = nothing("space");
    jobs_cancel(JobRef) -> Empty = nothing("job");
}

impl Events for Fixture {
    fn subscribe<'a>(
        &'a self,
        _: &'a Caller,
        subscription: Subscription,
    ) -> BoxFuture<'a, Result<EventStream>> {
        let Subscription::Opening { opening } = subscription else {
            return nothing("subscription");
        };
        let stages = [
            OpeningStage::Fetching { tried: Vec::new(), bytes: 10, size: Some(20) },
            OpeningStage::Asking { app: status().apps.remove(1), invited: true },
        ];
        let events = stages
            .map(|stage| Event::Opening(Box::new(Opening { opening: opening.clone(), stage })));
        reply(Box::pin(stream::iter(events)) as EventStream)
    }
}

impl Doorkeeper for Fixture {
    fn origin(&self, _: &str) -> Option<Origin> {
        None
    }

    fn redeem(&self, _: &str, _: &Place) -> Option<String> {
        None
    }

    fn admits(&self, _: &str, _: &Place) -> bool {
        false
    }

    fn file<'a>(&'a self, _: &'a Origin, _: &'a str) -> BoxFuture<'a, Result<File>> {
        nothing("file")
    }
}

impl Files for Fixture {
    fn open_file<'a>(
        &'a self,
        _: &'a kith_log::SpaceId,
        _: &'a str,
    ) -> BoxFuture<'a, Result<OpenFile>> {
        nothing("file")
    }

    fn receive_file<'a>(
        &'a self,
        _: &'a kith_log::SpaceId,
        _: NewFile,
    ) -> BoxFuture<'a, Result<Box<dyn FileSink>>> {
        nothing("room")
    }
}

/// A node with a bit of everything.
pub(crate) fn status() -> Status {
    let way = |way: &str, on, found, state: &str| DiscoveryStatus {
        way: way.into(),
        on,
        found,
        state: state.into(),
    };
    Status {
        version: "0.1.0".into(),
        node_id: "3f".repeat(32),
        addr: format!("{}@192.0.2.7:41641", "3f".repeat(32)),
        http: "http://localhost:4848".into(),
        data_dir: "/home/ada/.local/share/kith".into(),
        uptime: 3_725_000,
        offline: false,
        discovery: vec![
            way("link", true, 1, "nothing to try"),
            way("lan", true, 2, "listening on 2 networks"),
            way("cache", false, 0, "nobody was met before"),
        ],
        connected: 2,
        traffic: Traffic { sent: 1_234_567, received: 89_000 },
        apps: vec![
            app("Chat", 3, 41_000, true, Traffic { sent: 1_200_000, received: 80_000 }),
            AppInfo {
                update: Some(Box::new(AppUpdate {
                    version: 13,
                    name: "Book club".into(),
                    size: 2_500_000,
                    adds: vec!["use the camera".into()],
                    removes: vec!["know where you are".into()],
                })),
                ..app("Book club", 12, 2_400_000, false, Traffic::default())
            },
        ],
        refused: BTreeMap::from([("frames_of_other_spaces".to_owned(), 7)]),
        problems: vec![Problem {
            id: 1,
            error: Error::new(ErrorCode::DiskFull, "Nothing new is kept.")
                .why("The disk is full.")
                .todo("Make room."),
            space: None,
        }],
        asks: Vec::new(),
    }
}

fn app(name: &str, version: u64, size: u64, bundled: bool, traffic: Traffic) -> AppInfo {
    AppInfo {
        app: format!("{name}-{}", "A".repeat(43 - name.len() - 1)),
        name: name.into(),
        description: "Talk to people.".into(),
        version,
        size,
        bundled,
        ours: false,
        icon: None,
        permissions: Vec::new(),
        disk: 5_300,
        traffic,
        spaces: 2,
        update: None,
        behind: 0,
        files: FileUse::default(),
    }
}

/// A private and a public space.
pub(crate) fn spaces() -> Spaces {
    let member = |name: &str, online, me| Member {
        id: name.to_lowercase(),
        name: name.into(),
        online,
        me,
        forked: false,
    };
    let space = |digit: &str, name: &str, public, members| SpaceInfo {
        space: digit.repeat(64),
        app: "A".repeat(43),
        app_name: "Chat".into(),
        name: name.into(),
        public,
        joined: NOW - 1_000,
        members,
        entries: 1_204,
        bytes: 310_000,
        files: FileUse { bytes: 5_000_000, freed: 5_000_000, outside: 0 },
        newest: None,
        trying: Vec::new(),
    };
    Spaces {
        spaces: vec![
            space(
                "a",
                "Book club",
                false,
                vec![member("Ada", true, true), member("Ben", true, false)],
            ),
            space("b", "Chat", true, vec![member("Ada", true, true)]),
        ],
    }
}

/// One peer of each kind.
pub(crate) fn peers() -> Peers {
    let peer = |digit: &str, name: &str, state| PeerInfo {
        id: digit.repeat(64),
        name: name.into(),
        state,
        path: None,
        address: None,
        rtt: None,
        since: None,
        found: vec!["link".into()],
        spaces: Vec::new(),
        traffic: Traffic::default(),
        failures: 0,
        next_try: None,
        error: None,
    };
    Peers {
        peers: vec![
            PeerInfo {
                path: Some("lan".into()),
                address: Some("192.168.1.4:41641".into()),
                rtt: Some(830),
                since: Some(NOW - 120_000),
                traffic: Traffic { sent: 1_000, received: 2_500_000 },
                ..peer("1", "Ben", PeerState::Connected)
            },
            peer("2", "", PeerState::Dialing),
            PeerInfo {
                next_try: Some(NOW + 8_000),
                error: Some("no answer".into()),
                found: vec!["cache".into(), "exchange".into()],
                ..peer("3", "Cleo", PeerState::Waiting)
            },
            peer("4", "Dan", PeerState::Blocked),
        ],
    }
}
