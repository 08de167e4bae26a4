//! Memory for parts of blobs, used again and again.

use std::ops::{Deref, DerefMut, RangeInclusive};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// Bytes of the buffers that are kept: parts of 256 KiB, with the pairs that stand before their groups.
/// The system takes larger ones back at each release, and gives them anew page by page.
const KEPT_LENGTHS: RangeInclusive<usize> = 64 * 1024..=320 * 1024;

/// Buffers that are kept. Bounds what a node that rests has of them at 2.5 MiB.
const MAX_KEPT: usize = 8;

static KEPT: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// Bytes of a part while it is made. Whoever had the memory before left bytes there.
#[derive(Debug, Default)]
pub struct Buffer(Vec<u8>);

impl Buffer {
    /// With no bytes, and room for so many.
    pub fn with_capacity(capacity: usize) -> Self {
        let mut buffer = Self::kept(capacity);
        buffer.clear();
        buffer.reserve(capacity);
        buffer
    }

    /// With so many bytes, which are to be overwritten.
    pub fn with_length(length: usize) -> Self {
        let mut buffer = Self::kept(length);
        buffer.resize(length, 0);
        buffer
    }

    /// With the same bytes.
    pub fn copy_of(bytes: &[u8]) -> Self {
        let mut buffer = Self::with_capacity(bytes.len());
        buffer.extend_from_slice(bytes);
        buffer
    }

    /// To be shared; whoever is the last to have it gives the memory back.
    pub fn freeze(self) -> Bytes {
        Bytes::from_owner(self)
    }

    fn kept(length: usize) -> Self {
        let kept = KEPT_LENGTHS.contains(&length).then(|| all_kept().pop()).flatten();
        Self(kept.unwrap_or_default())
    }
}

fn all_kept() -> MutexGuard<'static, Vec<Vec<u8>>> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if KEPT_LENGTHS.contains(&self.0.capacity()) {
            let mut kept = all_kept();
            if kept.len() < MAX_KEPT {
                kept.push(std::mem::take(&mut self.0));
            }
        }
    }
}

impl Deref for Buffer {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_there_before_is_not_what_is_made() {
        for length in [0, 10, 100_000, 200_000, 300_000, 1_000_000] {
            let mut first = Buffer::with_length(length);
            first.fill(7);
            drop(first);
            assert!(Buffer::with_capacity(length).is_empty());
            assert_eq!(Buffer::with_length(length).len(), length);
            assert_eq!(Buffer::copy_of(&vec![1; length]).freeze(), vec![1; length]);
        }
    }

    #[test]
    fn little_is_kept() {
        let many: Vec<_> = (0..100).map(|_| Buffer::with_length(256 * 1024)).collect();
        drop(many);
        drop(Buffer::with_length(1024 * 1024));
        let kept = all_kept();
        assert!(kept.len() <= MAX_KEPT);
        assert!(kept.iter().all(|buffer| buffer.capacity() <= *KEPT_LENGTHS.end()));
    }
}
