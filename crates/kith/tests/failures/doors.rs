//! A port that another program has, and a second process on one data directory.

use std::net::TcpListener;

use crate::fixture::{Node, error, up};
use crate::support::{Page, assert_clear, split_url};
use crate::unharmed::Witness;

/// What pages keep in the browser belongs to the port: it is never changed silently.
#[test]
fn a_taken_port_is_an_error_and_costs_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = Node::start(dir.path());
    let mut page = Page::open(&node, "Chat");
    page.append("kept").unwrap();
    let port = page.port.to_string();
    node.json(&["stop"]);
    node.ended();

    for address in ["127.0.0.1", "[::1]"] {
        let Ok(_taken) = TcpListener::bind(format!("{address}:{port}")) else { continue };
        // The last one given holds.
        let mut again = up(dir.path());
        again.env("KITH_HTTP", format!("127.0.0.1:{port}"));
        let refused = error(&without_flag(again).output().unwrap());
        assert_clear(&refused, "port_taken");
        assert!(refused["what"].as_str().unwrap().contains(&port), "{refused}");
        // It names who has it: this process.
        let us = std::process::id().to_string();
        assert!(refused["why"].as_str().unwrap().contains(&us), "{refused}");
        assert!(!dir.path().join("kith.sock").exists(), "it started nothing");
    }

    let mut again = up(dir.path());
    again.env("KITH_HTTP", format!("127.0.0.1:{port}"));
    let node = Node::of(without_flag(again), dir.path());
    assert_eq!(split_url(node.said("http")).0.to_string(), port, "the port that was asked for");
    assert_eq!(Page::open(&node, "Chat").texts(), ["kept"]);
}

/// `kith up` without the fixture's `--http`, so that the environment decides.
fn without_flag(command: std::process::Command) -> std::process::Command {
    let mut plain = std::process::Command::new(command.get_program());
    let args: Vec<_> = command.get_args().collect();
    let at = args.iter().position(|arg| *arg == "--http").expect("the fixture gives a port");
    plain.args(&args[..at]).args(&args[at + 2..]).env_clear();
    plain.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    plain.current_dir(command.get_current_dir().expect("the fixture gives one"));
    plain
}

#[test]
fn a_second_process_is_refused() {
    let witness = Witness::new();
    for _ in 0..3 {
        let refused = error(&up(witness.dir.path()).output().unwrap());
        assert_clear(&refused, "already_running");
        assert!(refused["todo"].as_str().unwrap().contains("kith stop"), "{refused}");
    }
    // Nor where the socket, by which it would be seen, is gone.
    std::fs::rename(witness.dir.path().join("kith.sock"), witness.dir.path().join("hidden"))
        .unwrap();
    let refused = error(&up(witness.dir.path()).output().unwrap());
    assert_clear(&refused, "storage");
    assert!(refused["why"].as_str().unwrap().contains("has it"), "{refused}");
    std::fs::rename(witness.dir.path().join("hidden"), witness.dir.path().join("kith.sock"))
        .unwrap();
    witness.unharmed();
}
