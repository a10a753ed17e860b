//! What a head or a seepage should be, from lagged level, lagged rain, season and time: the
//! hydrostatic-season-time regression with the powers of the level replaced by loads with memory, as
//! tailings answer slowly (oracle row 21).
//!
//! ```text
//! y = a0 + a1 L + a2 R + b1 sin S + b2 cos S + b3 sin² S + b4 sin S cos S + c1 τ + c2 (1 − e^−τ)
//! L' = (level − L)/λL      R: rain, forgotten with e^(−t/λR)      S: season      τ: years since the origin
//! ```
//!
//! Invariants: the same [`Loads`] run in the fit and at work; a band is that of a prediction, never of the
//! fit; fewer terms are fitted to records too short to show them. Not here: the count of values outside
//! ([`Streak`] only counts) and what follows from it (levels).

use super::lstsq::{self, LstsqError};
use crate::forecast::stats::quantile;
use std::f64::consts::TAU;

/// Days of a year.
const YEAR_D: f64 = 365.2425;
/// Terms of the regression.
pub const TERMS: usize = 9;
/// Memories tried in a fit, days.
const LEVEL_LAGS_D: [f64; 7] = [0.5, 1.0, 3.0, 7.0, 15.0, 30.0, 60.0];
const RAIN_LAGS_D: [f64; 6] = [1.0, 2.0, 5.0, 10.0, 20.0, 40.0];
/// Fewest values of a fit.
pub const VALUES_MIN: usize = 60;
/// Share of the record, at its end, that chooses the memories and widens the band.
const HELD_OUT: f64 = 0.25;
/// Days at the beginning that no value is judged on, in units of the longer memory.
pub const WARM_UP: f64 = 3.0;

/// One instant of a record: days since 1970, the value, the pond level, and the rain since the instant before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Instant {
    /// Days since 1970.
    pub day: f64,
    /// The head or seepage.
    pub value: f64,
    /// Pond level, m.
    pub level_m: f64,
    /// Rain since the instant before, mm.
    pub rain_mm: f64,
}

/// Loads with memory.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Loads {
    last_day: Option<f64>,
    first_day: f64,
    level_m: f64,
    rain_mm: f64,
}

impl Loads {
    /// Takes the loads of an instant; time that goes back changes nothing.
    pub fn step(&mut self, day: f64, level_m: f64, rain_mm: f64, model: &Memories) {
        let Some(last) = self.last_day else {
            *self = Loads { last_day: Some(day), first_day: day, level_m, rain_mm };
            return;
        };
        let passed = (day - last).max(0.0);
        self.level_m += (level_m - self.level_m) * (1.0 - (-passed / model.level_d).exp());
        self.rain_mm = self.rain_mm * (-passed / model.rain_d).exp() + rain_mm;
        self.last_day = Some(last.max(day));
    }

    /// Whether the memories are filled.
    pub fn warm(&self, model: &Memories) -> bool {
        self.last_day.is_some_and(|last| last - self.first_day >= WARM_UP * model.level_d.max(model.rain_d))
    }

    fn row(&self, day: f64, origin_d: f64) -> [f64; TERMS] {
        let (sin, cos) = (TAU * day / YEAR_D).sin_cos();
        let years = (day - origin_d) / YEAR_D;
        [1.0, self.level_m, self.rain_mm, sin, cos, sin * sin, sin * cos, years, 1.0 - (-years).exp()]
    }
}

/// How long loads are remembered.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Memories {
    /// Of the level, days.
    pub level_d: f64,
    /// Of rain, days.
    pub rain_d: f64,
}

/// A fitted regression.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Regression {
    /// Memories of the loads.
    pub memories: Memories,
    /// Day that time is counted from, days since 1970.
    pub origin_d: f64,
    /// Coefficients in the order of the formula above.
    pub coefficients: [f64; TERMS],
    /// Half width of the band of a new value.
    pub band: f64,
    /// Lowest and highest lagged level of the record, m: beyond them the line is not known.
    pub levels_m: [f64; 2],
}

impl Regression {
    /// What the value should be under these loads.
    pub fn expected(&self, loads: &Loads, day: f64) -> f64 {
        loads.row(day, self.origin_d).iter().zip(&self.coefficients).map(|(x, c)| x * c).sum()
    }

    /// Whether the lagged level lies where the record had one, a tenth of its span aside.
    pub fn within(&self, loads: &Loads) -> bool {
        let [low, high] = self.levels_m;
        let aside = 0.1 * (high - low);
        (low - aside..=high + aside).contains(&loads.level_m)
    }
}

/// Values in a row outside a band, on one side: positive above, negative below.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Streak(i32);

impl Streak {
    /// Takes a residual; how many in a row are outside now.
    pub fn step(&mut self, residual: f64, band: f64) -> u32 {
        self.0 = match (residual > band, residual < -band) {
            (true, _) => self.0.max(0).saturating_add(1),
            (_, true) => self.0.min(0).saturating_sub(1),
            (false, false) => 0,
        };
        self.0.unsigned_abs()
    }
}

/// Why no regression can be fitted.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RegressionError {
    /// Too few values.
    #[error("{0} values after the memories are filled; at least {VALUES_MIN} are needed")]
    TooFew(usize),
    /// The days do not rise.
    #[error("the days must rise")]
    Order,
    /// No memories give a solvable problem.
    #[error("no combination of memories can be solved: {0}")]
    Unsolved(LstsqError),
}

/// Fits a record at `confidence` of its band. The memories are those that foretell the record's last
/// quarter best; the band is the wider of the regression's own and of what held that quarter's residuals.
///
/// # Errors
/// [`RegressionError`].
pub fn fit(record: &[Instant], confidence: f64) -> Result<Regression, RegressionError> {
    if record.windows(2).any(|pair| pair[1].day <= pair[0].day) {
        return Err(RegressionError::Order);
    }
    let span_d = record.first().zip(record.last()).map_or(0.0, |(first, last)| last.day - first.day);
    // Season needs a year to be seen, and a trend must not be told from it in less than three.
    let used = match span_d / YEAR_D {
        years if years >= 3.0 => TERMS,
        years if years >= 1.0 => 7,
        _ => 3,
    };
    let mut best: Option<(f64, Memories, f64)> = None;
    let mut failed = None;
    let mut most = 0;
    for level_d in LEVEL_LAGS_D {
        for rain_d in RAIN_LAGS_D {
            let memories = Memories { level_d, rain_d };
            let (rows, values, _) = rows(record, &memories, used);
            most = most.max(rows.len());
            if rows.len() < VALUES_MIN {
                continue;
            }
            let split = ((1.0 - HELD_OUT) * rows.len() as f64) as usize;
            match lstsq::solve(&rows[..split], &values[..split]) {
                Ok(solved) => {
                    let left: Vec<f64> = rows[split..]
                        .iter()
                        .zip(&values[split..])
                        .map(|(x, y)| (y - solved.predict(x)).abs())
                        .collect();
                    let error = left.iter().map(|r| r * r).sum::<f64>() / left.len() as f64;
                    if best.is_none_or(|(least, ..)| error < least) {
                        best = Some((error, memories, quantile(&left, confidence).unwrap_or(f64::INFINITY)));
                    }
                }
                Err(error) => failed = Some(error),
            }
        }
    }
    let Some((_, memories, held)) = best else {
        return Err(failed.map_or(RegressionError::TooFew(most), RegressionError::Unsolved));
    };
    let (rows, values, levels_m) = rows(record, &memories, used);
    let solved = lstsq::solve(&rows, &values).map_err(RegressionError::Unsolved)?;
    let mut coefficients = [0.0; TERMS];
    coefficients.iter_mut().zip(&solved.coefficients).for_each(|(to, from)| *to = *from);
    let widest = rows.iter().filter_map(|row| solved.half_width(row, confidence)).fold(0.0, f64::max);
    let origin_d = record.first().map_or(0.0, |first| first.day);
    Ok(Regression { memories, origin_d, coefficients, band: widest.max(held), levels_m })
}

/// Rows of the regression after the warm-up, their values, and the range of the lagged level.
fn rows(record: &[Instant], memories: &Memories, used: usize) -> (Vec<Vec<f64>>, Vec<f64>, [f64; 2]) {
    let origin_d = record.first().map_or(0.0, |first| first.day);
    let mut loads = Loads::default();
    let (mut rows, mut values) = (Vec::new(), Vec::new());
    let mut levels = [f64::INFINITY, f64::NEG_INFINITY];
    for instant in record {
        loads.step(instant.day, instant.level_m, instant.rain_mm, memories);
        if loads.warm(memories) && instant.value.is_finite() {
            rows.push(loads.row(instant.day, origin_d)[..used].to_vec());
            values.push(instant.value);
            levels = [levels[0].min(loads.level_m), levels[1].max(loads.level_m)];
        }
    }
    (rows, values, levels)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A piezometer that follows the level with 7 days and rain with 5.
    fn record(days: usize) -> Vec<Instant> {
        let memories = Memories { level_d: 7.0, rain_d: 5.0 };
        let truth = Regression {
            memories,
            origin_d: 20_000.0,
            coefficients: [10.0, 0.8, 0.02, 0.3, -0.2, 0.0, 0.0, 0.05, 0.0],
            band: 0.0,
            levels_m: [0.0; 2],
        };
        let mut loads = Loads::default();
        (0..days)
            .map(|i| {
                let day = 20_000.0 + i as f64;
                let level_m = 120.0 + (i as f64 / 23.0).sin() + 0.5 * (i as f64 / 91.0).cos();
                let rain_mm = if i % 11 == 0 {
                    18.0
                } else if i % 29 < 3 {
                    7.0
                } else {
                    0.0
                };
                loads.step(day, level_m, rain_mm, &memories);
                // A fixed jitter of a centimetre stands for the instrument.
                let jitter = 0.01 * ((i * 7_919 % 101) as f64 / 50.0 - 1.0);
                Instant { day, value: truth.expected(&loads, day) + jitter, level_m, rain_mm }
            })
            .collect()
    }

    #[test]
    fn row_21_lagged_level_and_rain_are_found_again_with_their_memories() {
        let found = fit(&record(1_400), 0.95).expect("fits");
        assert_eq!(found.memories, Memories { level_d: 7.0, rain_d: 5.0 });
        assert!((found.coefficients[1] - 0.8).abs() < 0.01, "{found:?}");
        assert!((found.coefficients[2] - 0.02).abs() < 0.001, "{found:?}");
        assert!((0.008..0.03).contains(&found.band), "the band is that of the jitter: {}", found.band);
    }

    #[test]
    fn row_21_an_alarm_needs_three_in_a_row_on_one_side() {
        let mut streak = Streak::default();
        let counts: Vec<u32> =
            [0.5, 1.2, 1.3, 0.2, 1.1, -1.2, 1.5, 1.4, 1.2, 1.3].into_iter().map(|r| streak.step(r, 1.0)).collect();
        assert_eq!(counts, [0, 1, 2, 0, 1, 1, 1, 2, 3, 4]);
    }

    #[test]
    fn a_short_record_gets_neither_season_nor_trend_and_too_short_a_one_nothing() {
        let short = fit(&record(200), 0.95).expect("fits");
        assert!(short.coefficients[3..].iter().all(|c| *c == 0.0), "{short:?}");
        assert!(matches!(fit(&record(40), 0.95), Err(RegressionError::TooFew(_))));
        let mut mixed = record(100);
        mixed.swap(3, 4);
        assert_eq!(fit(&mixed, 0.95), Err(RegressionError::Order));
    }
}
