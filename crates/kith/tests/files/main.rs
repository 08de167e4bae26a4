//! Files from one person to another by `kith share` and `kith get`: real processes, over loopback.

#[path = "../fixture/mod.rs"]
mod fixture;
#[path = "../../benches/support/liar.rs"]
mod liar;
#[path = "../support/mod.rs"]
mod support;

mod folders;
mod one_file;
mod resumed;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::fixture::{Node, kith, up};

/// A person with a node, and a folder for files beside it.
pub(crate) struct Person {
    home: TempDir,
    pub(crate) node: Node,
}

impl Person {
    pub(crate) fn new() -> Self {
        let home = tempfile::tempdir().expect("a folder can be made");
        for name in ["files", "kith"] {
            fs::create_dir(home.path().join(name)).expect("a folder can be made");
        }
        let node = Node::start(&home.path().join("kith"));
        Self { home, node }
    }

    /// A path among the person's files.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.home.path().join("files").join(name)
    }

    /// Shares a path; the link.
    pub(crate) fn share(&self, args: &[&str]) -> Value {
        self.node.json(&[&["share"], args].concat()).remove(0)
    }

    /// Gets a link into a folder; what was got.
    pub(crate) fn get(&self, link: &str, to: &Path) -> Value {
        let to = to.to_str().expect("text");
        self.node.json(&["get", link, "-o", to]).remove(0)
    }

    /// Begins to get a link into a folder.
    pub(crate) fn begin_get(&self, link: &str, to: &Path) -> Child {
        let mut command: Command = kith(&self.node.dir);
        command.args(["get", link, "--json", "-o"]).arg(to);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("kith was built")
    }

    /// Ends the node as a power cut would end it, but for the disk.
    pub(crate) fn kill(&mut self) {
        self.node.signal("KILL");
        self.node.ended();
    }

    /// Starts the node again on the same port, one that reaches these peers.
    pub(crate) fn start_again(&mut self, peers: &[&str]) {
        let port = self.node.said("addr").rsplit_once(':').expect("an address").1.to_owned();
        let dir = self.node.dir.clone();
        let mut command = up(&dir);
        command.env("KITH_BIND", format!("127.0.0.1:{port}"));
        for peer in peers {
            command.args(["--peer", peer]);
        }
        self.node = Node::of(command, &dir);
    }

    pub(crate) fn kill_and_start(&mut self) {
        self.kill();
        self.start_again(&[]);
    }

    /// Bytes that came over the network since the node's start.
    pub(crate) fn received(&self) -> u64 {
        self.node.json(&["status"])[0]["traffic"]["received"].as_u64().expect("a number")
    }
}

/// The link of what was shared.
pub(crate) fn link(shared: &Value) -> &str {
    shared["link"].as_str().expect("a link")
}

/// As the liar calls it.
use noise as random_bytes;

/// Bytes that look random, the same ones each time.
pub(crate) fn noise(seed: u64, size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    let mut reader = blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof();
    reader.fill(&mut bytes);
    bytes
}
