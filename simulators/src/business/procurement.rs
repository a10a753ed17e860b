//! Planted risks of procurement, each with names nobody else has.

use super::book::Book;

/// A day for a plant, early enough for what follows it.
pub(super) fn some_day(book: &mut Book) -> i32 {
    let (from, to) = (60, book.days() - 60);
    let day = book.pick(from, to);
    book.working(day)
}

/// One plant of every procurement rule.
pub(super) fn plant(book: &mut Book, n: u32) {
    contracts(book, n);
    approvals(book, n);
    rings(book, n);
    prices(book, n);
    rotation(book, n);
    tenders(book, n);
    evaluations(book, n);
    winners(book, n);
}

fn contract(book: &mut Book, org: &str, day: i32, more: &[(&str, &str)]) -> String {
    let (key, on, supplier) = (book.key("c"), book.date(day), book.company());
    let mut fields = vec![
        ("buyer", org),
        ("supplier", supplier.as_str()),
        ("category", "goods"),
        ("class", "99"),
        ("amount", "500000"),
        ("budget", "900000000"),
        ("method", "tender"),
        ("approved_on", on.as_str()),
        ("signed_on", on.as_str()),
    ];
    fields.retain(|(name, _)| more.iter().all(|(other, _)| name != other));
    fields.extend_from_slice(more);
    fields.retain(|(_, value)| !value.is_empty());
    book.fact("contract", &key, org, &on, &fields);
    key
}

fn contracts(book: &mut Book, n: u32) {
    let day = some_day(book);
    let org = |rule: &str| format!("minmetals/{rule}-{n}");
    let c = contract(book, &org("p01"), day, &[("amount", "2600000"), ("method", "inquiry")]);
    book.label("P01", &c);
    let (one, two, three) = (book.company(), day + 12, day + 30);
    for (at, amount) in [(day, "700000"), (two, "650000"), (three, "800000")] {
        let c = contract(book, &org("p02"), at, &[("supplier", &one), ("amount", amount), ("class", "2202")]);
        if at == three {
            book.label("P02", &c);
        }
    }
    let c = contract(book, &org("p08"), day, &[("amount", "2000000"), ("budget", "1999999")]);
    book.label("P08", &c);
    let c = contract(book, &org("p08"), day, &[("amount", "1000000"), ("class", "98")]);
    let (m, on) = (book.key("m"), book.date(day + 30));
    book.fact("amendment", &m, &org("p08"), &on, &[("contract", &c), ("amount", "510000"), ("changed_on", &on)]);
    book.label("P08", &c);
    let late = book.date(day + 4);
    let c = contract(book, &org("p09"), day, &[("approved_on", &late)]);
    book.label("P09", &c);
    let c = contract(book, &org("p10"), day, &[]);
    let (r, before) = (book.key("r"), book.date(day - 5));
    book.known(
        "receipt",
        &r,
        &org("p10"),
        (&before, &book.date(day + 1)),
        &[("contract", &c), ("received_on", &before)],
    );
    book.label("P10", &c);
    let (listed, boss) = (book.company(), book.company());
    let (l, o, since) = (book.key("l"), book.key("o"), book.date(day - 30));
    book.fact(
        "list_entry",
        &l,
        "minmetals/hq",
        &since,
        &[("list", "blacklist"), ("party", &boss), ("valid_from", &since)],
    );
    book.fact(
        "ownership",
        &o,
        "minmetals/hq",
        &since,
        &[("owner", &boss), ("owned", &listed), ("share", "0.6"), ("valid_from", &since)],
    );
    let c = contract(book, &org("p11"), day, &[("supplier", &listed)]);
    book.label("P11", &c);
    let big = book.company();
    for (at, supplier, amount) in
        [(0, "", "300000"), (3, "", "310000"), (6, "", "290000"), (9, &big, "800000"), (12, &big, "850000")]
    {
        let class = [("class", "7703"), ("amount", amount), ("category", "works"), ("supplier", supplier)];
        let class = if supplier.is_empty() { &class[..3] } else { &class[..] };
        contract(book, &org("p22"), day + at * 9, class);
    }
    book.label("P22", &format!("{}|7703|{big}", org("p22")));
}

fn approvals(book: &mut Book, n: u32) {
    let day = some_day(book);
    let org = format!("minmetals/p07-{n}");
    contract(book, &org, day, &[("method", "direct")]);
    let month = i32::from(book.day(day).month());
    let quarter = i32::from(book.day(day).year()) * 10 + (month + 2) / 3;
    book.label("P07", &format!("{org}|{quarter}"));
}

fn tender(book: &mut Book, org: &str, day: i32, more: &[(&str, &str)]) -> String {
    let (key, on, ends) = (book.key("t"), book.date(day), book.time(day + 21, 17, 0));
    let mut fields = vec![
        ("buyer", org),
        ("method", "open"),
        ("starts_on", on.as_str()),
        ("ends_at", ends.as_str()),
        ("tenderers", "3"),
    ];
    fields.retain(|(name, _)| more.iter().all(|(other, _)| name != other));
    fields.extend_from_slice(more);
    book.fact("tender", &key, org, &on, &fields);
    key
}

fn bid(book: &mut Book, org: &str, day: i32, more: &[(&str, &str)]) -> String {
    let (key, on, at, who) = (book.key("b"), book.date(day), book.time(day, 9, 30), book.company());
    let mut fields = vec![
        ("bidder", who.as_str()),
        ("buyer", org),
        ("status", "valid"),
        ("submitted_at", at.as_str()),
        ("mac", key.as_str()),
        ("ip", key.as_str()),
    ];
    fields.retain(|(name, _)| more.iter().all(|(other, _)| name != other));
    fields.extend_from_slice(more);
    book.fact("bid", &key, org, &on, &fields);
    key
}

fn award(book: &mut Book, org: &str, day: i32, more: &[(&str, &str)]) -> String {
    let (key, on) = (book.key("a"), book.date(day));
    let mut fields = vec![("buyer", org), ("status", "active"), ("decided_on", on.as_str())];
    fields.extend_from_slice(more);
    book.fact("award", &key, org, &on, &fields);
    key
}

fn rings(book: &mut Book, n: u32) {
    let (day, org) = (some_day(book), format!("minmetals/p03-{n}"));
    let t = tender(book, &org, day, &[]);
    for amount in ["100", "113"] {
        let b = bid(book, &org, day + 10, &[("tender", &t), ("amount", amount), ("mac", &t)]);
        book.label("P03", &b);
    }
    bid(book, &org, day + 10, &[("tender", &t), ("amount", "131")]);
    let org = format!("minmetals/p06-{n}");
    let (t, boss, since) = (tender(book, &org, day, &[]), book.company(), book.date(day - 100));
    for amount in ["100", "113"] {
        let (who, o) = (book.company(), book.key("o"));
        book.fact(
            "ownership",
            &o,
            "minmetals/hq",
            &since,
            &[("owner", &boss), ("owned", &who), ("share", "0.4"), ("valid_from", &since)],
        );
        let b = bid(book, &org, day + 10, &[("tender", &t), ("amount", amount), ("bidder", &who)]);
        book.label("P06", &b);
    }
}

fn prices(book: &mut Book, n: u32) {
    let (day, org) = (some_day(book), format!("minmetals/p04-{n}"));
    let t = tender(book, &org, day, &[("tenderers", "4")]);
    for amount in ["1000000", "1050000", "1100000", "1150000"] {
        bid(book, &org, day + 10, &[("tender", &t), ("amount", amount)]);
    }
    book.label("P04", &t);
    let (key, on) = (book.key("q"), book.date(day + 20));
    book.fact("price", &key, &org, &on, &[("item", "item-7"), ("unit_price", "260.00"), ("priced_on", &on)]);
    book.label("P20", &key);
}

fn rotation(book: &mut Book, n: u32) {
    let (day, org) = (some_day(book), format!("minmetals/p05-{n}"));
    let (a, b) = (book.company(), book.company());
    for turn in 0..6 {
        let at = day - 50 + turn * 12;
        let t = tender(book, &org, at, &[("tenderers", "2")]);
        let (low, high) = if turn % 2 == 0 { (&a, &b) } else { (&b, &a) };
        bid(book, &org, at + 10, &[("tender", &t), ("amount", "100"), ("bidder", low)]);
        bid(book, &org, at + 10, &[("tender", &t), ("amount", "105"), ("bidder", high)]);
        award(book, &org, at + 20, &[("tender", &t), ("supplier", low), ("amount", "100"), ("class", "330000")]);
    }
    let (first, second) = if a < b { (&a, &b) } else { (&b, &a) };
    book.label("P05", &format!("{first}|{second}"));
}

fn tenders(book: &mut Book, n: u32) {
    let day = some_day(book);
    let ends = book.time(day + 9, 17, 0);
    let t = tender(book, &format!("minmetals/p12-{n}"), day, &[("ends_at", &ends)]);
    book.label("P12", &t);
    let t = tender(book, &format!("minmetals/p13-{n}"), day, &[("tenderers", "1")]);
    book.label("P13", &t);
    let org = format!("minmetals/p14-{n}");
    let (t, who) = (tender(book, &org, day, &[("tenderers", "2")]), book.company());
    bid(book, &org, day + 10, &[("tender", &t), ("amount", "100"), ("bidder", &who)]);
    bid(book, &org, day + 10, &[("tender", &t), ("amount", "160")]);
    let a = award(book, &org, day + 25, &[("tender", &t), ("supplier", &who), ("amount", "100"), ("class", "330000")]);
    book.label("P14", &a);
    let org = format!("minmetals/p15-{n}");
    let (t, who, late) = (tender(book, &org, day, &[]), book.company(), book.time(day + 22, 9, 0));
    bid(book, &org, day + 22, &[("tender", &t), ("amount", "100"), ("bidder", &who), ("submitted_at", &late)]);
    let a = award(book, &org, day + 25, &[("tender", &t), ("supplier", &who), ("amount", "100"), ("class", "330000")]);
    book.label("P15", &a);
}

fn evaluations(book: &mut Book, n: u32) {
    let day = some_day(book);
    let org = format!("minmetals/p16-{n}");
    let (t, who) = (tender(book, &org, day, &[("tenderers", "2")]), book.company());
    bid(book, &org, day + 10, &[("tender", &t), ("amount", "100"), ("bidder", &who)]);
    bid(book, &org, day + 10, &[("tender", &t), ("amount", "108"), ("status", "disqualified")]);
    let a = award(book, &org, day + 25, &[("tender", &t), ("supplier", &who), ("amount", "100"), ("class", "330000")]);
    book.label("P16", &a);
    let org = format!("minmetals/p17-{n}");
    let (t, who) = (tender(book, &org, day, &[]), book.company());
    bid(book, &org, day + 10, &[("tender", &t), ("amount", "100"), ("bidder", &who)]);
    bid(book, &org, day + 10, &[("tender", &t), ("amount", "105")]);
    bid(book, &org, day + 10, &[("tender", &t), ("amount", "80"), ("status", "disqualified")]);
    let a = award(book, &org, day + 25, &[("tender", &t), ("supplier", &who), ("amount", "100"), ("class", "330000")]);
    book.label("P17", &a);
    let (org, who) = (format!("minmetals/p18-{n}"), book.company());
    for turn in 0..4 {
        let (at, status) = (day + turn, if turn == 0 { "valid" } else { "disqualified" });
        let t = tender(book, &org, at, &[]);
        bid(book, &org, at + 1, &[("tender", &t), ("bidder", &who), ("amount", "100"), ("status", status)]);
    }
    let year = book.day(day + 1).year();
    book.label("P18", &format!("{who}|{year}"));
}

fn winners(book: &mut Book, n: u32) {
    let day = some_day(book).min(book.days() - 90);
    let (org, who) = (format!("minmetals/p19-{n}"), book.company());
    let start = if book.day(day).month() >= 11 { day - 70 } else { day };
    for class in 10..18 {
        let (t, class) = (book.key("t"), format!("{class}0000"));
        award(book, &org, start + 1, &[("tender", &t), ("supplier", &who), ("amount", "100"), ("class", &class)]);
    }
    let year = book.day(start + 1).year();
    book.label("P19", &format!("{who}|{year}"));
    let (org, who) = (format!("minmetals/p21-{n}"), book.key("new-company-"));
    let (registered, t) = (book.date(day - 20), book.key("t"));
    book.fact(
        "party",
        &who,
        "minmetals/hq",
        &registered,
        &[("uscc", &who), ("name", &who), ("type", "person"), ("registered_on", &registered)],
    );
    let a = award(book, &org, day, &[("tender", &t), ("supplier", &who), ("amount", "3000000"), ("class", "330000")]);
    book.label("P21", &a);
}
