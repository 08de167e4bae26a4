//! The header of every stream but the control stream.

use kith_app::AppId;
use kith_log::SpaceId;

/// Bytes of an encoded header.
pub const HEADER_LEN: usize = 65;

/// What a stream is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum StreamKind {
    /// One way, one for each app: small messages of all of the app's spaces.
    Frames = 1,
    /// Both ways: many entries of a space's logs.
    Bulk = 2,
    /// Both ways: a blob.
    Blob = 3,
    /// Both ways: an app's newest signed version.
    Version = 4,
}

/// An app's space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpaceRef {
    /// The app.
    pub app: AppId,
    /// The space.
    pub space: SpaceId,
}

/// The first bytes of a stream.
///
/// ```text
/// 0      1                 33                65
/// +------+-----------------+-----------------+
/// | kind |     app id      |    space id     |
/// +------+-----------------+-----------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StreamHeader {
    /// What it is for.
    pub kind: StreamKind,
    /// The app that its bytes are counted for.
    pub app: AppId,
    /// The space; none for frames (each names its own) and versions, either for blobs.
    pub space: Option<SpaceId>,
}

/// A header that does not decode.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// The kind is of a newer version.
    #[error("a stream of the unknown kind {0}")]
    Kind(u8),
    /// The kind needs a space, or can't have one.
    #[error("a stream with a space that its kind can't have, or without one that it needs")]
    Space,
}

impl StreamHeader {
    /// The header of an app's frames.
    pub const fn frames(app: AppId) -> Self {
        Self { kind: StreamKind::Frames, app, space: None }
    }

    /// The header of a bulk stream.
    pub const fn bulk(at: SpaceRef) -> Self {
        Self { kind: StreamKind::Bulk, app: at.app, space: Some(at.space) }
    }

    /// The header of a blob stream.
    pub const fn blob(app: AppId, space: Option<SpaceId>) -> Self {
        Self { kind: StreamKind::Blob, app, space }
    }

    /// The header of a version stream.
    pub const fn version(app: AppId) -> Self {
        Self { kind: StreamKind::Version, app, space: None }
    }

    /// App and space, where there is a space.
    pub fn space_ref(&self) -> Option<SpaceRef> {
        self.space.map(|space| SpaceRef { app: self.app, space })
    }

    /// Its bytes.
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[0] = self.kind as u8;
        bytes[1..33].copy_from_slice(self.app.as_bytes());
        if let Some(space) = &self.space {
            bytes[33..].copy_from_slice(space.as_bytes());
        }
        bytes
    }

    /// Reads what [`StreamHeader::encode`] wrote.
    ///
    /// # Errors
    /// For a kind of a newer version, and for a space where there can't be one.
    pub fn decode(bytes: &[u8; HEADER_LEN]) -> Result<Self, HeaderError> {
        let kind = match bytes[0] {
            1 => StreamKind::Frames,
            2 => StreamKind::Bulk,
            3 => StreamKind::Blob,
            4 => StreamKind::Version,
            other => return Err(HeaderError::Kind(other)),
        };
        let half = |at: usize| -> [u8; 32] {
            bytes[at..at + 32].try_into().expect("a slice of 32 bytes is an array of 32 bytes")
        };
        let space = Some(half(33)).filter(|space| *space != [0; 32]).map(SpaceId::from_bytes);
        let fits = match kind {
            StreamKind::Frames | StreamKind::Version => space.is_none(),
            StreamKind::Bulk => space.is_some(),
            StreamKind::Blob => true,
        };
        if !fits {
            return Err(HeaderError::Space);
        }
        Ok(Self { kind, app: AppId::from_bytes(half(1)), space })
    }
}
