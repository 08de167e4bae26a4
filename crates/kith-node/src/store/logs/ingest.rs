//! Taking in what others wrote.

use std::ops::RangeInclusive;

use kith_log::{AuthorId, Placement, SpaceId, VerifiedRun, verify_run};
use redb::ReadableTable;

use super::log::{self, Log};
use super::write::{Gist, write_run};
use super::{FORKS, LOGS, OWN, own};
use crate::store::error::StoreError;
use crate::store::open::Store;
use crate::store::spaces;
use crate::store::writer::Tx;

/// Longest proof of a fork that is kept, in bytes: two runs and their heads.
pub(super) const MAX_FORK_PROOF: usize = 2 * kith_log::MAX_MESSAGE_LEN;

impl Store {
    /// Adds a verified run, and returns its serials once it is on disk. `None` where nothing of it
    /// is new, or it does not join what is held: the same run may come as often as it likes.
    ///
    /// A run that continues an own log further than this node wrote it is proof that this store was
    /// put back from a copy: it is kept, and the next own entry begins the next incarnation.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for a space that this node is not in; the disk's.
    pub async fn ingest(
        &self,
        space: SpaceId,
        run: VerifiedRun,
    ) -> Result<Option<RangeInclusive<u64>>, StoreError> {
        let record = self.space(&space)?.ok_or(StoreError::NotFound("space"))?;
        let keys = record.keys();
        let bytes: usize = run.entries().iter().map(|entry| entry.header.body_len as usize).sum();
        let gists = Gist::of_run(&space, &run, &keys);
        self.write(bytes + run.entries().len() * 256, move |tx| {
            let record = spaces::find(tx, &space)?;
            let log = log::find(&tx.look(LOGS)?, &space, run.author())?;
            let Some((run, cut)) = fit(&space, log.as_ref(), &run) else { return Ok(None) };
            retire(tx, &space, &run)?;
            let app = record.app.as_bytes();
            write_run(tx, &space, app, log, run, &gists[cut..]).map(Some)
        })
        .await
    }

    /// Keeps the proof that an author signed two histories; the first one stays.
    ///
    /// # Errors
    /// [`StoreError::Limit`] for a proof longer than two runs; the disk's.
    pub async fn keep_fork(
        &self,
        space: SpaceId,
        author: AuthorId,
        proof: Vec<u8>,
    ) -> Result<(), StoreError> {
        if proof.len() > MAX_FORK_PROOF {
            return Err(StoreError::Limit("a fork's proof is two runs"));
        }
        self.write(proof.len(), move |tx| {
            let Some(mut log) = log::find(&tx.look(LOGS)?, &space, &author)? else {
                return Err(StoreError::NotFound("log"));
            };
            let key = (*space.as_bytes(), *author.as_bytes());
            if tx.look(FORKS)?.get(key)?.is_some() {
                return Ok(());
            }
            tx.change(FORKS)?.insert(key, proof.as_slice())?;
            log.forked = true;
            log::keep(tx, &space, &author, &log)
        })
        .await
    }

    /// The proof that an author signed two histories, where there is one.
    ///
    /// # Errors
    /// The disk's.
    pub fn fork(&self, space: &SpaceId, author: &AuthorId) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(|snapshot| {
            let key = (*space.as_bytes(), *author.as_bytes());
            let proof = snapshot.table(FORKS)?.get_owned(key)?;
            Ok(proof.map(|proof| proof.value().to_owned()))
        })
    }
}

/// The run as it fits what is held now, which may be more than what it was verified against, and
/// how many of its entries were cut off at its front.
fn fit(space: &SpaceId, log: Option<&Log>, run: &VerifiedRun) -> Option<(VerifiedRun, usize)> {
    let known = log.map(|log| &log.known);
    let fits = match (run.place(), known) {
        (Placement::First, None) => true,
        (Placement::Append, Some(known)) => {
            run.before().is_some_and(|before| before.range == known.head.range)
        }
        (Placement::Older, Some(known)) => {
            known.base.as_ref().is_some_and(|base| base.range == run.head().range)
        }
        (Placement::First, Some(_)) | (Placement::Append | Placement::Older, None) => false,
    };
    if fits {
        return Some((run.clone(), 0));
    }
    let start = run.start();
    let run = verify_run(space, known, run.to_run()).ok()?;
    let cut = usize::try_from(run.start().checked_sub(start)?).ok()?;
    Some((run, cut))
}

/// Ends the own author's incarnation if the run goes on where this node did not write.
fn retire(tx: &Tx<'_>, space: &SpaceId, run: &VerifiedRun) -> Result<(), StoreError> {
    let own = own::find(&tx.look(OWN)?, space)?;
    if own.secret().author() != *run.author() || run.place() == Placement::Older {
        return Ok(());
    }
    tracing::warn!(%space, "peers hold more of the own log than this store: it was put back");
    own::begin_next(tx, space, own)?;
    Ok(())
}
