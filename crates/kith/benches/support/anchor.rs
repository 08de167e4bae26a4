//! A process with a bare iroh endpoint and nothing else: this program itself, by a variable.

use std::process::Stdio;
use std::time::{Duration, Instant};

use iroh::Endpoint;
use iroh::endpoint::presets;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

const VARIABLE: &str = "KITH_BENCH_ANCHOR";

/// Runs as the anchor, where this process was started as one.
pub(crate) fn anchor_main() -> bool {
    if std::env::var_os(VARIABLE).is_none() {
        return false;
    }
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let _endpoint = bind().await;
        println!("bound");
        std::future::pending::<()>().await;
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
    pub(crate) ready: Duration,
}

impl Anchor {
    pub(crate) async fn start() -> Self {
        let started = Instant::now();
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .env(VARIABLE, "1")
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("it starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        lines.next_line().await.expect("a line");
        Self { child, ready: started.elapsed() }
    }

    pub(crate) fn rss_mb(&self) -> f64 {
        super::rss_mb(self.child.id().expect("it runs"))
    }

    pub(crate) async fn stop(&mut self) {
        self.child.kill().await.expect("it ends");
    }
}
