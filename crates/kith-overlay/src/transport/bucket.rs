//! A token bucket. Pure: time comes in.

use n0_future::time::{Duration, Instant};

/// So many at once, then so many a minute.
#[derive(Debug)]
pub(crate) struct Bucket {
    burst: u32,
    every: Duration,
    tokens: u32,
    since: Instant,
}

impl Bucket {
    pub(crate) fn new(now: Instant, burst: u32, per_minute: u32) -> Self {
        Self { burst, every: Duration::from_secs(60) / per_minute, tokens: burst, since: now }
    }

    /// Takes a token, or says how long it takes until there is one.
    pub(crate) fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let passed = now.saturating_duration_since(self.since);
        let fresh = u32::try_from(passed.as_nanos() / self.every.as_nanos()).unwrap_or(u32::MAX);
        if fresh >= self.burst - self.tokens {
            self.tokens = self.burst;
            self.since = now;
        } else {
            self.tokens += fresh;
            self.since += self.every * fresh;
        }
        if self.tokens == 0 {
            return Err(self.every - now.saturating_duration_since(self.since));
        }
        self.tokens -= 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_rate() {
        let start = Instant::now();
        let mut bucket = Bucket::new(start, 3, 60);
        for _ in 0..3 {
            assert_eq!(bucket.take(start), Ok(()));
        }
        assert_eq!(bucket.take(start), Err(Duration::from_secs(1)));
        let later = start + Duration::from_millis(1_500);
        assert_eq!(bucket.take(later), Ok(()));
        assert_eq!(bucket.take(later), Err(Duration::from_millis(500)));
        let much_later = start + Duration::from_secs(1_000_000);
        assert_eq!((0..9).filter(|_| bucket.take(much_later).is_ok()).count(), 3);
    }
}
