//! A member says wrong things of others' files, and is heard first: they open right all the same.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fixture;
mod sharing;

use std::path::Path;

use kith_api::{
    BlobRef, Caller, Events, FileStage, FolderRead, Get, JobStage, Read, Service, Subscription,
};
use kith_log::file::{Attachment, FileKey};
use kith_log::{Body, BodyKind, VerifiedRun};
use tempfile::TempDir;

use fixture::start;
use sharing::{Ada, Room, bytes, file_is, names, noise, parse, stage, told};

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

/// What Mallory writes.
async fn lies(room: &Room, claims: Vec<Attachment>) -> VerifiedRun {
    let dir = TempDir::new().unwrap();
    let store = room.in_store(dir.path()).await;
    let body = Body::with_attachments(BodyKind::App, claims, b"{}".as_slice());
    let run = store.append(room.space, vec![body], 1).await.unwrap().run;
    store.close().await;
    run
}

/// Ben's folder, where Mallory was heard.
async fn told_lies(room: &Room, lies: Vec<Attachment>) -> TempDir {
    let dir = TempDir::new().unwrap();
    let store = room.in_store(dir.path()).await;
    store.ingest(room.space, vec![self::lies(room, lies).await]).await.unwrap();
    store.close().await;
    dir
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_read_what_the_entry_they_look_at_says() {
    let film = noise(1, 300_000);
    let mut ada = Ada::shares(&[("film.mp4", film.clone())]).await;
    let hash = ada.hash("film.mp4");
    let size = film.len() as u64;
    let lies = vec![claim(hash, size, "key.png"), claim(hash, size + 100_000, "size.png")];
    let dir = told_lies(&ada.room, lies).await;
    let ben = start(dir.path(), "Ben", &[ada.node()]).await;
    let honest = told(&ben, &ada.room, &ada.shared[0]).await;
    let space = ada.room.space;
    let mut files = ben.subscribe(&ada.room.page, Subscription::Files).await.unwrap();
    let read = bytes(&ben, &space, &honest.url).await.unwrap();
    assert!(read == ("film.mp4".into(), film.clone()), "{}", read.0);
    file_is(&mut files, &honest.hash, |file| file.stage == FileStage::Complete).await;
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
    ada.goes().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_by_a_wrong_size_goes_on_by_the_right_one() {
    let film = noise(2, 700_000);
    let mut ada = Ada::shares(&[("film.mp4", film.clone())]).await;
    let honest = ada.shared[0].clone();
    let lie = claim(ada.hash("film.mp4"), 100_000, "size.png");
    let dir = told_lies(&ada.room, vec![lie]).await;
    // Nobody but Mallory is heard yet.
    ada.goes().await;
    let ben = start(dir.path(), "Ben", &[]).await;
    let page = ada.room.page.clone();
    let space = ada.room.space;
    ben.blobs_fetch(&page, BlobRef { hash: honest.hash.clone() }).await.unwrap();
    let mut files = ben.subscribe(&page, Subscription::Files).await.unwrap();
    ada.comes_to(&ben).await;
    file_is(&mut files, &honest.hash, |file| file.stage == FileStage::Complete).await;
    assert!(bytes(&ben, &space, &honest.url).await.unwrap().1 == film);
    ben.close().await;
    ada.goes().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_got_is_the_file_whoever_was_heard_first() {
    let (film, song) = (noise(3, 900_000), noise(4, 50_000));
    let mut ada = Ada::shares(&[("film.mp4", film.clone()), ("song.ogg", song.clone())]).await;
    let lies = vec![
        claim(ada.hash("film.mp4"), film.len() as u64, "key.png"),
        claim(ada.hash("song.ogg"), 70_000, "size.png"),
    ];
    let dir = told_lies(&ada.room, lies).await;
    // Nobody but Mallory is heard yet.
    ada.goes().await;
    let ben = start(dir.path(), "Ben", &[]).await;
    let to = TempDir::new().unwrap();
    let get = Get { link: ada.room.link.clone(), to: to.path().to_string_lossy().into() };
    let job = ben.files_get(&Caller::Owner, get.clone()).await.unwrap();
    // By what Mallory said.
    stage(&ben, &job, |stage| matches!(stage, JobStage::Fetching { .. })).await;
    ada.comes_to(&ben).await;
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
    ada.goes().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_whole_though_its_pieces_and_itself_are_called_other_things() {
    let (large, small) = (noise(5, 400_000), noise(6, 3_000));
    let files = [("trip/film.mp4", large.clone()), ("trip/note.txt", small.clone())];
    // The same film alone: so that its hash is known without a look into the folder.
    let mut ada =
        Ada::shares(&[("film.mp4", large.clone()), files[0].clone(), files[1].clone()]).await;
    let folder = ada.shared.iter().find(|file| file.folder).unwrap().clone();
    let piece = ada.hash("film.mp4");
    let lies = vec![
        claim(piece, 999, "size.png"),
        claim(piece, large.len() as u64, "key.png"),
        claim(parse(&folder.hash), folder.size, "folder.png"),
    ];
    let dir = told_lies(&ada.room, lies).await;
    // Nobody but Mallory is heard yet.
    ada.goes().await;
    let ben = start(dir.path(), "Ben", &[]).await;
    let to = TempDir::new().unwrap();
    let get = Get { link: ada.room.link.clone(), to: to.path().to_string_lossy().into() };
    let job = ben.files_get(&Caller::Owner, get).await.unwrap();
    stage(&ben, &job, |stage| matches!(stage, JobStage::Fetching { .. })).await;
    let (page, space) = (ada.room.page.clone(), ada.room.space);
    ada.comes_to(&ben).await;
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
    ada.goes().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_size_that_no_disk_has_room_for_keeps_nobody_from_a_file() {
    let film = noise(7, 300_000);
    let mut ada = Ada::shares(&[("film.mp4", film.clone())]).await;
    let lie = claim(ada.hash("film.mp4"), 1 << 52, "size.png");
    let dir = told_lies(&ada.room, vec![lie]).await;
    let ben = start(dir.path(), "Ben", &[ada.node()]).await;
    told(&ben, &ada.room, &ada.shared[0]).await;
    let to = TempDir::new().unwrap();
    let get = Get { link: ada.room.link.clone(), to: to.path().to_string_lossy().into() };
    let job = ben.files_get(&Caller::Owner, get).await.unwrap();
    stage(&ben, &job, |stage| matches!(stage, JobStage::Got { .. })).await;
    assert!(std::fs::read(to.path().join("film.mp4")).unwrap() == film);
    assert_eq!(names(to.path()), ["film.mp4"]);
    ben.close().await;
    ada.goes().await;
}
