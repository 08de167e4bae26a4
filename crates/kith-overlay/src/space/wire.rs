//! What members of a space say to each other in frames.

use iroh::EndpointId;
use kith_log::{AuthorId, AuthorSecret, Opening, SignatureBytes, SpaceId};
use serde::{Deserialize, Serialize};

/// Largest payload of a message that is not kept, in bytes: 128 KiB, as an entry's.
pub const MAX_PAYLOAD: usize = 128 * 1024;

const HERE: &[u8] = b"kith/1 here\n";
const MESSAGE: &[u8] = b"kith/1 message\n";

/// A message between two members, in a frame or, where it is [`SpaceMessage::Sync`], on a bulk
/// stream. The order is the wire's: append only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SpaceMessage {
    /// 0: begins the talk of the two in this space.
    Begin(Begin),
    /// 1: who the sender is in this space.
    Here(Here),
    /// 2: a message of the logs' sync.
    Sync(Vec<u8>),
    /// 3: a message that is not kept.
    Message(Message),
}

/// Begins a talk, and says which one of the receiver's was heard. What is not between the Begins of
/// both may be lost: enterings and frames travel on different streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begin {
    /// The sender's talk: a number that it gives to no other on this connection. Never 0.
    pub mine: u64,
    /// The last one of the receiver's that the sender heard of in this talk; else 0.
    pub yours: u64,
}

/// Binds an author to a connection: only its own node can say it, and only on this connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Here {
    /// The sender's author in this space.
    pub author: AuthorId,
    /// The body of its log's entry 0, which shows that it was admitted.
    pub opening: Vec<u8>,
    /// `"kith/1 here\n" ‖ space ‖ author ‖ exporter ‖ sender's endpoint id`, signed by the author.
    #[serde(with = "signature")]
    pub signature: SignatureBytes,
}

/// A message that is not kept, signed by its author.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who says it: the author of the sender's Here.
    pub author: AuthorId,
    /// The author's run: random, new at each start of its node.
    pub run: [u8; 16],
    /// Its number in that run and space: from 0, rising.
    pub seq: u64,
    /// What it says.
    pub payload: Vec<u8>,
    /// `"kith/1 message\n" ‖ space ‖ run ‖ u64 seq ‖ payload`, signed by the author.
    #[serde(with = "signature")]
    pub signature: SignatureBytes,
}

/// Bytes that are no message of a space, or one that proves nothing: the sender's fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpaceMessageError {
    /// It doesn't decode, or has bytes after its end.
    #[error("a message in a space does not decode")]
    Undecodable,
    /// A payload over [`MAX_PAYLOAD`].
    #[error("a message has {0} bytes, and {MAX_PAYLOAD} are allowed")]
    TooLarge(usize),
    /// A signature that doesn't fit.
    #[error("the signature of {0} does not verify")]
    BadSignature(&'static str),
    /// An author that was not admitted to the space.
    #[error("an author that was not admitted")]
    NotAdmitted,
}

/// A connection, as far as signatures are bound to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bound<'a> {
    pub(crate) space: &'a SpaceId,
    pub(crate) exporter: &'a [u8; 32],
    pub(crate) sender: &'a EndpointId,
}

impl SpaceMessage {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        postcard::to_allocvec(self).expect("bytes and numbers encode")
    }

    /// Reads a message; signatures are not checked.
    ///
    /// # Errors
    /// [`SpaceMessageError`] where it isn't one.
    pub fn decode(bytes: &[u8]) -> Result<Self, SpaceMessageError> {
        match postcard::take_from_bytes(bytes) {
            Ok((Self::Message(Message { payload, .. }), _)) if payload.len() > MAX_PAYLOAD => {
                Err(SpaceMessageError::TooLarge(payload.len()))
            }
            // Postcard takes numbers in longer forms too.
            Ok((message, [])) if message.encode() == bytes => Ok(message),
            _ => Err(SpaceMessageError::Undecodable),
        }
    }
}

impl Here {
    pub(crate) fn sign(secret: &AuthorSecret, opening: &Opening, bound: &Bound<'_>) -> Self {
        let author = secret.author();
        let signature = secret.sign(&here_text(&author, bound));
        Self { author, opening: opening.to_body(), signature }
    }

    /// Checks that the author was admitted, and that it speaks on this connection.
    pub(crate) fn verify(&self, bound: &Bound<'_>) -> Result<(), SpaceMessageError> {
        if !self.author.verify(&here_text(&self.author, bound), &self.signature) {
            return Err(SpaceMessageError::BadSignature("a presence"));
        }
        Opening::verify(&self.opening, bound.space, &self.author)
            .map(drop)
            .map_err(|_| SpaceMessageError::NotAdmitted)
    }
}

impl Message {
    pub(crate) fn sign(
        secret: &AuthorSecret,
        space: &SpaceId,
        run: [u8; 16],
        seq: u64,
        payload: Vec<u8>,
    ) -> Self {
        let signature = secret.sign(&message_text(space, &run, seq, &payload));
        Self { author: secret.author(), run, seq, payload, signature }
    }

    /// Checks the author's signature.
    pub(crate) fn verify(&self, space: &SpaceId) -> Result<(), SpaceMessageError> {
        let text = message_text(space, &self.run, self.seq, &self.payload);
        if self.author.verify(&text, &self.signature) {
            Ok(())
        } else {
            Err(SpaceMessageError::BadSignature("a message"))
        }
    }
}

fn here_text(author: &AuthorId, bound: &Bound<'_>) -> Vec<u8> {
    let Bound { space, exporter, sender } = bound;
    [HERE, space.as_bytes(), author.as_bytes(), exporter.as_slice(), sender.as_bytes()].concat()
}

fn message_text(space: &SpaceId, run: &[u8; 16], seq: u64, payload: &[u8]) -> Vec<u8> {
    [MESSAGE, space.as_bytes(), run, &seq.to_be_bytes(), payload].concat()
}

/// 64 bytes, as an array of fixed length is written: without a length. Serde stops at 32.
mod signature {
    use kith_log::SignatureBytes;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(
        signature: &SignatureBytes,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let (left, right) = signature.split_at(32);
        let half = |bytes: &[u8]| -> [u8; 32] { bytes.try_into().expect("64 is twice 32") };
        (half(left), half(right)).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<SignatureBytes, D::Error> {
        let (left, right) = <([u8; 32], [u8; 32])>::deserialize(deserializer)?;
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(&left);
        signature[32..].copy_from_slice(&right);
        Ok(signature)
    }
}
