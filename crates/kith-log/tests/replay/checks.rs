//! What the fuzz targets check of arbitrary bytes; `fuzz/fuzz_targets` includes this file.

use std::sync::OnceLock;
use std::time::Duration;

use kith_log::file::{FolderReader, FolderWriter};
use kith_log::sync::{Action, Config, Message, SpaceSync};
use kith_log::{
    AuthorSecret, Body, BodyKind, Checkpoint, CompactRange, Draft, Head, Header, KnownLog, Opening,
    Place, Run, Segment, SpaceId, VerifiedRun, append, verify_run,
};

pub(crate) const ADMISSION: [u8; 32] = [1; 32];
pub(crate) const AUTHOR: [u8; 32] = [2; 32];
const OWN: [u8; 32] = [3; 32];

/// What an honest author has written, in two runs.
pub(crate) struct Log {
    pub(crate) space: SpaceId,
    pub(crate) runs: [VerifiedRun; 2],
    pub(crate) known: [KnownLog; 2],
}

pub(crate) fn log(seed: [u8; 32]) -> Log {
    let space = SpaceId::from_bytes(*AuthorSecret::from_seed(&ADMISSION).author().as_bytes());
    let secret = AuthorSecret::from_seed(&seed);
    let opening = Opening::admit(&ADMISSION, &secret.author(), None).to_body();
    let draft = |lamport, body| Draft { lamport, time_ms: 1_700_000_000_000, epoch: 0, body };
    let body = |text: &str| Body::new(BodyKind::App, text).to_plain().expect("a small body");
    let first = append(&secret, &space, None, vec![draft(1, opening), draft(2, body("{}"))]);
    let first = first.expect("within limits");
    let known = KnownLog::after(None, &first);
    let drafts = vec![draft(3, body("1")), draft(9, body("22")), draft(10, body(""))];
    let second = append(&secret, &space, Some(&known), drafts).expect("within limits");
    let longer = KnownLog::after(Some(&known), &second);
    Log { space, runs: [first, second], known: [known, longer] }
}

fn honest() -> &'static Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    LOG.get_or_init(|| log(AUTHOR))
}

fn own() -> &'static Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    LOG.get_or_init(|| log(OWN))
}

/// Headers, bodies and openings.
pub(crate) fn entry(bytes: &[u8]) {
    if let Ok(header) = Header::decode(bytes) {
        assert_eq!(header.encode(), bytes);
    }
    let (space, author) = (honest().space, *honest().runs[0].author());
    if let Ok(opening) = Opening::verify(bytes, &space, &author) {
        assert_eq!(opening.to_body(), bytes);
    }
    if let Ok(body) = Body::open(bytes, None, &Place { space, author, epoch: 0 }) {
        assert_eq!(body.to_plain().as_deref(), Ok(bytes));
    }
    let _ = Body::open(bytes, Some(&[7; 32]), &Place { space, author, epoch: 1 });
}

/// A folder's blob, opened.
pub(crate) fn folder(bytes: &[u8]) {
    let Ok(mut reader) = FolderReader::new(bytes) else { return };
    let (blobs, count) = (reader.blobs().to_vec(), reader.file_count());
    let mut writer = FolderWriter::new(Vec::new(), &blobs, count).expect("what was read");
    for file in &mut reader {
        let Ok(file) = file else { return };
        let names = || file.path.names();
        assert!(names().all(|name| !name.is_empty() && name != ".." && !name.contains('\\')));
        if file.size > 0 {
            assert!(file.offset + file.size <= blobs[file.blob as usize].size);
        }
        writer.write(&file).expect("what was read");
    }
    assert_eq!(writer.finish().expect("all of them"), bytes);
}

/// Compact ranges, heads, what is known of logs, checkpoints.
pub(crate) fn head(bytes: &[u8]) {
    if let Ok(mut range) = CompactRange::decode(bytes) {
        assert_eq!(range.encode(), bytes);
        let _ = range.root();
        if range.size() < u64::MAX {
            range.push([7; 32]);
            assert_eq!(range.peaks().len(), range.size().count_ones() as usize);
        }
    }
    if let Ok(head) = Head::decode(bytes) {
        assert_eq!(head.encode(), bytes);
    }
    if let Ok(known) = KnownLog::decode(bytes) {
        assert_eq!(known.encode(), bytes);
    }
    if let Ok(checkpoint) = Checkpoint::decode(bytes) {
        assert_eq!(checkpoint.encode(), bytes);
        let _ = checkpoint.verify(&honest().space);
    }
}

/// Sync messages.
pub(crate) fn message(bytes: &[u8]) {
    if let Ok(message) = Message::decode(bytes) {
        assert_eq!(message.encode(), bytes);
    }
}

/// Signed notes.
pub(crate) fn note(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok((space, checkpoint)) = Checkpoint::from_note(text) {
        assert!(text.starts_with(&checkpoint.text(&space)));
        assert_eq!(checkpoint.verify(&space), Ok(()));
    }
}

/// Runs, decoded and verified against nothing, half and all of the log.
pub(crate) fn run(bytes: &[u8]) {
    let Ok(run) = Run::decode(bytes) else { return };
    assert_eq!(run.encode(), bytes);
    let log = honest();
    for known in [None, Some(&log.known[0]), Some(&log.known[1])] {
        let Ok(verified) = verify_run(&log.space, known, run.clone()) else { continue };
        let after = KnownLog::after(known, &verified);
        assert_eq!(after.size() - after.start(), {
            let before = known.map_or(0, |known| known.size() - known.start());
            before + verified.entries().len() as u64
        });
    }
}

/// A machine that two peers talk to. Each message: a byte (1 bit peer, 1 bit whether the peer comes
/// anew, 6 bits of time that passes), `u16` length, and so many bytes.
pub(crate) fn sync(mut bytes: &[u8]) {
    let config = Config::new(honest().space, Some(*own().runs[0].author()));
    let mut held = vec![(*own().runs[0].author(), own().known[1].clone())];
    if bytes.first().is_some_and(|byte| byte & 4 != 0) {
        held.push((*honest().runs[0].author(), honest().known[0].clone()));
    }
    let mut machine = SpaceSync::new(config, held);
    let (mut now, mut ids, mut next_id) = (Duration::ZERO, [0, 1], 2);
    ids.iter().for_each(|id| machine.peer_joined(now, *id));
    while let Some((&[flags, high, low], rest)) = bytes.split_first_chunk::<3>() {
        let len = usize::from(u16::from_be_bytes([high, low])).min(rest.len());
        let (message, rest) = rest.split_at(len);
        bytes = rest;
        let id = &mut ids[usize::from(flags & 1)];
        if flags & 2 != 0 {
            machine.peer_left(now, *id);
            *id = next_id;
            next_id += 1;
            machine.peer_joined(now, *id);
        }
        machine.handle_message(now, *id, message);
        drain(&mut machine, now);
        now += Duration::from_secs(u64::from(flags >> 2));
        if machine.poll_timeout().is_some_and(|(at, _)| at <= now) {
            machine.handle_timeout(now);
            drain(&mut machine, now);
        }
    }
}

fn drain(machine: &mut SpaceSync, now: Duration) {
    let mut work = Vec::new();
    loop {
        while let Some(action) = machine.poll_action() {
            work.push(action);
        }
        let Some(action) = work.pop() else { return };
        match action {
            Action::Send { peer, bulk, message } => {
                assert!(Message::decode(&message).is_ok(), "we send what we would refuse");
                if bulk {
                    machine.bulk_sent(now, peer);
                }
            }
            Action::Store { ticket, .. } if now.as_secs() % 7 == 6 => {
                machine.store_failed(now, ticket);
            }
            Action::Store { ticket, .. } => machine.stored(now, ticket),
            Action::Load { ticket, author, index } => {
                let log = if author == *own().runs[0].author() { own() } else { honest() };
                let run = log.runs.iter().find(|run| (run.start()..run.end()).contains(&index));
                let segment = run.map(|run| Segment {
                    before: run.before().cloned(),
                    entries: run.entries().to_vec(),
                    after: run.head().clone(),
                });
                machine.loaded(now, ticket, segment);
            }
            Action::OwnLogAhead { .. } | Action::Forked { .. } => {
                panic!("nobody signed what this says")
            }
            Action::Misbehaved { .. } | Action::QuotaReached { .. } => {}
        }
    }
}
