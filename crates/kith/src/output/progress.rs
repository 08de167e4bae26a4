//! Progress on a terminal, for all that takes over a second.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use super::{Bytes, Millis, Output};

/// What is done within this needs no progress.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often the line is drawn anew while nothing else happens.
pub(crate) const TICK: Duration = Duration::from_millis(500);
/// Longest line, in characters: one that wraps can't be drawn over.
const MAX_LINE: usize = 79;

/// One line on stderr that is drawn over and over; none where there is no terminal.
pub(crate) struct Bar {
    start: Instant,
    on: bool,
    drawn: bool,
    /// What there is to say, drawn or not yet.
    text: String,
}

impl Bar {
    pub(crate) fn new(output: Output) -> Self {
        let on = !output.json && std::io::stderr().is_terminal();
        Self { start: Instant::now(), on, drawn: false, text: String::new() }
    }

    /// Draws the line, once a second has passed.
    pub(crate) fn draw(&mut self, text: &str) {
        self.text = text.chars().take(MAX_LINE).collect();
        self.redraw();
    }

    /// Draws what was said last. Call it each [`TICK`] where nothing else may happen for long: what is
    /// said in the first second is drawn after it.
    pub(crate) fn redraw(&mut self) {
        if !self.on || self.text.is_empty() || self.start.elapsed() < PATIENCE {
            return;
        }
        let mut err = std::io::stderr().lock();
        // Back to the start, the text, and the rest of an older text removed.
        let _ = write!(err, "\r{}\x1b[K", self.text).and_then(|()| err.flush());
        self.drawn = true;
    }

    /// Draws how much of a transfer is done, how fast it goes, and how long it will take.
    pub(crate) fn draw_transfer(&mut self, what: &str, done: u64, size: Option<u64>) {
        let text = transfer(what, done, size, self.start.elapsed());
        self.draw(&text);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if self.drawn {
            let mut err = std::io::stderr().lock();
            let _ = write!(err, "\r\x1b[K").and_then(|()| err.flush());
        }
    }
}

/// Waits for something, and says so when it takes over a second.
pub(crate) async fn during<T>(output: Output, what: &str, work: impl Future<Output = T>) -> T {
    let mut bar = Bar::new(output);
    tokio::pin!(work);
    let mut tick = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            done = &mut work => return done,
            _ = tick.tick() => {
                let text = format!("{what}… {}", Millis(millis(bar.start.elapsed())));
                bar.draw(&text);
            }
        }
    }
}

fn transfer(what: &str, done: u64, size: Option<u64>, elapsed: Duration) -> String {
    let speed = done.saturating_mul(1_000) / millis(elapsed).max(1);
    let mut text = format!("{what}… {}", Bytes(done));
    if let Some(size) = size {
        text += &format!(" of {}", Bytes(size));
    }
    if speed > 0 {
        text += &format!(", {}/s", Bytes(speed));
        if let Some(left) = size.map(|size| size.saturating_sub(done) / speed) {
            text += &format!(", {} left", Millis(left * 1_000));
        }
    }
    text
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transfer_has_speed_and_time_left() {
        let two_seconds = Duration::from_secs(2);
        let text = transfer("Fetching", 2_000_000, Some(10_000_000), two_seconds);
        assert_eq!(text, "Fetching… 2.0 MB of 10.0 MB, 1.0 MB/s, 8 s left");
        assert_eq!(transfer("Fetching", 0, None, two_seconds), "Fetching… 0 B");
    }
}
