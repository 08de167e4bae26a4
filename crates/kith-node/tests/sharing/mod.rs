//! Ada, who shares files with a node that is there or away; and what others read of them.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use futures_util::StreamExt;
use kith_api::{
    Caller, Event, EventStream, Events, FileRef, FileStage, FileState, Files, JobRef, JobStage,
    Read, Service, Share, Subscription,
};
use kith_app::{Destination, Link};
use kith_log::SpaceId;
use kith_node::Node;
use kith_node::store::{Options, SpaceRecord, Store};
use tempfile::TempDir;

use crate::fixture::start;

pub(crate) fn noise(seed: u8, size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    blake3::Hasher::new().update(&[seed]).finalize_xof().fill(&mut bytes);
    bytes
}

pub(crate) async fn stage(
    node: &Node,
    job: &JobRef,
    is_it: impl Fn(&JobStage) -> bool,
) -> JobStage {
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

pub(crate) struct Room {
    pub(crate) secret: kith_app::SpaceSecret,
    pub(crate) app: kith_app::AppId,
    pub(crate) link: String,
    pub(crate) space: SpaceId,
    pub(crate) page: Caller,
}

impl Room {
    pub(crate) async fn in_store(&self, dir: &Path) -> Store {
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
}

pub(crate) struct Ada {
    dir: TempDir,
    /// None while she is away.
    node: Option<Node>,
    pub(crate) room: Room,
    pub(crate) shared: Vec<FileRef>,
}

impl Ada {
    pub(crate) async fn shares(files: &[(&str, Vec<u8>)]) -> Self {
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
        let node = Some(node);
        Self { dir, node, room: Room { secret, app, link, space, page }, shared }
    }

    pub(crate) fn hash(&self, name: &str) -> [u8; 32] {
        let file = self.shared.iter().find(|file| file.name == name).unwrap();
        parse(&file.hash)
    }

    pub(crate) fn node(&self) -> &Node {
        self.node.as_ref().unwrap()
    }

    /// From then on nobody reaches her.
    pub(crate) async fn goes(&mut self) {
        self.node.take().unwrap().close().await;
    }

    pub(crate) async fn comes_to(&mut self, ben: &Node) {
        self.node = Some(start(&self.dir.path().join("kith"), "Ada", &[ben]).await);
    }
}

pub(crate) fn parse(hash: &str) -> [u8; 32] {
    data_encoding::HEXLOWER.decode(hash.as_bytes()).unwrap().try_into().unwrap()
}

/// All bytes of a file, as a page reads them.
pub(crate) async fn bytes(
    node: &Node,
    space: &SpaceId,
    url: &str,
) -> kith_api::Result<(String, Vec<u8>)> {
    let path = url.strip_prefix("/.kith/blobs/").unwrap();
    let file = node.open_file(space, path).await?;
    let mut bytes = Vec::new();
    while (bytes.len() as u64) < file.size {
        bytes.extend(file.bytes.read(bytes.len() as u64, 1 << 20).await?);
    }
    Ok((file.name, bytes))
}

/// Waits until Ben knows what Ada said, and returns it.
pub(crate) async fn told(ben: &Node, room: &Room, file: &FileRef) -> FileRef {
    let from_start = Subscription::Entries { after: 0, kind: None };
    let mut events = ben.subscribe(&room.page, from_start).await.unwrap();
    loop {
        let Some(Event::Entry(event)) = events.next().await else { panic!("an entry") };
        if let Some(same) = event.entry.attachments.into_iter().find(|told| told == file) {
            return same;
        }
    }
}

pub(crate) fn names(dir: &Path) -> Vec<String> {
    let names = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = names.map(|name| name.to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Waits until pages are told this of a file.
pub(crate) async fn file_is(
    files: &mut EventStream,
    hash: &str,
    is_it: impl Fn(&FileState) -> bool,
) {
    loop {
        let Some(Event::Files { files }) = files.next().await else { panic!("files") };
        for file in files.iter().filter(|file| file.hash == hash) {
            assert_ne!(file.stage, FileStage::Failed, "{file:?}");
            if is_it(file) {
                return;
            }
        }
    }
}
