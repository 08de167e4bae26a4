//! Newer versions of apps, and what becomes of the old ones.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

model! {
    /// A newer version of an installed app: here, checked, and waiting for the person's word.
    #[derive(Eq)]
    struct AppUpdate {
        /// Its version.
        #[ts(type = "number")]
        pub version: u64,
        /// What it calls itself.
        pub name: String,
        /// Bytes of its bundle.
        #[ts(type = "number")]
        pub size: u64,
        /// What it asks for and the installed version did not, in words.
        pub adds: Vec<String>,
        /// What the installed version asked for and it does not, in words.
        pub removes: Vec<String>,
    }

    /// An installed app.
    #[derive(Eq)]
    struct AppRef {
        /// Its id, or its name where only one app has it.
        pub app: String,
    }

    /// What went with an app.
    #[derive(Eq)]
    struct Removed {
        /// The app's id.
        pub app: String,
        /// Its name.
        pub name: String,
        /// How many spaces were left.
        pub spaces: u32,
        /// Bytes that are free now: the bundle, entries and files.
        #[ts(type = "number")]
        pub freed: u64,
    }

    /// What files take on disk.
    #[derive(Copy, Eq, Default)]
    struct FileUse {
        /// Bytes that kith keeps of them.
        #[ts(type = "number")]
        pub bytes: u64,
        /// Those that would be free without the space, or the app: what is in no other.
        #[ts(type = "number")]
        pub freed: u64,
        /// Bytes of the person's own files that are shared from where they are. They stay.
        #[ts(type = "number")]
        pub outside: u64,
    }

    /// How a page stands that runs an app's files.
    #[derive(Eq)]
    struct PageUpdate {
        /// The name of the version that the page was loaded with, for the subscription's `loaded`
        /// when it is renewed.
        pub loaded: String,
        /// The installed version.
        #[ts(type = "number")]
        pub version: u64,
        /// Whether that is what the page runs.
        pub state: PageState,
    }

    /// How the version that a page runs stands to the installed one.
    #[derive(Copy, Eq)]
    #[serde(rename_all = "snake_case")]
    enum PageState {
        /// It is the installed one.
        Current,
        /// A newer one is installed. The page goes on with the files it was loaded with until it is
        /// reloaded by `app.reload`.
        Older,
        /// The files it was loaded with are gone: what it loads from now on is of another version.
        Gone,
        /// All pages of the space are to load anew, now.
        Reload,
    }
}
