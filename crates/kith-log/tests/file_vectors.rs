//! The vectors of `docs/protocol/vectors/file.json`: made, compared with the file, and read back.

mod vector_file;

use kith_log::file::{
    Attachment, FileKey, FileName, FolderBlob, FolderFile, FolderPath, FolderReader, FolderWriter,
    MediaType,
};
use kith_log::{AuthorId, Body, BodyKind, Error, Place, SpaceId};
use serde_json::{Value, json};
use vector_file::{array, bytes, hex, vectors};

const READ_KEY: [u8; 32] = [0x44; 32];
const KEY: [u8; 32] = [0x55; 32];
const HASH: [u8; 32] = [0x66; 32];

fn file_keys() -> Value {
    let case = |read_key: [u8; 32], plain: &[u8]| {
        let key = FileKey::derive(&read_key, blake3::hash(plain).as_bytes());
        json!({ "read_key": hex(read_key), "plain": hex(plain), "key": hex(key.as_bytes()) })
    };
    json!([case(READ_KEY, b""), case(READ_KEY, b"hello"), case([0x45; 32], b"hello")])
}

/// Parts of sealed files: a whole one, one in the middle of a block, and one over the place where
/// the counter has more than 32 bits.
fn sealed() -> Value {
    let case = |key: [u8; 32], offset: u64, plain: &[u8]| {
        let mut sealed = plain.to_vec();
        FileKey::from_bytes(key).apply(offset, &mut sealed);
        json!({ "key": hex(key), "offset": offset, "plain": hex(plain), "sealed": hex(sealed) })
    };
    json!([
        case(KEY, 0, b"a"),
        case(KEY, 0, &[0; 200]),
        case(KEY, 100, b"in the middle of a block, and over its end"),
        case(KEY, (16 << 10) - 70, &[0; 140]),
        case(KEY, (64 << 32) - 70, &[0; 140]),
        case([0; 32], (1 << 53) - 2, b"!"),
    ])
}

fn attachment(name: &str, media_type: &str, key: Option<[u8; 32]>) -> Attachment {
    Attachment {
        hash: HASH,
        size: 300,
        folder: false,
        key: key.map(FileKey::from_bytes),
        name: name.parse().expect("a name"),
        media_type: media_type.parse().expect("a type"),
    }
}

fn bodies() -> Value {
    let folder = Attachment { folder: true, ..attachment("Fotos 2026", "", Some(KEY)) };
    let empty = Attachment { size: 0, ..attachment("…", "", None) };
    let large = Attachment { size: (1 << 53) - 1, ..attachment("a", "video/mp4", Some(KEY)) };
    let case = |kind: BodyKind, attachments: Vec<Attachment>, payload: &[u8]| {
        let fields = attachments.iter().map(|attachment| {
            json!({
                "hash": hex(attachment.hash), "size": attachment.size, "folder": attachment.folder,
                "key": attachment.key.as_ref().map(|key| hex(key.as_bytes())),
                "name": attachment.name.as_str(), "type": attachment.media_type.as_str(),
            })
        });
        let fields: Vec<_> = fields.collect();
        let body = Body::with_attachments(kind, attachments, payload);
        json!({
            "kind": kind as u8, "attachments": fields, "payload": hex(payload),
            "plain": hex(body.to_plain().expect("within limits")),
        })
    };
    json!([
        case(BodyKind::App, vec![attachment("a.txt", "text/plain", None)], br#"{"text":"look"}"#),
        case(BodyKind::Update, vec![folder, empty], b"{}"),
        case(BodyKind::Bytes, vec![large.clone(), large], b""),
    ])
}

/// A body of one attachment, whose parts are given.
fn body(kinds: [u8; 2], size: &[u8], flags: u8, name: &[u8], media_type: &[u8]) -> Vec<u8> {
    let key: &[u8] = if flags & 1 == 1 { &KEY } else { &[] };
    let text = |text: &[u8]| {
        let len = text.len() as u8;
        let len = if len < 0x80 { vec![len] } else { vec![len, 1] };
        [&len, text].concat()
    };
    let (name, media_type) = (text(name), text(media_type));
    [&kinds, &[1][..], &HASH, size, &[flags], key, &name, &media_type, b"{}"].concat()
}

fn refused_bodies() -> Value {
    let (app, small) = ([5, 1], [9].as_slice());
    let folder_limit: &[u8] = &[0x81, 0x80, 0x80, 0x80, 1];
    let file_limit: &[u8] = &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10];
    let name = |name: &[u8]| body(app, small, 0, name, b"");
    let media_type = |media_type: &[u8]| body(app, small, 0, b"a", media_type);
    let good = body(app, small, 1, b"a", b"");
    let mut none = good.clone();
    none[2] = 0;
    let many = [&[5, 1, 65][..], &good[3..good.len() - 2].repeat(65)].concat();
    let cases = [
        ("no inner kind", vec![5]),
        ("an opening with a file", body([5, 0], small, 0, b"a", b"")),
        ("a name with a file", body([5, 2], small, 0, b"a", b"")),
        ("a body with attachments in another", [&[5][..], &good].concat()),
        ("an inner kind of a later version", body([5, 6], small, 0, b"a", b"")),
        ("no attachments", none),
        ("65 attachments", many),
        ("a size of 2^53", body(app, file_limit, 0, b"a", b"")),
        ("a size not in shortest form", body(app, &[0x89, 0], 0, b"a", b"")),
        ("a flag without a meaning", body(app, small, 4, b"a", b"")),
        ("a folder's blob over 256 MiB", body(app, folder_limit, 2, b"a", b"")),
        ("a folder with a type", body(app, small, 2, b"a", b"text/plain")),
        ("an empty name", name(b"")),
        ("a name of 256 bytes", [&name(b"")[..37], &[0x80, 2], &[b'a'; 256], &[0]].concat()),
        ("a name that is this folder", name(b".")),
        ("a name that is the folder above", name(b"..")),
        ("a name with a slash", name(b"a/b")),
        ("a name with a backslash", name(b"a\\b")),
        ("a name with NUL", name(b"a\0")),
        ("a name with U+001F", name(b"a\x1f")),
        ("a name with U+007F", name(b"a\x7f")),
        ("a name that is not UTF-8", name(b"a\xff")),
        ("a name of a surrogate", name(b"\xed\xa0\x80")),
        ("a type without a slash", media_type(b"text")),
        ("a type in upper case", media_type(b"Text/plain")),
        ("a type with a parameter", media_type(b"text/plain;charset=utf-8")),
        ("a type of three parts", media_type(b"a/b/c")),
        ("a type without a subtype", media_type(b"text/")),
        ("a type that begins with a sign", media_type(b"-a/b")),
        ("a type with a line break", media_type(b"a/b\r\n")),
        ("a type that is not ASCII", media_type("a/é".as_bytes())),
        ("a type of 128 bytes", {
            let text = [b"a/".as_slice(), &[b'a'; 126]].concat();
            [&media_type(b"")[..39], &[0x80, 1], &text].concat()
        }),
        ("a key cut short", good[..50].to_vec()),
        ("a type cut short", good[..good.len() - 3].to_vec()),
    ];
    cases.map(|(why, plain)| json!({ "why": why, "plain": hex(plain) })).into_iter().collect()
}

fn blob(size: u64, key: Option<[u8; 32]>) -> FolderBlob {
    FolderBlob { hash: HASH, size, key: key.map(FileKey::from_bytes) }
}

fn file(path: &str, executable: bool, size: u64, blob: u32, offset: u64) -> FolderFile {
    FolderFile { path: path.parse().expect("a path"), executable, size, blob, offset }
}

fn folders() -> Value {
    let case = |why: &str, blobs: Vec<FolderBlob>, files: Vec<FolderFile>| {
        let mut writer = FolderWriter::new(Vec::new(), &blobs, files.len() as u64).expect("few");
        files.iter().for_each(|file| writer.write(file).expect("valid"));
        let written = writer.finish().expect("all files");
        let blobs = blobs.iter().map(|blob| {
            let key = blob.key.as_ref().map(|key| hex(key.as_bytes()));
            json!({ "hash": hex(blob.hash), "size": blob.size, "key": key })
        });
        let files = files.iter().map(|file| {
            json!({
                "path": file.path.as_str(), "executable": file.executable, "size": file.size,
                "blob": file.blob, "offset": file.offset,
            })
        });
        json!({
            "why": why, "blobs": blobs.collect::<Vec<_>>(), "files": files.collect::<Vec<_>>(),
            "bytes": hex(written),
        })
    };
    let long = format!("{}/{}", "a".repeat(255), "b".repeat(255));
    let long = [long.as_str(); 2].join("/");
    let deep = ["a"; 64].join("/");
    json!([
        case("nothing", vec![], vec![]),
        case(
            "two files of one blob, one of its own, an empty one and an empty folder",
            vec![blob(300, Some(KEY)), blob(1 << 40, None)],
            vec![
                file("a.txt", false, 200, 0, 0),
                file("a/b", true, 100, 0, 200),
                file("a/empty", false, 0, 0, 0),
                file("b/", false, 0, 0, 0),
                file("ba", false, 1 << 40, 1, 0),
            ],
        ),
        case(
            "what both begin with ends in the middle of a character",
            vec![],
            vec![file("é", false, 0, 0, 0), file("ê/x", false, 0, 0, 0)],
        ),
        case(
            "names that others go on from",
            vec![],
            vec![
                file("a", false, 0, 0, 0),
                file("a!/b", false, 0, 0, 0),
                file("aa", true, 0, 0, 0)
            ],
        ),
        case(
            "the greatest size, the longest path and the deepest one",
            vec![blob((1 << 53) - 1, None)],
            vec![
                file(&deep, false, 1, 0, (1 << 53) - 2),
                file(&format!("{long}/"), false, 0, 0, 0),
            ],
        ),
    ])
}

fn refused_folders() -> Value {
    let head = [&[1, 1][..], &HASH, &[10, 0]].concat();
    let files = |files: &[&[u8]]| [&head[..], &[files.len() as u8], &files.concat()].concat();
    let (a, b): (&[u8], &[u8]) = (&[0, 1, b'a', 0, 0, 0, 0], &[0, 1, b'b', 0, 0, 0, 0]);
    let path = |path: &[u8]| {
        let len = [path.len() as u8 | 0x80, (path.len() >> 7) as u8];
        let len = if path.len() < 0x80 { &[path.len() as u8][..] } else { &len };
        files(&[&[&[0], len, path, &[0, 0, 0, 0]].concat()])
    };
    let far = [[0xff; 9].as_slice(), &[1]].concat();
    let cases = [
        ("no version", vec![]),
        ("another version", vec![2, 0, 0]),
        ("no files", vec![1, 0]),
        ("a byte too many", vec![1, 0, 0, 0]),
        ("1,048,577 blobs", vec![1, 0x81, 0x80, 0x40]),
        ("4,194,305 files", vec![1, 0, 0x81, 0x80, 0x80, 2]),
        ("a blob cut short", [&[1, 1][..], &HASH[1..]].concat()),
        ("a blob of 2^53 bytes", {
            let size = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10];
            [&[1, 1][..], &HASH, &size, &[0, 0]].concat()
        }),
        ("a blob with a flag of 2", [&[1, 1][..], &HASH, &[10, 2], &KEY, &[0]].concat()),
        ("a key cut short", [&[1, 1][..], &HASH, &[10, 1], &KEY[1..]].concat()),
        ("a file too few", files(&[a])[..head.len() + 1].to_vec()),
        ("a file cut short", files(&[&a[..6]])),
        ("no path", path(b"")),
        ("a path of one slash", path(b"/")),
        ("a path from the root", path(b"/a")),
        ("an empty name in a path", path(b"a//b")),
        ("two slashes at the end", path(b"a//")),
        ("a path that leads out", path(b"a/../../b")),
        ("the folder above", path(b"..")),
        ("this folder in a path", path(b"./a")),
        ("a backslash in a path", path(b"a\\b")),
        ("a control character in a path", path(b"a\n")),
        ("a path that is not UTF-8", path(b"a\xff")),
        ("a path of 65 names", path(["a"; 65].join("/").as_bytes())),
        ("a path of 1,025 bytes", {
            let names = [[b'a'; 204].as_slice(); 5].join(&b'/');
            path(&[&names[..], b"/"].concat())
        }),
        ("a name of 256 bytes", path(&[b'a'; 256])),
        ("out of order", files(&[b, a])),
        ("a path twice", files(&[a, &[1, 0, 0, 0, 0, 0]])),
        ("more is kept than there was", files(&[a, &[2, 1, b'b', 0, 0, 0, 0]])),
        ("something is kept of nothing", files(&[&[1, 1, b'a', 0, 0, 0, 0]])),
        ("less is kept than both begin with", files(&[a, &[0, 2, b'a', b'b', 0, 0, 0, 0]])),
        ("a file inside of a file", files(&[a, &[1, 2, b'/', b'b', 0, 0, 0, 0]])),
        (
            "a file inside of a file, and another one between them",
            files(&[a, &[1, 1, b'!', 0, 0, 0, 0], &[1, 2, b'/', b'b', 0, 0, 0, 0]]),
        ),
        (
            "a file inside of an empty folder",
            files(&[&[0, 2, b'a', b'/', 0, 0, 0, 0], &[2, 1, b'b', 0, 0, 0, 0]]),
        ),
        ("an empty folder in the place of a file", files(&[a, &[1, 1, b'/', 0, 0, 0, 0]])),
        ("a flag without a meaning", files(&[&[0, 1, b'a', 2, 0, 0, 0]])),
        ("an empty folder that can be executed", files(&[&[0, 2, b'a', b'/', 1, 0, 0, 0]])),
        ("an empty folder of some size", files(&[&[0, 2, b'a', b'/', 0, 1, 0, 0]])),
        ("a file after its blob's end", files(&[&[0, 1, b'a', 0, 5, 0, 6]])),
        ("a file after the last number", files(&[&[&[0, 1, b'a', 0, 1, 0][..], &far].concat()])),
        ("a blob that there isn't", files(&[&[0, 1, b'a', 0, 1, 1, 0]])),
        ("no bytes of a blob", files(&[&[0, 1, b'a', 0, 0, 0, 1]])),
        ("no bytes of a blob that there isn't", files(&[&[0, 1, b'a', 0, 0, 1, 0]])),
        ("a size not in shortest form", files(&[&[0, 1, b'a', 0, 0x80, 0, 0, 0]])),
    ];
    cases.map(|(why, bytes)| json!({ "why": why, "bytes": hex(bytes) })).into_iter().collect()
}

/// Texts that may be names, types and paths; those that may not stand among the refused bytes.
fn texts() -> Value {
    json!({
        "names": ["a", "...", " ", "CON", "a.", "a:b", "\u{80}", "\u{202e}", "é".repeat(127) + "e"],
        "types": ["", "a/b", "image/svg+xml", "0/0!#$&-^_.+", format!("a/{}", "b".repeat(125))],
        "paths": ["a", "a/", "a/b/", "C:/x", ".../…"],
    })
}

#[test]
fn file_vectors() {
    let made = json!({
        "file_keys": file_keys(), "sealed": sealed(), "bodies": bodies(),
        "refused_bodies": refused_bodies(), "folders": folders(),
        "refused_folders": refused_folders(), "texts": texts(),
    });
    let read = vectors("file.json", &made);
    read_bodies(&read);
    read_folders(&read);
    for case in list(&read["sealed"]) {
        let mut opened = bytes(&case["sealed"]);
        let offset = case["offset"].as_u64().expect("a number");
        FileKey::from_bytes(array(&case["key"])).apply(offset, &mut opened);
        assert_eq!(opened, bytes(&case["plain"]));
    }
    let all = |name: &str, holds: fn(&str) -> bool| {
        for text in list(&read["texts"][name]) {
            assert!(text.as_str().is_some_and(holds), "{text}");
        }
    };
    all("names", |text| text.parse::<FileName>().is_ok());
    all("types", |text| text.parse::<MediaType>().is_ok());
    all("paths", |text| text.parse::<FolderPath>().is_ok());
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

fn read_bodies(read: &Value) {
    let place = Place {
        space: SpaceId::from_bytes([0; 32]),
        author: AuthorId::from_bytes([0; 32]),
        epoch: 0,
    };
    for case in list(&read["bodies"]) {
        let plain = bytes(&case["plain"]);
        let body = Body::open(&plain, None, &place).expect("valid");
        assert_eq!(body.kind as u64, case["kind"]);
        assert_eq!(body.payload, bytes(&case["payload"]));
        assert_eq!(body.attachments.len(), list(&case["attachments"]).len());
        assert_eq!(body.to_plain(), Ok(plain));
    }
    for case in list(&read["refused_bodies"]) {
        let error = Body::open(&bytes(&case["plain"]), None, &place).expect_err("it is refused");
        let later = case["why"] == "an inner kind of a later version";
        assert_eq!(matches!(error, Error::UnknownKind(_)), later, "{}: {error}", case["why"]);
    }
}

fn read_folders(read: &Value) {
    for case in list(&read["folders"]) {
        let bytes = bytes(&case["bytes"]);
        let reader = FolderReader::new(&bytes[..]).expect("valid");
        assert_eq!(reader.blobs().len(), list(&case["blobs"]).len());
        let files: Vec<_> = reader.collect::<Result<_, _>>().expect("valid");
        let paths: Vec<_> = files.iter().map(|file| file.path.as_str()).collect();
        let expected: Vec<_> = list(&case["files"]).iter().map(|file| &file["path"]).collect();
        assert_eq!(paths, expected);
    }
    for case in list(&read["refused_folders"]) {
        let bytes = bytes(&case["bytes"]);
        let read = FolderReader::new(&bytes[..]).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        assert!(read.is_err(), "{}: {read:?}", case["why"]);
    }
}
