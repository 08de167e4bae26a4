//! What an entry says: a kind and a payload, encrypted unless the space is public.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};

use crate::{AuthorId, Error, MAX_BODY_LEN, MAX_PAYLOAD_LEN, SpaceId};

/// What binds a body to its place: the first part of the associated data.
const CONTEXT: &[u8] = b"kith/1 entry";
/// XChaCha20's nonce, in bytes.
pub const NONCE_LEN: usize = 24;

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
/// sent, epoch 0:     the plain body
/// sent, epoch >= 1:  | nonce, 24 | XChaCha20-Poly1305(plain) + tag, 16 |
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// What the payload is.
    pub kind: BodyKind,
    /// The payload, [`MAX_PAYLOAD_LEN`] bytes at most.
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
        Self { kind, payload: payload.into() }
    }

    /// The body as it is sent in a public space, epoch 0.
    ///
    /// # Errors
    /// [`Error::TooLarge`] for a payload over its limit.
    pub fn to_plain(&self) -> Result<Vec<u8>, Error> {
        if self.payload.len() > MAX_PAYLOAD_LEN {
            return Err(Error::TooLarge {
                what: "a payload's length",
                value: self.payload.len() as u64,
                limit: MAX_PAYLOAD_LEN as u64,
            });
        }
        let mut plain = Vec::with_capacity(1 + self.payload.len());
        plain.push(self.kind as u8);
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
        let (&kind, payload) = plain.split_first().ok_or(Error::Truncated("a body"))?;
        Ok(Self { kind: kind.try_into()?, payload: payload.to_vec() })
    }
}
