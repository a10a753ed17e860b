//! The scenarios as sentences: what is true in each, and that a seed repeats itself.

use super::*;

fn case(scenario: Scenario, seed: u64, fault: Option<InstrumentFault>) -> (Vec<Sample>, Truth) {
    let mut samples = Vec::new();
    let truth = play(&Case { scenario, seed, fault }, |line| samples.extend_from_slice(line));
    (samples, truth)
}

fn series(samples: &[Sample], id: &str) -> Vec<(f64, f64)> {
    let channel = channels().iter().position(|channel| channel.id == id).expect("a channel");
    samples.iter().filter(|s| s.channel == channel).filter_map(|s| Some((s.at_h, s.value?))).collect()
}

fn at(series: &[(f64, f64)], hour: f64) -> f64 {
    series.iter().min_by(|a, b| (a.0 - hour).abs().total_cmp(&(b.0 - hour).abs())).expect("a value").1
}

#[test]
fn there_are_fifty_instruments_and_a_seed_repeats_itself() {
    assert_eq!(channels().len(), 50);
    let (a, b, c) = (case(Scenario::F1, 7, None), case(Scenario::F1, 7, None), case(Scenario::F1, 8, None));
    assert_eq!(a, b);
    assert_ne!(a.0, c.0);
}

#[test]
fn the_72_hour_failure_moves_as_worked_out() {
    // S(-72 → -24 h) = 36 ln 3 and S(-72 → -6 h) = 36 ln 12 mm, with steps of ten minutes.
    let (samples, truth) = case(Scenario::F1, 3, None);
    let shear = series(&samples, "incl-1");
    let end = truth.failure_h.expect("fails");
    let from = at(&shear, end - 72.0);
    for (left, moved) in [(24.0, 36.0 * 3.0_f64.ln()), (6.0, 36.0 * 12.0_f64.ln())] {
        let got = at(&shear, end - left) - from;
        assert!((got - moved).abs() < 1.5, "{left} h before: {got} mm, worked out {moved}");
    }
}

#[test]
fn a_blocked_decant_lets_the_storm_overtop_the_dam_and_an_open_one_does_not() {
    for seed in 0..5 {
        assert!(case(Scenario::S2, seed, None).1.overtopping_h.is_some(), "seed {seed}");
        assert!(case(Scenario::S1, seed, None).1.overtopping_h.is_none(), "seed {seed}");
    }
}

#[test]
fn piping_shows_as_a_rising_weir_beside_a_falling_piezometer() {
    let (samples, _) = case(Scenario::P1, 2, None);
    let (weir, near) = (series(&samples, "weir-1"), series(&samples, "pz-a4"));
    assert!(at(&weir, 200.0) > 2.0 * at(&weir, 110.0));
    assert!(at(&near, 200.0) < at(&near, 110.0) - 0.2);
}

#[test]
fn liquefaction_shows_nothing_before_it() {
    let (samples, truth) = case(Scenario::L1, 4, None);
    let shear = series(&samples, "incl-1");
    assert_eq!(truth.failure_h, Some(240.0));
    assert!((at(&shear, 239.0) - at(&shear, 1.0)).abs() < 1.5);
}

#[test]
fn data_lost_in_a_storm_come_later_and_none_is_lost_for_good() {
    let (samples, _) = case(Scenario::I3, 5, None);
    let late = samples.iter().filter(|sample| sample.sent_h > sample.at_h + 1.0).count();
    assert!(late > 30 * 6 * 50, "{late} late samples");
    assert_eq!(samples.len(), 8 * 24 * 6 * 50);
}

#[test]
fn every_fault_changes_only_samples_after_it_began() {
    for fault in InstrumentFault::ALL {
        let (clean, _) = case(Scenario::E1, 6, None);
        let (faulty, truth) = case(Scenario::E1, 6, Some(fault));
        let from = truth.fault.as_ref().expect("a fault").from_h;
        let before = |samples: &[Sample]| samples.iter().copied().filter(|s| s.sent_h <= from).collect::<Vec<_>>();
        assert_eq!(before(&clean), before(&faulty), "{fault:?}");
        assert_ne!(clean, faulty, "{fault:?}");
    }
}
