//! Lines of text, up to a limit.

use std::io::{Error, ErrorKind, Result};

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

/// Reads lines. What a dropped call had read is kept for the next one.
pub(super) struct Lines<R> {
    reader: BufReader<R>,
    line: Vec<u8>,
    limit: usize,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    /// Lines of `limit` bytes at most.
    pub(super) fn new(reader: R, limit: usize) -> Self {
        Self { reader: BufReader::new(reader), line: Vec::new(), limit }
    }

    /// The next line, without its end; `None` at the end of all.
    ///
    /// # Errors
    /// `InvalidData` for a line that is too long or no UTF-8, `UnexpectedEof` for one without an
    /// end, and those of the reader.
    pub(super) async fn next(&mut self) -> Result<Option<String>> {
        loop {
            let available = self.reader.fill_buf().await?;
            if available.is_empty() {
                let whole = self.line.is_empty();
                return if whole { Ok(None) } else { Err(ErrorKind::UnexpectedEof.into()) };
            }
            let end = available.iter().position(|byte| *byte == b'\n');
            let part = &available[..end.unwrap_or(available.len())];
            if self.line.len() + part.len() > self.limit {
                let text = format!("A line has more than {} bytes", self.limit);
                return Err(Error::new(ErrorKind::InvalidData, text));
            }
            self.line.extend_from_slice(part);
            let used = end.map_or(available.len(), |end| end + 1);
            self.reader.consume(used);
            if end.is_some() {
                let line = std::mem::take(&mut self.line);
                return String::from_utf8(line)
                    .map(Some)
                    .map_err(|error| Error::new(ErrorKind::InvalidData, error));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn reads_lines_up_to_the_limit() {
        let mut lines = Lines::new(&b"one\n\nthree\nfour is too long\n"[..], 5);
        assert_eq!(lines.next().await.unwrap().unwrap(), "one");
        assert_eq!(lines.next().await.unwrap().unwrap(), "");
        assert_eq!(lines.next().await.unwrap().unwrap(), "three");
        assert_eq!(lines.next().await.unwrap_err().kind(), ErrorKind::InvalidData);
    }

    #[tokio::test]
    async fn a_line_without_an_end_is_no_line() {
        let mut lines = Lines::new(&b"one\ntw"[..], 5);
        assert!(lines.next().await.unwrap().is_some());
        assert_eq!(lines.next().await.unwrap_err().kind(), ErrorKind::UnexpectedEof);
    }
}
