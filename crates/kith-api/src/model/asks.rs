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

model! {
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
