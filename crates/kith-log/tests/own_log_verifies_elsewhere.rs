//! What one node appends, another verifies from the bytes alone.

use kith_log::*;

fn space_and_author() -> (SpaceId, AuthorSecret, Opening) {
    let space = SpaceId::from_bytes(*AuthorSecret::from_seed(&[1; 32]).author().as_bytes());
    let secret = AuthorSecret::from_seed(&[2; 32]);
    let opening = Opening::admit(&[1; 32], &secret.author(), None);
    (space, secret, opening)
}

fn draft(lamport: u64, body: Vec<u8>) -> Draft {
    Draft { lamport, time_ms: 1_700_000_000_000 + lamport, epoch: 0, body }
}

#[test]
fn runs_of_appends_verify_and_relay() {
    let (space, secret, opening) = space_and_author();
    let body = |i: u64| Body::new(BodyKind::App, i.to_string()).to_plain().unwrap();
    let first = append(&secret, &space, None, vec![draft(1, opening.to_body())]).unwrap();
    let mut own = KnownLog::after(None, &first);
    let mut other = None;
    let mut runs = vec![first];
    for i in 2..20 {
        let run = append(&secret, &space, Some(&own), vec![draft(i, body(i)), draft(i, body(i))]);
        let run = run.unwrap();
        own = KnownLog::after(Some(&own), &run);
        runs.push(run);
    }
    for run in &runs {
        let received = Run::decode(&run.to_run().encode()).unwrap();
        assert_eq!(received, run.to_run());
        let verified = verify_run(&space, other.as_ref(), received).unwrap();
        assert_eq!(&verified, run);
        other = Some(KnownLog::after(other.as_ref(), &verified));
    }
    assert_eq!(other, Some(own.clone()));
    assert_eq!(KnownLog::decode(&own.encode()).unwrap(), own);
    let note = own.head.checkpoint(&secret.author()).to_note(&space);
    let (_, checkpoint) = Checkpoint::from_note(&note).unwrap();
    assert_eq!(checkpoint, own.head.checkpoint(&secret.author()));
}

#[test]
fn a_sealed_body_opens_in_its_place_only() {
    let (space, secret, _) = space_and_author();
    let place = Place { space, author: secret.author(), epoch: 1 };
    let body = Body::new(BodyKind::App, *b"{}");
    let sealed = body.seal(&[7; 32], [9; NONCE_LEN], &place).unwrap();
    assert_eq!(Body::open(&sealed, Some(&[7; 32]), &place), Ok(body));
    let elsewhere = Place { epoch: 2, ..place };
    assert_eq!(Body::open(&sealed, Some(&[7; 32]), &elsewhere), Err(Error::Undecryptable));
    assert_eq!(Body::open(&sealed, None, &place), Err(Error::NoKey(1)));
}
