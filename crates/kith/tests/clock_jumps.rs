//! A clock that jumps back and forth under a running node, by Debian's `faketime`: entries keep
//! their order, and nothing is lost.

mod fixture;
mod support;

use std::path::{Path, PathBuf};

use fixture::{Node, up};
use serde_json::Value;
use support::{Page, eventually};

/// The library that is loaded into the node alone.
fn faketime() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").expect("a system with libraries").flatten();
    let mut places = folders.map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"));
    places.find(|path| path.exists()).expect("Debian's package faketime is installed")
}

/// A node whose wall clock says what the file `clock` says. What measures durations is left alone.
fn start(dir: &Path, clock: &Path) -> Node {
    let mut command = up(dir);
    command
        .env("LD_PRELOAD", faketime())
        .env("FAKETIME_TIMESTAMP_FILE", clock)
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .env("DONT_FAKE_MONOTONIC", "1")
        .env("TZ", "UTC");
    Node::of(command, dir)
}

fn set(clock: &Path, time: &str) {
    let new = clock.with_extension("new");
    std::fs::write(&new, format!("@{time}\n")).expect("it can be written");
    std::fs::rename(new, clock).expect("it can be put in place");
}

/// Years, and the milliseconds since 1970 at which they begin.
const JUMPS: [(&str, u64); 7] = [
    ("2026-01-01 00:00:00", 1_767_225_600_000),
    ("1970-01-02 00:00:00", 86_400_000),
    ("2099-01-01 00:00:00", 4_070_908_800_000),
    ("2016-01-01 00:00:00", 1_451_606_400_000),
    ("2037-01-01 00:00:00", 2_114_380_800_000),
    ("2000-01-01 00:00:00", 946_684_800_000),
    ("2026-01-01 00:00:00", 1_767_225_600_000),
];

fn number(entry: &Value, field: &str) -> u64 {
    entry[field].as_u64().expect("a number")
}

/// In the order of the clock that all nodes agree on.
fn in_order(page: &mut Page) -> Vec<String> {
    let mut entries = page.entries();
    let key = |entry: &Value| {
        let author = entry["author"].as_str().expect("an author").to_owned();
        (number(entry, "lamport"), author, number(entry, "index"))
    };
    entries.sort_by_key(key);
    entries.iter().map(|entry| entry["body"]["json"].as_str().expect("a text").to_owned()).collect()
}

#[test]
fn entries_keep_their_order_and_none_is_lost() {
    let root = tempfile::tempdir().unwrap();
    let clock = root.path().join("clock");
    let (ada_dir, ben_dir) = (root.path().join("ada"), root.path().join("ben"));
    std::fs::create_dir(&ada_dir).unwrap();
    std::fs::create_dir(&ben_dir).unwrap();
    set(&clock, JUMPS[0].0);
    let ada = Node::start(&ada_dir);
    // The guest's clock jumps: whom he was led to by the link, he has to find again by himself.
    let mut ben = start(&ben_dir, &clock);
    let invited = ada.json(&["invite", "Chat"]).remove(0);
    let adas = Page::open(&ada, "Chat");
    assert_eq!(invited["space"], adas.space);
    let link = invited["link"].as_str().unwrap();
    let bens = Page::of(&ben.json(&["open", link, "--yes", "--no-open"]).remove(0));
    let mut pages = [adas, bens];

    let mut written = Vec::new();
    for (round, (time, millis)) in JUMPS.into_iter().enumerate() {
        set(&clock, time);
        for who in 0..2 {
            let text = format!("{round} {who}");
            let appended = pages[who].append(&text).expect("it is acknowledged");
            // The clock does jump, or the test would show nothing.
            let off = number(&appended, "time").abs_diff(millis);
            assert!(who == 0 || off < 3_600_000, "{time}: {appended}");
            written.push(text);
            for page in &mut pages {
                eventually("both have all", || page.entries().len() == written.len());
            }
        }
    }
    for page in &mut pages {
        assert_eq!(page.texts(), written, "as they arrived");
        assert_eq!(in_order(page), written, "as all order them");
    }

    // He starts in a time before all that he has written, and long after it.
    for time in ["1990-01-01 00:00:00", "2099-06-01 00:00:00"] {
        ben.signal("KILL");
        ben.ended();
        set(&clock, time);
        ben = start(&ben_dir, &clock);
        let [adas, bens] = &mut pages;
        *bens = Page::open(&ben, "Chat");
        assert_eq!(bens.texts(), written, "{time}");
        let text = format!("started in {time}");
        bens.append(&text).expect("it is acknowledged");
        written.push(text);
        eventually("the other hears it", || adas.texts() == written);
        assert_eq!(in_order(adas), written, "{time}");
    }
}
