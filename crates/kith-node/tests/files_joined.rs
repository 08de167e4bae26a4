//! A file that is wanted in two places comes once, and stands in both.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fixture;
mod sharing;

use std::path::Path;

use bytes::Bytes;
use kith_api::{Caller, Events, Get, JobStage, Service, Subscription};
use kith_log::SpaceId;
use kith_node::store::{Expected, Options, Store};
use kith_overlay::blob::tree_of;
use kith_overlay::storage::{BlobPart, BlobScope};
use tempfile::TempDir;

use fixture::start;
use sharing::{Ada, bytes, file_is, names, noise, stage, told};

/// Bytes of the file that are here before.
const PART: usize = 320 * 1024;

/// A file of a space is wanted at this path, and a part of it came there.
async fn begun(dir: &Path, space: SpaceId, hash: [u8; 32], file: &[u8], to: &Path) {
    let store = Store::open(dir, Options::default()).unwrap();
    let scope = BlobScope::Space(space);
    let claim = store.attachment(&space, &hash).unwrap().unwrap();
    let mut sealed = file.to_vec();
    claim.key.clone().unwrap().apply(0, &mut sealed);
    let (root, tree) = tree_of(&sealed);
    assert_eq!(root, hash);
    let expected = store.expect_file(scope, &hash, claim.size, claim.key, Some(to.into())).await;
    assert_eq!(expected.unwrap(), Expected::Destination);
    let pairs = tree.chunks_exact(64).zip((0..).step_by(64));
    let pairs = pairs.map(|(pair, at)| (at, pair.try_into().unwrap())).collect();
    let data = Bytes::copy_from_slice(&sealed[..PART]);
    let part = BlobPart { offset: 0, data, pairs };
    store.write_blob(scope, &hash, claim.size, part).await.unwrap();
    store.want(space, hash, Some(to), false).await.unwrap();
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_to_one_place_is_not_taken_away_by_who_wants_it_in_another() {
    let (film, note) = (noise(1, 900_000), noise(2, 3_000));
    let shared = [
        ("film.mp4", film.clone()),
        ("trip/film.mp4", film.clone()),
        ("trip/note.txt", note.clone()),
    ];
    let mut ada = Ada::shares(&shared).await;
    let (space, hash) = (ada.room.space, ada.hash("film.mp4"));
    let (dir, to) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    ada.room.in_store(dir.path()).await.close().await;
    // Ben has the folder's list, and of the film a part.
    let ben = start(dir.path(), "Ben", &[ada.node()]).await;
    let folder = ada.shared.iter().find(|file| file.folder).unwrap();
    let folder = told(&ben, &ada.room, folder).await;
    let read = bytes(&ben, &space, &format!("{}/note.txt", folder.url)).await.unwrap();
    assert!(read.1 == note);
    ben.close().await;
    ada.goes().await;
    begun(dir.path(), space, hash, &film, &to.path().join("film.mp4")).await;
    // The film goes on; then the folder is wanted, too, which has it in another place.
    let ben = start(dir.path(), "Ben", &[]).await;
    let mut files = ben.subscribe(&ada.room.page, Subscription::Files).await.unwrap();
    let film_hash = ada.shared.iter().find(|file| file.name == "film.mp4").unwrap().hash.clone();
    file_is(&mut files, &film_hash, |file| file.bytes >= PART as u64).await;
    let get = Get { link: ada.room.link.clone(), to: to.path().to_string_lossy().into() };
    let job = ben.files_get(&Caller::Owner, get).await.unwrap();
    file_is(&mut files, &folder.hash, |file| file.size > film.len() as u64).await;
    ada.comes_to(&ben).await;
    let got = stage(&ben, &job, |stage| matches!(stage, JobStage::Got { .. })).await;
    let JobStage::Got { files, .. } = got else { unreachable!() };
    assert_eq!(files.len(), 2, "{files:?}");
    for path in ["film.mp4", "trip/film.mp4"] {
        assert!(std::fs::read(to.path().join(path)).unwrap() == film, "{path}");
    }
    assert!(std::fs::read(to.path().join("trip/note.txt")).unwrap() == note);
    assert_eq!(names(to.path()), ["film.mp4", "trip"]);
    ben.close().await;
    ada.goes().await;
}
