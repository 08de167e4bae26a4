//! The key of one sealed file.

use std::fmt;

use chacha20::cipher::{KeyIvInit, StreamCipher, StreamCipherSeek};
use chacha20::{ChaCha20Legacy, R20, hchacha};

/// What derives a file's key from its bytes, in one space.
const CONTEXT: &str = "kith/1 file";

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

    /// Seals or opens the bytes that stand at `offset` in the file: both are one operation,
    /// XChaCha20 with a nonce of zeros (draft-irtf-cfrg-xchacha-03, section 2.3, with the 64-bit
    /// counter of the original ChaCha instead of its 32-bit one, for files over 256 GiB).
    ///
    /// # Panics
    /// Where the bytes would end past 2^64, which is beyond any file's greatest size.
    pub fn apply(&self, offset: u64, bytes: &mut [u8]) {
        let subkey = hchacha::<R20>(&self.0.into(), &[0; 16].into());
        let mut cipher = ChaCha20Legacy::new(&subkey, &[0; 8].into());
        cipher.seek(offset);
        cipher.apply_keystream(bytes);
    }
}

impl fmt::Debug for FileKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FileKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_part_opens_by_itself() {
        let key = FileKey::derive(&[1; 32], &[2; 32]);
        let plain: Vec<u8> = (0..2000u32).map(|n| n as u8).collect();
        let mut sealed = plain.clone();
        key.apply(0, &mut sealed);
        for (start, end) in [(0, 2000), (1, 2), (63, 65), (64, 1999), (777, 777), (512, 1024)] {
            let mut part = sealed[start..end].to_vec();
            key.apply(start as u64, &mut part);
            assert_eq!(part, plain[start..end], "{start}..{end}");
        }
    }

    #[test]
    fn the_counter_goes_on_after_32_bits() {
        let key = FileKey::from_bytes([7; 32]);
        let boundary = 64 << 32;
        let mut across = [0; 1024];
        key.apply(boundary - 512, &mut across);
        let (mut before, mut after, mut first) = ([0; 512], [0; 512], [0; 512]);
        key.apply(boundary - 512, &mut before);
        key.apply(boundary, &mut after);
        key.apply(0, &mut first);
        assert_eq!(across, *[before, after].concat());
        assert_ne!(after, first, "a keystream that repeats shows what it seals");
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
