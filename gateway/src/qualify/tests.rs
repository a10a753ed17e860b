//! Scenarios as sentences over data, and the invariants of the module doc as properties.

use super::*;
use proptest::prelude::*;

/// No check at all beyond what every point has.
pub(super) fn plain() -> QualifySettings {
    QualifySettings {
        valid: None,
        rate_max_per_s: None,
        hampel: None,
        confirm: 3,
        stuck_after_ms: None,
        stuck_tolerance: 0.0,
        stale_after_ms: 30_000,
        deadband: Deadband::EverySample,
        keep_alive_ms: 60_000,
    }
}

fn spiky() -> QualifySettings {
    let hampel = HampelSettings { window: 7, sigmas: 3.0, resolution: 0.5 };
    QualifySettings { hampel: Some(hampel), ..plain() }
}

fn moment(second: u64) -> Moment {
    Moment::new(At::from_millis(0), 500_000).plus_millis(second * 1_000)
}

/// `7` good, `7?` uncertain (sentinel), `!` timeout, `7@20` 20 s old.
fn sample(second: u64, word: &str) -> RawSample {
    let at = moment(second);
    if word == "!" {
        return RawSample::bad(at, Reason::Timeout);
    }
    let (word, age) = word.split_once('@').map_or((word, None), |(word, age)| (word, Some(age)));
    let data_age_ms = age.map(|age| age.parse::<u64>().unwrap() * 1_000);
    let (number, quality, reason) = match word.strip_suffix('?') {
        Some(number) => (number, Quality::Uncertain, Reason::Sentinel),
        None => (word, Quality::Good, Reason::None),
    };
    RawSample { at, value: Some(number.parse().unwrap()), quality, reason, data_age_ms }
}

/// One word per second from 0; the verdicts as `g`, `u:reason`, `b:reason`.
fn check(settings: &QualifySettings, samples: &str, expect: &str) {
    let mut qualifier = Qualifier::new(QualifyRule::new(settings).unwrap(), moment(0));
    let mut seen = Vec::new();
    for (count, word) in (0..).zip(samples.split_whitespace()) {
        let verdict = qualifier.step(sample(count, word));
        seen.push(match verdict.quality {
            Quality::Good => "g".to_owned(),
            Quality::Uncertain => format!("u:{}", verdict.reason.name()),
            Quality::Bad => format!("b:{}", verdict.reason.name()),
        });
    }
    assert_eq!(seen.join(" "), expect, "{samples}");
}

#[test]
fn what_is_no_measurement_is_bad_with_its_reason() {
    let ranged = QualifySettings { valid: Some((0.0, 10.0)), ..plain() };
    check(
        &ranged,
        "0 10 10.1 -0.1 NaN inf ! 5 5?",
        "g g b:out_of_range b:out_of_range b:not_finite b:not_finite b:timeout g u:sentinel",
    );
    let mut qualifier = Qualifier::new(QualifyRule::new(&ranged).unwrap(), moment(0));
    let verdict = qualifier.step(sample(0, "NaN"));
    assert_eq!(verdict.value, None, "a value to show is always a number");
    let empty = RawSample { value: None, ..sample(1, "5") };
    assert_eq!(qualifier.step(empty).reason, Reason::DecodeFault);
    let broken = RawSample { quality: Quality::Bad, reason: Reason::StatusBit, ..sample(2, "5") };
    let verdict = qualifier.step(broken);
    assert_eq!((verdict.value, verdict.quality, verdict.reason), (Some(5.0), Quality::Bad, Reason::StatusBit));
}

#[test]
fn a_value_older_than_allowed_is_stale_by_the_instruments_own_word() {
    check(&plain(), "5@0 5@30 5@31 6@2", "g g b:stale g");
}

#[test]
fn a_lone_spike_is_bad_and_leaves_no_trace() {
    check(&spiky(), "5 5 5 5 5 90 5 5 -80 5 5", "g g g g g b:spike g g b:spike g g");
}

#[test]
fn frequent_spikes_stay_spikes_as_long_as_trusted_samples_outnumber_them() {
    let third = "5 5 9 ".repeat(60);
    let verdicts = "g g b:spike ".repeat(60);
    check(&spiky(), &format!("5 5 5 5 5 {third}"), format!("g g g g g {verdicts}").trim());
    check(&spiky(), "5 5 5 5 5 9 5 9 5 9 5", "g g g g g b:spike g b:spike g b:spike g");
}

#[test]
fn a_genuine_step_is_believed_after_it_persists() {
    check(&spiky(), "5 5 5 5 5 9 9.1 9 9 9.1", "g g g g g b:spike b:spike u:spike g g");
    check(&spiky(), "5 5 5 5 5 9 ! 9 ! 9 9", "g g g g g b:spike b:timeout b:spike b:timeout u:spike g");
}

#[test]
fn an_accelerating_rise_is_delayed_but_not_masked() {
    check(&spiky(), "1 1 1 1 1 2 4 8 16 32 64", "g g g g g b:spike b:spike u:spike g g g");
}

#[test]
fn a_signal_that_is_doubtful_on_both_sides_is_believed_in_the_end() {
    let samples = "5 5 5 5 5 ".to_owned() + &"900 -900 ".repeat(10);
    let mut qualifier = Qualifier::new(QualifyRule::new(&spiky()).unwrap(), moment(0));
    let verdicts: Vec<Quality> =
        (0..).zip(samples.split_whitespace()).map(|(at, word)| qualifier.step(sample(at, word)).quality).collect();
    assert_eq!(verdicts.iter().position(|quality| *quality == Quality::Uncertain), Some(16));
    assert_eq!(verdicts.last(), Some(&Quality::Good));
}

#[test]
fn a_change_faster_than_the_process_is_bad_until_it_persists_or_becomes_possible() {
    let rated = QualifySettings { rate_max_per_s: Some(1.0), ..plain() };
    check(&rated, "5 6 7 20 8 9", "g g g b:rate_of_change g g");
    check(&rated, "5 20 20 20 20", "g b:rate_of_change b:rate_of_change u:rate_of_change g");
    check(&rated, "5 7 7", "g b:rate_of_change g");
    check(&rated, "5 ! ! 8", "g b:timeout b:timeout g");
}

#[test]
fn the_rate_is_taken_over_the_age_of_the_data_not_over_the_polls() {
    let rated = QualifySettings { rate_max_per_s: Some(0.1), stale_after_ms: 900_000, ..plain() };
    check(&rated, "5@598 5@599 5@600 25@0 25@1", "g g g g g");
}

#[test]
fn repeated_answers_of_a_slow_instrument_are_one_measurement() {
    let slow = QualifySettings { stuck_after_ms: Some(5_000), stale_after_ms: 900_000, ..spiky() };
    let repeats: Vec<String> = (0..10).map(|age| format!("90@{age}")).collect();
    let warm = "5@0 6@0 5@0 6@0 5@0 ";
    check(&slow, &(warm.to_owned() + &repeats.join(" ")), &("g g g g g".to_owned() + &" b:spike".repeat(10)));
    // The register counts whole seconds, and a lost answer between does not make it a new measurement.
    check(&slow, &(warm.to_owned() + "90@0 90@2 90@1 ! 90@4"), "g g g g g b:spike b:spike b:spike b:timeout b:spike");
}

#[test]
fn an_instrument_with_noise_that_stands_still_is_stuck() {
    let noisy = QualifySettings { stuck_after_ms: Some(3_000), ..plain() };
    check(&noisy, "5 5 5 5 5 6 6 5", "g g g u:stuck u:stuck g g g");
    check(&noisy, "5 5 ! ! ! 5 5 5", "g g b:timeout b:timeout b:timeout g g u:stuck");
    let tolerant = QualifySettings { stuck_tolerance: 0.1, ..noisy };
    check(&tolerant, "5 5.05 4.95 5.1 5.3", "g g g u:stuck g");
}

#[test]
fn silence_is_reported_once_and_again_with_every_keep_alive() {
    let mut qualifier = Qualifier::new(QualifyRule::new(&plain()).unwrap(), moment(0));
    qualifier.step(sample(10, "5"));
    let mut said = Vec::new();
    for second in 11..200 {
        let now = moment(second);
        let due = now.mono_ms >= qualifier.deadline_ms();
        let verdict = qualifier.expire(now);
        assert_eq!(due, verdict.is_some(), "the deadline tells when there is something to say");
        if let Some(verdict) = verdict {
            assert_eq!((verdict.quality, verdict.reason, verdict.publish), (Quality::Bad, Reason::Stale, true));
            said.push(second);
        }
    }
    assert_eq!(said, [40, 100, 160]);
    assert!(qualifier.step(sample(200, "5")).publish, "the return is published at once");
    assert_eq!(qualifier.expire(moment(229)), None);
    assert!(qualifier.expire(moment(230)).is_some(), "a second silence is found as fast as the first");
}

#[test]
fn a_point_that_never_answers_becomes_stale_too() {
    let mut qualifier = Qualifier::new(QualifyRule::new(&plain()).unwrap(), moment(0));
    assert_eq!(qualifier.expire(moment(29)), None);
    assert!(qualifier.expire(moment(30)).is_some_and(|verdict| verdict.reason == Reason::Stale));
}

#[test]
fn a_point_that_answers_timeouts_keeps_its_reason_and_is_not_stale() {
    let mut qualifier = Qualifier::new(QualifyRule::new(&plain()).unwrap(), moment(0));
    for second in (0..200).step_by(10) {
        assert_eq!(qualifier.step(sample(second, "!")).reason, Reason::Timeout);
        assert_eq!(qualifier.expire(moment(second + 9)), None);
    }
}

#[test]
fn the_memory_of_a_point_is_small() {
    assert!(size_of::<Qualifier>() <= 336, "{} bytes", size_of::<Qualifier>());
}

/// Values as a level instrument gives them: mostly calm, with spikes, garbage and failures.
fn answers() -> impl Strategy<Value = Vec<(u64, f64, u8)>> {
    let value = prop_oneof![6 => 4.0..6.0f64, 2 => -1e4..1e4f64, 1 => Just(f64::NAN), 1 => Just(f64::INFINITY)];
    prop::collection::vec((1u64..40, value, 0u8..10), 1..120)
}

fn raw(at: Moment, value: f64, kind: u8) -> RawSample {
    match kind {
        0 => RawSample::bad(at, Reason::LinkDown),
        1 => RawSample { quality: Quality::Uncertain, reason: Reason::ClockStep, ..RawSample::good(at, value) },
        _ => RawSample::good(at, value),
    }
}

fn strict() -> QualifySettings {
    QualifySettings {
        valid: Some((0.0, 100.0)),
        rate_max_per_s: Some(1.0),
        stuck_after_ms: Some(60_000),
        deadband: Deadband::Absolute(0.2),
        ..spiky()
    }
}

proptest! {
    #[test]
    fn whatever_is_answered_what_is_believed_is_finite_and_in_range(answers in answers()) {
        let mut qualifier = Qualifier::new(QualifyRule::new(&strict()).unwrap(), moment(0));
        let mut second = 0;
        for (wait, value, kind) in answers {
            second += wait;
            let verdict = qualifier.step(raw(moment(second), value, kind));
            prop_assert!(verdict.value.is_none_or(f64::is_finite));
            prop_assert_eq!(verdict.quality == Quality::Good, verdict.reason == Reason::None);
            if verdict.quality != Quality::Bad {
                prop_assert!(verdict.value.is_some_and(|value| (0.0..=100.0).contains(&value)));
            }
        }
    }

    #[test]
    fn bad_samples_between_change_nothing_for_the_others(answers in answers()) {
        // The same answers with and without failures and out-of-range values in between.
        let rule = QualifyRule::new(&QualifySettings { stuck_after_ms: None, ..strict() }).unwrap();
        let (mut with, mut without) = (Qualifier::new(rule, moment(0)), Qualifier::new(rule, moment(0)));
        let mut second = 0;
        for (wait, value, kind) in answers {
            second += wait;
            let raw = raw(moment(second), value, kind);
            let refused = kind == 0 || !(0.0..=100.0).contains(&value);
            let verdict = with.step(raw);
            if refused {
                prop_assert_eq!(verdict.quality, Quality::Bad);
            } else {
                let alone = without.step(raw);
                prop_assert_eq!((verdict.quality, verdict.reason), (alone.quality, alone.reason));
            }
        }
    }

    #[test]
    fn a_step_of_the_wall_clock_changes_no_verdict(answers in answers(), steps in prop::collection::vec(any::<i32>(), 120)) {
        let rule = QualifyRule::new(&strict()).unwrap();
        let (mut steady, mut stepped) = (Qualifier::new(rule, moment(0)), Qualifier::new(rule, moment(0)));
        let mut second = 0;
        for ((wait, value, kind), step) in answers.into_iter().zip(steps) {
            second += wait;
            let now = moment(second);
            let moved = Moment { wall: now.wall.plus_millis(i64::from(step)), ..now };
            let (one, other) = (steady.step(raw(now, value, kind)), stepped.step(raw(moved, value, kind)));
            prop_assert_eq!((one.quality, one.reason, one.publish), (other.quality, other.reason, other.publish));
        }
    }

    #[test]
    fn any_value_in_range_that_persists_is_believed(answers in answers(), last in 0.0..100.0f64) {
        let rule = QualifyRule::new(&QualifySettings { stuck_after_ms: None, ..strict() }).unwrap();
        let mut qualifier = Qualifier::new(rule, moment(0));
        let mut second = 0;
        for (wait, value, kind) in answers {
            second += wait;
            qualifier.step(raw(moment(second), value, kind));
        }
        let tail: Vec<Quality> =
            (1..=12).map(|more| qualifier.step(RawSample::good(moment(second + more), last)).quality).collect();
        prop_assert_eq!(tail.last(), Some(&Quality::Good), "{:?}", tail);
    }

    #[test]
    fn a_point_that_answers_is_published_at_least_once_per_keep_alive(answers in answers()) {
        let mut qualifier = Qualifier::new(QualifyRule::new(&strict()).unwrap(), moment(0));
        let (mut second, mut published) = (0, None);
        for (wait, value, kind) in answers {
            second += wait;
            if qualifier.step(raw(moment(second), value, kind)).publish {
                published = Some(second);
            }
            prop_assert!(published.is_some_and(|at| second - at < 60));
        }
    }
}
