//! Parameters and replies. Ids are strings here: an app's is its key in base64url, a member's is
//! opaque. Times are milliseconds since 1970 UTC, sizes are bytes.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use ts_rs::TS;

macro_rules! model {
    ($($(#[$meta:meta])* $kind:ident $name:ident { $($body:tt)* })+) => {$(
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
        $(#[$meta])*
        pub $kind $name { $($body)* }
    )+};
}

mod asks;
mod files;
mod people;
mod updates;

pub use asks::*;
pub use files::*;
pub use people::*;
pub use updates::*;

/// Longest name of a person or a space, in bytes of UTF-8.
pub const MAX_NAME: usize = 64;
/// Largest body of an entry and of a message that is not kept, in bytes as sent: 128 KiB.
pub const MAX_BODY: usize = 128 * 1024;
/// Most entries that one `space.read` returns.
pub const MAX_READ: usize = 1_000;

model! {
    /// Nothing.
    #[derive(Default, Eq)]
    struct Empty {}

    /// A page's person, as this space sees them.
    #[derive(Eq)]
    struct Me {
        /// The member id.
        pub id: String,
        /// The name; never empty.
        pub name: String,
        /// The space's id.
        pub space: String,
        /// The app's id.
        pub app: String,
        /// What the person calls the space.
        pub space_name: String,
    }

    /// A new name.
    #[derive(Eq)]
    struct SetName {
        /// 1 to 64 bytes.
        pub name: String,
    }

    /// What an entry or a message says: exactly one of the two.
    #[derive(Eq)]
    #[serde(rename_all = "snake_case")]
    enum Body {
        /// Any JSON value.
        Json(#[ts(type = "unknown")] Value),
        /// Bytes, in base64url without padding.
        Bytes(String),
    }

    /// What an entry is for.
    #[derive(Copy, Eq)]
    #[serde(rename_all = "snake_case")]
    enum EntryKind {
        /// `space.append` of kith.js.
        App,
        /// `sendUpdate` of webxdc.
        Update,
    }

    /// An entry to append.
    #[derive(Eq)]
    struct Append {
        /// What it says.
        pub body: Body,
        /// What it is for; `app` where it is left out.
        #[serde(default = "EntryKind::app")]
        #[ts(optional, as = "Option<EntryKind>")]
        pub kind: EntryKind,
        /// The files that it refers to, 64 at most.
        #[serde(default)]
        #[ts(optional, as = "Option<Vec<Attach>>")]
        pub attachments: Vec<Attach>,
    }

    /// Where the new entry stands.
    #[derive(Eq)]
    struct Appended {
        /// Its number of arrival at this node.
        #[ts(type = "number")]
        pub serial: u64,
        /// Its index in one's own log.
        #[ts(type = "number")]
        pub index: u64,
        /// When.
        #[ts(type = "number")]
        pub time: u64,
    }

    /// Which entries to read.
    #[derive(Eq, Default)]
    struct Read {
        /// Entries with a higher serial than this one.
        #[serde(default)]
        #[ts(optional, as = "Option<f64>")]
        pub after: u64,
        /// Entries with a lower serial than this one; the newest ones first, where it is given.
        #[serde(default)]
        #[ts(optional, as = "Option<f64>")]
        pub before: Option<u64>,
        /// At most so many; 100 where it is left out, 1,000 at most.
        #[serde(default)]
        #[ts(optional, as = "Option<u32>")]
        pub limit: Option<usize>,
        /// Only of this kind.
        #[serde(default)]
        #[ts(optional, as = "Option<EntryKind>")]
        pub kind: Option<EntryKind>,
    }

    /// An entry.
    #[derive(Eq)]
    struct Entry {
        /// This node's number of arrival: rises, never reused, other nodes have others.
        #[ts(type = "number")]
        pub serial: u64,
        /// The member who wrote it.
        pub author: String,
        /// Its index in its author's log.
        #[ts(type = "number")]
        pub index: u64,
        /// Lamport clock: with author and index, the same order everywhere.
        #[ts(type = "number")]
        pub lamport: u64,
        /// The author's clock when it was written. It may be wrong.
        #[ts(type = "number")]
        pub time: u64,
        /// What it is for.
        pub kind: EntryKind,
        /// What it says; null where the body was deleted or can't be read.
        pub body: Option<Body>,
        /// The files that it refers to.
        #[serde(default)]
        pub attachments: Vec<crate::FileRef>,
    }

    /// Entries in the order of their serials.
    #[derive(Eq)]
    struct Entries {
        /// The entries.
        pub entries: Vec<Entry>,
        /// The highest serial of this space.
        #[ts(type = "number")]
        pub max_serial: u64,
    }

    /// The people of a space.
    #[derive(Eq)]
    struct Members {
        /// In the order of their first entry here.
        pub members: Vec<Member>,
    }

    /// Someone in a space.
    #[derive(Eq)]
    struct Member {
        /// Opaque, stable.
        pub id: String,
        /// As they call themselves; never empty.
        pub name: String,
        /// Whether this node has a connection to them.
        pub online: bool,
        /// Whether it is oneself.
        pub me: bool,
        /// Whether two heads of one size were seen: they, or somebody with their key, wrote two histories.
        pub forked: bool,
    }

    /// A message that is not kept.
    #[derive(Eq)]
    struct SendMessage {
        /// What it says: 128 KiB at most.
        pub body: Body,
    }

    /// To whom it went.
    #[derive(Eq)]
    struct Sent {
        /// Members with room in their queue.
        pub to: u32,
    }

    /// The node's state.
    struct Status {
        /// kith's version.
        pub version: String,
        /// The endpoint's id, in hex.
        pub node_id: String,
        /// What `--peer` takes.
        pub addr: String,
        /// The dashboard's URL, without a token.
        pub http: String,
        /// The data directory.
        pub data_dir: String,
        /// Milliseconds since the start.
        #[ts(type = "number")]
        pub uptime: u64,
        /// Whether it keeps to this machine and its LAN.
        pub offline: bool,
        /// The ways by which peers are looked for.
        pub discovery: Vec<DiscoveryStatus>,
        /// How many peers are connected.
        pub connected: u32,
        /// Traffic since the start.
        pub traffic: Traffic,
        /// The apps, without their icons: a status is told too often for these.
        pub apps: Vec<AppInfo>,
        /// What limits dropped or refused since the start, by the limit's name.
        #[ts(type = "Record<string, number>")]
        pub refused: std::collections::BTreeMap<String, u64>,
        /// What needs the person.
        pub problems: Vec<Problem>,
        /// What apps ask and the person has not answered, the oldest first.
        pub asks: Vec<AskInfo>,
    }

    /// Something that needs the person.
    #[derive(Eq)]
    struct Problem {
        /// For `problems.dismiss`; 0 where it goes by itself when it is over.
        #[ts(type = "number")]
        pub id: u64,
        /// What happened, why, and what to do.
        #[serde(flatten)]
        pub error: crate::Error,
        /// The space that it is about.
        pub space: Option<String>,
    }

    /// A problem.
    #[derive(Eq)]
    struct ProblemRef {
        /// Its id.
        #[ts(type = "number")]
        pub id: u64,
    }

    /// A way by which peers are looked for.
    #[derive(Eq)]
    struct DiscoveryStatus {
        /// `link`, `manual`, `lan`, `cache`, `exchange`.
        pub way: String,
        /// Whether it is on.
        pub on: bool,
        /// Peers that it found since the start.
        pub found: u32,
        /// What it does now, or why it can't.
        pub state: String,
    }

    /// Bytes on streams, frames and headers included; below QUIC's own.
    #[derive(Copy, Eq, Default)]
    struct Traffic {
        /// Bytes sent.
        #[ts(type = "number")]
        pub sent: u64,
        /// Bytes received.
        #[ts(type = "number")]
        pub received: u64,
    }

    /// What `page.url` is to open.
    #[derive(Eq)]
    struct PageUrl {
        /// A space; the dashboard where it is left out.
        #[serde(default)]
        #[ts(optional)]
        pub space: Option<String>,
        /// A path inside, without its leading slash.
        #[serde(default)]
        #[ts(optional, as = "Option<String>")]
        pub path: String,
    }

    /// A way into a page.
    #[derive(Eq)]
    struct PageLink {
        /// With a token that works once, for 30 s.
        pub url: String,
        /// A file of mode 0600 that redirects there, so that no token is an argument of a browser.
        pub file: String,
    }

    /// The settings.
    #[derive(Eq)]
    struct Settings {
        /// The name that new spaces are joined with.
        pub name: String,
        /// Whether this node shows itself to, and looks for, others on the LAN.
        pub lan: bool,
        /// Whether a newer version of an app that asks for nothing more is installed without a word.
        pub auto_update: bool,
    }

    /// Changes to the settings.
    #[derive(Eq, Default)]
    struct SettingsChange {
        /// A new name, 1 to 64 bytes.
        #[serde(default)]
        #[ts(optional)]
        pub name: Option<String>,
        /// LAN discovery.
        #[serde(default)]
        #[ts(optional)]
        pub lan: Option<bool>,
        /// Updates without a word.
        #[serde(default)]
        #[ts(optional)]
        pub auto_update: Option<bool>,
    }

    /// The installed apps.
    struct Apps {
        /// Bundled ones first, then by name.
        pub apps: Vec<AppInfo>,
    }

    /// An app.
    struct AppInfo {
        /// The app's public key, base64url.
        pub app: String,
        /// From its manifest.
        pub name: String,
        /// From its manifest.
        pub description: String,
        /// Rises with each publication.
        #[ts(type = "number")]
        pub version: u64,
        /// Bytes of the bundle.
        #[ts(type = "number")]
        pub size: u64,
        /// Whether it came with kith.
        pub bundled: bool,
        /// Whether this node can publish it.
        pub ours: bool,
        /// An icon as a `data:` URL, where the bundle has one; left out of a status.
        pub icon: Option<String>,
        /// What it asks for, in words.
        pub permissions: Vec<String>,
        /// Bytes of its logs here.
        #[ts(type = "number")]
        pub disk: u64,
        /// Its traffic since the start.
        pub traffic: Traffic,
        /// How many spaces of it there are here.
        pub spaces: u32,
        /// A newer version that waits for the person's word.
        pub update: Option<Box<AppUpdate>>,
        /// Spaces with open pages that still run the version before the installed one.
        pub behind: u32,
        /// What the files of its spaces take, as of a few seconds ago.
        pub files: FileUse,
    }

    /// A bundle to publish.
    #[derive(Eq)]
    struct Publish {
        /// Absolute path of a folder or an `.xdc`.
        pub path: String,
        /// The publishing key's name; the bundle's own name where it is left out. Made if new.
        #[serde(default)]
        #[ts(optional)]
        pub key: Option<String>,
    }

    /// What was published.
    #[derive(Eq)]
    struct Published {
        /// A link without an invitation, with this node's addresses.
        pub link: String,
        /// The app's id.
        pub app: String,
        /// The version.
        #[ts(type = "number")]
        pub version: u64,
    }

    /// What to open.
    #[derive(Eq)]
    struct OpenBegin {
        /// A `kith://` link, or the absolute path of an `.xdc` file.
        pub target: String,
        /// A new space of one's own, whatever the link says.
        #[serde(default)]
        #[ts(optional, as = "Option<bool>")]
        pub new_space: bool,
        /// Grants what would be asked, and opens at once. The reply then has `opened`.
        #[serde(default)]
        #[ts(optional, as = "Option<bool>")]
        pub yes: bool,
    }

    /// An opening has begun.
    #[derive(Eq)]
    struct OpenBegun {
        /// For the subscription and the answer.
        pub opening: String,
        /// With `yes`: where the page is. The app may still be on its way; its page says so.
        pub opened: Option<OpenedSpace>,
    }

    /// The person's answer.
    #[derive(Eq)]
    struct OpenConfirm {
        /// Which opening.
        pub opening: String,
        /// Which space, where the link leaves it open.
        pub space: SpaceChoice,
    }

    /// Which space to open.
    #[derive(Copy, Eq)]
    #[serde(rename_all = "snake_case")]
    enum SpaceChoice {
        /// The one of the link.
        Invited,
        /// A new one of one's own.
        Own,
        /// The app's public one.
        Public,
    }

    /// An opening.
    #[derive(Eq)]
    struct OpeningRef {
        /// Its id.
        pub opening: String,
    }

    /// A space, open.
    #[derive(Eq)]
    struct OpenedSpace {
        /// The page, with a token that works once, for 30 s.
        pub url: String,
        /// The app's id.
        pub app: String,
        /// The space's id.
        pub space: String,
    }

    /// The spaces.
    struct Spaces {
        /// Those last used first.
        pub spaces: Vec<SpaceInfo>,
    }

    /// A space.
    struct SpaceInfo {
        /// The space's id.
        pub space: String,
        /// Its app.
        pub app: String,
        /// The app's name.
        pub app_name: String,
        /// What the person calls it.
        pub name: String,
        /// Whether anyone may join.
        pub public: bool,
        /// When it was joined.
        #[ts(type = "number")]
        pub joined: u64,
        /// Its people.
        pub members: Vec<Member>,
        /// Entries here.
        #[ts(type = "number")]
        pub entries: u64,
        /// Bytes of entries here.
        #[ts(type = "number")]
        pub bytes: u64,
        /// What its files take, as of a few seconds ago.
        pub files: FileUse,
        /// When the newest entry of the app's was written, by its author's clock; null for none.
        #[ts(type = "number | null")]
        pub newest: Option<u64>,
        /// Whom this node tries to reach for it.
        pub trying: Vec<Attempt>,
    }

    /// A space.
    #[derive(Eq)]
    struct SpaceRef {
        /// Its id.
        pub space: String,
    }

    /// A new space.
    #[derive(Eq)]
    struct CreateSpace {
        /// Of which app.
        pub app: String,
        /// What the person calls it; the app's name where it is left out.
        #[serde(default)]
        #[ts(optional)]
        pub name: Option<String>,
        /// The app's public space instead of a private one.
        #[serde(default)]
        #[ts(optional, as = "Option<bool>")]
        pub public: bool,
    }

    /// A space's new name.
    #[derive(Eq)]
    struct RenameSpace {
        /// Its id.
        pub space: String,
        /// 1 to 64 bytes.
        pub name: String,
    }

    /// Whom to invite where.
    #[derive(Eq)]
    struct Invite {
        /// A space's id or an app's. An app without a space gets a new one; with several, the one
        /// last used is taken.
        pub target: String,
    }

    /// An invitation.
    #[derive(Eq)]
    struct InviteLink {
        /// The link. Whoever has it can join.
        pub link: String,
        /// The space that it leads to.
        pub space: String,
        /// The link as a QR code: an SVG image.
        pub qr: String,
    }
}

impl EntryKind {
    fn app() -> Self {
        Self::App
    }
}
