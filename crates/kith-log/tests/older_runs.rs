//! Entries before those that are held: they join, they prove a fork, or their sender lied.

use kith_log::{
    AuthorSecret, Base, Body, BodyKind, Draft, Error, Fault, KnownLog, Opening, Run, SpaceId,
    VerifiedRun, append, verify_run,
};

const ADMISSION: [u8; 32] = [1; 32];

fn space() -> SpaceId {
    SpaceId::from_bytes(*AuthorSecret::from_seed(&ADMISSION).author().as_bytes())
}

fn author() -> AuthorSecret {
    AuthorSecret::from_seed(&[2; 32])
}

/// An entry that says this, appended.
fn say(known: Option<&KnownLog>, opening: &Opening, text: &str) -> (KnownLog, VerifiedRun) {
    let body = Body::new(BodyKind::App, text).to_plain().expect("small");
    let body = if known.is_none() { opening.to_body() } else { body };
    let draft = Draft { lamport: 1, time_ms: 0, epoch: 0, body };
    let run = append(&author(), &space(), known, vec![draft]).expect("within limits");
    (KnownLog::after(known, &run), run)
}

/// A log of an opening and these entries, one run each.
fn log(opening: &Opening, texts: &[&str]) -> Vec<(KnownLog, VerifiedRun)> {
    let mut log = vec![say(None, opening, "")];
    for text in texts {
        let known = log.last().map(|(known, _)| known);
        log.push(say(known, opening, text));
    }
    log
}

/// A run for who lacks what is before it.
fn based(run: &VerifiedRun, opening: &Opening) -> Run {
    let base = run.before().map(|head| Base { head: head.clone(), opening: opening.to_body() });
    Run { base, ..run.to_run() }
}

/// What one holds who fetched this run first.
fn newest(run: &VerifiedRun, opening: &Opening) -> KnownLog {
    let verified = verify_run(&space(), None, based(run, opening)).expect("it stands alone");
    KnownLog::after(None, &verified)
}

fn opening() -> Opening {
    Opening::admit(&ADMISSION, &author().author(), None)
}

#[test]
fn another_history_before_what_is_held_is_a_fork_of_the_authors() {
    let opening = opening();
    let ours = log(&opening, &["a", "b", "c"]);
    let theirs = log(&opening, &["a", "x", "y"]);
    let held = newest(&ours[3].1, &opening);
    let older = based(&theirs[2].1, &opening);
    assert_eq!(verify_run(&space(), Some(&held), older.clone()), Err(Error::Fork));
    // The same run that nobody signed is its sender's fault.
    let mut forged = older;
    forged.checkpoint.signature[0] ^= 1;
    let error = verify_run(&space(), Some(&held), forged).expect_err("it is forged");
    assert_eq!(error.fault(), Fault::Sender);
    assert_ne!(error, Error::Fork);
}

#[test]
fn entries_that_lead_nowhere_are_their_senders_fault() {
    let opening = opening();
    let log = log(&opening, &["a", "b", "c"]);
    let held = newest(&log[3].1, &opening);
    let mut older = based(&log[2].1, &opening);
    older.entries = log[1].1.entries().to_vec();
    assert_eq!(verify_run(&space(), Some(&held), older), Err(Error::WrongRoot));
}

/// Whoever knows the space's secret can admit an author once more, and put that into a base. What
/// counts is the opening that stands in the log.
#[test]
fn the_opening_in_the_log_takes_the_place_of_one_that_a_relay_made() {
    let previous = AuthorSecret::from_seed(&[3; 32]);
    let opening = Opening::admit(&ADMISSION, &author().author(), Some(&previous));
    let made_up = Opening::admit(&ADMISSION, &author().author(), None);
    let log = log(&opening, &["a"]);
    let held = newest(&log[1].1, &made_up);
    assert_eq!(held.opening.previous(), None);
    let older = verify_run(&space(), Some(&held), log[0].1.to_run()).expect("it joins");
    let known = KnownLog::after(Some(&held), &older);
    assert_eq!(known.opening, opening);
    assert_eq!((known.start(), known.size()), (0, 2));
}
