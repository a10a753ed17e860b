//! Hampel identifier: `|x − median| > sigmas · 1.4826 · MAD` over a window. A window that does not move
//! (MAD 0) is as wide as the instrument's resolution.

use super::median;
use std::collections::VecDeque;

/// MAD to standard deviation of a normal distribution.
const SCALE: f64 = 1.4826;

/// An opinion on a value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HampelVerdict {
    /// Median of the window.
    pub median: f64,
    /// Median absolute deviation.
    pub mad: f64,
    /// Farthest distance from the median that is no outlier.
    pub limit: f64,
    /// Whether the value is an outlier.
    pub outlier: bool,
}

/// The window of one point.
#[derive(Debug, Clone, PartialEq)]
pub struct Hampel {
    window: usize,
    sigmas: f64,
    resolution: f64,
    values: VecDeque<f64>,
}

impl Hampel {
    /// A window of `window` values.
    pub fn new(window: usize, sigmas: f64, resolution: f64) -> Hampel {
        Hampel { window: window.max(3), sigmas, resolution, values: VecDeque::new() }
    }

    /// Judges `value` against a whole window, which may hold it.
    pub fn judge(window: &[f64], value: f64, sigmas: f64, resolution: f64) -> Option<HampelVerdict> {
        let median_value = median(&mut window.to_vec())?;
        let mut deviations: Vec<f64> = window.iter().map(|x| (x - median_value).abs()).collect();
        let mad = median(&mut deviations)?;
        let limit = sigmas * if mad > 0.0 { SCALE * mad } else { resolution };
        Some(HampelVerdict { median: median_value, mad, limit, outlier: (value - median_value).abs() > limit })
    }

    /// Takes a value and judges it against the last ones, itself included; `None` until the window is full.
    /// Outliers stay in the window, so a new level is believed once it has the majority.
    pub fn step(&mut self, value: f64) -> Option<HampelVerdict> {
        self.values.push_back(value);
        if self.values.len() > self.window {
            self.values.pop_front();
        }
        if self.values.len() < self.window {
            return None;
        }
        Hampel::judge(self.values.make_contiguous(), value, self.sigmas, self.resolution)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_22_the_printed_window_flags_its_outlier() {
        let window = [10.1, 10.2, 10.0, 15.0, 10.1, 9.9, 10.0];
        let of = |value| Hampel::judge(&window, value, 3.0, 0.01).expect("a window");
        let verdict = of(15.0);
        assert!((verdict.median - 10.1).abs() < 1e-9);
        assert!((verdict.mad - 0.1).abs() < 1e-9);
        assert!((verdict.limit - 0.444_78).abs() < 5e-6);
        assert!(verdict.outlier);
        assert!(!of(10.2).outlier && !of(9.9).outlier);
    }

    #[test]
    fn row_22_a_window_that_does_not_move_is_as_wide_as_the_resolution() {
        let window = [10.0; 7];
        assert!(!Hampel::judge(&window, 10.02, 3.0, 0.01).expect("a window").outlier);
        assert!(Hampel::judge(&window, 10.04, 3.0, 0.01).expect("a window").outlier);
    }

    #[test]
    fn a_new_level_is_believed_once_it_has_the_majority() {
        let mut filter = Hampel::new(7, 3.0, 0.01);
        let values = [10.0, 10.1, 9.9, 10.0, 10.1, 10.0, 10.1, 20.0, 20.1, 19.9, 20.0, 20.1];
        let flagged: Vec<bool> =
            values.into_iter().map(|value| filter.step(value).is_some_and(|verdict| verdict.outlier)).collect();
        assert_eq!(flagged[7..10], [true, true, true]);
        assert!(!flagged[11], "the fifth of seven is the new level");
    }
}
