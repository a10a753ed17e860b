//! Worked examples of the papers, to the printed digits. Times in days, velocities in mm per day.

use super::inverse::{self, carla_window, voight_failure, voight_velocity};
use super::onset::{OnsetSettings, crossing, moving_average};
use super::track::Mark;

fn near(got: f64, want: f64, tolerance: f64) {
    assert!((got - want).abs() <= tolerance, "got {got}, want {want} ± {tolerance}");
}

fn marks(values: &[f64]) -> Vec<Mark> {
    values.iter().enumerate().map(|(i, value)| Mark { day: i as f64, value: *value }).collect()
}

#[test]
fn fukuzono_1985_a_perfect_inverse_velocity_line_ends_at_day_ten_exactly() {
    let exact: Vec<f64> = (0..6).map(|t| 1.0 / (0.02 * (10.0 - f64::from(t)))).collect();
    for (got, printed) in exact.iter().zip([5.0, 5.5556, 6.25, 7.1429, 8.3333, 10.0]) {
        near(*got, printed, 5e-5);
    }
    let fit = inverse::fit(&marks(&exact), 0.95).expect("a line");
    near(fit.tf, 10.0, 1e-9);
    near(fit.slope, -0.02, 1e-12);
}

#[test]
fn voight_1988_general_exponent_gives_the_printed_failure_time_and_velocities() {
    let (a, alpha, v0) = (0.01, 1.8, 2.0);
    near(voight_failure(a, alpha, v0).expect("fails"), 71.79365, 5e-6);
    for (t, printed, digit) in [(30.0, 3.93323, 5e-6), (60.0, 19.12394, 5e-6), (70.0, 201.357, 5e-4)] {
        near(voight_velocity(a, alpha, v0, t).expect("before the failure"), printed, digit);
    }
    assert_eq!(voight_velocity(a, alpha, v0, 72.0), None, "after the failure there is no velocity");
    assert_eq!(voight_failure(a, 1.0, v0), None, "exponential growth never reaches a failure time");
}

#[test]
fn fieller_1954_interval_of_the_reference_series() {
    let fit = inverse::fit(&marks(&[5.1, 5.5, 6.3, 7.0, 8.5, 9.8, 12.7, 16.4]), 0.95).expect("a line");
    near(fit.slope, -0.019718905, 5e-10);
    near(fit.intercept, 0.198877111, 5e-10);
    near(fit.tf, 10.085606, 5e-7);
    near(fit.r2, 0.9977257, 5e-8);
    near(fit.sigma, 0.135911, 5e-7);
    near(fit.delta, 0.33256, 5e-6);
    let fieller = fit.fieller.expect("bounded");
    near(fieller.from, 9.76734, 5e-6);
    near(fieller.to, 10.43390, 5e-6);
}

#[test]
fn a_slope_that_may_be_zero_has_no_bounded_fieller_interval() {
    let fit = inverse::fit(&marks(&[5.0, 9.0, 4.0, 8.0, 5.5, 8.5]), 0.95).expect("a line");
    assert_eq!(fit.fieller, None);
}

#[test]
fn onset_oracle_short_and_long_averages_of_the_reference_series() {
    let v = [1.0, 1.1, 0.9, 1.0, 1.05, 0.95, 1.0, 1.0, 1.1, 1.3, 1.6, 2.0];
    near(moving_average(&v, 7, 3).expect("short"), 0.98333, 5e-6);
    near(moving_average(&v, 7, 7).expect("long"), 1.0, 5e-6);
    near(moving_average(&v, 8, 3).expect("short"), 1.03333, 5e-6);
    near(moving_average(&v, 11, 3).expect("short"), 1.63333, 5e-6);
    near(moving_average(&v, 11, 7).expect("long"), 1.27857, 5e-6);
    let settings = OnsetSettings::default();
    let lasting = |n: usize| crossing(&marks(&v[..n]), &settings).map(|c| c.lasting);
    assert_eq!(lasting(8), Some(0), "index 7: not above");
    assert_eq!(lasting(9), Some(1), "index 8: the first above");
    assert_eq!(lasting(12), Some(4), "index 11: four in a row");
    assert_eq!(moving_average(&v, 1, 3), None);
}

#[test]
fn carla_2017_window_is_widened_by_half_the_difference_on_both_sides() {
    let window = carla_window(10.0, 10.6);
    near(window.from, 9.7, 1e-9);
    near(window.to, 10.9, 1e-9);
}
