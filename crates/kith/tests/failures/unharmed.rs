//! A node with something to lose.

use std::process::Output;

use serde_json::Value;
use tempfile::TempDir;

use crate::fixture::{Node, error};
use crate::support::Page;

/// A node in whose chat some entries are acknowledged.
pub(crate) struct Witness {
    pub(crate) dir: TempDir,
    pub(crate) node: Node,
    pub(crate) page: Page,
    acknowledged: Vec<String>,
    apps: Vec<Value>,
}

impl Witness {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder can be made");
        let node = Node::start(dir.path());
        let page = Page::open(&node, "Chat");
        let mut witness = Self { dir, node, page, acknowledged: Vec::new(), apps: Vec::new() };
        for number in 0..5 {
            witness.append(&format!("before {number}"));
        }
        witness.apps = witness.apps();
        witness
    }

    fn append(&mut self, text: &str) {
        self.page.append(text).expect("it is acknowledged");
        self.acknowledge(text);
    }

    /// A test has appended this.
    pub(crate) fn acknowledge(&mut self, text: &str) {
        self.acknowledged.push(text.to_owned());
    }

    /// The installed apps, by what does not change by itself.
    fn apps(&self) -> Vec<Value> {
        let pick = |app: Value| serde_json::json!([app["app"], app["name"], app["version"]]);
        self.node.json(&["apps"]).into_iter().map(pick).collect()
    }

    /// Runs a command that must fail: its error.
    pub(crate) fn refused(&self, args: &[&str]) -> Value {
        error(&self.run(args))
    }

    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.node.run(&[args, &["--json"]].concat())
    }

    /// The node works, and has what it acknowledged: now, and after it was killed and started again.
    pub(crate) fn unharmed(mut self) {
        self.append("after");
        assert_eq!(self.page.texts(), self.acknowledged);
        assert_eq!(self.apps(), self.apps, "no app came or went");
        self.node.signal("KILL");
        self.node.ended();
        self.node = Node::start(self.dir.path());
        let before = std::mem::replace(&mut self.page, Page::open(&self.node, "Chat"));
        assert_eq!(self.page.space, before.space);
        assert_eq!(self.page.texts(), self.acknowledged);
        self.append("once more");
    }
}
