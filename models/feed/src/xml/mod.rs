//! Pulling through an XML document of a stranger.
//!
//! Invariant: a document type and entities of one's own are refused (so nothing expands), nesting
//! and the length of a tag or text are bounded, and every fault has its line and the path of the
//! element it stands in. Deliberately absent: namespaces inside the document (the root's says what
//! the document is), validation against a schema.

use crate::bytes::{Decoded, Encoding, Metered};
use crate::problem::{Fault, Place, Problem, shown};
use quick_xml::Error;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::reader::Reader;
use std::io::BufRead;

/// Deepest nesting read; ISO 20022 has about 15.
const DEPTH_MAX: usize = 64;
/// Longest tag or piece of text, bytes.
const TOKEN_BYTES_MAX: usize = 1 << 20;
/// Longest text of one element, bytes.
const TEXT_BYTES_MAX: usize = 1 << 20;

/// One document, from its beginning to its end.
pub(crate) struct Xml<R> {
    reader: Reader<Metered<Decoded<R>>>,
    buffer: Vec<u8>,
    /// Names of the open elements, one behind the other, and where each begins.
    names: String,
    starts: Vec<usize>,
    /// Attributes of the element opened last, as they stood.
    attributes: String,
    text: String,
    /// The element opened last was `<x/>`.
    empty: bool,
}

/// What came.
enum Token {
    Open,
    Close,
    Text,
    End,
}

impl<R: BufRead> Xml<R> {
    pub(crate) fn new(input: R, encoding: Encoding) -> Xml<R> {
        let mut reader = Reader::from_reader(Metered::new(Decoded::new(input, encoding), TOKEN_BYTES_MAX));
        reader.config_mut().check_end_names = true;
        Xml {
            reader,
            buffer: Vec::with_capacity(4096),
            names: String::with_capacity(256),
            starts: Vec::with_capacity(DEPTH_MAX),
            attributes: String::new(),
            text: String::new(),
            empty: false,
        }
    }

    /// Name of the innermost open element, without its prefix.
    pub(crate) fn name(&self) -> &str {
        self.starts.last().and_then(|start| self.names.get(*start..)).unwrap_or_default()
    }

    /// How many elements are open.
    pub(crate) fn depth(&self) -> usize {
        self.starts.len()
    }

    /// Where the document is read.
    pub(crate) fn place(&self) -> Place {
        let mut path = String::with_capacity(self.names.len() + self.starts.len());
        for (index, start) in self.starts.iter().enumerate() {
            let end = self.starts.get(index + 1).copied().unwrap_or(self.names.len());
            path.push('/');
            path.push_str(self.names.get(*start..end).unwrap_or_default());
        }
        Place { line: self.line(), path }
    }

    pub(crate) fn line(&self) -> u64 {
        self.reader.get_ref().line()
    }

    /// Attributes of the element opened last, as they stand.
    pub(crate) fn attributes(&self) -> &str {
        &self.attributes
    }

    /// The value of an attribute of the element opened last.
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        let mut rest = self.attributes.as_str();
        loop {
            let (key, after) = rest.split_once('=')?;
            let after = after.trim_start();
            let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''))?;
            let (value, next) = after.get(1..)?.split_once(quote)?;
            if key.trim() == name {
                return Some(value);
            }
            rest = next;
        }
    }

    /// Opens the next child of the innermost open element (of the document, where none is open);
    /// `false` when it has no more: it is closed then.
    pub(crate) fn open(&mut self) -> Result<bool, Problem> {
        loop {
            match self.token(false)? {
                Token::Open => return Ok(true),
                Token::Close | Token::End => return Ok(false),
                Token::Text => {}
            }
        }
    }

    /// The text of the innermost open element with everything inside it, trimmed; closes it.
    pub(crate) fn text(&mut self) -> Result<&str, Problem> {
        self.text.clear();
        let depth = self.depth();
        while self.depth() >= depth {
            if let Token::End = self.token(true)? {
                break;
            }
        }
        Ok(self.text.trim())
    }

    /// Closes the innermost open element, whatever is in it.
    pub(crate) fn skip(&mut self) -> Result<(), Problem> {
        let depth = self.depth();
        while self.depth() >= depth {
            if let Token::End = self.token(false)? {
                break;
            }
        }
        Ok(())
    }

    /// As [`Xml::open`], and adds the text on the way to `text`.
    pub(crate) fn open_or_text(&mut self, text: &mut String) -> Result<bool, Problem> {
        loop {
            self.text.clear();
            let token = self.token(true)?;
            append(text, &self.text).map_err(|(fault, why)| Problem::document(self.place(), fault, why))?;
            match token {
                Token::Open => return Ok(true),
                Token::Close | Token::End => return Ok(false),
                Token::Text => {}
            }
        }
    }

    /// Opens children and leaves out everything until one of the given name; `false` at the end.
    pub(crate) fn open_named(&mut self, name: &str) -> Result<bool, Problem> {
        while self.open()? {
            if self.name() == name {
                return Ok(true);
            }
            self.skip()?;
        }
        Ok(false)
    }

    /// The next token; keeps text only where it is wanted.
    fn token(&mut self, keep: bool) -> Result<Token, Problem> {
        if self.empty {
            self.empty = false;
            self.close();
            return Ok(Token::Close);
        }
        self.buffer.clear();
        self.reader.get_mut().renew();
        let event = match self.reader.read_event_into(&mut self.buffer) {
            Ok(event) => event,
            Err(error) => return Err(self.broken(&error)),
        };
        let fault = match event {
            Event::Start(start) => {
                return opened(
                    &start,
                    &mut self.names,
                    &mut self.starts,
                    &mut self.attributes,
                    self.reader.get_ref().line(),
                );
            }
            Event::Empty(start) => {
                self.empty = true;
                return opened(
                    &start,
                    &mut self.names,
                    &mut self.starts,
                    &mut self.attributes,
                    self.reader.get_ref().line(),
                );
            }
            Event::End(_) => {
                self.close();
                return Ok(Token::Close);
            }
            Event::Text(text) if keep => append(&mut self.text, &text.xml10_content()),
            Event::CData(text) if keep => append(&mut self.text, &text.xml10_content()),
            Event::GeneralRef(reference) => resolved(&reference).map(|c| {
                if keep {
                    self.text.push(c)
                }
            }),
            Event::DocType(_) => Err((Fault::Refused, "a document type is refused".to_owned())),
            Event::Text(_) | Event::CData(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => Ok(()),
            Event::Eof if self.starts.is_empty() => return Ok(Token::End),
            Event::Eof => Err((Fault::Syntax, "the document ends in the middle".to_owned())),
        };
        fault.map(|()| Token::Text).map_err(|(fault, why)| Problem::document(self.place(), fault, why))
    }

    fn close(&mut self) {
        if let Some(start) = self.starts.pop() {
            self.names.truncate(start);
        }
    }

    fn broken(&self, error: &Error) -> Problem {
        let (fault, why) = match error {
            Error::Io(io) if crate::bytes::is_spent(io) => {
                (Fault::Limit, format!("a tag or text longer than {TOKEN_BYTES_MAX} bytes"))
            }
            Error::Encoding(_) => (Fault::Encoding, "bytes that are no text of the document's encoding".to_owned()),
            Error::Io(io) => (Fault::Syntax, format!("cannot be read: {io}")),
            Error::Syntax(_) | Error::IllFormed(_) | Error::InvalidAttr(_) | Error::Escape(_) | Error::Namespace(_) => {
                (Fault::Syntax, format!("not well-formed XML: {error}"))
            }
        };
        Problem::document(self.place(), fault, why)
    }
}

fn opened(
    start: &BytesStart<'_>,
    names: &mut String,
    starts: &mut Vec<usize>,
    attributes: &mut String,
    line: u64,
) -> Result<Token, Problem> {
    if starts.len() >= DEPTH_MAX {
        let why = format!("elements nested more than {DEPTH_MAX} deep");
        return Err(Problem::document(Place::line(line), Fault::Limit, why));
    }
    starts.push(names.len());
    names.push_str(start.local_name().as_ref());
    attributes.clear();
    attributes.push_str(start.attributes_raw());
    Ok(Token::Open)
}

fn append(text: &mut String, piece: &str) -> Result<(), (Fault, String)> {
    if text.len() + piece.len() > TEXT_BYTES_MAX {
        return Err((Fault::Limit, format!("a text longer than {TEXT_BYTES_MAX} bytes")));
    }
    text.push_str(piece);
    Ok(())
}

/// The character of a reference; of entities only the five every XML has.
fn resolved(reference: &BytesRef<'_>) -> Result<char, (Fault, String)> {
    if let Ok(Some(character)) = reference.resolve_char_ref() {
        return Ok(character);
    }
    let name = reference.xml10_content();
    Ok(match name.as_ref() {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "apos" => '\'',
        "quot" => '"',
        other => return Err((Fault::Refused, format!("the entity {} is refused", shown(other)))),
    })
}

#[cfg(test)]
mod tests;
