//! Files: added where they are or copied, sealed on the way out, noticed when they change, and
//! fetched to where a person wants them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Read;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use kith_log::SpaceId;
use kith_log::file::FileKey;
use kith_node::store::{
    AddedFile, ChangedFile, Expected, FilePlace, FileSource, Options, Store, StoreError,
};
use kith_overlay::blob::{Encoder, GROUP, Groups, tree_of};
use kith_overlay::storage::{BlobPart, BlobScope, BlobState, StorageError};

const READ_KEY: Option<[u8; 32]> = Some([7; 32]);
/// Two blocks and a bit.
const SIZE: usize = 2 * 1024 * 1024 + 12_345;

struct Fixture {
    dir: tempfile::TempDir,
    store: Store,
    scope: BlobScope,
}

impl Fixture {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("kith"), Options::default()).unwrap();
        Self { dir, store, scope: BlobScope::Space(SpaceId::from_bytes([1; 32])) }
    }

    async fn reopen(&mut self) {
        self.store.close().await;
        self.store = Store::open(&self.dir.path().join("kith"), Options::default()).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn file(&self, name: &str, data: &[u8]) -> PathBuf {
        std::fs::write(self.path(name), data).unwrap();
        self.path(name)
    }

    async fn add(&self, path: &Path, place: FilePlace) -> Result<AddedFile, StoreError> {
        self.store
            .add_file(self.scope, FileSource::Path(path.into()), READ_KEY, place)
            .finish()
            .await
    }

    fn state(&self, hash: &[u8; 32]) -> BlobState {
        self.store.blob(self.scope, hash).unwrap()
    }

    /// Files of ours: two for each blob.
    fn own_files(&self) -> usize {
        std::fs::read_dir(self.path("kith/blobs")).map_or(0, Iterator::count)
    }

    /// What is sent of a blob, and its tree.
    async fn sent(&self, added: &AddedFile) -> (Vec<u8>, Vec<u8>) {
        let (mut bytes, mut tree) = (Vec::new(), Vec::new());
        while (bytes.len() as u64) < added.size {
            let length = (added.size as usize - bytes.len()).min(300_000);
            let read = self.store.read_blob(&added.hash, bytes.len() as u64, length).await;
            bytes.extend_from_slice(&read.unwrap());
        }
        let length = tree_of(&bytes).1.len();
        tree.extend_from_slice(&self.store.read_blob_tree(&added.hash, 0, length).await.unwrap());
        (bytes, tree)
    }

    async fn opened(&self, hash: &[u8; 32], key: Option<&FileKey>) -> Vec<u8> {
        let mut bytes = Vec::new();
        loop {
            let at = bytes.len() as u64;
            let read = self.store.read_opened(self.scope, hash, key.cloned(), at, 1 << 20).await;
            match read.unwrap() {
                read if read.is_empty() => return bytes,
                read => bytes.extend_from_slice(&read),
            }
        }
    }

    /// Writes groups of a sealed blob, as if they had been fetched.
    async fn fetch(&self, sealed: &Sealed, groups: impl IntoIterator<Item = usize>) {
        for group in groups {
            let start = group * GROUP as usize;
            let end = sealed.bytes.len().min(start + GROUP as usize);
            let data = Bytes::copy_from_slice(&sealed.bytes[start..end]);
            let part = BlobPart { offset: start as u64, data, pairs: sealed.pairs() };
            let size = sealed.bytes.len() as u64;
            self.store.write_blob(self.scope, &sealed.hash, size, part).await.unwrap();
        }
    }

    async fn expect(&self, sealed: &Sealed, to: Option<PathBuf>) -> Result<Expected, StoreError> {
        let (size, key) = (sealed.bytes.len() as u64, Some(sealed.key.clone()));
        self.store.expect_file(self.scope, &sealed.hash, size, key, to).await
    }
}

/// A blob as others have it.
struct Sealed {
    hash: [u8; 32],
    key: FileKey,
    plain: Vec<u8>,
    bytes: Vec<u8>,
    tree: Vec<u8>,
}

impl Sealed {
    fn new(seed: u8, size: usize) -> Self {
        let plain = data(seed, size);
        let key = FileKey::derive(&READ_KEY.unwrap(), blake3::hash(&plain).as_bytes());
        let mut bytes = plain.clone();
        key.apply(0, &mut bytes);
        let (root, tree) = tree_of(&bytes);
        Self { hash: *root.as_bytes(), key, plain, bytes, tree }
    }

    fn pairs(&self) -> Vec<(u64, [u8; 64])> {
        let pairs = self.tree.chunks_exact(64).map(|pair| pair.try_into().unwrap());
        (0..).step_by(64).zip(pairs).collect()
    }

    fn groups(&self) -> std::ops::Range<usize> {
        0..self.bytes.len().div_ceil(GROUP as usize).max(1)
    }
}

fn data(seed: u8, size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    blake3::Hasher::new().update(&[seed]).finalize_xof().fill(&mut bytes);
    bytes
}

#[tokio::test]
async fn a_file_is_sealed_on_its_way_out_wherever_its_bytes_are() {
    for size in [0, 1, GROUP as usize, GROUP as usize + 1, SIZE] {
        let mut kith = Fixture::new();
        let sealed = Sealed::new(1, size);
        let path = kith.file("film.mkv", &sealed.plain);
        let expected =
            AddedFile { hash: sealed.hash, size: size as u64, key: Some(sealed.key.clone()) };
        for place in [FilePlace::Outside, FilePlace::Own] {
            assert_eq!(kith.add(&path, place).await.unwrap(), expected, "{size}");
            let (bytes, tree) = kith.sent(&expected).await;
            assert_eq!((bytes == sealed.bytes, tree == sealed.tree), (true, true), "{size}");
            assert!(kith.opened(&sealed.hash, Some(&sealed.key)).await == sealed.plain);
            kith.reopen().await;
            assert_eq!(kith.state(&sealed.hash), BlobState::Complete { size: size as u64 });
            assert!(kith.sent(&expected).await.0 == sealed.bytes);
        }
        // It was outside first; now the file may go.
        assert_eq!(kith.own_files(), 2);
        std::fs::remove_file(path).unwrap();
        assert!(kith.opened(&sealed.hash, Some(&sealed.key)).await == sealed.plain);
    }
}

#[tokio::test]
async fn a_public_space_seals_nothing() {
    let kith = Fixture::new();
    let plain = data(1, SIZE);
    let path = kith.file("film.mkv", &plain);
    for place in [FilePlace::Outside, FilePlace::Own] {
        let adding = kith.store.add_file(kith.scope, FileSource::Path(path.clone()), None, place);
        let added = adding.finish().await.unwrap();
        assert_eq!((added.hash, added.key.clone()), (*blake3::hash(&plain).as_bytes(), None));
        assert!(kith.sent(&added).await == (plain.clone(), tree_of(&plain).1));
        assert!(kith.opened(&added.hash, None).await == plain);
    }
}

#[tokio::test]
async fn what_is_uploaded_or_read_from_elsewhere_is_the_same_blob() {
    let kith = Fixture::new();
    let sealed = Sealed::new(1, SIZE);
    let mut upload = kith.store.begin_upload(kith.scope, READ_KEY).await.unwrap();
    for piece in sealed.plain.chunks(100_001) {
        upload.write(Bytes::copy_from_slice(piece)).await.unwrap();
    }
    assert_eq!(upload.size(), SIZE as u64);
    let added = upload.finish().await.unwrap();
    assert_eq!((added.hash, added.key.as_ref()), (sealed.hash, Some(&sealed.key)));
    let reader = FileSource::Reader(Box::new(std::io::Cursor::new(sealed.plain.clone())));
    let again = kith.store.add_file(kith.scope, reader, READ_KEY, FilePlace::Own).finish().await;
    assert_eq!(again.unwrap(), added);
    assert!(kith.sent(&added).await == (sealed.bytes, sealed.tree));
    assert_eq!(kith.own_files(), 2);

    // One that was broken off leaves nothing.
    let mut upload = kith.store.begin_upload(kith.scope, READ_KEY).await.unwrap();
    upload.write(Bytes::from(vec![1; SIZE])).await.unwrap();
    assert_eq!(kith.own_files(), 3);
    drop(upload);
    assert_eq!(kith.own_files(), 2);
}

#[tokio::test]
async fn what_a_crash_left_goes_and_what_is_under_way_stays() {
    let mut kith = Fixture::new();
    let kept = kith.store.add_blob(kith.scope, Bytes::from_static(b"kept")).await.unwrap();
    kith.reopen().await;
    let left = "5".repeat(64);
    for name in ["new-77", "new-1-77.tree", &left, &format!("{left}.tree")] {
        kith.file(&format!("kith/blobs/{name}"), b"left by a crash");
    }
    let mut upload = kith.store.begin_upload(kith.scope, READ_KEY).await.unwrap();
    upload.write(Bytes::from(vec![1; SIZE])).await.unwrap();
    // A transfer that has no row yet.
    let bytes = Bytes::from(data(2, 20_000));
    let (hash, tree) = tree_of(&bytes);
    let pairs = vec![(0, tree[..64].try_into().unwrap())];
    let size = bytes.len() as u64;
    let part = BlobPart { offset: 0, data: bytes.slice(..GROUP as usize), pairs };
    kith.store.write_blob(kith.scope, hash.as_bytes(), size, part).await.unwrap();
    kith.file("kith/blobs/a note.txt", b"none of ours");
    assert_eq!(kith.own_files(), 2 + 4 + 1 + 2 + 1);
    kith.store.sweep_files().await.unwrap();
    assert_eq!(kith.own_files(), 2 + 1 + 2 + 1);
    upload.finish().await.unwrap();
    let offset = GROUP;
    let part = BlobPart { offset, data: bytes.slice(GROUP as usize..), pairs: Vec::new() };
    kith.store.write_blob(kith.scope, hash.as_bytes(), size, part).await.unwrap();
    kith.store.finish_blob(kith.scope, hash.as_bytes()).await.unwrap();
    kith.store.sweep_files().await.unwrap();
    assert!(kith.store.whole_blob(hash.as_bytes()).await.unwrap() == bytes);
    assert_eq!(kith.store.whole_blob(&kept).await.unwrap(), "kept");
    kith.store.close().await;
    kith.file(&format!("kith/blobs/{left}"), b"somebody else's by now");
    assert!(matches!(kith.store.sweep_files().await, Err(StoreError::Closed)));
}

#[tokio::test]
async fn an_unchanged_file_is_found_at_once() {
    let kith = Fixture::new();
    let path = kith.file("film.mkv", &data(1, SIZE));
    let first = kith.add(&path, FilePlace::Outside).await.unwrap();
    let source = FileSource::Path(path);
    let adding = kith.store.add_file(kith.scope, source, READ_KEY, FilePlace::Outside);
    let progress = adding.progress();
    assert_eq!(adding.finish().await.unwrap(), first);
    assert_eq!(progress.borrow().bytes, 0, "no byte of it was read");
}

#[tokio::test]
async fn a_changed_file_is_told_once_and_never_served() {
    type Change = fn(&Path);
    let changes: [Change; 5] = [
        |path| std::fs::write(path, data(2, SIZE)).unwrap(),
        |path| {
            let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
            file.set_len(100).unwrap();
        },
        |path| std::fs::remove_file(path).unwrap(),
        // Another file with the bytes of the first is another file all the same.
        |path| {
            let copy = path.with_extension("copy");
            std::fs::copy(path, &copy).unwrap();
            std::fs::rename(copy, path).unwrap();
        },
        |path| {
            std::fs::remove_file(path).unwrap();
            std::fs::create_dir(path).unwrap();
        },
    ];
    for (number, change) in changes.into_iter().enumerate() {
        for is_open in [true, false] {
            let kith = Fixture::new();
            let path = kith.file("film.mkv", &data(1, SIZE));
            let added = kith.add(&path, FilePlace::Outside).await.unwrap();
            let mut changed = kith.store.changed_files();
            if is_open {
                kith.store.read_blob(&added.hash, 0, 100).await.unwrap();
            }
            change(&path);
            let read = kith.store.read_blob(&added.hash, 0, 100).await;
            assert!(matches!(read, Err(StoreError::Damaged)), "{number}: {read:?}");
            let opened =
                kith.store.read_opened(kith.scope, &added.hash, added.key.clone(), 0, 100).await;
            assert!(matches!(opened, Err(StoreError::Damaged)), "{number}: {opened:?}");
            assert_eq!(kith.state(&added.hash), BlobState::Absent, "{number}");
            let told = ChangedFile { hash: added.hash, path: path.clone() };
            assert_eq!(*changed.borrow_and_update(), [told], "{number}");
            assert_eq!(kith.state(&added.hash), BlobState::Absent);
            assert!(!changed.has_changed().unwrap(), "{number}: it was told before");
            if let Ok(again) = kith.add(&path, FilePlace::Outside).await {
                assert!(changed.borrow().is_empty(), "{number}");
                assert!(
                    kith.opened(&again.hash, again.key.as_ref()).await
                        == std::fs::read(&path).unwrap()
                );
            }
        }
    }
}

#[tokio::test]
async fn what_a_changed_file_was_can_be_fetched_again() {
    let kith = Fixture::new();
    let sealed = Sealed::new(1, SIZE);
    for to in [None, Some(kith.path("again.mkv"))] {
        let path = kith.file("film.mkv", &sealed.plain);
        kith.add(&path, FilePlace::Outside).await.unwrap();
        std::fs::write(&path, b"another").unwrap();
        assert_eq!(kith.state(&sealed.hash), BlobState::Absent);
        if to.is_some() {
            assert_eq!(kith.expect(&sealed, to.clone()).await.unwrap(), Expected::Destination);
        }
        kith.fetch(&sealed, sealed.groups()).await;
        kith.store.finish_blob(kith.scope, &sealed.hash).await.unwrap();
        assert!(kith.opened(&sealed.hash, Some(&sealed.key)).await == sealed.plain);
        assert_eq!(std::fs::read(&path).unwrap(), b"another");
        kith.store.delete_damaged_blob(&sealed.hash).await.unwrap();
    }
    assert!(std::fs::read(kith.path("again.mkv")).unwrap() == sealed.plain);
}

#[cfg(unix)]
#[tokio::test]
async fn only_plain_files_are_taken() {
    let kith = Fixture::new();
    let path = kith.file("film.mkv", b"bytes");
    std::os::unix::fs::symlink(&path, kith.path("link")).unwrap();
    let made = std::process::Command::new("mkfifo").arg(kith.path("pipe")).status().unwrap();
    assert!(made.success());
    let _socket = std::os::unix::net::UnixListener::bind(kith.path("socket")).unwrap();
    std::fs::create_dir(kith.path("folder")).unwrap();
    for path in ["link", "pipe", "socket", "folder"].map(|name| kith.path(name)) {
        for place in [FilePlace::Outside, FilePlace::Own] {
            let refused = kith.add(&path, place).await.unwrap_err();
            assert!(matches!(refused, StoreError::NotPlain { .. }), "{refused:?}");
            let error = kith_api::Error::from(refused);
            assert!(!error.why.is_empty() && !error.todo.is_empty(), "{error}");
        }
    }
    let device = kith.add(Path::new("/dev/zero"), FilePlace::Outside).await.unwrap_err();
    assert!(matches!(device, StoreError::NotPlain { .. }), "{device:?}");
    let missing = kith.add(&kith.path("missing"), FilePlace::Outside).await.unwrap_err();
    assert!(matches!(missing, StoreError::Io { .. }), "{missing:?}");
    assert_eq!(kith.own_files(), 0);
}

#[tokio::test]
async fn bytes_that_change_without_their_time_never_leave() {
    use std::io::{Seek, SeekFrom, Write};

    let kith = Fixture::new();
    let path = kith.file("film.mkv", &data(1, SIZE));
    let added = kith.add(&path, FilePlace::Outside).await.unwrap();
    let changed = kith.store.changed_files();
    let time = std::fs::metadata(&path).unwrap().modified().unwrap();
    let mut file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.seek(SeekFrom::Start(1_000_000)).unwrap();
    file.write_all(b"another").unwrap();
    file.set_modified(time).unwrap();
    let all = Groups::all(added.size);
    let store = std::sync::Arc::new(kith.store.clone());
    let mut encoder = Encoder::new(store, added.hash, added.size, &all);
    let mut sent = 0;
    let error = loop {
        match encoder.next().await {
            Ok(bytes) => sent += bytes.expect("it does not come to its end").len(),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, StorageError::Damaged), "{error:?}");
    assert!(sent < 1_020_000, "{sent}");
    assert_eq!(kith.state(&added.hash), BlobState::Absent);
    assert_eq!(*changed.borrow(), [ChangedFile { hash: added.hash, path: path.clone() }]);
    // What it is now is another blob.
    let again = kith.add(&path, FilePlace::Outside).await.unwrap();
    assert_ne!(again.hash, added.hash);
    assert!(changed.borrow().is_empty());
}

#[tokio::test]
async fn a_file_that_changes_while_it_is_added_is_refused() {
    let kith = Fixture::new();
    let path = kith.path("growing");
    let file = std::fs::File::create(&path).unwrap();
    for place in [FilePlace::Outside, FilePlace::Own] {
        for length in [10, 60_000_001] {
            file.set_len(60_000_000).unwrap();
            let source = FileSource::Path(path.clone());
            let adding = kith.store.add_file(kith.scope, source, READ_KEY, place);
            adding.progress().wait_for(|progress| progress.bytes > 0).await.unwrap();
            file.set_len(length).unwrap();
            let refused = adding.finish().await.unwrap_err();
            assert!(matches!(refused, StoreError::Changed { .. }), "{refused:?}");
            let error = kith_api::Error::from(refused);
            assert!(!error.why.is_empty() && !error.todo.is_empty(), "{error}");
        }
    }
    assert_eq!(kith.own_files(), 0);
}

#[tokio::test]
async fn a_destination_without_a_name_is_refused() {
    let kith = Fixture::new();
    for path in ["/", "..", "a/.."] {
        let refused = kith.expect(&Sealed::new(1, 10), Some(path.into())).await.unwrap_err();
        assert!(matches!(refused, StoreError::NotPlain { .. }), "{refused:?}");
    }
}

/// Gives bytes until it is told that nobody wants them.
struct Endless;

impl Read for Endless {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        out.fill(1);
        Ok(out.len())
    }
}

#[tokio::test]
async fn adding_ends_when_nobody_waits_for_it() {
    let kith = Fixture::new();
    let source = FileSource::Reader(Box::new(Endless));
    let adding = kith.store.add_file(kith.scope, source, READ_KEY, FilePlace::Own);
    let mut progress = adding.progress();
    progress.wait_for(|progress| progress.bytes > 0).await.unwrap();
    drop(adding);
    // The sender goes with the last of the work.
    while progress.changed().await.is_ok() {}
    assert_eq!(kith.own_files(), 0);
}

#[tokio::test]
async fn two_adds_of_one_file_are_one_blob() {
    let kith = Fixture::new();
    let sealed = Sealed::new(1, SIZE);
    let path = kith.file("film.mkv", &sealed.plain);
    for _ in 0..8 {
        let (a, b, c) = tokio::join!(
            kith.add(&path, FilePlace::Outside),
            kith.add(&path, FilePlace::Own),
            kith.add(&path, FilePlace::Outside),
        );
        for added in [a, b, c] {
            assert_eq!(added.unwrap().hash, sealed.hash);
        }
        assert_eq!(kith.own_files(), 2);
        assert!(kith.opened(&sealed.hash, Some(&sealed.key)).await == sealed.plain);
        kith.store.delete_damaged_blob(&sealed.hash).await.unwrap();
        assert_eq!(kith.own_files(), 0);
    }
}

#[tokio::test]
async fn a_file_comes_to_where_it_is_wanted() {
    let kith = Fixture::new();
    let sealed = Sealed::new(1, SIZE);
    std::fs::create_dir(kith.path("to")).unwrap();
    let to = kith.file("to/film.mkv", b"there before");
    assert_eq!(kith.expect(&sealed, Some(to.clone())).await.unwrap(), Expected::Destination);
    kith.fetch(&sealed, [3, 0]).await;
    let part = kith.path("to/.film.mkv.kith-part");
    assert_eq!(std::fs::metadata(&part).unwrap().len(), SIZE as u64);
    // What has come can be read, and sent on.
    let sent = kith.store.read_blob(&sealed.hash, 0, 100).await.unwrap();
    assert_eq!(sent, sealed.bytes[..100]);
    let read = kith
        .store
        .read_opened(kith.scope, &sealed.hash, Some(sealed.key.clone()), 5, usize::MAX)
        .await
        .unwrap();
    assert_eq!(read, sealed.plain[5..GROUP as usize]);
    let gap =
        kith.store.read_opened(kith.scope, &sealed.hash, Some(sealed.key.clone()), GROUP, 1).await;
    assert!(matches!(gap, Err(StoreError::NotHeld)));
    assert_eq!(kith.expect(&sealed, Some(to.clone())).await.unwrap(), Expected::Destination);
    kith.fetch(&sealed, sealed.groups()).await;
    kith.store.finish_blob(kith.scope, &sealed.hash).await.unwrap();
    let arrived = kith.path("to/film (2).mkv");
    assert_eq!(kith.store.file_path(&sealed.hash).unwrap(), Some(arrived.clone()));
    assert!(std::fs::read(&arrived).unwrap() == sealed.plain);
    assert_eq!(std::fs::read(&to).unwrap(), b"there before");
    assert!(!part.exists());
    assert_eq!(kith.own_files(), 1, "its tree alone is ours");
    let size = SIZE as u64;
    assert_eq!(kith.state(&sealed.hash), BlobState::Complete { size });
    let added = AddedFile { hash: sealed.hash, size, key: Some(sealed.key.clone()) };
    assert!(kith.sent(&added).await == (sealed.bytes.clone(), sealed.tree.clone()));
    let held = kith.expect(&sealed, Some(to)).await.unwrap();
    assert_eq!(held, Expected::Held(Some(arrived.clone())));
    // It is shared on without another look.
    assert_eq!(kith.add(&arrived, FilePlace::Outside).await.unwrap(), added);
}

#[tokio::test]
async fn a_transfer_to_a_destination_goes_on_after_the_store_was_closed() {
    let mut kith = Fixture::new();
    let sealed = Sealed::new(1, SIZE);
    let to = kith.path("film.mkv");
    kith.expect(&sealed, Some(to.clone())).await.unwrap();
    kith.fetch(&sealed, [1, 2]).await;
    kith.reopen().await;
    assert_eq!(kith.expect(&sealed, Some(to.clone())).await.unwrap(), Expected::Destination);
    let BlobState::Partial { held, .. } = kith.state(&sealed.hash) else { panic!() };
    assert_eq!(held.ranges(), [std::ops::Range { start: 1, end: 3 }]);
    kith.fetch(&sealed, sealed.groups().filter(|group| !(1..3).contains(group))).await;
    kith.store.finish_blob(kith.scope, &sealed.hash).await.unwrap();
    assert!(std::fs::read(&to).unwrap() == sealed.plain);

    // Whoever removes the hidden file begins anew.
    let sealed = Sealed::new(2, SIZE);
    let to = kith.path("second.mkv");
    kith.expect(&sealed, Some(to.clone())).await.unwrap();
    kith.fetch(&sealed, [1, 2]).await;
    kith.reopen().await;
    std::fs::remove_file(kith.path(".second.mkv.kith-part")).unwrap();
    assert_eq!(kith.expect(&sealed, Some(to.clone())).await.unwrap(), Expected::Destination);
    kith.fetch(&sealed, sealed.groups()).await;
    kith.store.finish_blob(kith.scope, &sealed.hash).await.unwrap();
    assert!(std::fs::read(&to).unwrap() == sealed.plain);
    let elsewhere = kith.expect(&Sealed::new(3, 10), Some(kith.path("none/x"))).await;
    assert!(matches!(elsewhere, Err(StoreError::NotFound("folder"))), "{elsewhere:?}");
}

#[tokio::test]
async fn names_are_never_too_long_and_no_file_is_overwritten() {
    let kith = Fixture::new();
    let name = "ä".repeat(125) + ".mkv";
    let taken = kith.file(&name, b"there before");
    let other = kith.file(&format!(".{}.kith-part", "ä".repeat(121)), b"somebody else's");
    for seed in 0..3 {
        let sealed = Sealed::new(seed, 100);
        kith.expect(&sealed, Some(taken.clone())).await.unwrap();
        kith.fetch(&sealed, [0]).await;
        kith.store.finish_blob(kith.scope, &sealed.hash).await.unwrap();
        let path = kith.store.file_path(&sealed.hash).unwrap().unwrap();
        assert!(path.to_str().unwrap().ends_with(&format!(" ({}).mkv", seed + 2)), "{path:?}");
        assert!(std::fs::read(path).unwrap() == sealed.plain);
    }
    assert_eq!(std::fs::read(taken).unwrap(), b"there before");
    assert_eq!(std::fs::read(other).unwrap(), b"somebody else's");
}
