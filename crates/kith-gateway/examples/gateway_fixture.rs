//! The gateway with a node in memory behind it, for the browser's tests.
//!
//! `gateway_fixture [--embedded] LABEL=FOLDER… [--later LABEL=FOLDER…]` serves a space for each
//! folder; those after `--later` have their app still on its way. With `--embedded` the dashboard is
//! kith's own, else the fixture's. It prints `{"port":…}`, then answers lines on its input:
//! `token LABEL` and `token` (the dashboard's) with a token, `session LABEL` with what a token
//! gives, `arrive LABEL`, `remove LABEL`. It ends with its input, so it outlives no test.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a program of tests")]

#[path = "../tests/fixture/mod.rs"]
mod fixture;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fixture::{Fixture, Handle};
use kith_gateway::{Assets, Config, Gateway, Limits};

#[tokio::main]
async fn main() {
    let node = Arc::new(Fixture::default());
    let mut ready = true;
    let mut assets =
        Assets::Folder(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixture/assets").into());
    for argument in std::env::args().skip(1) {
        if argument == "--later" {
            ready = false;
            continue;
        }
        if argument == "--embedded" {
            assets = Assets::Embedded;
            continue;
        }
        let (label, folder) = argument.split_once('=').expect("LABEL=FOLDER");
        node.add_space(label, ready);
        add_files(&node, label, Path::new(folder), "");
    }
    let config = Config { addr: "127.0.0.1:0".parse().unwrap(), assets, limits: Limits::default() };
    let gateway = Gateway::bind(config, Arc::new(Handle(Arc::clone(&node)))).await.unwrap();
    println!("{}", serde_json::json!({ "port": gateway.port() }));
    tokio::task::spawn_blocking(move || answer_lines(&node)).await.unwrap();
    gateway.shutdown(Duration::from_secs(1)).await;
}

fn answer_lines(node: &Fixture) {
    for line in std::io::stdin().lines() {
        let line = line.unwrap();
        let (command, label) = line.split_once(' ').unwrap_or((&line, ""));
        let answer = match command {
            "token" => node.token(label),
            "session" => node.session(label),
            "arrive" => {
                node.arrive(label);
                "done".into()
            }
            "remove" => {
                node.remove(label);
                "done".into()
            }
            other => panic!("no such command: {other}"),
        };
        println!("{}", serde_json::json!({ "answer": answer }));
    }
}

fn add_files(node: &Fixture, label: &str, folder: &Path, prefix: &str) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            add_files(node, label, &entry.path(), &format!("{name}/"));
            continue;
        }
        let content_type = match name.rsplit_once('.').unwrap().1 {
            "html" => "text/html; charset=utf-8",
            "js" => "text/javascript; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            "svg" => "image/svg+xml",
            _ => "application/octet-stream",
        };
        node.add_file(label, &name, content_type, &fs::read(entry.path()).unwrap());
    }
}
