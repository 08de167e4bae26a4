//! Writing to one's own log.

use std::ops::RangeInclusive;

use kith_app::SpaceKeys;
use kith_log::{
    AuthorSecret, Body, Draft, KnownLog, MAX_LAMPORT, MAX_TIME_MS, Opening, Place, SpaceId,
    VerifiedRun,
};

use super::write::{Gist, clock, write_run};
use super::{LOGS, OWN, log, own};
use crate::store::error::StoreError;
use crate::store::identity::random;
use crate::store::open::Store;
use crate::store::spaces::{self, SpaceRecord};
use crate::store::writer::Tx;

/// Own entries that are on disk.
#[derive(Clone, Debug)]
pub struct Appended {
    /// What to push to peers. Its first entry may be the opening of a log that begins with it.
    pub run: VerifiedRun,
    /// The serials of the run's entries.
    pub serials: RangeInclusive<u64>,
}

impl Store {
    /// Writes entries to one's own log, in one go, and returns once they are on disk: only then
    /// may they leave the node. `time` is in milliseconds since 1970; wherever the clock jumps,
    /// the order stays.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for a space that this node is not in; [`StoreError::Entry`] for
    /// what is over a limit; the disk's.
    pub async fn append(
        &self,
        space: SpaceId,
        bodies: Vec<Body>,
        time: u64,
    ) -> Result<Appended, StoreError> {
        let bytes = bodies.iter().map(|body| body.payload.len() + 256).sum();
        self.write(bytes, move |tx| append(tx, &space, &bodies, time)).await
    }
}

fn append(
    tx: &Tx<'_>,
    space: &SpaceId,
    bodies: &[Body],
    time: u64,
) -> Result<Appended, StoreError> {
    let record = spaces::find(tx, space)?;
    let keys = record.keys();
    let own = own::find(&tx.look(OWN)?, space)?;
    let secret = own.secret();
    let log = log::find(&tx.look(LOGS)?, space, &secret.author())?;
    let known = log.as_ref().map(|log| &log.known);
    let previous = own.previous.as_ref().map(AuthorSecret::from_seed);
    let lamport = clock(tx, space)?.2;
    let writer = Writer { space, keys: &keys, record: &record, time, lamport };
    let drafts = writer.drafts(&secret, known, previous.as_ref(), bodies)?;
    let run = kith_log::append(&secret, space, known, drafts).map_err(StoreError::Entry)?;
    let gists = Gist::of_run(space, &run, &keys);
    let serials = write_run(tx, space, record.app.as_bytes(), log, run.clone(), &gists)?;
    Ok(Appended { run, serials })
}

/// What all entries of one append have in common.
struct Writer<'a> {
    space: &'a SpaceId,
    keys: &'a SpaceKeys,
    record: &'a SpaceRecord,
    time: u64,
    lamport: u64,
}

impl Writer<'_> {
    /// The entries to write: first the opening, where the log begins.
    fn drafts(
        &self,
        secret: &AuthorSecret,
        known: Option<&KnownLog>,
        previous: Option<&AuthorSecret>,
        bodies: &[Body],
    ) -> Result<Vec<Draft>, StoreError> {
        let author = secret.author();
        let mut sent = Vec::with_capacity(bodies.len() + 1);
        if known.is_none() {
            let opening = Opening::admit(self.keys.admission.as_bytes(), &author, previous);
            sent.push((0, opening.to_body()));
        }
        let epoch = u32::from(!self.record.public);
        let place = Place { space: *self.space, author, epoch };
        for body in bodies {
            let body = if self.record.public {
                body.to_plain()
            } else {
                body.seal(self.keys.read.as_bytes(), random()?, &place)
            };
            sent.push((epoch, body.map_err(StoreError::Entry)?));
        }
        // At the end of all clocks, order falls back to author and index.
        let lamports = (self.lamport + 1..).map(|lamport| lamport.min(MAX_LAMPORT));
        let time_ms = self.time.min(MAX_TIME_MS);
        Ok(sent
            .into_iter()
            .zip(lamports)
            .map(|((epoch, body), lamport)| Draft { lamport, time_ms, epoch, body })
            .collect())
    }
}
