//! Peers that broke the protocol, and until when they are kept out. Pure: time comes in.

use std::collections::BTreeMap;

use iroh::EndpointId;
use n0_future::time::{Duration, Instant};

use super::limits::{BAN_DECAY, BAN_FIRST, BAN_LAST, MAX_BANS};

/// Who is kept out. A ban ends by itself; who breaks the protocol again soon after is kept out for
/// longer.
#[derive(Debug, Default)]
pub(crate) struct Bans(BTreeMap<EndpointId, Ban>);

#[derive(Clone, Copy, Debug)]
struct Ban {
    /// How often it broke the protocol; never 0.
    strikes: u32,
    until: Instant,
}

impl Ban {
    /// The strikes that time has not made up for.
    fn left(&self, now: Instant) -> u32 {
        let passed = now.saturating_duration_since(self.until).as_secs() / BAN_DECAY.as_secs();
        self.strikes.saturating_sub(u32::try_from(passed).unwrap_or(u32::MAX))
    }
}

impl Bans {
    /// A peer broke the protocol. Returns until when it is kept out.
    pub(crate) fn strike(&mut self, now: Instant, id: EndpointId) -> Instant {
        let strikes = self.0.get(&id).map_or(0, |ban| ban.left(now)).saturating_add(1);
        let until = now + length(strikes);
        self.0.retain(|_, ban| ban.left(now) > 0);
        self.0.insert(id, Ban { strikes, until });
        if self.0.len() > MAX_BANS {
            let others = self.0.iter().filter(|(other, _)| **other != id);
            let first = others.min_by_key(|(_, ban)| ban.until).map(|(other, _)| *other);
            first.and_then(|first| self.0.remove(&first));
        }
        until
    }

    /// Until when a peer is kept out; none where it is not.
    pub(crate) fn until(&self, now: Instant, id: &EndpointId) -> Option<Instant> {
        self.0.get(id).map(|ban| ban.until).filter(|until| *until > now)
    }

    /// A person lets the peer in again.
    pub(crate) fn lift(&mut self, id: &EndpointId) {
        self.0.remove(id);
    }
}

/// How long the ban after so many strikes is.
fn length(strikes: u32) -> Duration {
    BAN_FIRST.saturating_mul(1 << strikes.saturating_sub(1).min(20)).min(BAN_LAST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u16) -> EndpointId {
        let mut seed = [0; 32];
        seed[..2].copy_from_slice(&n.to_be_bytes());
        iroh::SecretKey::from_bytes(&seed).public()
    }

    #[test]
    fn bans_grow_and_end_and_are_forgotten() {
        let mut now = Instant::now();
        let mut bans = Bans::default();
        assert_eq!(bans.until(now, &id(1)), None);
        let mut last = Duration::ZERO;
        for _ in 0..12 {
            let until = bans.strike(now, id(1));
            assert_eq!(bans.until(now, &id(1)), Some(until));
            let length = until - now;
            assert!(length == last * 2 || last.is_zero() || length == BAN_LAST, "{length:?}");
            (now, last) = (until, length);
            assert_eq!(bans.until(now, &id(1)), None, "it has ended");
        }
        assert_eq!(last, BAN_LAST);
        assert_eq!(bans.until(now, &id(2)), None);
        // Who kept to the protocol for long enough begins at the beginning.
        now += BAN_DECAY * 12;
        assert_eq!(bans.strike(now, id(1)) - now, BAN_FIRST);
        bans.lift(&id(1));
        assert_eq!(bans.until(now, &id(1)), None);
        assert_eq!(bans.strike(now, id(1)) - now, BAN_FIRST);
    }

    #[test]
    fn many_ids_fill_no_memory() {
        let mut now = Instant::now();
        let mut bans = Bans::default();
        let worst = id(0);
        for _ in 0..7 {
            now = bans.strike(now, worst);
        }
        let until = bans.strike(now, worst);
        for n in 1..=3_000 {
            bans.strike(now, id(n));
        }
        assert_eq!(bans.0.len(), MAX_BANS);
        assert_eq!(bans.until(now, &worst), Some(until), "the longest stays");
        assert!(bans.until(now, &id(3_000)).is_some());
        bans.strike(now + BAN_LAST * 100, id(1));
        assert_eq!(bans.0.len(), 1, "what time made up for goes");
    }
}
