//! Attachments and folders: what is written is read back, and what breaks a rule is refused.

use kith_log::file::{
    Attachment, FileKey, FolderBlob, FolderError, FolderFile, FolderReader, FolderWriter,
    MAX_ATTACHMENTS, MAX_FILE_SIZE, MAX_FOLDER_BLOBS, MAX_FOLDER_FILES, MAX_FOLDER_MANIFEST,
};
use kith_log::{AuthorId, Body, BodyKind, Error, MAX_PAYLOAD_LEN, Place, SpaceId};
use proptest::prelude::*;

const PLACE: Place =
    Place { space: SpaceId::from_bytes([1; 32]), author: AuthorId::from_bytes([2; 32]), epoch: 0 };

fn attachment(name: &str) -> Attachment {
    Attachment {
        hash: [7; 32],
        size: 9,
        folder: false,
        key: None,
        name: name.parse().expect("valid"),
        media_type: "text/plain".parse().expect("valid"),
    }
}

fn open(plain: &[u8]) -> Result<Body, Error> {
    Body::open(plain, None, &PLACE)
}

fn keys() -> impl Strategy<Value = Option<FileKey>> {
    prop::option::of(any::<[u8; 32]>().prop_map(FileKey::from_bytes))
}

fn attachments() -> impl Strategy<Value = Attachment> {
    let media_type = prop_oneof![Just(String::new()), "[a-z0-9]{1,20}/[a-z0-9][a-z0-9.+-]{0,30}"];
    let name = "[^/\\\\\u{0}-\u{1f}\u{7f}]{1,60}"
        .prop_filter("a name", |name| name.len() <= 255 && name != "." && name != "..");
    (any::<[u8; 32]>(), 0..=MAX_FILE_SIZE, any::<bool>(), keys(), name, media_type).prop_map(
        |(hash, size, folder, key, name, media_type)| Attachment {
            hash,
            size: if folder { size % (MAX_FOLDER_MANIFEST + 1) } else { size },
            folder,
            key,
            name: name.parse().expect("valid"),
            media_type: if folder { String::new() } else { media_type }.parse().expect("valid"),
        },
    )
}

/// Files of a folder in their order, from any set of paths: those that are in the place of others'
/// folders are left out.
fn files() -> impl Strategy<Value = (Vec<FolderBlob>, Vec<FolderFile>)> {
    let path = prop::collection::vec("[a-c.!é]{1,3}", 1..4).prop_map(|names| names.join("/"));
    let path = (path, any::<bool>()).prop_map(|(path, empty)| match empty {
        true => path + "/",
        false => path,
    });
    let path = path.prop_filter("names", |path| path.parse::<kith_log::file::FolderPath>().is_ok());
    let blob = (any::<[u8; 32]>(), 1..=MAX_FILE_SIZE, keys())
        .prop_map(|(hash, size, key)| FolderBlob { hash, size, key });
    let places = prop::collection::btree_map(path, any::<(bool, u64, u64, u32)>(), 0..40);
    (prop::collection::vec(blob, 1..5), places).prop_map(|(blobs, mut places)| {
        let paths: Vec<String> = places.keys().cloned().collect();
        places.retain(|path, _| {
            let folder = if path.ends_with('/') { path.clone() } else { format!("{path}/") };
            !paths.iter().any(|other| other != path && other.starts_with(&folder))
        });
        let files = places.into_iter().map(|(path, (executable, size, offset, blob))| {
            let blob = blob % blobs.len() as u32;
            let whole = blobs[blob as usize].size;
            let offset = offset % whole;
            let size = if path.ends_with('/') { 0 } else { size % (whole - offset + 1) };
            let executable = executable && !path.ends_with('/');
            let (blob, offset) = if size == 0 { (0, 0) } else { (blob, offset) };
            FolderFile { path: path.parse().expect("valid"), executable, size, blob, offset }
        });
        let files = files.collect();
        (blobs, files)
    })
}

fn write(blobs: &[FolderBlob], files: &[FolderFile]) -> Result<Vec<u8>, FolderError> {
    let mut writer = FolderWriter::new(Vec::new(), blobs, files.len() as u64)?;
    files.iter().try_for_each(|file| writer.write(file))?;
    writer.finish()
}

fn read(bytes: &[u8]) -> Result<Vec<FolderFile>, FolderError> {
    FolderReader::new(bytes)?.collect()
}

/// What a file is refused for that is written to, and read from, a folder of one blob of 10 bytes.
fn refused(files: &[FolderFile], encoded: &[&[u8]]) -> String {
    let blobs = [FolderBlob { hash: [0; 32], size: 10, key: None }];
    let head = [&[1, 1][..], &[0; 32], &[10, 0, encoded.len() as u8]].concat();
    let written = write(&blobs, files).expect_err("it is refused").to_string();
    let read =
        read(&[&head[..], &encoded.concat()].concat()).expect_err("it is refused").to_string();
    assert_eq!(written, read);
    read
}

fn file(path: &str, size: u64, blob: u32, offset: u64) -> FolderFile {
    FolderFile { path: path.parse().expect("valid"), executable: false, size, blob, offset }
}

proptest! {
    #[test]
    fn a_body_keeps_its_attachments(
        kind in prop::sample::select(vec![BodyKind::App, BodyKind::Update, BodyKind::Bytes]),
        attachments in prop::collection::vec(attachments(), 0..8),
        payload in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let body = Body::with_attachments(kind, attachments, payload);
        let plain = body.to_plain().unwrap();
        prop_assert_eq!(open(&plain), Ok(body.clone()));
        if !body.attachments.is_empty() {
            let end = plain.len() - body.payload.len();
            for len in 1..end {
                prop_assert!(open(&plain[..len]).is_err(), "cut to {}", len);
            }
        }
    }

    #[test]
    fn a_folder_keeps_its_files((blobs, files) in files(), cut in any::<prop::sample::Index>()) {
        let bytes = write(&blobs, &files).unwrap();
        let reader = FolderReader::new(&bytes[..]).unwrap();
        prop_assert_eq!(reader.blobs(), &blobs[..]);
        prop_assert_eq!(reader.file_count(), files.len() as u64);
        prop_assert_eq!(reader.collect::<Result<Vec<_>, _>>().unwrap(), files);
        prop_assert!(read(&bytes[..cut.index(bytes.len())]).is_err());
        prop_assert!(read(&[&bytes[..], &[0]].concat()).is_err());
    }

    #[test]
    fn changed_bytes_are_refused_or_a_folder_by_the_rules(
        (blobs, files) in files(),
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut bytes = write(&blobs, &files).unwrap();
        let place = place.index(bytes.len());
        bytes[place] = byte;
        let Ok(reader) = FolderReader::new(&bytes[..]) else { return Ok(()) };
        let blobs = reader.blobs().to_vec();
        if let Ok(files) = reader.collect::<Result<Vec<_>, _>>() {
            prop_assert_eq!(write(&blobs, &files).unwrap(), bytes);
        }
    }
}

#[test]
fn attachments_stand_beside_what_apps_write_and_nothing_else() {
    let one = vec![attachment("a")];
    for kind in [BodyKind::Opening, BodyKind::Profile] {
        let body = Body::with_attachments(kind, one.clone(), "x");
        assert!(matches!(body.to_plain(), Err(Error::Malformed(_))), "{kind:?}");
        let mut plain = Body::with_attachments(BodyKind::App, one.clone(), "x").to_plain().unwrap();
        plain[1] = kind as u8;
        assert!(matches!(open(&plain), Err(Error::Malformed(_))), "{kind:?}");
    }
    let mut plain = Body::with_attachments(BodyKind::App, one, "x").to_plain().unwrap();
    plain[1] = 5;
    assert!(matches!(open(&plain), Err(Error::Malformed(_))));
    plain[1] = 200;
    assert_eq!(open(&plain), Err(Error::UnknownKind(200)), "of a later version");
}

#[test]
fn attachments_have_limits() {
    let body = |count| Body::with_attachments(BodyKind::App, vec![attachment("a"); count], "x");
    let plain = body(MAX_ATTACHMENTS).to_plain().unwrap();
    assert_eq!(open(&plain).unwrap().attachments.len(), MAX_ATTACHMENTS);
    assert!(matches!(body(MAX_ATTACHMENTS + 1).to_plain(), Err(Error::TooLarge { .. })));
    let mut more = plain.clone();
    more[2] += 1;
    assert!(matches!(open(&more), Err(Error::TooLarge { .. })));
    more[2] = 0;
    assert!(matches!(open(&more), Err(Error::Malformed(_))));

    let too_large = [
        Attachment { size: MAX_FILE_SIZE + 1, ..attachment("a") },
        Attachment {
            size: MAX_FOLDER_MANIFEST + 1,
            folder: true,
            media_type: Default::default(),
            ..attachment("a")
        },
    ];
    for attachment in too_large {
        let body = Body::with_attachments(BodyKind::App, vec![attachment], "");
        assert!(matches!(body.to_plain(), Err(Error::TooLarge { .. })));
    }

    let long = Body::with_attachments(BodyKind::App, vec![attachment("a")], [0; MAX_PAYLOAD_LEN]);
    assert!(matches!(long.to_plain(), Err(Error::TooLarge { .. })), "of both together");
}

#[test]
fn a_payload_that_nobody_could_write_is_not_read() {
    let just = [[4].as_slice(), &[0; MAX_PAYLOAD_LEN]].concat();
    assert_eq!(open(&just).map(|body| body.payload.len()), Ok(MAX_PAYLOAD_LEN));
    let more = [[4].as_slice(), &[0; MAX_PAYLOAD_LEN + 1]].concat();
    assert!(matches!(open(&more), Err(Error::TooLarge { .. })), "it could not be encoded again");
}

#[test]
fn a_folder_has_a_type_of_its_own() {
    let folder = Attachment { folder: true, ..attachment("a") };
    let body = Body::with_attachments(BodyKind::App, vec![folder], "");
    assert!(matches!(body.to_plain(), Err(Error::Malformed(_))));
}

#[test]
fn flags_without_a_meaning_are_refused() {
    let mut plain =
        Body::with_attachments(BodyKind::App, vec![attachment("a")], "x").to_plain().unwrap();
    for flags in [4, 8, 0x80, 0xff] {
        plain[3 + 32 + 1] = flags;
        assert!(matches!(open(&plain), Err(Error::Malformed(_))), "{flags}");
    }
}

#[test]
fn paths_stand_in_order_and_none_is_the_folder_of_another() {
    let order = "paths that are not in ascending order";
    let two = [file("b", 0, 0, 0), file("a", 0, 0, 0)];
    assert_eq!(refused(&two, &[&[0, 1, b'b', 0, 0, 0, 0], &[0, 1, b'a', 0, 0, 0, 0]]), order);
    let twice = [file("a", 0, 0, 0), file("a", 0, 0, 0)];
    assert_eq!(refused(&twice, &[&[0, 1, b'a', 0, 0, 0, 0], &[1, 0, 0, 0, 0, 0]]), order);

    let folder = "a path that is the folder of another one";
    let inside = [file("a", 0, 0, 0), file("a/b", 0, 0, 0)];
    assert_eq!(
        refused(&inside, &[&[0, 1, b'a', 0, 0, 0, 0], &[1, 2, b'/', b'b', 0, 0, 0, 0]]),
        folder
    );
    // With another one between them, which begins with the same letter.
    let later = [file("a", 0, 0, 0), file("a!", 0, 0, 0), file("a/b", 0, 0, 0)];
    let encoded: [&[u8]; 3] =
        [&[0, 1, b'a', 0, 0, 0, 0], &[1, 1, b'!', 0, 0, 0, 0], &[1, 2, b'/', b'b', 0, 0, 0, 0]];
    assert_eq!(refused(&later, &encoded), folder);
    let not_empty = [file("a/", 0, 0, 0), file("a/b", 0, 0, 0)];
    assert_eq!(
        refused(&not_empty, &[&[0, 2, b'a', b'/', 0, 0, 0, 0], &[2, 1, b'b', 0, 0, 0, 0]]),
        folder
    );
    for fine in [["a", "aa/b"], ["a!", "a/b"], ["a/b", "ab"], ["a/", "ab/"]] {
        write(&[], &fine.map(|path| file(path, 0, 0, 0))).unwrap();
    }
}

#[test]
fn a_file_is_a_range_of_a_blob_that_there_is() {
    let end = "a file that goes on after its blob's end";
    assert_eq!(refused(&[file("a", 11, 0, 0)], &[&[0, 1, b'a', 0, 11, 0, 0]]), end);
    assert_eq!(refused(&[file("a", 1, 0, 10)], &[&[0, 1, b'a', 0, 1, 0, 10]]), end);
    let last = &[[0xff; 9].as_slice(), &[1]].concat();
    let encoded: &[u8] = &[&[0, 1, b'a', 0, 1, 0], &last[..]].concat();
    assert_eq!(refused(&[file("a", 1, 0, u64::MAX)], &[encoded]), end);
    let none = "a file of no blob";
    assert_eq!(refused(&[file("a", 1, 1, 0)], &[&[0, 1, b'a', 0, 1, 1, 0]]), none);
    let empty = "an empty folder that is not empty";
    assert_eq!(refused(&[file("a/", 1, 0, 0)], &[&[0, 2, b'a', b'/', 0, 1, 0, 0]]), empty);
}

#[test]
fn the_counts_of_a_folder_reserve_nothing() {
    let counts = [[1, 0x80, 0x80, 0x40].as_slice(), &[1, 0, 0x80, 0x80, 0x80, 2]];
    for count in counts {
        let error = read(count).unwrap_err();
        assert!(matches!(error, FolderError::Format(Error::Truncated(_))), "{error}");
    }
    for (more, limit) in [
        ([1, 0x81, 0x80, 0x40].as_slice(), MAX_FOLDER_BLOBS),
        (&[1, 0, 0x81, 0x80, 0x80, 2], MAX_FOLDER_FILES),
    ] {
        let FolderError::Format(Error::TooLarge { value, .. }) = read(more).unwrap_err() else {
            panic!("the limit")
        };
        assert_eq!(value, limit + 1);
    }
}

#[test]
fn a_writer_holds_what_it_said() {
    let error = FolderWriter::new(Vec::new(), &[], 1).unwrap().finish().unwrap_err();
    assert_eq!(error.to_string(), "a folder with fewer files than it says");
    let mut writer = FolderWriter::new(Vec::new(), &[], 0).unwrap();
    let error = writer.write(&file("a", 0, 0, 0)).unwrap_err();
    assert_eq!(error.to_string(), "a folder with more files than it says");
}
