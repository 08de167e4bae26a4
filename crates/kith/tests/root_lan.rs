//! Three hosts on one LAN with `--offline`: they find each other by themselves, and nothing that
//! they send leaves the LAN. Needs root: the hosts are network namespaces.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

/// Prefix of this test's namespaces, with its process id so that two runs don't meet.
fn name(host: &str) -> String {
    format!("kl{}{host}", std::process::id() % 100_000)
}

fn sh(script: &str) -> String {
    let out = Command::new("sh").args(["-ec", script]).output().expect("sh runs");
    assert!(out.status.success(), "{script}\n{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).expect("text")
}

/// A switch, a gateway that counts what would leave, and hosts whose default route it is.
struct Lan {
    hosts: Vec<String>,
}

impl Lan {
    fn new(count: u8) -> Self {
        let (switch, gateway) = (name("sw"), name("gw"));
        let lan = Self { hosts: (1..=count).map(|n| name(&format!("h{n}"))).collect() };
        sh(&format!(
            "ip netns add {switch}; ip -n {switch} link add br0 type bridge; ip -n {switch} link set br0 up; \
             ip netns add {gateway}"
        ));
        lan.plug(&switch, &gateway, "254");
        for (n, host) in lan.hosts.iter().enumerate() {
            sh(&format!("ip netns add {host}"));
            lan.plug(&switch, host, &(n + 1).to_string());
            sh(&format!(
                "ip -n {host} route add default via 10.77.0.254; ip -n {host} -6 route add default via fd77::254; \
                 mkdir -p /etc/netns/{host}; echo nameserver 198.51.100.53 > /etc/netns/{host}/resolv.conf"
            ));
        }
        sh(&format!(
            "ip netns exec {gateway} sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1; \
             ip netns exec {gateway} nft -f - <<'N'\n\
             table inet watch {{\n counter left {{ }}\n chain c_pre {{ type filter hook prerouting priority -300; \
             ip daddr != {{ 10.77.0.0/24, 224.0.0.0/24 }} counter name left drop; \
             ip6 daddr != {{ fd77::/64, fe80::/10, ff02::/16 }} counter name left drop;\n }}\n}}\nN"
        ));
        lan
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

    /// Packets that would have left the LAN.
    fn left(&self) -> u64 {
        let text = sh(&format!("ip netns exec {} nft -j list counter inet watch left", name("gw")));
        let json: Value = serde_json::from_str(&text).expect("nft prints JSON");
        let counters = json["nftables"].as_array().expect("a list");
        counters.iter().find_map(|item| item["counter"]["packets"].as_u64()).expect("the counter")
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        for space in self.hosts.iter().chain(&[name("sw"), name("gw")]) {
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
}

impl Node {
    fn start(host: &str) -> Self {
        let dir = TempDir::new().expect("a folder");
        let mut child = Command::new("ip")
            .args(["netns", "exec", host, env!("CARGO_BIN_EXE_kith")])
            .args(["up", "--offline", "--no-open", "--json", "--data-dir"])
            .arg(dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("kith starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
        let ready: Value = serde_json::from_str(&line).expect("the ready line is JSON");
        let id = ready["node_id"].as_str().expect("an id").to_owned();
        Self { child, host: host.to_owned(), dir, id }
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
