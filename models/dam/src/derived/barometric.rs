//! The barometer and open wells: a rise of the barometer pushes the water of an open well down.

use super::finite;

/// Metres of water per hectopascal.
pub const M_PER_HPA: f64 = 0.010_197_2;

/// Level of an open well freed of the barometer: `h + BE · (b − reference)` (m, hPa).
pub fn corrected_m(level_m: f64, efficiency: f64, barometer_hpa: f64, reference_hpa: f64) -> Option<f64> {
    finite(level_m + efficiency * (barometer_hpa - reference_hpa) * M_PER_HPA)
}

/// A barometric efficiency and what it rests on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Efficiency {
    /// Slope of level changes on barometer changes (both in metres of water); −BE.
    pub slope: f64,
    /// Pairs used.
    pub pairs: usize,
}

impl Efficiency {
    /// Barometric efficiency, 0 to 1 for an undisturbed well.
    pub fn efficiency(&self) -> f64 {
        -self.slope
    }
}

/// Slope of Δlevel on Δbarometer by ordinary least squares, over neighbouring observations (both given
/// as metres of water, `None` where missing). `None` with fewer than two pairs or a still barometer.
pub fn efficiency_by_least_squares(pairs: impl Iterator<Item = (Option<f64>, Option<f64>)>) -> Option<Efficiency> {
    let changes = changes(pairs);
    let n = changes.len();
    if n < 2 {
        return None;
    }
    let count = f64::from(u32::try_from(n).ok()?);
    let (mean_h, mean_b) = changes.iter().fold((0.0, 0.0), |(h, b), (dh, db)| (h + dh / count, b + db / count));
    let (covariance, variance) = changes.iter().fold((0.0, 0.0), |(covariance, variance), (dh, db)| {
        (covariance + (dh - mean_h) * (db - mean_b), variance + (db - mean_b).powi(2))
    });
    finite(covariance / variance).map(|slope| Efficiency { slope, pairs: n })
}

/// Clark's method (1967): sums of |Δh| over sums of |Δb|, each Δh counted with the sign that says
/// whether it went against the barometer; robust against a trend of the aquifer.
pub fn efficiency_by_clark(pairs: impl Iterator<Item = (Option<f64>, Option<f64>)>) -> Option<Efficiency> {
    let changes = changes(pairs);
    let (mut sum_h, mut sum_b) = (0.0, 0.0);
    for (dh, db) in &changes {
        sum_b += db.abs();
        sum_h += if *db == 0.0 { 0.0 } else { dh * db.signum() };
    }
    finite(sum_h / sum_b).map(|slope| Efficiency { slope, pairs: changes.len() })
}

/// Changes between neighbouring observations, where all four values are there.
fn changes(pairs: impl Iterator<Item = (Option<f64>, Option<f64>)>) -> Vec<(f64, f64)> {
    let mut before: Option<(f64, f64)> = None;
    let mut changes = Vec::new();
    for pair in pairs {
        let now = match pair {
            (Some(level), Some(barometer)) => Some((level, barometer)),
            (None, Some(_) | None) | (Some(_), None) => None,
        };
        if let (Some((h0, b0)), Some((h1, b1))) = (before, now) {
            changes.push((h1 - h0, b1 - b0));
        }
        before = now;
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::super::assert_digits;
    use super::*;

    #[test]
    fn both_methods_find_the_efficiency_of_a_made_well_through_its_gaps() {
        let barometer = |i: u32| 10.3 + 0.05 * (f64::from(i) * 0.7).sin();
        let pair = |i: u32| (i % 11 != 3).then_some(7.0 - 0.62 * barometer(i));
        let made = || (0..200).map(|i| (pair(i), Some(barometer(i))));
        assert_digits(efficiency_by_least_squares(made()).expect("pairs").efficiency(), 0.62, 9);
        assert_digits(efficiency_by_clark(made()).expect("pairs").efficiency(), 0.62, 9);
        assert_eq!(efficiency_by_least_squares((0..9).map(|_| (Some(1.0), Some(2.0)))), None, "a still barometer");
    }

    #[test]
    fn row_3_a_rise_of_the_barometer_is_taken_out_of_an_open_well() {
        assert_digits(corrected_m(100.0, 1.0, 1_023.0, 1_013.0).expect("finite"), 100.101_972, 6);
        assert_digits(corrected_m(100.0, 0.0, 1_023.0, 1_013.0).expect("finite"), 100.0, 9);
    }
}
