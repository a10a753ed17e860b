//! pain.001: orders to pay, one [`Payment`] for each transaction.

use super::document;
use super::entry::{account_number, remittance};
use super::parts::{fill, party, some, when};
use crate::bytes::Encoding;
use crate::number::{Style, decimal};
use crate::problem::{Fault, Place, Problem, shown};
use crate::statement::{Item, Party, Payment};
use crate::when::When;
use crate::xml::Xml;
use minewatch_risk::fact::Money;
use std::io::BufRead;

/// Reads one pain.001 document.
pub struct Payments<R> {
    xml: Xml<R>,
    stage: Stage,
    message_id: String,
    group: Group,
    seen: u64,
    marks: Vec<Problem>,
}

enum Stage {
    Begin,
    Message,
    Group,
    Done,
}

/// `PmtInf`: what its transactions share.
#[derive(Default)]
struct Group {
    id: String,
    debtor: Party,
    due: Option<When>,
}

impl<R: BufRead> Payments<R> {
    /// A reader of a pain.001 document.
    pub fn new(input: R, encoding: Encoding) -> Payments<R> {
        Payments {
            xml: Xml::new(input, encoding),
            stage: Stage::Begin,
            message_id: String::new(),
            group: Group::default(),
            seen: 0,
            marks: Vec::new(),
        }
    }

    fn begin(&mut self) -> Result<(), Problem> {
        let (kind, _) = document(&mut self.xml)?;
        if kind != "pain.001" {
            let why = format!("{} is not pain.001", shown(&kind));
            return Err(Problem::document(self.xml.place(), Fault::Unsupported, why));
        }
        match self.xml.open()? {
            true => Ok(()),
            false => Err(Problem::document(self.xml.place(), Fault::Missing, "the message is empty")),
        }
    }

    /// `true` when a group was opened.
    fn message(&mut self) -> Result<bool, Problem> {
        while self.xml.open()? {
            match self.xml.name() {
                "GrpHdr" => {
                    while self.xml.open()? {
                        match self.xml.name() {
                            "MsgId" => self.message_id = self.xml.text()?.to_owned(),
                            _ => self.xml.skip()?,
                        }
                    }
                }
                "PmtInf" => {
                    self.group = Group::default();
                    return Ok(true);
                }
                _ => self.xml.skip()?,
            }
        }
        if self.seen == 0 {
            let place = Place::at(self.xml.line(), "/Document");
            return Err(Problem::document(place, Fault::Missing, "no payment in the message"));
        }
        while self.xml.open()? {
            self.xml.skip()?;
        }
        Ok(false)
    }

    fn group(&mut self) -> Result<Option<Item>, Problem> {
        while self.xml.open()? {
            match self.xml.name() {
                "PmtInfId" => self.group.id = self.xml.text()?.to_owned(),
                "ReqdExctnDt" => self.group.due = when(&mut self.xml, &mut self.marks)?,
                "Dbtr" => {
                    let read = party(&mut self.xml)?;
                    (self.group.debtor.name, self.group.debtor.id) = (read.name, read.id);
                }
                "DbtrAcct" => self.group.debtor.account = account_number(&mut self.xml)?,
                "CdtTrfTxInf" => return self.transfer().map(Some),
                _ => self.xml.skip()?,
            }
        }
        Ok(None)
    }

    fn transfer(&mut self) -> Result<Item, Problem> {
        self.seen += 1;
        let (place, xml) = (self.xml.place(), &mut self.xml);
        let (mut money, mut reference, mut creditor, mut narrative) = (None, None, Party::default(), String::new());
        let mut invoice = None;
        while xml.open()? {
            match xml.name() {
                "PmtId" => reference = payment_id(xml)?,
                "Amt" => money = instructed(xml)?,
                "Cdtr" => {
                    let read = party(xml)?;
                    (creditor.name, creditor.id) = (read.name, read.id);
                }
                "CdtrAcct" => creditor.account = account_number(xml)?,
                "RmtInf" => remittance(xml, &mut narrative)?,
                _ => xml.skip()?,
            }
        }
        fill(&mut invoice, invoice_in(&narrative).unwrap_or_default());
        let missing = Problem::record(place.clone(), Fault::Missing, "a transfer without an amount");
        Ok(match money.unwrap_or(Err(missing)) {
            Err(problem) => Item::Problem(problem),
            Ok(money) => Item::Payment(Box::new(Payment {
                debtor: self.group.debtor.clone(),
                creditor,
                money,
                due: self.group.due,
                reference,
                batch: [self.message_id.as_str(), self.group.id.as_str()].join("/"),
                narrative,
                invoice,
                place,
            })),
        })
    }

    fn step(&mut self) -> Result<Option<Item>, Problem> {
        loop {
            match std::mem::replace(&mut self.stage, Stage::Done) {
                Stage::Begin => {
                    self.begin()?;
                    self.stage = Stage::Message;
                }
                Stage::Message => match self.message()? {
                    true => self.stage = Stage::Group,
                    false => return Ok(None),
                },
                Stage::Group => match self.group()? {
                    Some(item) => {
                        self.stage = Stage::Group;
                        return Ok(Some(item));
                    }
                    None => self.stage = Stage::Message,
                },
                Stage::Done => return Ok(None),
            }
        }
    }
}

impl<R: BufRead> Iterator for Payments<R> {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        if let Some(mark) = self.marks.pop() {
            return Some(Item::Problem(mark));
        }
        match self.step() {
            Ok(item) => item,
            Err(problem) => Some(Item::Problem(problem)),
        }
    }
}

fn payment_id<R: BufRead>(xml: &mut Xml<R>) -> Result<Option<String>, Problem> {
    let (mut end_to_end, mut instruction) = (None, None);
    while xml.open()? {
        match xml.name() {
            "EndToEndId" => end_to_end = some(xml.text()?),
            "InstrId" => instruction = some(xml.text()?),
            _ => xml.skip()?,
        }
    }
    Ok(end_to_end.filter(|id| id != "NOTPROVIDED").or(instruction))
}

/// `Amt/InstdAmt`, or `Amt/EqvtAmt/Amt`.
fn instructed<R: BufRead>(xml: &mut Xml<R>) -> Result<Option<Result<Money, Problem>>, Problem> {
    let mut found = None;
    while xml.open()? {
        match xml.name() {
            "InstdAmt" => {
                let (currency, place) = (xml.attribute("Ccy").unwrap_or_default().to_owned(), xml.place());
                let text = xml.text()?;
                found = Some(match decimal(text, Style::POINT) {
                    Some(amount) if amount.is_sign_positive() && !currency.is_empty() => Ok(Money { amount, currency }),
                    Some(_) | None => {
                        let why = format!("{} {} is not an amount", shown(text), shown(&currency));
                        Err(Problem::record(place, Fault::Value, why))
                    }
                });
            }
            "EqvtAmt" => {
                let inner = instructed(xml)?;
                found = found.or(inner);
            }
            "Amt" => found = Some(super::parts::amount(xml)?),
            _ => xml.skip()?,
        }
    }
    Ok(found)
}

/// The invoice number a remittance names: `INV 123`, `发票号：123`, `invoice no. 123`.
fn invoice_in(narrative: &str) -> Option<&str> {
    let lower = narrative.to_ascii_lowercase();
    let marks = ["发票号码", "发票号", "invoice no", "invoice", "inv"];
    let (at, mark) = marks.iter().find_map(|mark| lower.find(mark).map(|at| (at, mark)))?;
    let rest = narrative.get(at + mark.len()..)?;
    let rest = rest.trim_start_matches([' ', ':', '：', '.', '#', '-']);
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '/'))).unwrap_or(rest.len());
    rest.get(..end).filter(|number| number.chars().any(|c| c.is_ascii_digit()))
}
