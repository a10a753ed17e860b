//! The public camt and MT940 samples of the reference data against the parses published with them.
#![allow(clippy::disallowed_methods, reason = "the samples are files")]

use minewatch_feed::bytes::Encoding;
use minewatch_feed::camt::Camt;
use minewatch_feed::mt940::Mt940;
use minewatch_feed::statement::{Entry, Item, NotPossible, Settles, Statement};
use minewatch_feed::{Fault, Gravity, Problem};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// The reference data beside the repository; `None`, said aloud, when it is not there.
fn shared(folder: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(3)?.join("shared/data/business").join(folder);
    if !path.exists() {
        println!("skipped: ../shared/data/business/{folder} is not there");
        return None;
    }
    Some(path)
}

fn files(folder: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path, endings));
        } else if path.extension().is_some_and(|e| endings.iter().any(|wanted| e == *wanted)) {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[derive(Default)]
struct Read {
    entries: Vec<Entry>,
    statements: Vec<Statement>,
    problems: Vec<Problem>,
}

fn read(items: impl Iterator<Item = Item>) -> Read {
    let mut read = Read::default();
    for item in items {
        match item {
            Item::Entry(entry) => read.entries.push(*entry),
            Item::Statement(statement) => read.statements.push(*statement),
            Item::Payment(_) => panic!("no payment in a statement"),
            Item::Problem(problem) => read.problems.push(problem),
        }
    }
    read
}

fn camt(bytes: &[u8]) -> Read {
    read(Camt::new(bytes, Encoding::Auto))
}

fn mt940(bytes: &[u8]) -> Read {
    read(Mt940::new(bytes, Encoding::Auto))
}

/// The published parse's amount: minor units of the currency.
fn minor(amount: rust_decimal::Decimal, currency: &str) -> String {
    let digits = if currency == "JPY" { 0 } else { 2 };
    (amount * rust_decimal::Decimal::from(10u64.pow(digits))).trunc().normalize().to_string()
}

/// Amount, currency, date and reference of what the published parse calls an entry or a balance.
fn told(value: &Value, date: &str) -> (String, String, String) {
    let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let day = text(&format!("/{date}/0")).chars().take(10).collect();
    (text("/getAmount/getAmount"), text("/getAmount/getCurrency/getCode"), day)
}

#[test]
fn every_camt_sample_gives_the_published_entries_and_balances() {
    let Some(folder) = shared("camt") else { return };
    let (mut seen, mut with_balances, mut wrong) = (0, 0, Vec::new());
    for path in files(&folder, &["json"]) {
        seen += 1;
        let name = path.file_stem().expect("name").to_string_lossy().into_owned();
        let published: Value = serde_json::from_slice(&fs::read(&path).expect("json")).expect("json");
        let ours = camt(&fs::read(path.with_extension("xml")).expect("xml"));
        if ours.problems.iter().any(|p| p.gravity > Gravity::Mark) {
            wrong.push(format!("{name}: {:?}", ours.problems));
        }
        let zone = jiff::tz::TimeZone::UTC;
        let day = |when: Option<minewatch_feed::when::When>| when.map(|w| w.day(&zone).to_string()).unwrap_or_default();
        let entries: Vec<_> = ours
            .entries
            .iter()
            .map(|e| (minor(e.money.amount, &e.money.currency), e.money.currency.clone(), day(e.booked)))
            .collect();
        let expected: Vec<_> = array(&published, "getEntries").iter().map(|e| told(e, "getBookingDate")).collect();
        if entries != expected {
            wrong.push(format!("{name}: entries {entries:?} instead of {expected:?}"));
        }
        let balances: Vec<_> = ours
            .statements
            .iter()
            .flat_map(|s| &s.balances)
            .map(|b| (minor(b.money.amount, &b.money.currency), b.money.currency.clone(), day(b.when)))
            .collect();
        // A record stands in full at its first entry, or in the list of records when it has none.
        let of_entries = array(&published, "getEntries").iter().filter_map(|entry| entry.get("getRecord"));
        let records = of_entries.chain(array(&published, "getRecords")).filter(|record| record.is_object());
        let expected: Vec<_> =
            records.flat_map(|record| array(record, "getBalances")).map(|b| told(b, "getDate")).collect();
        with_balances += usize::from(!expected.is_empty());
        if balances != expected {
            wrong.push(format!("{name}: balances {balances:?} instead of {expected:?}"));
        }
    }
    println!("{} of {seen} camt samples give the published values", seen - wrong.len());
    assert!(seen >= 17 && with_balances >= 10, "only {seen} samples, {with_balances} with balances");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn array<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

#[test]
fn the_sample_that_is_wrong_on_purpose_is_a_located_error() {
    let Some(folder) = shared("camt") else { return };
    let read = camt(&fs::read(folder.join("camt053.v2.wrong.xml")).expect("sample"));
    assert_eq!((read.entries.len(), read.statements.len()), (0, 0));
    let [problem] = read.problems.as_slice() else { panic!("{:?}", read.problems) };
    assert_eq!((problem.fault, problem.gravity), (Fault::Missing, Gravity::Document));
    assert!(problem.place.line >= 8 && problem.place.path == "/Document", "{problem}");
}

#[test]
fn the_camt_samples_do_not_balance_and_are_never_said_to() {
    let Some(folder) = shared("camt") else { return };
    let mut with_both = 0;
    for path in files(&folder, &["xml"]) {
        for statement in camt(&fs::read(&path).expect("xml")).statements {
            let settles = statement.settles();
            with_both +=
                u32::from(!matches!(settles, Settles::NotPossible(NotPossible::NoOpening | NotPossible::NoClosing)));
            assert_ne!(settles, Settles::Yes, "{}", path.display());
        }
    }
    assert!(with_both >= 7, "only {with_both} statements with both balances");
}

/// Amounts of the transactions of a published parse.
fn published_amounts(text: &str) -> Option<Vec<String>> {
    let (_, transactions) = text.split_once("\ntransactions:")?;
    let blocks = transactions.split("models.Transaction\n").skip(1);
    Some(
        blocks
            .filter_map(|block| {
                let quoted = block
                    .lines()
                    .find(|line| line.trim_start().starts_with("- '") || line.trim_start().starts_with("- \""))?;
                Some(quoted.trim().trim_start_matches("- ").trim_matches(|c| c == '\'' || c == '"').to_owned())
            })
            .collect(),
    )
}

#[test]
fn every_mt940_sample_gives_the_published_amounts() {
    let Some(folder) = shared("mt940") else { return };
    let (mut seen, mut wrong) = (0, Vec::new());
    for path in files(&folder, &["sta"]) {
        let Ok(published) = fs::read_to_string(path.with_extension("yml")) else { continue };
        let Some(expected) = published_amounts(&published) else { continue };
        seen += 1;
        let ours = mt940(&fs::read(&path).expect("sample"));
        let normal =
            |text: &str| text.parse::<rust_decimal::Decimal>().map(|d| d.normalize().to_string()).unwrap_or_default();
        // The published parses leave RC and RD without their sign; a reversal of a credit is a debit.
        let unsigned = |text: String, reversal: bool| if reversal { text.replace('-', "") } else { text };
        let amounts: Vec<String> =
            ours.entries.iter().map(|e| unsigned(e.money.amount.normalize().to_string(), e.reversal)).collect();
        let expected: Vec<String> = expected.iter().map(|text| normal(text)).collect();
        if amounts != expected {
            wrong.push(format!("{}: {amounts:?} instead of {expected:?} {:?}", path.display(), ours.problems));
        }
    }
    println!("{} of {seen} MT940 samples give the published amounts", seen - wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen >= 30, "only {seen} samples");
}

#[test]
fn balance_pairs_settle_and_every_other_one_is_explained() {
    let Some(folder) = shared("mt940") else { return };
    let (mut pairs, mut settled, mut explained) = (0, 0, Vec::new());
    for path in files(&folder, &["sta", "txt"]) {
        let name = path.strip_prefix(&folder).expect("inside").display().to_string();
        for statement in mt940(&fs::read(&path).expect("sample")).statements {
            match statement.settles() {
                Settles::Yes => (pairs, settled) = (pairs + 1, settled + 1),
                Settles::NotPossible(NotPossible::NoOpening | NotPossible::NoClosing) => {}
                other @ (Settles::Break { .. } | Settles::NotPossible(_)) => {
                    pairs += 1;
                    explained.push(format!("{name} {} {}: {other:?}", statement.place, statement.label()));
                }
            }
        }
    }
    println!("{settled} of {pairs} MT940 balance pairs settle; the others:\n{}", explained.join("\n"));
    assert!(settled >= 97, "{settled} of {pairs}:\n{}", explained.join("\n"));
}
