//! What a caller can be told as it happens.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::model::{
    AppInfo, Attempt, Body, Entry, EntryKind, FileState, JobStage, OpenedSpace, PageUpdate, Status,
};
use crate::{Access, Error};

/// What to be told of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "to", rename_all = "snake_case")]
pub enum Subscription {
    /// Page: entries of this space that arrived after a serial, then those to come.
    Entries {
        /// The last serial that the page has; 0 for none.
        #[ts(type = "number")]
        after: u64,
        /// Only entries of this kind; all, where it is left out.
        #[serde(default)]
        kind: Option<EntryKind>,
    },
    /// Page: messages that are not kept.
    Messages,
    /// Page: who is online. The first event tells who is online now.
    Presence,
    /// Page: how far the app of this page is, told as an [`Opening`] with an empty id. For the
    /// loading page; the stage is never `Asking`.
    Arrival,
    /// Page: whether its app was updated. The first event tells how it stands.
    App {
        /// The `loaded` of the first event, when the subscription is renewed.
        #[serde(default)]
        #[ts(optional, as = "Option<String>")]
        loaded: Option<String>,
    },
    /// Page: how far the files of this space are. The first event tells of all that are not absent,
    /// the next ones of those that changed, at most four times a second.
    Files,
    /// Owner: how far a job is.
    Job {
        /// Which.
        job: String,
    },
    /// Owner: the node's state, at once and on each change, at most four times a second.
    Status,
    /// Owner: what an opening does and asks.
    Opening {
        /// Which.
        opening: String,
    },
}

impl Subscription {
    /// Who may have it.
    pub fn access(&self) -> Access {
        match self {
            Self::Entries { .. }
            | Self::Messages
            | Self::Presence
            | Self::Arrival
            | Self::App { .. }
            | Self::Files => Access::Page,
            Self::Status | Self::Opening { .. } | Self::Job { .. } => Access::Owner,
        }
    }
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// An entry arrived, ours or another's.
    Entry(EntryEvent),
    /// A message came.
    Message(MessageEvent),
    /// Someone came or went.
    Presence(PresenceEvent),
    /// The page's app was updated, or how that stands.
    Update(PageUpdate),
    /// The node's state.
    Status(Box<Status>),
    /// An opening went on.
    Opening(Box<Opening>),
    /// How far files are.
    Files {
        /// Those that changed; at first, all that are not absent.
        files: Vec<FileState>,
    },
    /// A job went on.
    Job(Box<JobStage>),
    /// The subscriber was slow: so many events are lost to it.
    Missed {
        /// How many.
        #[ts(type = "number")]
        count: u64,
    },
}

/// An entry, and how far the log goes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
pub struct EntryEvent {
    /// The entry.
    pub entry: Entry,
    /// No entry so far has a higher serial. The one that has it may be kith's own, and after the data
    /// directory was put back from a backup there may be none.
    #[ts(type = "number")]
    pub max_serial: u64,
}

/// A message that is not kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
pub struct MessageEvent {
    /// Who signed it.
    pub from: String,
    /// What it says.
    pub body: Body,
}

/// Who is online in a space, oneself left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct PresenceEvent {
    /// The ids of members with a connection to this node.
    pub online: Vec<String>,
}

/// How far an opening is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
pub struct Opening {
    /// Its id.
    pub opening: String,
    /// Where it stands.
    pub stage: OpeningStage,
}

/// A stage of an opening.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "stage", rename_all = "snake_case")]
pub enum OpeningStage {
    /// Looking for someone who has the app, and fetching it.
    Fetching {
        /// Who was tried, and how that stands.
        tried: Vec<Attempt>,
        /// Bytes here.
        #[ts(type = "number")]
        bytes: u64,
        /// Bytes in all, once known.
        #[ts(type = "number | null")]
        size: Option<u64>,
    },
    /// The app is here, and the person is asked.
    Asking {
        /// What it is.
        app: AppInfo,
        /// The space that the link leads to; the person chooses where there is none.
        invited: bool,
    },
    /// Open.
    Ready(OpenedSpace),
    /// It can't be opened.
    Failed {
        /// Why.
        error: Error,
    },
}
