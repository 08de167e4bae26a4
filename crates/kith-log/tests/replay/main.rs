//! Replays the corpora of the fuzz targets through the same checks, with no fuzzer.
//! The seeds are what honest nodes say.

mod checks;
#[path = "../../../../fuzz/replay.rs"]
mod corpus;

use corpus::replay;
use kith_log::file::{Attachment, FileKey, FolderBlob, FolderFile, FolderWriter};
use kith_log::sync::{At, Message, Part};
use kith_log::{AuthorSecret, Base, Body, BodyKind, Opening, Place};

fn messages() -> Vec<(&'static str, Message)> {
    let log = checks::log(checks::AUTHOR);
    let author = *log.runs[0].author();
    let heads = vec![log.known[1].head.checkpoint(&author)];
    let have = Some((heads[0].root, heads[0].signature));
    let mut based = log.runs[1].to_run();
    let opening = log.runs[0].opening().to_body();
    based.base = Some(Base { head: log.known[0].head.clone(), opening });
    vec![
        ("news", Message::Heads { part: Part::News, heads: heads.clone() }),
        ("list", Message::Heads { part: Part::ListEnds, heads }),
        ("empty_list", Message::Heads { part: Part::ListEnds, heads: vec![] }),
        ("want", Message::Want { author, at: At::From { index: 0, have: None }, runs: 9 }),
        ("want_more", Message::Want { author, at: At::From { index: 5, have }, runs: 1 }),
        ("want_newest", Message::Want { author, at: At::Newest, runs: 1 }),
        ("want_older", Message::Want { author, at: At::Before { index: 2 }, runs: 1 }),
        ("more", Message::More { author, runs: 3 }),
        ("first_run", Message::Run(log.runs[0].to_run())),
        ("second_run", Message::Run(log.runs[1].to_run())),
        ("based_run", Message::Run(based)),
        ("last_run", Message::Last(log.runs[1].to_run())),
        ("nothing", Message::Nothing { author }),
        ("compare", Message::Compare { digest: [9; 32] }),
    ]
}

#[test]
fn entries() {
    let log = checks::log(checks::AUTHOR);
    let author = *log.runs[0].author();
    let previous = AuthorSecret::from_seed(&[4; 32]);
    let place = Place { space: log.space, author, epoch: 1 };
    let sealed = Body::new(BodyKind::Bytes, *b"x").seal(&[7; 32], [8; 24], &place);
    let file = Attachment {
        hash: [6; 32],
        size: 300,
        folder: false,
        key: Some(FileKey::from_bytes([5; 32])),
        name: "a.txt".parse().expect("a name"),
        media_type: "text/plain".parse().expect("a type"),
    };
    let folder = Attachment { folder: true, media_type: Default::default(), ..file.clone() };
    let with_files = Body::with_attachments(BodyKind::App, vec![file, folder], *b"{}");
    let seeds = [
        ("header", log.runs[0].entries()[1].header.encode().to_vec()),
        ("opening", log.runs[0].opening().to_body()),
        ("continued", Opening::admit(&checks::ADMISSION, &author, Some(&previous)).to_body()),
        ("plain", Body::new(BodyKind::App, *b"{}").to_plain().expect("small")),
        ("sealed", sealed.expect("small")),
        ("with_files", with_files.to_plain().expect("small")),
    ];
    replay("log_entry", &seeds, checks::entry);
}

#[test]
fn folders() {
    let blob = |key| FolderBlob { hash: [6; 32], size: 300, key };
    let blobs = [blob(None), blob(Some(FileKey::from_bytes([5; 32])))];
    let file = |path: &str, size, blob| FolderFile {
        path: path.parse().expect("a path"),
        executable: size == 9,
        size,
        blob,
        offset: 0,
    };
    let write = |blobs: &[FolderBlob], files: &[FolderFile]| {
        let mut writer = FolderWriter::new(Vec::new(), blobs, files.len() as u64).expect("few");
        files.iter().for_each(|file| writer.write(file).expect("valid"));
        writer.finish().expect("all of them")
    };
    let files = [file("a.txt", 9, 0), file("a/b", 300, 1), file("a/c/", 0, 0), file("é", 1, 1)];
    let names = [file("a", 0, 0), file("a!", 0, 0), file("ab/c", 0, 0)];
    let seeds = [
        ("nothing", write(&[], &[])),
        ("files", write(&blobs, &files)),
        ("names", write(&[], &names)),
    ];
    replay("log_folder", &seeds, checks::folder);
}

#[test]
fn heads() {
    let log = checks::log(checks::AUTHOR);
    let seeds = [
        ("range", log.known[1].head.range.encode()),
        ("head", log.known[1].head.encode()),
        ("known", log.known[1].encode()),
        ("checkpoint", log.known[0].head.checkpoint(log.runs[0].author()).encode().to_vec()),
    ];
    replay("log_head", &seeds, checks::head);
}

#[test]
fn all_messages() {
    let seeds: Vec<_> = messages().into_iter().map(|(name, m)| (name, m.encode())).collect();
    replay("log_message", &seeds, checks::message);
}

#[test]
fn notes() {
    let log = checks::log(checks::AUTHOR);
    let note = log.known[1].head.checkpoint(log.runs[0].author()).to_note(&log.space);
    let witnessed = format!("{note}\u{2014} w {}\n", "AAAA".repeat(17));
    let seeds = [("note", note.into_bytes()), ("witnessed", witnessed.into_bytes())];
    replay("log_note", &seeds, checks::note);
}

#[test]
fn runs() {
    let seeds: Vec<_> = messages()
        .into_iter()
        .filter(|(_, message)| matches!(message, Message::Run(_)))
        .map(|(name, message)| (name, message.encode()[1..].to_vec()))
        .collect();
    replay("log_run", &seeds, checks::run);
}

#[test]
fn conversations() {
    let say = |flags: u8, message: &Message| {
        let bytes = message.encode();
        let len = u16::try_from(bytes.len()).expect("a short message");
        [[flags].as_slice(), &len.to_be_bytes(), &bytes].concat()
    };
    let whole: Vec<u8> = messages().iter().flat_map(|(_, message)| say(0, message)).collect();
    let two_peers: Vec<u8> = (0u8..)
        .zip(messages().iter().rev())
        .flat_map(|(i, (_, message))| say((i % 2) | (4 * (i % 60)), message))
        .collect();
    let restarts: Vec<u8> = messages().iter().flat_map(|(_, message)| say(3, message)).collect();
    let seeds = [("whole", whole), ("two_peers", two_peers), ("restarts", restarts)];
    replay("log_sync", &seeds, checks::sync);
}
