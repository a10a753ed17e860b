//! Clean business: everything in order, at realistic volumes.

use super::book::{Book, UNITS};
use super::money::yuan;

/// Everything clean.
pub(super) fn all(book: &mut Book, volume: u32) {
    let companies: Vec<String> = (0..200).map(|_| book.company()).collect();
    accounts(book);
    for day in 0..book.days() {
        if book.works(day) {
            for _ in 0..3 * volume {
                purchase(book, day, &companies);
            }
            for _ in 0..5 * volume {
                price(book, day, &companies);
            }
            payments(book, day, volume);
        }
        statements(book, day);
        if day % 30 == 29 {
            month(book, day, &companies);
        }
    }
    legal(book);
}

fn accounts(book: &mut Book) {
    let first = book.date(0);
    for unit in 1..=UNITS {
        let (org, account) = (format!("minmetals/c{unit:02}"), format!("acc-{unit:02}"));
        book.fact("bank_account", &account, &org, &first, &[("account", &account), ("linked", "true")]);
    }
    for n in 0..300 {
        let (account, seen) = (format!("payee-{n:03}"), book.date(-400));
        book.fact("beneficiary", &account, "minmetals/hq", &first, &[("account", &account), ("first_seen", &seen)]);
    }
    for year in ["2025", "2026", "2027", "2028", "2029", "2030"] {
        for unit in 1..=UNITS {
            let org = format!("minmetals/c{unit:02}");
            let fields = [("item", "operations"), ("year", year), ("amount", "90000000000")];
            book.fact("budget", &format!("budget-{unit}-{year}"), &org, &first, &fields);
            let plan = [("year", year), ("cases", "900"), ("amount", "90000000000")];
            book.fact("legal_plan", &format!("plan-{unit}-{year}"), &org, &first, &plan);
        }
    }
}

/// A tender with its bids, award, contract and receipt. Its amount is above the limit of goods: what was
/// tendered is no splitting, however often it comes. A unit takes its suppliers in turn: nobody has most of
/// a class.
fn purchase(book: &mut Book, day: i32, companies: &[String]) {
    let org = book.unit();
    let base = book.between(2_100_000.0, 3_900_000.0);
    let some = (book.turn(&org) * 7 % 190) as i32;
    // A supplier stays with its class; who bids beside it changes.
    let (tender, class) = (book.key("t"), format!("{}0011", 40 + some % 20));
    let beside = [0, 1 + book.pick(0, 60), 70 + book.pick(0, 60), 135 + book.pick(0, 60)];
    let (close, decide, sign) = (day + 22, day + 30, day + 40);
    let (opened, ends) = (book.date(day), book.time(close, 17, 0));
    let about = [
        ("buyer", org.as_str()),
        ("category", "goods"),
        ("class", &class),
        ("method", "open"),
        ("starts_on", &opened),
        ("ends_at", &ends),
        ("tenderers", "4"),
    ];
    book.fact("tender", &tender, &org, &opened, &about);
    let mut price = base;
    for (n, other) in (0..4).zip(beside) {
        let at = close - 1 - n;
        let (bid, given, when) = (book.key("b"), book.date(at), book.time(at, 10, 0));
        let (amount, mark) = (yuan(price), bid.clone());
        let bidder = &companies[(some + other) as usize % companies.len()];
        let fields = [
            ("tender", tender.as_str()),
            ("bidder", bidder),
            ("buyer", &org),
            ("amount", &amount),
            ("status", "valid"),
            ("submitted_at", &when),
            ("mac", &mark),
            ("ip", &mark),
            ("author", &mark),
        ];
        book.fact("bid", &bid, &org, &given, &fields);
        price *= 1.0 + book.between(0.03, 0.08);
    }
    let (award, contract, decided) = (book.key("a"), book.key("c"), book.date(decide));
    let (winner, amount) = (companies[some as usize % companies.len()].clone(), yuan(base));
    let fields = [
        ("tender", tender.as_str()),
        ("buyer", &org),
        ("supplier", &winner),
        ("amount", &amount),
        ("status", "active"),
        ("class", &class),
        ("decided_on", &decided),
    ];
    book.fact("award", &award, &org, &decided, &fields);
    let (signed, approved) = (book.date(sign), book.date(sign - 3));
    let fields = [
        ("tender", tender.as_str()),
        ("buyer", &org),
        ("supplier", &winner),
        ("category", "goods"),
        ("class", &class),
        ("amount", &amount),
        ("budget", &amount),
        ("method", "tender"),
        ("approval_id", &tender),
        ("approved_on", &approved),
        ("signed_on", &signed),
    ];
    book.fact("contract", &contract, &org, &signed, &fields);
    let (receipt, received) = (book.key("r"), book.date(sign + 20));
    let fields = [("contract", contract.as_str()), ("received_on", &received), ("amount", &amount)];
    book.fact("receipt", &receipt, &org, &received, &fields);
}

fn price(book: &mut Book, day: i32, companies: &[String]) {
    // Few enough items that each is bought several times in any 90 days.
    let item = book.pick(0, 15);
    let (key, at, usual) = (book.key("q"), book.date(day), 100.0 + f64::from(item) * 7.0);
    let unit_price = yuan(usual * book.between(0.95, 1.05));
    let supplier = companies[item as usize].clone();
    let fields = [
        ("item", format!("item-{item}")),
        ("unit_price", unit_price),
        ("supplier", supplier),
        ("priced_on", at.clone()),
    ];
    let fields: Vec<(&str, &str)> = fields.iter().map(|(k, v)| (*k, v.as_str())).collect();
    book.fact("price", &key, "minmetals/hq", &at, &fields);
}

fn payments(book: &mut Book, day: i32, volume: u32) {
    for unit in 1..=UNITS {
        for n in 0..5 * volume.min(2) {
            let (key, org) = (book.key("p"), format!("minmetals/c{unit:02}"));
            let amount = yuan(10f64.powf(book.between(2.5, 5.5)) + 0.01);
            let payee = format!("payee-{:03}", book.pick(0, 300));
            let minute = 60 * 8 + n * (600 / (5 * volume.min(2)));
            let (at, account, invoice) =
                (book.time(day, minute / 60, minute % 60), format!("acc-{unit:02}"), key.clone());
            let fields = [
                ("payer_account", account.as_str()),
                ("payee_account", &payee),
                ("payee", &payee),
                ("payee_type", "company"),
                ("area", "CN"),
                ("amount", &amount),
                ("invoice", &invoice),
                ("org_limit", "5000000"),
                ("approval_id", &key),
                ("maker", "wang"),
                ("checker", "li"),
                ("paid_at", &at),
                ("budget_item", "operations"),
            ];
            book.fact("payment", &key, &org, &at, &fields);
        }
    }
}

fn statements(book: &mut Book, day: i32) {
    for unit in 1..=UNITS {
        let (org, account, on) = (format!("minmetals/c{unit:02}"), format!("acc-{unit:02}"), book.date(day));
        let (opening, closing) = (f64::from(day) * 1_000.37, f64::from(day + 1) * 1_000.37);
        let (opening, closing) = (yuan(opening), yuan(closing));
        let cents = |text: &str| text.replace('.', "").parse::<i64>().unwrap_or(0);
        let moved = cents(&closing) - cents(&opening);
        let entries = format!("{}.{:02}", moved / 100, moved % 100);
        let (due, cutoff, arrived) =
            (format!("due-{account}-{on}"), book.time(day + 1, 9, 0), book.time(day + 1, 7, 0));
        book.fact("statement_due", &due, &org, &on, &[("account", &account), ("day", &on), ("cutoff_at", &cutoff)]);
        let fields = [
            ("account", account.as_str()),
            ("day", &on),
            ("opening", &opening),
            ("entries", &entries),
            ("closing", &closing),
        ];
        book.known("statement", &format!("st-{account}-{on}"), &org, (&on, &arrived), &fields);
    }
}

/// What is told once a month.
fn month(book: &mut Book, day: i32, companies: &[String]) {
    let at = book.date(day);
    for (n, party) in companies.iter().enumerate() {
        let (org, due) = (format!("minmetals/c{:02}", n % UNITS as usize + 1), 200_000.0 + n as f64 * 1_000.0);
        let part = |share: f64| yuan(due * share);
        let fields = [
            ("party", party.clone()),
            ("receivable", part(1.0)),
            ("prepaid", part(0.1)),
            ("stock", part(0.1)),
            ("guarantee", "0".into()),
            ("collateral", part(0.2)),
            ("limit", part(2.0)),
            ("overdue", "0".into()),
            ("overdue_days", "0".into()),
            ("age_0_30", part(0.7)),
            ("age_31_60", part(0.15)),
            ("age_61_90", part(0.1)),
            ("age_over_90", part(0.05)),
        ];
        let fields: Vec<(&str, &str)> = fields.iter().map(|(k, v)| (*k, v.as_str())).collect();
        book.fact("exposure", &format!("exposure-{n}"), &org, &at, &fields);
        let rating = [("party", party.as_str()), ("rating", "3"), ("limit_withdrawn", "false"), ("claim", "false")];
        book.fact("insurer_signal", &format!("rating-{n}-{at}"), &org, &at, &rating);
    }
    for unit in 1..=UNITS {
        let org = format!("minmetals/c{unit:02}");
        book.fact(
            "pooling",
            &format!("pool-{unit}"),
            &org,
            &at,
            &[("pooled", "95"), ("poolable", "100"), ("target", "0.9")],
        );
        book.fact("liquidity", &format!("liquid-{unit}"), &org, &at, &[("cash", "500"), ("unused_lines", "500")]);
        let ahead = book.date(day + 20);
        book.fact(
            "forecast",
            &format!("forecast-{unit}-{at}"),
            &org,
            &at,
            &[("day", &ahead), ("balance", "900"), ("floor", "100")],
        );
        let (bill, due, paid) = (format!("bill-{unit}-{at}"), book.date(day + 90), book.date(day + 70));
        let fields = [
            ("due_on", due.as_str()),
            ("amount", "100000"),
            ("paid", "false"),
            ("acceptor", "bank"),
            ("acceptor_rating", "2"),
            ("chain_complete", "true"),
            ("centralised", "true"),
        ];
        book.fact("bill", &bill, &org, &at, &fields);
        let mut after = fields;
        after[2].1 = "true";
        book.known("bill", &bill, &org, (&at, &paid), &after);
    }
}

fn legal(book: &mut Book) {
    for day in (0..book.days()).step_by(6) {
        let unit = book.pick(1, UNITS as i32 + 1);
        let (org, at, other) = (format!("minmetals/c{unit:02}"), book.date(day), book.company());
        let (key, cause) = (book.key("k"), format!("cause-{unit}"));
        let (amount, hearing, acted) =
            (yuan(book.between(50_000.0, 900_000.0)), book.date(day + 60), book.date(day + 20));
        let fields = [
            ("counterparty", other.as_str()),
            ("cause", &cause),
            ("unit", &org),
            ("amount", &amount),
            ("net_profit", "900000000"),
            ("opened_on", &at),
            ("filed_on", &at),
            ("hearing_on", &hearing),
            ("acted_on", &acted),
        ];
        book.fact("legal_case", &key, &org, &at, &fields);
    }
}
