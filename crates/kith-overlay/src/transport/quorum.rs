//! Which of the addresses that peers see this node at are believed. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use super::addr::operator;
use super::limits::{MAX_OBSERVED, OBSERVED_QUORUM};
use super::{Scope, scope};

/// Sightings of this node.
#[derive(Debug, Default)]
pub(crate) struct Quorum {
    seen: BTreeMap<SocketAddr, Sighting>,
    believed: BTreeSet<SocketAddr>,
    count: u64,
}

#[derive(Debug, Default)]
struct Sighting {
    witnesses: BTreeSet<[u8; 7]>,
    last: u64,
}

impl Quorum {
    /// A peer at `witness` sees this node at `addr`. Returns the address when it is believed from
    /// now on: enough networks, which one operator can't all be, say the same.
    pub(crate) fn observe(&mut self, addr: SocketAddr, witness: &SocketAddr) -> Option<SocketAddr> {
        let global = |addr| scope(addr) == Some(Scope::Global);
        if !global(&addr) || !global(witness) || self.believed.contains(&addr) {
            return None;
        }
        self.count += 1;
        let sighting = self.seen.entry(addr).or_default();
        sighting.last = self.count;
        sighting.witnesses.insert(operator(witness));
        if sighting.witnesses.len() >= OBSERVED_QUORUM {
            self.seen.remove(&addr);
            self.believed.insert(addr);
            return Some(addr);
        }
        if self.seen.len() > MAX_OBSERVED {
            let oldest = self.seen.iter().min_by_key(|(_, seen)| seen.last).map(|(addr, _)| *addr);
            oldest.and_then(|oldest| self.seen.remove(&oldest));
        }
        None
    }

    /// Believed addresses of the same family as `addr`, other than it: out of date now.
    pub(crate) fn outdated(&mut self, addr: &SocketAddr) -> Vec<SocketAddr> {
        let old = |other: &SocketAddr| other != addr && other.is_ipv4() == addr.is_ipv4();
        let outdated: Vec<_> = self.believed.iter().copied().filter(old).collect();
        self.believed.retain(|other| !old(other));
        outdated
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_operator_is_not_believed() {
        let mut quorum = Quorum::default();
        for host in 0..=255 {
            assert_eq!(
                quorum.observe(at("1.2.3.4:5"), &SocketAddr::from(([9, 9, host, 1], 1))),
                None
            );
        }
        assert_eq!(quorum.observe(at("1.2.3.4:5"), &at("8.8.8.8:1")), None);
        assert_eq!(quorum.observe(at("1.2.3.4:5"), &at("7.7.7.7:1")), Some(at("1.2.3.4:5")));
        assert_eq!(quorum.observe(at("1.2.3.4:5"), &at("6.6.6.6:1")), None, "said once");
    }

    #[test]
    fn private_sightings_count_for_nothing() {
        let mut quorum = Quorum::default();
        for n in 1..=9 {
            quorum.observe(at("10.0.0.1:5"), &SocketAddr::from(([n, 1, 1, 1], 1)));
            quorum.observe(at("1.2.3.4:5"), &SocketAddr::from(([10, n, 1, 1], 1)));
        }
        assert!(quorum.seen.is_empty() && quorum.believed.is_empty());
    }

    #[test]
    fn liars_fill_no_memory() {
        let mut quorum = Quorum::default();
        for n in 1..=5_000u16 {
            let [a, b] = n.to_be_bytes();
            quorum.observe(SocketAddr::from(([8, 1, a, b], n)), &at("9.9.9.9:1"));
        }
        assert!(quorum.seen.len() <= MAX_OBSERVED);
    }
}
