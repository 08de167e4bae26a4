//! The key of one sealed file.

use std::fmt;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

/// What derives a file's key from its bytes, in one space.
const CONTEXT: &str = "kith/1 file";

/// Bytes that are sealed by one nonce, 16 KiB: a group of the blob's tree.
const SEALED_PART: usize = 16 * 1024;

/// The key of one file in one space. Two files never have one: sealing both with it would show the
/// difference of their bytes.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct FileKey([u8; 32]);

impl FileKey {
    /// The key of a file whose bytes are known, by their BLAKE3 hash, in a space, by its read key.
    /// The same file in the same space has the same key, and so is one blob.
    pub fn derive(read_key: &[u8; 32], plain_hash: &[u8; 32]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
        hasher.update(read_key).update(plain_hash);
        Self(hasher.finalize().into())
    }

    /// The key of these bytes, from an attachment, or random ones that were never used before.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The key's bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Seals or opens the bytes that stand at `offset` in the file: both are one operation, AES-256 in
    /// counter mode (NIST SP 800-38A, section 6.5). Each 16 KiB have a nonce of 96 bits, their number,
    /// and a counter of 32 bits behind it that begins with 2.
    pub fn apply(&self, offset: u64, bytes: &mut [u8]) {
        let key = UnboundKey::new(&AES_256_GCM, &self.0).expect("a key of 32 bytes");
        let key = LessSafeKey::new(key);
        let mut part = offset / SEALED_PART as u64;
        let within = (offset % SEALED_PART as u64) as usize;
        let first = if within == 0 { 0 } else { bytes.len().min(SEALED_PART - within) };
        let (first, rest) = bytes.split_at_mut(first);
        if !first.is_empty() {
            // The counter can't be set: what stands before is gone through, too.
            let mut whole = [0; SEALED_PART];
            let place = within..within + first.len();
            whole[place.clone()].copy_from_slice(first);
            apply_part(&key, part, &mut whole[..place.end]);
            first.copy_from_slice(&whole[place]);
            part += 1;
        }
        for (part, bytes) in (part..).zip(rest.chunks_mut(SEALED_PART)) {
            apply_part(&key, part, bytes);
        }
    }
}

/// Seals or opens a part from its first byte on.
///
/// It is what AES-GCM encrypts (NIST SP 800-38D, section 7.1), whose tag is made and thrown away: the
/// library has no other way to its counter mode, and this one is twice as fast as what has.
fn apply_part(key: &LessSafeKey, part: u64, bytes: &mut [u8]) {
    let mut nonce = [0; NONCE_LEN];
    nonce[NONCE_LEN - 8..].copy_from_slice(&part.to_be_bytes());
    let nonce = Nonce::assume_unique_for_key(nonce);
    let _tag = key.seal_in_place_separate_tag(nonce, Aad::empty(), bytes).expect("a part is short");
}

impl fmt::Debug for FileKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FileKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn any_part_opens_by_itself() {
        let key = FileKey::derive(&[1; 32], &[2; 32]);
        let plain: Vec<u8> = (0..50_000u32).map(|n| n as u8).collect();
        let mut sealed = plain.clone();
        key.apply(0, &mut sealed);
        let ranges =
            [(0, 50_000), (1, 2), (63, 65), (777, 777), (16_383, 16_385), (16_384, 32_768)];
        for (start, end) in ranges.into_iter().chain([(20_000, 50_000), (49_999, 50_000)]) {
            let mut part = sealed[start..end].to_vec();
            key.apply(start as u64, &mut part);
            assert_eq!(part, plain[start..end], "{start}..{end}");
        }
    }

    #[test]
    fn no_part_is_sealed_as_another_one() {
        let key = FileKey::from_bytes([7; 32]);
        let part = SEALED_PART as u64;
        let sealed = |offset| {
            let mut bytes = [0; 64];
            key.apply(offset, &mut bytes);
            bytes
        };
        let places = [0, 64, part, 2 * part, part << 16, part << 32, u64::MAX - 63];
        for boundary in [part, part << 16, part << 32] {
            let mut across = [0; 1024];
            key.apply(boundary - 512, &mut across);
            let (mut before, mut after) = ([0; 512], [0; 512]);
            key.apply(boundary - 512, &mut before);
            key.apply(boundary, &mut after);
            assert_eq!(across, *[before, after].concat());
        }
        let all: HashSet<_> = places.into_iter().map(sealed).collect();
        assert_eq!(all.len(), places.len(), "a keystream that repeats shows what it seals");
    }

    #[test]
    fn each_file_and_each_space_has_its_own_key() {
        let key = FileKey::derive(&[1; 32], &[2; 32]);
        assert_eq!(key, FileKey::derive(&[1; 32], &[2; 32]));
        assert_ne!(key, FileKey::derive(&[1; 32], &[3; 32]));
        assert_ne!(key, FileKey::derive(&[3; 32], &[2; 32]));
    }

    #[test]
    fn debug_shows_no_byte_of_a_key() {
        assert_eq!(format!("{:?}", FileKey::from_bytes([0xab; 32])), "FileKey(…)");
    }
}
