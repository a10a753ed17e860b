//! Planted risks of legal matters.

use super::book::Book;
use super::procurement::some_day;

fn case(book: &mut Book, org: &str, day: i32, more: &[(&str, &str)]) -> String {
    let (key, at, other) = (book.key("k"), book.date(day), book.company());
    let (hearing, cause) = (book.date(day + 50), format!("cause of {key}"));
    let mut fields = vec![
        ("counterparty", other.as_str()),
        ("cause", cause.as_str()),
        ("unit", org),
        ("amount", "300000"),
        ("net_profit", "900000000"),
        ("opened_on", at.as_str()),
        ("filed_on", at.as_str()),
        ("hearing_on", hearing.as_str()),
        ("acted_on", at.as_str()),
    ];
    fields.retain(|(name, _)| more.iter().all(|(other, _)| name != other));
    fields.extend(more.iter().filter(|(_, value)| !value.is_empty()));
    book.fact("legal_case", &key, org, &at, &fields);
    key
}

/// One plant of every legal rule.
pub(super) fn plant(book: &mut Book, n: u32) {
    let (day, org) = (some_day(book), format!("minmetals/law-{n}"));
    let key = case(book, &org, day, &[("amount", "60000000")]);
    book.label("L01", &key);
    let key = case(book, &org, day, &[("acted_on", "")]);
    book.label("L02", &key);
    let late = book.date(day + 20);
    let key = case(book, &org, day, &[("amount", "70000000"), ("filed_on", &late)]);
    book.label("L01", &key);
    book.label("L03", &key);
    let other = book.company();
    let mut last = String::new();
    for turn in 0..3 {
        last = case(book, &org, day + turn * 9, &[("counterparty", &other)]);
    }
    book.label("L04", &last);
    let cause = book.key("cause-");
    for unit in ["a", "b", "c"] {
        case(book, &format!("minmetals/law-{n}{unit}"), day + 3, &[("cause", &cause)]);
    }
    book.label("L05", &cause);
    let judged = book.date(day - 60 - 130);
    let key = case(
        book,
        &org,
        day - 50,
        &[("judged_on", &judged), ("outcome", "won"), ("awarded", "200"), ("recovered", "50")],
    );
    book.label("L06", &key);
    let (org, plan, year) = (format!("minmetals/plan-{n}"), book.key("plan"), book.day(day).year());
    let text = year.to_string();
    book.fact(
        "legal_plan",
        &plan,
        &org,
        &book.date(day - 30),
        &[("year", &text), ("cases", "1"), ("amount", "900000000")],
    );
    case(book, &org, day, &[]);
    case(book, &org, day + 1, &[]);
    if book.day(day + 1).year() == year {
        book.label("L07", &format!("{org}|{year}"));
    }
}
