//! What iroh alone does: streams between two endpoints of this process.

use std::time::Instant;

use iroh::endpoint::Connection;
use iroh::{Endpoint, EndpointAddr, TransportAddr};

use super::anchor::bind;

/// A connected pair: the dialler's connection, and the endpoints that must outlive it.
struct Pair {
    dialled: Connection,
    accepted: Connection,
    ends: [Endpoint; 2],
}

impl Pair {
    async fn connect() -> Self {
        let ends = [bind().await, bind().await];
        let addrs = ends[1].bound_sockets().into_iter().map(TransportAddr::Ip);
        let to = EndpointAddr::from_parts(ends[1].id(), addrs);
        let accepting = async { ends[1].accept().await.expect("open").await.expect("it connects") };
        let dialling = async { ends[0].connect(to, b"bench").await.expect("it connects") };
        let (dialled, accepted) = tokio::join!(dialling, accepting);
        Self { dialled, accepted, ends }
    }

    async fn close(self) {
        for end in self.ends {
            end.close().await;
        }
    }
}

/// Milliseconds of each of so many round trips of 100 bytes.
pub(crate) async fn round_trips(count: usize) -> Vec<f64> {
    let pair = Pair::connect().await;
    let accepted = pair.accepted.clone();
    let echo = tokio::spawn(async move {
        let (mut send, mut recv) = accepted.accept_bi().await.expect("a stream");
        let mut bytes = [0; 100];
        while recv.read_exact(&mut bytes).await.is_ok() {
            send.write_all(&bytes).await.expect("open");
        }
    });
    let (mut send, mut recv) = pair.dialled.open_bi().await.expect("a stream");
    let mut trips = Vec::with_capacity(count);
    let mut bytes = [7; 100];
    for _ in 0..count {
        let started = Instant::now();
        send.write_all(&bytes).await.expect("open");
        recv.read_exact(&mut bytes).await.expect("an echo");
        trips.push(started.elapsed().as_secs_f64() * 1e3);
    }
    drop(send);
    pair.close().await;
    echo.abort();
    trips
}

/// Seconds of so many transfers, connecting included.
pub(crate) async fn transfers(count: usize, bytes: usize) -> Vec<f64> {
    let mut took = Vec::with_capacity(count);
    let payload = vec![7; bytes];
    for _ in 0..count {
        let started = Instant::now();
        let pair = Pair::connect().await;
        let accepted = pair.accepted.clone();
        let reading = tokio::spawn(async move {
            let mut recv = accepted.accept_uni().await.expect("a stream");
            recv.read_to_end(usize::MAX).await.expect("all of it").len()
        });
        let mut send = pair.dialled.open_uni().await.expect("a stream");
        send.write_all(&payload).await.expect("open");
        send.finish().expect("open");
        assert_eq!(reading.await.expect("no panic"), bytes);
        took.push(started.elapsed().as_secs_f64());
        pair.close().await;
    }
    took
}
