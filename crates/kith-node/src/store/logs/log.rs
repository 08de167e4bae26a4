//! One log's row.

use kith_log::{AuthorId, KnownLog, SpaceId};
use redb::ReadableTable;
use serde::{Deserialize, Serialize};

use super::{LOGS, Pair};
use crate::store::error::StoreError;
use crate::store::row;
use crate::store::writer::Tx;

#[derive(Serialize, Deserialize)]
pub(super) struct LogRow {
    number: u64,
    known: Vec<u8>,
    member: [u8; 32],
    forked: bool,
}

/// What is known of a log, and where it stands in the tables.
#[derive(Clone, Debug)]
pub(super) struct Log {
    /// Its number on this node.
    pub(super) number: u64,
    /// What is held of it.
    pub(super) known: KnownLog,
    /// Whose it is.
    pub(super) member: AuthorId,
    /// Whether its author signed two histories.
    pub(super) forked: bool,
}

impl Log {
    pub(super) fn encode(&self) -> Vec<u8> {
        row::encode(&LogRow {
            number: self.number,
            known: self.known.encode(),
            member: *self.member.as_bytes(),
            forked: self.forked,
        })
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        let log: LogRow = row::decode("logs", bytes)?;
        Ok(Self {
            number: log.number,
            known: KnownLog::decode(&log.known).map_err(|_| StoreError::bad_row("logs"))?,
            member: AuthorId::from_bytes(log.member),
            forked: log.forked,
        })
    }
}

/// A log, where it is known.
pub(super) fn find(
    logs: &impl ReadableTable<Pair, &'static [u8]>,
    space: &SpaceId,
    author: &AuthorId,
) -> Result<Option<Log>, StoreError> {
    let key = (*space.as_bytes(), *author.as_bytes());
    logs.get(key)?.map(|row| Log::decode(row.value())).transpose()
}

/// Keeps a log's row.
pub(super) fn keep(
    tx: &Tx<'_>,
    space: &SpaceId,
    author: &AuthorId,
    log: &Log,
) -> Result<(), StoreError> {
    let key = (*space.as_bytes(), *author.as_bytes());
    tx.change(LOGS)?.insert(key, log.encode().as_slice())?;
    Ok(())
}
