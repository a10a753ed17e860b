//! Dry beach and freeboard.

use super::finite;

/// A stretch of beach from the crest down.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slope {
    /// Rise over run, positive.
    pub gradient: f64,
    /// Height at which the next stretch begins; `None` for the last.
    pub down_to_m: Option<f64>,
}

/// Length of dry beach, m: the sum over stretches of height over gradient, from the crest to the water.
/// Zero with the water at or above the crest; `None` without a stretch that reaches the water, and
/// where the number is not finite.
pub fn length_m(crest_m: f64, water_m: f64, slopes: &[Slope]) -> Option<f64> {
    let mut top = crest_m;
    let mut length = 0.0;
    for slope in slopes {
        if !(slope.gradient > 0.0 && water_m.is_finite()) {
            return None;
        }
        let foot = slope.down_to_m.map_or(water_m, |down| down.max(water_m));
        length += (top - foot).max(0.0) / slope.gradient;
        top = top.min(foot);
        if slope.down_to_m.is_none_or(|down| water_m >= down) {
            return finite(length);
        }
    }
    None
}

/// Freeboard by the standards, m: crest above the level the design flood reaches, not above today's.
pub fn freeboard_m(crest_m: f64, design_flood_level_m: f64) -> f64 {
    crest_m - design_flood_level_m
}

/// The level the design flood would reach from today's, m: never below the designer's level, and with
/// the rise of the flood routing added to today's level where the designer gives one.
pub fn flood_level_m(design_flood_level_m: f64, flood_rise_m: Option<f64>, level_now_m: f64) -> f64 {
    design_flood_level_m.max(level_now_m + flood_rise_m.unwrap_or(0.0))
}

#[cfg(test)]
mod tests {
    use super::super::assert_digits;
    use super::*;

    const ONE: [Slope; 1] = [Slope { gradient: 0.015, down_to_m: None }];

    #[test]
    fn row_5_a_beach_of_one_slope_has_the_printed_lengths() {
        let before = length_m(125.0, 122.60, &ONE).expect("reaches");
        assert_digits(before, 160.0, 9);
        let after = length_m(125.0, 123.62, &ONE).expect("reaches");
        assert_digits(after - before, -68.0, 9);
        assert_eq!(length_m(125.0, 125.2, &ONE), Some(0.0), "water over the crest leaves no beach");
    }

    #[test]
    fn a_beach_of_two_slopes_is_the_sum_of_its_stretches() {
        let two = [Slope { gradient: 0.02, down_to_m: Some(123.0) }, Slope { gradient: 0.01, down_to_m: None }];
        assert_digits(length_m(125.0, 124.0, &two).expect("upper"), 50.0, 9);
        assert_digits(length_m(125.0, 122.0, &two).expect("both"), 100.0 + 100.0, 9);
        assert_eq!(length_m(125.0, 122.0, &two[..1]), None, "below the last stretch nothing is known");
        assert_eq!(length_m(125.0, f64::NAN, &two), None);
    }

    #[test]
    fn row_6_freeboard_is_counted_from_the_design_flood_level() {
        assert_digits(freeboard_m(125.0, 123.9), 1.10, 9);
        assert_digits(flood_level_m(123.9, None, 122.0), 123.9, 9);
        assert_digits(flood_level_m(123.9, Some(1.5), 122.0), 123.9, 9);
        assert_digits(flood_level_m(123.9, Some(1.5), 123.0), 124.5, 9);
        assert_digits(flood_level_m(123.9, None, 124.2), 124.2, 9);
    }
}
