//! A member says wrong things of others' files, and is heard first: they open right all the same.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fixture;

use std::path::Path;

use futures_util::StreamExt;
use kith_api::{
    BlobRef, Caller, Event, Events, FileRef, FileStage, Files, FolderRead, Get, JobRef, JobStage,
    Read, Service, Share, Subscription,
};
use kith_app::{Destination, Link};
use kith_log::file::{Attachment, FileKey};
use kith_log::{Body, BodyKind, SpaceId, VerifiedRun};
use kith_node::Node;
use kith_node::store::{Options, SpaceRecord, Store};
use tempfile::TempDir;

use fixture::start;

fn noise(seed: u8, size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    blake3::Hasher::new().update(&[seed]).finalize_xof().fill(&mut bytes);
    bytes
}

async fn stage(node: &Node, job: &JobRef, is_it: impl Fn(&JobStage) -> bool) -> JobStage {
    let watch = Subscription::Job { job: job.job.clone() };
    let mut events = node.subscribe(&Caller::Owner, watch).await.unwrap();
    loop {
        match events.next().await {
            Some(Event::Job(stage)) if is_it(&stage) => return *stage,
            Some(Event::Job(stage)) => {
                assert!(!stage.is_over(), "{stage:?}");
            }
            other => panic!("{other:?}"),
        }
    }
}

/// A hash that Ada shared, of which Mallory says something.
fn claim(hash: [u8; 32], size: u64, name: &str) -> Attachment {
    Attachment {
        hash,
        size,
        folder: false,
        key: Some(FileKey::from_bytes([66; 32])),
        name: name.parse().unwrap(),
        media_type: "image/png".parse().unwrap(),
    }
}

struct Room {
    secret: kith_app::SpaceSecret,
    app: kith_app::AppId,
    link: String,
    space: SpaceId,
    page: Caller,
}

impl Room {
    async fn in_store(&self, dir: &Path) -> Store {
        let store = Store::open(dir, Options::default()).unwrap();
        let record = SpaceRecord {
            app: self.app,
            secret: self.secret.clone(),
            public: false,
            name: "room".into(),
            joined: 1,
            used: 1,
        };
        store.add_space(record).await.unwrap();
        store
    }

    /// What Mallory writes.
    async fn lies(&self, claims: Vec<Attachment>) -> VerifiedRun {
        let dir = TempDir::new().unwrap();
        let store = self.in_store(dir.path()).await;
        let body = Body::with_attachments(BodyKind::App, claims, b"{}".as_slice());
        let run = store.append(self.space, vec![body], 1).await.unwrap().run;
        store.close().await;
        run
    }

    /// Ben's folder, where Mallory was heard.
    async fn told(&self, lies: Vec<Attachment>) -> TempDir {
        let dir = TempDir::new().unwrap();
        let store = self.in_store(dir.path()).await;
        store.ingest(self.space, vec![self.lies(lies).await]).await.unwrap();
        store.close().await;
        dir
    }
}

struct Ada {
    dir: TempDir,
    node: Node,
    room: Room,
    shared: Vec<FileRef>,
}

impl Ada {
    async fn shares(files: &[(&str, Vec<u8>)]) -> Self {
        let dir = TempDir::new().unwrap();
        let node = start(&dir.path().join("kith"), "Ada", &[]).await;
        let mut paths = Vec::new();
        for (name, bytes) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, bytes).unwrap();
            let first = dir.path().join(Path::new(name).components().next().unwrap());
            let first = first.to_string_lossy().into_owned();
            if !paths.contains(&first) {
                paths.push(first);
            }
        }
        let share = Share { paths, copy: false, take: None };
        let job = node.files_share(&Caller::Owner, share).await.unwrap();
        let shared = stage(&node, &job, |stage| matches!(stage, JobStage::Shared { .. })).await;
        let JobStage::Shared { link, space, .. } = shared else { unreachable!() };
        let parsed: Link = link.parse().unwrap();
        let Destination::Space(secret) = parsed.destination().clone() else { panic!("a space") };
        let space = SpaceId::from_hex(&space).unwrap();
        let app = *parsed.app();
        let page = Caller::Page { app, space };
        let read = node.space_read(&page, Read::default()).await.unwrap();
        let shared = read.entries.into_iter().flat_map(|entry| entry.attachments).collect();
        Self { dir, node, room: Room { secret, app, link, space, page }, shared }
    }

    fn hash(&self, name: &str) -> [u8; 32] {
        let file = self.shared.iter().find(|file| file.name == name).unwrap();
        parse(&file.hash)
    }

    /// Goes, and comes again to Ben.
    async fn comes_to(self, ben: &Node) -> (TempDir, Node) {
        self.node.close().await;
        drop(self.node);
        let node = start(&self.dir.path().join("kith"), "Ada", &[ben]).await;
        (self.dir, node)
    }
}

fn parse(hash: &str) -> [u8; 32] {
    data_encoding::HEXLOWER.decode(hash.as_bytes()).unwrap().try_into().unwrap()
}

/// All bytes of a file, as a page reads them.
async fn bytes(node: &Node, space: &SpaceId, url: &str) -> kith_api::Result<(String, Vec<u8>)> {
    let path = url.strip_prefix("/.kith/blobs/").unwrap();
    let file = node.open_file(space, path).await?;
    let mut bytes = Vec::new();
    while (bytes.len() as u64) < file.size {
        bytes.extend(file.bytes.read(bytes.len() as u64, 1 << 20).await?);
    }
    Ok((file.name, bytes))
}

/// Waits until Ben knows what Ada said, and returns it.
async fn told(ben: &Node, room: &Room, file: &FileRef) -> FileRef {
    let from_start = Subscription::Entries { after: 0, kind: None };
    let mut events = ben.subscribe(&room.page, from_start).await.unwrap();
    loop {
        let Some(Event::Entry(event)) = events.next().await else { panic!("an entry") };
        if let Some(same) = event.entry.attachments.into_iter().find(|told| told == file) {
            return same;
        }
    }
}

fn names(dir: &Path) -> Vec<String> {
    let names = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = names.map(|name| name.to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_read_what_the_entry_they_look_at_says() {
    let film = noise(1, 300_000);
    let ada = Ada::shares(&[("film.mp4", film.clone())]).await;
    let hash = ada.hash("film.mp4");
    let size = film.len() as u64;
    let lies = vec![claim(hash, size, "key.png"), claim(hash, size + 100_000, "size.png")];
    let dir = ada.room.told(lies).await;
    let ben = start(dir.path(), "Ben", &[&ada.node]).await;
    let honest = told(&ben, &ada.room, &ada.shared[0]).await;
    let space = ada.room.space;
    let read = bytes(&ben, &space, &honest.url).await.unwrap();
    assert!(read == ("film.mp4".into(), film.clone()), "{}", read.0);
    // By the hash alone: what came shows which claim is right.
    let alone = format!("/.kith/blobs/{}", honest.hash);
    let read = bytes(&ben, &space, &alone).await.unwrap();
    assert!(read == ("film.mp4".into(), film), "{}", read.0);
    // What Mallory said stays Mallory's, and no longer than it really is.
    let all = ben.space_read(&ada.room.page, Read::default()).await.unwrap();
    let of = |name: &str| {
        let mut all = all.entries.iter().flat_map(|entry| &entry.attachments);
        all.find(|file| file.name == name).unwrap().clone()
    };
    assert_eq!(bytes(&ben, &space, &of("key.png").url).await.unwrap().0, "key.png");
    assert!(bytes(&ben, &space, &of("size.png").url).await.is_err());
    ben.close().await;
    ada.node.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_by_a_wrong_size_goes_on_by_the_right_one() {
    let film = noise(2, 700_000);
    let ada = Ada::shares(&[("film.mp4", film.clone())]).await;
    let honest = ada.shared[0].clone();
    let lie = claim(ada.hash("film.mp4"), 100_000, "size.png");
    let dir = ada.room.told(vec![lie]).await;
    let ben = start(dir.path(), "Ben", &[]).await;
    let page = ada.room.page.clone();
    let space = ada.room.space;
    // Nobody else was heard yet.
    ben.blobs_fetch(&page, BlobRef { hash: honest.hash.clone() }).await.unwrap();
    let mut files = ben.subscribe(&page, Subscription::Files).await.unwrap();
    let (_home, node) = ada.comes_to(&ben).await;
    'here: loop {
        let Some(Event::Files { files }) = files.next().await else { panic!("files") };
        for file in files {
            assert_ne!(file.stage, FileStage::Failed, "{file:?}");
            if file.stage == FileStage::Complete {
                break 'here;
            }
        }
    }
    assert!(bytes(&ben, &space, &honest.url).await.unwrap().1 == film);
    ben.close().await;
    node.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_got_is_the_file_whoever_was_heard_first() {
    let (film, song) = (noise(3, 900_000), noise(4, 50_000));
    let ada = Ada::shares(&[("film.mp4", film.clone()), ("song.ogg", song.clone())]).await;
    let lies = vec![
        claim(ada.hash("film.mp4"), film.len() as u64, "key.png"),
        claim(ada.hash("song.ogg"), 70_000, "size.png"),
    ];
    let dir = ada.room.told(lies).await;
    let ben = start(dir.path(), "Ben", &[]).await;
    let to = TempDir::new().unwrap();
    let get = Get { link: ada.room.link.clone(), to: to.path().to_string_lossy().into() };
    let job = ben.files_get(&Caller::Owner, get.clone()).await.unwrap();
    // By what Mallory said: nobody else was heard yet.
    stage(&ben, &job, |stage| matches!(stage, JobStage::Fetching { .. })).await;
    let (_home, node) = ada.comes_to(&ben).await;
    let got = stage(&ben, &job, |stage| matches!(stage, JobStage::Got { .. })).await;
    let JobStage::Got { files, .. } = got else { unreachable!() };
    assert_eq!(files.len(), 2, "{files:?}");
    for (name, right) in [("film.mp4", &film), ("song.ogg", &song)] {
        let got =
            files.iter().find(|file| file.name == name).unwrap_or_else(|| panic!("{files:?}"));
        assert!(std::fs::read(&got.path).unwrap() == *right, "{name}");
    }
    assert_eq!(names(to.path()), ["film.mp4", "song.ogg"]);
    ben.close().await;
    node.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_whole_though_its_pieces_and_itself_are_called_other_things() {
    let (large, small) = (noise(5, 400_000), noise(6, 3_000));
    let files = [("trip/film.mp4", large.clone()), ("trip/note.txt", small.clone())];
    // The same film alone: so that its hash is known without a look into the folder.
    let ada = Ada::shares(&[("film.mp4", large.clone()), files[0].clone(), files[1].clone()]).await;
    let folder = ada.shared.iter().find(|file| file.folder).unwrap().clone();
    let piece = ada.hash("film.mp4");
    let lies = vec![
        claim(piece, 999, "size.png"),
        claim(piece, large.len() as u64, "key.png"),
        claim(parse(&folder.hash), folder.size, "folder.png"),
    ];
    let dir = ada.room.told(lies).await;
    let ben = start(dir.path(), "Ben", &[]).await;
    let to = TempDir::new().unwrap();
    let get = Get { link: ada.room.link.clone(), to: to.path().to_string_lossy().into() };
    let job = ben.files_get(&Caller::Owner, get).await.unwrap();
    stage(&ben, &job, |stage| matches!(stage, JobStage::Fetching { .. })).await;
    let (page, space) = (ada.room.page.clone(), ada.room.space);
    let (_home, node) = ada.comes_to(&ben).await;
    let got = stage(&ben, &job, |stage| matches!(stage, JobStage::Got { .. })).await;
    let JobStage::Got { files, .. } = got else { unreachable!() };
    let trip = files.iter().map(|file| Path::new(&file.path)).find(|path| path.is_dir()).unwrap();
    assert!(std::fs::read(trip.join("film.mp4")).unwrap() == large);
    assert!(std::fs::read(trip.join("note.txt")).unwrap() == small);
    assert!(std::fs::read(to.path().join("film.mp4")).unwrap() == large);
    // Pages see it, too.
    let read = FolderRead { hash: folder.hash.clone(), after: None, limit: None };
    let listed = ben.blobs_files(&page, read).await.unwrap().files;
    assert_eq!(listed.iter().map(|file| &*file.path).collect::<Vec<_>>(), ["film.mp4", "note.txt"]);
    assert!(bytes(&ben, &space, &listed[0].url).await.unwrap().1 == large);
    ben.close().await;
    node.close().await;
}
