//! Planted risks of credit.

use super::book::Book;
use super::procurement::some_day;

/// One plant of every credit rule.
pub(super) fn plant(book: &mut Book, n: u32) {
    limits(book, n);
    slides(book, n);
    courts(book, n);
    control(book, n);
    groups(book, n);
    goods(book, n);
}

/// A snapshot of an exposure; what is not said otherwise is in order.
fn exposure(book: &mut Book, org: &str, day: i32, party: &str, more: &[(&str, &str)]) {
    let (key, at) = (book.key("e"), book.date(day));
    let mut fields = vec![
        ("party", party),
        ("receivable", "1000000"),
        ("limit", "2000000"),
        ("overdue", "0"),
        ("overdue_days", "0"),
        ("age_0_30", "900000"),
        ("age_over_90", "100000"),
    ];
    fields.retain(|(name, _)| more.iter().all(|(other, _)| name != other));
    fields.extend_from_slice(more);
    book.fact("exposure", &key, org, &at, &fields);
}

fn limits(book: &mut Book, n: u32) {
    let (day, org) = (some_day(book), format!("minmetals/credit-{n}"));
    let party = book.company();
    exposure(book, &org, day, &party, &[("limit", "900000")]);
    book.label("C01", &format!("{party}|{org}"));
    let party = book.company();
    exposure(book, &org, day, &party, &[("overdue", "50000"), ("overdue_days", "95")]);
    book.label("C02", &format!("{party}|{org}"));
    let (party, k1, k2) = (book.company(), book.key("i"), book.key("i"));
    let (before, at) = (book.date(day - 30), book.date(day));
    book.fact(
        "insurer_signal",
        &k1,
        &org,
        &before,
        &[("party", &party), ("rating", "2"), ("limit_withdrawn", "false")],
    );
    book.fact("insurer_signal", &k2, &org, &at, &[("party", &party), ("rating", "5"), ("limit_withdrawn", "false")]);
    book.label("C04", &party);
}

fn slides(book: &mut Book, n: u32) {
    let (day, org) = (some_day(book), format!("minmetals/credit-{n}"));
    let party = book.company();
    exposure(book, &org, day, &party, &[]);
    exposure(book, &org, day + 30, &party, &[("age_0_30", "700000"), ("age_over_90", "300000")]);
    book.label("C03", &format!("{party}|{org}"));
    // Losses follow the ageing.
    book.label("C15", &format!("{party}|{org}"));
    let (party, key, at) = (book.company(), book.key("f"), book.date(day));
    let fields = [
        ("party", party.as_str()),
        ("working_capital", "-100"),
        ("retained", "10"),
        ("ebit", "5"),
        ("equity", "100"),
        ("assets", "1000"),
        ("liabilities", "900"),
    ];
    book.fact("financials", &key, &org, &at, &fields);
    book.label("C11", &party);
}

fn courts(book: &mut Book, n: u32) {
    let (day, org) = (some_day(book), format!("minmetals/credit-{n}"));
    let at = book.date(day);
    let record = |book: &mut Book, day: i32, party: &str, more: &[(&str, &str)]| {
        let (key, at) = (book.key("k"), book.date(day));
        let mut fields = vec![("party", party)];
        fields.extend_from_slice(more);
        book.fact("court_record", &key, &org, &at, &fields);
        key
    };
    let party = book.company();
    exposure(book, &format!("minmetals/credit-{n}"), day - 20, &party, &[]);
    let key = record(book, day, &party, &[("what", "enforcement"), ("amount", "150000")]);
    book.label("C05", &key);
    let party = book.company();
    exposure(book, &format!("minmetals/credit-{n}"), day - 20, &party, &[]);
    let l = book.key("l");
    book.fact("list_entry", &l, "minmetals/hq", &at, &[("list", "dishonest"), ("party", &party), ("valid_from", &at)]);
    book.label("C06", &format!("{party}|minmetals/credit-{n}"));
    let party = book.company();
    exposure(book, &format!("minmetals/credit-{n}"), day - 20, &party, &[]);
    let key = record(book, day, &party, &[("what", "bankruptcy"), ("case_no", "(2026)破1")]);
    book.label("C07", &key);
    let party = book.company();
    let key = record(book, day, &party, &[("what", "freeze"), ("frozen_share", "0.3"), ("control_share", "0.5")]);
    book.label("C08", &key);
    let party = book.company();
    for turn in 0..5 {
        record(book, day + turn, &party, &[("what", "defendant"), ("amount", "1000")]);
    }
    book.label("C10", &party);
}

fn control(book: &mut Book, n: u32) {
    let (day, org, party) = (some_day(book), format!("minmetals/credit-{n}"), book.company());
    for (at, what) in [(day - 40, "legalrep"), (day, "controller")] {
        let (key, on) = (book.key("g"), book.date(at));
        book.fact("registration_change", &key, &org, &on, &[("party", &party), ("what", what), ("changed_on", &on)]);
    }
    book.label("C09", &party);
    let (wrong, at) = (format!("91110000MA{:07}X", 4_000_000 + n), book.date(day));
    book.fact("party", &wrong, &org, &at, &[("uscc", &wrong), ("name", "错码公司"), ("type", "company")]);
    book.label("C17", &wrong);
}

fn groups(book: &mut Book, n: u32) {
    let (day, org) = (some_day(book), format!("minmetals/credit-{n}"));
    let (head, since) = (book.company(), book.date(day - 50));
    let (g, a, b) = (book.key("g"), book.company(), book.company());
    book.fact("credit_limit", &g, &org, &since, &[("party", &head), ("limit", "1500000")]);
    for party in [&a, &b] {
        let o = book.key("o");
        book.fact(
            "ownership",
            &o,
            "minmetals/hq",
            &since,
            &[("owner", &head), ("owned", party), ("share", "0.7"), ("valid_from", &since)],
        );
    }
    exposure(book, &org, day, &a, &[]);
    exposure(book, &org, day + 1, &b, &[]);
    book.label("C12", &format!("{b}|{org}"));
}

fn goods(book: &mut Book, n: u32) {
    let (day, org) = (some_day(book), format!("minmetals/credit-{n}"));
    let (party, block, shipment) = (book.company(), book.key("x"), book.key("s"));
    let (blocked, shipped) = (book.time(day, 10, 0), book.time(day + 1, 10, 0));
    book.fact("credit_block", &block, &org, &blocked, &[("party", &party), ("blocked_at", &blocked)]);
    book.fact(
        "shipment",
        &shipment,
        &org,
        &shipped,
        &[("party", &party), ("shipped_at", &shipped), ("amount", "80000")],
    );
    book.label("C13", &shipment);
    let (a, b, there, back) = (book.company(), book.company(), book.key("w"), book.key("w"));
    let (one, two) = (book.date(day), book.date(day + 20));
    book.fact("trade", &there, &org, &one, &[("seller", &a), ("buyer", &b), ("amount", "1000000")]);
    book.fact("trade", &back, &org, &two, &[("seller", &b), ("buyer", &a), ("amount", "1010000")]);
    book.label("C14", &back);
    let (clean, at) = (book.key("w"), book.date(day));
    let (c, d) = (book.company(), book.company());
    book.fact("trade", &clean, &org, &at, &[("seller", &c), ("buyer", &d), ("amount", "900000")]);
    let (prepaid, paid, due) = (book.key("y"), book.date(day - 50), book.date(day - 10));
    book.fact("prepayment", &prepaid, &org, &paid, &[("party", &party), ("amount", "70000"), ("due_on", &due)]);
    book.label("C16", &prepaid);
    let (kept, delivered) = (book.key("y"), book.date(day - 12));
    let fields = [("party", party.as_str()), ("amount", "70000"), ("due_on", &due), ("delivered_on", &delivered)];
    book.known("prepayment", &kept, &org, (&paid, &delivered), &fields);
}
