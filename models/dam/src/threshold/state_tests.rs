//! Scenarios as sentences over data, and the invariants of the module doc as properties.

use super::super::LevelSettings;
use super::*;
use minewatch_domain::LevelLimits;
use proptest::prelude::*;

fn high(hysteresis: f64, on_delay_s: u64, off_delay_s: u64) -> LevelSettings {
    LevelSettings {
        high: LevelLimits { blue: Some(10.0), yellow: Some(20.0), orange: Some(30.0), red: Some(40.0) },
        low: LevelLimits::default(),
        hysteresis,
        on_delay_ms: on_delay_s * 1_000,
        off_delay_ms: off_delay_s * 1_000,
    }
}

fn moment(second: u64) -> Moment {
    Moment::new(At::from_millis(0), 1_000_000).plus_millis(second * 1_000)
}

/// `25` good, `25?` uncertain, `!` bad.
fn sample(word: &str) -> Sample {
    if word == "!" {
        return Sample::Bad;
    }
    let (number, trust) = word.strip_suffix('?').map_or((word, Trust::Good), |number| (number, Trust::Uncertain));
    Sample::Value(Finite::new(number.parse().unwrap()).unwrap(), trust)
}

/// `script`: lines of `second sample`. `expect`: `second from>to`.
fn check_from(mut state: LevelState, settings: &LevelSettings, script: &str, expect: &[&str]) -> Vec<LevelChange> {
    let rule = LevelRule::new(settings).unwrap();
    let mut changes = Vec::new();
    let mut seen = Vec::new();
    for line in script.split(',') {
        let mut words = line.split_whitespace();
        let second: u64 = words.next().unwrap().parse().unwrap();
        if let Some(change) = state.step(&rule, sample(words.next().unwrap()), moment(second)) {
            seen.push(format!("{second} {}>{}", change.from.name(), change.to.name()));
            changes.push(change);
        }
    }
    assert_eq!(seen, expect, "{script}");
    changes
}

fn check(settings: &LevelSettings, script: &str, expect: &[&str]) -> Vec<LevelChange> {
    check_from(LevelState::new(), settings, script, expect)
}

#[test]
fn one_sample_may_rise_several_levels_and_names_its_limit() {
    let changes = check(&high(1.0, 0, 0), "0 5, 1 35, 2 35", &["1 normal>orange"]);
    assert_eq!((changes[0].value, changes[0].limit, changes[0].at), (35.0, Some(30.0), At::from_millis(1_000)));
    assert_eq!(changes[0].why, "35 is at or above the high orange limit 30 for 0 s");
}

#[test]
fn a_value_exactly_at_a_limit_is_at_its_level() {
    check(&high(1.0, 0, 0), "0 9.999, 1 10, 2 40", &["1 normal>blue", "2 blue>red"]);
}

#[test]
fn a_level_is_left_only_past_the_hysteresis_and_after_the_off_delay() {
    check(&high(2.0, 0, 0), "0 21, 1 18.5, 2 18, 3 17.9", &["0 normal>yellow", "3 yellow>blue"]);
    check(&high(2.0, 0, 60), "0 21, 1 5, 30 5, 60 5, 61 5", &["0 normal>yellow", "61 yellow>normal"]);
    check(&high(2.0, 0, 60), "0 21, 1 5, 30 19, 31 5, 61 5, 90 5, 91 5", &["0 normal>yellow", "91 yellow>normal"]);
}

#[test]
fn a_limit_must_be_met_for_the_on_delay_and_each_level_has_its_own_clock() {
    check(&high(1.0, 60, 0), "0 45, 59 45, 60 45", &["60 normal>red"]);
    check(&high(1.0, 60, 0), "0 25, 30 45, 60 25, 90 45", &["60 normal>yellow"]);
    check(&high(1.0, 60, 0), "0 15, 30 8, 60 15, 119 15, 120 15", &["120 normal>blue"]);
    check(&high(1.0, 60, 0), "0 15, 30 9.5, 60 15", &["60 normal>blue"]);
}

#[test]
fn bad_data_neither_raises_nor_clears_and_cannot_hide_danger() {
    check(&high(1.0, 0, 0), "0 25, 10 !, 9999 !", &["0 normal>yellow"]);
    check(&high(1.0, 60, 0), "0 25, 30 !, 60 !, 61 25", &["61 normal>yellow"]);
    check(&high(1.0, 0, 60), "0 25, 1 5, 2 !, 300 !, 301 5, 302 5", &["0 normal>yellow"]);
    check(&high(1.0, 0, 60), "0 25, 1 5, 31 5, 32 !, 100 5, 129 5, 130 5", &["0 normal>yellow", "130 yellow>normal"]);
}

#[test]
fn an_uncertain_value_raises_but_does_not_clear() {
    let changes = check(&high(1.0, 0, 0), "0 25?, 1 5?, 2 5", &["0 normal>yellow", "2 yellow>normal"]);
    assert!(changes[0].why.ends_with("value uncertain"), "{}", changes[0].why);
    check(&high(1.0, 60, 0), "0 25, 30 5?, 60 25", &["60 normal>yellow"]);
    check(&high(1.0, 0, 60), "0 25, 1 5, 2 5?, 100 5?, 101 5, 160 5, 161 5", &["0 normal>yellow", "161 yellow>normal"]);
}

#[test]
fn a_falling_quantity_is_held_against_its_low_limits() {
    let beach = LevelSettings {
        high: LevelLimits::default(),
        low: LevelLimits { blue: Some(100.0), yellow: None, orange: Some(80.0), red: Some(70.0) },
        hysteresis: 5.0,
        ..LevelSettings::default()
    };
    let changes = check(
        &beach,
        "0 120, 1 100, 2 75, 3 84, 4 86, 5 104, 6 106",
        &["1 normal>blue", "2 blue>orange", "4 orange>blue", "6 blue>normal"],
    );
    assert_eq!(changes[1].limit, Some(80.0));
    assert_eq!(changes[2].why, "86 is above the low orange limit 80 by more than 5 for 0 s");
}

#[test]
fn a_point_with_both_sides_names_the_side_that_tipped() {
    let both = LevelSettings { low: LevelLimits { red: Some(-40.0), ..LevelLimits::default() }, ..high(1.0, 0, 0) };
    let changes = check(&both, "0 -41, 1 -1, 2 41", &["0 normal>red", "1 red>normal", "2 normal>red"]);
    assert_eq!(changes.iter().map(|c| c.limit).collect::<Vec<_>>(), [Some(-40.0), Some(-40.0), Some(40.0)]);
}

#[test]
fn a_restarted_gateway_goes_on_from_the_level_it_had() {
    let state = LevelState::restore(Level::Orange, At::from_millis(7));
    assert_eq!((state.level(), state.since()), (Level::Orange, Some(At::from_millis(7))));
    check_from(state, &high(1.0, 0, 60), "0 !, 1 35, 2 15, 61 15, 62 15", &["62 orange>blue"]);
    check_from(LevelState::restore(Level::Normal, At::default()), &high(1.0, 0, 0), "0 5", &[]);
}

#[test]
fn a_restored_level_without_a_limit_is_left_by_a_good_value_that_says_so() {
    let only_blue =
        LevelSettings { high: LevelLimits { blue: Some(10.0), ..LevelLimits::default() }, ..LevelSettings::default() };
    let restored = LevelState::restore(Level::Red, At::default());
    let changes = check_from(restored, &only_blue, "0 !, 1 50?, 2 50", &["2 red>blue"]);
    assert_eq!(changes[0].limit, None);
    assert!(changes[0].why.contains("no red limit"), "{}", changes[0].why);
}

#[test]
fn a_wall_clock_step_shortens_no_delay() {
    let rule = LevelRule::new(&high(1.0, 60, 0)).unwrap();
    let mut state = LevelState::new();
    assert_eq!(state.step(&rule, sample("25"), Moment::new(At::from_millis(0), 0)), None);
    assert_eq!(state.step(&rule, sample("25"), Moment::new(At::from_millis(9_000_000), 1_000)), None);
    assert!(state.step(&rule, sample("25"), Moment::new(At::from_millis(-9_000_000), 60_000)).is_some());
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Good,
    Uncertain,
    Bad,
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop_oneof![6 => Just(Kind::Good), 2 => Just(Kind::Uncertain), 2 => Just(Kind::Bad)]
}

fn of_kind(kind: Kind, value: f64) -> Sample {
    let value = Finite::new(value).unwrap();
    match kind {
        Kind::Good => Sample::Value(value, Trust::Good),
        Kind::Uncertain => Sample::Value(value, Trust::Uncertain),
        Kind::Bad => Sample::Bad,
    }
}

proptest! {
    #[test]
    fn worse_input_never_gives_a_lower_level(
        steps in prop::collection::vec((0u64..90, 0.0..50.0f64, 0.0..30.0f64, kinds()), 1..60),
        on in 0u64..100, off in 0u64..100, hysteresis in 0.0..8.0f64,
    ) {
        let rule = LevelRule::new(&high(hysteresis, on, off)).unwrap();
        let (mut mild, mut worse) = (LevelState::new(), LevelState::new());
        let mut second = 0;
        for (wait, value, more, kind) in steps {
            second += wait;
            mild.step(&rule, of_kind(kind, value), moment(second));
            worse.step(&rule, of_kind(kind, value + more), moment(second));
            prop_assert!(worse.level() >= mild.level());
        }
    }

    #[test]
    fn bad_data_never_changes_the_level(
        steps in prop::collection::vec((0u64..90, 0.0..50.0f64, kinds()), 1..60),
        on in 0u64..100, off in 0u64..100,
    ) {
        let rule = LevelRule::new(&high(2.0, on, off)).unwrap();
        let mut state = LevelState::new();
        let mut second = 0;
        for (wait, value, kind) in steps {
            second += wait;
            let before = state.level();
            let change = state.step(&rule, of_kind(kind, value), moment(second));
            match kind {
                Kind::Bad => prop_assert!(change.is_none() && state.level() == before),
                Kind::Uncertain => prop_assert!(state.level() >= before),
                Kind::Good => {}
            }
            prop_assert_eq!(change.is_some(), state.level() != before);
        }
    }

    #[test]
    fn an_oscillation_smaller_than_the_hysteresis_gives_at_most_one_change(
        base in 0.0..45.0f64,
        parts in prop::collection::vec((0.0..1.0f64, 1u64..90), 1..80),
        hysteresis in 0.1..9.0f64, on in 0u64..100, off in 0u64..100,
    ) {
        // The limits are 10 apart, so a swing below the hysteresis reaches at most one of them; the first
        // sample is the base itself, which settles all limits below.
        let rule = LevelRule::new(&high(hysteresis, on, off)).unwrap();
        let mut state = LevelState::new();
        for second in [0, on] {
            state.step(&rule, of_kind(Kind::Good, base), moment(second));
        }
        let mut second = on;
        let mut changes = 0;
        for (part, wait) in parts {
            second += wait;
            let value = base + part * hysteresis * 0.99;
            changes += usize::from(state.step(&rule, of_kind(Kind::Good, value), moment(second)).is_some());
        }
        prop_assert!(changes <= 1, "{changes} changes");
    }

    #[test]
    fn a_sustained_good_value_always_ends_at_its_own_level(
        before in prop::collection::vec((0.0..50.0f64, kinds()), 0..30), last in 0.0..50.0f64,
        on in 0u64..100, off in 0u64..100,
    ) {
        let rule = LevelRule::new(&high(0.0, on, off)).unwrap();
        let mut state = LevelState::new();
        for (second, (value, kind)) in (0..).zip(before) {
            state.step(&rule, of_kind(kind, value), moment(second));
        }
        for second in [100, 300, 500] {
            state.step(&rule, of_kind(Kind::Good, last), moment(second));
        }
        prop_assert_eq!(state.level(), rule.level_at(Finite::new(last).unwrap()));
    }
}
