//! Planted risks of treasury.

use super::book::Book;
use super::procurement::some_day;

/// One plant of every treasury rule.
pub(super) fn plant(book: &mut Book, n: u32) {
    approvals(book, n);
    beneficiaries(book, n);
    patterns(book, n);
    accounts(book, n);
    positions(book, n);
    promises(book, n);
    digits(book, n);
}

/// A payment at a moment; what is not said otherwise is in order.
fn pay(book: &mut Book, org: &str, at: &str, more: &[(&str, &str)]) -> String {
    let (key, number) = (book.key("p"), book.pick(1_000, 90_000));
    let (payee, amount) = (format!("payee-{key}"), format!("{number}.{:02}", number % 97 + 1));
    let mut fields = vec![
        ("payer_account", "acc-plant"),
        ("payee_account", payee.as_str()),
        ("payee", payee.as_str()),
        ("payee_type", "company"),
        ("area", "CN"),
        ("amount", amount.as_str()),
        ("invoice", key.as_str()),
        ("org_limit", "5000000"),
        ("approval_id", key.as_str()),
        ("maker", "wang"),
        ("checker", "li"),
        ("paid_at", at),
    ];
    fields.retain(|(name, _)| more.iter().all(|(other, _)| name != other));
    fields.extend(more.iter().filter(|(_, value)| !value.is_empty()));
    book.fact("payment", &key, org, at, &fields);
    key
}

/// A registered account of its own, so that plants do not meet.
fn account(book: &mut Book, org: &str) -> String {
    let (key, first) = (book.key("acct-"), book.date(0));
    book.fact("bank_account", &key, org, &first, &[("account", &key), ("linked", "true")]);
    key
}

fn approvals(book: &mut Book, n: u32) {
    let (day, org) = (some_day(book), format!("minmetals/pay-{n}"));
    let from = account(book, &org);
    let at = |book: &Book, hour| book.time(day, hour, 5);
    let when = at(book, 9);
    let key = pay(book, &org, &when, &[("payer_account", &from), ("amount", "6000000.01"), ("approval_id", "")]);
    book.label("T01", &key);
    let to = book.key("same-payee-");
    let when = at(book, 10);
    pay(book, &org, &when, &[("payer_account", &from), ("payee_account", &to), ("amount", "77777.77")]);
    let again = book.working(day + 2);
    let when = book.time(again, 11, 5);
    let key = pay(book, &org, &when, &[("payer_account", &from), ("payee_account", &to), ("amount", "77777.77")]);
    book.label("T02", &key);
    let when = at(book, 12);
    let key = pay(book, &org, &when, &[("payer_account", &from), ("checker", "wang")]);
    book.label("T10", &key);
}

fn beneficiaries(book: &mut Book, n: u32) {
    let (day, org) = (some_day(book), format!("minmetals/pay-{n}"));
    let from = account(book, &org);
    let (new, seen, when) = (book.key("new-payee-"), book.date(day - 3), book.time(day, 9, 7));
    book.fact("beneficiary", &new, &org, &seen, &[("account", &new), ("first_seen", &seen)]);
    let key = pay(book, &org, &when, &[("payer_account", &from), ("payee_account", &new), ("amount", "1200000.50")]);
    book.label("T03", &key);
    let (moved, first, when) = (book.key("moved-payee-"), book.date(day - 300), book.time(day, 10, 7));
    let changed = book.date(day - 2);
    book.fact(
        "beneficiary",
        &moved,
        &org,
        &first,
        &[("account", &moved), ("first_seen", &first), ("changed_on", &changed)],
    );
    let key = pay(book, &org, &when, &[("payer_account", &from), ("payee_account", &moved)]);
    book.label("T04", &key);
    let (listed, l, since, when) = (book.key("listed-"), book.key("l"), book.date(day - 30), book.time(day, 13, 7));
    book.fact("list_entry", &l, &org, &since, &[("list", "sanction"), ("party", &listed), ("valid_from", &since)]);
    let key = pay(book, &org, &when, &[("payer_account", &from), ("payee", &listed)]);
    book.label("T09", &key);
    let when = book.time(day, 22, 30);
    let key = pay(book, &org, &when, &[("payer_account", &from)]);
    book.label("T05", &key);
}

fn patterns(book: &mut Book, n: u32) {
    let day = some_day(book);
    let org = format!("minmetals/split-{n}");
    let (from, to) = (account(book, &org), book.key("split-payee-"));
    let mut last = String::new();
    for (hour, amount) in [(9, "1900000.11"), (11, "1900000.22"), (14, "1900000.33")] {
        let when = book.time(day, hour, 0);
        last = pay(book, &org, &when, &[("payer_account", &from), ("payee_account", &to), ("amount", amount)]);
    }
    book.label("T07", &last);
    let org = format!("minmetals/fast-{n}");
    let from = account(book, &org);
    for minute in 0..7 {
        let when = book.time(day, 10, minute);
        let key = pay(book, &org, &when, &[("payer_account", &from)]);
        if minute >= 4 {
            book.label("T08", &key);
        }
    }
    let org = format!("minmetals/round-{n}");
    let from = account(book, &org);
    let start = day - i32::from(book.day(day).day()) + 1;
    let mut paid = 0;
    for at in start..start + 20 {
        if book.works(at) && paid < 8 {
            let (when, amount) = (book.time(at, 9, 0), format!("{}00000", paid + 1));
            pay(book, &org, &when, &[("payer_account", &from), ("amount", &amount)]);
            paid += 1;
        }
    }
    let month = i32::from(book.day(start).year()) * 100 + i32::from(book.day(start).month());
    book.label("T06", &format!("{org}|{month}"));
}

fn accounts(book: &mut Book, n: u32) {
    let (day, org) = (some_day(book), format!("minmetals/acct-{n}"));
    let (unknown, when) = (book.key("unregistered-"), book.time(day, 9, 30));
    let key = pay(book, &org, &when, &[("payer_account", &unknown)]);
    book.label("T12", &key);
    let (account, on, key) = (book.key("broken-"), book.date(day), book.key("st"));
    let fields = [
        ("account", account.as_str()),
        ("day", &on),
        ("opening", "100.00"),
        ("entries", "10.00"),
        ("closing", "110.01"),
    ];
    book.fact("statement", &key, &org, &on, &fields);
    book.label("T11", &key);
    let (silent, key, cutoff) = (book.key("silent-"), book.key("due"), book.time(day + 1, 9, 0));
    book.fact("statement_due", &key, &org, &on, &[("account", &silent), ("day", &on), ("cutoff_at", &cutoff)]);
    book.label("T20", &key);
}

fn positions(book: &mut Book, n: u32) {
    let (day, org) = (some_day(book), format!("minmetals/cash-{n}"));
    let at = book.date(day);
    let key = book.key("pool");
    book.fact("pooling", &key, &org, &at, &[("pooled", "70"), ("poolable", "100"), ("target", "0.85")]);
    book.label("T13", &org);
    let (key, ahead) = (book.key("fc"), book.date(day + 15));
    book.fact("forecast", &key, &org, &at, &[("day", &ahead), ("balance", "5"), ("floor", "50")]);
    book.label("T15", &key);
    let (debt, due, cash) = (book.key("debt"), book.date(day + 12), book.key("liq"));
    book.fact("debt", &debt, &org, &at, &[("due_on", &due), ("amount", "1000")]);
    book.fact("liquidity", &cash, &org, &book.date(day + 1), &[("cash", "300"), ("unused_lines", "100")]);
    book.label("T18", &org);
    let (key, from, year) = (book.key("bud"), account(book, &org), book.day(day).year());
    let (text, when) = (year.to_string(), book.time(day, 9, 40));
    book.fact("budget", &key, &org, &book.date(day - 1), &[("item", "travel"), ("year", &text), ("amount", "5000")]);
    pay(book, &org, &when, &[("payer_account", &from), ("amount", "5432.10"), ("budget_item", "travel")]);
    book.label("T16", &format!("{org}|travel|{year}"));
}

fn promises(book: &mut Book, n: u32) {
    let (day, org) = (some_day(book), format!("minmetals/bill-{n}"));
    let (at, due, key) = (book.date(day), book.date(day + 20), book.key("bill"));
    let fields = [
        ("due_on", due.as_str()),
        ("amount", "90000"),
        ("paid", "false"),
        ("acceptor", key.as_str()),
        ("acceptor_rating", "2"),
        ("chain_complete", "true"),
        ("centralised", "true"),
    ];
    book.fact("bill", &key, &org, &at, &fields);
    book.label("T14", &key);
    let (key, party) = (book.key("gua"), book.company());
    book.fact("guarantee", &key, &org, &at, &[("beneficiary", &party), ("amount", "100"), ("group_member", "false")]);
    book.label("T17", &key);
    let key = book.key("gua");
    let fields = [
        ("beneficiary", party.as_str()),
        ("amount", "100"),
        ("group_member", "true"),
        ("share", "0.5"),
        ("held_share", "0.6"),
    ];
    book.fact("guarantee", &key, &org, &at, &fields);
}

/// A thousand payments whose first digits are all high; one unit of each run, for its size.
fn digits(book: &mut Book, n: u32) {
    if n > 1 {
        return;
    }
    let org = format!("minmetals/digit-{n}");
    let from = account(book, &org);
    let (mut day, mut paid) = (book.working(190), 0);
    let year = book.day(day + 3).year();
    while paid < 1_040 && day < book.days() && book.day(day).year() <= year {
        for n in 0..if book.works(day) && book.day(day).year() == year { 20 } else { 0 } {
            let number = 50_000.0 + book.between(0.0, 49_000.0);
            let (when, amount) = (book.time(day, 8 + n / 2, n % 2 * 30), format!("{number:.2}"));
            pay(book, &org, &when, &[("payer_account", &from), ("amount", &amount)]);
            paid += 1;
        }
        day += 1;
    }
    if paid >= 1_000 {
        book.label("T19", &format!("{org}|{year}"));
    }
}
