//! A store that refuses one author's entries: nothing of them is believed to be held, nobody else's
//! are held back, and the node hears of it.

use std::sync::Arc;

use bytes::Bytes;
use kith_app::{AppId, SignedVersion};
use kith_log::sync::ForkProof;
use kith_log::{AuthorId, KnownLog, Segment, SpaceId, VerifiedRun};
use kith_overlay::boxed::BoxFuture;
use kith_overlay::space::SpaceEvent;
use kith_overlay::storage::memory::MemoryStorage;
use kith_overlay::storage::{
    BlobPart, BlobScope, BlobState, BlobStorage, LogStorage, StorageError, StorageResult,
};

use crate::support::{config, fresh_key, member, node_on, room};

#[derive(Debug)]
struct Failing {
    store: Arc<MemoryStorage>,
    refused: AuthorId,
}

impl LogStorage for Failing {
    fn logs<'a>(
        &'a self,
        space: &'a SpaceId,
    ) -> BoxFuture<'a, StorageResult<Vec<(AuthorId, KnownLog)>>> {
        self.store.logs(space)
    }

    fn segment<'a>(
        &'a self,
        space: &'a SpaceId,
        author: &'a AuthorId,
        index: u64,
    ) -> BoxFuture<'a, StorageResult<Segment>> {
        self.store.segment(space, author, index)
    }

    fn ingest<'a>(
        &'a self,
        space: &'a SpaceId,
        runs: Vec<VerifiedRun>,
    ) -> BoxFuture<'a, StorageResult<()>> {
        if runs.iter().any(|run| *run.author() == self.refused) {
            return Box::pin(async { Err(StorageError::Full) });
        }
        self.store.ingest(space, runs)
    }

    fn keep_fork<'a>(
        &'a self,
        space: &'a SpaceId,
        author: &'a AuthorId,
        proof: &'a ForkProof,
    ) -> BoxFuture<'a, StorageResult<()>> {
        self.store.keep_fork(space, author, proof)
    }

    fn newest_version<'a>(
        &'a self,
        app: &'a AppId,
    ) -> BoxFuture<'a, StorageResult<Option<SignedVersion>>> {
        self.store.newest_version(app)
    }
}

impl BlobStorage for Failing {
    fn blob_state<'a>(
        &'a self,
        scope: BlobScope,
        hash: &'a [u8; 32],
    ) -> BoxFuture<'a, StorageResult<BlobState>> {
        self.store.blob_state(scope, hash)
    }

    fn read_blob<'a>(
        &'a self,
        hash: &'a [u8; 32],
        offset: u64,
        length: usize,
    ) -> BoxFuture<'a, StorageResult<Bytes>> {
        self.store.read_blob(hash, offset, length)
    }

    fn read_blob_tree<'a>(
        &'a self,
        hash: &'a [u8; 32],
        offset: u64,
        length: usize,
    ) -> BoxFuture<'a, StorageResult<Bytes>> {
        self.store.read_blob_tree(hash, offset, length)
    }

    fn write_blob<'a>(
        &'a self,
        _scope: BlobScope,
        _hash: &'a [u8; 32],
        _size: u64,
        _part: BlobPart,
    ) -> BoxFuture<'a, StorageResult<()>> {
        Box::pin(async { Err(StorageError::Full) })
    }

    fn finish_blob<'a>(
        &'a self,
        scope: BlobScope,
        hash: &'a [u8; 32],
    ) -> BoxFuture<'a, StorageResult<()>> {
        self.store.finish_blob(scope, hash)
    }

    fn blob_damaged<'a>(&'a self, hash: &'a [u8; 32]) -> BoxFuture<'a, ()> {
        self.store.blob_damaged(hash)
    }
}

#[tokio::test]
async fn one_authors_entries_do_not_fit() {
    let room = room(1);
    let (a, b) = (member(&room).await, member(&room).await);
    a.dial(&b.addr());
    a.say(&room, &[b"a1", b"a2"]).await;
    b.say(&room, &[b"b1"]).await;
    b.same_as(&room, &a).await;

    let store = Arc::new(MemoryStorage::new());
    let failing = Failing { store: store.clone(), refused: a.author() };
    let c = node_on(config(fresh_key()), store, Arc::new(failing)).await;
    c.join(&room).await;
    c.dial(&b.addr());
    c.holds(&room, &b.author(), 2).await;
    let full = |event: &SpaceEvent| {
        matches!(event, SpaceEvent::StoreFailed { error: StorageError::Full, .. })
    };
    c.until("the store fails", |events| events.iter().any(full)).await;
    let logs = c.spaces.logs(&room.space).await.expect("joined");
    assert!(logs.iter().all(|(author, _)| *author != a.author()), "it says what it holds");
    // It goes on with the others.
    b.say(&room, &[b"b2", b"b3"]).await;
    c.holds(&room, &b.author(), 4).await;
}

#[tokio::test]
async fn a_blob_does_not_fit() {
    use kith_overlay::blob::{BlobWanted, FetchError};

    let a = crate::support::node().await;
    let data = vec![7; 100_000];
    let hash = a.storage.add_blob(BlobScope::Public, &data);
    let store = Arc::new(MemoryStorage::new());
    let failing = Failing { store: store.clone(), refused: a.author() };
    let b = node_on(config(fresh_key()), store, Arc::new(failing)).await;
    b.dial(&a.addr());
    let app = AppId::from_bytes([9; 32]);
    let wanted = BlobWanted { app, scope: BlobScope::Public, hash, size: 100_000 };
    let outcome = b.spaces.fetch_blob(wanted, vec![a.overlay.id()]).finished().await;
    assert!(matches!(outcome, Err(FetchError::Storage(StorageError::Full))), "{outcome:?}");
}
