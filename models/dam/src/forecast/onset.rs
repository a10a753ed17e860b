//! Onset of acceleration: a short moving average of the velocity above a long one, for several samples
//! in a row, and above the noise of the velocities themselves.
//!
//! Source: the SMA/LMA crossing of Carlà et al. (2017), gated by the track's own noise floor. Not here:
//! removal of movement common to other stations ([`super::common`]) and the forecast ([`super::fit`]).

use super::stats::{median, robust_sigma};
use super::track::Mark;
use serde::Serialize;

/// What counts as an onset.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OnsetSettings {
    /// Samples of the short moving average.
    pub short: usize,
    /// Samples of the long moving average.
    pub long: usize,
    /// Samples in a row that must have the short average above the long one.
    pub in_a_row: usize,
    /// The short average must exceed so many standard deviations of the velocity noise.
    pub sigmas: f64,
}

impl Default for OnsetSettings {
    fn default() -> OnsetSettings {
        OnsetSettings { short: 3, long: 7, in_a_row: 3, sigmas: 3.0 }
    }
}

/// Mean of the `n` values that end at `index`; `None` before there are so many.
pub fn moving_average(values: &[f64], index: usize, n: usize) -> Option<f64> {
    let from = (index + 1).checked_sub(n)?;
    let part = values.get(from..=index).filter(|part| !part.is_empty())?;
    Some(part.iter().sum::<f64>() / part.len() as f64)
}

/// The moving averages at the newest velocity and for how long the crossing has lasted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Crossing {
    /// Short moving average, per day.
    pub short: f64,
    /// Long moving average, per day.
    pub long: f64,
    /// Highest short average so far in the crossing, per day.
    pub peak: f64,
    /// Samples in a row with the short average above the long one, the newest included.
    pub lasting: usize,
    /// Index of the velocity where the crossing began; the newest where there is none.
    pub began: usize,
}

/// Moving averages of the newest velocity. A dip of one sample does not end a crossing: noise alone
/// makes one in a real acceleration. `None` with fewer velocities than the long average needs.
pub fn crossing(velocities: &[Mark], settings: &OnsetSettings) -> Option<Crossing> {
    let values: Vec<f64> = velocities.iter().map(|mark| mark.value).collect();
    let last = values.len().checked_sub(1)?;
    let averages =
        |index| Some((moving_average(&values, index, settings.short)?, moving_average(&values, index, settings.long)?));
    let (short, long) = averages(last)?;
    let (mut began, mut lasting, mut peak, mut dips) = (last, 0, short, 0);
    for index in (0..=last).rev() {
        let Some((short, long)) = averages(index) else { break };
        if short > long {
            (began, dips) = (index, 0);
            lasting += 1;
            peak = peak.max(short);
        } else if index == last || dips == 1 {
            break;
        } else {
            dips += 1;
        }
    }
    Some(Crossing { short, long, peak, lasting, began })
}

/// Standard deviation of the velocities' noise, from the scatter of each about the median of its
/// neighbourhood, so that a trend does not count as noise. With fewer than five velocities there is
/// no neighbourhood and the answer is `None`.
pub fn velocity_noise(velocities: &[Mark]) -> Option<f64> {
    const HALF: usize = 2;
    let values: Vec<f64> = velocities.iter().map(|mark| mark.value).collect();
    if values.len() < 2 * HALF + 1 {
        return None;
    }
    let scatter: Vec<f64> =
        values.windows(2 * HALF + 1).filter_map(|window| Some(window.get(HALF)? - median(window)?)).collect();
    // The median of five takes up part of the scatter of its middle value; 1.12 gives it back (normal errors).
    const TAKEN: f64 = 1.12;
    let robust = robust_sigma(&scatter)? * TAKEN;
    // Where most values equal their neighbourhood's median the MAD says nothing; the plain deviation does.
    let plain = (scatter.iter().map(|s| s * s).sum::<f64>() / scatter.len() as f64).sqrt();
    Some(if robust > 0.0 { robust } else { plain })
}
