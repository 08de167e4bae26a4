//! Peers that were met before, so that rejoining needs nobody's server; and who is blocked.

use std::net::SocketAddr;

use kith_log::SpaceId;
use redb::{ReadableTable, ReadableTableMetadata};
use serde::{Deserialize, Serialize};

use super::error::StoreError;
use super::open::Store;
use super::row;
use super::schema::{BLOCKED, PEERS};

/// Peers kept. Bounds the table at about 1 MB; who was seen the longest ago makes room.
pub const MAX_PEERS: usize = 1_024;
/// Addresses kept of one peer: the first ones given.
pub const MAX_PEER_ADDRESSES: usize = 8;
/// Spaces kept of one peer.
pub const MAX_PEER_SPACES: usize = 64;
/// Peers that a person can block.
pub const MAX_BLOCKED: usize = 4_096;

/// A peer that was met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerRecord {
    /// The endpoint's id.
    pub id: [u8; 32],
    /// Where it was reached, the best first.
    pub addresses: Vec<SocketAddr>,
    /// When it was last seen, in milliseconds since 1970.
    pub seen: u64,
    /// The spaces that it shares with us.
    pub spaces: Vec<SpaceId>,
}

#[derive(Serialize, Deserialize)]
struct PeerRow {
    addresses: Vec<SocketAddr>,
    seen: u64,
    spaces: Vec<[u8; 32]>,
}

impl Store {
    /// Keeps a peer, in the place of what was known of it.
    ///
    /// # Errors
    /// The disk's.
    pub async fn keep_peer(&self, mut peer: PeerRecord) -> Result<(), StoreError> {
        peer.addresses.truncate(MAX_PEER_ADDRESSES);
        peer.spaces.truncate(MAX_PEER_SPACES);
        let row = row::encode(&PeerRow {
            addresses: peer.addresses,
            seen: peer.seen,
            spaces: peer.spaces.iter().map(|space| *space.as_bytes()).collect(),
        });
        self.write(row.len(), move |tx| {
            let mut peers = tx.change(PEERS)?;
            peers.insert(&peer.id, row.as_slice())?;
            while peers.len()? > MAX_PEERS as u64 {
                let mut oldest: Option<(u64, [u8; 32])> = None;
                for entry in peers.iter()? {
                    let (id, row) = entry?;
                    let seen = decode(id.value(), row.value())?.seen;
                    if id.value() != peer.id && oldest.is_none_or(|(least, _)| seen < least) {
                        oldest = Some((seen, id.value()));
                    }
                }
                let Some((_, id)) = oldest else { break };
                peers.remove(&id)?;
            }
            Ok(())
        })
        .await
    }

    /// Forgets a peer.
    ///
    /// # Errors
    /// The disk's.
    pub async fn forget_peer(&self, id: [u8; 32]) -> Result<(), StoreError> {
        self.write(0, move |tx| {
            tx.change(PEERS)?.remove(&id)?;
            Ok(())
        })
        .await
    }

    /// All peers that are kept, those last seen first.
    ///
    /// # Errors
    /// The disk's.
    pub fn peers(&self) -> Result<Vec<PeerRecord>, StoreError> {
        let mut peers = self.read(|snapshot| {
            let table = snapshot.table(PEERS)?;
            let rows = table.iter()?;
            rows.map(|entry| {
                let (id, row) = entry?;
                decode(id.value(), row.value())
            })
            .collect::<Result<Vec<_>, StoreError>>()
        })?;
        peers.sort_by_key(|peer| std::cmp::Reverse(peer.seen));
        Ok(peers)
    }

    /// Blocks a peer, or takes that back.
    ///
    /// # Errors
    /// [`StoreError::Limit`] over [`MAX_BLOCKED`]; the disk's.
    pub async fn block_peer(&self, id: [u8; 32], blocked: bool) -> Result<(), StoreError> {
        self.write(0, move |tx| {
            let mut table = tx.change(BLOCKED)?;
            if !blocked {
                table.remove(&id)?;
                return Ok(());
            }
            table.insert(&id, ())?;
            if table.len()? > MAX_BLOCKED as u64 {
                return Err(StoreError::Limit("4,096 peers can be blocked"));
            }
            Ok(())
        })
        .await
    }

    /// The peers that are blocked.
    ///
    /// # Errors
    /// The disk's.
    pub fn blocked_peers(&self) -> Result<Vec<[u8; 32]>, StoreError> {
        self.read(|snapshot| {
            let table = snapshot.table(BLOCKED)?;
            let rows = table.iter()?;
            rows.map(|row| Ok(row?.0.value())).collect()
        })
    }
}

fn decode(id: [u8; 32], bytes: &[u8]) -> Result<PeerRecord, StoreError> {
    let row: PeerRow = row::decode("peers", bytes)?;
    Ok(PeerRecord {
        id,
        addresses: row.addresses,
        seen: row.seen,
        spaces: row.spaces.into_iter().map(SpaceId::from_bytes).collect(),
    })
}
