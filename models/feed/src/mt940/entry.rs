//! `:61:`, the statement line.

use super::balance::{day, no_such_day};
use super::details::Details;
use crate::number::{Style, decimal};
use crate::problem::{Fault, Place, Problem, shown};
use crate::statement::{Entry, Party};
use crate::when::{When, nearest_day, number};
use jiff::civil::Date;
use minewatch_risk::fact::Money;
use rust_decimal::Decimal;

/// An entry whose details may still come.
#[derive(Debug)]
pub(super) struct Draft {
    amount: Decimal,
    reversal: bool,
    value: Date,
    booked: Option<Date>,
    code: Option<String>,
    reference: Option<String>,
    bank_reference: Option<String>,
    details: Details,
    marks: Vec<Problem>,
    pub(super) place: Place,
}

impl Draft {
    pub(super) fn explain(&mut self, details: Details) {
        self.details = std::mem::take(&mut self.details).and(details);
    }

    pub(super) fn finish(
        self,
        (account, statement): (&str, &str),
        currency: &str,
        number: u64,
    ) -> (Entry, Vec<Problem>) {
        let details = self.details;
        let entry = Entry {
            account: account.to_owned(),
            statement: statement.to_owned(),
            number,
            money: Money { amount: self.amount, currency: currency.to_owned() },
            reversal: self.reversal,
            status: None,
            booked: self.booked.map(When::Day),
            value: Some(When::Day(self.value)),
            bank_reference: self.bank_reference,
            reference: details.end_to_end.or(self.reference),
            code: self.code,
            counterparty: Party { name: details.name, account: details.account, id: details.bank },
            narrative: details.narrative,
            transactions: 1,
            place: self.place,
        };
        (entry, self.marks)
    }
}

/// Reads the parts of a statement line from left to right.
struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, length: usize) -> Option<&'a str> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    fn take_if(&mut self, length: usize, fits: impl Fn(u8) -> bool) -> Option<&'a str> {
        let taken = self.rest.get(..length).filter(|t| t.bytes().all(fits))?;
        self.rest = self.rest.get(length..)?;
        Some(taken)
    }
}

/// Value date, entry date (optional, may be blanks), mark with a reversal, third letter of the
/// currency (optional), amount (on a line of its own with some banks), type, references.
pub(super) fn read(text: &str, place: Place) -> Result<Draft, Problem> {
    let bad = |why: String| Problem::record(place.clone(), Fault::Value, why);
    let mut cursor = Cursor { rest: text };
    let mut marks = Vec::new();
    let date = cursor.take(6).unwrap_or_default();
    let Some((value, exact)) = day(date) else { return Err(bad(format!("{} is not a value date", shown(date)))) };
    if !exact {
        marks.push(no_such_day(&place, date, value));
    }
    let booked = entry_date(&mut cursor, value, &place, &mut marks);
    let (credit, reversal) = mark(&mut cursor)
        .ok_or_else(|| bad(format!("neither a credit (C, RD) nor a debit (D, RC) mark in {}", shown(cursor.rest))))?;
    cursor.take_if(1, |b| b.is_ascii_uppercase());
    let _ = cursor.take_if(1, |b| matches!(b, b'\n' | b' '));
    let digits = cursor.rest.find(|c: char| !(c.is_ascii_digit() || c == ',')).unwrap_or(cursor.rest.len());
    let written = cursor.take(digits).unwrap_or_default();
    let Some(amount) = decimal(written, Style::COMMA) else {
        return Err(bad(format!("no amount in {}", shown(text))));
    };
    let code = transaction_type(&mut cursor);
    let (first, more) = cursor.rest.split_once('\n').unwrap_or((cursor.rest, ""));
    let (reference, bank_reference) = first.split_once("//").unwrap_or((first, ""));
    let kept = |text: &str| Some(text.trim()).filter(|t| !t.is_empty() && *t != "NONREF").map(str::to_owned);
    Ok(Draft {
        amount: if credit { amount } else { -amount },
        reversal,
        value,
        booked,
        code,
        reference: kept(reference),
        bank_reference: kept(bank_reference),
        details: Details { narrative: more.trim().to_owned(), ..Details::default() },
        marks,
        place,
    })
}

/// `MMDD`: its year is the one that brings it nearest to the value date.
fn entry_date(cursor: &mut Cursor<'_>, value: Date, place: &Place, marks: &mut Vec<Problem>) -> Option<Date> {
    if cursor.take_if(4, |b| b == b' ').is_some() {
        return None;
    }
    let written = cursor.take_if(4, |b| b.is_ascii_digit())?;
    let (month, day) = (number(written.as_bytes().get(..2)?)?, number(written.as_bytes().get(2..)?)?);
    let base = value.year();
    let around = [base, base - 1, base + 1].into_iter().filter_map(|year| nearest_day(year, month, day));
    let days = |date: Date| date.duration_until(value).as_hours().abs() / 24;
    let Some((date, exact)) = around.min_by_key(|(date, _)| days(*date)) else {
        let why = format!("{} is not an entry date", shown(written));
        marks.push(Problem::mark(place.clone(), Fault::Value, why));
        return None;
    };
    if !exact {
        marks.push(no_such_day(place, written, date));
    }
    Some(date)
}

/// Whether it credits the account, and whether it takes an earlier entry back: `RC` is the
/// reversal of a credit and debits, `RD` the reversal of a debit and credits; `EC`, `ED` expected.
fn mark(cursor: &mut Cursor<'_>) -> Option<(bool, bool)> {
    for (text, credit, reversal) in [
        ("RC", false, true),
        ("RD", true, true),
        ("EC", true, false),
        ("ED", false, false),
        ("C", true, false),
        ("D", false, false),
    ] {
        if let Some(rest) = cursor.rest.strip_prefix(text) {
            cursor.rest = rest;
            return Some((credit, reversal));
        }
    }
    None
}

/// One letter and three characters; with some banks blanks among them.
fn transaction_type(cursor: &mut Cursor<'_>) -> Option<String> {
    let sound = |text: &&str| {
        text.starts_with(|c: char| c.is_ascii_uppercase())
            && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b' ')
    };
    let code = cursor.rest.get(..4).filter(sound)?;
    cursor.rest = cursor.rest.get(4..)?;
    Some(code.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> (String, bool, Option<String>, Option<String>) {
        let draft = read(text, Place::default()).unwrap_or_else(|p| panic!("{text}: {p}"));
        (draft.amount.to_string(), draft.reversal, draft.booked.map(|d| d.to_string()), draft.code)
    }

    #[test]
    fn every_way_banks_write_a_line_is_read() {
        let code = |text: &str| Some(text.to_owned());
        let day = |text: &str| Some(text.to_owned());
        assert_eq!(line("110701CN50,00NZ10NONREF"), ("50.00".into(), false, None, code("NZ10")));
        assert_eq!(line("1602300301DR6,00N024NONREF"), ("-6.00".into(), false, day("2016-03-01"), code("N024")));
        assert_eq!(line("240312    DD212,39NMSCNONREF//\n/ABC"), ("-212.39".into(), false, None, code("NMSC")));
        assert_eq!(line("1811261126CR\n30,00N062NONREF"), ("30.00".into(), false, day("2018-11-26"), code("N062")));
        assert_eq!(line("131017D6800,NCHK16703074"), ("-6800".into(), false, None, code("NCHK")));
        assert_eq!(line("200102RC1,00NMSC"), ("-1.00".into(), true, None, code("NMSC")));
        assert_eq!(line("200102RD1,00NMSC"), ("1.00".into(), true, None, code("NMSC")));
        assert_eq!(line("2001021231C1,NMSC").2, day("2019-12-31"), "booked in the old year");
        assert_eq!(line("1912310102C1,NMSC").2, day("2020-01-02"), "booked in the new year");
    }

    #[test]
    fn what_is_no_line_says_why() {
        for (text, word) in [
            ("", "value date"),
            ("20xx01C1,", "value date"),
            ("200101X1,", "mark"),
            ("200101C,", "amount"),
            ("200101CNMSC", "amount"),
        ] {
            let problem = read(text, Place::at(3, ":61:")).map(|_| ()).expect_err(text);
            assert!(problem.why.contains(word) && problem.place.line == 3, "{text}: {problem}");
        }
    }
}
