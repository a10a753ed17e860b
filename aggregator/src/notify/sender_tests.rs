//! Every pair of state and event, and random histories of two senders.

use super::*;
use proptest::prelude::*;

const NOW: At = At(1_795_600_800_000_000);

fn in_state(state: State, level: Level) -> Notice {
    Notice { state, ..Notice::blank("case-1/raised/a/b", level) }
}

fn states() -> Vec<State> {
    let until = |ms| NOW.plus_millis(ms);
    vec![
        State::Pending { attempts: 0, next_try: NOW },
        State::Pending { attempts: 0, next_try: until(1) },
        State::Claimed { attempts: 0, by: "me".to_owned(), until: until(1) },
        State::Claimed { attempts: 0, by: "me".to_owned(), until: NOW },
        State::Sent { attempts: 1, at: NOW, receipt: "ok".to_owned() },
        State::Failed { attempts: 12, at: NOW, why: "gone".to_owned() },
        State::Dropped { at: NOW, why: "closed".to_owned() },
        State::Digested { into: "d".to_owned() },
    ]
}

fn events() -> Vec<Event> {
    let answered = |by: &str, answer| Event::Answered { by: by.to_owned(), answer };
    vec![
        Event::Claim { by: "me".to_owned() },
        Event::Defer { until: NOW.plus_millis(9) },
        Event::Digest { into: "d".to_owned() },
        answered("me", Answer::Accepted { receipt: "ok".to_owned() }),
        answered("me", Answer::Retry { after_ms: None, why: "busy".to_owned() }),
        answered("me", Answer::Rejected { why: "no".to_owned() }),
        answered("you", Answer::Accepted { receipt: "ok".to_owned() }),
        Event::Cancel { why: "closed".to_owned() },
        Event::Receipt { text: "seen".to_owned() },
    ]
}

#[test]
fn every_pair_of_state_and_event_is_decided() {
    // Columns: claim, defer, digest, accepted, retry, rejected, accepted by another, cancel, receipt.
    let table = [
        ("pending, due", "claimed pending digested NotClaimed NotClaimed NotClaimed NotClaimed dropped NotSent"),
        ("pending, later", "NotDue pending digested NotClaimed NotClaimed NotClaimed NotClaimed dropped NotSent"),
        ("claimed", "Held Held Held sent pending failed NotClaimed Held NotSent"),
        ("claimed, lease over", "claimed pending Held sent pending failed NotClaimed Held NotSent"),
        ("sent", "Over Over Over Over Over Over Over Over sent"),
        ("failed", "Over Over Over Over Over Over Over Over Over"),
        ("dropped", "Over Over Over Over Over Over Over Over Over"),
        ("digested", "Over Over Over Over Over Over Over Over Over"),
    ];
    for ((name, expected), state) in table.iter().zip(states()) {
        let got: Vec<String> = events()
            .into_iter()
            .map(|event| match step(&in_state(state.clone(), Level::Yellow), event, NOW) {
                Ok((next, _)) => next.name().to_owned(),
                Err(refused) => format!("{refused:?}"),
            })
            .collect();
        assert_eq!(got.join(" "), *expected, "{name}");
    }
}

#[test]
fn red_calls_its_fallback_at_the_first_failure_and_every_level_at_the_last() {
    for (level, expected) in [(Level::Red, 1), (Level::Orange, 2), (Level::Blue, ATTEMPTS_MAX)] {
        let mut notice = in_state(State::Pending { attempts: 0, next_try: NOW }, level);
        let (mut now, mut fallbacks, mut failures) = (NOW, Vec::new(), 0);
        while notice.state.name() == "pending" {
            notice.state = step(&notice, Event::Claim { by: "me".to_owned() }, now).expect("claims").0;
            let busy = Answer::Retry { after_ms: None, why: "busy".to_owned() };
            let (state, effects) =
                step(&notice, Event::Answered { by: "me".to_owned(), answer: busy }, now).expect("answered");
            failures += 1;
            if !effects.is_empty() {
                fallbacks.push(failures);
            }
            if let State::Pending { next_try, .. } = state {
                assert!(next_try > now);
                now = next_try;
            }
            notice.state = state;
        }
        assert_eq!(notice.state.name(), "failed");
        assert_eq!(fallbacks.first(), Some(&expected), "{level:?}");
        assert_eq!(fallbacks.last(), Some(&ATTEMPTS_MAX), "{level:?}");
    }
}

#[test]
fn a_receiver_that_asks_for_time_is_not_called_before() {
    let notice = in_state(State::Claimed { attempts: 0, by: "me".to_owned(), until: NOW }, Level::Blue);
    let wait = Answer::Retry { after_ms: Some(600_000), why: "blocked".to_owned() };
    let (state, _) = step(&notice, Event::Answered { by: "me".to_owned(), answer: wait }, NOW).expect("answered");
    assert_eq!(state, State::Pending { attempts: 1, next_try: NOW.plus_millis(600_000) });
}

#[derive(Debug, Clone)]
enum Deed {
    Wait(i64),
    Claim(bool),
    Finish(bool, u8),
    Crash(bool),
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let deed = prop_oneof![
        (1i64..200_000).prop_map(Deed::Wait),
        any::<bool>().prop_map(Deed::Claim),
        (any::<bool>(), 0u8..3).prop_map(|(who, how)| Deed::Finish(who, how)),
        any::<bool>().prop_map(Deed::Crash),
    ];
    prop::collection::vec(deed, 1..120)
}

proptest! {
    /// Two senders that crash at will. Reference model: who believes to hold the lease, and whether
    /// the receiver has it. Sent is only said of what the receiver has; a notice that is not over can
    /// always be sent later; two valid leases never exist.
    #[test]
    fn two_senders_never_hold_one_notice_and_never_lose_it(deeds in deeds()) {
        let mut notice = in_state(State::Pending { attempts: 0, next_try: NOW }, Level::Red);
        let (mut now, mut delivered) = (NOW, 0u32);
        let mut holds: [Option<At>; 2] = [None, None];
        let name = |who: bool| format!("sender-{who}");
        for deed in deeds {
            match deed {
                Deed::Wait(ms) => now = now.plus_millis(ms),
                Deed::Crash(who) => holds[usize::from(who)] = None,
                Deed::Claim(who) => {
                    if let Ok((state, _)) = step(&notice, Event::Claim { by: name(who) }, now) {
                        notice.state = state;
                        holds[usize::from(who)] = Some(now.plus_millis(LEASE_MS));
                        let valid = holds.iter().flatten().filter(|until| **until > now).count();
                        prop_assert_eq!(valid, 1, "two valid leases");
                    }
                }
                Deed::Finish(who, how) => {
                    // An attempt takes less than the lease, so a finished one is still within it.
                    if holds[usize::from(who)].is_none_or(|until| until <= now) { continue; }
                    holds[usize::from(who)] = None;
                    let answer = match how {
                        0 => { delivered += 1; Answer::Accepted { receipt: "ok".to_owned() } }
                        1 => Answer::Retry { after_ms: None, why: "busy".to_owned() },
                        _ => Answer::Rejected { why: "no".to_owned() },
                    };
                    if let Ok((state, effects)) = step(&notice, Event::Answered { by: name(who), answer }, now) {
                        if matches!(state, State::Failed { .. }) { prop_assert_eq!(effects, vec![Effect::Fallback]); }
                        notice.state = state;
                    }
                }
            }
            if matches!(notice.state, State::Sent { .. }) { prop_assert!(delivered > 0); }
        }
        let over = matches!(notice.state, State::Sent { .. } | State::Failed { .. });
        let much_later = now.plus_millis(86_400_000);
        let claim = Event::Claim { by: "later".to_owned() };
        let can_go_on = step(&notice, claim, much_later).is_ok();
        prop_assert!(over || can_go_on);
    }
}
