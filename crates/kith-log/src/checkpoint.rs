//! What an author signs: the size and root of its log, as a checkpoint of C2SP.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use crate::codec::Reader;
use crate::keys::{self, AuthorSecret, SignatureBytes};
use crate::tree::{CompactRange, Hash, read_peaks};
use crate::{AuthorId, Error, SpaceId};

/// The longest note that [`Checkpoint::from_note`] reads, in bytes. Ours have under 500.
pub const MAX_NOTE_LEN: usize = 4096;
/// Ed25519 in signed-note's key ids.
const ED25519: u8 = 1;

/// A log's size and root, signed by its author.
///
/// The signature is over the text of a `tlog-checkpoint`, so that the foreign tools of the
/// transparency field verify it: see [`to_note`](Self::to_note). Between kith peers only the
/// parts travel.
///
/// ```text
/// wire form: | author, 32 | u64 size | root, 32 | signature, 64 |
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Checkpoint {
    /// Whose log this is.
    pub author: AuthorId,
    /// How many entries the log has.
    pub size: u64,
    /// The tree's root.
    pub root: Hash,
    /// The author's signature over [`text`](Self::text).
    pub signature: SignatureBytes,
}

impl Checkpoint {
    /// The length of the wire form, in bytes.
    pub const LEN: usize = 136;

    /// Signs a log's size and root.
    pub fn sign(secret: &AuthorSecret, space: &SpaceId, range: &CompactRange) -> Self {
        let (author, size, root) = (secret.author(), range.size(), range.root());
        let signature = secret.sign(text(space, &author, size, &root).as_bytes());
        Self { author, size, root, signature }
    }

    /// Checks the signature.
    ///
    /// # Errors
    /// [`Error::BadSignature`].
    pub fn verify(&self, space: &SpaceId) -> Result<(), Error> {
        let text = self.text(space);
        keys::verify(self.author.as_bytes(), text.as_bytes(), &self.signature, "a checkpoint")
    }

    /// What is signed: origin, size and root, each on a line, as C2SP's `tlog-checkpoint` says.
    /// The origin is `kith/1/<space in hex>/<author in hex>`.
    pub fn text(&self, space: &SpaceId) -> String {
        text(space, &self.author, self.size, &self.root)
    }

    /// The wire form between kith peers.
    pub fn encode(&self) -> [u8; Self::LEN] {
        let mut out = [0; Self::LEN];
        out[..32].copy_from_slice(self.author.as_bytes());
        out[32..40].copy_from_slice(&self.size.to_be_bytes());
        out[40..72].copy_from_slice(&self.root);
        out[72..].copy_from_slice(&self.signature);
        out
    }

    /// The checkpoint of a wire form. Its signature is not checked.
    ///
    /// # Errors
    /// For another number of bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new("a checkpoint", bytes);
        let checkpoint = Self::read(&mut reader)?;
        reader.end()?;
        Ok(checkpoint)
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        Ok(Self {
            author: AuthorId::from_bytes(reader.array()?),
            size: reader.u64()?,
            root: reader.array()?,
            signature: reader.array()?,
        })
    }

    /// The checkpoint as a C2SP `signed-note`, which foreign tools verify with
    /// [`verifier_key`]. The key's name is the origin.
    pub fn to_note(&self, space: &SpaceId) -> String {
        let name = origin(space, &self.author);
        let id = key_id(&name, &self.author);
        let signature = STANDARD.encode([id.as_slice(), &self.signature].concat());
        format!("{}\n\u{2014} {name} {signature}\n", self.text(space))
    }

    /// The space and checkpoint of a note, its signature checked. Signatures of others (witnesses)
    /// are allowed and ignored; extension lines are not ours and refused.
    ///
    /// # Errors
    /// For a note that isn't a kith checkpoint, and for a signature that doesn't verify.
    pub fn from_note(note: &str) -> Result<(SpaceId, Self), Error> {
        const MALFORMED: Error = Error::Malformed("a note that is not a kith checkpoint");
        if note.len() > MAX_NOTE_LEN {
            let (value, limit) = (note.len() as u64, MAX_NOTE_LEN as u64);
            return Err(Error::TooLarge { what: "a note's length", value, limit });
        }
        let (head, signatures) = note.split_once("\n\n").ok_or(MALFORMED)?;
        let mut lines = head.split('\n');
        let mut line = || lines.next().ok_or(MALFORMED);
        let (name, size, root) = (line()?, line()?, line()?);
        if lines.next().is_some() {
            return Err(MALFORMED);
        }
        let (space, author) = parse_origin(name).ok_or(MALFORMED)?;
        let size: u64 = size.parse().map_err(|_| MALFORMED)?;
        let root = STANDARD.decode(root).ok().and_then(|r| r.try_into().ok()).ok_or(MALFORMED)?;
        let id = key_id(name, &author);
        let signature = signatures.strip_suffix('\n').ok_or(MALFORMED)?;
        let mut ours = None;
        for line in signature.split('\n') {
            let line = line.strip_prefix("\u{2014} ").ok_or(MALFORMED)?;
            let (signer, bytes) = line.split_once(' ').ok_or(MALFORMED)?;
            let bytes = STANDARD.decode(bytes).map_err(|_| MALFORMED)?;
            if signer == name && bytes.starts_with(&id) {
                if ours.is_some() {
                    return Err(MALFORMED);
                }
                ours = Some(bytes[id.len()..].try_into().map_err(|_| MALFORMED)?);
            }
        }
        let signature = ours.ok_or(Error::BadSignature("a checkpoint"))?;
        let checkpoint = Self { author, size, root, signature };
        // The text that was signed is the canonical one, so "007" for the size does not pass.
        if checkpoint.text(&space) != format!("{head}\n") {
            return Err(MALFORMED);
        }
        checkpoint.verify(&space)?;
        Ok((space, checkpoint))
    }
}

/// The name under which foreign tools know a log.
pub fn origin(space: &SpaceId, author: &AuthorId) -> String {
    format!("kith/1/{space}/{author}")
}

/// The author's key as `sumdb/note` and other signed-note tools take it:
/// `<name>+<key id in hex>+<base64 of 0x01 ‖ key>`.
pub fn verifier_key(space: &SpaceId, author: &AuthorId) -> String {
    let name = origin(space, author);
    let [a, b, c, d] = key_id(&name, author);
    let key = STANDARD.encode([&[ED25519], author.as_bytes().as_slice()].concat());
    format!("{name}+{a:02x}{b:02x}{c:02x}{d:02x}+{key}")
}

fn parse_origin(origin: &str) -> Option<(SpaceId, AuthorId)> {
    let (space, author) = origin.strip_prefix("kith/1/")?.split_once('/')?;
    Some((SpaceId::from_hex(space)?, AuthorId::from_hex(author)?))
}

fn text(space: &SpaceId, author: &AuthorId, size: u64, root: &Hash) -> String {
    format!("{}\n{size}\n{}\n", origin(space, author), STANDARD.encode(root))
}

/// The first four bytes of SHA-256(name ‖ "\n" ‖ 0x01 ‖ key), as signed-note says for Ed25519.
fn key_id(name: &str, author: &AuthorId) -> [u8; 4] {
    let hash = Sha256::new()
        .chain_update(name)
        .chain_update([b'\n', ED25519])
        .chain_update(author.as_bytes())
        .finalize();
    [hash[0], hash[1], hash[2], hash[3]]
}

/// A signed state of a log, with all that is needed to go on from it: the checkpoint's root is the
/// range's.
///
/// ```text
/// | u64 size | peaks, 32 each, one per bit set in size | signature, 64 |
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The tree so far.
    pub range: CompactRange,
    /// The author's signature over the checkpoint.
    pub signature: SignatureBytes,
}

impl Head {
    /// How many entries the log has.
    pub fn size(&self) -> u64 {
        self.range.size()
    }

    /// The checkpoint.
    pub fn checkpoint(&self, author: &AuthorId) -> Checkpoint {
        Checkpoint {
            author: *author,
            size: self.range.size(),
            root: self.range.root(),
            signature: self.signature,
        }
    }

    /// The bytes, for the store.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = self.range.encode();
        out.extend(self.signature);
        out
    }

    /// The head that [`encode`](Self::encode) wrote. Its signature is not checked.
    ///
    /// # Errors
    /// For bytes that don't decode exactly.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new("a head", bytes);
        let head = Self::read(&mut reader)?;
        reader.end()?;
        Ok(head)
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let size = reader.u64()?;
        let range = CompactRange::from_peaks(size, read_peaks(reader, size)?)?;
        Ok(Self { range, signature: reader.array()? })
    }
}
