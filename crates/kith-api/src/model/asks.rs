//! What an app asks of the person that reaches beyond its space: the dashboard asks them, and the app
//! learns nothing but that they have answered.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::Attach;
use crate::FileRef;

/// Longest text that a page offers to a chat, in bytes of UTF-8: no longer than a message of Chat.
pub const MAX_OFFERED_TEXT: usize = 16_000;
/// Largest file that goes from one space to another by the person's hand, in bytes. It is copied while
/// they wait.
pub const MAX_CARRIED_FILE: u64 = 100_000_000;

/// Most files that a page gets by one import.
pub const MAX_IMPORTED: usize = 32;
/// Most endings and types that an import may be limited to.
pub const MAX_IMPORT_FILTER: usize = 64;

model! {
    /// Which files a page asks for; any, where nothing is named.
    #[derive(Eq, Default)]
    struct Import {
        /// Endings of names, `.txt` and the like. A file that fits one of these or of the types is meant.
        #[serde(default)]
        #[ts(optional, as = "Option<Vec<String>>")]
        pub extensions: Vec<String>,
        /// Media types, `image/png` or `image/*`.
        #[serde(default)]
        #[ts(optional, as = "Option<Vec<String>>")]
        pub types: Vec<String>,
        /// Whether more than one may be chosen.
        #[serde(default)]
        #[ts(optional, as = "Option<bool>")]
        pub multiple: bool,
    }

    /// Files that the person gave a page: of its own space, named by no entry yet.
    #[derive(Eq, Default)]
    struct Imported {
        /// The files; none where they gave none.
        pub files: Vec<FileRef>,
    }

    /// A file that can be given.
    #[derive(Eq)]
    struct AskFile {
        /// The space that it is of.
        pub space: String,
        /// The file.
        pub file: FileRef,
    }

    /// Files that can be given.
    #[derive(Eq)]
    struct AskFiles {
        /// Those of the page's own space first, then of the chats; the newest of each first.
        pub files: Vec<AskFile>,
        /// Whether there are more than are told.
        pub more: bool,
    }

    /// A file of a space.
    #[derive(Eq)]
    struct ChosenFile {
        /// The space.
        pub space: String,
        /// The file's hash.
        pub hash: String,
    }

    /// Files to give to an app.
    #[derive(Eq)]
    struct GiveFiles {
        /// What the app asks.
        pub ask: String,
        /// The files: one, or 32 at most where the app takes more.
        pub files: Vec<ChosenFile>,
    }

    /// What a page offers to a chat: a text, a file, or both.
    #[derive(Eq, Default)]
    struct Offer {
        /// The text: 16,000 bytes at most.
        #[serde(default)]
        #[ts(optional, as = "Option<String>")]
        pub text: String,
        /// A file that this page handed in, or one of this space: 100 MB at most.
        #[serde(default)]
        #[ts(optional)]
        pub file: Option<Attach>,
    }

    /// What an app asks, in short.
    #[derive(Eq)]
    struct AskInfo {
        /// Its id.
        pub ask: String,
        /// The app's id.
        pub app: String,
        /// The app's name.
        pub app_name: String,
    }

    /// What an app asks.
    #[derive(Eq)]
    struct AskRef {
        /// Its id.
        pub ask: String,
    }

    /// What an app asks, for the person to answer.
    #[derive(Eq)]
    struct Ask {
        /// Its id.
        pub ask: String,
        /// The app's id.
        pub app: String,
        /// The app's name.
        pub app_name: String,
        /// The space of the page that asks.
        pub space: String,
        /// The files that it wants; null where it offers something.
        pub import: Option<Import>,
        /// The text that it offers; may be empty.
        pub text: String,
        /// The file that it offers.
        pub file: Option<FileRef>,
        /// Spaces that take it.
        pub to: Vec<String>,
        /// The app of those spaces, of which a new one can be made.
        pub to_app: Option<String>,
    }

    /// Where what an app offers goes.
    #[derive(Eq)]
    struct PlaceOffer {
        /// What the app asks.
        pub ask: String,
        /// The space whose page gets it as a draft.
        pub space: String,
    }

    /// What the person brought into a space, to be changed and sent there.
    #[derive(Eq, Default)]
    struct Draft {
        /// The text; may be empty.
        pub text: String,
        /// Files of this space that no entry names yet.
        pub files: Vec<FileRef>,
    }

    /// A draft, where there is one.
    #[derive(Eq)]
    struct DraftTaken {
        /// The draft. It is told once.
        pub draft: Option<Draft>,
    }
}
