//! Red flags as sentences over releases.

use super::{Folded, RedFlags, Settings};
use proptest::prelude::*;
use serde_json::{Value, json};

fn flags(settings: &str, lines: &[Value]) -> Value {
    let mut flags = RedFlags::new(Settings::parse(settings).expect("settings"), false);
    for line in lines {
        flags.fold(line.to_string().as_bytes()).expect("JSON");
    }
    serde_json::to_value(flags.finish().without_meta()).expect("serialises")
}

fn bid(tenderer: &str, status: &str, amount: f64) -> Value {
    json!({ "status": status, "tenderers": [{ "id": tenderer }], "value": { "amount": amount, "currency": "CNY" } })
}

fn process(ocid: &str, winner: &str, bids: &[Value]) -> Value {
    json!({ "ocid": ocid, "bids": { "details": bids },
        "awards": [{ "status": "active", "suppliers": [{ "id": winner }] }] })
}

#[test]
fn a_period_of_fifteen_days_is_long_enough_and_a_second_less_is_not() {
    let period = |end: &str| {
        json!({ "ocid": end, "tender": { "tenderPeriod":
            { "startDate": "2026-01-01T18:00:00Z", "endDate": end } } })
    };
    let lines = [period("2026-01-16T17:59:59Z"), period("2026-01-16T18:00:00Z"), period("unknown")];
    assert_eq!(flags("[R003]", &lines), json!({ "OCID": { "2026-01-16T17:59:59Z": { "R003": 1.0 } } }));
}

#[test]
fn a_pending_award_may_still_change_the_answer_and_flags_nothing() {
    let mut open = process("A", "W", &[bid("W", "valid", 2.0), bid("D", "disqualified", 1.0)]);
    open["awards"].as_array_mut().expect("list").push(json!({ "status": "pending" }));
    assert_eq!(flags("[R035]", &[open]), json!({}));
    let closed = process("A", "W", &[bid("W", "valid", 2.0), bid("D", "disqualified", 1.0)]);
    assert_eq!(
        flags("[R035]\n[R036]", &[closed]),
        json!({ "OCID": { "A": { "R035": 1.0, "R036": 1.0 } }, "Tenderer": { "W": { "R035": 0.0 } } })
    );
}

#[test]
fn a_late_bid_is_late_as_an_instant_not_as_a_text() {
    let mut late = process(
        "A",
        "W",
        &[json!({ "status": "valid", "date": "2026-03-15T07:30:00+08:00",
        "tenderers": [{ "id": "W" }] })],
    );
    late["tender"] = json!({ "tenderPeriod": { "endDate": "2026-03-15T00:00:00Z" } });
    assert_eq!(flags("[R030]", &[late]), json!({}), "07:30 in China is before midnight UTC");
}

#[test]
fn bids_in_another_currency_are_left_out_and_counted() {
    let mut foreign = bid("D", "disqualified", 1.0);
    foreign["value"]["currency"] = json!("USD");
    let mut set = RedFlags::new(Settings::parse("currency = CNY\n[R036]").expect("settings"), false);
    let line = process("A", "W", &[bid("W", "valid", 2.0), foreign]);
    assert_eq!(set.fold(line.to_string().as_bytes()).expect("JSON"), Folded::Taken);
    assert_eq!(set.foreign_currency_bids(), 1);
    assert_eq!(serde_json::to_value(set.finish().without_meta()).expect("serialises"), json!({}));
}

#[test]
fn a_wrong_type_counts_as_absent_and_costs_nothing_else() {
    let odd = json!({ "ocid": "A", "buyer": 7, "tender": ["x"], "bids": { "details": [null, 3, bid("W", "valid", 1.0),
        { "status": {}, "tenderers": "T", "value": [] }] }, "awards": [1, { "status": "active", "suppliers": [{ "id": "W" }] }] });
    assert_eq!(
        flags("[R003]\n[R018]\n[R024]\n[R025]\n[R028]\n[R030]\n[R035]\n[R036]\n[R038]\n[R048]\n[R058]", &[odd]),
        json!({ "Tenderer": { "W": { "R025": 1.0 } } })
    );
}

#[test]
fn a_line_that_is_not_json_counts_nothing_of_itself() {
    let mut set = RedFlags::new(Settings::parse("[R018]").expect("settings"), false);
    let cut = br#"{"ocid":"A","tender":{"numberOfTenderers":1,"procurementMethod":"open"}"#;
    assert!(set.fold(cut).is_err());
    assert_eq!(set.fold(b"  ").expect("blank"), Folded::Blank);
    assert_eq!(set.fold(b"[]").expect("not a process"), Folded::LeftOut);
    assert_eq!(serde_json::to_value(set.finish().without_meta()).expect("serialises"), json!({}));
}

#[test]
fn settings_say_every_problem_at_once_and_where() {
    let problems = Settings::parse("colour = red\n[R024]\nthreshold = much\n[R999]\n").expect_err("refused");
    let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "[R024] threshold is \"much\", which is not a number it can be",
            "[] there is no key \"colour\", or it stands twice",
            "[R999] there is no such section",
        ]
    );
}

#[test]
fn sections_of_the_peers_other_commands_are_accepted() {
    assert!(Settings::parse("[defaults]\ncurrency = USD\n[codelists.bid_status]\nqualified = valid\n[R036]").is_ok());
}

proptest! {
    #[test]
    fn any_bytes_are_an_error_or_a_line_and_never_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut set = RedFlags::new(Settings::parse("[R003]\n[R024]\n[R038]").expect("settings"), true);
        let _ = set.fold(&bytes);
        let _ = serde_json::to_string(&set.finish()).expect("serialises");
    }

    #[test]
    fn the_order_of_processes_changes_no_flag(order in Just((0..12usize).collect::<Vec<_>>()).prop_shuffle()) {
        let line = |n: usize| process(&n.to_string(), "W", &[bid("W", "valid", 100.0), bid("L", "valid", 101.0 + (n * n) as f64)]);
        let lines: Vec<Value> = order.into_iter().map(line).collect();
        let sorted: Vec<Value> = (0..12).map(line).collect();
        let settings = "[R024]\n[R025]\n[R028]\n[R038]\n[R058]";
        prop_assert_eq!(flags(settings, &lines), flags(settings, &sorted));
    }
}
