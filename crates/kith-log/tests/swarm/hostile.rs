//! Peers that send what they shouldn't: nobody panics, believes it, or grows without limit.

use std::time::Duration;

use kith_log::sync::{Action, At, Config, Message, Order, Part, PeerId, Quotas, SpaceSync};
use kith_log::{AuthorId, Checkpoint};

use crate::store::Store;
use crate::world::{ADMISSION, Rng, SeedOnPanic, World};

/// Messages of an honest conversation, to be changed.
fn conversation(seed: u64) -> (World, Vec<Vec<u8>>) {
    let mut world = World::new(seed, 3);
    world.tap = Some(Vec::new());
    world.connect_all();
    for at in 0..3 {
        (0..10).for_each(|_| world.append(at, 2, 100));
        world.append(at, 1, 50_000);
    }
    world.settle(Duration::from_secs(3600));
    let messages = world.tap.take().expect("it was just set");
    (world, messages)
}

fn mutate(rng: &mut Rng, message: &mut Vec<u8>) {
    match rng.below(5) {
        0 if !message.is_empty() => {
            let at = rng.below(message.len());
            message[at] ^= 1 << rng.below(8);
        }
        1 => message.truncate(rng.below(message.len() + 1)),
        2 => message.push(rng.next() as u8),
        3 if !message.is_empty() => {
            let at = rng.below(message.len().min(80));
            message[at] = rng.next() as u8;
        }
        _ => {}
    }
}

/// Messages that decode, and mean mischief.
fn forge(rng: &mut Rng, authors: &[AuthorId]) -> Vec<u8> {
    let known = authors[rng.below(authors.len())];
    let stranger = AuthorId::from_bytes(std::array::from_fn(|_| rng.next() as u8));
    let author = if rng.chance(50) { known } else { stranger };
    let size = [1, 5, 1000, u64::MAX][rng.below(4)];
    let head = Checkpoint { author, size, root: [7; 32], signature: [7; 64] };
    let have = rng.chance(50).then_some(([7; 32], [7; 64]));
    let runs = 255;
    let message = match rng.below(7) {
        0 => Message::Heads { part: Part::News, heads: vec![head] },
        1 => Message::Heads { part: Part::ListGoesOn, heads: vec![head] },
        2 => Message::Want { author, at: At::From { index: size % 7, have }, runs },
        3 => Message::Want { author, at: At::Before { index: size }, runs },
        4 => Message::More { author, runs },
        5 => Message::Nothing { author },
        _ => Message::Compare { digest: [rng.next() as u8; 32] },
    };
    message.encode()
}

/// A node among hostile peers: what it stores and loads is done at once.
struct Victim {
    sync: SpaceSync,
    store: Store,
    accused: Vec<PeerId>,
    sent: usize,
    now: Duration,
}

impl Victim {
    fn drain(&mut self) {
        loop {
            let mut work = Vec::new();
            while let Some(action) = self.sync.poll_action() {
                match action {
                    Action::Send { message, peer, bulk } => {
                        self.sent += message.len();
                        work.extend(bulk.then_some(Action::Send { peer, bulk, message }));
                    }
                    Action::Misbehaved { peer, .. } => self.accused.push(peer),
                    Action::Forked { author, .. } => panic!("a fork of {author} was forged"),
                    Action::OwnLogAhead { .. } => panic!("a head of our own log was forged"),
                    other => work.push(other),
                }
            }
            if work.is_empty() {
                return;
            }
            for action in work {
                match action {
                    Action::Store { ticket, run, .. } => {
                        self.store.add(&run);
                        self.sync.stored(self.now, ticket);
                    }
                    Action::Load { ticket, author, index } => {
                        let segment = self.store.load(&author, index);
                        self.sync.loaded(self.now, ticket, segment);
                    }
                    Action::Send { peer, .. } => self.sync.bulk_sent(self.now, peer),
                    _ => {}
                }
            }
        }
    }
}

#[test]
fn hostile_messages_do_no_harm() {
    for seed in crate::seeds().take(20) {
        let _seed = SeedOnPanic(seed);
        let (world, messages) = conversation(seed);
        let mut rng = Rng(seed);
        let authors: Vec<_> = world.nodes[0].store.logs.keys().copied().collect();
        let own = world.nodes[0].secret.author();
        let quotas = Quotas { authors: 12, ..Quotas::default() };
        let newest_first = seed % 5 == 4;
        let order = if newest_first { Order::NewestFirst } else { Order::OldestFirst };
        let config = Config { quotas, order, ..Config::new(world.space, Some(own)) };
        // Half of the victims know the logs, half know their own alone.
        let mut store = world.nodes[0].store.clone();
        store.logs.retain(|author, _| seed % 2 == 0 || *author == own);
        let sync = SpaceSync::new(config, store.known());
        let now = Duration::ZERO;
        let mut victim = Victim { sync, store, accused: Vec::new(), sent: 0, now };
        let mut next_peer = 2;
        let mut peers = [0, 1];
        (0..2).for_each(|peer| victim.sync.peer_joined(now, peer));
        for step in 0..3000 {
            let which = rng.below(2);
            let message = if rng.chance(30) {
                forge(&mut rng, &authors)
            } else {
                let mut message = messages[rng.below(messages.len())].clone();
                mutate(&mut rng, &mut message);
                message
            };
            victim.sync.handle_message(victim.now, peers[which], &message);
            victim.drain();
            if victim.accused.contains(&peers[which]) {
                peers[which] = next_peer;
                victim.sync.peer_joined(victim.now, next_peer);
                next_peer += 1;
                victim.accused.clear();
            }
            let author = authors[rng.below(authors.len())];
            if newest_first && rng.chance(5) {
                let _ = victim.sync.fetch_older(victim.now, &author);
            }
            victim.now += Duration::from_millis(rng.next() % 3000);
            if victim.sync.poll_timeout().is_some_and(|(at, _)| at <= victim.now) {
                victim.sync.handle_timeout(victim.now);
            }
            victim.drain();
            if step % 50 == 0 {
                let state = format!("{:?}", victim.sync).len();
                assert!(state < 200_000, "step {step}: the state prints as {state} characters");
            }
        }
        assert!(next_peer > 10, "broken messages go unpunished");
        // What it holds is what honest members wrote, no more and no less of it.
        for (author, log) in &victim.store.logs {
            let honest = &world.nodes[0].store.logs[author];
            assert!(log.entries.iter().all(|(index, entry)| honest.entries[index] == *entry));
        }
        if newest_first {
            continue;
        }
        // And it is still of use to an honest member.
        let mut again = World::new(seed, 2);
        assert_eq!(again.nodes[0].secret.author(), own);
        again.nodes[0].store = victim.store;
        again.restart(0);
        again.connect(0, 1);
        again.settle(Duration::from_secs(3600));
        again.assert_equal();
    }
}

#[test]
fn a_run_of_the_middle_that_nobody_asked_for_hides_no_beginning() {
    let mut world = World::new(1, 3);
    (0..30).for_each(|_| world.append(0, 100, 200));
    let author = world.nodes[0].secret.author();
    let known = world.nodes[0].store.logs[&author].known.clone();
    let newest = world.nodes[0].store.load(&author, known.size() - 1).unwrap();
    assert!(newest.start() > 0);
    let newest = Message::Run(newest.into_run(&author, Some(&known.opening))).encode();
    world.connect(1, 2);
    let liar = *world.nodes[1].peers.keys().next().unwrap();
    world.nodes[1].sync.handle_message(world.now, liar, &newest);
    world.drain(1);
    world.settle(Duration::from_secs(60));
    world.connect(0, 1);
    world.settle(Duration::from_secs(3600));
    world.assert_equal();
}

#[test]
fn a_digest_that_is_sent_again_and_again_is_answered_once_in_a_while() {
    let mut world = World::new(1, 2);
    (0..2).for_each(|at| world.append(at, 3, 10));
    world.connect(0, 1);
    world.settle(Duration::from_secs(3600));
    world.tap = Some(Vec::new());
    world.settle(Duration::from_secs(3600));
    let is_compare = |message: &&Vec<u8>| message.first() == Some(&5);
    let compare = world.tap.as_ref().and_then(|tap| tap.iter().find(is_compare)).unwrap().clone();
    world.tap = Some(Vec::new());
    let peer = *world.nodes[0].peers.keys().next().unwrap();
    for _ in 0..100 {
        world.nodes[0].sync.handle_message(world.now, peer, &compare);
        world.drain(0);
    }
    let answers = world.tap.take().unwrap();
    assert_eq!(answers.iter().filter(is_compare).count(), 1);
}

#[test]
fn what_waits_for_a_slow_disk_is_limited_over_all_peers() {
    const PEERS: usize = 20;
    let mut world = World::new(1, 1);
    let mut runs = Vec::new();
    for at in 1..=PEERS {
        world.add_node();
        (0..9).for_each(|_| world.append(at, 2, 120_000));
        runs.push(world.nodes[at].store.clone());
    }
    let mut waiting = 0;
    for (peer, store) in (0..).zip(&runs) {
        world.nodes[0].sync.peer_joined(world.now, peer);
        let (author, log) = store.logs.first_key_value().unwrap();
        let mut index = 0;
        while index < log.known.size() {
            let segment = store.load(author, index).unwrap();
            index = segment.after.size();
            let run = Message::Run(segment.into_run(author, None)).encode();
            world.nodes[0].sync.handle_message(world.now, peer, &run);
        }
        // The disk does nothing meanwhile.
        while let Some(action) = world.nodes[0].sync.poll_action() {
            if let Action::Store { run, .. } = action {
                waiting += run.weight();
            }
        }
    }
    assert!(waiting > 16 << 20, "{waiting} bytes: too few to show anything");
    assert!(waiting <= (32 << 20) + (1 << 18), "{waiting} bytes wait");
}

#[test]
fn a_stolen_admission_fills_a_quota_and_nothing_else() {
    let mut world = World::new(1, 2);
    let quotas = Quotas { authors: 5, ..Quotas::default() };
    world.configure(0, |config| config.quotas = quotas);
    world.append(0, 1, 10);
    // One who knows the space's secret admits as many authors as he likes.
    let many = crate::world::sybils(&world.space, &ADMISSION, 50);
    for run in &many {
        world.nodes[1].store.add(run);
    }
    world.restart(1);
    world.connect(0, 1);
    world.settle(Duration::from_secs(3600));
    assert_eq!(world.nodes[0].store.logs.len(), 5);
    assert_eq!(world.nodes[0].quotas_reached, [None]);
}
