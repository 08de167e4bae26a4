//! Whatever is written is read back, and nothing else is read: not when cut short, not when
//! followed by something, and what is signed not with any bit flipped.

use kith_log::sync::{At, MAX_HEADS, Message, Part};
use kith_log::tree::{
    consistency_proof, inclusion_proof, leaf_hash, root, verify_consistency, verify_inclusion,
};
use kith_log::{
    AuthorId, AuthorSecret, Base, Body, BodyKind, Checkpoint, CompactRange, Draft, Entry, Error,
    Hash, Head, Header, KnownLog, MAX_LAMPORT, MAX_TIME_MS, NONCE_LEN, Opening, Place, Run,
    SpaceId, append, verify_run,
};
use proptest::array::uniform32;
use proptest::collection::vec;
use proptest::prelude::*;

const ADMISSION: [u8; 32] = [1; 32];
const AUTHOR: [u8; 32] = [2; 32];

fn space() -> SpaceId {
    SpaceId::from_bytes(*AuthorSecret::from_seed(&ADMISSION).author().as_bytes())
}

fn signature() -> impl Strategy<Value = [u8; 64]> {
    (uniform32(any::<u8>()), uniform32(any::<u8>()))
        .prop_map(|(a, b)| [a, b].concat().try_into().expect("twice 32 bytes"))
}

fn checkpoint() -> impl Strategy<Value = Checkpoint> {
    (uniform32(any::<u8>()), 1u64.., uniform32(any::<u8>()), signature()).prop_map(
        |(author, size, root, signature)| Checkpoint {
            author: AuthorId::from_bytes(author),
            size,
            root,
            signature,
        },
    )
}

fn entry() -> impl Strategy<Value = Entry> {
    let epoch = prop_oneof![Just(0), Just(1), any::<u32>()];
    let body = vec(any::<u8>(), 0..300);
    (0..=MAX_LAMPORT, 0..=MAX_TIME_MS, epoch, body, any::<bool>()).prop_map(
        |(lamport, time, epoch, body, keep)| Entry {
            header: Header::new(lamport, time, epoch, &body).expect("within limits"),
            body: keep.then_some(body),
        },
    )
}

fn head(size: u64) -> impl Strategy<Value = Head> {
    let peaks = vec(uniform32(any::<u8>()), size.count_ones() as usize);
    (peaks, signature()).prop_map(move |(peaks, signature)| Head {
        range: CompactRange::from_peaks(size, peaks).expect("one peak per bit"),
        signature,
    })
}

fn run() -> impl Strategy<Value = Run> {
    let base = (1..u64::MAX / 2).prop_flat_map(|start| {
        let base = (head(start), vec(any::<u8>(), 0..162));
        let base = base.prop_map(|(head, opening)| Base { head, opening });
        (Just(start), proptest::option::of(base))
    });
    let place = prop_oneof![Just((0, None)), base];
    (place, vec(entry(), 1..20), checkpoint()).prop_map(|((start, base), entries, checkpoint)| {
        let size = start + entries.len() as u64;
        Run { start, base, entries, checkpoint: Checkpoint { size, ..checkpoint } }
    })
}

fn message() -> impl Strategy<Value = Message> {
    let author = || uniform32(any::<u8>()).prop_map(AuthorId::from_bytes);
    let part = prop_oneof![Just(Part::News), Just(Part::ListGoesOn), Just(Part::ListEnds)];
    let have = proptest::option::of((uniform32(any::<u8>()), signature()));
    let at = prop_oneof![
        (any::<u64>(), have).prop_map(|(index, have)| At::From { index, have }),
        Just(At::Newest),
        any::<u64>().prop_map(|index| At::Before { index }),
    ];
    prop_oneof![
        (part, vec(checkpoint(), 0..8)).prop_map(|(part, heads)| Message::Heads { part, heads }),
        (author(), at, 1u8..).prop_map(|(author, at, runs)| Message::Want { author, at, runs }),
        (author(), 1u8..).prop_map(|(author, runs)| Message::More { author, runs }),
        run().prop_map(Message::Run),
        run().prop_map(Message::Last),
        author().prop_map(|author| Message::Nothing { author }),
        uniform32(any::<u8>()).prop_map(|digest| Message::Compare { digest }),
    ]
}

/// Reads only `bytes`: nothing shorter, nothing longer, and nothing else that means the same.
fn reads_exactly<T: PartialEq + std::fmt::Debug>(
    bytes: &[u8],
    value: &T,
    decode: impl Fn(&[u8]) -> Result<T, Error>,
    encode: impl Fn(&T) -> Vec<u8>,
) -> Result<(), TestCaseError> {
    let read = decode(bytes);
    prop_assert_eq!(read.as_ref(), Ok(value));
    for len in 0..bytes.len() {
        prop_assert!(decode(&bytes[..len]).is_err(), "cut to {}", len);
    }
    let longer = [bytes, &[0]].concat();
    prop_assert!(decode(&longer).is_err());
    for bit in 0..8 * bytes.len() {
        let mut flipped = bytes.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        if let Ok(other) = decode(&flipped) {
            prop_assert_ne!(&other, value, "bit {}", bit);
            prop_assert_eq!(encode(&other), flipped, "bit {}", bit);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn headers(entry in entry()) {
        let bytes = entry.header.encode();
        reads_exactly(&bytes, &entry.header, Header::decode, |h| h.encode().to_vec())?;
    }

    #[test]
    fn checkpoints(checkpoint in checkpoint()) {
        let bytes = checkpoint.encode();
        reads_exactly(&bytes, &checkpoint, Checkpoint::decode, |c| c.encode().to_vec())?;
    }

    #[test]
    fn heads_and_ranges(head in (0u64..1 << 40).prop_flat_map(head)) {
        reads_exactly(&head.encode(), &head, Head::decode, Head::encode)?;
        reads_exactly(&head.range.encode(), &head.range, CompactRange::decode, CompactRange::encode)?;
    }

    #[test]
    fn messages(message in message()) {
        reads_exactly(&message.encode(), &message, Message::decode, Message::encode)?;
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..400)) {
        if let Ok(message) = Message::decode(&bytes) {
            prop_assert_eq!(message.encode(), bytes.clone());
        }
        if let Ok(run) = Run::decode(&bytes) {
            prop_assert_eq!(run.encode(), bytes.clone());
        }
        let _ = Opening::verify(&bytes, &space(), &AuthorSecret::from_seed(&AUTHOR).author());
        let _ = KnownLog::decode(&bytes);
        let _ = Checkpoint::from_note(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn bodies(payload in vec(any::<u8>(), 0..200), key: [u8; 32], nonce: [u8; NONCE_LEN], epoch in 1u32..) {
        let place = Place { space: space(), author: AuthorId::from_bytes([9; 32]), epoch };
        let body = Body::new(BodyKind::Bytes, payload);
        let sealed = body.seal(&key, nonce, &place).expect("a small body");
        prop_assert_eq!(Body::open(&sealed, Some(&key), &place), Ok(body));
        for bit in 0..8 * sealed.len() {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(Body::open(&flipped, Some(&key), &place), Err(Error::Undecryptable));
        }
        for len in 0..sealed.len() {
            prop_assert!(Body::open(&sealed[..len], Some(&key), &place).is_err());
        }
        let elsewhere = Place { author: AuthorId::from_bytes([8; 32]), ..place };
        prop_assert_eq!(Body::open(&sealed, Some(&key), &elsewhere), Err(Error::Undecryptable));
    }

    #[test]
    fn proofs(size in 1usize..200, a: usize, b: usize, flip: usize) {
        let leaves: Vec<Hash> = (0..size).map(|i| leaf_hash(&i.to_be_bytes())).collect();
        let mut range = CompactRange::new();
        leaves.iter().for_each(|leaf| range.push(*leaf));
        let root_hash = root(&leaves);
        prop_assert_eq!(range.root(), root_hash);

        let index = a % size;
        let mut proof = inclusion_proof(&leaves, index).expect("a leaf");
        let holds = |index: usize, proof: &[Hash]| {
            verify_inclusion(&leaves[index], index as u64, size as u64, proof, &root_hash)
        };
        prop_assert!(holds(index, &proof));
        prop_assert!((0..size).all(|other| other == index || !holds(other, &proof)));
        if !proof.is_empty() {
            let (at, bit) = (flip % proof.len(), flip % 256);
            proof[at][bit / 8] ^= 1 << (bit % 8);
            prop_assert!(!holds(index, &proof));
            proof.pop();
            prop_assert!(!holds(index, &proof));
        }

        let old = b % size + 1;
        let old_root = root(&leaves[..old]);
        let mut proof = consistency_proof(&leaves, old).expect("a prefix");
        let holds = |old: usize, proof: &[Hash]| {
            verify_consistency((old as u64, &old_root), (size as u64, &root_hash), proof)
        };
        prop_assert!(holds(old, &proof));
        prop_assert!((1..=size).all(|other| other == old || !holds(other, &proof)));
        proof.push([0; 32]);
        prop_assert!(!holds(old, &proof));
    }
}

/// A log of five entries, in a run from its opening and one with a base.
fn signed_runs() -> (KnownLog, Vec<Run>) {
    let secret = AuthorSecret::from_seed(&AUTHOR);
    let author = secret.author();
    let opening = Opening::admit(&ADMISSION, &author, Some(&AuthorSecret::from_seed(&[3; 32])));
    let draft = |lamport, body| Draft { lamport, time_ms: 1_700_000_000_000, epoch: 0, body };
    let body = |text: &str| Body::new(BodyKind::App, text).to_plain().expect("a small body");
    let first = vec![draft(1, opening.to_body()), draft(2, body("{}"))];
    let first = append(&secret, &space(), None, first).expect("within limits");
    let known = KnownLog::after(None, &first);
    let second = vec![draft(3, body("1")), draft(300, body("")), draft(301, body("\"text\""))];
    let second = append(&secret, &space(), Some(&known), second).expect("within limits");
    let mut with_base = second.to_run();
    let head = first.head().clone();
    with_base.base = Some(Base { head, opening: opening.to_body() });
    (known, vec![first.to_run(), with_base, second.to_run()])
}

#[test]
fn a_signed_run_is_refused_with_any_bit_flipped() {
    let (known, runs) = signed_runs();
    for (which, run) in runs.iter().enumerate() {
        let known = (which == 2).then_some(&known);
        assert!(verify_run(&space(), known, run.clone()).is_ok());
        let bytes = run.encode();
        for bit in 0..8 * bytes.len() {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let Ok(flipped) = Run::decode(&flipped) else { continue };
            let verified = verify_run(&space(), known, flipped);
            assert!(verified.is_err(), "run {which}, bit {bit}: {verified:?}");
        }
    }
}

#[test]
fn an_opening_is_refused_with_any_bit_flipped() {
    let author = AuthorSecret::from_seed(&AUTHOR).author();
    let previous = AuthorSecret::from_seed(&[3; 32]);
    for previous in [None, Some(&previous)] {
        let body = Opening::admit(&ADMISSION, &author, previous).to_body();
        assert!(Opening::verify(&body, &space(), &author).is_ok());
        for bit in 0..8 * body.len() {
            let mut flipped = body.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Opening::verify(&flipped, &space(), &author).is_err(), "bit {bit}");
        }
        for len in 0..body.len() {
            assert!(Opening::verify(&body[..len], &space(), &author).is_err());
        }
        let elsewhere = SpaceId::from_bytes(*author.as_bytes());
        assert!(Opening::verify(&body, &elsewhere, &author).is_err());
    }
}

/// A body of a later version's kind is carried along by who can't read it.
#[test]
fn a_body_of_an_unknown_kind_is_opened_as_it_is() {
    let author = AuthorSecret::from_seed(&AUTHOR).author();
    let plain = [200, 1, 2, 3];
    for epoch in [0, 1] {
        let place = Place { space: space(), author, epoch };
        let sent = match epoch {
            0 => plain.to_vec(),
            _ => Body::seal_plain(&plain, &[3; 32], [4; NONCE_LEN], &place).unwrap(),
        };
        assert!(matches!(Body::open(&sent, Some(&[3; 32]), &place), Err(Error::UnknownKind(200))));
        assert_eq!(Body::open_plain(&sent, Some(&[3; 32]), &place).unwrap(), plain);
    }
}

#[test]
fn a_note_is_refused_with_any_byte_changed() {
    let (_, runs) = signed_runs();
    let checkpoint = runs[0].checkpoint;
    let note = checkpoint.to_note(&space());
    assert_eq!(Checkpoint::from_note(&note), Ok((space(), checkpoint)));
    for at in 0..note.len() {
        for xor in 1..=255 {
            let mut changed = note.clone().into_bytes();
            changed[at] ^= xor;
            let Ok(changed) = String::from_utf8(changed) else { continue };
            assert!(Checkpoint::from_note(&changed).is_err(), "{changed}");
        }
    }
    let witnessed = format!("{note}\u{2014} witness.example/w {}\n", "AAAA".repeat(17));
    assert!(Checkpoint::from_note(&witnessed).is_ok(), "others may sign too");
    let two_origins = note.replacen("kith/1/", "kith/1/x", 1);
    assert!(Checkpoint::from_note(&two_origins).is_err());
}

#[test]
fn what_is_over_a_limit_is_refused() {
    let author = AuthorId::from_bytes([1; 32]);
    let checkpoint = Checkpoint { author, size: 1, root: [0; 32], signature: [0; 64] };
    let heads = vec![checkpoint; MAX_HEADS + 1];
    let message = Message::Heads { part: Part::News, heads };
    assert!(matches!(Message::decode(&message.encode()), Err(Error::TooLarge { .. })));
    let body = vec![0; 2000];
    let header = Header::new(1, 1, 0, &body).expect("within limits");
    let entry = Entry { header, body: Some(body) };
    let run = |count: usize, entry: &Entry| Run {
        start: 0,
        base: None,
        entries: vec![entry.clone(); count],
        checkpoint: Checkpoint { size: count as u64, ..checkpoint },
    };
    assert!(Run::decode(&run(120, &entry).encode()).is_ok());
    assert!(matches!(Run::decode(&run(130, &entry).encode()), Err(Error::TooLarge { .. })));
    let small = Entry { header: Header::new(1, 1, 0, &[]).expect("small"), body: Some(vec![]) };
    assert!(Run::decode(&run(1024, &small).encode()).is_ok());
    assert!(matches!(Run::decode(&run(1025, &small).encode()), Err(Error::TooLarge { .. })));
    assert!(Header::new(MAX_LAMPORT + 1, 0, 0, &[]).is_err());
    assert!(Header::new(0, MAX_TIME_MS + 1, 0, &[]).is_err());
    assert!(Header::new(0, 0, 0, &vec![0; kith_log::MAX_BODY_LEN + 1]).is_err());
    assert!(Body::new(BodyKind::Bytes, vec![0; kith_log::MAX_PAYLOAD_LEN + 1]).to_plain().is_err());
}
