//! Verifying a run against what is known of its log, and appending to one's own.

use crate::checkpoint::{Checkpoint, Head};
use crate::codec::{Reader, put_varint};
use crate::header::{Entry, Header};
use crate::keys::AuthorSecret;
use crate::run::{Run, weigh};
use crate::tree::CompactRange;
use crate::{AuthorId, Error, MAX_BODY_LEN, MAX_RUN_ENTRIES, MAX_RUN_WEIGHT, Opening, SpaceId};

/// What is held of one log: the entries from `base` to `head`, without gaps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownLog {
    /// How the author was admitted.
    pub opening: Opening,
    /// The head before the first held entry; `None` when the log is held from entry 0.
    pub base: Option<Head>,
    /// The head after the last held entry.
    pub head: Head,
    /// The weight of all held entries: what the author's quota counts.
    pub weight: u64,
    /// The newest segment.
    pub segment: OpenSegment,
}

impl KnownLog {
    /// The index of the first held entry.
    pub fn start(&self) -> u64 {
        self.base.as_ref().map_or(0, Head::size)
    }

    /// How many entries the log has, held or not.
    pub fn size(&self) -> u64 {
        self.head.size()
    }

    /// What is known once `run`, which was verified against `known`, is held too.
    ///
    /// The store begins a new segment at [`run.start()`](VerifiedRun::start), with
    /// [`run.before()`](VerifiedRun::before), for each run that comes first or is older, and for an
    /// appended one when [`segment.start`](Self::segment) is the run's start afterwards.
    pub fn after(known: Option<&Self>, run: &VerifiedRun) -> Self {
        let added = weigh(&run.entries);
        match (known, run.place) {
            (Some(known), Placement::Append) => Self {
                head: run.head.clone(),
                weight: known.weight + added,
                segment: known.segment.after(run, added),
                ..known.clone()
            },
            (Some(known), Placement::Older) => Self {
                opening: run.opening.clone(),
                base: run.before.clone(),
                weight: known.weight + added,
                ..known.clone()
            },
            (_, Placement::First) | (None, _) => Self {
                opening: run.opening.clone(),
                base: run.before.clone(),
                head: run.head.clone(),
                weight: added,
                segment: OpenSegment { start: run.start(), weight: added },
            },
        }
    }

    /// The bytes, for the store.
    ///
    /// ```text
    /// | varint length, opening | u8 base: 0 or 1 | base | head | u64 weight |
    /// | u64 segment start | u64 segment weight |
    /// ```
    pub fn encode(&self) -> Vec<u8> {
        let opening = self.opening.to_body();
        let mut out = Vec::new();
        put_varint(&mut out, opening.len() as u64);
        out.extend(opening);
        out.push(u8::from(self.base.is_some()));
        out.extend(self.base.iter().flat_map(Head::encode));
        out.extend(self.head.encode());
        for number in [self.weight, self.segment.start, self.segment.weight] {
            out.extend(number.to_be_bytes());
        }
        out
    }

    /// What [`encode`](Self::encode) wrote. Signatures are not checked: it comes from the store.
    ///
    /// # Errors
    /// For bytes that don't decode exactly.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new("a known log", bytes);
        let length = reader.count("an opening's length", bytes.len())?;
        let opening = Opening::decode(reader.bytes(length)?)?;
        let base = if reader.bool()? { Some(Head::read(&mut reader)?) } else { None };
        let known = Self {
            opening,
            base,
            head: Head::read(&mut reader)?,
            weight: reader.u64()?,
            segment: OpenSegment { start: reader.u64()?, weight: reader.u64()? },
        };
        reader.end()?;
        Ok(known)
    }
}

/// Where a verified run goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// The log was unknown. The run starts at entry 0, or later where only the newest were asked
    /// for.
    First,
    /// After the last held entry.
    Append,
    /// Before the first held entry.
    Older,
}

/// Entries that can be stored as they are: all that [`verify_run`] checks has been checked, or we
/// wrote them ourselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedRun {
    author: AuthorId,
    place: Placement,
    before: Option<Head>,
    entries: Vec<Entry>,
    head: Head,
    opening: Opening,
}

impl VerifiedRun {
    /// The log's author.
    pub fn author(&self) -> &AuthorId {
        &self.author
    }

    /// Where the run goes.
    pub fn place(&self) -> Placement {
        self.place
    }

    /// The index of the first entry.
    pub fn start(&self) -> u64 {
        self.before.as_ref().map_or(0, Head::size)
    }

    /// The index after the last entry.
    pub fn end(&self) -> u64 {
        self.head.size()
    }

    /// The signed head before the first entry; `None` where that is entry 0.
    pub fn before(&self) -> Option<&Head> {
        self.before.as_ref()
    }

    /// The entries, 1 at least.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entries, to be moved into the store.
    pub fn into_entries(self) -> Vec<Entry> {
        self.entries
    }

    /// The entries' weight: see [`MAX_RUN_WEIGHT`].
    pub fn weight(&self) -> u64 {
        weigh(&self.entries)
    }

    /// The signed head after the last entry.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// How the author was admitted.
    pub fn opening(&self) -> &Opening {
        &self.opening
    }

    /// The run as it is pushed to a peer that holds everything before it.
    pub fn to_run(&self) -> Run {
        Run {
            start: self.start(),
            base: None,
            entries: self.entries.clone(),
            checkpoint: self.head.checkpoint(&self.author),
        }
    }
}

/// The newest [`Segment`](crate::Segment) of a log. It grows while it is within the limits of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenSegment {
    /// The index of the segment's first entry.
    pub start: u64,
    /// Its entries' weight, see [`MAX_RUN_WEIGHT`].
    pub weight: u64,
}

impl OpenSegment {
    /// The newest segment once `run` of this weight is appended: the same where it fits.
    fn after(self, run: &VerifiedRun, added: u64) -> Self {
        let weight = self.weight + added;
        if weight <= MAX_RUN_WEIGHT && run.end() - self.start <= MAX_RUN_ENTRIES as u64 {
            Self { start: self.start, weight }
        } else {
            Self { start: run.start(), weight: added }
        }
    }
}

/// An entry to be appended to one's own log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// The Lamport clock: one more than the greatest that was seen in the space.
    pub lamport: u64,
    /// The wall clock, in ms since 1970.
    pub time_ms: u64,
    /// The epoch of the key that the body is encrypted with; 0 for a plain one.
    pub epoch: u32,
    /// The body as sent.
    pub body: Vec<u8>,
}

/// Appends entries to one's own log, under one checkpoint. The first entry of a log is its
/// [`Opening`]. Store the run durably before it leaves the node.
///
/// # Errors
/// [`Error::TooLarge`] for what is over a limit: then append in several steps, or less.
/// [`Error::NotAdmitted`] when a log doesn't begin with its opening.
pub fn append(
    secret: &AuthorSecret,
    space: &SpaceId,
    known: Option<&KnownLog>,
    drafts: Vec<Draft>,
) -> Result<VerifiedRun, Error> {
    let author = secret.author();
    let first = drafts.first().ok_or(Error::Malformed("an append of nothing"))?;
    let opening = match known {
        Some(known) => known.opening.clone(),
        None if first.epoch == 0 => Opening::verify(&first.body, space, &author)?,
        None => return Err(Error::NotAdmitted(author)),
    };
    limit("a run's number of entries", drafts.len() as u64, MAX_RUN_ENTRIES as u64)?;
    let mut range = known.map_or_else(CompactRange::new, |known| known.head.range.clone());
    let mut entries = Vec::with_capacity(drafts.len());
    for Draft { lamport, time_ms, epoch, body } in drafts {
        limit("a body's length", body.len() as u64, MAX_BODY_LEN as u64)?;
        let header = Header::new(lamport, time_ms, epoch, &body)?;
        range.push(header.leaf_hash());
        entries.push(Entry { header, body: Some(body) });
    }
    limit("a run's weight", weigh(&entries), MAX_RUN_WEIGHT)?;
    let signature = Checkpoint::sign(secret, space, &range).signature;
    Ok(VerifiedRun {
        author,
        place: if known.is_some() { Placement::Append } else { Placement::First },
        before: known.map(|known| known.head.clone()),
        entries,
        head: Head { range, signature },
        opening,
    })
}

fn limit(what: &'static str, value: u64, limit: u64) -> Result<(), Error> {
    if value > limit { Err(Error::TooLarge { what, value, limit }) } else { Ok(()) }
}

/// Checks a run against what is known of its log, and cuts off what is held already.
///
/// # Errors
/// - [`Error::Gap`]: the run doesn't join what is known, or brings nothing new. Nobody's fault.
/// - [`Error::Fork`]: the author signed two histories; `run` and `known` together prove it.
/// - All others: the run is wrong, and who sent it broke the protocol.
pub fn verify_run(
    space: &SpaceId,
    known: Option<&KnownLog>,
    run: Run,
) -> Result<VerifiedRun, Error> {
    match known {
        None => verify_first(space, run),
        Some(known) if run.end() > known.size() && run.start <= known.size() => {
            verify_append(space, known, run)
        }
        Some(known) if run.start < known.start() && run.end() >= known.start() => {
            verify_older(space, known, run)
        }
        Some(known) => Err(Error::Gap { start: run.start, end: run.end(), held: known.size() }),
    }
}

fn verify_first(space: &SpaceId, run: Run) -> Result<VerifiedRun, Error> {
    let author = *run.author();
    let (before, opening) = match &run.base {
        Some(base) => {
            base.head.checkpoint(&author).verify(space)?;
            (Some(base.head.clone()), Opening::verify(&base.opening, space, &author)?)
        }
        None if run.start == 0 => (None, first_opening(space, &run)?),
        None => return Err(Error::Gap { start: run.start, end: run.end(), held: 0 }),
    };
    let start = before.as_ref().map_or_else(CompactRange::new, |head| head.range.clone());
    let head = check_end(space, start, &run.entries, &run)?;
    Ok(VerifiedRun { author, place: Placement::First, before, entries: run.entries, head, opening })
}

/// The opening of a run from 0.
fn first_opening(space: &SpaceId, run: &Run) -> Result<Opening, Error> {
    let author = run.author();
    match run.entries.first() {
        Some(Entry { header, body: Some(body) }) if header.epoch == 0 => {
            Opening::verify(body, space, author)
        }
        Some(_) | None => Err(Error::NotAdmitted(*author)),
    }
}

fn verify_append(space: &SpaceId, known: &KnownLog, mut run: Run) -> Result<VerifiedRun, Error> {
    let held = usize::try_from(known.size() - run.start).expect("a run's length fits");
    let new = run.entries.split_off(held);
    let head = match check_end(space, known.head.range.clone(), &new, &run) {
        Ok(head) => head,
        // A run that stands on a signed head of its own proves that the author signed both.
        Err(Error::WrongRoot) if passes_by(space, known, &run, &new) => return Err(Error::Fork),
        Err(error) => return Err(error),
    };
    Ok(VerifiedRun {
        author: *run.author(),
        place: Placement::Append,
        before: Some(known.head.clone()),
        entries: new,
        head,
        opening: known.opening.clone(),
    })
}

/// Whether a run is valid in itself, from entry 0 or its own base.
fn passes_by(space: &SpaceId, known: &KnownLog, run: &Run, new: &[Entry]) -> bool {
    let mut range = match &run.base {
        Some(base) if base.head.checkpoint(run.author()).verify(space).is_ok() => {
            base.head.range.clone()
        }
        None if run.start == 0 => CompactRange::new(),
        Some(_) | None => return false,
    };
    for entry in &run.entries {
        range.push(entry.header.leaf_hash());
    }
    range.root() != known.head.range.root() && check_end(space, range, new, run).is_ok()
}

fn verify_older(space: &SpaceId, known: &KnownLog, mut run: Run) -> Result<VerifiedRun, Error> {
    let base = known.base.as_ref().expect("a run before the start is before a base");
    let before = match &run.base {
        Some(base) => {
            base.head.checkpoint(run.author()).verify(space)?;
            Some(base.head.clone())
        }
        None if run.start == 0 => None,
        None => return Err(Error::Gap { start: run.start, end: run.end(), held: known.size() }),
    };
    // The opening in the log counts, and not the one that came with a base: a relay that knows the
    // space's secret can make others.
    let opening = if run.start == 0 { first_opening(space, &run)? } else { known.opening.clone() };
    let count = usize::try_from(base.size() - run.start).expect("a run's length fits");
    let mut range = before.as_ref().map_or_else(CompactRange::new, |head| head.range.clone());
    for entry in &run.entries[..count] {
        range.push(entry.header.leaf_hash());
    }
    if range != base.range {
        // A run that is signed from end to end proves that the author signed both.
        check_end(space, range, &run.entries[count..], &run)?;
        return Err(Error::Fork);
    }
    run.entries.truncate(count);
    Ok(VerifiedRun {
        author: *run.author(),
        place: Placement::Older,
        before,
        entries: run.entries,
        head: base.clone(),
        opening,
    })
}

/// The head after `entries`, when they lead to the run's checkpoint and that is signed.
fn check_end(
    space: &SpaceId,
    mut range: CompactRange,
    entries: &[Entry],
    run: &Run,
) -> Result<Head, Error> {
    run.checkpoint.verify(space)?;
    for entry in entries {
        range.push(entry.header.leaf_hash());
    }
    if range.root() != run.checkpoint.root {
        return Err(Error::WrongRoot);
    }
    Ok(Head { range, signature: run.checkpoint.signature })
}
