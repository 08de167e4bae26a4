//! A node as a process of its own, offline and on loopback alone.

use std::net::TcpListener;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};

pub(crate) struct Kith {
    name: &'static str,
    dir: TempDir,
    http: u16,
    udp: u16,
    /// Whom it reaches from the start.
    peers: Vec<String>,
    child: Option<Child>,
}

impl Kith {
    pub(crate) fn new(name: &'static str) -> Self {
        let free = || {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
            listener.local_addr().expect("bound").port()
        };
        Self {
            name,
            dir: TempDir::new().expect("a folder"),
            http: free(),
            udp: free(),
            peers: Vec::new(),
            child: None,
        }
    }

    /// Its data directory.
    pub(crate) fn dir(&self) -> &std::path::Path {
        self.dir.path()
    }

    /// One more peer that it reaches from the start.
    pub(crate) fn reaching(mut self, addr: &str) -> Self {
        self.peers.push(addr.to_owned());
        self
    }

    /// Starts it; returns the time from the process's start to its ready line.
    pub(crate) async fn start(&mut self) -> Duration {
        let started = Instant::now();
        let mut child = Command::new(binary())
            .args(["up", "--offline", "--no-open", "--json", "--data-dir"])
            .arg(self.dir.path())
            .args(["--http", &format!("127.0.0.1:{}", self.http)])
            .args(self.peers.iter().flat_map(|peer| ["--peer", peer]))
            .env("KITH_BIND", format!("127.0.0.1:{}", self.udp))
            .env("KITH_LAN", "0")
            .env("KITH_LOG", "error")
            .env("USER", self.name)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("kith starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        lines.next_line().await.expect("it says something").expect("it says that it is ready");
        self.child = Some(child);
        started.elapsed()
    }

    /// Ends it as a power cut would, but for the disk.
    pub(crate) async fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().await.expect("it ends");
        }
    }

    pub(crate) async fn stop(&mut self) {
        self.call("node.stop", json!({})).await;
        if let Some(mut child) = self.child.take() {
            child.wait().await.expect("it ends");
        }
    }

    /// Calls a method as the person.
    pub(crate) async fn call(&self, method: &str, params: Value) -> Value {
        let stream = super::door::connect(self.dir.path()).await.expect("it listens");
        let (read, mut write) = tokio::io::split(stream);
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        write.write_all(format!("{request}\n").as_bytes()).await.expect("it reads");
        let mut lines = BufReader::new(read).lines();
        let line = lines.next_line().await.expect("a line").expect("an answer");
        let mut answer: Value = serde_json::from_str(&line).expect("JSON");
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].take()
    }

    /// Runs a command beside the node; its last line.
    pub(crate) async fn command(&self, args: &[&str]) -> Value {
        let output = self.begin(args).wait_with_output().await.expect("it ends");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        assert!(output.status.success(), "{args:?}: {text}");
        let last = text.lines().last().expect("it says something");
        serde_json::from_str(last).expect("JSON")
    }

    /// Starts a command beside the node.
    pub(crate) fn begin(&self, args: &[&str]) -> Child {
        Command::new(binary())
            .args(args)
            .args(["--json", "--data-dir"])
            .arg(self.dir.path())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("kith starts")
    }

    /// Where it can be reached.
    pub(crate) async fn addr(&self) -> String {
        let status = self.call("node.status", json!({})).await;
        status["addr"].as_str().expect("an address").to_owned()
    }

    /// Bytes that came on its streams.
    pub(crate) async fn received(&self) -> f64 {
        let status = self.call("node.status", json!({})).await;
        status["traffic"]["received"].as_f64().expect("a count")
    }

    /// The most memory that it ever had.
    pub(crate) fn peak_mb(&self) -> f64 {
        super::peak_mb(self.pid())
    }

    fn pid(&self) -> u32 {
        self.child.as_ref().and_then(Child::id).expect("it runs")
    }

    pub(crate) fn rss_mb(&self) -> f64 {
        super::rss_mb(self.pid())
    }

    /// Processor time since its start.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        super::cpu_seconds(self.pid())
    }
}

/// The program that is measured: `KITH_BIN`, or the one that was built with the bench.
fn binary() -> std::ffi::OsString {
    std::env::var_os("KITH_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_kith").into())
}
