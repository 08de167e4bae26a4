//! Nodes and the lines between them, all steps chosen by one seeded generator.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use kith_log::sync::{Action, Config, Order, PeerId, SpaceSync, Ticket};
use kith_log::{
    AuthorId, AuthorSecret, Body, BodyKind, Draft, Opening, SpaceId, VerifiedRun, append,
};

use crate::store::{Store, StoredLog};

pub const ADMISSION: [u8; 32] = [1; 32];

/// SplitMix64: small, seeded, good enough to choose steps.
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    pub fn chance(&mut self, percent: u64) -> bool {
        self.next() % 100 < percent
    }
}

/// Prints the seed when a test fails.
pub struct SeedOnPanic(pub u64);

impl Drop for SeedOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("the seed is {}", self.0);
        }
    }
}

pub enum Work {
    Store(Ticket, Box<VerifiedRun>),
    Load(Ticket, AuthorId, u64),
}

pub struct Node {
    pub index: usize,
    pub incarnation: u8,
    pub order: Order,
    pub secret: AuthorSecret,
    /// Its authors before, with the logs that it wrote.
    pub past: BTreeSet<AuthorId>,
    pub store: Store,
    pub sync: SpaceSync,
    pub work: VecDeque<Work>,
    /// The other node of each peer.
    pub peers: BTreeMap<PeerId, usize>,
    pub forks: BTreeSet<AuthorId>,
    pub behind: Vec<(AuthorId, bool)>,
    pub quotas_reached: Vec<Option<AuthorId>>,
}

/// What is on its way from one node to another, in order, in two lanes.
#[derive(Default)]
pub struct Line {
    pub direct: VecDeque<Vec<u8>>,
    pub bulk: VecDeque<Vec<u8>>,
}

pub struct World {
    pub space: SpaceId,
    pub rng: Rng,
    pub now: Duration,
    pub nodes: Vec<Node>,
    /// From the first node to the second.
    pub lines: BTreeMap<(usize, usize), Line>,
    /// The number under which the first node knows the second.
    ids: BTreeMap<(usize, usize), PeerId>,
    next_id: PeerId,
    /// In percent of messages.
    pub loss: u64,
    pub duplication: u64,
    /// Lines on which nothing arrives any more.
    pub silent: BTreeSet<(usize, usize)>,
    /// Lines whose bulk arrives by [`World::deliver`] alone.
    pub slow: BTreeSet<(usize, usize)>,
    pub sent_bytes: usize,
    /// All messages that were sent, where they are wanted.
    pub tap: Option<Vec<Vec<u8>>>,
}

/// First entries of authors that nobody knows, all admitted.
pub fn sybils(space: &SpaceId, admission: &[u8; 32], count: u8) -> Vec<VerifiedRun> {
    let secrets = (0..count).map(|i| AuthorSecret::from_seed(&[100 + i; 32]));
    secrets
        .map(|secret| {
            let body = Opening::admit(admission, &secret.author(), None).to_body();
            let drafts = vec![Draft { lamport: 1, time_ms: 0, epoch: 0, body }];
            append(&secret, space, None, drafts).unwrap()
        })
        .collect()
}

fn secret(index: usize, incarnation: u8) -> AuthorSecret {
    let mut seed = [7; 32];
    seed[0] = index as u8;
    seed[1] = incarnation;
    AuthorSecret::from_seed(&seed)
}

impl World {
    pub fn new(seed: u64, nodes: usize) -> Self {
        let space = SpaceId::from_bytes(*AuthorSecret::from_seed(&ADMISSION).author().as_bytes());
        let mut world = Self {
            space,
            rng: Rng(seed),
            now: Duration::ZERO,
            nodes: Vec::new(),
            lines: BTreeMap::new(),
            ids: BTreeMap::new(),
            next_id: 0,
            loss: 0,
            duplication: 0,
            silent: BTreeSet::new(),
            slow: BTreeSet::new(),
            sent_bytes: 0,
            tap: None,
        };
        (0..nodes).for_each(|_| world.add_node());
        world
    }

    pub fn add_node(&mut self) {
        let index = self.nodes.len();
        let secret = secret(index, 0);
        let sync = SpaceSync::new(Config::new(self.space, Some(secret.author())), []);
        self.nodes.push(Node {
            index,
            incarnation: 0,
            order: Order::OldestFirst,
            secret,
            past: BTreeSet::new(),
            store: Store::default(),
            sync,
            work: VecDeque::new(),
            peers: BTreeMap::new(),
            forks: BTreeSet::new(),
            behind: Vec::new(),
            quotas_reached: Vec::new(),
        });
    }

    /// Begins a node's machine anew with another configuration.
    pub fn configure(&mut self, at: usize, change: impl FnOnce(&mut Config)) {
        let node = &mut self.nodes[at];
        let mut config = Config::new(self.space, Some(node.secret.author()));
        config.past.clone_from(&node.past);
        config.order = node.order;
        change(&mut config);
        node.sync = SpaceSync::new(config, node.store.known());
    }

    pub fn connected(&self, a: usize, b: usize) -> bool {
        self.lines.contains_key(&(a, b))
    }

    pub fn connect(&mut self, a: usize, b: usize) {
        if a == b || self.connected(a, b) {
            return;
        }
        for (from, to) in [(a, b), (b, a)] {
            self.next_id += 1;
            self.ids.insert((from, to), self.next_id);
            self.lines.insert((from, to), Line::default());
            self.nodes[from].peers.insert(self.next_id, to);
        }
        for (from, to) in [(a, b), (b, a)] {
            let id = self.ids[&(from, to)];
            self.nodes[from].sync.peer_joined(self.now, id);
            self.drain(from);
        }
    }

    pub fn connect_all(&mut self) {
        for a in 0..self.nodes.len() {
            (0..a).for_each(|b| self.connect(a, b));
        }
    }

    /// One side takes the line for a new one, and the other doesn't know.
    pub fn join_again(&mut self, from: usize, to: usize) {
        let id = self.ids[&(from, to)];
        self.nodes[from].sync.peer_joined(self.now, id);
        self.drain(from);
    }

    pub fn disconnect(&mut self, a: usize, b: usize) {
        for (from, to) in [(a, b), (b, a)] {
            if let Some(id) = self.ids.remove(&(from, to)) {
                self.lines.remove(&(from, to));
                self.nodes[from].peers.remove(&id);
                self.nodes[from].sync.peer_left(self.now, id);
                self.drain(from);
            }
        }
    }

    /// Does what the machine of a node asks for; the store's part is queued.
    pub fn drain(&mut self, at: usize) {
        while let Some(action) = self.nodes[at].sync.poll_action() {
            let node = &mut self.nodes[at];
            match action {
                Action::Send { peer, bulk, message } => {
                    let Some(&to) = node.peers.get(&peer) else { continue };
                    self.sent_bytes += message.len();
                    self.tap.iter_mut().for_each(|tap| tap.push(message.clone()));
                    let line = self.lines.get_mut(&(at, to)).expect("a peer has a line");
                    if bulk { line.bulk.push_back(message) } else { line.direct.push_back(message) }
                }
                Action::Store { ticket, run, .. } => node.work.push_back(Work::Store(ticket, run)),
                Action::Load { ticket, author, index } => {
                    node.work.push_back(Work::Load(ticket, author, index));
                }
                Action::Misbehaved { peer, error } => {
                    panic!("{at} says that {:?} misbehaved: {error}", node.peers.get(&peer))
                }
                Action::Forked { author, proof } => {
                    proof.verify(&self.space).expect("a fork is proven");
                    node.forks.insert(author);
                }
                Action::OwnLogAhead { author, diverged, .. } => {
                    node.behind.push((author, diverged));
                    self.next_incarnation(at, author, diverged);
                }
                Action::QuotaReached { author } => node.quotas_reached.push(author),
            }
        }
    }

    /// What a node does when it finds its store to be old.
    fn next_incarnation(&mut self, at: usize, before: AuthorId, diverged: bool) {
        if self.nodes[at].secret.author() == before {
            let run = self.begin_next(at);
            let node = &mut self.nodes[at];
            node.sync.set_own(self.now, Some(*run.author()));
            node.sync.appended(self.now, &run);
        }
        if diverged {
            // Loads of it that are under way find nothing.
            let node = &mut self.nodes[at];
            node.store.logs.remove(&before);
            node.past.remove(&before);
            node.work
                .retain(|work| !matches!(work, Work::Store(_, run) if *run.author() == before));
            node.sync.forget(self.now, &before);
        }
        self.drain(at);
    }

    /// Begins the next incarnation in a node's store; its machine is not told.
    pub fn begin_next(&mut self, at: usize) -> VerifiedRun {
        let node = &mut self.nodes[at];
        let previous = node.secret.clone();
        node.past.insert(previous.author());
        node.incarnation += 1;
        node.secret = secret(node.index, node.incarnation);
        let opening = Opening::admit(&ADMISSION, &node.secret.author(), Some(&previous));
        let (lamport, body) = (node.store.lamport() + 1, opening.to_body());
        let drafts = vec![Draft { lamport, time_ms: 0, epoch: 0, body }];
        let run = append(&node.secret, &self.space, None, drafts).unwrap();
        node.store.add(&run);
        run
    }

    pub fn append(&mut self, at: usize, entries: usize, size: usize) {
        let node = &mut self.nodes[at];
        let author = node.secret.author();
        let mut lamport = node.store.lamport();
        let mut draft = |body| {
            lamport += 1;
            Draft { lamport, time_ms: 1000 * lamport, epoch: 0, body }
        };
        let known = node.store.logs.get(&author).map(|log| log.known.clone());
        let mut drafts = Vec::new();
        if known.is_none() {
            drafts.push(draft(Opening::admit(&ADMISSION, &author, None).to_body()));
        }
        for _ in 0..entries {
            let mut payload = vec![0; size];
            payload.iter_mut().for_each(|byte| *byte = self.rng.next() as u8);
            drafts.push(draft(Body::new(BodyKind::Bytes, payload).to_plain().unwrap()));
        }
        let run = append(&node.secret, &self.space, known.as_ref(), drafts).unwrap();
        node.store.add(&run);
        node.sync.appended(self.now, &run);
        self.drain(at);
    }

    /// The process dies: what the store hadn't done is gone, and all lines are cut.
    pub fn restart(&mut self, at: usize) {
        (0..self.nodes.len()).for_each(|other| self.disconnect(at, other));
        self.nodes[at].work.clear();
        self.configure(at, |_| ());
    }

    pub fn deliver(&mut self, from: usize, to: usize, bulk: bool) -> bool {
        let Some(line) = self.lines.get_mut(&(from, to)) else { return false };
        let lane = if bulk { &mut line.bulk } else { &mut line.direct };
        let Some(message) = lane.pop_front() else { return false };
        let times = match () {
            () if self.silent.contains(&(from, to)) || self.rng.chance(self.loss) => 0,
            () if self.rng.chance(self.duplication) => 2,
            () => 1,
        };
        if bulk {
            let id = self.ids[&(from, to)];
            self.nodes[from].sync.bulk_sent(self.now, id);
            self.drain(from);
        }
        for _ in 0..times {
            if let Some(&id) = self.ids.get(&(to, from)) {
                self.nodes[to].sync.handle_message(self.now, id, &message);
                self.drain(to);
            }
        }
        true
    }

    /// Does the oldest work of a node's store.
    pub fn work(&mut self, at: usize) -> bool {
        let node = &mut self.nodes[at];
        match node.work.pop_front() {
            Some(Work::Store(ticket, run)) => {
                node.store.add(&run);
                node.sync.stored(self.now, ticket);
            }
            Some(Work::Load(ticket, author, index)) => {
                let segment = node.store.load(&author, index);
                node.sync.loaded(self.now, ticket, segment);
            }
            None => return false,
        }
        self.drain(at);
        true
    }

    /// The store fails at all that it has to do for the author of its oldest run.
    pub fn fail_work(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        if let Some(Work::Store(ticket, run)) = node.work.front() {
            let (ticket, author) = (*ticket, *run.author());
            node.work
                .retain(|work| !matches!(work, Work::Store(_, run) if *run.author() == author));
            node.sync.store_failed(self.now, ticket);
            self.drain(at);
        }
    }

    pub fn tick(&mut self, at: usize) {
        if self.nodes[at].sync.poll_timeout().is_some_and(|(when, _)| when <= self.now) {
            self.nodes[at].sync.handle_timeout(self.now);
            self.drain(at);
        }
    }

    /// One pass over all that can happen; `false` when there was nothing.
    pub fn pass(&mut self) -> bool {
        let mut busy = false;
        for at in 0..self.nodes.len() {
            while self.work(at) {
                busy = true;
            }
            self.tick(at);
        }
        let lines: Vec<_> = self.lines.keys().copied().collect();
        for (from, to) in lines {
            let Some(line) = self.lines.get(&(from, to)) else { continue };
            let bulk = if self.slow.contains(&(from, to)) { 0 } else { line.bulk.len() };
            let direct = line.direct.len();
            for (lane, count) in [(false, direct), (true, bulk)] {
                for _ in 0..count {
                    busy |= self.deliver(from, to, lane);
                }
            }
        }
        busy
    }

    /// Lets everything happen that can, for this long.
    pub fn settle(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let mut passes = 0;
            while self.pass() {
                passes += 1;
                assert!(passes < 100_000, "the swarm never comes to rest");
            }
            let timeouts = self.nodes.iter().filter_map(|node| node.sync.poll_timeout());
            match timeouts.map(|(at, _)| at).min() {
                Some(at) if at <= end => {
                    assert!(at > self.now || passes > 0, "a timer that is never done");
                    self.now = self.now.max(at);
                    (0..self.nodes.len()).for_each(|at| self.tick(at));
                }
                Some(_) | None => break,
            }
        }
        self.now = end;
    }

    pub fn assert_equal(&self) {
        let first = &self.nodes[0].store.logs;
        for node in &self.nodes[1..] {
            let sizes = |logs: &BTreeMap<AuthorId, StoredLog>| -> Vec<_> {
                logs.iter().map(|(author, log)| (*author, log.known.size())).collect()
            };
            assert_eq!(sizes(first), sizes(&node.store.logs), "of 0 and {}", node.index);
            for (author, log) in first {
                let other = &node.store.logs[author];
                assert_eq!(log.known.head.range, other.known.head.range);
                let indices = |log: &StoredLog| log.entries.keys().copied().collect::<Vec<_>>();
                assert_eq!(indices(log), indices(other), "of {author} at 0 and {}", node.index);
                assert!(log.entries == other.entries, "of {author} at 0 and {}", node.index);
            }
        }
    }

    pub fn assert_no_fork(&self) {
        for node in &self.nodes {
            assert!(node.forks.is_empty(), "{} sees forks: {:?}", node.index, node.forks);
        }
    }
}
