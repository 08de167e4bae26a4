//! Sizes and times with their units, in the fewest words.

use std::fmt;

/// Bytes: `12.3 MB`, in powers of 1,000, as disks and lines are sold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bytes(pub(crate) u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
        if self.0 < 1_000 {
            return write!(f, "{} B", self.0);
        }
        #[allow(clippy::cast_precision_loss, reason = "three digits are shown")]
        let mut value = self.0 as f64 / 1_000.0;
        let mut unit = 0;
        while value >= 999.5 && unit + 1 < UNITS.len() {
            value /= 1_000.0;
            unit += 1;
        }
        let digits = if value < 99.95 { 1 } else { 0 };
        write!(f, "{value:.digits$} {}", UNITS[unit])
    }
}

/// A span of milliseconds: `3 min`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Millis(pub(crate) u64);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0 / 1_000;
        match seconds {
            0..60 => write!(f, "{seconds} s"),
            60..3_600 => write!(f, "{} min", seconds / 60),
            3_600..86_400 => write!(f, "{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
            _ => write!(f, "{} d {} h", seconds / 86_400, seconds % 86_400 / 3_600),
        }
    }
}

/// A round trip in microseconds: `1.2 ms`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Micros(pub(crate) u64);

impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (millis, rest) = (self.0 / 1_000, self.0 % 1_000);
        if millis < 10 { write!(f, "{millis}.{} ms", rest / 100) } else { write!(f, "{millis} ms") }
    }
}

/// A moment before another one, both in milliseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ago {
    pub(crate) then: u64,
    pub(crate) now: u64,
}

impl fmt::Display for Ago {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Millis(self.now.saturating_sub(self.then)).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes() {
        let shown = [0, 999, 1_000, 12_345, 999_499, 999_500, 123_456_789, u64::MAX];
        let shown = shown.map(|bytes| Bytes(bytes).to_string()).join(", ");
        assert_eq!(shown, "0 B, 999 B, 1.0 kB, 12.3 kB, 999 kB, 1.0 MB, 123 MB, 18447 PB");
    }

    #[test]
    fn spans() {
        let shown = [900, 59_999, 60_000, 3_700_000, 90_000_000].map(|ms| Millis(ms).to_string());
        assert_eq!(shown.join(", "), "0 s, 59 s, 1 min, 1 h 1 min, 1 d 1 h");
        assert_eq!(Micros(1_234).to_string(), "1.2 ms");
        assert_eq!(Micros(81_000).to_string(), "81 ms");
        assert_eq!(Ago { then: 5, now: 3 }.to_string(), "0 s");
    }
}
