//! Lines of a document, in bounded memory.

use std::io::{self, BufRead};

/// One line, without its end (`\n` or `\r\n`).
#[derive(Debug, PartialEq, Eq)]
pub enum Line<'l> {
    /// All of it.
    Whole(&'l [u8]),
    /// It was longer than the limit; skipped without being held.
    TooLong,
}

/// Reads line by line into one buffer.
#[derive(Debug)]
pub struct Lines<R> {
    input: R,
    max: usize,
    buffer: Vec<u8>,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    /// Lines of at most `max` bytes.
    pub fn new(input: R, max: usize) -> Lines<R> {
        Lines { input, max, buffer: Vec::new(), number: 0 }
    }

    /// Number of the line that was read last, from 1.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The input, from behind the line that was read last.
    pub fn into_inner(self) -> R {
        self.input
    }

    /// The next line; `None` at the end.
    ///
    /// # Errors
    /// When the input cannot be read.
    pub fn read(&mut self) -> io::Result<Option<Line<'_>>> {
        self.buffer.clear();
        let (mut any, mut too_long) = (false, false);
        loop {
            let chunk = self.input.fill_buf()?;
            if chunk.is_empty() {
                break;
            }
            any = true;
            let end = memchr::memchr(b'\n', chunk);
            let part = chunk.get(..end.unwrap_or(chunk.len())).unwrap_or_default();
            too_long |= self.buffer.len() + part.len() > self.max;
            if !too_long {
                self.buffer.extend_from_slice(part);
            }
            let used = end.map_or(chunk.len(), |end| end + 1);
            self.input.consume(used);
            if end.is_some() {
                break;
            }
        }
        if !any {
            return Ok(None);
        }
        self.number += 1;
        if too_long {
            return Ok(Some(Line::TooLong));
        }
        if self.buffer.last() == Some(&b'\r') {
            self.buffer.pop();
        }
        Ok(Some(Line::Whole(&self.buffer)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufReader, Read};

    #[test]
    fn a_line_of_gigabytes_is_skipped_without_being_held_and_the_next_one_read() {
        let ten_gigabytes = io::repeat(b'x').take(10_000_000_000 / 200).chain(&b"\nnext\r\n\nend"[..]);
        let mut lines = Lines::new(BufReader::with_capacity(1 << 16, ten_gigabytes), 1 << 16);
        assert_eq!(lines.read().expect("read"), Some(Line::TooLong));
        assert!(lines.buffer.capacity() <= 1 << 17);
        for expected in [&b"next"[..], b"", b"end"] {
            assert_eq!(lines.read().expect("read"), Some(Line::Whole(expected)));
        }
        assert_eq!(lines.read().expect("read"), None);
        assert_eq!(lines.number(), 4);
    }
}
