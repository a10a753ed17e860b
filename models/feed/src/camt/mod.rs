//! ISO 20022: camt.052 (report), camt.053 (statement), camt.054 (notification), all versions, and
//! pain.001 (orders to pay).
//!
//! The namespace says which message and version it is; inside, elements are found by name wherever
//! a version keeps them, and what is not known is left out. Source: message definitions of
//! camt.05x.001.01 to .13 and pain.001.001.02 to .12. Deliberately absent: schema validation;
//! charges, interest and exchange details.

mod entry;
mod parts;
mod payments;
#[cfg(test)]
mod tests;

pub use payments::Payments;

use crate::bytes::Encoding;
use crate::problem::{Fault, Place, Problem, shown};
use crate::statement::{Item, Message, Statement};
use crate::xml::Xml;
use std::io::BufRead;

/// Balances of one statement; schema versions allow any number, banks send about ten.
const BALANCES_MAX: usize = 200;

/// Reads one document.
pub struct Camt<R> {
    xml: Xml<R>,
    stage: Stage,
    message: Message,
    version: String,
    message_id: String,
    statements: u64,
    /// Marks and refusals of the entry just read, that go out before it.
    pending: Vec<Problem>,
}

enum Stage {
    Begin,
    Message,
    Statement(Box<Statement>),
    Done,
}

impl<R: BufRead> Camt<R> {
    /// A reader of a camt document.
    pub fn new(input: R, encoding: Encoding) -> Camt<R> {
        Camt {
            xml: Xml::new(input, encoding),
            stage: Stage::Begin,
            message: Message::Camt053,
            version: String::new(),
            message_id: String::new(),
            statements: 0,
            pending: Vec::new(),
        }
    }

    /// Down to the message's root element; says which message it is.
    fn begin(&mut self) -> Result<(), Problem> {
        let (kind, version) = document(&mut self.xml)?;
        self.message = match kind.as_str() {
            "camt.052" => Message::Camt052,
            "camt.053" => Message::Camt053,
            "camt.054" => Message::Camt054,
            other => {
                let why = format!("{} is not camt.052, camt.053 or camt.054", shown(other));
                return Err(Problem::document(self.xml.place(), Fault::Unsupported, why));
            }
        };
        self.version = version;
        if !self.xml.open()? {
            return Err(Problem::document(self.xml.place(), Fault::Missing, "the message is empty"));
        }
        Ok(())
    }

    /// The next statement, report or notification is begun; `None` at the end.
    fn message(&mut self) -> Result<Option<Statement>, Problem> {
        while self.xml.open()? {
            match self.xml.name() {
                "GrpHdr" => self.header()?,
                "Stmt" | "Rpt" | "Ntfctn" => {
                    self.statements += 1;
                    let mut statement = Statement::begin(self.message, self.xml.place());
                    statement.version.clone_from(&self.version);
                    return Ok(Some(statement));
                }
                _ => self.xml.skip()?,
            }
        }
        if self.statements == 0 {
            let place = Place::at(self.xml.line(), "/Document");
            return Err(Problem::document(
                place,
                Fault::Missing,
                "no statement, report or notification in the message",
            ));
        }
        // What stands behind the message must be well-formed too, or the file was cut and joined.
        while self.xml.open()? {
            self.xml.skip()?;
        }
        Ok(None)
    }

    fn header(&mut self) -> Result<(), Problem> {
        while self.xml.open()? {
            match self.xml.name() {
                "MsgId" => self.message_id = self.xml.text()?.to_owned(),
                _ => self.xml.skip()?,
            }
        }
        Ok(())
    }

    /// Reads on in a statement: an entry, or the whole statement at its end.
    fn statement(&mut self, statement: &mut Statement) -> Result<Option<Item>, Problem> {
        while self.xml.open()? {
            match self.xml.name() {
                "Ntry" => return Ok(Some(self.entry(statement)?)),
                "Id" => statement.id = self.xml.text()?.to_owned(),
                "ElctrncSeqNb" => statement.number = parts::some(self.xml.text()?),
                "LglSeqNb" if statement.number.is_none() => statement.number = parts::some(self.xml.text()?),
                "CreDtTm" => statement.created = parts::when(&mut self.xml, &mut self.pending)?,
                "CpyDplctInd" => statement.duplicate = !self.xml.text()?.is_empty(),
                "Acct" => statement.account = parts::account(&mut self.xml)?,
                "Bal" if statement.balances.len() < BALANCES_MAX => self.balance(statement)?,
                _ => self.xml.skip()?,
            }
        }
        if statement.id.is_empty() {
            statement.id.clone_from(&self.message_id);
        }
        if statement.account.id.is_empty() {
            let why = "the statement names no account";
            self.pending.push(Problem::record(statement.place.clone(), Fault::Missing, why));
        }
        Ok(None)
    }

    fn balance(&mut self, statement: &mut Statement) -> Result<(), Problem> {
        match parts::balance(&mut self.xml, &mut self.pending)? {
            Some(balance) => statement.balances.push(balance),
            // A balance that cannot be read makes the check impossible, as an entry does.
            None => statement.unread += 1,
        }
        Ok(())
    }

    fn entry(&mut self, statement: &mut Statement) -> Result<Item, Problem> {
        let number = statement.entries + statement.unread + 1;
        let context = entry::Context { account: &statement.account, statement: &statement.label(), number };
        match entry::read(&mut self.xml, context, &mut self.pending)? {
            Ok(entry) => {
                statement.count(&entry);
                Ok(Item::Entry(Box::new(entry)))
            }
            Err(problem) => {
                statement.unread += 1;
                Ok(Item::Problem(problem))
            }
        }
    }

    fn step(&mut self) -> Result<Option<Item>, Problem> {
        loop {
            match std::mem::replace(&mut self.stage, Stage::Done) {
                Stage::Begin => {
                    self.begin()?;
                    self.stage = Stage::Message;
                }
                Stage::Message => match self.message()? {
                    Some(statement) => self.stage = Stage::Statement(Box::new(statement)),
                    None => return Ok(None),
                },
                Stage::Statement(mut statement) => match self.statement(&mut statement)? {
                    Some(item) => {
                        self.stage = Stage::Statement(statement);
                        return Ok(Some(item));
                    }
                    None => {
                        self.stage = Stage::Message;
                        return Ok(Some(Item::Statement(statement)));
                    }
                },
                Stage::Done => return Ok(None),
            }
        }
    }
}

impl<R: BufRead> Iterator for Camt<R> {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        if let Some(problem) = self.pending.pop() {
            return Some(Item::Problem(problem));
        }
        match self.step() {
            Ok(item) => item,
            Err(problem) => Some(Item::Problem(problem)),
        }
    }
}

/// Opens the element `Document`, which may stand in an envelope; kind and version of its namespace.
fn document<R: BufRead>(xml: &mut Xml<R>) -> Result<(String, String), Problem> {
    let nothing = |xml: &Xml<R>| Problem::document(xml.place(), Fault::Unsupported, "no ISO 20022 element Document");
    if !xml.open()? {
        return Err(Problem::document(Place::line(xml.line()), Fault::Missing, "the document is empty"));
    }
    if xml.name() != "Document" && !xml.open_named("Document")? {
        return Err(nothing(xml));
    }
    let attributes = xml.attributes();
    let Some((_, name)) = attributes.split_once(":xsd:").or_else(|| attributes.split_once("$")) else {
        let why = "the element Document has no ISO 20022 namespace";
        return Err(Problem::document(xml.place(), Fault::Unsupported, why));
    };
    let end = name.find(|c: char| !(c.is_ascii_alphanumeric() || c == '.')).unwrap_or(name.len());
    let name = name.get(..end).unwrap_or_default();
    let mut levels = name.split('.');
    let kind = [levels.next().unwrap_or_default(), levels.next().unwrap_or_default()].join(".");
    let version = levels.nth(1).unwrap_or_default().to_owned();
    Ok((kind, version))
}
