//! Nodes on one local network find each other by multicast DNS, told nothing about each other.
//!
//! Needs root: each node is a process in a network namespace of its own, on a bridge that stands in
//! one more namespace, so that nothing reaches the machine's own network.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use kith_node::discovery::{Discovery, Lan, LanState, Presence, Source};

/// With this variable a test process is a node: its value is the seed of the node's key.
const NODE: &str = "KITH_TEST_LAN_NODE";
/// With this variable it is a host that sends what nobody should.
const HOSTILE: &str = "KITH_TEST_LAN_HOSTILE";
/// How long the whole of one test may take.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn three_nodes_on_one_bridge_find_each_other() {
    let lan = Network::new("a", 3);
    let mut nodes: Vec<_> = (0..3).map(|n| Node::start(&lan, n)).collect();
    let ids: Vec<_> = nodes.iter().map(|node| node.id.clone()).collect();
    for (n, node) in nodes.iter_mut().enumerate() {
        let others = (0..3).filter(|other| *other != n);
        let expected =
            others.map(|other| format!("{} 10.77.0.{}:4848", ids[other], other + 1)).collect();
        node.expect_found(expected);
    }
}

#[test]
fn it_is_switched_while_the_node_runs() {
    let lan = Network::new("b", 2);
    let mut first = Node::start(&lan, 0);
    first.tell("off");
    first.expect("state Switched off.");
    let mut second = Node::start(&lan, 1);
    second.expect("state Looking on the local network.");
    first.tell("on");
    first.expect_found(BTreeSet::from([format!("{} 10.77.0.2:4848", second.id)]));
    second.expect_found(BTreeSet::from([format!("{} 10.77.0.1:4848", first.id)]));
    // Gone and back again is found again.
    first.tell("off");
    first.expect("state Switched off.");
    second.tell("mark");
    second.expect("mark");
    first.tell("on");
    second.expect_found(BTreeSet::from([format!("{} 10.77.0.1:4848", first.id)]));
}

#[test]
fn without_a_network_the_state_says_so_and_a_network_that_comes_is_used() {
    let lan = Network::new("c", 2);
    lan.ip(&["-n", &lan.host(0), "link", "set", "eth0", "down"]);
    let mut first = Node::start(&lan, 0);
    first.expect("state There is no local network now. As soon as there is, kith looks there.");
    let mut second = Node::start(&lan, 1);
    lan.ip(&["-n", &lan.host(0), "link", "set", "eth0", "up"]);
    first.expect_found(BTreeSet::from([format!("{} 10.77.0.2:4848", second.id)]));
    second.expect_found(BTreeSet::from([format!("{} 10.77.0.1:4848", first.id)]));
}

#[test]
fn what_a_hostile_neighbour_sends_keeps_nobody_out() {
    let lan = Network::new("d", 3);
    let mut first = Node::start(&lan, 0);
    first.expect("state Looking on the local network.");
    let mut hostile = Process::start(&lan, 2, "hostile_process", HOSTILE);
    hostile.wait_for(|line| (line == "sent").then_some(()));
    // It is heard, or the test would show nothing.
    first.wait_for(|line| line.starts_with("found ").then_some(()));
    let second = Node::start(&lan, 1);
    let expected = format!("found {} 10.77.0.2:4848", second.id);
    first.wait_for(|line| (line == expected).then_some(()));
}

/// Not a test of its own: what runs inside a namespace.
#[test]
fn hostile_process() {
    if std::env::var(HOSTILE).is_err() {
        return;
    }
    let socket = std::net::UdpSocket::bind("10.77.0.3:5353").expect("the port is free");
    let send = |packet: &[u8]| {
        let _ = socket.send_to(packet, "224.0.0.251:5353");
    };
    let good = made_up(0);
    for end in 0..good.len() {
        send(&good[..end]);
    }
    for at in 0..good.len() {
        for change in [0x01, 0x80, 0xff] {
            let mut packet = good.clone();
            packet[at] ^= change;
            send(&packet);
        }
    }
    for n in 0..2_000 {
        send(&made_up(n));
    }
    println!("\nsent");
}

/// An announcement of a node that does not exist (RFC 1035, section 4).
fn made_up(n: u32) -> Vec<u8> {
    let name = |labels: &[&str]| {
        let mut bytes = Vec::new();
        for label in labels {
            bytes.push(label.len() as u8);
            bytes.extend(label.as_bytes());
        }
        bytes.push(0);
        bytes
    };
    let instance = format!("fake{n}");
    let service = name(&["_kith", "_udp", "local"]);
    let full = name(&[&instance, "_kith", "_udp", "local"]);
    let host = name(&[&instance, "local"]);
    let mut seed = [9; 32];
    seed[..4].copy_from_slice(&n.to_be_bytes());
    let text = format!("id={}", iroh::SecretKey::from_bytes(&seed).public());
    let text = [&[text.len() as u8], text.as_bytes()].concat();
    let place = [&[0, 0, 0, 0, 0x12, 0xf0], host.as_slice()].concat();
    let [_, _, high, low] = n.to_be_bytes();
    let records: [(&[u8], u16, &[u8]); 4] = [
        (&service, 12, &full),
        (&full, 33, &place),
        (&full, 16, &text),
        (&host, 1, &[10, 77, high, low]),
    ];
    let mut packet = vec![0, 0, 0x84, 0, 0, 0, 0, 4, 0, 0, 0, 0];
    for (owner, kind, data) in records {
        packet.extend(owner);
        packet.extend(kind.to_be_bytes());
        packet.extend([0, 1, 0, 0, 0x11, 0x94]);
        packet.extend((data.len() as u16).to_be_bytes());
        packet.extend(data);
    }
    packet
}

/// Not a test of its own: what runs inside a namespace.
#[test]
fn node_process() {
    let Ok(seed) = std::env::var(NODE) else { return };
    let seed: u8 = seed.parse().expect("a number");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(run_node(seed));
}

#[expect(clippy::print_stdout, reason = "the test that started this process reads it")]
async fn run_node(seed: u8) {
    let id = iroh::SecretKey::from_bytes(&[seed; 32]).public();
    println!("\nid {id}");
    let (discovery, mut found) = Discovery::new();
    let presence = Presence { id, port4: Some(4848), port6: Some(4848) };
    let lan = Lan::start(presence, discovery.finder(), true);
    let mut state = lan.watch();
    let (orders, mut ordered) = tokio::sync::mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if orders.blocking_send(line).is_err() {
                break;
            }
        }
    });
    loop {
        tokio::select! {
            Some(found) = found.recv() => {
                for addr in found.peer.addrs.iter().filter(|addr| addr.is_ipv4()) {
                    println!("found {} {addr}", found.peer.id);
                }
            }
            Ok(()) = state.changed() => {
                let state = state.borrow_and_update().clone();
                if state != LanState::Starting {
                    println!("state {state}");
                }
            }
            order = ordered.recv() => match order {
                Some(order) if order == "mark" => println!("mark"),
                Some(order) => lan.switch(order == "on"),
                None => break,
            },
        }
    }
    lan.stop().await;
}

/// A node in a namespace.
struct Node {
    process: Process,
    id: String,
}

impl Node {
    fn start(lan: &Network, n: usize) -> Self {
        let mut process = Process::start(lan, n, "node_process", NODE);
        let id = process.wait_for(|line| line.strip_prefix("id ").map(str::to_owned));
        Self { process, id }
    }
}

impl std::ops::Deref for Node {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

impl std::ops::DerefMut for Node {
    fn deref_mut(&mut self) -> &mut Process {
        &mut self.process
    }
}

/// One of the processes above in a namespace, and what it says.
struct Process {
    child: Child,
    orders: ChildStdin,
    lines: Receiver<String>,
    deadline: Instant,
}

impl Process {
    fn start(lan: &Network, n: usize, test: &str, variable: &str) -> Self {
        let mut child = Command::new("ip")
            .args(["netns", "exec", &lan.host(n)])
            .arg(std::env::current_exe().expect("this program"))
            .args(["--exact", test, "--nocapture"])
            .env(variable, (n + 1).to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("ip netns exec");
        let orders = child.stdin.take().expect("piped");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let (send, lines) = sync_channel(16_384);
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    break;
                }
            }
        });
        Self { child, orders, lines, deadline: Instant::now() + PATIENCE }
    }

    fn wait_for<T>(&mut self, mut accept: impl FnMut(&str) -> Option<T>) -> T {
        let mut heard = Vec::new();
        loop {
            let left = self.deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => match accept(&line) {
                    Some(value) => return value,
                    None => heard.push(line),
                },
                Err(_) => panic!("not in time; heard: {heard:#?}"),
            }
        }
    }

    fn expect(&mut self, expected: &str) {
        self.wait_for(|line| (line == expected).then_some(()));
    }

    /// Waits until each of these was found; nothing else but these may be. One may be found again:
    /// when an address of IPv6 is heard after that of IPv4.
    fn expect_found(&mut self, expected: BTreeSet<String>) {
        let mut missing = expected.clone();
        self.wait_for(|line| {
            if let Some(found) = line.strip_prefix("found ") {
                assert!(expected.contains(found), "found {found}, but waiting for {expected:?}");
                missing.remove(found);
            }
            missing.is_empty().then_some(())
        });
    }

    fn tell(&mut self, order: &str) {
        writeln!(self.orders, "{order}").expect("the node listens");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Namespaces on one bridge; removed when dropped.
struct Network {
    name: String,
    hosts: usize,
}

impl Network {
    fn new(name: &str, hosts: usize) -> Self {
        let network = Self { name: format!("kith{}{name}", std::process::id()), hosts };
        let switch = network.switch();
        network.ip(&["netns", "add", &switch]);
        network.ip(&["-n", &switch, "link", "add", "br0", "type", "bridge"]);
        network.ip(&["-n", &switch, "link", "set", "br0", "up"]);
        for n in 0..hosts {
            let host = network.host(n);
            let port = format!("p{n}");
            network.ip(&["netns", "add", &host]);
            network.ip(&[
                "-n", &switch, "link", "add", &port, "type", "veth", "peer", "name", "eth0",
                "netns", &host,
            ]);
            network.ip(&["-n", &switch, "link", "set", &port, "master", "br0", "up"]);
            network.ip(&["-n", &host, "link", "set", "lo", "up"]);
            let address = format!("10.77.0.{}/24", n + 1);
            network.ip(&["-n", &host, "addr", "add", &address, "dev", "eth0"]);
            network.ip(&["-n", &host, "link", "set", "eth0", "up"]);
        }
        network
    }

    fn switch(&self) -> String {
        format!("{}s", self.name)
    }

    fn host(&self, n: usize) -> String {
        format!("{}h{n}", self.name)
    }

    fn ip(&self, args: &[&str]) {
        let output = Command::new("ip").args(args).output().expect("ip, of iproute2");
        assert!(
            output.status.success(),
            "ip {args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for name in (0..self.hosts).map(|n| self.host(n)).chain([self.switch()]) {
            let _ = Command::new("ip").args(["netns", "del", &name]).output();
        }
    }
}
