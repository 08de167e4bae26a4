//! Taking in what others wrote.

use std::ops::RangeInclusive;

use kith_log::sync::ForkProof;
use kith_log::{AuthorId, Checkpoint, Placement, Run, SpaceId, VerifiedRun, verify_run};
use redb::ReadableTable;

use super::log::{self, Log};
use super::write::{Gist, Target, write_run};
use super::{ASIDE, FORKS, LOGS, OWN, aside, own};
use crate::store::error::StoreError;
use crate::store::open::Store;
use crate::store::spaces;
use crate::store::writer::Tx;

impl Store {
    /// Adds verified runs in this order, all of them or none, and returns the serials of each once
    /// they are on disk; `None` for a run that is held already. The same run may come as often as
    /// it likes.
    ///
    /// A run that continues an own log further than this node wrote it is proof that this store was
    /// put back from a copy: it is kept, and the next own entry begins the next incarnation.
    ///
    /// # Errors
    /// [`StoreError::Apart`] where a run does not join what is held; [`StoreError::NotFound`] for a
    /// space that this node is not in; the disk's.
    pub async fn ingest(
        &self,
        space: SpaceId,
        runs: Vec<VerifiedRun>,
    ) -> Result<Vec<Option<RangeInclusive<u64>>>, StoreError> {
        let record = self.space(&space)?.ok_or(StoreError::NotFound("space"))?;
        let (keys, app) = (record.keys(), record.app);
        let bytes = runs.iter().flat_map(VerifiedRun::entries);
        let bytes = bytes.map(|entry| entry.header.body_len as usize + 256).sum();
        let runs: Vec<_> =
            runs.into_iter().map(|run| (Gist::of_run(&space, &run, &keys), run)).collect();
        self.write(bytes, move |tx| {
            // It may have been left meanwhile.
            spaces::find(tx, &space)?;
            let add = |(gists, run): &(Vec<Gist>, VerifiedRun)| {
                let log = log::find(&tx.look(LOGS)?, &space, run.author())?;
                let Some((run, cut)) = fit(&space, log.as_ref(), run)? else { return Ok(None) };
                begin_next_if_own(tx, &space, &run)?;
                let target = meet_aside(tx, &space, log, &run)?;
                let serials = write_run(tx, &space, app.as_bytes(), target, run, &gists[cut..])?;
                Ok((!serials.is_empty()).then_some(serials))
            };
            runs.iter().map(add).collect()
        })
        .await
    }

    /// Keeps the proof that an author signed two histories; the first one stays.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for an unknown log; the disk's.
    pub async fn keep_fork(
        &self,
        space: SpaceId,
        author: AuthorId,
        proof: &ForkProof,
    ) -> Result<(), StoreError> {
        let proof = encode_proof(proof);
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
    pub fn fork(
        &self,
        space: &SpaceId,
        author: &AuthorId,
    ) -> Result<Option<ForkProof>, StoreError> {
        self.read(|snapshot| {
            let key = (*space.as_bytes(), *author.as_bytes());
            let proof = snapshot.table(FORKS)?.get_owned(key)?;
            proof.map(|proof| decode_proof(proof.value())).transpose()
        })
    }
}

/// Both checkpoints, then the run, where there is one.
fn encode_proof(proof: &ForkProof) -> Vec<u8> {
    let run = proof.run.as_ref().map(Run::encode).unwrap_or_default();
    [proof.first.encode().as_slice(), &proof.second.encode(), &run].concat()
}

fn decode_proof(bytes: &[u8]) -> Result<ForkProof, StoreError> {
    let bad = |_| StoreError::bad_row("forks");
    let (first, rest) = bytes.split_at_checked(Checkpoint::LEN).unwrap_or_default();
    let (second, run) = rest.split_at_checked(Checkpoint::LEN).unwrap_or_default();
    Ok(ForkProof {
        first: Checkpoint::decode(first).map_err(bad)?,
        second: Checkpoint::decode(second).map_err(bad)?,
        run: if run.is_empty() { None } else { Some(Run::decode(run).map_err(bad)?) },
    })
}

/// The run as it fits what is held now, which may be more than what it was verified against, and
/// how many of its entries were cut off at its front. `None` where all of it is held.
fn fit(
    space: &SpaceId,
    log: Option<&Log>,
    run: &VerifiedRun,
) -> Result<Option<(VerifiedRun, usize)>, StoreError> {
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
        return Ok(Some((run.clone(), 0)));
    }
    let start = run.start();
    if known.is_some_and(|known| known.start() <= start && run.end() <= known.size()) {
        return Ok(None);
    }
    let run = verify_run(space, known, run.to_run()).map_err(|_| StoreError::Apart)?;
    let cut = run.start().checked_sub(start).and_then(|cut| usize::try_from(cut).ok());
    Ok(Some((run, cut.ok_or(StoreError::Apart)?)))
}

/// Where the run goes, its log having been set aside perhaps.
fn meet_aside(
    tx: &Tx<'_>,
    space: &SpaceId,
    log: Option<Log>,
    run: &VerifiedRun,
) -> Result<Target, StoreError> {
    let Some(aside) = aside::find(&tx.look(ASIDE)?, space, run.author())? else {
        return Ok(Target { log, ..Target::default() });
    };
    if log.is_none() && run.start() > 0 {
        // What is here can only be compared from its beginning.
        return Err(StoreError::Apart);
    }
    let held = aside.compare(tx, space, run)?;
    Ok(Target { log, number: Some(aside.number), held, ..Target::default() })
}

/// Ends the own author's incarnation if the run goes on where this node did not write.
fn begin_next_if_own(tx: &Tx<'_>, space: &SpaceId, run: &VerifiedRun) -> Result<(), StoreError> {
    let own = own::find(&tx.look(OWN)?, space)?;
    if own.secret().author() != *run.author() || run.place() == Placement::Older {
        return Ok(());
    }
    tracing::warn!(%space, "peers hold more of the own log than this store: it was put back");
    own::begin_next(tx, space, own, true)?;
    own::leap(tx)
}
