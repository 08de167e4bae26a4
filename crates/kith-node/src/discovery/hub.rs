//! All ways of looking for peers together.

use std::collections::BTreeMap;

use kith_api::DiscoveryStatus;
use kith_overlay::transport::Way;
use tokio::sync::mpsc;

use super::{Finder, Found, Source};

/// Ways that need no source, because others push what they find; with what a person is told.
const PASSIVE: [(Way, &str); 3] = [
    (Way::Link, "Addresses inside the links that are opened."),
    (Way::Manual, "Addresses given by hand."),
    (Way::Exchange, "People in a space tell each other where the others are."),
];

/// The sources, and the queue that they fill.
pub struct Discovery {
    finder: Finder,
    sources: Vec<Box<dyn Source>>,
}

impl Discovery {
    /// No sources yet, and the receiving end of the queue.
    pub fn new() -> (Self, mpsc::Receiver<Found>) {
        let (finder, found) = Finder::new();
        (Self { finder, sources: Vec::new() }, found)
    }

    /// Where to push what is found.
    pub fn finder(&self) -> Finder {
        self.finder.clone()
    }

    /// Adds a source.
    pub fn add(&mut self, source: impl Source + 'static) {
        self.sources.push(Box::new(source));
    }

    /// Switches a way on or off.
    pub fn switch(&self, way: Way, on: bool) {
        for source in self.sources.iter().filter(|source| source.way() == way) {
            source.switch(on);
        }
    }

    /// How each way stands. `found` counts the peers found by each, as the overlay knows them.
    pub fn status(&self, found: &BTreeMap<Way, u32>) -> Vec<DiscoveryStatus> {
        let row = |way: Way, on, state| DiscoveryStatus {
            way: way.name().into(),
            on,
            found: found.get(&way).copied().unwrap_or(0),
            state,
        };
        let passive = PASSIVE.iter().map(|(way, state)| row(*way, true, (*state).into()));
        let active =
            self.sources.iter().map(|source| row(source.way(), source.is_on(), source.state()));
        passive.chain(active).collect()
    }

    /// Ends all sources; those that can say goodbye do.
    pub async fn stop(&mut self) {
        for source in self.sources.drain(..) {
            source.stop().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use kith_overlay::transport::PeerAddr;

    use super::super::FOUND_QUEUE;
    use super::*;

    struct Fake(AtomicBool);

    impl Source for Fake {
        fn way(&self) -> Way {
            Way::Lan
        }

        fn is_on(&self) -> bool {
            self.0.load(Ordering::Relaxed)
        }

        fn state(&self) -> String {
            "Fine.".into()
        }

        fn switch(&self, on: bool) {
            self.0.store(on, Ordering::Relaxed);
        }
    }

    #[test]
    fn each_way_says_how_it_stands() {
        let (mut discovery, _found) = Discovery::new();
        discovery.add(Fake(AtomicBool::new(true)));
        let status = discovery.status(&BTreeMap::from([(Way::Lan, 2), (Way::Link, 1)]));
        let rows: Vec<_> = status.iter().map(|row| (row.way.as_str(), row.found, row.on)).collect();
        assert_eq!(
            rows,
            [("link", 1, true), ("manual", 0, true), ("exchange", 0, true), ("lan", 2, true)]
        );
        discovery.switch(Way::Lan, false);
        assert!(!discovery.status(&BTreeMap::new())[3].on);
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let (discovery, mut found) = Discovery::new();
        let finder = discovery.finder();
        let id = iroh::SecretKey::from_bytes(&[1; 32]).public();
        let peer = Found { peer: PeerAddr::new(id, []), way: Way::Lan, spaces: Vec::new() };
        for _ in 0..FOUND_QUEUE {
            assert!(finder.offer(peer.clone()));
        }
        assert!(!finder.offer(peer.clone()));
        assert_eq!(finder.dropped(), 1);
        assert_eq!(found.try_recv(), Ok(peer));
    }
}
