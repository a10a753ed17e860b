//! What must hold for any series.

use super::stats::Draw;
use super::{Abstention, ForecastSettings, Kind, Language, Mark, Outlook, Reference, Track, assess, project};
use proptest::prelude::*;

/// Sum of twelve uniform numbers: nearly normal, mean 0, standard deviation 1.
fn noise(draw: &mut Draw) -> f64 {
    (0..12).map(|_| draw.below(1_000_000) as f64 / 1e6).sum::<f64>() - 6.0
}

/// Hourly displacement of a slope that fails `hours_left` hours after the last value, α = 2: quiet for
/// two days, then 72 hours from 0.5 mm/h.
fn failing(hours_left: f64, sigma: f64, seed: u64) -> Track {
    let mut draw = Draw::new(seed);
    let marks = (0..).map(|i| -120.0 + f64::from(i)).take_while(|h| *h <= -hours_left).map(|h| {
        let moved = if h < -72.0 { 0.0 } else { 36.0 * (72.0 / -h).ln() };
        Mark { day: h / 24.0, value: 0.01 * h + moved + sigma * noise(&mut draw) }
    });
    Track::new(Kind::Displacement, marks.collect::<Vec<_>>())
}

#[test]
fn a_loud_failure_is_forecast_a_day_ahead_with_an_interval_that_holds_it() {
    let mut held = 0;
    for seed in 0..40 {
        match assess(&failing(24.0, 0.3, seed), &[], None, &ForecastSettings::default()) {
            Outlook::Failure(failure) => {
                assert!(failure.tf.abs() < 0.25, "seed {seed}: {failure:?}");
                held += u32::from(failure.interval.holds(0.0));
            }
            Outlook::Abstain(why) => panic!("seed {seed}: {why:?}"),
        }
    }
    assert!((34..=40).contains(&held), "{held} of 40 intervals hold the failure");
}

#[test]
fn a_step_that_the_stable_reference_shares_is_common_mode() {
    let steps = |own: f64| {
        Track::new(
            Kind::Displacement,
            (0..40).map(|i| {
                let shared = if i > 36 { -8.0 * f64::from(i - 36) } else { f64::from(i % 3) * 0.4 };
                Mark { day: f64::from(i) * 12.0, value: shared + own * f64::from(i % 2) }
            }),
        )
    };
    let (track, stable) = (steps(0.2), steps(0.0));
    let outlook = assess(&track, &[], Some(Reference::Stable(&stable)), &ForecastSettings::default());
    assert!(matches!(outlook, Outlook::Abstain(Abstention::CommonMode { .. })), "{outlook:?}");
}

#[test]
fn an_acceleration_that_stopped_is_not_forecast() {
    let marks = (0..60).map(|i| {
        let t = f64::from(i);
        Mark { day: t, value: if t < 40.0 { 0.02 * t * t } else { 32.0 + 0.2 * (t - 40.0) } }
    });
    let outlook = assess(&Track::new(Kind::Displacement, marks), &[], None, &ForecastSettings::default());
    assert!(matches!(outlook, Outlook::Abstain(_)), "{outlook:?}");
}

#[test]
fn movement_is_projected_on_its_own_direction() {
    let marks: Vec<_> = (0..30).map(|i| (f64::from(i), [3.0 * f64::from(i), 4.0 * f64::from(i), 0.0])).collect();
    let track = project(&marks).expect("moves");
    let velocities = track.velocities();
    assert!(velocities.iter().all(|v| (v.value - 5.0).abs() < 1e-9), "{velocities:?}");
    assert_eq!(project(&[(0.0, [1.0; 3]), (1.0, [1.0; 3]), (2.0, [1.0; 3])]), None, "no movement, no direction");
}

fn series() -> impl Strategy<Value = Vec<(f64, f64)>> {
    prop::collection::vec((0.0..400.0_f64, prop_oneof![9 => -500.0..500.0_f64, 1 => Just(f64::NAN)]), 0..120)
}

fn track(pairs: &[(f64, f64)]) -> Track {
    Track::new(Kind::Displacement, pairs.iter().map(|(day, value)| Mark { day: *day, value: *value }))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn order_and_repetition_of_the_input_change_nothing(pairs in series(), at in 0usize..120) {
        let mut other = pairs.clone();
        other.reverse();
        if !other.is_empty() {
            let again = other[at % other.len()];
            other.push(again);
        }
        let settings = ForecastSettings::default();
        prop_assert_eq!(assess(&track(&pairs), &[], None, &settings), assess(&track(&other), &[], None, &settings));
    }

    #[test]
    fn the_sign_of_the_displacement_does_not_matter(pairs in series()) {
        let turned: Vec<_> = pairs.iter().map(|(day, value)| (*day, -value)).collect();
        let settings = ForecastSettings::default();
        let (a, b) = (assess(&track(&pairs), &[], None, &settings), assess(&track(&turned), &[], None, &settings));
        prop_assert_eq!(matches!(a, Outlook::Failure(_)), matches!(b, Outlook::Failure(_)));
    }

    #[test]
    fn a_stated_failure_lies_ahead_inside_a_bounded_interval(pairs in series()) {
        let track = track(&pairs);
        if let Outlook::Failure(failure) = assess(&track, &[], None, &ForecastSettings::default()) {
            let last = track.marks().last().map_or(0.0, |mark| mark.day);
            prop_assert!(failure.tf >= last - 1e-9 && failure.interval.to.is_finite());
            prop_assert!(failure.interval.from <= failure.tf && failure.tf <= failure.interval.to);
        }
    }

    #[test]
    fn an_abstention_says_in_both_languages_that_it_is_not_safety(pairs in series()) {
        let outlook = assess(&track(&pairs), &[], None, &ForecastSettings::default());
        if let Outlook::Abstain(why) = outlook {
            let (english, chinese) = (outlook.explain(Language::English), outlook.explain(Language::Chinese));
            prop_assert!(english.contains(why.code()) && english.contains("does not mean that the dam is safe"));
            prop_assert!(chinese.contains(why.code()) && chinese.contains("不表示坝体安全"));
        }
    }
}
