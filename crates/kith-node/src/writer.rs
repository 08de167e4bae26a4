//! One's own log in one space: whatever is written while the disk is busy goes in the next batch,
//! under one signature, and leaves the node in the order in which it was written.

use std::sync::Arc;

use kith_api::{Appended, Error, ErrorCode, Result};
use kith_log::{AuthorId, Body, ENTRY_WEIGHT, MAX_RUN_WEIGHT, SpaceId, VerifiedRun};
use kith_overlay::space::{self, Author};
use tokio::sync::{Notify, mpsc, oneshot, watch};

use crate::clock::now_ms;
use crate::store::{Store, StoreError};

/// Entries that wait for the disk, in one space. Who comes then waits to get into the queue.
const QUEUE: usize = 256;
/// Entries of one batch. A batch is one run, which peers fetch as a whole.
const MAX_BATCH: usize = 256;
/// Weight of one batch, below that of a run by room for the opening.
const MAX_BATCH_WEIGHT: u64 = MAX_RUN_WEIGHT - 4096;
/// What encryption and the kind add to a payload.
const SEAL: u64 = 41;

/// Appends to one's own log. Ends when it is dropped, after what it took.
pub(crate) struct Writer {
    queue: mpsc::Sender<Pending>,
    aside: Arc<Notify>,
}

struct Pending {
    body: Body,
    reply: oneshot::Sender<Result<Appended>>,
}

impl Writer {
    /// Starts writing for `author`, whom the sync knows already.
    pub(crate) fn start(
        space: SpaceId,
        author: AuthorId,
        store: Store,
        sync: space::Spaces,
    ) -> Self {
        let (queue, pending) = mpsc::channel(QUEUE);
        let aside = Arc::new(Notify::new());
        let task = Task {
            space,
            author,
            store,
            sync,
            pending,
            left_over: None,
            aside: aside.clone(),
            arrivals: None,
        };
        tokio::spawn(task.run());
        let writer = Self { queue, aside };
        writer.carry_over();
        writer
    }

    /// Carries over what is only in a log that was set aside, as soon as that is known.
    pub(crate) fn carry_over(&self) {
        self.aside.notify_one();
    }

    /// Writes an entry; done when it is safe on disk.
    pub(crate) async fn write(&self, body: Body) -> Result<Appended> {
        let (reply, done) = oneshot::channel();
        let gone = || Error::new(ErrorCode::Stopping, "The space was left, or kith is stopping.");
        self.queue.send(Pending { body, reply }).await.map_err(|_| gone())?;
        done.await.map_err(|_| gone())?
    }
}

struct Task {
    space: SpaceId,
    author: AuthorId,
    store: Store,
    sync: space::Spaces,
    pending: mpsc::Receiver<Pending>,
    /// What did not fit in the last batch.
    left_over: Option<Pending>,
    /// A log was set aside.
    aside: Arc<Notify>,
    /// What arrives in the space, while something may have to be carried over.
    arrivals: Option<watch::Receiver<u64>>,
}

impl Task {
    async fn run(mut self) {
        loop {
            let batch = tokio::select! {
                () = self.aside.notified() => {
                    self.arrivals = self.store.watch(&self.space).ok();
                    self.carry_over().await;
                    continue;
                }
                arrived = arrived(&mut self.arrivals) => {
                    if arrived { self.carry_over().await } else { self.arrivals = None }
                    continue;
                }
                batch = next_batch(&mut self.pending, &mut self.left_over) => batch,
            };
            let Some(batch) = batch else { return };
            let (bodies, replies): (Vec<_>, Vec<_>) =
                batch.into_iter().map(|pending| (pending.body, pending.reply)).unzip();
            let results = self.write(bodies).await;
            for (n, reply) in replies.into_iter().enumerate() {
                // Who asked may have gone meanwhile.
                let _ = reply.send(match &results {
                    Ok(appended) => Ok(appended[n].clone()),
                    Err(error) => Err(error.clone().into()),
                });
            }
        }
    }

    async fn write(&mut self, bodies: Vec<Body>) -> Result<Vec<Appended>, StoreError> {
        let (count, time) = (bodies.len() as u64, now_ms());
        let appended = self.store.append(self.space, bodies, time).await?;
        let (serials, run) = (appended.serials, appended.run);
        let (last_serial, end) = (*serials.end(), run.end());
        self.tell(run).await?;
        // An opening may stand before them in the run.
        let places = (0..count).rev().map(|behind| Appended {
            serial: last_serial - behind,
            index: end - 1 - behind,
            time,
        });
        Ok(places.collect())
    }

    /// Carries over what can be by now. What fails is tried again at the next arrival.
    async fn carry_over(&mut self) {
        if let Err(error) = self.try_carry_over().await {
            tracing::warn!(space = %self.space, %error, "entries can't be carried over");
        }
    }

    async fn try_carry_over(&mut self) -> Result<(), StoreError> {
        while let Some(run) = self.store.carry_over(self.space).await? {
            self.tell(run).await?;
        }
        if !self.store.has_aside(&self.space)? {
            self.arrivals = None;
        }
        Ok(())
    }

    /// Tells the peers what was written, and first, where it is by the next incarnation, who that is.
    async fn tell(&mut self, run: VerifiedRun) -> Result<(), StoreError> {
        if *run.author() != self.author {
            let own = self.store.own_author(&self.space)?;
            self.author = *run.author();
            let author = Author { secret: own.secret, opening: run.opening().clone() };
            self.sync.set_author(&self.space, Some(author)).await;
        }
        self.sync.appended(&self.space, run).await;
        Ok(())
    }
}

/// What waits, as far as it fits into one run. Nothing is lost where this is dropped before its end.
async fn next_batch(
    pending: &mut mpsc::Receiver<Pending>,
    left_over: &mut Option<Pending>,
) -> Option<Vec<Pending>> {
    let first = match left_over.take() {
        Some(pending) => pending,
        None => pending.recv().await?,
    };
    let mut weight = weight(&first);
    let mut batch = vec![first];
    while batch.len() < MAX_BATCH {
        let Ok(next) = pending.try_recv() else { break };
        weight += self::weight(&next);
        if weight > MAX_BATCH_WEIGHT {
            *left_over = Some(next);
            break;
        }
        batch.push(next);
    }
    Some(batch)
}

/// Waits for an arrival; false when none comes any more.
async fn arrived(arrivals: &mut Option<watch::Receiver<u64>>) -> bool {
    match arrivals {
        Some(arrivals) => arrivals.changed().await.is_ok(),
        None => std::future::pending().await,
    }
}

fn weight(pending: &Pending) -> u64 {
    pending.body.payload.len() as u64 + SEAL + ENTRY_WEIGHT
}
