//! One known peer: where it is, why it is wanted, and when it is dialled next.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use kith_log::SpaceId;
use n0_future::time::{Duration, Instant};

use super::control::{ConnectionName, RunId};
use super::limits::{BACKOFF_FIRST, BACKOFF_LAST, GIVE_WAY_FAILURES, MAX_ADDRESSES};
use super::traffic::Counts;
use super::{PeerState, Reason, Way};

/// A connection that said Hello.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    /// The peer's number in this process.
    pub(crate) number: u64,
    pub(crate) run_id: RunId,
    /// What both sides call the connection.
    pub(crate) name: ConnectionName,
    /// Whether this node dialled.
    pub(crate) dialled: bool,
    pub(crate) since: Instant,
}

#[derive(Debug)]
pub(super) struct Address {
    pub(super) addr: SocketAddr,
    pub(super) worked: bool,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Link {
    #[default]
    Idle,
    Dialling,
    Connected(Slot),
}

/// One known peer.
#[derive(Debug)]
pub(crate) struct Known {
    pub(super) addresses: Vec<Address>,
    /// Where it came from, the last time that it dialled: the overlay has one socket, for dialling
    /// and for being dialled.
    pub(super) came_from: Option<SocketAddr>,
    pub(super) ways: BTreeSet<Way>,
    pub(super) reasons: BTreeSet<Reason>,
    pub(super) spaces: BTreeSet<SpaceId>,
    pub(super) blocked: bool,
    pub(super) link: Link,
    /// The connection with it that ended last.
    pub(super) lost: ConnectionName,
    pub(super) failures: u32,
    pub(super) next_try: Option<Instant>,
    pub(super) error: Option<String>,
    pub(super) heard: Instant,
    pub(crate) counts: Arc<Counts>,
}

/// The wait after so many failures: full jitter over an exponential limit (AWS, "Exponential
/// Backoff and Jitter"), so that nodes that lost each other do not come back in step.
pub(crate) fn backoff(failures: u32, jitter: u64) -> Duration {
    let limit = BACKOFF_FIRST.saturating_mul(1 << failures.min(20)).min(BACKOFF_LAST);
    let share = (u128::from(jitter) * limit.as_micros()) >> 64;
    Duration::from_micros(u64::try_from(share).expect("less than the limit"))
}

impl Known {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            addresses: Vec::new(),
            came_from: None,
            ways: BTreeSet::new(),
            reasons: BTreeSet::new(),
            spaces: BTreeSet::new(),
            blocked: false,
            link: Link::Idle,
            lost: ConnectionName::default(),
            failures: 0,
            next_try: None,
            error: None,
            heard: now,
            counts: Arc::default(),
        }
    }

    pub(crate) fn state(&self) -> PeerState {
        match (&self.link, self.blocked) {
            (_, true) => PeerState::Blocked,
            (Link::Connected(_), _) => PeerState::Connected,
            (Link::Dialling, _) => PeerState::Dialling,
            (Link::Idle, _) if self.wanted() => PeerState::Waiting,
            (Link::Idle, _) => PeerState::Idle,
        }
    }

    pub(crate) fn slot(&self) -> Option<&Slot> {
        match &self.link {
            Link::Connected(slot) => Some(slot),
            Link::Idle | Link::Dialling => None,
        }
    }

    pub(crate) fn ways(&self) -> &BTreeSet<Way> {
        &self.ways
    }

    pub(crate) fn reasons(&self) -> &BTreeSet<Reason> {
        &self.reasons
    }

    pub(crate) fn spaces(&self) -> &BTreeSet<SpaceId> {
        &self.spaces
    }

    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    pub(crate) fn next_try(&self) -> Option<Instant> {
        self.next_try.filter(|_| self.dialable())
    }

    pub(crate) fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    /// All addresses, the one where the peer came from among them.
    pub(crate) fn to_dial(&self) -> Vec<SocketAddr> {
        let known = |addr: &SocketAddr| self.addresses.iter().any(|known| known.addr == *addr);
        let came_from = self.came_from.filter(|addr| !known(addr));
        let room = MAX_ADDRESSES - usize::from(came_from.is_some());
        let addresses = self.addresses.iter().map(|address| address.addr).take(room);
        addresses.chain(came_from).collect()
    }

    pub(crate) fn addresses_that_worked(&self) -> Vec<SocketAddr> {
        self.addresses.iter().filter(|a| a.worked).map(|a| a.addr).collect()
    }

    pub(super) fn wanted(&self) -> bool {
        !self.reasons.is_empty() && !self.blocked
    }

    pub(super) fn dialable(&self) -> bool {
        let somewhere = !self.addresses.is_empty() || self.came_from.is_some();
        self.link == Link::Idle && self.wanted() && somewhere
    }

    /// Whether it was tried often enough.
    pub(super) fn is_given_up(&self) -> bool {
        self.failures >= GIVE_WAY_FAILURES && self.link == Link::Idle
    }

    /// Whether it is known by what others said, or said of themselves, alone.
    pub(super) fn is_named_only(&self) -> bool {
        let named =
            |way: &Way| matches!(way, Way::Exchange | Way::Introduce | Way::Lan | Way::Incoming);
        self.ways.iter().all(named)
    }

    /// Whether it is known by that alone, and was tried and never reached.
    pub(super) fn is_hearsay(&self) -> bool {
        self.is_given_up()
            && self.addresses.iter().all(|address| !address.worked)
            && self.is_named_only()
    }

    pub(super) fn unwant(&mut self, reason: Reason) {
        self.reasons.remove(&reason);
        if self.reasons.is_empty() {
            self.next_try = None;
        }
    }

    pub(super) fn wait(&mut self, now: Instant, jitter: u64) {
        if self.wanted() {
            self.next_try = Some(now + backoff(self.failures, jitter));
        }
        self.failures = self.failures.saturating_add(1);
    }

    /// True where the address is new. It takes the place of the newest one that never worked.
    pub(super) fn note(&mut self, addr: SocketAddr) -> bool {
        if self.addresses.iter().any(|known| known.addr == addr) {
            return false;
        }
        if self.addresses.len() >= MAX_ADDRESSES {
            match self.addresses.iter().rposition(|known| !known.worked) {
                Some(at) => self.addresses.remove(at),
                None => return false,
            };
        }
        self.addresses.push(Address { addr, worked: false });
        true
    }

    /// The address that worked last stands first.
    pub(super) fn worked(&mut self, addr: SocketAddr) {
        self.addresses.retain(|known| known.addr != addr);
        self.addresses.insert(0, Address { addr, worked: true });
        self.addresses.truncate(MAX_ADDRESSES);
    }
}
