//! What a bank says about an account, whatever the format: statements with balances, and entries.
//!
//! Invariant: the sign of an amount is the account owner's view (a credit is positive), and money
//! keeps the currency it was said in. Deliberately absent: conversion between currencies.

mod check;
#[cfg(test)]
mod tests;

pub use check::{ACCOUNTS_MAX, Continuity, NotPossible, Settles};

use crate::problem::{Place, Problem};
use crate::when::When;
use minewatch_risk::fact::Money;
use std::collections::BTreeMap;

/// Currencies of one statement that are summed; further ones make the check not possible.
const CURRENCIES_MAX: usize = 16;

/// What a reader of bank documents yields.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// An entry, as soon as it is read; its statement follows.
    Entry(Box<Entry>),
    /// A statement, after its entries.
    Statement(Box<Statement>),
    /// A payment that is ordered (pain.001).
    Payment(Box<Payment>),
    /// What could not be read, or was read with a doubt.
    Problem(Problem),
}

/// Which message a statement was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message {
    /// Intraday report.
    Camt052,
    /// Statement.
    Camt053,
    /// Debit and credit notification.
    Camt054,
    /// SWIFT statement.
    Mt940,
    /// SWIFT interim report.
    Mt942,
}

impl Message {
    /// Name in facts.
    pub fn name(self) -> &'static str {
        match self {
            Message::Camt052 => "camt.052",
            Message::Camt053 => "camt.053",
            Message::Camt054 => "camt.054",
            Message::Mt940 => "mt940",
            Message::Mt942 => "mt942",
        }
    }
}

/// Whose account.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Account {
    /// IBAN, or the bank's own number.
    pub id: String,
    /// Currency it is kept in, where it is said.
    pub currency: Option<String>,
    /// Owner's name.
    pub owner: Option<String>,
    /// Bank: BIC or name.
    pub servicer: Option<String>,
}

/// What a balance is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum BalanceKind {
    /// OPBD; `:60F:`.
    OpeningBooked,
    /// CLBD; `:62F:`.
    ClosingBooked,
    /// PRCD.
    PreviousClosing,
    /// Opening of a further page: OPBD with INTM; `:60M:`.
    OpeningPage,
    /// Closing of a page that is not the last: CLBD with INTM; `:62M:`.
    ClosingPage,
    /// OPAV.
    OpeningAvailable,
    /// CLAV; `:64:`.
    ClosingAvailable,
    /// FWAV; `:65:`.
    ForwardAvailable,
    /// ITBD.
    InterimBooked,
    /// ITAV.
    InterimAvailable,
    /// XPCD.
    Expected,
    /// INFO.
    Information,
    /// A bank's own.
    Other(String),
}

/// A balance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Balance {
    /// Which.
    pub kind: BalanceKind,
    /// Negative for a debit.
    pub money: Money,
    /// As of.
    pub when: Option<When>,
}

/// The other side of an entry or a payment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Party {
    /// Name.
    pub name: Option<String>,
    /// Account.
    pub account: Option<String>,
    /// Identifier of the organisation (USCC, LEI, BIC).
    pub id: Option<String>,
}

/// One line of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The account it belongs to.
    pub account: String,
    /// Identifier and number of its statement.
    pub statement: String,
    /// Number within the statement, from 1.
    pub number: u64,
    /// Negative when the account was debited.
    pub money: Money,
    /// It takes an earlier entry back.
    pub reversal: bool,
    /// BOOK, PDNG, INFO, where it is said.
    pub status: Option<String>,
    /// Booked on.
    pub booked: Option<When>,
    /// Value date.
    pub value: Option<When>,
    /// The bank's reference.
    pub bank_reference: Option<String>,
    /// The ordering party's reference (end to end, customer's).
    pub reference: Option<String>,
    /// What kind of transaction, in the format's code.
    pub code: Option<String>,
    /// The other side; of a batch the first.
    pub counterparty: Party,
    /// What it was for.
    pub narrative: String,
    /// Transactions behind a batch; 1 where there is one or none is told.
    pub transactions: u64,
    /// Where it stands.
    pub place: Place,
}

impl Entry {
    /// Whether it is part of the booked balance. An entry without a status is one.
    pub fn is_booked(&self) -> bool {
        self.status.as_deref().is_none_or(|status| status == "BOOK")
    }
}

/// A statement without its entries.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// Which message.
    pub message: Message,
    /// Its version: `02` of camt.053.001.02; empty for SWIFT.
    pub version: String,
    /// Identifier the bank gave it.
    pub id: String,
    /// Sequence number.
    pub number: Option<String>,
    /// When it was made.
    pub created: Option<When>,
    /// The account.
    pub account: Account,
    /// Balances in their order.
    pub balances: Vec<Balance>,
    /// Entries read.
    pub entries: u64,
    /// Entries that could not be read: no check is possible.
    pub unread: u64,
    /// Sum of the booked entries by currency.
    pub sums: BTreeMap<String, rust_decimal::Decimal>,
    /// A sum left the range of exact numbers, or had too many currencies.
    pub overflow: bool,
    /// A copy or duplicate, as the bank says.
    pub duplicate: bool,
    /// Where it begins.
    pub place: Place,
}

impl Statement {
    pub(crate) fn begin(message: Message, place: Place) -> Statement {
        Statement {
            message,
            version: String::new(),
            id: String::new(),
            number: None,
            created: None,
            account: Account::default(),
            balances: Vec::new(),
            entries: 0,
            unread: 0,
            sums: BTreeMap::new(),
            overflow: false,
            duplicate: false,
            place,
        }
    }

    /// Adds an entry to the sums.
    pub(crate) fn count(&mut self, entry: &Entry) {
        self.entries += 1;
        if !entry.is_booked() {
            return;
        }
        if let Some(sum) = self.sums.get_mut(&entry.money.currency) {
            match sum.checked_add(entry.money.amount) {
                Some(next) => *sum = next,
                None => self.overflow = true,
            }
        } else if self.sums.len() < CURRENCIES_MAX {
            self.sums.insert(entry.money.currency.clone(), entry.money.amount);
        } else {
            self.overflow = true;
        }
    }

    /// What names it among the account's statements.
    pub fn label(&self) -> String {
        match &self.number {
            Some(number) => [self.id.as_str(), number].join("/"),
            None => self.id.clone(),
        }
    }

    /// The first balance of a kind.
    pub fn balance(&self, kind: &BalanceKind) -> Option<&Balance> {
        self.balances.iter().find(|balance| balance.kind == *kind)
    }

    /// The balance it begins with: the booked opening, else the previous closing, else a page's.
    pub fn opening(&self) -> Option<&Balance> {
        self.balance(&BalanceKind::OpeningBooked)
            .or_else(|| self.balance(&BalanceKind::PreviousClosing))
            .or_else(|| self.balance(&BalanceKind::OpeningPage))
    }

    /// The booked balance it ends with; of a statement whose last page is missing, the page's.
    pub fn closing(&self) -> Option<&Balance> {
        self.balance(&BalanceKind::ClosingBooked).or_else(|| self.balance(&BalanceKind::ClosingPage))
    }
}

/// A payment that somebody orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// Who pays.
    pub debtor: Party,
    /// Who is paid.
    pub creditor: Party,
    /// How much, positive.
    pub money: Money,
    /// When it is to be carried out.
    pub due: Option<When>,
    /// End-to-end id, else the instruction's.
    pub reference: Option<String>,
    /// Message and payment information it is part of.
    pub batch: String,
    /// What it is for, with the invoice where one is named.
    pub narrative: String,
    /// Invoice number.
    pub invoice: Option<String>,
    /// Where it stands.
    pub place: Place,
}
