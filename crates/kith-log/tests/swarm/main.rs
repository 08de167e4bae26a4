//! Swarms of sync machines in a world without sockets or clocks: whatever the order, loss,
//! duplication, partitions and crashes, all members end with the same logs.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "a test in several files"
)]

mod hostile;
mod store;
mod world;

use std::time::Duration;

use kith_log::sync::{Follow, Order, Quotas};

use world::{SeedOnPanic, World};

const HOUR: Duration = Duration::from_secs(3600);
/// Seeds that each property is tried with. More by hand: `KITH_SEEDS=1000..2000`.
const SEEDS: std::ops::Range<u64> = 0..60;

fn seeds() -> std::ops::Range<u64> {
    let Ok(text) = std::env::var("KITH_SEEDS") else { return SEEDS };
    let (from, to) = text.split_once("..").expect("KITH_SEEDS is from..to");
    from.parse().unwrap()..to.parse().unwrap()
}

fn chaos(world: &mut World, steps: usize, restarts: bool) {
    let count = world.nodes.len();
    for _ in 0..steps {
        let (a, b) = (world.rng.below(count), world.rng.below(count));
        match world.rng.below(100) {
            0..60 => {
                let bulk = world.rng.chance(50);
                world.deliver(a, b, bulk);
            }
            60..80 => {
                world.work(a);
            }
            80..88 => {
                let entries = 1 + world.rng.below(4);
                let size = world.rng.below(400);
                world.append(a, entries, size);
            }
            88..90 => {
                // Large enough not to be pushed, so that segments are many.
                world.append(a, 3, 40_000);
            }
            90..93 => world.connect(a, b),
            93..95 => world.disconnect(a, b),
            95..96 => world.fail_work(a),
            96..97 if restarts => world.restart(a),
            _ => {
                world.now += Duration::from_millis(world.rng.next() % 20_000);
                world.tick(a);
            }
        }
    }
}

#[test]
fn any_disorder_ends_with_equal_logs() {
    for seed in seeds() {
        let _seed = SeedOnPanic(seed);
        let nodes = 3 + (seed % 4) as usize;
        let mut world = World::new(seed, nodes);
        world.connect_all();
        (world.loss, world.duplication) = (seed % 3 * 5, seed % 5 * 3);
        chaos(&mut world, 800, seed % 2 == 0);
        (world.loss, world.duplication) = (0, 0);
        if seed % 7 == 0 {
            // No reconnection: what was lost must be found missing by itself.
            world.connect_all();
        } else {
            (1..nodes).for_each(|node| world.connect(node - 1, node));
        }
        world.settle(2 * HOUR);
        world.assert_equal();
        world.assert_no_fork();
    }
}

#[test]
fn whoever_begins_with_the_newest_ends_with_equal_logs_too() {
    let mut rounds = 0;
    for seed in seeds().take(40) {
        let _seed = SeedOnPanic(seed);
        let nodes = 3 + (seed % 4) as usize;
        let mut world = World::new(seed, nodes);
        for at in (0..nodes).filter(|at| (seed >> at) % 2 == 0) {
            world.nodes[at].order = Order::NewestFirst;
            world.configure(at, |_| ());
        }
        world.connect_all();
        (world.loss, world.duplication) = (seed % 3 * 5, seed % 5 * 3);
        chaos(&mut world, 800, seed % 2 == 0);
        (world.loss, world.duplication) = (0, 0);
        world.connect_all();
        world.settle(2 * HOUR);
        // What is missing now are beginnings, and they are fetched when asked for.
        for round in 0.. {
            assert!(round < 200, "the beginnings never come");
            let now = world.now;
            let mut all = true;
            for at in 0..nodes {
                let node = &mut world.nodes[at];
                let authors: Vec<_> = node.store.logs.keys().copied().collect();
                for author in authors {
                    all &= node.sync.fetch_older(now, &author).is_err();
                }
                world.drain(at);
            }
            if all {
                break;
            }
            rounds += 1;
            world.settle(HOUR);
        }
        world.assert_equal();
        world.assert_no_fork();
    }
    assert!(rounds > 20, "{rounds} rounds: nobody lacked a beginning");
}

#[test]
fn a_late_member_gets_everything_through_one_peer() {
    for seed in seeds().take(10) {
        let _seed = SeedOnPanic(seed);
        let mut world = World::new(seed, 3);
        world.connect_all();
        for _ in 0..20 {
            let at = world.rng.below(3);
            world.append(at, 30, 200);
        }
        world.settle(HOUR);
        (0..2).for_each(|other| world.disconnect(2, other));
        world.disconnect(0, 1);
        world.add_node();
        world.connect(3, 2);
        world.settle(Duration::from_secs(1));
        world.assert_equal();
        world.assert_no_fork();
    }
}

#[test]
fn a_restored_member_starts_anew_and_nobody_sees_a_fork() {
    for seed in seeds() {
        let _seed = SeedOnPanic(seed);
        let mut world = World::new(seed, 3);
        world.connect_all();
        world.append(0, 3, 100);
        world.append(1, 3, 100);
        world.settle(HOUR);
        let backup = world.nodes[0].store.clone();
        let before = world.nodes[0].secret.author();
        world.append(0, 1 + (seed % 5) as usize, 100);
        world.settle(HOUR);
        world.restart(0);
        world.nodes[0].store = backup;
        world.restart(0);
        // Writing before anyone is met: what was written must not be shown under the old name.
        let wrote = seed % 2 == 0;
        if wrote {
            world.append(0, 1 + (seed % 7) as usize, 100);
        }
        world.connect_all();
        world.settle(HOUR);
        assert!(world.nodes[0].behind.contains(&(before, false)) || wrote);
        assert!(!world.nodes[0].behind.is_empty(), "the restored node has noticed nothing");
        assert_ne!(world.nodes[0].secret.author(), before);
        world.append(0, 2, 100);
        world.append(2, 2, 100);
        world.settle(HOUR);
        world.assert_equal();
        world.assert_no_fork();
    }
}

/// Killed at any step on the way, it is as careful with the log that it writes no more.
#[test]
fn a_restored_member_that_is_killed_on_the_way_shows_nobody_a_fork() {
    for seed in seeds() {
        let _seed = SeedOnPanic(seed);
        let mut world = World::new(seed, 3);
        world.connect_all();
        world.append(0, 3, 100);
        world.append(1, 3, 100);
        world.settle(HOUR);
        let backup = world.nodes[0].store.clone();
        world.append(0, 1 + (seed % 5) as usize, 100);
        world.settle(HOUR);
        world.restart(0);
        world.nodes[0].store = backup;
        world.restart(0);
        world.append(0, 1 + (seed % 7) as usize, 100);
        if seed % 3 == 0 {
            // It finds by itself that it was copied, after it wrote.
            world.begin_next(0);
            world.restart(0);
        }
        world.connect_all();
        for _ in 0..world.rng.below(40) {
            let (to, bulk) = (1 + world.rng.below(2), world.rng.chance(50));
            world.deliver(0, to, bulk);
            world.deliver(to, 0, bulk);
            world.work(0);
        }
        world.restart(0);
        world.connect_all();
        world.settle(HOUR);
        world.append(0, 2, 100);
        world.append(2, 2, 100);
        world.settle(HOUR);
        world.assert_equal();
        world.assert_no_fork();
    }
}

#[test]
fn two_histories_of_one_author_are_proven_to_both_sides() {
    for seed in seeds() {
        let _seed = SeedOnPanic(seed);
        let mut world = World::new(seed, 4);
        let author = world.nodes[0].secret.author();
        world.connect(0, 1);
        world.append(0, 2, 100);
        world.settle(HOUR);
        // Node 0 tells 1 and 2 different things, having forgotten in between.
        let backup = world.nodes[0].store.clone();
        world.append(0, 1 + (seed % 3) as usize, 100);
        world.settle(HOUR);
        world.restart(0);
        world.nodes[0].store = backup;
        world.restart(0);
        world.connect(0, 2);
        world.append(0, 1 + (seed % 5) as usize, 100);
        world.settle(HOUR);
        world.disconnect(0, 2);
        world.connect(1, 2);
        world.connect(1, 3);
        world.append(1, 1, 100);
        world.settle(HOUR);
        let seen: Vec<_> = (1..3).filter(|at| world.nodes[*at].forks.contains(&author)).collect();
        assert_eq!(seen, [1, 2], "who sees the fork");
        // All the same, the others go on.
        let log = |at: usize, of: usize| {
            let author = world.nodes[of].secret.author();
            world.nodes[at].store.logs.get(&author).map(|log| log.known.size())
        };
        assert_eq!(log(2, 1), log(1, 1));
        assert_eq!(log(3, 0), log(1, 0));
    }
}

#[test]
fn a_large_history_is_not_bound_by_latency() {
    let mut world = World::new(1, 1);
    for _ in 0..40 {
        world.append(0, 250, 200);
    }
    world.add_node();
    world.connect(0, 1);
    let mut passes = 0;
    while world.nodes[1].store.logs.is_empty()
        || world.nodes[1].store.logs.values().next().unwrap().known.size() < 10_001
    {
        assert!(world.pass());
        passes += 1;
    }
    // Each pass delivers what is on its way: half a round trip.
    assert!(passes <= 8, "{passes} half round trips");
    let payload = 10_000 * 200;
    assert!(world.sent_bytes * 100 < payload * 110, "{} bytes were sent", world.sent_bytes);
}

#[test]
fn what_is_written_reaches_peers_in_half_a_round_trip() {
    let mut world = World::new(1, 4);
    world.connect_all();
    (0..4).for_each(|at| world.append(at, 1, 10));
    world.settle(HOUR);
    world.append(2, 1, 100);
    let author = world.nodes[2].secret.author();
    let size = world.nodes[2].store.logs[&author].known.size();
    for at in [0, 1, 3] {
        assert!(world.deliver(2, at, false));
        assert!(world.work(at));
        assert_eq!(world.nodes[at].store.logs[&author].known.size(), size);
    }
}

#[test]
fn the_newest_come_first_where_asked_and_older_ones_on_demand() {
    let mut world = World::new(1, 1);
    for _ in 0..30 {
        world.append(0, 100, 200);
    }
    let author = world.nodes[0].secret.author();
    world.add_node();
    world.configure(1, |config| config.order = Order::NewestFirst);
    world.connect(0, 1);
    world.settle(HOUR);
    let known = world.nodes[1].store.logs[&author].known.clone();
    assert_eq!(known.size(), 3001);
    assert!(known.start() > 1900, "the newest segment only, not from {}", known.start());
    world.append(0, 5, 100);
    world.settle(HOUR);
    assert_eq!(world.nodes[1].store.logs[&author].known.size(), 3006);
    while world.nodes[1].store.logs[&author].known.start() > 0 {
        let before = world.nodes[1].store.logs[&author].known.start();
        let now = world.now;
        world.nodes[1].sync.fetch_older(now, &author).unwrap();
        world.drain(1);
        world.settle(HOUR);
        assert!(world.nodes[1].store.logs[&author].known.start() < before);
    }
    world.assert_equal();
    // And what came backwards can be served forwards.
    world.add_node();
    world.connect(2, 1);
    world.settle(HOUR);
    world.assert_equal();
}

#[test]
fn older_entries_of_another_history_prove_the_fork_and_accuse_nobody() {
    for runs in 10..14 {
        let mut world = World::new(runs, 3);
        let author = world.nodes[0].secret.author();
        world.connect(0, 1);
        world.append(0, 2, 100);
        world.settle(HOUR);
        // Node 0 tells 1 and 2 different things, having forgotten in between.
        let backup = world.nodes[0].store.clone();
        (0..12).for_each(|_| world.append(0, 200, 200));
        world.settle(HOUR);
        world.restart(0);
        world.nodes[0].store = backup;
        world.restart(0);
        world.connect(0, 2);
        (0..runs).for_each(|_| world.append(0, 200, 200));
        world.settle(HOUR);
        world.restart(0);
        // A newcomer has the newest of the one, and asks the other for what comes before.
        world.add_node();
        world.configure(3, |config| config.order = Order::NewestFirst);
        world.connect(3, 1);
        world.settle(HOUR);
        world.disconnect(3, 1);
        let known = world.nodes[3].store.logs[&author].known.clone();
        assert!(known.start() > 3);
        world.connect(3, 2);
        let now = world.now;
        world.nodes[3].sync.fetch_older(now, &author).unwrap();
        world.drain(3);
        world.settle(HOUR);
        assert!(world.nodes[3].forks.contains(&author), "{runs}: the fork stays unseen");
        assert_eq!(world.nodes[3].store.logs[&author].known, known);
        // Who has the same history is still of use.
        world.connect(3, 1);
        world.settle(HOUR);
        assert!(world.nodes[3].store.logs[&author].known.start() < known.start());
    }
}

#[test]
fn only_chosen_authors_are_fetched() {
    let mut world = World::new(1, 3);
    (0..3).for_each(|at| world.append(at, 3, 10));
    let chosen = world.nodes[1].secret.author();
    let own = world.nodes[0].secret.author();
    world.configure(0, |config| config.follow = Follow::These([chosen].into()));
    world.connect_all();
    world.settle(HOUR);
    world.append(2, 1, 10);
    world.append(1, 1, 10);
    world.settle(HOUR);
    let held: Vec<_> = world.nodes[0].store.logs.keys().copied().collect();
    let mut expected = vec![own, chosen];
    expected.sort();
    assert_eq!(held, expected);
    assert_eq!(world.nodes[0].store.logs[&chosen].known.size(), 5);
}

#[test]
fn quotas_hold_and_are_reported_once() {
    let mut world = World::new(1, 3);
    let quotas = Quotas { authors: 2, entries_per_author: 10, weight_per_author: 1 << 20 };
    world.configure(0, |config| config.quotas = quotas);
    world.append(0, 1, 10);
    world.connect_all();
    for _ in 0..10 {
        world.append(1, 3, 10);
        world.settle(HOUR);
    }
    world.append(2, 1, 10);
    world.settle(HOUR);
    let node = &world.nodes[0];
    let author = world.nodes[1].secret.author();
    assert!(node.store.logs[&author].known.size() <= 10);
    assert_eq!(node.quotas_reached, [Some(author), None]);
    assert_eq!(node.store.logs.len(), 2);
}

#[test]
fn one_side_that_begins_anew_is_heard_again() {
    let mut world = World::new(1, 2);
    world.connect_all();
    (0..2).for_each(|at| world.append(at, 1, 10));
    world.settle(HOUR);
    world.join_again(0, 1);
    world.settle(Duration::from_secs(60));
    world.append(0, 1, 10);
    assert!(world.deliver(0, 1, false) && world.work(1));
    world.assert_equal();
}

#[test]
fn progress_tells_how_much_is_missing() {
    let mut world = World::new(1, 2);
    world.append(0, 500, 100);
    world.append(0, 500, 100);
    world.connect(0, 1);
    while world.nodes[1].sync.progress().missing == 0 {
        assert!(world.pass());
    }
    let progress = world.nodes[1].sync.progress();
    assert_eq!((progress.held, progress.missing, progress.fetching), (0, 1001, 1));
    world.settle(HOUR);
    let progress = world.nodes[1].sync.progress();
    assert_eq!((progress.held, progress.missing, progress.fetching), (1001, 0, 0));
}

#[test]
fn nothing_is_fetched_twice() {
    let mut world = World::new(1, 4);
    world.connect_all();
    for at in 0..4 {
        (0..10).for_each(|_| world.append(at, 100, 200));
    }
    world.settle(HOUR);
    world.add_node();
    world.sent_bytes = 0;
    world.connect_all();
    world.settle(HOUR);
    world.assert_equal();
    let payload = 4 * 10 * 100 * 200;
    assert!(world.sent_bytes * 100 < payload * 112, "{} bytes were sent", world.sent_bytes);
}

#[test]
fn a_peer_that_falls_silent_is_passed_over() {
    let mut world = World::new(1, 3);
    world.connect(0, 1);
    (0..10).for_each(|_| world.append(1, 100, 200));
    world.settle(HOUR);
    world.connect(0, 2);
    assert!(world.deliver(0, 2, false), "the list");
    world.silent.insert((0, 2));
    world.connect(1, 2);
    world.settle(Duration::from_secs(29));
    let author = world.nodes[1].secret.author();
    assert!(!world.nodes[2].store.logs.contains_key(&author), "it waits for the silent one");
    world.settle(Duration::from_secs(2));
    world.assert_equal();
}

#[test]
fn a_peer_that_only_drips_is_passed_over() {
    let mut world = World::new(1, 3);
    world.connect(0, 1);
    (0..60).for_each(|_| world.append(0, 250, 200));
    world.settle(HOUR);
    let author = world.nodes[0].secret.author();
    let size = world.nodes[1].store.logs[&author].known.size();
    world.connect(1, 2);
    world.slow.insert((1, 2));
    world.settle(Duration::from_secs(1));
    world.connect(0, 2);
    // One run each time, just before its patience ends.
    for _ in 0..5 {
        world.settle(Duration::from_secs(28));
        world.deliver(1, 2, true);
    }
    world.settle(Duration::from_secs(1));
    assert_eq!(world.nodes[2].store.logs[&author].known.size(), size);
}

#[test]
fn a_peer_that_sends_steadily_is_asked_on_though_another_has_as_much() {
    let mut world = World::new(1, 3);
    world.connect(0, 1);
    (0..120).for_each(|_| world.append(0, 250, 200));
    world.settle(HOUR);
    world.connect(1, 2);
    world.slow.insert((1, 2));
    world.settle(Duration::from_secs(1));
    world.connect(0, 2);
    world.sent_bytes = 0;
    for _ in 0..40 {
        world.settle(Duration::from_secs(5));
        world.deliver(1, 2, true);
    }
    world.settle(Duration::from_secs(1));
    world.assert_equal();
    let payload = 120 * 250 * 200;
    assert!(world.sent_bytes * 100 < payload * 112, "{} bytes were sent", world.sent_bytes);
}

#[test]
fn silent_peers_take_no_more_than_a_turn_each() {
    let mut world = World::new(1, 7);
    (0..6).for_each(|at| world.connect(at, at + 1));
    (0..10).for_each(|_| world.append(0, 100, 200));
    world.settle(HOUR);
    let author = world.nodes[0].secret.author();
    let size = world.nodes[5].store.logs[&author].known.size();
    world.add_node();
    // All of them say that they have it, and the last one alone sends it.
    for at in 1..6 {
        world.connect(at, 7);
        assert!(world.deliver(at, 7, false), "the list");
        if at < 5 {
            world.silent.insert((7, at));
        }
    }
    world.settle(Duration::from_secs(5 * 30));
    let held = world.nodes[7].store.logs.get(&author).map(|log| log.known.size());
    assert_eq!(held, Some(size));
}

#[test]
fn a_lone_peer_that_is_slow_is_asked_on() {
    let mut world = World::new(1, 2);
    (0..60).for_each(|_| world.append(0, 250, 200));
    world.connect(0, 1);
    world.slow.insert((0, 1));
    let mut runs = 0;
    while world.nodes[0].store.logs != world.nodes[1].store.logs {
        world.settle(Duration::from_secs(20));
        assert!(world.deliver(0, 1, true), "nothing is on its way after {runs} runs");
        runs += 1;
        world.settle(Duration::ZERO);
    }
    assert!(runs < 25, "{runs} runs");
}

#[test]
fn a_log_that_grows_while_it_is_sent_is_fetched_to_its_end_at_once() {
    let mut world = World::new(1, 2);
    world.append(0, 3, 40_000);
    world.connect(0, 1);
    while world.lines[&(0, 1)].bulk.is_empty() {
        world.deliver(0, 1, false);
        world.deliver(1, 0, false);
        world.work(0);
    }
    // The news are faster than the history.
    world.append(0, 3, 40_000);
    world.now += Duration::from_millis(60);
    world.tick(0);
    while world.deliver(0, 1, false) {}
    world.settle(Duration::from_secs(1));
    world.assert_equal();
}
