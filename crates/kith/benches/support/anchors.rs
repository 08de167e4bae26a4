//! What transfers of files are measured against: one raw iroh stream, and plain TCP.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use bytes::Bytes;
use iroh::endpoint::{QuicTransportConfig, VarInt};
use iroh::{Endpoint, EndpointAddr, SecretKey, TransportAddr};
use tokio::sync::oneshot;

use super::anchor::{Anchor, Task, builder};
use super::{cpu_seconds, random_bytes};

/// Bytes that are copied at once.
const PART: usize = 256 * 1024;

/// The keys of a stream's ends.
const READER: [u8; 32] = [7; 32];
const WRITER: [u8; 32] = [8; 32];

/// What a stream took.
pub(crate) struct Stream {
    pub(crate) seconds: f64,
    /// Processor time of both ends.
    pub(crate) cpu: f64,
}

/// So many bytes over one stream of two endpoints, with the windows that kith has. Nobody looks at
/// them. Each end is a process, as nodes are.
pub(crate) async fn iroh_stream(bytes: usize) -> Stream {
    let mut reader = Anchor::start(Task::Read).await;
    let addr = reader.said.parse().expect("an address");
    let stream = write_stream(addr, bytes, || reader.cpu_seconds()).await;
    reader.stop().await;
    stream
}

/// The same with both ends in this process, which nodes can't be.
pub(crate) async fn iroh_stream_within(bytes: usize) -> Stream {
    let (tell, told) = oneshot::channel();
    let reading = tokio::spawn(read_stream(move |addr| tell.send(addr).expect("it is waited for")));
    let stream = write_stream(told.await.expect("it binds"), bytes, || 0.0).await;
    reading.await.expect("no panic");
    stream
}

/// `cpu_of_reader` is what its process took, where that is another one.
async fn write_stream(addr: SocketAddr, bytes: usize, cpu_of_reader: impl Fn() -> f64) -> Stream {
    let from = end(WRITER).await;
    let reader = SecretKey::from_bytes(&READER).public();
    let to = EndpointAddr::from_parts(reader, [TransportAddr::Ip(addr)]);
    let connection = from.connect(to, b"bench").await.expect("it connects");
    let part = Bytes::from(random_bytes(3, PART));
    let cpu = || cpu_seconds(std::process::id()) + cpu_of_reader();
    let (before, started) = (cpu(), Instant::now());
    let mut send = connection.open_uni().await.expect("a stream");
    for _ in 0..bytes / PART {
        send.write_chunk(part.clone()).await.expect("open");
    }
    send.finish().expect("open");
    let mut told = connection.accept_uni().await.expect("a stream");
    let came = told.read_to_end(8).await.expect("a number");
    assert_eq!(came, (bytes / PART * PART).to_be_bytes());
    let stream = Stream { seconds: started.elapsed().as_secs_f64(), cpu: cpu() - before };
    from.close().await;
    stream
}

/// The end that reads; says where it is bound, and how many bytes came.
pub(crate) async fn read_stream(bound: impl FnOnce(SocketAddr)) {
    let to = end(READER).await;
    bound(to.bound_sockets()[0]);
    let connection = to.accept().await.expect("open").await.expect("it connects");
    let mut recv = connection.accept_uni().await.expect("a stream");
    let mut came: usize = 0;
    while let Some(chunk) = recv.read_chunk(1024 * 1024).await.expect("open") {
        came += chunk.len();
    }
    let mut told = connection.open_uni().await.expect("a stream");
    told.write_all(&came.to_be_bytes()).await.expect("open");
    told.finish().expect("open");
    connection.closed().await;
    to.close().await;
}

async fn end(key: [u8; 32]) -> Endpoint {
    let transport = QuicTransportConfig::builder()
        .receive_window(VarInt::from_u32(8 * 1024 * 1024))
        .stream_receive_window(VarInt::from_u32(1024 * 1024))
        .build();
    let builder = builder().secret_key(SecretKey::from_bytes(&key)).transport_config(transport);
    builder.bind().await.expect("it binds")
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
