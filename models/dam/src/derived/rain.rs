//! Rain: what is still in the ground, and whether an event is past its threshold.

use super::finite;

/// Antecedent precipitation index of the next day: `k · API + P`, mm.
pub fn antecedent_mm(index_mm: f64, daily_factor: f64, rain_mm: f64) -> f64 {
    daily_factor * index_mm + rain_mm
}

/// Intensity threshold `factor · D^-exponent`, mm/h for a duration in hours; `None` unless D is positive.
pub fn threshold_mm_h(factor: f64, exponent: f64, hours: f64) -> Option<f64> {
    if hours > 0.0 { finite(factor * hours.powf(-exponent)) } else { None }
}

/// Caine 1980: factor and exponent.
pub const CAINE_1980: (f64, f64) = (14.82, 0.39);
/// Guzzetti et al. 2008: factor and exponent.
pub const GUZZETTI_2008: (f64, f64) = (2.2, 0.44);

#[cfg(test)]
mod tests {
    use super::super::assert_digits;
    use super::*;

    #[test]
    fn row_15_the_index_of_five_days_is_as_printed() {
        let mut index = 10.0;
        let printed =
            [(0.0, 8.5, 1), (20.0, 27.225, 3), (35.0, 58.141_25, 5), (0.0, 49.420_06, 5), (5.0, 47.007_05, 5)];
        for (rain, expected, decimals) in printed {
            index = antecedent_mm(index, 0.85, rain);
            assert_digits(index, expected, decimals);
        }
    }

    #[test]
    fn row_16_the_thresholds_at_ten_hours_are_as_printed() {
        assert_digits(threshold_mm_h(CAINE_1980.0, CAINE_1980.1, 10.0).expect("positive"), 6.037_38, 5);
        assert_digits(threshold_mm_h(GUZZETTI_2008.0, GUZZETTI_2008.1, 10.0).expect("positive"), 0.798_77, 5);
        assert_eq!(threshold_mm_h(14.82, 0.39, 0.0), None);
    }
}
