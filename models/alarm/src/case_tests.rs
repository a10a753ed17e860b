//! Every pair of state and event, deadlines, and random walks against the rules of the loop.

use crate::{Case, CaseEvent, CaseRefused, CaseState, Policy, What};
use minewatch_domain::{At, Level};
use proptest::prelude::*;

fn at(ms: i64) -> At {
    At::from_millis(ms)
}

fn policy() -> Policy {
    Policy {
        ladder_ms: vec![0, 100, 300],
        assign_ms: 1_000,
        start_ms: 1_000,
        submit_ms: 1_000,
        verify_ms: 1_000,
        close_ms: 1_000,
        suppress_ms_max: 10_000,
        reopen_ms: 50_000,
    }
}

fn event(what: What, by: &str, now: i64) -> CaseEvent {
    CaseEvent { what, by: by.into(), second: None, at: at(now) }
}

fn what(name: &str) -> (What, &'static str) {
    let reason = || "r".to_owned();
    match name {
        "joined_same" => (What::AlarmJoined { level: Level::Orange }, "minewatch"),
        "joined_worse" => (What::AlarmJoined { level: Level::Red }, "minewatch"),
        "called" => (What::Called, "minewatch"),
        "acknowledge" => (What::Acknowledge, "li"),
        "assign" => (What::Assign { to: "wang".into() }, "li"),
        "start" => (What::Start, "wang"),
        "submit" => (What::Submit { cause: "c".into(), measure: "m".into() }, "wang"),
        "verify" => (What::Verify, "li"),
        "reject" => (What::Reject { reason: reason() }, "li"),
        "close" => (What::Close, "li"),
        "false_positive" => (What::FalsePositive { reason: reason() }, "li"),
        "suppress" => (What::Suppress { until: at(5_000), reason: reason() }, "li"),
        "resume" => (What::Resume, "minewatch"),
        "reopen" => (What::Reopen { reason: reason() }, "li"),
        other => unreachable!("{other}"),
    }
}

fn case_in(state: CaseState) -> Case {
    let path: &[&str] = match state {
        CaseState::Raised => &[],
        CaseState::Pushed => &["called"],
        CaseState::Acknowledged => &["called", "acknowledge"],
        CaseState::Assigned => &["called", "acknowledge", "assign"],
        CaseState::Rectifying => &["acknowledge", "assign", "start"],
        CaseState::Submitted => &["acknowledge", "assign", "start", "submit"],
        CaseState::Verified => &["acknowledge", "assign", "start", "submit", "verify"],
        CaseState::Closed => &["acknowledge", "assign", "start", "submit", "verify", "close"],
        CaseState::FalsePositive => &["acknowledge", "false_positive"],
        CaseState::Suppressed => &["acknowledge", "suppress"],
        CaseState::Reopened => &["acknowledge", "suppress", "resume"],
    };
    let case = path.iter().fold(Case::raised(Level::Orange, at(0)), |case, name| {
        let (what, by) = what(name);
        case.step(&event(what, by, 10), &policy()).unwrap()
    });
    assert_eq!(case.state, state);
    case
}

/// Rows: events; columns: states in the order of `CaseState::ALL`; `-` is refused.
const TABLE: &[(&str, [&str; 11])] = &[
    (
        "joined_same",
        [
            "raised",
            "pushed",
            "acknowledged",
            "assigned",
            "rectifying",
            "reopened",
            "reopened",
            "reopened",
            "reopened",
            "suppressed",
            "reopened",
        ],
    ),
    (
        "joined_worse",
        [
            "raised", "raised", "raised", "raised", "raised", "reopened", "reopened", "reopened", "reopened",
            "reopened", "raised",
        ],
    ),
    (
        "called",
        [
            "pushed",
            "pushed",
            "acknowledged",
            "assigned",
            "rectifying",
            "submitted",
            "verified",
            "-",
            "-",
            "-",
            "pushed",
        ],
    ),
    ("acknowledge", ["acknowledged", "acknowledged", "-", "-", "-", "-", "-", "-", "-", "-", "acknowledged"]),
    ("assign", ["-", "-", "assigned", "assigned", "assigned", "-", "-", "-", "-", "-", "-"]),
    ("start", ["-", "-", "-", "rectifying", "-", "-", "-", "-", "-", "-", "-"]),
    ("submit", ["-", "-", "-", "-", "submitted", "-", "-", "-", "-", "-", "-"]),
    ("verify", ["-", "-", "-", "-", "-", "verified", "-", "-", "-", "-", "-"]),
    ("reject", ["-", "-", "-", "-", "-", "rectifying", "-", "-", "-", "-", "-"]),
    ("close", ["-", "-", "-", "-", "-", "-", "closed", "-", "-", "-", "-"]),
    ("false_positive", ["-", "-", "false_positive", "false_positive", "false_positive", "-", "-", "-", "-", "-", "-"]),
    ("suppress", ["-", "-", "suppressed", "suppressed", "suppressed", "-", "-", "-", "-", "-", "-"]),
    ("resume", ["-", "-", "-", "-", "-", "-", "-", "-", "-", "reopened", "-"]),
    ("reopen", ["-", "-", "-", "-", "-", "-", "-", "reopened", "reopened", "-", "-"]),
];

#[test]
fn every_event_in_every_state_does_what_the_table_says() {
    for (name, row) in TABLE {
        for (state, expected) in CaseState::ALL.into_iter().zip(row) {
            let (what, by) = what(name);
            let after = case_in(state).step(&event(what, by, 20), &policy());
            let got = after.as_ref().map_or("-", |case| case.state.name());
            assert_eq!(got, *expected, "{name} of {}", state.name());
            if let Err(refused) = after {
                assert!(matches!(refused, CaseRefused::NotFrom { .. }), "{name} of {}: {refused}", state.name());
            }
        }
    }
}

#[test]
fn the_handler_does_not_verify_and_nobody_else_starts_or_submits() {
    let refused = |state, what: What, by: &str| case_in(state).step(&event(what, by, 20), &policy()).err();
    assert_eq!(refused(CaseState::Submitted, What::Verify, "wang"), Some(CaseRefused::SamePerson));
    let reject = What::Reject { reason: "r".into() };
    assert_eq!(refused(CaseState::Submitted, reject, "wang"), Some(CaseRefused::SamePerson));
    assert_eq!(refused(CaseState::Assigned, What::Start, "li"), Some(CaseRefused::NotHandler));
    let submit = What::Submit { cause: "c".into(), measure: "m".into() };
    assert_eq!(refused(CaseState::Rectifying, submit, "li"), Some(CaseRefused::NotHandler));
    let bare = What::Submit { cause: " ".into(), measure: "m".into() };
    assert_eq!(refused(CaseState::Rectifying, bare, "wang"), Some(CaseRefused::NoText));
}

#[test]
fn a_red_case_is_laid_down_by_two_people_only() {
    let red = || {
        let case = Case::raised(Level::Red, at(0));
        case.step(&event(What::Acknowledge, "li", 1), &policy()).unwrap()
    };
    for name in ["false_positive", "suppress"] {
        let (what, by) = what(name);
        let alone = event(what, by, 20);
        assert_eq!(red().step(&alone, &policy()).unwrap_err(), CaseRefused::SecondPerson);
        let twice_the_same = CaseEvent { second: Some(by.into()), ..alone.clone() };
        assert_eq!(red().step(&twice_the_same, &policy()).unwrap_err(), CaseRefused::SecondPerson);
        assert!(red().step(&CaseEvent { second: Some("wang".into()), ..alone }, &policy()).is_ok());
    }
}

#[test]
fn an_unanswered_case_climbs_the_ladder_and_an_answer_stops_it() {
    let policy = policy();
    let mut case = Case::raised(Level::Orange, at(0));
    let mut calls = Vec::new();
    for ms in 0..1_000 {
        while let Some(what) = case.tick(&policy, at(ms)) {
            calls.push((ms, case.step));
            case = case.step(&event(what, "minewatch", ms), &policy).unwrap();
        }
    }
    assert_eq!(calls, [(0, 0), (100, 1), (300, 2)]);
    assert_eq!(case.due(&policy), None);
    let answered = case.step(&event(What::Acknowledge, "li", 1_000), &policy).unwrap();
    assert_eq!(answered.due(&policy), Some(at(2_000)), "the next deadline is the assignment");
    assert_eq!(answered.tick(&policy, at(2_000)), Some(What::Called));
    let late = answered.step(&event(What::Called, "minewatch", 2_000), &policy).unwrap();
    assert!(late.overdue());
    assert_eq!((late.state, late.step, late.due(&policy)), (CaseState::Acknowledged, 4, Some(at(3_000))));
}

#[test]
fn a_closed_case_is_opened_again_for_some_days_only() {
    let reopen = |ms| case_in(CaseState::Closed).step(&event(What::Reopen { reason: "r".into() }, "li", ms), &policy());
    let again = reopen(50_010).unwrap();
    assert_eq!((again.state, again.round, again.reopened, again.verified_by), (CaseState::Reopened, 1, 1, None));
    assert_eq!(reopen(50_011).unwrap_err(), CaseRefused::TooOld);
}

fn walk() -> impl Strategy<Value = Vec<(usize, u8, i64)>> {
    proptest::collection::vec((0usize..TABLE.len(), 0u8..3, 0i64..2_000), 1..80)
}

proptest! {
    #[test]
    fn no_walk_through_the_loop_breaks_its_rules_and_replay_gives_the_same_case(walk in walk()) {
        let policy = policy();
        let mut case = Case::raised(Level::Orange, at(0));
        let (mut taken, mut steps, mut now) = (Vec::new(), std::collections::BTreeSet::new(), 0i64);
        for (index, by, wait) in walk {
            now += wait;
            let (mut what, _) = what(TABLE[index].0);
            if let What::Suppress { until, .. } = &mut what { *until = at(now + 100); }
            if let What::Assign { to } = &mut what { *to = format!("p{by}"); }
            let event = CaseEvent { what, by: format!("p{by}"), second: Some("chief".into()), at: at(now) };
            let before = case.clone();
            match case.clone().step(&event, &policy) {
                Ok(after) => {
                    if event.what == What::Called {
                        prop_assert!(steps.insert((before.round, before.step)), "a rung was taken twice");
                    }
                    case = after;
                    taken.push(event);
                }
                Err(_) => prop_assert_eq!(&case, &before),
            }
            prop_assert!(case.round >= before.round);
            if case.state == CaseState::Closed {
                prop_assert!(case.cause.is_some() && case.measure.is_some());
                prop_assert!(case.verified_by.is_some() && case.verified_by != case.handler);
                prop_assert!(case.verified_by != case.submitted_by);
            }
        }
        let replayed = Case::replay(Level::Orange, at(0), &taken, &policy).unwrap();
        prop_assert_eq!(replayed, case);
    }
}
