use super::*;
use crate::problem::Place;
use rust_decimal::Decimal;

fn money(cents: i64, currency: &str) -> Money {
    Money { amount: Decimal::new(cents, 2), currency: currency.to_owned() }
}

fn statement(opening: Option<i64>, entries: &[(i64, &str)], closing: Option<i64>) -> Statement {
    let mut statement = Statement::begin(Message::Camt053, Place::default());
    statement.account.id = "A".to_owned();
    let balance = |kind, cents: i64| Balance { kind, money: money(cents, "CNY"), when: None };
    statement.balances.extend(opening.map(|cents| balance(BalanceKind::OpeningBooked, cents)));
    statement.balances.extend(closing.map(|cents| balance(BalanceKind::ClosingBooked, cents)));
    for (cents, currency) in entries {
        statement.count(&entry(*cents, currency, None));
    }
    statement
}

fn entry(cents: i64, currency: &str, status: Option<&str>) -> Entry {
    Entry {
        account: "A".to_owned(),
        statement: String::new(),
        number: 1,
        money: money(cents, currency),
        reversal: false,
        status: status.map(str::to_owned),
        booked: None,
        value: None,
        bank_reference: None,
        reference: None,
        code: None,
        counterparty: Party::default(),
        narrative: String::new(),
        transactions: 1,
        place: Place::default(),
    }
}

#[test]
fn opening_and_entries_must_be_the_closing_to_the_cent() {
    assert_eq!(statement(Some(100), &[(50, "CNY"), (-30, "CNY")], Some(120)).settles(), Settles::Yes);
    assert_eq!(
        statement(Some(100), &[(50, "CNY")], Some(151)).settles(),
        Settles::Break { expected: money(150, "CNY"), found: money(151, "CNY") }
    );
    assert_eq!(statement(Some(100), &[], Some(100)).settles(), Settles::Yes);
}

#[test]
fn what_cannot_be_told_is_not_a_pass() {
    let not = |statement: Statement| match statement.settles() {
        Settles::NotPossible(why) => Some(why),
        Settles::Yes | Settles::Break { .. } => None,
    };
    assert_eq!(not(statement(None, &[], Some(1))), Some(NotPossible::NoOpening));
    assert_eq!(not(statement(Some(1), &[], None)), Some(NotPossible::NoClosing));
    assert_eq!(not(statement(Some(1), &[(1, "USD")], Some(1))), Some(NotPossible::Currencies));
    assert_eq!(not(Statement { unread: 1, ..statement(Some(1), &[], Some(1)) }), Some(NotPossible::EntriesUnread));
    assert_eq!(not(Statement { overflow: true, ..statement(Some(1), &[], Some(1)) }), Some(NotPossible::Overflow));
}

#[test]
fn the_previous_closing_stands_for_a_missing_opening() {
    let mut one = statement(None, &[(5, "CNY")], Some(15));
    one.balances.push(Balance { kind: BalanceKind::PreviousClosing, money: money(10, "CNY"), when: None });
    assert_eq!(one.settles(), Settles::Yes);
}

#[test]
fn entries_that_are_not_booked_do_not_count() {
    let mut one = statement(Some(10), &[], Some(10));
    one.count(&entry(99, "CNY", Some("PDNG")));
    one.count(&entry(0, "CNY", Some("BOOK")));
    assert_eq!((one.settles(), one.entries), (Settles::Yes, 2));
}

#[test]
fn a_statement_that_opens_otherwise_than_the_last_one_closed_is_a_break() {
    let mut follow = Continuity::default();
    assert_eq!(follow.next(&statement(Some(0), &[], Some(10))), Settles::NotPossible(NotPossible::First));
    assert_eq!(follow.next(&statement(Some(10), &[], Some(20))), Settles::Yes);
    assert_eq!(
        follow.next(&statement(Some(21), &[], Some(20))),
        Settles::Break { expected: money(20, "CNY"), found: money(21, "CNY") }
    );
    assert_eq!(follow.next(&statement(None, &[], Some(20))), Settles::NotPossible(NotPossible::NoOpening));
}

#[test]
fn thousands_of_currencies_are_an_overflow_and_not_memory() {
    let mut one = statement(Some(0), &[], Some(0));
    for n in 0..1_000 {
        one.count(&entry(1, &format!("C{n:03}"), None));
    }
    assert!(one.overflow && one.sums.len() <= CURRENCIES_MAX);
}
