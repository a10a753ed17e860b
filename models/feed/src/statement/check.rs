//! Whether a statement settles (rule T11): opening + Σ entries = closing, and a day's closing is
//! the next day's opening. "Not possible" is an answer of its own and never a pass.

use super::Statement;
use crate::when::When;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use minewatch_risk::fact::Money;
use rust_decimal::Decimal;
use std::collections::BTreeMap;

/// Accounts of one document followed from statement to statement; further ones are not compared.
pub const ACCOUNTS_MAX: usize = 10_000;

/// Why nothing can be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotPossible {
    /// No booked opening and no previous closing.
    NoOpening,
    /// No booked closing.
    NoClosing,
    /// Balances or entries in several currencies.
    Currencies,
    /// Entries that could not be read.
    EntriesUnread,
    /// Numbers beyond what is exact.
    Overflow,
    /// Nothing came before it.
    First,
}

impl NotPossible {
    /// In words.
    pub fn why(self) -> &'static str {
        match self {
            NotPossible::NoOpening => "no booked opening balance",
            NotPossible::NoClosing => "no booked closing balance",
            NotPossible::Currencies => "balances and entries in several currencies",
            NotPossible::EntriesUnread => "entries that could not be read",
            NotPossible::Overflow => "sums beyond exact numbers",
            NotPossible::First => "no earlier statement of the account",
        }
    }
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settles {
    /// It does.
    Yes,
    /// It does not.
    Break {
        /// What should stand there.
        expected: Money,
        /// What stands there.
        found: Money,
    },
    /// Nobody can tell.
    NotPossible(NotPossible),
}

fn compare(expected: Decimal, found: Decimal, currency: &str) -> Settles {
    let money = |amount| Money { amount, currency: currency.to_owned() };
    match expected == found {
        true => Settles::Yes,
        false => Settles::Break { expected: money(expected), found: money(found) },
    }
}

impl Statement {
    /// Whether opening + Σ entries = closing, without tolerance.
    pub fn settles(&self) -> Settles {
        let Some(opening) = self.opening() else { return Settles::NotPossible(NotPossible::NoOpening) };
        let Some(closing) = self.closing() else { return Settles::NotPossible(NotPossible::NoClosing) };
        if self.unread > 0 {
            return Settles::NotPossible(NotPossible::EntriesUnread);
        }
        if self.overflow {
            return Settles::NotPossible(NotPossible::Overflow);
        }
        let currency = &opening.money.currency;
        if closing.money.currency != *currency || self.sums.keys().any(|of_entries| of_entries != currency) {
            return Settles::NotPossible(NotPossible::Currencies);
        }
        let sum = self.sums.get(currency).copied().unwrap_or_default();
        match opening.money.amount.checked_add(sum) {
            Some(expected) => compare(expected, closing.money.amount, currency),
            None => Settles::NotPossible(NotPossible::Overflow),
        }
    }

    /// The day it closes, else the day it was made.
    pub fn day(&self, zone: &TimeZone) -> Option<Date> {
        let of = |when: Option<When>| when.map(|when| when.day(zone));
        of(self.closing().and_then(|balance| balance.when))
            .or_else(|| of(self.created))
            .or_else(|| of(self.opening().and_then(|balance| balance.when)))
    }
}

/// Follows accounts from statement to statement, in the order they come.
#[derive(Debug, Default)]
pub struct Continuity {
    last: BTreeMap<(String, String), Decimal>,
}

impl Continuity {
    /// Whether this statement opens with what the account's last one closed with.
    pub fn next(&mut self, statement: &Statement) -> Settles {
        let opening = statement.opening().map(|balance| balance.money.clone());
        let known = opening
            .as_ref()
            .and_then(|money| self.last.get(&(statement.account.id.clone(), money.currency.clone())).copied());
        if let Some(closing) = statement.closing() {
            let key = (statement.account.id.clone(), closing.money.currency.clone());
            if self.last.len() < ACCOUNTS_MAX || self.last.contains_key(&key) {
                self.last.insert(key, closing.money.amount);
            }
        }
        match (opening, known) {
            (None, _) => Settles::NotPossible(NotPossible::NoOpening),
            (Some(_), None) => Settles::NotPossible(NotPossible::First),
            (Some(money), Some(closed)) => compare(closed, money.amount, &money.currency),
        }
    }
}
