//! Hosts on one LAN with `--offline`: they find each other by themselves, and nothing that they send
//! leaves the LAN, whatever a hostile neighbour claims. Needs root: the hosts are network namespaces.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};

use iroh::endpoint::{Connection, presets};
use iroh::{Endpoint, EndpointAddr, TransportAddr};
use kith_overlay::transport::{Control, Hello, PeerAddr};
use serde_json::{Value, json};
use tempfile::TempDir;

/// LANs of this process so far.
static LANS: AtomicU8 = AtomicU8::new(0);

fn sh(script: &str) -> String {
    let out = Command::new("sh").args(["-ec", script]).output().expect("sh runs");
    assert!(out.status.success(), "{script}\n{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).expect("text")
}

/// The host whose packets are counted apart: it shows that what is counted would be seen.
const CONTROL: u8 = 9;

/// A switch, a gateway that counts what would leave, and hosts whose default route it is.
struct Lan {
    /// Of its namespaces: no other LAN of this or another run has it.
    prefix: String,
    hosts: Vec<String>,
}

impl Lan {
    fn new(count: u8) -> Self {
        let (process, n) = (std::process::id() % 100_000, LANS.fetch_add(1, Ordering::Relaxed));
        let prefix = format!("kl{process}{}", char::from(b'a' + n));
        let hosts = (1..=count).map(|n| format!("{prefix}h{n}")).collect();
        let lan = Self { prefix, hosts };
        let (switch, gateway) = (lan.name("sw"), lan.name("gw"));
        sh(&format!(
            "ip netns add {switch}; ip -n {switch} link add br0 type bridge; ip -n {switch} link set br0 up; \
             ip netns add {gateway}"
        ));
        lan.plug(&switch, &gateway, "254");
        for (n, host) in lan.hosts.iter().enumerate() {
            sh(&format!("ip netns add {host}"));
            lan.plug(&switch, host, &(n + 1).to_string());
            lan.route(host);
            sh(&format!(
                "mkdir -p /etc/netns/{host}; echo nameserver 198.51.100.53 > /etc/netns/{host}/resolv.conf"
            ));
        }
        sh(&format!(
            "ip netns exec {gateway} sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1; \
             ip netns exec {gateway} nft -f - <<'N'\n\
             table inet watch {{\n counter left {{ }}\n counter control {{ }}\n \
             chain c_pre {{ type filter hook prerouting priority -300; \
             ip saddr 10.77.0.{CONTROL} ip daddr != {{ 10.77.0.0/24, 224.0.0.0/24 }} counter name control drop; \
             ip6 saddr fd77::{CONTROL} ip6 daddr != {{ fd77::/64, fe80::/10, ff02::/16 }} counter name control drop; \
             ip daddr != {{ 10.77.0.0/24, 224.0.0.0/24 }} counter name left drop; \
             ip6 daddr != {{ fd77::/64, fe80::/10, ff02::/16 }} counter name left drop;\n }}\n}}\nN"
        ));
        lan
    }

    fn name(&self, what: &str) -> String {
        format!("{}{what}", self.prefix)
    }

    fn plug(&self, switch: &str, host: &str, last: &str) {
        sh(&format!(
            "ip -n {host} link set lo up; \
             ip -n {host} link add eth0 type veth peer name p{last} netns {switch}; \
             ip -n {switch} link set p{last} master br0 up; \
             ip -n {host} addr add 10.77.0.{last}/24 dev eth0; \
             ip -n {host} addr add fd77::{last}/64 dev eth0 nodad; ip -n {host} link set eth0 up"
        ));
    }

    fn route(&self, host: &str) {
        sh(&format!(
            "ip -n {host} route add default via 10.77.0.254; ip -n {host} -6 route add default via fd77::254"
        ));
    }

    /// Packets that would have left the LAN.
    fn left(&self) -> u64 {
        self.counter("left")
    }

    fn counter(&self, counter: &str) -> u64 {
        let gateway = self.name("gw");
        let text = sh(&format!("ip netns exec {gateway} nft -j list counter inet watch {counter}"));
        let json: Value = serde_json::from_str(&text).expect("nft prints JSON");
        let counters = json["nftables"].as_array().expect("a list");
        counters.iter().find_map(|item| item["counter"]["packets"].as_u64()).expect("the counter")
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        for space in self.hosts.iter().chain(&[self.name("sw"), self.name("gw")]) {
            let _ = Command::new("ip").args(["netns", "del", space]).status();
            let _ = std::fs::remove_dir_all(format!("/etc/netns/{space}"));
        }
    }
}

/// A node on one of the hosts; ended when dropped.
struct Node {
    child: Child,
    host: String,
    dir: TempDir,
    id: String,
    addr: String,
}

impl Node {
    fn start(host: &str) -> Self {
        Self::start_with(host, &["--offline"], &[])
    }

    fn start_with(host: &str, args: &[&str], env: &[(&str, &str)]) -> Self {
        let dir = TempDir::new().expect("a folder");
        let mut child = Command::new("ip")
            .args(["netns", "exec", host, env!("CARGO_BIN_EXE_kith")])
            .args(["up", "--no-open", "--json", "--data-dir"])
            .arg(dir.path())
            .args(args)
            .envs(env.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .expect("kith starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
        let ready: Value = serde_json::from_str(&line).expect("the ready line is JSON");
        let id = ready["node_id"].as_str().expect("an id").to_owned();
        let addr = ready["addr"].as_str().expect("an address").to_owned();
        Self { child, host: host.to_owned(), dir, id, addr }
    }

    /// Whether it is connected to this peer now.
    fn has(&self, peer: &str) -> bool {
        self.ask(&["peers"]).iter().any(|row| row["id"] == peer && row["state"] == "connected")
    }

    fn ask(&self, args: &[&str]) -> Vec<Value> {
        let out = Command::new("ip")
            .args(["netns", "exec", &self.host, env!("CARGO_BIN_EXE_kith")])
            .args(args)
            .args(["--json", "--data-dir"])
            .arg(self.dir.path())
            .output()
            .expect("kith runs");
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
        let lines = String::from_utf8(out.stdout).expect("text");
        lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    /// The connected peers that were found on the LAN.
    fn found(&self) -> Vec<String> {
        let peers = self.ask(&["peers"]);
        let connected = peers.iter().filter(|peer| {
            peer["state"] == "connected"
                && peer["found"].as_array().is_some_and(|ways| ways.iter().any(|way| way == "lan"))
        });
        connected.map(|peer| peer["id"].as_str().expect("an id").to_owned()).collect()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks until it holds, a minute at most.
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = std::time::Instant::now();
    while !holds() {
        assert!(start.elapsed().as_secs() < 60, "not within a minute: {what}");
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
}

#[test]
fn three_hosts_find_each_other_and_nothing_leaves_the_lan() {
    let lan = Lan::new(3);
    let nodes: Vec<Node> = lan.hosts.iter().map(|host| Node::start(host)).collect();
    for node in &nodes {
        eventually("every host has found the two others", || {
            let found = node.found();
            nodes.iter().filter(|other| other.id != node.id).all(|other| found.contains(&other.id))
        });
    }
    assert_eq!(lan.left(), 0, "packets left the LAN");

    for node in &nodes {
        for peer in node.ask(&["peers"]) {
            let address = peer["address"].as_str().expect("an address");
            assert!(address.contains("10.77.0.") || address.contains("fd77:"), "{peer}");
            assert_eq!(peer["path"], "lan", "{peer}");
            // One of the two dialled, and came in to the other.
            let found = peer["found"].as_array().expect("ways");
            assert!(found.contains(&json!("lan")), "{peer}");
            assert!(found.iter().all(|way| way == "lan" || way == "incoming"), "{peer}");
            assert!(peer["rtt"].is_u64() && peer["since"].is_u64(), "{peer}");
            assert!(peer["traffic"]["received"].as_u64() > Some(0), "{peer}");
        }
        let status = node.ask(&["status"]).remove(0);
        let ways = status["discovery"].as_array().expect("the ways");
        let lan = ways.iter().find(|way| way["way"] == "lan").expect("the LAN is one");
        assert!(lan["on"] == true && lan["found"].as_u64() >= Some(2), "{lan}");
    }

    // The counter does count what leaves, of each kind.
    for leaving in [
        "echo x > /dev/udp/198.51.100.9/9",
        "echo x > /dev/udp/2001:db8::9/9",
        "timeout 1 bash -c 'echo x > /dev/tcp/198.51.100.9/80' || true",
        "timeout 2 getent hosts example.org || true",
    ] {
        let before = lan.left();
        let host = &lan.hosts[0];
        let shell =
            Command::new("ip").args(["netns", "exec", host, "bash", "-c", leaving]).output();
        assert!(shell.expect("bash runs").status.success(), "{leaving}");
        eventually("the gateway sees what leaves", || lan.left() > before);
    }
}

/// A neighbour that claims to have addresses outside of the LAN, in a process of its own.
struct Hostile {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    addr: String,
}

impl Hostile {
    /// On a host, with sockets at this address.
    fn start(host: &str, at: &str) -> Self {
        let test = std::env::current_exe().expect("this test");
        let mut child = Command::new("ip")
            .args(["netns", "exec", host])
            .arg(test)
            .args(["--exact", "hostile_neighbour", "--nocapture"])
            .env("KITH_TEST_AT", at)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let to = child.stdin.take().expect("piped");
        let from = BufReader::new(child.stdout.take().expect("piped"));
        let mut hostile = Self { child, to, from, addr: String::new() };
        hostile.addr = hostile.hears("at ");
        hostile
    }

    /// Dials a node: what became of it.
    fn dials(&mut self, addr: &str) -> String {
        writeln!(self.to, "{addr}").expect("it reads");
        self.hears("dialled ")
    }

    fn hears(&mut self, what: &str) -> String {
        loop {
            let mut line = String::new();
            assert!(self.from.read_line(&mut line).expect("text") > 0, "it ended");
            // The harness says things, too.
            if let Some(at) = line.find(what) {
                return line[at + what.len()..].trim().to_owned();
            }
        }
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What [`Hostile`] runs, on a host of its own: says where it is, dials whom its input names, and is
/// dialled. By itself it does nothing.
#[test]
fn hostile_neighbour() {
    let Ok(at) = std::env::var("KITH_TEST_AT") else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let at: SocketAddr = at.parse().expect("an address");
        let endpoint = Endpoint::builder(presets::Minimal)
            .alpns(vec![b"kith/1".to_vec()])
            .clear_ip_transports()
            .bind_addr(at)
            .expect("an address")
            .bind()
            .await
            .expect("a socket");
        for claimed in ["198.51.100.7:9", "[2001:db8::7]:9", "203.0.113.7:443"] {
            endpoint.add_external_addr(claimed.parse().expect("an address")).await;
        }
        println!("at {}", PeerAddr::new(endpoint.id(), endpoint.bound_sockets()));
        let accepting = endpoint.clone();
        let accepted = tokio::spawn(async move {
            let mut held = Vec::new();
            while let Some(incoming) = accepting.accept().await {
                let conn = incoming.await.expect("a connection");
                let streams = conn.accept_bi().await.expect("a control stream");
                held.push(greet(conn, streams).await);
            }
        });
        let (lines, mut asked) = tokio::sync::mpsc::channel(1);
        std::thread::spawn(move || {
            for line in std::io::stdin().lines().map_while(Result::ok) {
                if lines.blocking_send(line).is_err() {
                    return;
                }
            }
        });
        let mut held = Vec::new();
        while let Some(line) = asked.recv().await {
            let peer: PeerAddr = line.parse().expect("an address");
            let addrs = peer.addrs.into_iter().map(TransportAddr::Ip);
            let to = EndpointAddr::from_parts(peer.id, addrs);
            let dial = endpoint.connect(to, b"kith/1");
            match tokio::time::timeout(std::time::Duration::from_secs(4), dial).await {
                Ok(Ok(conn)) => {
                    let streams = conn.open_bi().await.expect("a control stream");
                    held.push(greet(conn, streams).await);
                    println!("dialled connected");
                }
                Ok(Err(_)) | Err(_) => println!("dialled in vain"),
            }
        }
        accepted.abort();
    });
}

type Streams = (iroh::endpoint::SendStream, iroh::endpoint::RecvStream);

async fn greet(conn: Connection, (mut send, recv): Streams) -> (Connection, Streams) {
    let hello = Hello { version: 1, features: 0, run_id: [8; 16], lost: [0; 16] };
    let body = Control::Hello(hello).encode();
    let length = u32::try_from(body.len()).expect("short").to_be_bytes();
    send.write_all(&[&length[..], &body].concat()).await.expect("it is taken");
    (conn, (send, recv))
}

#[test]
fn a_hostile_neighbour_makes_no_offline_node_send_far() {
    let lan = Lan::new(CONTROL);
    let host = |n: u8| &lan.hosts[usize::from(n) - 1];
    // Hole punching goes out from who dialled and from who was dialled: both are tried.
    let meets = |n: u8, args: &[&str], bind: &str| {
        let hostile = Hostile::start(host(n + 1), &format!("10.77.0.{}:0", n + 1));
        let addr = hostile.addr.clone();
        let args = [args, &["--peer", &addr]].concat();
        let node = Node::start_with(host(n), &args, &[("KITH_LAN", "0"), ("KITH_BIND", bind)]);
        let id = addr.split('@').next().expect("an id").to_owned();
        eventually("the node has dialled it", || node.has(&id));
        let mut other = Hostile::start(host(n + 1), &format!("10.77.0.{}:0", n + 1));
        assert_eq!(other.dials(&node.addr), "connected");
        // From an address on the internet, as far as anybody can see.
        sh(&format!("ip -n {} addr add 198.51.100.{n}/32 dev eth0", host(n + 1)));
        let mut far = Hostile::start(host(n + 1), &format!("198.51.100.{n}:0"));
        let answered = far.dials(&node.addr);
        (node, [hostile, other, far], answered)
    };
    let mut held = Vec::new();
    for (n, bind) in [(1, "0.0.0.0:0 [::]:0"), (3, "10.77.0.3:0"), (5, "")] {
        let (node, hostile, answered) = meets(n, &["--offline"], bind);
        assert_eq!(answered, "in vain", "{bind:?}");
        let refused = node.ask(&["status"]).remove(0)["refused"].clone();
        assert!(refused["too_far_for_offline"].as_u64() > Some(0), "{bind:?}: {refused}");
        held.push((node, hostile));
    }
    // The positive control comes last, so that the others had as long as it needs.
    let hostile = Hostile::start(host(8), "10.77.0.8:0");
    let control = Node::start_with(
        host(CONTROL),
        &["--peer", &hostile.addr],
        &[("KITH_LAN", "0"), ("KITH_BIND", "0.0.0.0:0 [::]:0")],
    );
    eventually("a node that is not offline probes what is claimed", || lan.counter("control") > 0);
    for (node, [hostile, ..]) in &held {
        let id = hostile.addr.split('@').next().expect("an id");
        assert!(node.has(id), "it was there all the while");
    }
    drop(control);
    assert_eq!(lan.left(), 0, "packets left the LAN");
}

#[test]
fn an_address_that_comes_later_is_served() {
    let lan = Lan::new(2);
    let [first, second] = &lan.hosts[..] else { panic!("two hosts") };
    sh(&format!("ip -n {second} addr flush dev eth0 scope global"));
    let there = Node::start_with(first, &["--offline"], &[("KITH_LAN", "0")]);
    let late =
        Node::start_with(second, &["--offline", "--peer", &there.addr], &[("KITH_LAN", "0")]);
    eventually("it says that it can't", || {
        let peers = late.ask(&["peers"]);
        peers.iter().any(|peer| peer["id"] == there.id.as_str() && !peer["error"].is_null())
    });
    assert!(!late.addr.contains("10.77."), "{}", late.addr);
    sh(&format!("ip -n {second} addr add 10.77.0.2/24 dev eth0"));
    sh(&format!("ip -n {second} route add default via 10.77.0.254"));
    eventually("it is connected by its new address", || late.has(&there.id) && there.has(&late.id));
    let status = late.ask(&["status"]).remove(0);
    assert!(status["addr"].as_str().is_some_and(|addr| addr.contains("10.77.0.2")), "{status}");
    // Its new socket is bounded as the first ones are.
    let mut hostile = Hostile::start(first, "10.77.0.1:0");
    assert_eq!(hostile.dials(status["addr"].as_str().expect("an address")), "connected");
    let id = hostile.addr.split('@').next().expect("an id").to_owned();
    eventually("it is there", || late.has(&id));
    assert_eq!(lan.left(), 0, "packets left the LAN");
}
