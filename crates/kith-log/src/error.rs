//! What can be wrong with bytes that came from outside, and with what we were asked to write.

use crate::AuthorId;
use crate::file::FileError;

/// Whose fault an [`Error`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The one who sent or signed the bytes broke the protocol.
    Sender,
    /// The sender speaks a version that we don't.
    Incompatible,
    /// We were asked for something that can't be done.
    Ours,
}

/// Bytes that don't decode, a log that doesn't verify, or an append that can't be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes end early.
    #[error("{0} is cut short")]
    Truncated(&'static str),
    /// The bytes go on after their end.
    #[error("{0} has trailing bytes")]
    Trailing(&'static str),
    /// The bytes break a rule of their format.
    #[error("{0}")]
    Malformed(&'static str),
    /// A format version that this node doesn't know.
    #[error("{what} has version {version}, which this node does not know")]
    Version {
        /// What has the version.
        what: &'static str,
        /// The version.
        version: u8,
    },
    /// A body of a kind that this node doesn't know: it is kept and relayed, but can't be shown.
    #[error("a body of kind {0}, which this node does not know")]
    UnknownKind(u8),
    /// More than a limit allows.
    #[error("{what} is {value}, and the limit is {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// How large it is.
        value: u64,
        /// How large it may be.
        limit: u64,
    },
    /// A file's name or type that can't be one.
    #[error(transparent)]
    File(#[from] FileError),
    /// A signature that doesn't verify.
    #[error("the signature of {0} does not verify")]
    BadSignature(&'static str),
    /// An author's first entry doesn't prove its admission to the space.
    #[error("{0} is not admitted to the space")]
    NotAdmitted(AuthorId),
    /// Entries that don't lead to the root that the author signed.
    #[error("the entries do not lead to the signed root")]
    WrongRoot,
    /// Entries that don't join what is held.
    #[error("the run covers entries {start} to {end}, and {held} are held")]
    Gap {
        /// The index of the run's first entry.
        start: u64,
        /// The index after the run's last entry.
        end: u64,
        /// How many entries are held.
        held: u64,
    },
    /// Two valid heads of one author that contradict each other.
    #[error("the author signed two histories")]
    Fork,
    /// The body can't be decrypted with this key.
    #[error("the body can not be decrypted")]
    Undecryptable,
    /// An encrypted body and no key, or a plain one where none may be.
    #[error("there is no key for epoch {0}")]
    NoKey(u32),
}

impl Error {
    /// Whose fault this is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Version { .. } | Self::UnknownKind(_) => Fault::Incompatible,
            Self::NoKey(_) | Self::Gap { .. } => Fault::Ours,
            Self::Truncated(_)
            | Self::Trailing(_)
            | Self::Malformed(_)
            | Self::TooLarge { .. }
            | Self::File(_)
            | Self::BadSignature(_)
            | Self::NotAdmitted(_)
            | Self::WrongRoot
            | Self::Fork
            | Self::Undecryptable => Fault::Sender,
        }
    }
}
