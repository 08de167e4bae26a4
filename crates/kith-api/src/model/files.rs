//! Files: what is attached to entries, how far each is, and what `share` and `get` do.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::Attempt;
use crate::Error;

/// Most files that one entry refers to.
pub const MAX_ATTACHMENTS: usize = 64;
/// Most files of a folder that one `blobs.files` returns.
pub const MAX_FOLDER_READ: usize = 1_000;

model! {
    /// A file that a new entry refers to: one that this page uploaded, or one of this space.
    #[derive(Eq)]
    struct Attach {
        /// Its hash, as the upload returned it.
        pub hash: String,
        /// Its name: 1 to 255 bytes, no path.
        pub name: String,
        /// Its media type, `image/png` and the like; empty where it is not known.
        #[serde(default, rename = "type")]
        #[ts(optional, as = "Option<String>")]
        pub media_type: String,
    }

    /// A file or folder of this space.
    #[derive(Eq)]
    struct BlobRef {
        /// Its hash.
        pub hash: String,
    }

    /// How far a file is.
    #[derive(Copy, Eq)]
    #[serde(rename_all = "snake_case")]
    enum FileStage {
        /// Nothing of it is here, and nothing comes.
        Absent,
        /// It is wanted, and nobody who is here has it.
        Waiting,
        /// It comes.
        Fetching,
        /// It was paused; what came is kept.
        Paused,
        /// All of it is here.
        Complete,
        /// It can't be stored, or can't be given any more: see the error.
        Failed,
    }

    /// How far a file or folder of a space is.
    #[derive(Eq)]
    struct FileState {
        /// Its hash.
        pub hash: String,
        /// Its size; of a folder, that of all its files, once that is known.
        #[ts(type = "number")]
        pub size: u64,
        /// Bytes of it that are here.
        #[ts(type = "number")]
        pub bytes: u64,
        /// How it stands.
        pub stage: FileStage,
        /// Bytes per second, of late; 0 unless it comes.
        #[ts(type = "number")]
        pub speed: u64,
        /// Milliseconds that are left at this speed.
        #[ts(type = "number | null")]
        pub left: Option<u64>,
        /// From whom it comes.
        pub from: Vec<FileSource>,
        /// What is wrong.
        pub error: Option<Error>,
    }

    /// Someone who gives a file.
    #[derive(Eq)]
    struct FileSource {
        /// The member; null before it is known who they are.
        pub member: Option<String>,
        /// Bytes that came from them since this began.
        #[ts(type = "number")]
        pub bytes: u64,
        /// Whether they are sending now.
        pub sending: bool,
        /// Why they send no more, where they failed.
        pub failure: Option<String>,
    }

    /// Files of a space that are held here.
    #[derive(Copy, Eq, Default)]
    struct HeldPart {
        /// How many files and folders.
        #[ts(type = "number")]
        pub files: u64,
        /// Bytes that would be free without them.
        #[ts(type = "number")]
        pub bytes: u64,
    }

    /// What is held of a space's files, and could be freed. What is shared from where it is takes
    /// nothing, and does not count.
    #[derive(Copy, Eq)]
    struct HeldFiles {
        /// Those that others added first.
        pub others: HeldPart,
        /// Those that oneself added first: nobody else may have them.
        pub own: HeldPart,
    }

    /// Which files of a space to free.
    #[derive(Eq)]
    struct FreeFiles {
        /// The space's id.
        pub space: String,
        /// Also those that oneself added.
        #[serde(default)]
        #[ts(optional, as = "Option<bool>")]
        pub own: bool,
    }

    /// Which files of a folder.
    #[derive(Eq)]
    struct FolderRead {
        /// The folder's hash.
        pub hash: String,
        /// Files after this path.
        #[serde(default)]
        #[ts(optional)]
        pub after: Option<String>,
        /// At most so many: 100 where it is left out, 1,000 at most.
        #[serde(default)]
        #[ts(optional, as = "Option<u32>")]
        pub limit: Option<usize>,
    }

    /// Files of a folder, in the order of their paths.
    #[derive(Eq)]
    struct FolderFiles {
        /// The files.
        pub files: Vec<FolderFileInfo>,
        /// Whether there are more.
        pub more: bool,
    }

    /// A file of a folder.
    #[derive(Eq)]
    struct FolderFileInfo {
        /// Its path inside of the folder; an empty folder's ends with a slash.
        pub path: String,
        /// Bytes.
        #[ts(type = "number")]
        pub size: u64,
        /// Its media type, from its name.
        #[serde(rename = "type")]
        pub media_type: String,
        /// Where this page gets it.
        pub url: String,
    }

    /// Files and folders to share.
    #[derive(Eq)]
    struct Share {
        /// Absolute paths.
        pub paths: Vec<String>,
        /// Keeps copies, so that the files may be changed and moved.
        #[serde(default)]
        #[ts(optional, as = "Option<bool>")]
        pub copy: bool,
        /// Takes the one file of `paths` over under this name, and removes it there. For what has no
        /// file of its own, like standard input.
        #[serde(default)]
        #[ts(optional)]
        pub take: Option<String>,
    }

    /// What to get.
    #[derive(Eq)]
    struct Get {
        /// A link of `files.share`.
        pub link: String,
        /// The absolute path of a folder to write to.
        pub to: String,
    }

    /// Something that takes a while.
    #[derive(Eq)]
    struct JobRef {
        /// Its id, for the subscription `job`.
        pub job: String,
    }

    /// What was written by a get.
    #[derive(Eq)]
    struct GotFile {
        /// The name that it was shared by.
        pub name: String,
        /// Where it is.
        pub path: String,
        /// Bytes.
        #[ts(type = "number")]
        pub size: u64,
    }
}

/// How far something is that takes a while.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "stage", rename_all = "snake_case")]
pub enum JobStage {
    /// Files are read, and hashed.
    Reading {
        /// Bytes done.
        #[ts(type = "number")]
        bytes: u64,
        /// Bytes in all.
        #[ts(type = "number")]
        size: u64,
        /// Files found.
        #[ts(type = "number")]
        files: u64,
    },
    /// Looking for someone who can say what is shared.
    Looking {
        /// Who is tried, and how that stands.
        tried: Vec<Attempt>,
    },
    /// Files come.
    Fetching {
        /// How far they are, one for each file or folder that was shared.
        files: Vec<FileState>,
    },
    /// What came is written.
    Writing {
        /// Bytes done.
        #[ts(type = "number")]
        bytes: u64,
        /// Bytes in all.
        #[ts(type = "number")]
        size: u64,
    },
    /// Shared.
    Shared {
        /// The link. Whoever has it can get the files.
        link: String,
        /// The space of the app Drop that says what is shared.
        space: String,
        /// Bytes.
        #[ts(type = "number")]
        size: u64,
        /// Files.
        #[ts(type = "number")]
        files: u64,
        /// What was left out, each with its reason.
        left_out: Vec<String>,
    },
    /// Got.
    Got {
        /// What was written.
        files: Vec<GotFile>,
        /// Names that this system can't write, and what stands in their place.
        renamed: Vec<String>,
    },
    /// It failed, or was given up.
    Failed {
        /// Why.
        error: Error,
    },
}

impl JobStage {
    /// Whether it is over.
    pub fn is_over(&self) -> bool {
        matches!(self, Self::Shared { .. } | Self::Got { .. } | Self::Failed { .. })
    }
}
