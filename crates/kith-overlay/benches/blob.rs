//! What a transfer of a blob costs beside one raw iroh stream: two nodes of this process over
//! loopback, stores in memory. Prints one JSON object per line; `cargo xtask bench` makes the page of
//! them.

#![allow(clippy::print_stdout)] // Figures go to stdout: that is what a bench is for.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use iroh::endpoint::{QuicTransportConfig, VarInt, presets};
use iroh::{Endpoint, EndpointAddr, RelayMode, TransportAddr};
use kith_app::AppId;
use kith_overlay::blob::BlobWanted;
use kith_overlay::space::Spaces;
use kith_overlay::storage::BlobScope;
use kith_overlay::storage::memory::MemoryStorage;
use kith_overlay::transport::{Bind, Config, Overlay, PeerAddr, Reason, Way};
use serde_json::json;

/// Bytes of the large blob.
const LARGE: usize = 240 * 1024 * 1024;
/// Small blobs, and bytes of each.
const SMALL_COUNT: usize = 500;
const SMALL: usize = 300 * 1024;
/// Small blobs that are fetched at once.
const AT_ONCE: usize = 8;
const RUNS: usize = 5;
const MIB: f64 = 1024.0 * 1024.0;

fn main() {
    // `cargo test --benches` and `cargo bench -- --list` ask for something else.
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    tokio::runtime::Runtime::new().expect("a runtime").block_on(async {
        let (mut raw, mut one, mut many) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..RUNS {
            raw.push(raw_stream().await);
            one.push(large().await);
            many.push(small().await);
        }
        figures("one blob of 240 MiB, verified at both ends, memory to memory", &one, &raw);
        figures("500 blobs of 300 KiB, 8 at once, the same way", &many, &raw);
    });
}

/// What a transfer took.
struct Took {
    bytes: usize,
    seconds: f64,
    /// Processor time of both ends.
    cpu: f64,
}

impl Took {
    /// Measures what happens from here on.
    fn start() -> (Instant, f64) {
        (Instant::now(), cpu_seconds())
    }

    fn since((started, cpu): (Instant, f64), bytes: usize) -> Self {
        Self { bytes, seconds: started.elapsed().as_secs_f64(), cpu: cpu_seconds() - cpu }
    }
}

fn figures(what: &str, samples: &[Took], raw: &[Took]) {
    let rate = |took: &Took| took.bytes as f64 / MIB / took.seconds;
    let work = |took: &Took| took.cpu / (took.bytes as f64 / MIB / 1024.0);
    let figure = |what: String, unit, goal, of: &dyn Fn(&Took) -> f64| {
        let of_all = |all: &[Took]| all.iter().map(of).collect::<Vec<_>>();
        let anchor = json!({ "what": "one raw iroh stream", "samples": of_all(raw) });
        let line = json!({ "what": what, "unit": unit, "goal": goal,
            "samples": of_all(samples), "anchor": anchor });
        println!("{line}");
    };
    figure(what.to_owned(), "MiB/s", "≥ 0.9 of the stream", &rate);
    figure(format!("the same: processor time of both ends ({what})"), "s/GiB", "", &work);
}

/// Processor time of this process, at 100 ticks a second.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux tells it");
    let after_name = stat.rsplit(") ").next().expect("a name in parentheses");
    let fields: Vec<&str> = after_name.split(' ').collect();
    let ticks = |at: usize| fields[at].parse::<f64>().expect("a number");
    (ticks(11) + ticks(12)) / 100.0
}

/// Bytes that don't compress, another string for each seed (xorshift64*, Vigna 2016).
fn random_bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        bytes.extend_from_slice(&state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

struct Node {
    overlay: Overlay,
    spaces: Spaces,
    storage: Arc<MemoryStorage>,
}

impl Node {
    async fn start(key: u8) -> Self {
        let mut config = Config::new([key; 32]);
        config.offline = true;
        let addr = SocketAddr::from(([127, 0, 0, 1], 0));
        config.bind = vec![Bind { addr, prefix: Some(8), required: true }];
        let storage = Arc::new(MemoryStorage::new());
        let id = iroh::SecretKey::from_bytes(&[key; 32]).public();
        let (spaces, mut events) = Spaces::new(id, [key; 16], storage.clone());
        tokio::spawn(async move { while events.next().await.is_some() {} });
        let overlay = Overlay::bind(config, Arc::new(spaces.clone())).await.expect("a free port");
        Self { overlay, spaces, storage }
    }

    async fn meet(&self, other: &Self) {
        let addr = PeerAddr::new(other.overlay.id(), other.overlay.bound());
        self.overlay.add_peer(&addr, Way::Manual, Some(Reason::Person));
        let mut changes = self.overlay.changes();
        while self.overlay.peer(&other.overlay.id()).is_none() {
            changes.changed().await.expect("the overlay lives");
        }
    }

    async fn fetch(&self, hash: [u8; 32], size: usize, from: &Self) {
        let app = AppId::from_bytes([9; 32]);
        let wanted = BlobWanted { app, scope: BlobScope::Public, hash, size: size as u64 };
        let fetch = self.spaces.fetch_blob(wanted, vec![from.overlay.id()]);
        fetch.finished().await.expect("it comes");
    }
}

/// One large blob.
async fn large() -> Took {
    let (holder, getter) = (Node::start(1).await, Node::start(2).await);
    let data = random_bytes(1, LARGE);
    let hash = holder.storage.add_blob(BlobScope::Public, &data);
    drop(data);
    getter.meet(&holder).await;
    let started = Took::start();
    getter.fetch(hash, LARGE, &holder).await;
    let took = Took::since(started, LARGE);
    getter.overlay.close().await;
    holder.overlay.close().await;
    took
}

/// Many small blobs.
async fn small() -> Took {
    let (holder, getter) = (Node::start(1).await, Node::start(2).await);
    let add = |n| holder.storage.add_blob(BlobScope::Public, &random_bytes(n as u64 + 2, SMALL));
    let hashes: Vec<_> = (0..SMALL_COUNT).map(add).collect();
    getter.meet(&holder).await;
    let started = Took::start();
    let all = stream::iter(hashes).map(|hash| getter.fetch(hash, SMALL, &holder));
    all.buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
    let took = Took::since(started, SMALL_COUNT * SMALL);
    getter.overlay.close().await;
    holder.overlay.close().await;
    took
}

/// As many bytes over one stream, which nobody looks at: the windows are the
/// overlay's.
async fn raw_stream() -> Took {
    let ends = [raw_end().await, raw_end().await];
    let addrs = ends[1].bound_sockets().into_iter().map(TransportAddr::Ip);
    let to = EndpointAddr::from_parts(ends[1].id(), addrs);
    let accepting = async { ends[1].accept().await.expect("open").await.expect("it connects") };
    let dialling = async { ends[0].connect(to, b"bench").await.expect("it connects") };
    let (dialled, accepted) = tokio::join!(dialling, accepting);
    let part = Bytes::from(random_bytes(3, 256 * 1024));
    let started = Took::start();
    let reading = tokio::spawn(async move {
        let mut recv = accepted.accept_uni().await.expect("a stream");
        let mut came = 0;
        while let Some(chunk) = recv.read_chunk(1024 * 1024).await.expect("open") {
            came += chunk.len();
        }
        came
    });
    let mut send = dialled.open_uni().await.expect("a stream");
    for _ in 0..LARGE / part.len() {
        send.write_chunk(part.clone()).await.expect("open");
    }
    send.finish().expect("open");
    let came = reading.await.expect("no panic");
    let took = Took::since(started, came);
    for end in ends {
        end.close().await;
    }
    took
}

async fn raw_end() -> Endpoint {
    let transport = QuicTransportConfig::builder()
        .receive_window(VarInt::from_u32(8 * 1024 * 1024))
        .stream_receive_window(VarInt::from_u32(1024 * 1024))
        .build();
    Endpoint::builder(presets::Minimal)
        .relay_mode(RelayMode::Disabled)
        .transport_config(transport)
        .clear_ip_transports()
        .bind_addr("127.0.0.1:0")
        .expect("an address")
        .alpns(vec![b"bench".to_vec()])
        .bind()
        .await
        .expect("it binds")
}
