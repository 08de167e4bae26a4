//! The power fails at every sync while files are added, and fetched to where they are wanted; or the
//! disk is full, or fails. What was acknowledged is there afterwards, nothing half-written is believed,
//! and a person's other files are as they were.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod power;

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use kith_log::SpaceId;
use kith_log::file::FileKey;
use kith_node::store::{
    AddedFile, Disk, Expected, FilePlace, FileSource, Open, Options, Store, StoreError,
};
use kith_overlay::blob::{GROUP, tree_of};
use kith_overlay::storage::{BlobPart, BlobScope, BlobState, BlobStorage};
use power::{Cut, Dice, Event, Image, Replay, SimDisk};

const READ_KEY: [u8; 32] = [7; 32];
const SIZE: usize = 3 * GROUP as usize + 5;
const THERE_BEFORE: &[u8] = b"there before";

fn scope() -> BlobScope {
    BlobScope::Space(SpaceId::from_bytes([1; 32]))
}

fn open(disk: &SimDisk) -> Store {
    let options = Options { cache: 1 << 20, disk: Arc::new(disk.clone()) };
    Store::open(Path::new("/kith"), options).unwrap()
}

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

/// A file of the person's, which is on disk.
fn write(disk: &SimDisk, path: &str, data: &[u8]) {
    let path = Path::new(path);
    disk.create_dir(path.parent().unwrap()).unwrap();
    let file = disk.open(path, Open::Write).unwrap();
    file.write_at(0, data).unwrap();
    file.sync().unwrap();
    disk.sync_dir(path.parent().unwrap()).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
}

fn bytes_of(disk: &SimDisk, path: &str) -> Option<Vec<u8>> {
    let image = disk.image();
    image.find(Path::new(path)).map(|file| image.bytes(file).to_vec())
}

/// A disk with a person's folder, in which a name is taken.
fn disk() -> SimDisk {
    let disk = SimDisk::default();
    disk.create_dir(Path::new("/")).unwrap();
    write(&disk, "/person/film", THERE_BEFORE);
    disk
}

struct File {
    plain: Vec<u8>,
    sealed: Vec<u8>,
    tree: Vec<u8>,
    added: AddedFile,
}

impl File {
    fn new(seed: u8) -> Self {
        let mut plain = vec![0; SIZE];
        blake3::Hasher::new().update(&[seed]).finalize_xof().fill(&mut plain);
        let key = FileKey::derive(&READ_KEY, blake3::hash(&plain).as_bytes());
        let mut sealed = plain.clone();
        key.apply(0, &mut sealed);
        let (root, tree) = tree_of(&sealed);
        let added = AddedFile { hash: *root.as_bytes(), size: SIZE as u64, key: Some(key) };
        Self { plain, sealed, tree, added }
    }

    async fn add(&self, store: &Store, path: &str, place: FilePlace) -> Result<(), StoreError> {
        let source = FileSource::Path(path.into());
        let added = store.add_file(scope(), source, Some(READ_KEY), place).finish().await?;
        assert_eq!(added, self.added);
        Ok(())
    }

    async fn upload(&self, store: &Store) -> Result<(), StoreError> {
        let mut upload = store.begin_upload(scope(), Some(READ_KEY)).await?;
        upload.write(Bytes::from(self.plain.clone())).await?;
        assert_eq!(upload.finish().await?, self.added);
        Ok(())
    }

    async fn expect(&self, store: &Store, to: &str) -> Result<Expected, StoreError> {
        let AddedFile { hash, size, key } = self.added.clone();
        store.expect_file(scope(), &hash, size, key, Some(to.into())).await
    }

    async fn write(&self, store: &Store, group: usize) -> Result<(), StoreError> {
        let (start, end) = (group * GROUP as usize, SIZE.min((group + 1) * GROUP as usize));
        let pairs = self.tree.chunks_exact(64).map(|pair| pair.try_into().unwrap());
        let part = BlobPart {
            offset: start as u64,
            data: Bytes::copy_from_slice(&self.sealed[start..end]),
            pairs: (0..).step_by(64).zip(pairs).collect(),
        };
        store.write_blob(scope(), &self.added.hash, self.added.size, part).await
    }

    async fn fetch(&self, store: &Store, to: &str) -> Result<(), StoreError> {
        if let Expected::Held(_) = self.expect(store, to).await? {
            return Ok(());
        }
        for group in 0..4 {
            self.write(store, group).await?;
        }
        store.finish_blob(scope(), &self.added.hash).await
    }

    /// What is believed is right; all of it is, where it was acknowledged.
    async fn check(&self, store: &Store, is_told: bool) {
        let state = store.blob_state(scope(), &self.added.hash).await.unwrap();
        let held = match state {
            BlobState::Absent => kith_overlay::blob::Groups::none(),
            BlobState::Partial { held, .. } => held,
            BlobState::Complete { size } => kith_overlay::blob::Groups::all(size),
        };
        assert!(!is_told || held.count() == 4, "it was acknowledged");
        for range in held.byte_ranges(self.added.size) {
            let length = (range.end - range.start) as usize;
            let sent = store.read_blob(&self.added.hash, range.start, length).await.unwrap();
            assert!(sent == self.sealed[range.start as usize..range.end as usize]);
            let key = self.added.key.clone();
            let (scope, hash) = (scope(), self.added.hash);
            let opened = store.read_opened(scope, &hash, key, range.start, length).await;
            assert!(opened.unwrap() == self.plain[range.start as usize..range.end as usize]);
        }
        if held.count() == 4 {
            let tree = store.read_blob_tree(&self.added.hash, 0, self.tree.len()).await.unwrap();
            assert!(tree == self.tree);
        }
    }
}

/// Where a file came to, if it did.
fn arrived(disk: &SimDisk, file: &File) -> bool {
    ["/person/film (2)", "/person/film (3)"]
        .iter()
        .any(|path| bytes_of(disk, path).is_some_and(|bytes| bytes == file.plain))
}

#[test]
fn nothing_acknowledged_of_files_is_lost_by_a_power_cut_at_any_sync() {
    let files: Vec<_> = (0..6).map(File::new).collect();
    let disk = disk();
    for (number, file) in files.iter().enumerate().take(2) {
        write(&disk, &format!("/person/{number}"), &file.plain);
    }
    let told = |number: usize| disk.told(number + 1);
    run(async {
        let store = open(&disk);
        files[0].add(&store, "/person/0", FilePlace::Outside).await.unwrap();
        told(0);
        files[1].add(&store, "/person/1", FilePlace::Own).await.unwrap();
        told(1);
        files[2].upload(&store).await.unwrap();
        told(2);
        files[3].fetch(&store, "/person/film").await.unwrap();
        told(3);
        files[4].expect(&store, "/person/film").await.unwrap();
        files[4].write(&store, 2).await.unwrap();
        store.close().await;
        let store = open(&disk);
        files[4].fetch(&store, "/person/film").await.unwrap();
        told(4);
        files[5].expect(&store, "/person/last").await.unwrap();
        files[5].write(&store, 1).await.unwrap();
        store.close().await;
    });
    let (mut replay, mut dice) = (Replay::of(Image::default()), Dice::new(5));
    let (mut done, mut cuts) = (0, 0);
    for event in disk.events() {
        if let Event::Told(number) = event {
            done = number;
        }
        if event.is_sync() {
            for cut in Cut::ALL {
                check_cut(SimDisk::with(replay.cut(cut, &mut dice)), &files, done);
                cuts += 1;
            }
        }
        replay.step(&event);
    }
    assert!(cuts > 150, "{cuts}");
}

fn check_cut(disk: SimDisk, files: &[File], done: usize) {
    if bytes_of(&disk, "/person/1").is_none() {
        return; // Before the store was there.
    }
    let store = open(&disk);
    run(async {
        for (number, file) in files.iter().enumerate() {
            file.check(&store, number < done).await;
        }
        for file in files.iter().take(done).skip(3) {
            assert!(arrived(&disk, file));
        }
        // It goes on, and comes to its end.
        for file in &files[3..5] {
            file.fetch(&store, "/person/film").await.unwrap();
            file.check(&store, true).await;
            assert!(arrived(&disk, file));
        }
        assert_eq!(bytes_of(&disk, "/person/film").unwrap(), THERE_BEFORE);
    });
}

/// From the operation with this number on, those that change something fail.
fn fail_from(disk: &SimDisk, position: usize, kind: ErrorKind, fails: fn(&Event) -> bool) {
    let mut left = position;
    disk.fail(move |event| {
        if left > 0 {
            left -= 1;
            return None;
        }
        fails(event).then_some(kind)
    });
}

/// How many groups of a file are believed.
async fn believed(store: &Store, file: &File) -> u64 {
    match store.blob_state(scope(), &file.added.hash).await.unwrap() {
        BlobState::Absent => 0,
        BlobState::Partial { held, .. } => held.count(),
        BlobState::Complete { .. } => 4,
    }
}

#[test]
fn what_was_found_after_a_kill_is_on_disk_when_it_is_told() {
    let file = File::new(1);
    // With a failed sync before the kill: what it lost is in memory as if it were on disk.
    for fails in [false, true] {
        let disk = disk();
        run(async {
            let store = open(&disk);
            file.expect(&store, "/person/film").await.unwrap();
            for group in 0..3 {
                file.write(&store, group).await.unwrap();
            }
            if fails {
                let part = disk.image().find(Path::new("/person/.film.kith-part")).unwrap();
                disk.fail(move |event| {
                    let is_it = matches!(event, Event::Sync(file) if *file == part);
                    is_it.then_some(ErrorKind::Other)
                });
                store.close().await;
                disk.mend();
            }
        });
        run(async {
            let store = open(&disk);
            assert_eq!(believed(&store, &file).await, 3);
            file.write(&store, 3).await.unwrap();
            store.finish_blob(scope(), &file.added.hash).await.unwrap();
            disk.told(1);
            store.close().await;
        });
        let (mut replay, mut dice) = (Replay::of(Image::default()), Dice::new(6));
        let (mut is_told, mut cuts) = (false, 0);
        for event in disk.events() {
            is_told |= matches!(event, Event::Told(_));
            replay.step(&event);
            if !is_told && !event.is_sync() {
                continue;
            }
            for cut in Cut::ALL {
                let disk = SimDisk::with(replay.cut(cut, &mut dice));
                if bytes_of(&disk, "/person/film").is_none() {
                    continue; // Before the store was there.
                }
                let store = open(&disk);
                run(file.check(&store, is_told));
                assert!(!is_told || arrived(&disk, &file), "{cut:?}");
                cuts += 1;
            }
        }
        assert!(is_told && cuts > 60, "{cuts}");
    }
}

#[test]
fn a_full_disk_refuses_files_and_takes_them_later() {
    let (shared, copied, fetched) = (File::new(1), File::new(2), File::new(3));
    let mut refused = 0;
    for position in 0..60 {
        let disk = disk();
        write(&disk, "/person/shared", &shared.plain);
        write(&disk, "/person/copied", &copied.plain);
        let store = open(&disk);
        run(async {
            fail_from(&disk, position, ErrorKind::StorageFull, |event| {
                !event.is_sync() && !matches!(event, Event::Remove(_))
            });
            let results = [
                shared.add(&store, "/person/shared", FilePlace::Outside).await,
                copied.add(&store, "/person/copied", FilePlace::Own).await,
                fetched.fetch(&store, "/person/film").await,
            ];
            for (result, file) in results.iter().zip([&shared, &copied, &fetched]) {
                file.check(&store, result.is_ok()).await;
                if let Err(error) = result {
                    refused += 1;
                    assert!(matches!(error, StoreError::DiskFull), "{position}: {error:?}");
                }
            }
            disk.mend();
            shared.add(&store, "/person/shared", FilePlace::Outside).await.unwrap();
            copied.add(&store, "/person/copied", FilePlace::Own).await.unwrap();
            fetched.fetch(&store, "/person/film").await.unwrap();
            assert!(arrived(&disk, &fetched), "{position}");
            store.close().await;
            let store = open(&disk);
            for file in [&shared, &copied, &fetched] {
                file.check(&store, true).await;
            }
            assert_eq!(bytes_of(&disk, "/person/film").unwrap(), THERE_BEFORE);
            // What was broken off left nothing behind: a blob and two trees, and no hidden file.
            assert_eq!(disk.names(Path::new("/kith/blobs")).len(), 4, "{position}");
            assert_eq!(disk.names(Path::new("/person")).len(), 4, "{position}");
        });
    }
    assert!(refused > 60, "{refused}");
}

#[test]
fn a_failed_sync_loses_no_file() {
    let (shared, fetched) = (File::new(1), File::new(2));
    let mut failed = 0;
    for position in 0..50 {
        let disk = disk();
        write(&disk, "/person/shared", &shared.plain);
        let store = open(&disk);
        let (mut left, mut is_failed) = (position, false);
        disk.fail(move |event| {
            if left > 0 {
                left -= 1;
                return None;
            }
            let fails = event.is_sync() && !is_failed;
            is_failed |= fails;
            fails.then_some(ErrorKind::Other)
        });
        run(async {
            while shared.add(&store, "/person/shared", FilePlace::Outside).await.is_err() {
                failed += 1;
            }
            while fetched.fetch(&store, "/person/film").await.is_err() {
                failed += 1;
            }
        });
        let mut replay = Replay::of(Image::default());
        disk.events().iter().for_each(|event| replay.step(event));
        let mut dice = Dice::new(position as u64);
        for cut in Cut::ALL {
            let disk = SimDisk::with(replay.cut(cut, &mut dice));
            let store = open(&disk);
            run(async {
                shared.check(&store, true).await;
                fetched.check(&store, true).await;
            });
            assert!(arrived(&disk, &fetched), "{position} {cut:?}");
        }
    }
    assert!(failed > 20, "{failed}");
}
