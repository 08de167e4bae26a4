//! What the overlay asks of a store of logs.

use kith_app::{AppId, SignedVersion};
use kith_log::sync::ForkProof;
use kith_log::{AuthorId, KnownLog, Segment, SpaceId, VerifiedRun};

use super::StorageResult;
use crate::boxed::{BoxFuture, Threaded};

/// A store of logs. Serial numbers, and telling pages of new entries, are its own business.
pub trait LogStorage: Threaded {
    /// What is held of each author's log in a space.
    fn logs<'a>(
        &'a self,
        space: &'a SpaceId,
    ) -> BoxFuture<'a, StorageResult<Vec<(AuthorId, KnownLog)>>>;

    /// The segment of an author's log that holds this entry. Bodies that were removed are absent.
    ///
    /// # Errors
    /// [`NotHeld`](super::StorageError::NotHeld) where it is not.
    fn segment<'a>(
        &'a self,
        space: &'a SpaceId,
        author: &'a AuthorId,
        index: u64,
    ) -> BoxFuture<'a, StorageResult<Segment>>;

    /// Stores verified runs of others' logs, in this order, all of them or none. When it returns
    /// they are durable. It is called once at a time for a space. Placement says where each goes;
    /// where `segment.start` of the log that is known afterwards is the run's start, a segment begins.
    ///
    /// A run that doesn't join what is held is refused by
    /// [`NotHeld`](super::StorageError::NotHeld): the node appended or continued meanwhile.
    fn ingest<'a>(
        &'a self,
        space: &'a SpaceId,
        runs: Vec<VerifiedRun>,
    ) -> BoxFuture<'a, StorageResult<()>>;

    /// Keeps the proof that an author signed two histories. The first one stays.
    fn keep_fork<'a>(
        &'a self,
        space: &'a SpaceId,
        author: &'a AuthorId,
        proof: &'a ForkProof,
    ) -> BoxFuture<'a, StorageResult<()>>;

    /// The newest signed version of an app that this node has the bundle of.
    fn newest_version<'a>(
        &'a self,
        app: &'a AppId,
    ) -> BoxFuture<'a, StorageResult<Option<SignedVersion>>>;
}
