//! A run: successive entries of one log as they travel, with the one checkpoint that signs them.

use crate::checkpoint::{Checkpoint, Head};
use crate::codec::{Reader, put_varint, put_zigzag};
use crate::header::{Entry, Header, hash_body};
use crate::tree::{CompactRange, read_peaks};
use crate::{AuthorId, ENTRY_WEIGHT, Error, MAX_RUN_ENTRIES, MAX_RUN_LEN, MAX_RUN_WEIGHT, Opening};

/// The only version of a run that exists.
const VERSION: u8 = 1;
/// The longest opening's body, in bytes.
const MAX_OPENING_LEN: usize = 1 + 64 + 1 + 32 + 64;
/// Bits below the body's length: the body is absent and its hash stands in its place.
const ABSENT: u64 = 1;
/// Bits below the body's length: the key epoch differs from the entry's before.
const NEW_EPOCH: u64 = 2;

/// What a receiver that lacks the entries before a run needs to verify it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    /// The signed state of the log before the run's first entry.
    pub head: Head,
    /// The body of the log's entry 0.
    pub opening: Vec<u8>,
}

/// Successive entries of one log, and the checkpoint after the last of them. Decoded, not verified.
///
/// ```text
/// | u8 version = 1 | author, 32 | varint start | u8 base: 0 or 1 |
/// base: | peaks, 32 each, one per bit set in start | signature, 64 | varint length | opening |
/// | varint count | entries | root, 32 | signature, 64 |
/// entry: | zigzag lamport delta | zigzag time delta | varint length << 2 | new epoch << 1 | absent |
///        | new epoch: varint epoch | body, or if absent its SHA-256, 32 |
/// ```
/// Deltas are to the entry before in the run, to 0 for the first; so is the epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The index of the first entry.
    pub start: u64,
    /// For a receiver that may lack the entries before; never for `start` 0.
    pub base: Option<Base>,
    /// The entries, 1 at least.
    pub entries: Vec<Entry>,
    /// The author's checkpoint after the last entry.
    pub checkpoint: Checkpoint,
}

impl Run {
    /// The log's author.
    pub fn author(&self) -> &AuthorId {
        &self.checkpoint.author
    }

    /// The index after the last entry.
    pub fn end(&self) -> u64 {
        self.checkpoint.size
    }

    /// The bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode_into(&mut out);
        out
    }

    pub(crate) fn encode_into(&self, out: &mut Vec<u8>) {
        let bodies: usize = self.entries.iter().map(|e| e.body.as_ref().map_or(32, Vec::len)).sum();
        out.reserve(bodies + 16 * self.entries.len() + 512);
        out.push(VERSION);
        out.extend(self.author().as_bytes());
        put_varint(out, self.start);
        out.push(u8::from(self.base.is_some()));
        if let Some(base) = &self.base {
            out.extend(base.head.range.peaks().as_flattened());
            out.extend(base.head.signature);
            put_varint(out, base.opening.len() as u64);
            out.extend(&base.opening);
        }
        put_varint(out, self.entries.len() as u64);
        let (mut lamport, mut time, mut epoch) = (0, 0, 0);
        for Entry { header, body } in &self.entries {
            put_zigzag(out, header.lamport.wrapping_sub(lamport) as i64);
            put_zigzag(out, header.time_ms.wrapping_sub(time) as i64);
            let mut length = u64::from(header.body_len) << 2;
            length |= if body.is_none() { ABSENT } else { 0 };
            length |= if header.epoch == epoch { 0 } else { NEW_EPOCH };
            put_varint(out, length);
            if header.epoch != epoch {
                put_varint(out, u64::from(header.epoch));
            }
            out.extend(body.as_deref().unwrap_or(&header.body_hash));
            (lamport, time, epoch) = (header.lamport, header.time_ms, header.epoch);
        }
        out.extend(self.checkpoint.root);
        out.extend(self.checkpoint.signature);
    }

    /// The run of these bytes. Signatures and roots are not checked: [`verify_run`] does.
    ///
    /// # Errors
    /// For bytes that don't decode exactly, and for what is over a limit.
    ///
    /// [`verify_run`]: crate::verify_run
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() > MAX_RUN_LEN {
            let (value, limit) = (bytes.len() as u64, MAX_RUN_LEN as u64);
            return Err(Error::TooLarge { what: "a run's length", value, limit });
        }
        let mut reader = Reader::new("a run", bytes);
        let version = reader.u8()?;
        if version != VERSION {
            return Err(Error::Version { what: "a run", version });
        }
        let author = AuthorId::from_bytes(reader.array()?);
        let start = reader.varint()?;
        let base = if reader.bool()? { Some(read_base(&mut reader, start)?) } else { None };
        let count = reader.count("a run's number of entries", MAX_RUN_ENTRIES)?;
        if count == 0 {
            return Err(Error::Malformed("a run without entries"));
        }
        let size = start
            .checked_add(count as u64)
            .ok_or(Error::Malformed("a run that ends after the last index"))?;
        let entries = read_entries(&mut reader, count)?;
        let checkpoint =
            Checkpoint { author, size, root: reader.array()?, signature: reader.array()? };
        reader.end()?;
        Ok(Self { start, base, entries, checkpoint })
    }
}

fn read_base(reader: &mut Reader<'_>, start: u64) -> Result<Base, Error> {
    if start == 0 {
        return Err(Error::Malformed("a run from 0 with a base"));
    }
    let range = CompactRange::from_peaks(start, read_peaks(reader, start)?)?;
    let signature = reader.array()?;
    let length = reader.count("an opening's length", MAX_OPENING_LEN)?;
    Ok(Base { head: Head { range, signature }, opening: reader.bytes(length)?.to_vec() })
}

fn read_entries(reader: &mut Reader<'_>, count: usize) -> Result<Vec<Entry>, Error> {
    let mut entries = Vec::with_capacity(count);
    let (mut lamport, mut time_ms, mut epoch, mut weight) = (0u64, 0u64, 0u32, 0u64);
    for _ in 0..count {
        lamport = lamport.wrapping_add(reader.zigzag()? as u64);
        time_ms = time_ms.wrapping_add(reader.zigzag()? as u64);
        let length = reader.varint()?;
        if length & NEW_EPOCH != 0 {
            let new = u32::try_from(reader.varint()?)
                .map_err(|_| Error::Malformed("a key epoch of more than 32 bits"))?;
            if new == epoch {
                return Err(Error::Malformed("a new key epoch that is not new"));
            }
            epoch = new;
        }
        let body_len =
            u32::try_from(length >> 2).map_err(|_| Error::Malformed("a body of over 4 GiB"))?;
        weight += u64::from(body_len) + ENTRY_WEIGHT;
        if weight > MAX_RUN_WEIGHT {
            let (value, limit) = (weight, MAX_RUN_WEIGHT);
            return Err(Error::TooLarge { what: "a run's weight", value, limit });
        }
        let (body_hash, body) = if length & ABSENT != 0 {
            (reader.array()?, None)
        } else {
            let body = reader.bytes(body_len as usize)?;
            (hash_body(body), Some(body.to_vec()))
        };
        let header = Header { lamport, time_ms, epoch, body_len, body_hash };
        header.check()?;
        entries.push(Entry { header, body });
    }
    Ok(entries)
}

/// The weight of entries: see [`MAX_RUN_WEIGHT`].
pub(crate) fn weigh(entries: &[Entry]) -> u64 {
    entries.iter().map(|entry| u64::from(entry.header.body_len) + ENTRY_WEIGHT).sum()
}

/// A piece of a log as the store keeps it: entries between two signed heads.
///
/// The store divides a log into segments within [`MAX_RUN_ENTRIES`] and [`MAX_RUN_WEIGHT`], and
/// keeps the signed head at the start of each. That is all that is needed to serve any peer: a run
/// ends at a head that the author signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The head before the first entry. `None` where that is entry 0.
    pub before: Option<Head>,
    /// The entries.
    pub entries: Vec<Entry>,
    /// The head after the last entry.
    pub after: Head,
}

impl Segment {
    /// The index of the first entry.
    pub fn start(&self) -> u64 {
        self.before.as_ref().map_or(0, Head::size)
    }

    /// The run of these entries. With the log's opening it has a base, for a receiver that lacks
    /// the entries before.
    pub fn into_run(mut self, author: &AuthorId, opening: Option<&Opening>) -> Run {
        let start = self.start();
        let checkpoint = self.after.checkpoint(author);
        let base = opening
            .zip(self.before.take())
            .map(|(opening, head)| Base { head, opening: opening.to_body() });
        Run { start, base, entries: self.entries, checkpoint }
    }
}
