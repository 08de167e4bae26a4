//! The messages of sync, and their bytes: `docs/protocol/sync.md`.

use crate::codec::{Reader, put_varint};
use crate::keys::SignatureBytes;
use crate::{AuthorId, Checkpoint, Error, Hash, MAX_MESSAGE_LEN, Run};

/// Most heads in one message. Keeps it at 35 kB, so that it holds up nothing behind it for long.
pub const MAX_HEADS: usize = 256;

/// What one member of a space says to another.
///
/// The first byte is the kind: 0 [`Heads`](Self::Heads), 1 [`Want`](Self::Want),
/// 2 [`More`](Self::More), 3 [`Run`](Self::Run), 4 [`Nothing`](Self::Nothing),
/// 5 [`Compare`](Self::Compare), 6 [`Last`](Self::Last).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// What the sender holds.
    /// ```text
    /// | 0 | u8 part: 0 news, 1 list that goes on, 2 list that ends | varint count | checkpoints |
    /// ```
    Heads {
        /// What the heads are part of.
        part: Part,
        /// [`MAX_HEADS`] at most.
        heads: Vec<Checkpoint>,
    },
    /// Asks for entries of an author's log.
    /// ```text
    /// | 1 | author, 32 | u8 at | varint index, unless at = 1 | u8 runs, 1 to 255 |
    /// at: 0 from index, and before runs: | u8 have: 0 or 1 | root, 32 | signature, 64 |
    ///     1 the newest, 2 before index
    /// ```
    Want {
        /// Whose.
        author: AuthorId,
        /// Which.
        at: At,
        /// How many runs may be sent.
        runs: u8,
    },
    /// Allows this many more runs of a log that was asked for.
    /// ```text
    /// | 2 | author, 32 | u8 runs, 1 to 255 |
    /// ```
    More {
        /// Whose.
        author: AuthorId,
        /// How many more.
        runs: u8,
    },
    /// Entries.
    /// ```text
    /// | 3 | run |
    /// ```
    Run(Run),
    /// What was asked for can't be sent, or not further.
    /// ```text
    /// | 4 | author, 32 |
    /// ```
    Nothing {
        /// Whose.
        author: AuthorId,
    },
    /// The digest of all heads that the sender holds: whoever holds others answers with a list.
    /// ```text
    /// | 5 | SHA-256 over author ‖ u64 size ‖ root of each log, in the order of authors |
    /// ```
    Compare {
        /// The digest.
        digest: [u8; 32],
    },
    /// Entries up to the end of the log as the sender held it: no more comes of what was asked for,
    /// whatever was allowed. (The log may have grown since.)
    /// ```text
    /// | 6 | run |
    /// ```
    Last(Run),
}

/// What heads in a message are part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// News: some logs have grown.
    News,
    /// The list of all logs, which goes on in the next message.
    ListGoesOn,
    /// The list of all logs, or its end.
    ListEnds,
}

/// Which entries are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// From this index on.
    From {
        /// The index.
        index: u64,
        /// The asker's root and signature for this size, which shows the other a fork.
        have: Option<(Hash, SignatureBytes)>,
    },
    /// The newest run, whose base says what comes before it.
    Newest,
    /// The run before this index.
    Before {
        /// The index.
        index: u64,
    },
}

impl Message {
    /// The bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Heads { part, heads } => {
                out.extend([0, *part as u8]);
                put_varint(&mut out, heads.len() as u64);
                out.extend(heads.iter().flat_map(Checkpoint::encode));
            }
            Self::Want { author, at, runs } => {
                out.push(1);
                out.extend(author.as_bytes());
                encode_at(&mut out, at);
                out.push(*runs);
            }
            Self::More { author, runs } => {
                out.push(2);
                out.extend(author.as_bytes());
                out.push(*runs);
            }
            Self::Run(run) => {
                out.push(3);
                run.encode_into(&mut out);
            }
            Self::Last(run) => {
                out.push(6);
                run.encode_into(&mut out);
            }
            Self::Nothing { author } => {
                out.push(4);
                out.extend(author.as_bytes());
            }
            Self::Compare { digest } => {
                out.push(5);
                out.extend(digest);
            }
        }
        out
    }

    /// The message of these bytes. No signature is checked.
    ///
    /// # Errors
    /// For bytes that don't decode exactly, and for what is over a limit.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() > MAX_MESSAGE_LEN {
            let (value, limit) = (bytes.len() as u64, MAX_MESSAGE_LEN as u64);
            return Err(Error::TooLarge { what: "a sync message's length", value, limit });
        }
        let mut reader = Reader::new("a sync message", bytes);
        let message = match reader.u8()? {
            0 => decode_heads(&mut reader)?,
            1 => Self::Want {
                author: AuthorId::from_bytes(reader.array()?),
                at: decode_at(&mut reader)?,
                runs: decode_runs(&mut reader)?,
            },
            2 => Self::More {
                author: AuthorId::from_bytes(reader.array()?),
                runs: decode_runs(&mut reader)?,
            },
            3 => return Run::decode(&bytes[1..]).map(Self::Run),
            6 => return Run::decode(&bytes[1..]).map(Self::Last),
            4 => Self::Nothing { author: AuthorId::from_bytes(reader.array()?) },
            5 => Self::Compare { digest: reader.array()? },
            _ => return Err(Error::Malformed("a sync message of no known kind")),
        };
        reader.end()?;
        Ok(message)
    }
}

fn encode_at(out: &mut Vec<u8>, at: &At) {
    match at {
        At::From { index, have } => {
            out.push(0);
            put_varint(out, *index);
            out.push(u8::from(have.is_some()));
            if let Some((root, signature)) = have {
                out.extend(root);
                out.extend(signature);
            }
        }
        At::Newest => out.push(1),
        At::Before { index } => {
            out.push(2);
            put_varint(out, *index);
        }
    }
}

fn decode_at(reader: &mut Reader<'_>) -> Result<At, Error> {
    Ok(match reader.u8()? {
        0 => {
            let index = reader.varint()?;
            let have = if reader.bool()? { Some((reader.array()?, reader.array()?)) } else { None };
            At::From { index, have }
        }
        1 => At::Newest,
        2 => At::Before { index: reader.varint()? },
        _ => return Err(Error::Malformed("a want of no known place")),
    })
}

fn decode_runs(reader: &mut Reader<'_>) -> Result<u8, Error> {
    match reader.u8()? {
        0 => Err(Error::Malformed("a want of no runs")),
        runs => Ok(runs),
    }
}

fn decode_heads(reader: &mut Reader<'_>) -> Result<Message, Error> {
    let part = match reader.u8()? {
        0 => Part::News,
        1 => Part::ListGoesOn,
        2 => Part::ListEnds,
        _ => return Err(Error::Malformed("heads of no known part")),
    };
    let count = reader.count("a message's number of heads", MAX_HEADS)?;
    let heads: Vec<_> = (0..count).map(|_| Checkpoint::read(reader)).collect::<Result<_, _>>()?;
    if heads.iter().any(|head| head.size == 0) {
        return Err(Error::Malformed("a head of an empty log"));
    }
    Ok(Message::Heads { part, heads })
}
