//! A process with a bare iroh endpoint and nothing else: this program itself, by a variable.

use std::process::Stdio;
use std::time::{Duration, Instant};

use iroh::Endpoint;
use iroh::endpoint::presets;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

const VARIABLE: &str = "KITH_BENCH_ANCHOR";

/// What it does.
#[derive(Clone, Copy)]
pub(crate) enum Task {
    /// Nothing.
    Rest,
    /// Reads one stream, and looks at nothing.
    Read,
}

/// Runs as the anchor, where this process was started as one.
pub(crate) fn anchor_main() -> bool {
    let Some(task) = std::env::var_os(VARIABLE) else { return false };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        if task == "read" {
            super::anchors::read_stream(|addr| println!("{addr}")).await;
        } else {
            let _endpoint = bind().await;
            println!("bound");
            std::future::pending::<()>().await;
        }
    });
    true
}

/// An endpoint on loopback, without relays.
pub(crate) async fn bind() -> Endpoint {
    builder().bind().await.expect("it binds")
}

/// One that is to be bound.
pub(crate) fn builder() -> iroh::endpoint::Builder {
    Endpoint::builder(presets::Minimal)
        .relay_mode(iroh::RelayMode::Disabled)
        .clear_ip_transports()
        .bind_addr("127.0.0.1:0")
        .expect("an address")
        .alpns(vec![b"bench".to_vec()])
}

pub(crate) struct Anchor {
    child: Child,
    /// What it said first.
    pub(crate) said: String,
    pub(crate) ready: Duration,
}

impl Anchor {
    pub(crate) async fn start(task: Task) -> Self {
        let task = match task {
            Task::Rest => "rest",
            Task::Read => "read",
        };
        let started = Instant::now();
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .env(VARIABLE, task)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("it starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let said = lines.next_line().await.expect("a pipe").expect("a line");
        Self { child, said, ready: started.elapsed() }
    }

    pub(crate) fn rss_mb(&self) -> f64 {
        super::rss_mb(self.child.id().expect("it runs"))
    }

    pub(crate) fn cpu_seconds(&self) -> f64 {
        super::cpu_seconds(self.child.id().expect("it runs"))
    }

    pub(crate) async fn stop(&mut self) {
        self.child.kill().await.expect("it ends");
    }
}
