//! SWIFT MT940 (customer statement) and MT942 (interim report).
//!
//! Source: SWIFT User Handbook, category 9, fields 20 to 90D; and what banks really send. Pages
//! (`:62M:`, `:60M:`) are chained into one statement. A tag is one only where it is known: details
//! wrap, and `:12:` may be the end of a clock time. Deliberately absent: the envelope's sender and
//! receiver.

mod balance;
mod details;
mod entry;
#[cfg(test)]
mod tests;

pub use details::{Details, details};

use crate::bytes::{Decoded, Encoding, Line, Lines};
use crate::problem::{Fault, Place, Problem, shown};
use crate::statement::{BalanceKind, Item, Message, Statement};
use crate::when::When;
use minewatch_risk::fact::Money;
use std::collections::VecDeque;
use std::io::BufRead;

/// Longest line read; SWIFT allows 65 characters.
const LINE_BYTES_MAX: usize = 64 << 10;
/// Longest field with its further lines; SWIFT allows 6 lines of 65 characters.
const FIELD_BYTES_MAX: usize = 256 << 10;
/// Balances of one statement.
const BALANCES_MAX: usize = 200;
/// Lines outside of any message that are named; the rest is counted with the last.
const STRAY_MAX: u64 = 20;

/// Tags that begin a field.
const TAGS: [&str; 22] = [
    "20", "21", "25", "25P", "28", "28C", "60F", "60M", "61", "86", "62F", "62M", "64", "65", "34F", "13", "13D",
    "90C", "90D", "NS", "60", "62",
];

/// A field: its tag, its text with line feeds, and the line it begins in.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Field {
    tag: &'static str,
    text: String,
    line: u64,
}

/// Reads statements of a file, one after the other.
pub struct Mt940<R> {
    lines: Lines<Decoded<R>>,
    field: Option<Field>,
    current: Option<Statement>,
    /// The entry whose `:86:` may follow.
    entry: Option<entry::Draft>,
    /// Last page's balance, where a further page follows.
    page: Option<Money>,
    /// Entries and balances were seen in this message; an account may not follow.
    begun: bool,
    stray: u64,
    seen: bool,
    out: VecDeque<Item>,
    done: bool,
}

impl<R: BufRead> Mt940<R> {
    /// A reader of a file of MT940 and MT942 messages.
    pub fn new(input: R, encoding: Encoding) -> Mt940<R> {
        let encoding = if encoding == Encoding::Auto { Encoding::AutoWestern } else { encoding };
        Mt940 {
            lines: Lines::new(Decoded::new(input, encoding), LINE_BYTES_MAX),
            field: None,
            current: None,
            entry: None,
            page: None,
            begun: false,
            stray: 0,
            seen: false,
            out: VecDeque::new(),
            done: false,
        }
    }

    /// Reads lines until something can be given out.
    fn advance(&mut self) {
        let number = self.lines.number() + 1;
        let line = match self.lines.read() {
            Ok(Some(Line::Whole(bytes))) => String::from_utf8_lossy(bytes).into_owned(),
            Ok(Some(Line::TooLong)) => {
                let why = format!("a line longer than {LINE_BYTES_MAX} bytes");
                self.doubt(Problem::record(Place::line(number), Fault::Limit, why));
                return;
            }
            Ok(None) => return self.end(),
            Err(error) => {
                let why = format!("cannot be read: {error}");
                self.out.push_back(Item::Problem(Problem::document(Place::line(number), Fault::Syntax, why)));
                self.done = true;
                return;
            }
        };
        self.line(&line, number);
    }

    /// A problem that makes the statement's sums unsure.
    fn doubt(&mut self, problem: Problem) {
        if let Some(statement) = &mut self.current {
            statement.unread += 1;
        }
        self.out.push_back(Item::Problem(problem));
    }

    fn line(&mut self, line: &str, number: u64) {
        let text = line.rfind("{4:").map_or(line, |at| line.get(at + 3..).unwrap_or_default());
        if text.trim() == "-" || text.starts_with("-}") {
            self.close_field();
            self.close_entry();
            self.message_ends();
            return;
        }
        if let Some((tag, rest)) = tag(text) {
            self.close_field();
            self.field = Some(Field { tag, text: rest.to_owned(), line: number });
            return;
        }
        match &mut self.field {
            Some(field) if field.text.len() + text.len() < FIELD_BYTES_MAX => {
                field.text.push('\n');
                field.text.push_str(text);
            }
            Some(_) => {
                let why = format!("a field longer than {FIELD_BYTES_MAX} bytes");
                self.doubt(Problem::record(Place::line(number), Fault::Limit, why));
            }
            None if text.trim().is_empty() => {}
            None => {
                self.stray += 1;
                if self.stray <= STRAY_MAX {
                    let why = format!("{} is outside of any field", shown(text));
                    self.out.push_back(Item::Problem(Problem::record(Place::line(number), Fault::Syntax, why)));
                }
            }
        }
    }

    fn close_field(&mut self) {
        if let Some(field) = self.field.take() {
            self.seen = true;
            self.take(field);
        }
    }

    fn take(&mut self, mut field: Field) {
        let ended = field.text.trim_end().len();
        field.text.truncate(ended);
        let place = Place::at(field.line, format!(":{}:", field.tag));
        if field.text.contains('\u{fffd}') {
            let why = "bytes that are no text of the file's encoding";
            self.out.push_back(Item::Problem(Problem::mark(place.clone(), Fault::Encoding, why)));
        }
        if field.tag != "86" && field.tag != "NS" {
            self.close_entry();
        }
        match field.tag {
            "20" => self.begin(&field, place),
            "25" | "25P" => self.account(&field, place),
            "28" | "28C" => self.statement(place).number = Some(field.text),
            "60F" | "60M" | "60" | "62F" | "62M" | "62" | "64" | "65" => self.balance(&field, place),
            "61" => self.entry(&field, place),
            "86" => self.details(&field),
            "NS" => self.further(&field),
            "34F" | "90C" | "90D" => self.statement(place).message = Message::Mt942,
            "13" | "13D" => self.made(&field, place),
            _ => {}
        }
    }

    /// `:20:` begins a message; it goes on with the statement when that ended with a page's balance.
    fn begin(&mut self, field: &Field, place: Place) {
        self.begun = false;
        if self.page.is_some() {
            return;
        }
        self.finish();
        let mut statement = Statement::begin(Message::Mt940, place);
        statement.id.clone_from(&field.text);
        self.current = Some(statement);
    }

    fn statement(&mut self, place: Place) -> &mut Statement {
        self.current.get_or_insert_with(|| Statement::begin(Message::Mt940, place))
    }

    fn account(&mut self, field: &Field, place: Place) {
        if self.begun {
            let why = format!("an account in the middle of a statement: {}", shown(&field.text));
            self.out.push_back(Item::Problem(Problem::mark(place, Fault::Contradiction, why)));
            return;
        }
        let (id, currency) = account_of(field.text.trim());
        if self.page.is_some() && self.current.as_ref().is_some_and(|s| s.account.id != id) {
            let why = format!("the last page of the statement of {} is missing", self.current_account());
            self.out.push_back(Item::Problem(Problem::mark(place.clone(), Fault::Contradiction, why)));
            self.page = None;
            self.finish();
        }
        let statement = self.statement(place);
        statement.account.id = id;
        statement.account.currency = currency;
    }

    fn current_account(&self) -> String {
        shown(self.current.as_ref().map_or("", |statement| &statement.account.id))
    }

    fn balance(&mut self, field: &Field, place: Place) {
        self.begun = true;
        let known = self.current.as_ref().and_then(|s| s.opening()).map(|b| b.money.currency.clone());
        let known = known.or_else(|| self.current.as_ref().and_then(|s| s.account.currency.clone()));
        let read = balance::read(field.tag, &field.text, known.as_deref(), &place);
        let balance = match read {
            Ok((balance, marks)) => {
                self.out.extend(marks.into_iter().map(Item::Problem));
                balance
            }
            Err(problem) => return self.doubt(problem),
        };
        match (&balance.kind, self.page.take()) {
            (BalanceKind::OpeningPage, Some(last)) => {
                if last != balance.money {
                    let why = format!(
                        "the page opens with {} but the last one closed with {}",
                        balance.money.amount, last.amount
                    );
                    let problem = Problem::mark(place, Fault::Contradiction, why);
                    self.out.push_back(Item::Problem(problem));
                    self.statement(Place::default()).unread += 1;
                }
                // Within one statement a page's balances are only passed through.
                self.statement(Place::default()).balances.retain(|b| b.kind != BalanceKind::ClosingPage);
                return;
            }
            (BalanceKind::OpeningBooked, Some(_)) => {
                let why = format!("the last page of the statement of {} is missing", self.current_account());
                self.out.push_back(Item::Problem(Problem::mark(place.clone(), Fault::Contradiction, why)));
                self.split();
            }
            (_, page) => self.page = page,
        }
        if balance.kind == BalanceKind::ClosingPage {
            self.page = Some(balance.money.clone());
        }
        let statement = self.statement(place);
        if statement.balances.len() < BALANCES_MAX {
            statement.balances.push(balance);
        }
    }

    /// A new statement of the same account, without a `:20:` of its own.
    fn split(&mut self) {
        let begun = self.current.as_ref().map(|old| {
            let mut next = Statement::begin(old.message, old.place.clone());
            (next.id, next.account, next.number) = (old.id.clone(), old.account.clone(), old.number.clone());
            next
        });
        self.finish();
        self.current = begun;
    }

    fn entry(&mut self, field: &Field, place: Place) {
        self.begun = true;
        match entry::read(&field.text, place) {
            Ok(draft) => self.entry = Some(draft),
            Err(problem) => self.doubt(problem.with_raw(field.text.as_str())),
        }
    }

    fn details(&mut self, field: &Field) {
        // Behind the balances it is about the statement as a whole.
        if let Some(draft) = &mut self.entry {
            draft.explain(details(&field.text));
        }
    }

    fn further(&mut self, field: &Field) {
        if let Some(draft) = &mut self.entry {
            draft.explain(details::non_swift(&field.text));
        }
    }

    fn made(&mut self, field: &Field, place: Place) {
        let read = balance::made(&field.text);
        if read.is_none() && !field.text.is_empty() {
            let why = format!("{} is not a date and time", shown(&field.text));
            self.out.push_back(Item::Problem(Problem::mark(place.clone(), Fault::Value, why)));
        }
        self.statement(place).created = read.map(When::Civil);
    }

    fn close_entry(&mut self) {
        let Some(draft) = self.entry.take() else { return };
        let statement = self.statement(draft.place.clone());
        let opening = statement.opening().map(|balance| balance.money.currency.clone());
        let currency = opening.or_else(|| statement.account.currency.clone()).unwrap_or_default();
        let number = statement.entries + statement.unread + 1;
        let (entry, marks) = draft.finish((&statement.account.id, &statement.label()), &currency, number);
        statement.count(&entry);
        if currency.is_empty() {
            let why = "no balance or account says the currency";
            self.out.push_back(Item::Problem(Problem::mark(entry.place.clone(), Fault::Missing, why)));
        }
        self.out.extend(marks.into_iter().map(Item::Problem));
        self.out.push_back(Item::Entry(Box::new(entry)));
    }

    /// `-`: the statement is over, unless a page follows.
    fn message_ends(&mut self) {
        self.begun = false;
        if self.page.is_none() {
            self.finish();
        }
    }

    fn finish(&mut self) {
        if let Some(statement) = self.current.take() {
            self.page = None;
            self.begun = false;
            self.out.push_back(Item::Statement(Box::new(statement)));
        }
    }

    fn end(&mut self) {
        self.close_field();
        self.close_entry();
        self.finish();
        if !self.seen {
            let why = "no field such as :20: or :61: in the file";
            self.out.push_back(Item::Problem(Problem::document(Place::line(1), Fault::Unsupported, why)));
        }
        self.done = true;
    }
}

impl<R: BufRead> Iterator for Mt940<R> {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        loop {
            if let Some(item) = self.out.pop_front() {
                return Some(item);
            }
            if self.done {
                return None;
            }
            self.advance();
        }
    }
}

/// A known tag at the beginning of a line, and what stands behind it.
fn tag(line: &str) -> Option<(&'static str, &str)> {
    let (tag, rest) = line.strip_prefix(':')?.split_once(':')?;
    TAGS.iter().find(|known| **known == tag).map(|known| (*known, rest))
}

/// Account and currency of `:25:`: some banks write the currency behind the number.
fn account_of(text: &str) -> (String, Option<String>) {
    let split = text.len().checked_sub(3).filter(|at| text.is_char_boundary(*at)).map(|at| text.split_at(at));
    match split {
        Some((id, code))
            if id.ends_with(|c: char| c.is_ascii_digit()) && code.bytes().all(|b| b.is_ascii_uppercase()) =>
        {
            (id.to_owned(), Some(code.to_owned()))
        }
        Some((id, code)) if id.ends_with('/') && code.bytes().all(|b| b.is_ascii_uppercase()) => {
            (id.trim_end_matches('/').to_owned(), Some(code.to_owned()))
        }
        _ => (text.lines().next().unwrap_or_default().to_owned(), None),
    }
}
