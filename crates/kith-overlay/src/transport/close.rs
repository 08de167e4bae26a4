//! Why connections and streams end. The codes go over the wire; see `docs/protocol/transport.md`.

use std::borrow::Cow;
use std::fmt;

use iroh::endpoint::{ConnectionError, VarInt};

macro_rules! codes {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $code:literal, $text:literal;)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u32)]
        pub enum $name { $($(#[$variant_meta])* $variant = $code,)+ }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The number on the wire.
            pub const fn number(self) -> u32 {
                self as u32
            }

            /// The code of a number; none for a number of a newer version.
            pub fn from_number(number: u64) -> Option<Self> {
                Self::ALL.iter().copied().find(|code| u64::from(code.number()) == number)
            }

            /// Its name, in lower case with underscores: stable, for counters and logs.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }

        impl From<$name> for VarInt {
            fn from(code: $name) -> Self {
                VarInt::from_u32(code.number())
            }
        }
    };
}

codes! {
    /// Why a connection is closed.
    CloseCode {
        /// The node stops, or no longer wants the connection.
        Shutdown = 0, "shutdown";
        /// What the peer sent does not follow the protocol.
        Violation = 1, "protocol_violation";
        /// The peer speaks another version.
        Incompatible = 2, "incompatible";
        /// A newer connection of the same peer took this one's place.
        Replaced = 3, "replaced";
        /// Both dialled at once, and the other connection won.
        Duplicate = 4, "duplicate";
        /// A person blocked the peer.
        Blocked = 5, "blocked";
        /// A limit of this node is reached, or the peer went over one.
        Limits = 6, "limits";
        /// This node failed, for no fault of the peer's.
        Internal = 7, "internal";
    }
}

codes! {
    /// Why a stream is reset, or its sender told to stop.
    StreamCode {
        /// No longer wanted.
        Cancelled = 0, "cancelled";
        /// The space is unknown here, or the peer did not enter it: the same answer for both.
        UnknownSpace = 1, "unknown_space";
        /// Too many streams of this kind, or a frame that is too long.
        Limits = 2, "limits";
        /// The receiver does not keep up.
        Stalled = 3, "stalled";
        /// What was asked for is not here.
        NotFound = 4, "not_found";
        /// The other side failed, for no fault of the peer's.
        Internal = 5, "internal";
        /// A kind of stream that this version does not know.
        UnknownKind = 6, "unknown_kind";
    }
}

/// Whose fault the end of a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The peer misbehaved.
    Peer,
    /// The two can't talk to each other; neither is at fault.
    Incompatible,
    /// This node failed.
    Ours,
    /// The network between them.
    Network,
    /// Nobody's: it is how things end.
    Nobody,
}

/// A reason to close a connection, with words for logs and for the peer's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {reason}")]
pub struct Close {
    /// The code.
    pub code: CloseCode,
    /// What happened: a few words, no secrets, no addresses.
    pub reason: Cow<'static, str>,
}

impl Close {
    /// A reason to close.
    pub fn new(code: CloseCode, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { code, reason: reason.into() }
    }

    /// The peer broke the protocol.
    pub fn violation(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::new(CloseCode::Violation, reason)
    }

    /// A limit is reached.
    pub fn limits(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::new(CloseCode::Limits, reason)
    }

    /// This node failed.
    pub fn internal(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::new(CloseCode::Internal, reason)
    }
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    /// This node closed it.
    #[error("closed here: {0}")]
    Here(Close),
    /// The peer closed it, with a code of this version.
    #[error("closed by the peer: {0}")]
    There(CloseCode),
    /// The peer closed it with a code that this version does not know.
    #[error("closed by the peer with the unknown code {0}")]
    Unknown(u64),
    /// The network or the transport ended it.
    #[error("lost: {0}")]
    Lost(String),
}

impl Ended {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Here(close) => match close.code {
                CloseCode::Violation | CloseCode::Limits => Fault::Peer,
                CloseCode::Incompatible => Fault::Incompatible,
                CloseCode::Internal => Fault::Ours,
                CloseCode::Shutdown
                | CloseCode::Replaced
                | CloseCode::Duplicate
                | CloseCode::Blocked => Fault::Nobody,
            },
            Self::There(CloseCode::Violation) => Fault::Ours,
            Self::There(CloseCode::Incompatible) | Self::Unknown(_) => Fault::Incompatible,
            Self::There(CloseCode::Internal | CloseCode::Limits | CloseCode::Blocked) => {
                Fault::Peer
            }
            Self::There(CloseCode::Shutdown | CloseCode::Replaced | CloseCode::Duplicate) => {
                Fault::Nobody
            }
            Self::Lost(_) => Fault::Network,
        }
    }

    /// The code to close with.
    pub(crate) fn code(&self) -> CloseCode {
        match self {
            Self::Here(close) => close.code,
            Self::There(code) => *code,
            Self::Unknown(_) | Self::Lost(_) => CloseCode::Shutdown,
        }
    }

    /// The peer said that it ends the connection, with this number.
    pub(crate) fn by_peer(number: u64) -> Self {
        CloseCode::from_number(number).map_or(Self::Unknown(number), Self::There)
    }

    /// What iroh says of a connection that this node did not close itself.
    pub(crate) fn from_transport(error: &ConnectionError) -> Self {
        match error {
            ConnectionError::ApplicationClosed(close) => {
                Self::by_peer(close.error_code.into_inner())
            }
            ConnectionError::LocallyClosed => {
                Self::Here(Close::new(CloseCode::Shutdown, "the endpoint is closed"))
            }
            ConnectionError::TimedOut => Self::Lost("no answer".to_owned()),
            other => Self::Lost(other.to_string()),
        }
    }
}
