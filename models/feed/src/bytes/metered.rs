//! A reader with an allowance: whoever collects one token of a document may take so many bytes.
//!
//! Invariant: between two calls of [`Metered::renew`] at most the allowance is handed out, so what
//! is collected from it is bounded, however long the line, the text or the field is.

use std::io::{self, BufRead, Read};

/// The message of the error that ends a token; [`is_spent`] recognises it.
const SPENT: &str = "longer than is read";

/// Counts bytes and lines.
#[derive(Debug)]
pub(crate) struct Metered<R> {
    inner: R,
    allowance: usize,
    left: usize,
    line: u64,
}

impl<R: BufRead> Metered<R> {
    /// At most `allowance` bytes a token.
    pub(crate) fn new(inner: R, allowance: usize) -> Metered<R> {
        Metered { inner, allowance, left: allowance, line: 1 }
    }

    /// Begins the next token.
    pub(crate) fn renew(&mut self) {
        self.left = self.allowance;
    }

    /// The line that is being read, from 1.
    pub(crate) fn line(&self) -> u64 {
        self.line
    }
}

/// Whether an error says that the allowance is used up.
pub(crate) fn is_spent(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::InvalidData && error.to_string() == SPENT
}

impl<R: BufRead> BufRead for Metered<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let chunk = self.inner.fill_buf()?;
        if self.left == 0 && !chunk.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, SPENT));
        }
        Ok(chunk.get(..self.left).unwrap_or(chunk))
    }

    fn consume(&mut self, amount: usize) {
        if let Ok(chunk) = self.inner.fill_buf() {
            let taken = chunk.get(..amount).unwrap_or(chunk);
            self.line += memchr::memchr_iter(b'\n', taken).count() as u64;
        }
        self.left = self.left.saturating_sub(amount);
        self.inner.consume(amount);
    }
}

impl<R: BufRead> Read for Metered<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let chunk = self.fill_buf()?;
        let taken = chunk.len().min(out.len());
        out[..taken].copy_from_slice(&chunk[..taken]);
        self.consume(taken);
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_beyond_the_allowance_is_an_error_and_lines_are_counted() {
        let mut metered = Metered::new(&b"ab\ncd\nefgh"[..], 6);
        let mut out = Vec::new();
        let error = metered.read_to_end(&mut out).expect_err("spent");
        assert!(is_spent(&error));
        assert_eq!((out.as_slice(), metered.line()), (&b"ab\ncd\n"[..], 3));
        metered.renew();
        out.clear();
        metered.read_to_end(&mut out).expect("the rest");
        assert_eq!(out, b"efgh");
    }
}
