//! A blob whose bytes are put in another place while it is read.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod counting;

use std::sync::{Arc, mpsc};

use kith_log::SpaceId;
use kith_node::store::{FilePlace, FileSource, Options, Store};
use kith_overlay::storage::BlobScope;
use tempfile::TempDir;

use counting::{Counting, Gate};

#[tokio::test]
async fn who_reads_a_file_while_it_is_replaced_by_a_copy_of_our_own_reads_on() {
    let (dir, disk) = (TempDir::new().unwrap(), Counting::default());
    let options = Options { disk: Arc::new(disk.clone()), ..Options::default() };
    let store = Store::open(&dir.path().join("kith"), options).unwrap();
    let scope = BlobScope::Space(SpaceId::from_bytes([1; 32]));
    let (path, copy) = (dir.path().join("film"), dir.path().join("copy"));
    let bytes = vec![7; 100_000];
    std::fs::write(&path, &bytes).unwrap();
    std::fs::write(&copy, &bytes).unwrap();
    let add = |path: &std::path::Path, place| {
        store.add_file(scope, FileSource::Path(path.to_owned()), None, place).finish()
    };
    let hash = add(&path, FilePlace::Outside).await.unwrap().hash;
    assert_eq!(store.read_blob(&hash, 0, 100_000).await.unwrap(), bytes);

    let ((told, is_there), (go, waited_for)) = (mpsc::sync_channel(1), mpsc::sync_channel(1));
    *disk.gate.lock().unwrap() = Some(Gate(path.clone(), told, waited_for));
    let reader = store.clone();
    let reading = tokio::spawn(async move { reader.read_blob(&hash, 0, 100_000).await });
    tokio::task::spawn_blocking(move || is_there.recv()).await.unwrap().unwrap();
    add(&copy, FilePlace::Own).await.unwrap();
    std::fs::remove_file(&path).unwrap();
    go.send(()).unwrap();
    assert_eq!(reading.await.unwrap().unwrap(), bytes);
    assert!(store.changed_files().borrow().is_empty());
}
