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
        let (mut one, mut raw, mut many) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..RUNS {
            raw.push(raw_stream().await);
            one.push(large().await);
            many.push(small().await);
        }
        let anchor = Some(("one raw iroh stream", raw));
        figure("one blob of 240 MiB, verified at both ends, memory to memory", &one, &anchor);
        figure("500 blobs of 300 KiB, 8 at once, the same way", &many, &anchor);
    });
}

fn figure(what: &str, samples: &[f64], anchor: &Option<(&str, Vec<f64>)>) {
    let anchor = anchor.as_ref().map(|(what, samples)| json!({ "what": what, "samples": samples }));
    let line = json!({ "what": what, "unit": "MiB/s", "goal": "≥ 0.9 of the stream",
        "samples": samples, "anchor": anchor });
    println!("{line}");
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

/// MiB a second of one large blob.
async fn large() -> f64 {
    let (holder, getter) = (Node::start(1).await, Node::start(2).await);
    let data = random_bytes(1, LARGE);
    let hash = holder.storage.add_blob(BlobScope::Public, &data);
    drop(data);
    getter.meet(&holder).await;
    let started = Instant::now();
    getter.fetch(hash, LARGE, &holder).await;
    let took = started.elapsed().as_secs_f64();
    getter.overlay.close().await;
    holder.overlay.close().await;
    LARGE as f64 / MIB / took
}

/// MiB a second of many small blobs.
async fn small() -> f64 {
    let (holder, getter) = (Node::start(1).await, Node::start(2).await);
    let add = |n| holder.storage.add_blob(BlobScope::Public, &random_bytes(n as u64 + 2, SMALL));
    let hashes: Vec<_> = (0..SMALL_COUNT).map(add).collect();
    getter.meet(&holder).await;
    let started = Instant::now();
    let all = stream::iter(hashes).map(|hash| getter.fetch(hash, SMALL, &holder));
    all.buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
    let took = started.elapsed().as_secs_f64();
    getter.overlay.close().await;
    holder.overlay.close().await;
    (SMALL_COUNT * SMALL) as f64 / MIB / took
}

/// MiB a second of the same bytes over one stream, which nobody looks at: the windows are the
/// overlay's.
async fn raw_stream() -> f64 {
    let ends = [raw_end().await, raw_end().await];
    let addrs = ends[1].bound_sockets().into_iter().map(TransportAddr::Ip);
    let to = EndpointAddr::from_parts(ends[1].id(), addrs);
    let accepting = async { ends[1].accept().await.expect("open").await.expect("it connects") };
    let dialling = async { ends[0].connect(to, b"bench").await.expect("it connects") };
    let (dialled, accepted) = tokio::join!(dialling, accepting);
    let part = Bytes::from(random_bytes(3, 256 * 1024));
    let started = Instant::now();
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
    let took = started.elapsed().as_secs_f64();
    for end in ends {
        end.close().await;
    }
    came as f64 / MIB / took
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
