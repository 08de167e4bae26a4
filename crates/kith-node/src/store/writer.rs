//! Group commit: one thread writes. It commits at once when it is idle; what arrives meanwhile is
//! the next group. Nobody is told “done” before the commit is synced.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;

use kith_log::SpaceId;
use redb::{Key, Table, TableDefinition, Value, WriteTransaction};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::DATABASE_FILE;
use super::database::{Database, unpanicked};
use super::error::StoreError;
use super::open::Shared;

/// Writes waiting. Who comes later waits for room.
const QUEUE: usize = 1_024;
/// Bytes of the writes waiting, in KiB: 16 MiB. Who comes later waits for room.
const QUEUE_KIB: u32 = 16 * 1_024;
/// Most writes in one commit: bounds how long the first of them waits for the last.
const GROUP: usize = 256;

/// A write transaction as an operation sees it.
pub(super) struct Tx<'txn> {
    transaction: &'txn WriteTransaction,
    changed: Cell<bool>,
    serials: RefCell<BTreeMap<SpaceId, u64>>,
}

impl<'txn> Tx<'txn> {
    fn new(transaction: &'txn WriteTransaction) -> Self {
        Self { transaction, changed: Cell::new(false), serials: RefCell::default() }
    }

    /// A table to read.
    pub(super) fn look<K: Key + 'static, V: Value + 'static>(
        &self,
        table: TableDefinition<'static, K, V>,
    ) -> Result<Table<'txn, K, V>, StoreError> {
        Ok(self.transaction.open_table(table)?)
    }

    /// A table to change.
    pub(super) fn change<K: Key + 'static, V: Value + 'static>(
        &self,
        table: TableDefinition<'static, K, V>,
    ) -> Result<Table<'txn, K, V>, StoreError> {
        self.changed.set(true);
        self.look(table)
    }

    /// Tells those who watch the space, once the transaction is committed.
    pub(super) fn arrived(&self, space: SpaceId, serial: u64) {
        self.serials.borrow_mut().insert(space, serial);
    }
}

/// Runs `write` in a transaction of its own, without the thread: while the store is being opened.
pub(super) fn write_once<T>(
    database: &Database,
    write: impl FnOnce(&Tx<'_>) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let (opening, transaction) = database.begin_write()?;
    let result = (|| {
        let tx = Tx::new(&transaction);
        let value = write(&tx)?;
        if tx.changed.get() {
            transaction.commit()?;
        } else {
            transaction.abort()?;
        }
        Ok(value)
    })();
    if result.is_err() {
        database.recover(opening);
    }
    result
}

/// A write, waiting. It may run several times, each in a new transaction, and counts once.
trait Write: Send {
    fn run(&mut self, tx: &Tx<'_>) -> Result<(), StoreError>;
    /// Tells the caller.
    fn done(self: Box<Self>, result: Result<(), StoreError>);
}

struct Closure<F, T> {
    write: F,
    value: Option<T>,
    reply: oneshot::Sender<Result<T, StoreError>>,
    _room: OwnedSemaphorePermit,
}

impl<F, T> Write for Closure<F, T>
where
    F: FnMut(&Tx<'_>) -> Result<T, StoreError> + Send,
    T: Send,
{
    fn run(&mut self, tx: &Tx<'_>) -> Result<(), StoreError> {
        self.value = Some((self.write)(tx)?);
        Ok(())
    }

    fn done(self: Box<Self>, result: Result<(), StoreError>) {
        let Self { value, reply, .. } = *self;
        // The caller may have gone; what was written stays.
        let _ = reply.send(result.map(|()| value.expect("a write that succeeded has run")));
    }
}

enum Job {
    Write(Box<dyn Write>),
    Close(oneshot::Sender<()>),
}

/// The way to the writer.
#[derive(Debug)]
pub(super) struct Writer {
    jobs: mpsc::Sender<Job>,
    room: Arc<Semaphore>,
}

impl Writer {
    /// Starts the thread. It ends when this value is dropped, or by [`Self::close`].
    pub(super) fn start(shared: Arc<Shared>) -> Result<Self, StoreError> {
        let (jobs, queue) = mpsc::channel(QUEUE);
        thread::Builder::new()
            .name("kith-store".to_owned())
            .spawn(move || run(&shared, queue))
            .map_err(|error| StoreError::io("start a thread for", DATABASE_FILE.as_ref(), error))?;
        Ok(Self { jobs, room: Arc::new(Semaphore::new(QUEUE_KIB as usize)) })
    }

    /// Runs `write` in the next transaction, and returns when it is synced. `bytes` says about how
    /// much memory it holds. Once this future was polled, dropping it may or may not stop the
    /// write.
    pub(super) async fn write<T, F>(&self, bytes: usize, write: F) -> Result<T, StoreError>
    where
        F: FnMut(&Tx<'_>) -> Result<T, StoreError> + Send + 'static,
        T: Send + 'static,
    {
        let kib = u32::try_from(bytes.div_ceil(1024)).unwrap_or(QUEUE_KIB).clamp(1, QUEUE_KIB);
        let room = self.room.clone().acquire_many_owned(kib).await;
        let room = room.map_err(|_| StoreError::Closed)?;
        let (reply, done) = oneshot::channel();
        let write = Closure { write, value: None, reply, _room: room };
        let sent = self.jobs.send(Job::Write(Box::new(write))).await;
        sent.map_err(|_| StoreError::Closed)?;
        done.await.map_err(|_| StoreError::Closed)?
    }

    /// Finishes what waits, closes the database, and ends the thread.
    pub(super) async fn close(&self) {
        let (reply, done) = oneshot::channel();
        if self.jobs.send(Job::Close(reply)).await.is_ok() {
            // An error means that the thread has ended: just as well.
            let _ = done.await;
        }
    }
}

fn run(shared: &Shared, mut queue: mpsc::Receiver<Job>) {
    let mut closing = Vec::new();
    while closing.is_empty() {
        let Some(first) = queue.blocking_recv() else { break };
        let mut group = Vec::new();
        let mut next = Some(first);
        while let Some(job) = next {
            match job {
                Job::Write(write) => group.push(write),
                Job::Close(reply) => {
                    closing.push(reply);
                    break;
                }
            }
            next = if group.len() < GROUP { queue.try_recv().ok() } else { None };
        }
        commit(shared, group);
    }
    queue.close();
    shared.database.close();
    for reply in closing {
        let _ = reply.send(());
    }
}

/// Commits a group, and tells each of its callers. A write that is refused leaves no trace, and
/// does not hurt the others.
fn commit(shared: &Shared, mut group: Vec<Box<dyn Write>>) {
    while !group.is_empty() {
        match unpanicked(|| attempt(shared, &mut group)) {
            Ok(Attempt::Refused(at, error)) => group.remove(at).done(Err(error)),
            Ok(Attempt::Committed(serials)) => {
                for (space, serial) in serials {
                    shared.watches.tell(&space, serial);
                }
                group.drain(..).for_each(|write| write.done(Ok(())));
            }
            Err(error) => {
                group.drain(..).for_each(|write| write.done(Err(error.clone())));
            }
        }
    }
}

enum Attempt {
    Committed(BTreeMap<SpaceId, u64>),
    /// That write was refused after it had changed something: the others have to run again.
    Refused(usize, StoreError),
}

fn attempt(shared: &Shared, group: &mut Vec<Box<dyn Write>>) -> Result<Attempt, StoreError> {
    let (opening, transaction) = shared.database.begin_write()?;
    let result = fill(transaction, group);
    if matches!(&result, Err(error) if !error.is_refusal()) {
        shared.database.recover(opening);
    }
    result
}

fn fill(
    transaction: WriteTransaction,
    group: &mut Vec<Box<dyn Write>>,
) -> Result<Attempt, StoreError> {
    let tx = Tx::new(&transaction);
    let mut changed = false;
    let mut at = 0;
    while at < group.len() {
        tx.changed.set(false);
        match group[at].run(&tx) {
            Ok(()) => at += 1,
            Err(error) if !error.is_refusal() => return Err(error),
            Err(error) if tx.changed.get() => {
                transaction.abort()?;
                return Ok(Attempt::Refused(at, error));
            }
            Err(error) => group.remove(at).done(Err(error)),
        }
        changed |= tx.changed.get();
    }
    let serials = tx.serials.into_inner();
    if changed {
        transaction.commit()?;
    } else {
        transaction.abort()?;
    }
    Ok(Attempt::Committed(serials))
}
