//! Open Contracting Data Standard 1.1: releases and records, alone, in packages, or one a line, as
//! facts of tenders, bids, awards and contracts.
//!
//! Source: standard.open-contracting.org 1.1. Organisations are named by their id (in Chinese data
//! the unified social credit code), else by their name. A field of an unexpected type counts as not
//! said. Deliberately absent: merging releases into a record: a later statement of the same key is
//! a correction by itself.

mod release;
#[cfg(test)]
mod tests;

use crate::bytes::{Decoded, Encoding, Line, Lines};
use crate::facts::{Context, Out};
use crate::problem::{Fault, Place, Problem, shown};
use serde_json::Value;
use std::collections::VecDeque;
use std::io::{BufRead, Read};

/// Longest line, bytes: a compiled release with thousands of bids has a few megabytes.
const LINE_BYTES_MAX: usize = 16 << 20;
/// Largest package that is one document, bytes: it is held as a whole.
const DOCUMENT_BYTES_MAX: usize = 64 << 20;

/// Reads releases and records.
pub struct Ocds<R> {
    input: Input<R>,
    context: Context,
    out: VecDeque<Out>,
    releases: u64,
}

enum Input<R> {
    Begin(Option<R>),
    Lines(Box<Lines<Decoded<R>>>),
    Done,
}

impl<R: BufRead> Ocds<R> {
    /// A reader of an OCDS document or of lines of them.
    pub fn new(input: R, context: Context) -> Ocds<R> {
        Ocds { input: Input::Begin(Some(input)), context, out: VecDeque::new(), releases: 0 }
    }

    fn problem(&mut self, problem: Problem) {
        self.out.push_back(Out::Problem(problem));
    }

    fn advance(&mut self) {
        match &mut self.input {
            Input::Begin(reader) => {
                self.input = match reader.take() {
                    Some(reader) => {
                        let decoded = Decoded::new(reader, Encoding::Utf8);
                        Input::Lines(Box::new(Lines::new(decoded, LINE_BYTES_MAX)))
                    }
                    None => Input::Done,
                };
            }
            Input::Lines(lines) => {
                let number = lines.number() + 1;
                let line = match lines.read() {
                    Ok(Some(Line::Whole(bytes))) => Some(bytes.to_vec()),
                    Ok(Some(Line::TooLong)) => {
                        let why = format!("longer than {LINE_BYTES_MAX} bytes");
                        return self.problem(Problem::record(Place::line(number), Fault::Limit, why));
                    }
                    Ok(None) => None,
                    Err(error) => {
                        self.input = Input::Done;
                        let why = format!("cannot be read: {error}");
                        return self.problem(Problem::document(Place::line(number), Fault::Syntax, why));
                    }
                };
                match line {
                    Some(line) if line.iter().all(u8::is_ascii_whitespace) => {}
                    Some(line) => self.line(&line, number),
                    None => self.end(),
                }
            }
            Input::Done => {}
        }
    }

    fn end(&mut self) {
        self.input = Input::Done;
        if self.releases == 0 && self.out.is_empty() {
            self.problem(Problem::document(Place::default(), Fault::Missing, "no release or record in the document"));
        }
    }

    /// One line: a value of its own, or the beginning of a document written over many lines.
    fn line(&mut self, line: &[u8], number: u64) {
        match serde_json::from_slice::<Value>(line) {
            Ok(value) => self.value(&value, &Place::line(number)),
            Err(error) if error.is_eof() && self.releases == 0 && number <= 1 => self.whole(line, number),
            Err(error) => {
                let fault = if std::str::from_utf8(line).is_err() { Fault::Encoding } else { Fault::Syntax };
                let raw: String = String::from_utf8_lossy(line).chars().take(16_384).collect();
                self.problem(Problem::record(Place::line(number), fault, format!("not JSON: {error}")).with_raw(raw));
            }
        }
    }

    /// Reads the rest of a document whose first line is not whole.
    fn whole(&mut self, first: &[u8], number: u64) {
        let Input::Lines(lines) = std::mem::replace(&mut self.input, Input::Done) else { return };
        let mut text = first.to_vec();
        text.push(b'\n');
        let rest = lines.into_inner().take(DOCUMENT_BYTES_MAX as u64 + 1).read_to_end(&mut text);
        let problem = match rest {
            Err(error) => Some((Fault::Syntax, format!("cannot be read: {error}"))),
            Ok(_) if text.len() > DOCUMENT_BYTES_MAX => Some((
                Fault::Limit,
                format!("a document longer than {DOCUMENT_BYTES_MAX} bytes; send one release a line"),
            )),
            Ok(_) => None,
        };
        if let Some((fault, why)) = problem {
            return self.problem(Problem::document(Place::line(number), fault, why));
        }
        match serde_json::from_slice::<Value>(&text) {
            Ok(value) => self.value(&value, &Place::default()),
            Err(error) => {
                let place = Place::line(error.line() as u64);
                self.problem(Problem::document(place, Fault::Syntax, format!("not JSON: {error}")));
            }
        }
    }

    /// A release, a record, a package of them, or a list.
    fn value(&mut self, value: &Value, place: &Place) {
        let inside = |name: &str, at: usize| Place::at(place.line, format!("{}/{name}/{at}", place.path));
        if let Some(list) = value.as_array() {
            return list.iter().enumerate().for_each(|(at, value)| self.value(value, &inside("", at)));
        }
        for name in ["releases", "records"] {
            if let Some(list) = value.get(name).and_then(Value::as_array).filter(|_| value.get("ocid").is_none()) {
                return list.iter().enumerate().for_each(|(at, value)| self.value(value, &inside(name, at)));
            }
        }
        // A record carries the compiled release, or else its releases.
        let compiled = value.get("compiledRelease").filter(|release| release.is_object());
        if let Some(release) = compiled {
            return self.release(release, &Place::at(place.line, format!("{}/compiledRelease", place.path)));
        }
        if let Some(list) = value.get("releases").and_then(Value::as_array) {
            let whole: Vec<_> = list.iter().enumerate().filter(|(_, release)| release.get("ocid").is_some()).collect();
            if whole.is_empty() {
                let why = "a record with links to its releases only";
                return self.problem(Problem::record(place.clone(), Fault::Missing, why));
            }
            return whole.into_iter().for_each(|(at, release)| self.release(release, &inside("releases", at)));
        }
        self.release(value, place);
    }

    fn release(&mut self, release: &Value, place: &Place) {
        let Some(ocid) = release.get("ocid").and_then(Value::as_str).filter(|ocid| !ocid.is_empty()) else {
            let raw: String = release.to_string().chars().take(16_384).collect();
            let why = format!("no ocid in {}", shown(&raw));
            return self.problem(Problem::record(place.clone(), Fault::Missing, why).with_raw(raw));
        };
        self.releases += 1;
        let before = self.out.len();
        release::facts(release, ocid, place, &self.context, &mut self.out);
        if self.out.len() == before {
            let why = format!("{}: no tender, award or contract in the release", shown(ocid));
            self.problem(Problem::record(place.clone(), Fault::Missing, why));
        }
    }
}

impl<R: BufRead> Iterator for Ocds<R> {
    type Item = Out;

    fn next(&mut self) -> Option<Out> {
        loop {
            if let Some(out) = self.out.pop_front() {
                return Some(out);
            }
            if matches!(self.input, Input::Done) {
                return None;
            }
            self.advance();
        }
    }
}
