//! Balances (`:60F:` and kin) and the time a report was made (`:13D:`).

use crate::number::{Style, decimal};
use crate::problem::{Fault, Place, Problem, shown};
use crate::statement::{Balance, BalanceKind};
use crate::when::{When, nearest_day, number};
use jiff::civil::{Date, DateTime};
use minewatch_risk::fact::Money;

/// Two digits of a year: 70 to 99 are the last century's.
fn year(two: u32) -> i16 {
    let century = if two >= 70 { 1900 } else { 2000 };
    i16::try_from(century + two).unwrap_or(2000)
}

/// `YYMMDD`; `false` beside it when there is no such day and the last of its month stands for it.
pub(super) fn day(text: &str) -> Option<(Date, bool)> {
    let bytes = text.as_bytes();
    let two = |from: usize| number(bytes.get(from..from + 2)?);
    nearest_day(year(two(0)?), two(2)?, two(4)?)
}

/// The mark of a day that does not exist.
pub(super) fn no_such_day(place: &Place, text: &str, taken: Date) -> Problem {
    let why = format!("there is no day {}; {taken} stands for it", shown(text));
    Problem::mark(place.clone(), Fault::Value, why)
}

fn kind(tag: &str) -> BalanceKind {
    match tag {
        "60F" | "60" => BalanceKind::OpeningBooked,
        "60M" => BalanceKind::OpeningPage,
        "62F" | "62" => BalanceKind::ClosingBooked,
        "62M" => BalanceKind::ClosingPage,
        "64" => BalanceKind::ClosingAvailable,
        "65" => BalanceKind::ForwardAvailable,
        other => BalanceKind::Other(other.to_owned()),
    }
}

/// Mark, date, currency, amount: `C100318EUR380115,12`. A currency that is left out is the
/// statement's, with a mark.
pub(super) fn read(
    tag: &str,
    text: &str,
    known: Option<&str>,
    place: &Place,
) -> Result<(Balance, Vec<Problem>), Problem> {
    let bad = |why: String| Problem::record(place.clone(), Fault::Value, why).with_raw(text);
    let text = text.lines().next().unwrap_or_default().trim();
    let mut marks = Vec::new();
    let credit = match text.as_bytes().first() {
        Some(b'C') => true,
        Some(b'D') => false,
        _ => return Err(bad(format!("{} begins with neither C nor D", shown(text)))),
    };
    let date = text.get(1..7).unwrap_or_default();
    let Some((when, exact)) = day(date) else { return Err(bad(format!("{} is not a day", shown(date)))) };
    if !exact {
        marks.push(no_such_day(place, date, when));
    }
    let rest = text.get(7..).unwrap_or_default();
    let (currency, amount) = match rest.split_at_checked(3) {
        Some((code, amount)) if code.bytes().all(|b| b.is_ascii_uppercase()) => (code.to_owned(), amount),
        _ => match known {
            Some(known) => {
                let why = format!("no currency; that of the statement, {known}, stands for it");
                marks.push(Problem::mark(place.clone(), Fault::Missing, why));
                (known.to_owned(), rest)
            }
            None => return Err(bad(format!("no currency in {}", shown(text)))),
        },
    };
    let Some(amount) = decimal(amount.trim(), Style::COMMA).filter(|amount| amount.is_sign_positive()) else {
        return Err(bad(format!("{} is not an amount", shown(amount))));
    };
    let money = Money { amount: if credit { amount } else { -amount }, currency };
    Ok((Balance { kind: kind(tag), money, when: Some(When::Day(when)) }, marks))
}

/// `YYMMDDHHMM`, with an offset from UTC that is left out: banks write local time.
pub(super) fn made(text: &str) -> Option<DateTime> {
    let (date, true) = day(text.get(..6)?)? else { return None };
    let bytes = text.as_bytes();
    let two = |from: usize| i8::try_from(number(bytes.get(from..from + 2)?)?).ok();
    let (hour, minute) = (two(6)?, two(8)?);
    DateTime::new(date.year(), date.month(), date.day(), hour, minute, 0, 0).ok()
}
