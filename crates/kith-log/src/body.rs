//! What an entry says: a kind and a payload, encrypted unless the space is public.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};

use crate::codec::Reader;
use crate::file::{Attachment, decode_attachments, encode_attachments};
use crate::{AuthorId, Error, MAX_BODY_LEN, MAX_PAYLOAD_LEN, SpaceId};

/// What binds a body to its place: the first part of the associated data.
const CONTEXT: &[u8] = b"kith/1 entry";
/// XChaCha20's nonce, in bytes.
pub const NONCE_LEN: usize = 24;
/// The kind on the wire of a body that has attachments; the kind that it is stands inside.
const WITH_ATTACHMENTS: u8 = 5;

/// What a body's payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum BodyKind {
    /// The author's admission to the space: the first entry of a log, never encrypted.
    Opening = 0,
    /// JSON of the app's.
    App = 1,
    /// The name that the author shows: UTF-8.
    Profile = 2,
    /// A webxdc update: JSON.
    Update = 3,
    /// Bytes of the app's.
    Bytes = 4,
}

impl BodyKind {
    /// Whether a body of this kind may have attachments: those that apps write.
    fn may_have_attachments(self) -> bool {
        match self {
            Self::App | Self::Update | Self::Bytes => true,
            Self::Opening | Self::Profile => false,
        }
    }
}

impl TryFrom<u8> for BodyKind {
    type Error = Error;

    fn try_from(kind: u8) -> Result<Self, Error> {
        Ok(match kind {
            0 => Self::Opening,
            1 => Self::App,
            2 => Self::Profile,
            3 => Self::Update,
            4 => Self::Bytes,
            kind => return Err(Error::UnknownKind(kind)),
        })
    }
}

/// A body in the clear.
///
/// ```text
/// plain:   | u8 kind | payload                                     |
/// plain, with attachments:  | u8 = 5 | u8 kind | attachments | payload |
/// sent, epoch 0:     the plain body
/// sent, epoch >= 1:  | nonce, 24 | XChaCha20-Poly1305(plain) + tag, 16 |
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// What the payload is.
    pub kind: BodyKind,
    /// Files beside the payload, [`MAX_ATTACHMENTS`](crate::file::MAX_ATTACHMENTS) at most.
    pub attachments: Vec<Attachment>,
    /// The payload, [`MAX_PAYLOAD_LEN`] bytes at most, attachments included.
    pub payload: Vec<u8>,
}

/// Where a body stands: what its encryption is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The space.
    pub space: SpaceId,
    /// The log's author.
    pub author: AuthorId,
    /// The epoch of the key: 0 is plain.
    pub epoch: u32,
}

impl Place {
    fn associated_data(&self) -> Vec<u8> {
        [
            CONTEXT,
            self.space.as_bytes(),
            self.author.as_bytes().as_slice(),
            &self.epoch.to_be_bytes(),
        ]
        .concat()
    }
}

impl Body {
    /// A body of this kind.
    pub fn new(kind: BodyKind, payload: impl Into<Vec<u8>>) -> Self {
        Self::with_attachments(kind, Vec::new(), payload)
    }

    /// A body of this kind with files beside it: [`BodyKind::App`], [`BodyKind::Update`] or
    /// [`BodyKind::Bytes`].
    pub fn with_attachments(
        kind: BodyKind,
        attachments: Vec<Attachment>,
        payload: impl Into<Vec<u8>>,
    ) -> Self {
        Self { kind, attachments, payload: payload.into() }
    }

    /// The body as it is sent in a public space, epoch 0.
    ///
    /// # Errors
    /// [`Error::TooLarge`] for a payload over its limit, and for attachments that are too many or
    /// too large; [`Error::Malformed`] for attachments of a kind that has none.
    pub fn to_plain(&self) -> Result<Vec<u8>, Error> {
        let mut plain = vec![self.kind as u8];
        if !self.attachments.is_empty() {
            if !self.kind.may_have_attachments() {
                return Err(Error::Malformed("attachments of a body that can't have any"));
            }
            plain.insert(0, WITH_ATTACHMENTS);
            plain.extend(encode_attachments(&self.attachments)?);
        }
        check_payload(plain.len() - 1 + self.payload.len())?;
        plain.extend(&self.payload);
        Ok(plain)
    }

    /// The body as it is sent in a private space, encrypted with the space's read key. The nonce
    /// must be random and never used before.
    ///
    /// # Errors
    /// [`Error::TooLarge`] for a payload over its limit, [`Error::NoKey`] for epoch 0.
    pub fn seal(
        &self,
        read_key: &[u8; 32],
        nonce: [u8; NONCE_LEN],
        place: &Place,
    ) -> Result<Vec<u8>, Error> {
        Self::seal_plain(&self.to_plain()?, read_key, nonce, place)
    }

    /// A plain body, of whatever kind, as it is sent in a private space. See [`seal`](Self::seal).
    ///
    /// # Errors
    /// [`Error::NoKey`] for epoch 0.
    pub fn seal_plain(
        plain: &[u8],
        read_key: &[u8; 32],
        nonce: [u8; NONCE_LEN],
        place: &Place,
    ) -> Result<Vec<u8>, Error> {
        if place.epoch == 0 {
            return Err(Error::NoKey(0));
        }
        let payload = Payload { msg: plain, aad: &place.associated_data() };
        let sealed = XChaCha20Poly1305::new(&Key::from(*read_key))
            .encrypt(&XNonce::from(nonce), payload)
            .expect("XChaCha20 encrypts up to 256 GiB");
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// The body in the clear. Epoch 0 needs no key.
    ///
    /// # Errors
    /// [`Error::UnknownKind`] for a kind from a later version (keep it, don't show it),
    /// [`Error::NoKey`] and [`Error::Undecryptable`].
    pub fn open(sent: &[u8], read_key: Option<&[u8; 32]>, place: &Place) -> Result<Self, Error> {
        Self::from_plain(&Self::open_plain(sent, read_key, place)?)
    }

    /// The plain body, of whatever kind.
    ///
    /// # Errors
    /// [`Error::NoKey`] and [`Error::Undecryptable`].
    pub fn open_plain(
        sent: &[u8],
        read_key: Option<&[u8; 32]>,
        place: &Place,
    ) -> Result<Vec<u8>, Error> {
        if sent.len() > MAX_BODY_LEN {
            return Err(Error::TooLarge {
                what: "a body's length",
                value: sent.len() as u64,
                limit: MAX_BODY_LEN as u64,
            });
        }
        if place.epoch == 0 {
            return Ok(sent.to_vec());
        }
        let key = read_key.ok_or(Error::NoKey(place.epoch))?;
        let (nonce, sealed) =
            sent.split_first_chunk::<NONCE_LEN>().ok_or(Error::Truncated("a body"))?;
        let payload = Payload { msg: sealed, aad: &place.associated_data() };
        XChaCha20Poly1305::new(&Key::from(*key))
            .decrypt(&XNonce::from(*nonce), payload)
            .map_err(|_| Error::Undecryptable)
    }

    fn from_plain(plain: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new("a body", plain);
        let kind = reader.u8()?;
        check_payload(plain.len() - 1)?;
        if kind != WITH_ATTACHMENTS {
            return Ok(Self::new(kind.try_into()?, reader.rest()));
        }
        let kind = match reader.u8()? {
            WITH_ATTACHMENTS => return Err(Error::Malformed("a body with attachments in another")),
            kind => BodyKind::try_from(kind)?,
        };
        if !kind.may_have_attachments() {
            return Err(Error::Malformed("attachments of a body that can't have any"));
        }
        let (attachments, payload) = decode_attachments(reader.rest())?;
        Ok(Self::with_attachments(kind, attachments, payload))
    }
}

/// Checks how many bytes stand after a plain body's kind.
fn check_payload(len: usize) -> Result<(), Error> {
    if len > MAX_PAYLOAD_LEN {
        return Err(Error::TooLarge {
            what: "a payload's length",
            value: len as u64,
            limit: MAX_PAYLOAD_LEN as u64,
        });
    }
    Ok(())
}
