//! Commands against a running node, and how nodes of one directory or port keep apart.

mod fixture;
mod support;

use std::net::TcpListener;

use fixture::{Node, error, kith, stderr, up};
use serde_json::json;
use support::Control;

#[test]
fn a_node_says_when_it_is_ready_answers_and_stops() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = Node::start(dir.path());
    assert_eq!(node.ready["ready"], true);
    assert!(node.said("http").starts_with("http://localhost:"));
    assert!(node.said("addr").starts_with(node.said("node_id")));

    let status = node.json(&["status"]).remove(0);
    assert_eq!(status["node_id"], node.ready["node_id"]);
    assert_eq!(status["addr"], node.ready["addr"]);
    assert_eq!(status["offline"], true);
    assert_eq!(node.json(&["peers"]).len(), 0);
    assert!(node.json(&["apps"]).iter().any(|app| app["name"] == "Chat" && app["bundled"] == true));

    assert_eq!(node.json(&["stop"]), [serde_json::json!({"stopped": true})]);
    assert!(node.ended());
    assert_eq!(
        error(&kith(dir.path()).args(["status", "--json"]).output().unwrap())["code"],
        "not_running"
    );
}

#[test]
fn a_signal_stops_it_in_order() {
    for signal in ["INT", "TERM"] {
        let dir = tempfile::tempdir().unwrap();
        let mut node = Node::start(dir.path());
        node.signal(signal);
        assert!(node.ended(), "{signal}");
        assert!(!dir.path().join("kith.sock").exists(), "{signal}");
    }
}

#[test]
fn kith_alone_leads_to_the_running_node() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::start(dir.path());
    let output = node.run(&[]);
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).contains(node.said("http")));
}

#[test]
fn a_second_process_is_refused_and_the_first_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::start(dir.path());
    let refused = error(&up(dir.path()).output().unwrap());
    assert_eq!(refused["code"], "already_running");
    assert!(refused["todo"].as_str().unwrap().contains("kith stop"), "{refused}");
    node.json(&["status"]);
}

#[test]
fn a_killed_node_leaves_nothing_that_stops_the_next_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = Node::start(dir.path());
    let id = node.said("node_id").to_owned();
    node.signal("KILL");
    assert!(!node.ended());
    assert!(dir.path().join("kith.sock").exists());
    assert_eq!(
        error(&kith(dir.path()).args(["status", "--json"]).output().unwrap())["code"],
        "not_running"
    );
    let node = Node::start(dir.path());
    assert_eq!(node.said("node_id"), id);
    node.json(&["status"]);
}

#[test]
fn a_taken_port_is_an_error_that_names_it() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let dir = tempfile::tempdir().unwrap();
    let http = format!("127.0.0.1:{port}");
    let output =
        kith(dir.path()).args(["up", "--offline", "--no-open", "--json", "--http", &http]).output();
    let refused = error(&output.unwrap());
    assert_eq!(refused["code"], "port_taken");
    assert!(refused["what"].as_str().unwrap().contains(&port), "{refused}");
    assert!(refused["todo"].as_str().unwrap().contains("--http"), "{refused}");
}

#[test]
fn a_peer_that_is_no_address_is_wrong_usage() {
    let dir = tempfile::tempdir().unwrap();
    let output = up(dir.path()).args(["--peer", "ada"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("“ada”"), "{}", stderr(&output));
}

#[cfg(unix)]
#[test]
fn the_data_directory_and_the_socket_are_the_owners_alone() {
    use std::os::unix::fs::PermissionsExt;

    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("kith");
    let mut command = up(parent.path());
    command.arg("--data-dir").arg(&dir);
    let _node = Node::of(command, &dir);
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    assert_eq!(mode(&dir.join("kith.sock")), 0o600);
}

#[test]
fn an_app_is_published_opened_invited_to_and_left() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::start(dir.path());
    let app = dir.path().join("my-app");
    std::fs::create_dir(&app).unwrap();
    std::fs::write(app.join("index.html"), "<!doctype html><title>Mine</title>").unwrap();
    std::fs::write(app.join("manifest.toml"), "name = \"Mine\"\n").unwrap();

    // A path is the command's, not the node's.
    let published = node.json(&["publish", "my-app"]).remove(0);
    let link = published["link"].as_str().unwrap();
    assert!(link.starts_with("kith://") && link.len() <= 300, "{link}");

    let opened = node.json(&["open", link, "--new-space", "--yes"]).remove(0);
    assert!(opened["url"].as_str().unwrap().starts_with("http://"), "{opened}");
    let space = opened["space"].as_str().unwrap();

    let by_name = node.json(&["invite", "mine"]).remove(0);
    assert_eq!(by_name["space"], opened["space"]);
    assert!(by_name["link"].as_str().unwrap().contains('#'));

    let key = node.json(&["key"]).remove(0);
    assert_eq!(key["app"], published["app"]);
    let exported = node.json(&["key", "export", key["name"].as_str().unwrap()]).remove(0);
    assert!(exported["secret"].as_str().unwrap().starts_with("kith-key:"));

    assert_eq!(node.json(&["leave", &space[..8]]), [serde_json::json!({"left": space})]);
    let mine = node.json(&["apps"]).into_iter().find(|app| app["name"] == "Mine").unwrap();
    assert_eq!(mine["spaces_here"], serde_json::json!([]));
}

#[test]
fn a_key_moves_to_another_node() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (a, b) = (Node::start(from.path()), Node::start(to.path()));
    let app = from.path().join("my-app");
    std::fs::create_dir(&app).unwrap();
    std::fs::write(app.join("index.html"), "<!doctype html>").unwrap();
    let published = a.json(&["publish", "my-app", "--key", "me"]).remove(0);
    let file = to.path().join("key.txt");
    a.json(&["key", "export", "me", "-o", file.to_str().unwrap()]);
    let imported = b.json(&["key", "import", "me", "key.txt"]).remove(0);
    assert_eq!(imported["app"], published["app"]);
}

#[test]
fn a_new_name_switches_on_nothing_that_the_configuration_switched_off() {
    let dir = tempfile::tempdir().unwrap();
    // With KITH_LAN=0.
    let node = Node::start(dir.path());
    let mut control = Control::connect(dir.path()).unwrap();
    let mut ask = |method: &str, params| control.call(method, params).unwrap();
    assert_eq!(ask("settings.set", json!({ "name": "Ada" }))["name"], "Ada");
    // Whoever follows the settings has had its turn by then.
    for _ in 0..100 {
        let status = ask("node.status", json!({}));
        let ways = status["discovery"].as_array().unwrap();
        let lan = ways.iter().find(|way| way["way"] == "lan").unwrap();
        assert_eq!(lan["on"], false, "{lan}");
    }
    drop(node);
}
