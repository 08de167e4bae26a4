//! An entry's header: what the tree's leaves are made of.

use sha2::{Digest, Sha256};

use crate::codec::Reader;
use crate::tree::{self, Hash};
use crate::{Error, MAX_BODY_LEN, MAX_LAMPORT, MAX_TIME_MS};

/// The only version of an entry that exists.
const VERSION: u8 = 1;

/// An entry's header. Space, author and index are the log's.
///
/// ```text
/// 0        1            9            17           21            25                  57
/// +--------+------------+------------+------------+-------------+-------------------+
/// | u8 = 1 | u64        | u64        | u32        | u32         | 32 bytes          |
/// | version| lamport    | time, ms   | key epoch  | body length | SHA-256 of body   |
/// +--------+------------+------------+------------+-------------+-------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Header {
    /// The Lamport clock: greater than that of every entry its author had seen.
    pub lamport: u64,
    /// The author's wall clock, in milliseconds since 1970. A claim, used for display only.
    pub time_ms: u64,
    /// The epoch of the key that the body is encrypted with; 0 for a plain body.
    pub epoch: u32,
    /// The length of the body as sent, in bytes.
    pub body_len: u32,
    /// SHA-256 of the body as sent.
    pub body_hash: [u8; 32],
}

impl Header {
    /// The length of an encoded header, in bytes.
    pub const LEN: usize = 57;

    /// The header for a body as sent.
    ///
    /// # Errors
    /// [`Error::TooLarge`] for a body, clock or time over its limit.
    pub fn new(lamport: u64, time_ms: u64, epoch: u32, body: &[u8]) -> Result<Self, Error> {
        let body_len = u32::try_from(body.len()).unwrap_or(u32::MAX);
        let header = Self { lamport, time_ms, epoch, body_len, body_hash: hash_body(body) };
        header.check()?;
        Ok(header)
    }

    /// The header's bytes, from which the leaf hash is made.
    pub fn encode(&self) -> [u8; Self::LEN] {
        let mut out = [0; Self::LEN];
        out[0] = VERSION;
        out[1..9].copy_from_slice(&self.lamport.to_be_bytes());
        out[9..17].copy_from_slice(&self.time_ms.to_be_bytes());
        out[17..21].copy_from_slice(&self.epoch.to_be_bytes());
        out[21..25].copy_from_slice(&self.body_len.to_be_bytes());
        out[25..57].copy_from_slice(&self.body_hash);
        out
    }

    /// The header that [`encode`](Self::encode) wrote.
    ///
    /// # Errors
    /// For another length or version, and for values over their limits.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new("an entry's header", bytes);
        let version = reader.u8()?;
        if version != VERSION {
            return Err(Error::Version { what: "an entry", version });
        }
        let header = Self {
            lamport: reader.u64()?,
            time_ms: reader.u64()?,
            epoch: reader.u32()?,
            body_len: reader.u32()?,
            body_hash: reader.array()?,
        };
        reader.end()?;
        header.check()?;
        Ok(header)
    }

    /// The hash of the tree's leaf for this entry: SHA-256(0x00 ‖ header), RFC 6962 section 2.1.
    pub fn leaf_hash(&self) -> Hash {
        tree::leaf_hash(&self.encode())
    }

    /// Whether `body` is the body that this header names.
    pub fn matches(&self, body: &[u8]) -> bool {
        self.body_len as usize == body.len() && self.body_hash == hash_body(body)
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        let limits = [
            ("a body's length", u64::from(self.body_len), MAX_BODY_LEN as u64),
            ("a Lamport clock", self.lamport, MAX_LAMPORT),
            ("an entry's time", self.time_ms, MAX_TIME_MS),
        ];
        for (what, value, limit) in limits {
            if value > limit {
                return Err(Error::TooLarge { what, value, limit });
            }
        }
        Ok(())
    }
}

pub(crate) fn hash_body(body: &[u8]) -> [u8; 32] {
    Sha256::digest(body).into()
}

/// An entry: its header and, unless it was deleted or has expired, its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The header.
    pub header: Header,
    /// The body as sent, which matches the header. `None` where only the header is held.
    pub body: Option<Vec<u8>>,
}
