//! What transfers of files are measured against: one raw iroh stream, and plain TCP.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use bytes::Bytes;
use iroh::endpoint::{QuicTransportConfig, VarInt};
use iroh::{Endpoint, EndpointAddr, TransportAddr};

use super::anchor::builder;

/// Bytes that are copied at once.
const PART: usize = 256 * 1024;

/// Seconds for so many bytes over one stream of two endpoints of this process, which nobody looks at,
/// with the windows that kith has.
pub(crate) async fn iroh_stream(bytes: usize) -> f64 {
    let (from, to) = (end().await, end().await);
    let addrs = to.bound_sockets().into_iter().map(TransportAddr::Ip);
    let addr = EndpointAddr::from_parts(to.id(), addrs);
    let accepting = async { to.accept().await.expect("open").await.expect("it connects") };
    let dialling = async { from.connect(addr, b"bench").await.expect("it connects") };
    let (dialled, accepted) = tokio::join!(dialling, accepting);
    let part = Bytes::from(super::random_bytes(3, PART));
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
    for _ in 0..bytes / PART {
        send.write_chunk(part.clone()).await.expect("open");
    }
    send.finish().expect("open");
    assert_eq!(reading.await.expect("no panic"), bytes / PART * PART);
    let took = started.elapsed().as_secs_f64();
    from.close().await;
    to.close().await;
    took
}

async fn end() -> Endpoint {
    let transport = QuicTransportConfig::builder()
        .receive_window(VarInt::from_u32(8 * 1024 * 1024))
        .stream_receive_window(VarInt::from_u32(1024 * 1024))
        .build();
    builder().transport_config(transport).bind().await.expect("it binds")
}

/// Seconds from a file to another one over plain TCP on loopback.
pub(crate) fn tcp(from: &Path, to: &Path) -> f64 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = listener.local_addr().expect("bound");
    let started = Instant::now();
    let mut source = File::open(from).expect("it is there");
    let sending = std::thread::spawn(move || {
        let mut stream = TcpStream::connect(addr).expect("it listens");
        copy(&mut source, &mut stream);
    });
    let (mut stream, _) = listener.accept().expect("it connects");
    let mut target = File::create(to).expect("a file");
    copy(&mut stream, &mut target);
    target.sync_all().expect("a disk");
    sending.join().expect("no panic");
    started.elapsed().as_secs_f64()
}

/// Seconds, and bytes on the way, of a folder that tar packs, TCP carries, and tar unpacks.
pub(crate) fn tar(from: &Path, to: &Path) -> (f64, u64) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = listener.local_addr().expect("bound");
    let started = Instant::now();
    let mut packing = Command::new("tar")
        .args(["cf", "-", "-C"])
        .args([from.as_os_str(), ".".as_ref()])
        .stdout(Stdio::piped())
        .spawn()
        .expect("there is a tar");
    let mut packed = packing.stdout.take().expect("piped");
    let sending = std::thread::spawn(move || {
        let mut stream = TcpStream::connect(addr).expect("it listens");
        copy(&mut packed, &mut stream)
    });
    let (mut stream, _) = listener.accept().expect("it connects");
    let mut unpacking = Command::new("tar")
        .args(["xf", "-", "-C"])
        .arg(to)
        .stdin(Stdio::piped())
        .spawn()
        .expect("there is a tar");
    let mut unpacked = unpacking.stdin.take().expect("piped");
    let bytes = copy(&mut stream, &mut unpacked);
    drop(unpacked);
    sending.join().expect("no panic");
    assert!(packing.wait().expect("it ends").success());
    assert!(unpacking.wait().expect("it ends").success());
    (started.elapsed().as_secs_f64(), bytes)
}

fn copy(from: &mut impl Read, to: &mut impl Write) -> u64 {
    let mut part = vec![0; PART];
    let mut bytes = 0;
    loop {
        let read = from.read(&mut part).expect("it goes on");
        if read == 0 {
            return bytes;
        }
        to.write_all(&part[..read]).expect("it goes on");
        bytes += read as u64;
    }
}
