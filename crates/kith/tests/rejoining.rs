//! Two members of a space that were stopped, killed or moved to other ports come back together by
//! whom they remember alone: no LAN, no `--peer`, nobody else.

mod fixture;
mod support;

use std::path::Path;

use serde_json::json;
use tempfile::TempDir;

use crate::fixture::{Node, up};
use crate::support::{Page, eventually};

/// A person with a node, and a page of the space that both are in.
struct Person {
    dir: TempDir,
    /// None while it is stopped.
    here: Option<(Node, Page)>,
    port: u16,
}

fn port_of(node: &Node) -> u16 {
    let (_, port) = node.said("addr").rsplit_once(':').expect("an address");
    port.parse().expect("a port")
}

fn start(dir: &Path, port: u16) -> Node {
    let mut command = up(dir);
    command.env("KITH_BIND", format!("127.0.0.1:{port}"));
    Node::of(command, dir)
}

impl Person {
    fn new(open: impl FnOnce(&Node) -> Page) -> Self {
        let dir = tempfile::tempdir().expect("a folder can be made");
        let node = start(dir.path(), 0);
        let page = open(&node);
        Self { port: port_of(&node), here: Some((node, page)), dir }
    }

    fn node(&self) -> &Node {
        &self.here.as_ref().expect("it runs").0
    }

    fn page(&mut self) -> &mut Page {
        &mut self.here.as_mut().expect("it runs").1
    }

    fn stop(&mut self, signal: &str) {
        let (mut node, _) = self.here.take().expect("it runs");
        node.signal(signal);
        node.ended();
    }

    /// On the port of before, or on another one.
    fn start(&mut self, same_port: bool) {
        let node = start(self.dir.path(), if same_port { self.port } else { 0 });
        let port = port_of(&node);
        assert_eq!(port == self.port, same_port, "what the test is about");
        self.port = port;
        let page = Page::open(&node, "Chat");
        self.here = Some((node, page));
    }

    /// Whether somebody is remembered, as the person is told.
    fn remembers(&self) -> bool {
        let status = self.node().json(&["status"]).remove(0);
        let ways = status["discovery"].as_array().expect("the ways");
        let cache = ways.iter().find(|way| way["way"] == "cache").expect("the cache is one");
        cache["state"].as_str().is_some_and(|state| state.starts_with("One peer was met before"))
    }
}

/// What each says reaches the other.
fn talk(a: &mut Person, b: &mut Person, when: &str) {
    one_way(a, b, &format!("{when}, a to b"));
    one_way(b, a, &format!("{when}, b to a"));
}

fn one_way(from: &mut Person, to: &mut Person, text: &str) {
    from.page().append(text).expect("it is acknowledged");
    eventually(text, || to.page().texts().iter().any(|found| found == text));
}

/// Ada invited Ben: he dialled her, and she has only seen where he came from.
fn pair() -> (Person, Person) {
    let mut ada = Person::new(|node| Page::open(node, "Chat"));
    let invited = ada.node().json(&["invite", "Chat"]).remove(0);
    let link = invited["link"].as_str().expect("a link").to_owned();
    let mut ben =
        Person::new(|node| Page::of(&node.json(&["open", &link, "--yes", "--no-open"]).remove(0)));
    talk(&mut ada, &mut ben, "at first");
    eventually("both remember each other", || ada.remembers() && ben.remembers());
    (ada, ben)
}

#[test]
fn members_come_back_together_by_themselves() {
    let (mut ada, mut ben) = pair();
    ada.stop("KILL");
    ada.start(true);
    talk(&mut ada, &mut ben, "she was killed");
    ben.stop("TERM");
    ben.start(true);
    talk(&mut ada, &mut ben, "he was stopped");
    ada.stop("TERM");
    ben.stop("KILL");
    ben.start(true);
    ada.start(true);
    talk(&mut ada, &mut ben, "both were");
}

/// Who was only ever dialled by the other finds it where it came from.
#[test]
fn the_one_that_moved_finds_the_one_that_stayed() {
    let (mut ada, mut ben) = pair();
    ada.stop("TERM");
    ada.start(false);
    talk(&mut ada, &mut ben, "she moved");
    let peers = ada.node().json(&["peers"]);
    let ben_there = peers.iter().find(|peer| peer["id"] == ben.node().said("node_id"));
    let found = &ben_there.expect("he is known")["found"];
    assert!(found.as_array().is_some_and(|ways| ways.contains(&json!("cache"))), "{peers:?}");

    // Each remembers the other's new place from then on.
    ben.stop("TERM");
    ben.start(false);
    talk(&mut ada, &mut ben, "he moved");
    ada.stop("TERM");
    ben.stop("TERM");
    ada.start(false);
    ben.start(true);
    talk(&mut ada, &mut ben, "both were stopped, and she moved");
}

/// The one that was blocked waits for minutes before it tries again: the other one dials, to where it
/// came from.
#[test]
fn who_is_unblocked_is_back_soon() {
    let (mut ada, mut ben) = pair();
    let ben_id = ben.node().said("node_id").to_owned();
    let state = |ada: &Person| {
        let peers = ada.node().json(&["peers"]);
        let row = peers.iter().find(|peer| peer["id"] == ben_id.as_str()).expect("he is listed");
        row["state"].as_str().expect("a state").to_owned()
    };
    // Also after a start that found him blocked.
    for restarted in [false, true] {
        ada.node().json(&["peers", "block", &ben_id]);
        assert_eq!(state(&ada), "blocked");
        let ada_id = ada.node().said("node_id").to_owned();
        eventually("he is told", || {
            let peers = ben.node().json(&["peers"]);
            peers.iter().any(|peer| peer["id"] == ada_id.as_str() && peer["state"] == "waiting")
        });
        if restarted {
            ada.stop("TERM");
            ada.start(true);
        }
        ada.node().json(&["peers", "unblock", &ben_id]);
        talk(&mut ada, &mut ben, &format!("unblocked; restarted: {restarted}"));
    }
}

/// Where both moved at once, nobody is left who knows where the other is: that is said, and is over
/// as soon as one is where it was.
#[test]
fn two_that_moved_at_once_say_that_they_look() {
    let (mut ada, mut ben) = pair();
    let before = ben.port;
    ada.stop("TERM");
    ben.stop("TERM");
    ada.start(false);
    ben.start(false);
    eventually("she is told whom she waits for", || {
        let peers = ada.node().json(&["peers"]);
        peers.iter().any(|peer| {
            peer["id"] == ben.node().said("node_id")
                && peer["failures"].as_u64() > Some(0)
                && !peer["error"].as_str().unwrap_or_default().is_empty()
        })
    });
    ben.stop("TERM");
    ben.port = before;
    ben.start(true);
    talk(&mut ada, &mut ben, "he came back to where he was");
}
