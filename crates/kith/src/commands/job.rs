//! Following what the node does for a while.

use kith_api::{Empty, Event, FileStage, FileState, JobRef, JobStage, Subscription};

use super::open::looking;
use crate::control::Client;
use crate::failure::{Failure, Result};
use crate::output::{Bar, Bytes, Millis, Output, TICK};
use crate::system::End;

/// Shows how a job goes on, up to its last stage. Ctrl-C gives it up.
pub(super) async fn follow(output: Output, client: &mut Client, job: String) -> Result<JobStage> {
    let subscription = client.subscribe(Subscription::Job { job: job.clone() }).await?;
    let mut bar = Bar::new(output);
    let mut tick = tokio::time::interval(TICK);
    let mut end = End::listen();
    loop {
        let event = tokio::select! {
            event = client.event(subscription) => event?,
            _ = tick.tick() => {
                bar.redraw();
                continue;
            }
            () = end.asked() => {
                let Empty {} = client.call("jobs.cancel", &JobRef { job }).await?;
                return Err(Failure::new("cancelled", "It was given up.")
                    .why("What came is kept.")
                    .todo("The same command goes on from there."));
            }
        };
        let Event::Job(stage) = event else { continue };
        if let JobStage::Failed { error } = *stage {
            return Err(error.into());
        }
        if stage.is_over() {
            return Ok(*stage);
        }
        match *stage {
            JobStage::Reading { bytes, size, files } => {
                bar.draw_transfer(&reading(files), bytes, Some(size));
            }
            JobStage::Writing { bytes, size } => bar.draw_transfer("Writing", bytes, Some(size)),
            JobStage::Looking { tried } => bar.draw(&looking("what is shared", &tried)),
            JobStage::Fetching { files } => bar.draw(&fetching(&files)),
            JobStage::Shared { .. } | JobStage::Got { .. } | JobStage::Failed { .. } => {}
        }
    }
}

fn reading(files: u64) -> String {
    if files > 1 { format!("Reading {files} files") } else { "Reading".into() }
}

fn fetching(files: &[FileState]) -> String {
    let sum = |of: fn(&FileState) -> u64| files.iter().map(of).fold(0, u64::saturating_add);
    let (bytes, size, speed) =
        (sum(|file| file.bytes), sum(|file| file.size), sum(|file| file.speed));
    let mut text = format!("Getting… {} of {}", Bytes(bytes), Bytes(size));
    if files.iter().all(|file| matches!(file.stage, FileStage::Waiting | FileStage::Complete)) {
        return text + "; waiting for someone who has it";
    }
    if let Some(left) = size.saturating_sub(bytes).checked_div(speed) {
        text += &format!(", {}/s, {} left", Bytes(speed), Millis(left.saturating_mul(1_000)));
    }
    let people = files.iter().flat_map(|file| &file.from).filter(|source| source.sending).count();
    match people {
        0 | 1 => text,
        people => text + &format!(", from {people}"),
    }
}

#[cfg(test)]
mod tests {
    use kith_api::FileSource;

    use super::*;

    fn state(bytes: u64, stage: FileStage, speed: u64, sending: usize) -> FileState {
        let source = FileSource { member: None, bytes, sending: true, failure: None };
        FileState {
            hash: "00".into(),
            size: 10_000_000,
            bytes,
            stage,
            speed,
            left: None,
            from: vec![source; sending],
            error: None,
        }
    }

    #[test]
    fn a_transfer_says_how_far_how_fast_how_long_and_from_how_many() {
        let one = state(2_000_000, FileStage::Fetching, 1_000_000, 1);
        assert_eq!(
            fetching(std::slice::from_ref(&one)),
            "Getting… 2.0 MB of 10.0 MB, 1.0 MB/s, 8 s left"
        );
        let three = FileState { from: vec![one.from[0].clone(); 3], ..one.clone() };
        let both = fetching(&[three, state(10_000_000, FileStage::Complete, 0, 0)]);
        assert_eq!(both, "Getting… 12.0 MB of 20.0 MB, 1.0 MB/s, 8 s left, from 3");
        let waiting = fetching(&[state(0, FileStage::Waiting, 0, 0)]);
        assert_eq!(waiting, "Getting… 0 B of 10.0 MB; waiting for someone who has it");
    }
}
