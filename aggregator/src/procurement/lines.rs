//! Lines of a file of any size, in bounded memory.

use std::io::{self, BufRead};

/// Longest line kept: a compiled release with thousands of bids has a few megabytes. A longer one
/// is skipped without being held.
pub(super) const LINE_BYTES_MAX: usize = 64 << 20;

/// One line, without its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'l> {
    /// All of it.
    Whole(&'l [u8]),
    /// It was longer than [`LINE_BYTES_MAX`].
    TooLong,
}

/// Reads line by line into one buffer.
#[derive(Debug)]
pub(super) struct Lines<R> {
    input: R,
    buffer: Vec<u8>,
    begun: bool,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(input: R) -> Lines<R> {
        Lines { input, buffer: Vec::new(), begun: false }
    }

    /// The next line; `None` at the end. A byte order mark before the first one is left out.
    pub(super) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.buffer.clear();
        let (mut any, mut too_long) = (false, false);
        loop {
            let chunk = self.input.fill_buf()?;
            if chunk.is_empty() {
                break;
            }
            any = true;
            let end = chunk.iter().position(|byte| *byte == b'\n');
            let part = chunk.get(..end.unwrap_or(chunk.len())).unwrap_or_default();
            too_long |= self.buffer.len() + part.len() > LINE_BYTES_MAX;
            if !too_long {
                self.buffer.extend_from_slice(part);
            }
            let used = end.map_or(chunk.len(), |end| end + 1);
            self.input.consume(used);
            if end.is_some() {
                break;
            }
        }
        let first = !std::mem::replace(&mut self.begun, true);
        Ok(match (any, too_long) {
            (false, _) => None,
            (true, true) => Some(Line::TooLong),
            (true, false) => Some(Line::Whole(without_mark(&self.buffer, first))),
        })
    }
}

fn without_mark(line: &[u8], first: bool) -> &[u8] {
    line.strip_prefix(b"\xef\xbb\xbf".as_slice()).filter(|_| first).unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufReader, Read};

    #[test]
    fn lines_are_those_between_line_feeds_and_the_mark_is_left_out() {
        let mut lines = Lines::new(BufReader::with_capacity(3, &b"\xef\xbb\xbfone\n\ntwo"[..]));
        for expected in [&b"one"[..], b"", b"two"] {
            assert_eq!(lines.next().expect("read"), Some(Line::Whole(expected)));
        }
        assert_eq!(lines.next().expect("read"), None);
    }

    #[test]
    fn a_line_beyond_the_limit_is_skipped_without_being_held() {
        let endless = io::repeat(b'x').take(LINE_BYTES_MAX as u64 + 10);
        let mut lines = Lines::new(BufReader::new(endless.chain(&b"\nnext\n"[..])));
        assert_eq!(lines.next().expect("read"), Some(Line::TooLong));
        assert!(lines.buffer.capacity() <= 2 * LINE_BYTES_MAX);
        assert_eq!(lines.next().expect("read"), Some(Line::Whole(b"next")));
    }
}
