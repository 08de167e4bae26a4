//! Members that forge and flood: each is in the space by right, with the link of a friend. What they
//! forge gets them out, counted and shown; what they flood with is bounded; the others notice nothing.

use std::time::Duration;

use kith_log::{AuthorSecret, Opening};
use kith_overlay::space::SpaceMessage;
use kith_overlay::transport::{CloseCode, Control, Ended, StreamHeader, enter_tag};
use tempfile::TempDir;

use crate::fixture::Node;
use crate::member::{Member, Room};
use crate::peers::{Garbage, framed, noise, refused};
use crate::support::{Control as Door, Page, eventually};
use crate::unharmed::Witness;

/// Admits to another space.
const STRANGE: [u8; 32] = [9; 32];

/// Bytes of memory that all floods together may cost a node: what three members may have under way, a
/// megabyte of each stranger's, and the queues behind them. A debug build took 25 MiB.
const FLOOD_COST: u64 = 96 << 20;

/// An honest one in the witness's space, and what the link says.
struct Friend {
    _dir: TempDir,
    node: Node,
    page: Page,
    room: Room,
}

impl Friend {
    fn of(witness: &mut Witness) -> Self {
        let dir = tempfile::tempdir().expect("a folder can be made");
        let node = Node::start(dir.path());
        let invited = witness.node.json(&["invite", "Chat"]).remove(0);
        let link = invited["link"].as_str().expect("a link");
        let page = Page::of(&node.json(&["open", link, "--yes", "--no-open"]).remove(0));
        let mut friend = Self { _dir: dir, node, page, room: Room::of(link) };
        friend.talks(witness, "at first");
        friend
    }

    /// Entries go both ways.
    fn talks(&mut self, witness: &mut Witness, when: &str) {
        let (to, from) = (format!("{when}: to you"), format!("{when}: to me"));
        witness.page.append(&to).expect("it is acknowledged");
        witness.acknowledge(&to);
        eventually(&to, || self.page.texts().contains(&to));
        self.page.append(&from).expect("it is acknowledged");
        witness.acknowledge(&from);
        eventually(&from, || witness.page.texts().contains(&from));
    }
}

fn state_of(node: &Node, id: &str) -> String {
    let peers = node.json(&["peers"]);
    let state = peers.iter().find(|peer| peer["id"] == id).map(|peer| peer["state"].clone());
    state.and_then(|state| state.as_str().map(str::to_owned)).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forgers_are_put_out_and_shown() {
    let mut witness = Witness::new();
    let mut friend = Friend::of(&mut witness);
    let mut door = Door::connect(witness.dir.path()).unwrap();
    let room = friend.room.clone();
    let strange = |member: &Member| Opening::admit(&STRANGE, &member.author.author(), None);

    type Forgery = fn(&Member, &dyn Fn(&Member) -> Opening);
    let forgeries: [(&str, Forgery); 7] = [
        ("an entry whose head is signed by nobody", |member, _| {
            let opening = member.room.opening(&member.author);
            let mut run = member.room.log(&member.author, opening, &[b"forged"]);
            run.checkpoint.signature[7] ^= 1;
            member.push(run);
        }),
        ("an entry that is not what was signed", |member, _| {
            let opening = member.room.opening(&member.author);
            let mut run = member.room.log(&member.author, opening, &[b"signed"]);
            let other = AuthorSecret::from_seed(&[77; 32]);
            run.checkpoint.author = other.author();
            member.push(run);
        }),
        ("a log of one who was admitted elsewhere", |member, strange| {
            let elsewhere = Room::elsewhere(STRANGE);
            let run = elsewhere.log(&member.author, strange(member), &[b"a stranger's"]);
            member.push(run);
        }),
        ("a presence of one who was not admitted", |member, strange| {
            member.say(&SpaceMessage::Here(member.here(&strange(member))));
        }),
        ("a presence that another signed", |member, _| {
            let mut here = member.here(&member.room.opening(&member.author));
            here.signature[7] ^= 1;
            member.say(&SpaceMessage::Here(here));
        }),
        ("a message that another signed", |member, _| {
            let opening = member.room.opening(&member.author);
            member.say(&SpaceMessage::Here(member.here(&opening)));
            let mut message = member.message(0, b"forged".to_vec());
            message.signature[7] ^= 1;
            member.say(&SpaceMessage::Message(message));
        }),
        ("noise", |member, _| {
            member.say(&SpaceMessage::Sync(noise(5, 300)));
        }),
    ];
    for (n, (what, forge)) in (100..).zip(forgeries) {
        let before = refused(&mut door, "protocol_violation");
        let member = Member::enter(&room, witness.node.said("addr"), n).await;
        forge(&member, &strange);
        let ended = member.ended().await;
        assert_eq!(ended, Ended::There(CloseCode::Violation), "{what}");
        eventually("it is counted", || refused(&mut door, "protocol_violation") > before);
        eventually("it is shown", || state_of(&witness.node, &member.id()) == "banned");
        member.overlay.close().await;
        friend.talks(&mut witness, what);
    }
    assert!(refused(&mut door, "sync_misbehaved") >= 4);
    // One that was put out and comes back at once is not let in.
    let back = Garbage::with_key(witness.node.said("addr"), [100; 32]).await;
    assert_eq!(back.ended().await, u64::from(CloseCode::Limits.number()));
    eventually("that is counted", || refused(&mut door, "banned_peer") >= 1);
    back.endpoint.close().await;
    assert_eq!(state_of(&witness.node, friend.node.said("node_id")), "connected");
    witness.unharmed();
}

/// The node's memory now, in bytes.
fn memory(node: &Node) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", node.pid())).expect("it lives");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it has memory");
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kib * 1024
}

/// Says Hello and enters, on a connection made by hand.
async fn entered(addr: &str, room: &Room, n: u8) -> (Garbage, iroh::endpoint::SendStream) {
    let (raw, mut send) = Garbage::greeted_with_key(addr, [n; 32]).await;
    let mut exporter = [0; 32];
    raw.conn.export_keying_material(&mut exporter, b"EXPORTER-kith/1", &[]).expect("material");
    let tag = enter_tag(&room.key.sync_key, &exporter, &raw.endpoint.id());
    let enter = Control::Enter { tags: vec![tag] }.encode();
    send.write_all(&framed(&enter)).await.expect("it is taken");
    (raw, send)
}

/// Control messages without end, and never a look at the answers.
async fn flood_control(addr: &str, room: &Room) {
    let (raw, mut send) = entered(addr, room, 150).await;
    let observed = Control::Observed { addr: "192.0.2.1:9".parse().expect("an address") };
    let many = framed(&observed.encode()).repeat(1_000);
    while send.write_all(&many).await.is_ok() {}
    raw.conn.closed().await;
}

/// As many streams as there may be, and in each one byte.
async fn flood_streams(addr: &str, room: &Room) {
    let (raw, _control) = entered(addr, room, 151).await;
    let mut open = Vec::new();
    while let Ok((mut send, recv)) = raw.conn.open_bi().await {
        let _ = send.write_all(&[2]).await;
        open.push((send, recv));
    }
}

/// Half a frame on the control stream and on an app's, then silence.
async fn half(addr: &str, room: &Room) {
    let (raw, mut control) = entered(addr, room, 152).await;
    let mut frames = raw.conn.open_uni().await.expect("a stream");
    let header = StreamHeader::frames(room.key.at.app).encode();
    frames.write_all(&header).await.expect("it is taken");
    frames.write_all(&[0, 2, 0, 0, 1, 2, 3]).await.expect("it is taken");
    control.write_all(&[0, 0, 200, 0, 1, 2, 3]).await.expect("it is taken");
    raw.conn.closed().await;
}

/// Tags that match nothing.
async fn flood_tags(addr: &str, room: &Room) {
    let (raw, mut send) = entered(addr, room, 153).await;
    for seed in 0..10 {
        let tags = noise(seed + 1, 1_024 * 32);
        let tags = tags.chunks(32).map(|tag| tag.try_into().expect("32 bytes")).collect();
        let enter = Control::Enter { tags }.encode();
        send.write_all(&framed(&enter)).await.expect("it is taken");
    }
    raw.conn.closed().await;
}

/// Messages that are not kept, as fast as they are taken.
async fn flood_messages(addr: &str, room: &Room) {
    let member = Member::enter(room, addr, 154).await;
    let opening = room.opening(&member.author);
    member.say(&SpaceMessage::Here(member.here(&opening)));
    let message = |seq| SpaceMessage::Message(member.message(seq, vec![1; 60_000]));
    for seq in 0.. {
        while !member.say(&message(seq)) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

/// Logs of ever more authors, pushed unasked.
async fn flood_entries(addr: &str, room: &Room) {
    let member = Member::enter(room, addr, 155).await;
    let body = noise(9, 60_000);
    for n in 0..400u16 {
        let mut seed = [200; 32];
        seed[..2].copy_from_slice(&n.to_be_bytes());
        let author = AuthorSecret::from_seed(&seed);
        let run = room.log(&author, room.opening(&author), &[&body, &body]);
        while !member.push(run.clone()) && member.peer.is_open() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
    std::future::pending().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn floods_are_bounded_and_nobody_else_notices() {
    let mut witness = Witness::new();
    let mut friend = Friend::of(&mut witness);
    let mut door = Door::connect(witness.dir.path()).unwrap();
    let room = friend.room.clone();
    let before = memory(&witness.node);
    let mut most = before;
    {
        let (addr, room) = (witness.node.said("addr"), &room);
        // What is far too much for one message, alone.
        let (raw, mut send) = entered(addr, room, 149).await;
        let tags = vec![[7; 32]; 10_000];
        let _ = send.write_all(&framed(&Control::Enter { tags }.encode())).await;
        assert_eq!(raw.ended().await, u64::from(CloseCode::Violation.number()));
        raw.endpoint.close().await;
        let (raw, _control) = entered(addr, room, 148).await;
        let (mut bulk, _answer) = raw.conn.open_bi().await.expect("a stream");
        let header = StreamHeader::bulk(room.key.at).encode();
        let _ = bulk.write_all(&[&header[..], &[0x7f, 0xff, 0xff, 0xff]].concat()).await;
        assert_eq!(raw.ended().await, u64::from(CloseCode::Violation.number()));
        raw.endpoint.close().await;
    }
    let addr = witness.node.said("addr").to_owned();
    let flood = tokio::spawn(async move {
        tokio::join!(
            flood_control(&addr, &room),
            flood_streams(&addr, &room),
            half(&addr, &room),
            flood_tags(&addr, &room),
            flood_messages(&addr, &room),
            flood_entries(&addr, &room),
        )
    });

    for round in 0..10 {
        friend.talks(&mut witness, &format!("round {round}"));
        most = most.max(memory(&witness.node));
    }
    for limit in
        ["control_rate", "unmatched_tags", "streams_without_header", "protocol_violation", "limits"]
    {
        eventually(limit, || {
            most = most.max(memory(&witness.node));
            refused(&mut door, limit) > 0
        });
    }
    friend.talks(&mut witness, "still");
    let peers = witness.node.json(&["peers"]);
    let received = |peer: &serde_json::Value| peer["traffic"]["received"].as_u64();
    assert!(peers.iter().any(|peer| received(peer) > Some(1 << 20)), "their traffic is shown");
    let cost = most.saturating_sub(before);
    assert!(cost < FLOOD_COST, "{} MiB", cost >> 20);
    flood.abort();
    friend.talks(&mut witness, "afterwards");
    witness.unharmed();
}

/// As many strangers as may be, that greet and stay: a member gets in all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_of_strangers_keeps_no_member_out() {
    let mut witness = Witness::new();
    let mut friend = Friend::of(&mut witness);
    let mut door = Door::connect(witness.dir.path()).unwrap();
    friend.node.signal("TERM");
    friend.node.ended();
    let mut crowd = Vec::new();
    while refused(&mut door, "strangers_per_prefix") == 0 {
        assert!(crowd.len() < 80, "there is no end of them");
        crowd.extend(Garbage::try_greeted(witness.node.said("addr")).await);
    }
    // On another port, so that it has to come by itself.
    friend.node = Node::start(&friend.node.dir.clone());
    friend.page = Page::open(&friend.node, "Chat");
    friend.talks(&mut witness, "in a crowd");
    for (raw, _control) in crowd {
        raw.endpoint.close().await;
    }
    witness.unharmed();
}
