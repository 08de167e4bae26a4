//! Writing to one's own log.

use std::ops::RangeInclusive;

use kith_app::SpaceKeys;
use kith_log::{
    AuthorSecret, Body, Draft, MAX_LAMPORT, MAX_TIME_MS, Opening, Place, SpaceId, VerifiedRun,
};

use super::log::{self, Log};
use super::write::{Gist, Target, clock, write_run};
use super::{LOGS, OWN, own};
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
    time_ms: u64,
) -> Result<Appended, StoreError> {
    let own = OwnLog::find(tx, space)?;
    let lamports = own.lamport + u64::from(own.log.is_none())..;
    let mut written = Vec::with_capacity(bodies.len());
    for (body, lamport) in bodies.iter().zip(lamports) {
        let plain = body.to_plain().map_err(StoreError::Entry)?;
        written.push(Written { plain, lamport, time_ms });
    }
    let run = own.sign(space, written)?;
    let serials = own.write(tx, space, run.clone(), Vec::new())?;
    Ok(Appended { run, serials })
}

/// A plain body, and when it was written.
pub(super) struct Written {
    pub(super) plain: Vec<u8>,
    pub(super) lamport: u64,
    pub(super) time_ms: u64,
}

/// One's own log, to be written on.
pub(super) struct OwnLog {
    record: SpaceRecord,
    keys: SpaceKeys,
    secret: AuthorSecret,
    /// The incarnation before, which the log continues.
    previous: Option<AuthorSecret>,
    /// Nothing, while the log has not begun.
    log: Option<Log>,
    /// The next Lamport clock of the space.
    lamport: u64,
}

impl OwnLog {
    pub(super) fn find(tx: &Tx<'_>, space: &SpaceId) -> Result<Self, StoreError> {
        let record = spaces::find(tx, space)?;
        let own = own::find(&tx.look(OWN)?, space)?;
        let secret = own.secret();
        Ok(Self {
            keys: record.keys(),
            record,
            log: log::find(&tx.look(LOGS)?, space, &secret.author())?,
            secret,
            previous: own.previous.as_ref().map(AuthorSecret::from_seed),
            lamport: clock(tx, space)?.2 + 1,
        })
    }

    pub(super) fn app(&self) -> &[u8; 32] {
        self.record.app.as_bytes()
    }

    /// The plain body of any author of the space.
    pub(super) fn read(&self, body: &[u8], place: &Place) -> Option<Vec<u8>> {
        Body::open_plain(body, Some(self.keys.read.as_bytes()), place).ok()
    }

    /// Seals and signs what is written next: first the opening, where the log begins.
    pub(super) fn sign(
        &self,
        space: &SpaceId,
        written: Vec<Written>,
    ) -> Result<VerifiedRun, StoreError> {
        let (author, known) = (self.secret.author(), self.log.as_ref().map(|log| &log.known));
        let mut drafts = Vec::with_capacity(written.len() + 1);
        if let (None, Some(first)) = (known, written.first()) {
            let key = self.keys.admission.as_bytes();
            let opening = Opening::admit(key, &author, self.previous.as_ref());
            drafts.push(draft(self.lamport, first.time_ms, 0, opening.to_body()));
        }
        let epoch = u32::from(!self.record.public);
        let place = Place { space: *space, author, epoch };
        for Written { plain, lamport, time_ms } in written {
            let body = if self.record.public {
                plain
            } else {
                let key = self.keys.read.as_bytes();
                Body::seal_plain(&plain, key, random()?, &place).map_err(StoreError::Entry)?
            };
            drafts.push(draft(lamport, time_ms, epoch, body));
        }
        kith_log::append(&self.secret, space, known, drafts).map_err(StoreError::Entry)
    }

    /// Writes the run. The last of its entries have these serials already, the others get new ones,
    /// which are returned.
    pub(super) fn write(
        self,
        tx: &Tx<'_>,
        space: &SpaceId,
        run: VerifiedRun,
        serials: Vec<u64>,
    ) -> Result<RangeInclusive<u64>, StoreError> {
        let gists = Gist::of_run(space, &run, &self.keys);
        let target = Target { log: self.log, serials, ..Target::default() };
        write_run(tx, space, self.record.app.as_bytes(), target, run, &gists)
    }
}

fn draft(lamport: u64, time_ms: u64, epoch: u32, body: Vec<u8>) -> Draft {
    // At the end of all clocks, order falls back to author and index.
    let (lamport, time_ms) = (lamport.min(MAX_LAMPORT), time_ms.min(MAX_TIME_MS));
    Draft { lamport, time_ms, epoch, body }
}
