//! The transport's named limits. Each says its unit, its scope and its reason.

use n0_future::time::Duration;

/// The one application protocol that a kith endpoint speaks.
pub const ALPN: &[u8] = b"kith/1";
/// The version that Hello carries. A peer with another one is incompatible.
pub const VERSION: u16 = 1;

/// Bytes that a peer may have under way on one connection, before it is wanted or shares a space.
/// What comes with gaps is kept until they are filled: bounds what strangers cost at 192 x 1 MiB.
pub const STRANGER_WINDOW: u32 = 1024 * 1024;
/// The same from then on. Lets 8 streams that nobody reads go by before the others are held back.
pub const CONNECTION_WINDOW: u32 = 8 * 1024 * 1024;
/// Bytes that a peer may have under way on one stream: 80 Mbit/s at a round trip of 100 ms. With a larger
/// one a reader that is slow would lose the connection, for the transport (noq 1.4) ends it where more
/// than 1,024 packets of a stream wait to be read.
pub const STREAM_WINDOW: u32 = 1024 * 1024;
/// Packets of a stream that may wait to be read.
const STREAM_PIECES: u32 = 1024;
/// Bytes of a stream in the smallest full packet: of 1,200, the rest is headers and other frames.
const LEAST_PIECE: u32 = 1100;
const _: () = assert!(STREAM_WINDOW / LEAST_PIECE < STREAM_PIECES);
/// Bytes that wait for acknowledgement on one connection before writers wait.
pub const SEND_WINDOW: u64 = 8 * 1024 * 1024;
/// Streams of each direction that a peer may have open on one connection.
pub const MAX_STREAMS: u32 = 256;
/// How often a silent connection is probed. Also keeps a NAT's mapping, which lives 30 s or more.
pub const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// A connection without a packet for so long is dead: three probes lost.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(15);

/// Endpoints of one node: one, and more for addresses that the machine got later while its sockets
/// are bounded to addresses. The oldest of these makes room.
pub const MAX_ENDPOINTS: usize = 4;

/// Connections of one node, incoming and outgoing, handshakes under way included.
pub const MAX_CONNECTIONS: usize = 256;
/// Incoming handshakes under way from one address prefix (IPv4 /24, IPv6 /48).
pub const MAX_HANDSHAKES_PER_PREFIX: usize = 16;
/// Incoming handshakes under way from this machine: tests and `kith demo` start many nodes at once.
pub const MAX_HANDSHAKES_LOOPBACK: usize = 64;
/// Incoming connections from one address prefix that share no space with this node and that it does
/// not want. Who only wants to take places needs twelve networks for all of them.
pub const MAX_STRANGERS_PER_PREFIX: usize = 16;
/// The same from this machine.
pub const MAX_STRANGERS_LOOPBACK: usize = 64;
/// How long a stranger stays in any case. After that it makes room for a newcomer, where there is
/// none: what a stranger may ask for, an app's version or bundle, begins at once.
pub const STRANGER_GRACE: Duration = Duration::from_secs(10);
/// Incoming handshakes under way, above which an address must answer before it takes a place.
pub const MAX_UNVALIDATED_HANDSHAKES: usize = 32;
/// From connecting to a Hello of the peer.
pub const HELLO_TIMEOUT: Duration = Duration::from_secs(5);
/// From a stream's opening to the end of its header.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection that lost to another one may take to hand over what is under way.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
/// How long closing the node waits for what is under way to each peer.
pub const CLOSE_DRAIN: Duration = Duration::from_millis(500);
/// How long closing the node waits for its endpoints then. Who is connected was told before; a dial that
/// nobody answers would linger for three probe time-outs (RFC 9000, section 10.2), 3 s.
pub const CLOSE_LINGER: Duration = Duration::from_millis(500);

/// Bytes of a control frame's body. Holds 1,024 tags.
pub const MAX_CONTROL_FRAME: usize = 64 * 1024;
/// Control messages that wait for a peer that does not read; what goes over it is dropped.
pub const CONTROL_QUEUE: usize = 64;
/// Tags of one connection that match no space of ours and are remembered for a later join.
pub const MAX_UNMATCHED_TAGS: usize = 1_024;
/// Control messages that a peer may send in a burst, after which [`CONTROL_RATE`] holds.
pub const CONTROL_BURST: u32 = 256;
/// Control messages a second that a peer may send for long.
pub const CONTROL_RATE: u32 = 32;
/// Introductions that a peer may ask for in a burst.
pub const INTRODUCE_BURST: u32 = 16;
/// Introductions a minute that a peer may ask for in the long run.
pub const INTRODUCE_PER_MINUTE: u32 = 30;
/// Introductions that a peer may pass on in a burst: each is dialled at once, whoever is there.
pub const INTRODUCED_BURST: u32 = 16;
/// Introductions a minute that a peer may pass on in the long run.
pub const INTRODUCED_PER_MINUTE: u32 = 30;
/// Spaces that a peer may leave in a burst. Each time that it enters one again, the two compare all
/// that they hold.
pub const LEAVE_BURST: u32 = 32;
/// The same a minute, in the long run.
pub const LEAVES_PER_MINUTE: u32 = 30;
/// Addresses that a peer may say it sees this node at, in a burst. It says one, unless that changes.
pub const OBSERVED_BURST: u32 = 4;
/// The same an hour, in the long run.
pub const OBSERVED_PER_HOUR: u32 = 60;
/// Peers named by one Peers message.
pub const MAX_PEERS_PER_MESSAGE: usize = 32;
/// Peers told, and peers believed, on one connection over all spaces.
pub const MAX_TOLD: usize = 1_024;
/// Common peers that are asked for one introduction.
pub const MAX_INTRODUCERS: usize = 2;
/// Addresses of one peer: kept, dialled and told.
pub const MAX_ADDRESSES: usize = 8;

/// Bytes of an app frame's body: a message of 128 KiB, and what stands around it.
pub const MAX_FRAME: usize = 192 * 1024;
/// Frames that wait for one peer and app.
pub const LANE_FRAMES: usize = 1_024;
/// Bytes of frames that wait for one peer and app.
pub const LANE_BYTES: usize = 1024 * 1024;
/// Apps with a lane to one peer, each way.
pub const MAX_LANES: usize = 64;
/// How long a frame may wait for this node to take it, before the peer is told to stop sending.
pub const STALL_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a stream or frame for a space that was not entered waits: the tag may be behind it.
/// The same for spaces that exist and that do not, so that it tells nothing.
pub const ENTER_WAIT: Duration = Duration::from_secs(2);
/// Spaces of one connection that are not waited for a second time.
pub const MAX_STRANGE_SPACES: usize = 256;

/// Bulk streams that a peer may have open on one connection.
pub const MAX_BULK_STREAMS: usize = 32;
/// Blob streams that a peer may have open on one connection.
pub const MAX_BLOB_STREAMS: usize = 64;
/// Version streams that a peer may have open on one connection.
pub const MAX_VERSION_STREAMS: usize = 16;
/// Streams that are over a cap or come to nothing, in a burst, after which the connection itself is
/// closed.
pub const MAX_REFUSED_STREAMS: u32 = 64;
/// The same a minute, in the long run.
pub const REFUSED_STREAMS_PER_MINUTE: u32 = 60;

/// Priority of the control stream.
pub const PRIORITY_CONTROL: i32 = 30;
/// Priority of app frames.
pub const PRIORITY_FRAMES: i32 = 20;
/// Priority of version requests.
pub const PRIORITY_VERSION: i32 = 10;
/// Priority of bulk sync.
pub const PRIORITY_BULK: i32 = 0;
/// Priority of blobs.
pub const PRIORITY_BLOB: i32 = -10;
/// Priority of small parts of blobs, for which readers may wait.
pub const PRIORITY_BLOB_SMALL: i32 = -9;

/// Peers known, connected or not. About 1 KiB each.
pub const MAX_KNOWN_PEERS: usize = 2_048;
/// Wanted peers in one space, found by peer exchange. Others are known, and not dialled.
pub const MAX_WANTED_PER_SPACE: usize = 32;
/// Wanted peers that were found on the LAN. Whoever is in it can announce any number of them.
pub const MAX_WANTED_NEIGHBOURS: usize = 64;
/// Failures after which a peer that is known by hearsay only gives way to another one.
pub const GIVE_WAY_FAILURES: u32 = 5;
/// Dials under way.
pub const MAX_DIALS: usize = 16;
/// From the first packet to a handshake.
pub const DIAL_TIMEOUT: Duration = Duration::from_secs(10);
/// The first wait after a failed dial, before jitter.
pub const BACKOFF_FIRST: Duration = Duration::from_millis(500);
/// The longest wait after a failed dial, before jitter.
pub const BACKOFF_LAST: Duration = Duration::from_secs(300);
/// A connection that lasted so long was a success: the next wait is the first one again.
pub const STABLE: Duration = Duration::from_secs(10);
/// How long a peer that broke the protocol is kept out, the first time. Each further time: twice as
/// long as before.
pub const BAN_FIRST: Duration = Duration::from_secs(30);
/// The longest ban.
pub const BAN_LAST: Duration = Duration::from_secs(3_600);
/// After a ban's end: so much time makes up for one time that the peer broke the protocol.
pub const BAN_DECAY: Duration = Duration::from_secs(600);
/// Peers that are kept out, or whose next ban would be longer. Of more, the ban that ends first is
/// forgotten: who has so many ids needs none of them twice.
pub const MAX_BANS: usize = 1_024;
/// Apps whose bytes are counted apart. Bytes of further ones are counted with the control stream's.
pub const MAX_COUNTED_APPS: usize = 256;
/// Address prefixes (IPv4 /16, IPv6 /32) that must see this node at the same address before the
/// address is believed.
pub const OBSERVED_QUORUM: usize = 3;
/// Addresses seen by others that are kept while they wait for the quorum.
pub const MAX_OBSERVED: usize = 64;
