//! A directory that was put back from a backup unnoticed, written on, and killed again and again
//! while it finds out: in the end all have everything once, and nobody sees a fork.

mod fixture;
mod support;

use std::collections::BTreeSet;
use std::path::Path;

use fixture::{Node, up};
use serde_json::json;
use support::{Page, eventually};

/// Entries that are written after the backup and lost with it.
const LOST: usize = 40;
/// Entries that are written in their place: carried over in several steps.
const KEPT: usize = 600;

fn start(dir: &Path, peers: &[&Node]) -> Node {
    let mut command = up(dir);
    for peer in peers {
        command.args(["--peer", peer.said("addr")]);
    }
    Node::of(command, dir)
}

fn stop(mut node: Node) {
    node.signal("TERM");
    assert!(node.ended());
}

fn say(page: &mut Page, what: &str, count: usize) -> BTreeSet<String> {
    let texts: Vec<_> = (0..count).map(|n| format!("{what} {n}")).collect();
    for text in &texts {
        page.append(text).expect("it is acknowledged");
    }
    texts.into_iter().collect()
}

/// What the page shows. Nothing twice.
fn shown(page: &mut Page) -> BTreeSet<String> {
    let texts = page.texts();
    let shown: BTreeSet<_> = texts.iter().cloned().collect();
    assert_eq!(shown.len(), texts.len(), "something stands there twice");
    shown
}

#[test]
fn a_backup_that_wrote_on_and_is_killed_on_the_way_loses_nothing() {
    let root = tempfile::tempdir().unwrap();
    let [ada_dir, ben_dir] = ["ada", "ben"].map(|name| root.path().join(name));
    std::fs::create_dir(&ada_dir).unwrap();
    std::fs::create_dir(&ben_dir).unwrap();
    let (ada, ben) = (start(&ada_dir, &[]), start(&ben_dir, &[]));
    let link = ada.json(&["invite", "Chat"]).remove(0)["link"].as_str().unwrap().to_owned();
    let mut all = say(&mut Page::open(&ada, "Chat"), "before", 5);
    let mut bens = Page::of(&ben.json(&["open", &link, "--yes", "--no-open"]).remove(0));
    eventually("the beginning is there", || shown(&mut bens) == all);
    stop(ada);
    let files = ["kith.redb", "opened"].map(|name| ada_dir.join(name));
    let backup = files.each_ref().map(|file| std::fs::read(file).unwrap());

    let ada = start(&ada_dir, &[&ben]);
    all.extend(say(&mut Page::open(&ada, "Chat"), "lost", LOST));
    eventually("what will be lost is there", || shown(&mut bens) == all);
    stop(ada);
    drop(ben);
    for (file, bytes) in files.iter().zip(backup) {
        // Into the same file, which then has nothing about it that is older but its bytes.
        std::fs::write(file, bytes).unwrap();
    }
    let mut ada = start(&ada_dir, &[]);
    all.extend(say(&mut Page::open(&ada, "Chat"), "kept", KEPT));

    // Killed at once, then each time when it has come a bit further.
    let ben = start(&ben_dir, &[]);
    let mut bens = Page::open(&ben, "Chat");
    for more in [0, 1, 1, 100, 200] {
        ada.signal("KILL");
        ada.ended();
        let before = shown(&mut bens).len();
        ada = start(&ada_dir, &[&ben]);
        let mut adas = Page::open(&ada, "Chat");
        assert!(shown(&mut adas).len() >= 5 + KEPT, "what was acknowledged is there all the while");
        eventually("it goes on", || {
            let here = shown(&mut bens).len();
            here >= before + more || here == all.len()
        });
    }
    let mut adas = Page::open(&ada, "Chat");
    eventually("all is there", || shown(&mut bens) == all);
    eventually("and here", || shown(&mut adas) == all);
    all.extend(say(&mut adas, "after", 1));
    eventually("it goes on", || shown(&mut bens) == all);
    for (node, page) in [(&ada, &mut adas), (&ben, &mut bens)] {
        let status = node.json(&["status"]).remove(0);
        assert_eq!(status["problems"], json!([]));
        let people = page.socket.call("space.members", json!({})).expect("they are told");
        let people = people["members"].as_array().expect("a list").clone();
        assert_eq!(people.len(), 2, "{people:?}");
        assert!(people.iter().all(|one| one["forked"] == false), "{people:?}");
    }
}
