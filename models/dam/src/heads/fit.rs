//! Fit of the head model: several starts, two storages, and a held-out part that decides their weights.

use super::simplex::{Minimum, minimise};
use super::soil::{Soil, Weather, recharge};
use super::storage::{Drained, drained, exponential};
use super::{nse, rmse};
use crate::forecast::stats::quantile;

/// Fewest heads a fit is made from: a year of weekly readings.
pub const HEADS_MIN: usize = 52;
/// Most days of weather (110 years); keeps a fit below a minute.
pub const DAYS_MAX: usize = 40_000;
/// Steps of one search.
const ROUNDS: usize = 700;
/// Relative tolerance of a search.
const TOLERANCE: f64 = 1e-5;
/// Share of the record, at its end, that decides the weights of the candidates.
const HELD_OUT: f64 = 0.25;

/// Why no model can be fitted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// Too few heads.
    #[error("{have} heads; at least {HEADS_MIN} are needed")]
    TooFew {
        /// Heads given.
        have: usize,
    },
    /// Too much weather.
    #[error("{0} days of weather; at most {DAYS_MAX} are read")]
    TooLong(usize),
    /// The heads do not move.
    #[error("the heads do not vary")]
    Constant,
    /// A head lies outside the weather.
    #[error("a head lies on day {0}, outside the weather")]
    Outside(usize),
}

/// Storage of a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Storage {
    /// Two exponential stores side by side, the slow one fed also through a second.
    Lagged,
    /// One store with a drain.
    Drained,
}

/// A fitted candidate: its parameters in the search's coordinates, and the linear part.
#[derive(Debug, Clone, PartialEq)]
struct Candidate {
    storage: Storage,
    at: Vec<f64>,
    linear: Vec<f64>,
}

/// A fitted head model.
#[derive(Debug, Clone, PartialEq)]
pub struct HeadFit {
    candidates: Vec<(f64, Candidate)>,
    /// Nash–Sutcliffe efficiency on the part of the record that decided the weights.
    pub held_out_nse: Option<f64>,
    /// Root mean square error on the fitted record, m.
    pub rmse_m: f64,
    /// Half width of the band that held 95 % of the residuals of the fitted record, m.
    pub band_m: f64,
}

/// Fits heads `(day, metres)` with `day` an index into `weather`.
///
/// # Errors
/// [`HeadError`] when there is nothing to fit.
pub fn fit(weather: &[Weather], heads: &[(usize, f64)]) -> Result<HeadFit, HeadError> {
    let heads = checked(weather, heads)?;
    let split = ((1.0 - HELD_OUT) * heads.len() as f64) as usize;
    let (early, late) = heads.split_at(split);
    let mut weights = Vec::new();
    for storage in [Storage::Lagged, Storage::Drained] {
        let candidate = search(weather, early, storage, None);
        let seen = values(&candidate.simulate(weather), late);
        let error = rmse(&late.iter().map(|(_, h)| *h).collect::<Vec<_>>(), &seen).unwrap_or(f64::INFINITY);
        weights.push((candidate, error));
    }
    let best = weights.iter().map(|(_, error)| *error).fold(f64::INFINITY, f64::min);
    let mut candidates = Vec::new();
    let mut held = vec![0.0; late.len()];
    // Fourth power: nearly equal candidates are averaged, a clearly worse one hardly counts.
    let total: f64 = weights.iter().map(|(_, error)| (best / error).powi(4)).sum();
    for (candidate, error) in weights {
        let weight = (best / error).powi(4) / total;
        for (sum, value) in held.iter_mut().zip(values(&candidate.simulate(weather), late)) {
            *sum += weight * value;
        }
        let whole = search(weather, &heads, candidate.storage, Some(&candidate.at));
        candidates.push((weight, whole));
    }
    let observed: Vec<f64> = late.iter().map(|(_, h)| *h).collect();
    let mut fitted = HeadFit { candidates, held_out_nse: nse(&observed, &held), rmse_m: 0.0, band_m: 0.0 };
    let all: Vec<f64> = heads.iter().map(|(_, h)| *h).collect();
    let simulated = values(&fitted.simulate(weather), &heads);
    fitted.rmse_m = rmse(&all, &simulated).unwrap_or(f64::NAN);
    let residuals: Vec<f64> = all.iter().zip(&simulated).map(|(o, p)| (o - p).abs()).collect();
    fitted.band_m = quantile(&residuals, 0.95).unwrap_or(f64::NAN);
    Ok(fitted)
}

impl HeadFit {
    /// Heads of every day of the weather, m.
    pub fn simulate(&self, weather: &[Weather]) -> Vec<f64> {
        let mut heads = vec![0.0; weather.len()];
        for (weight, candidate) in &self.candidates {
            for (head, value) in heads.iter_mut().zip(candidate.simulate(weather)) {
                *head += weight * value;
            }
        }
        heads
    }
}

fn checked(weather: &[Weather], heads: &[(usize, f64)]) -> Result<Vec<(usize, f64)>, HeadError> {
    let mut heads: Vec<(usize, f64)> = heads.iter().copied().filter(|(_, head)| head.is_finite()).collect();
    heads.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    heads.dedup_by_key(|(day, _)| *day);
    if weather.len() > DAYS_MAX {
        return Err(HeadError::TooLong(weather.len()));
    }
    if heads.len() < HEADS_MIN {
        return Err(HeadError::TooFew { have: heads.len() });
    }
    if let Some((day, _)) = heads.last().filter(|(day, _)| *day >= weather.len()) {
        return Err(HeadError::Outside(*day));
    }
    let (low, high) = heads.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), (_, x)| (l.min(*x), h.max(*x)));
    if high <= low {
        return Err(HeadError::Constant);
    }
    Ok(heads)
}

fn values(simulated: &[f64], heads: &[(usize, f64)]) -> Vec<f64> {
    heads.iter().map(|(day, _)| simulated.get(*day).copied().unwrap_or(f64::NAN)).collect()
}

/// Starts: root-zone capacity mm, drainage exponent, fast and slow time constant days.
const STARTS: [[f64; 4]; 5] = [
    [120.0, 2.0, 20.0, 200.0],
    [250.0, 4.0, 60.0, 400.0],
    [60.0, 1.5, 10.0, 120.0],
    [180.0, 3.0, 120.0, 900.0],
    [350.0, 6.0, 5.0, 90.0],
];

fn search(weather: &[Weather], heads: &[(usize, f64)], storage: Storage, warm: Option<&[f64]>) -> Candidate {
    // Only the weather up to the last head: a fit never sees what comes after.
    let last = heads.last().map_or(0, |(day, _)| *day);
    let weather = weather.get(..=last).unwrap_or(weather);
    let mut buffer = Vec::new();
    let mut error = |at: &[f64]| Candidate::solved(storage, at, weather, heads, &mut buffer).1;
    let starts: Vec<Vec<f64>> = match warm {
        Some(at) => vec![at.to_vec()],
        None => STARTS.iter().map(coordinates).collect(),
    };
    let step = [0.4, 0.4, 0.6, 0.1, 0.5, 0.3, 0.3, 0.6, 0.6, 0.2, 40.0, 0.8, 0.6];
    let found = starts
        .iter()
        .map(|start| minimise(start, &step, ROUNDS, TOLERANCE, &mut error))
        .reduce(|a, b| if b.value < a.value { b } else { a })
        .unwrap_or(Minimum { at: coordinates(&STARTS[0]), value: f64::INFINITY });
    // Once more from the best, with a fresh simplex: the first may have collapsed early.
    let found = minimise(&found.at, &step.map(|s| s / 2.0), ROUNDS, TOLERANCE, &mut error);
    Candidate::solved(storage, &found.at, weather, heads, &mut buffer).0
}

/// Search coordinates (logarithms where a parameter is positive) of a start.
fn coordinates(start: &[f64; 4]) -> Vec<f64> {
    let [capacity, exponent, fast, slow] = *start;
    vec![
        capacity.ln(),
        exponent.ln(),
        10.0_f64.ln(),
        1.0,
        0.5,
        3.0_f64.ln(),
        0.5,
        fast.ln(),
        slow.ln(),
        0.3,
        60.0,
        3.0,
        0.5,
    ]
}

/// Moves a number into `low..high` without a corner that a search would stick to.
fn within(x: f64, low: f64, high: f64) -> f64 {
    let width = high - low;
    let turn = ((x - low) / width).rem_euclid(2.0);
    low + width * if turn <= 1.0 { turn } else { 2.0 - turn }
}

fn soil_of(at: &[f64]) -> Soil {
    let x = |i: usize| at.get(i).copied().unwrap_or(0.0);
    Soil {
        capacity_mm: within(x(0), 10.0_f64.ln(), 900.0_f64.ln()).exp(),
        exponent: within(x(1), 0.5_f64.ln(), 20.0_f64.ln()).exp(),
        drainage_mm: within(x(2), 0.1_f64.ln(), 500.0_f64.ln()).exp(),
        crop: within(x(3), 0.4, 1.8),
        interception_mm: within(x(4), 0.0, 5.0),
        melt_mm: within(x(5), 0.5_f64.ln(), 10.0_f64.ln()).exp(),
        bypass: within(x(6), 0.0, 1.0),
        uplift: within(x(9), 0.0, 1.0),
    }
}

impl Candidate {
    /// The candidate with the best linear part for these parameters, and its squared error.
    fn solved(
        storage: Storage,
        at: &[f64],
        weather: &[Weather],
        heads: &[(usize, f64)],
        buffer: &mut Vec<f64>,
    ) -> (Candidate, f64) {
        recharge(&soil_of(at), weather, buffer);
        let shapes = shapes(storage, at, buffer);
        let columns: Vec<Vec<f64>> = shapes.iter().map(|shape| values(shape, heads)).collect();
        let observed: Vec<f64> = heads.iter().map(|(_, head)| *head).collect();
        let (linear, error) = non_negative(&columns, &observed);
        (Candidate { storage, at: at.to_vec(), linear }, error)
    }

    fn simulate(&self, weather: &[Weather]) -> Vec<f64> {
        let mut recharged = Vec::new();
        recharge(&soil_of(&self.at), weather, &mut recharged);
        let shapes = shapes(self.storage, &self.at, &recharged);
        let constant = self.linear.first().copied().unwrap_or(0.0);
        (0..weather.len())
            .map(|day| {
                let rise = shapes.iter().zip(self.linear.iter().skip(1)).map(|(shape, a)| a * shape[day]);
                constant + rise.sum::<f64>()
            })
            .collect()
    }
}

/// Head shapes of the storage, up to factors that are solved for.
fn shapes(storage: Storage, at: &[f64], recharged: &[f64]) -> Vec<Vec<f64>> {
    let x = |i: usize| at.get(i).copied().unwrap_or(0.0);
    let fast = within(x(7), 0.0, 1_500.0_f64.ln()).exp();
    let slow = within(x(8), 5.0_f64.ln(), 5_000.0_f64.ln()).exp();
    match storage {
        Storage::Lagged => {
            let quick = exponential(recharged, fast);
            let steady = exponential(recharged, slow);
            let both = exponential(&quick, slow);
            vec![quick, steady, both]
        }
        Storage::Drained => {
            let store = Drained {
                base_tau_d: slow,
                drain_mm: within(x(10), 0.0, 400.0),
                drain_tau_d: fast,
                ground_mm: within(x(11), 0.0, 7.0_f64).exp() - 1.0,
                ground_tau_d: within(x(12), -1.5, 4.0).exp(),
            };
            vec![drained(recharged, &store, store.drain_mm)]
        }
    }
}

/// Least squares with a free constant and factors that are not negative (more recharge never lowers a
/// head): a column whose factor would be negative is left out. Returns constant and factors.
fn non_negative(columns: &[Vec<f64>], observed: &[f64]) -> (Vec<f64>, f64) {
    let n = observed.len() as f64;
    let mean_y = observed.iter().sum::<f64>() / n;
    let means: Vec<f64> = columns.iter().map(|column| column.iter().sum::<f64>() / n).collect();
    let mut used: Vec<usize> = (0..columns.len()).collect();
    loop {
        let factors = normal(columns, &means, observed, mean_y, &used);
        let worst = used.iter().zip(&factors).filter(|(_, a)| **a < 0.0).min_by(|a, b| a.1.total_cmp(b.1));
        if let Some((drop, _)) = worst {
            let drop = *drop;
            used.retain(|index| *index != drop);
            continue;
        }
        let mut linear = vec![0.0; columns.len() + 1];
        linear[0] = mean_y;
        for (index, factor) in used.iter().zip(&factors) {
            linear[index + 1] = *factor;
            linear[0] -= factor * means[*index];
        }
        let error = (0..observed.len())
            .map(|row| {
                let fitted: f64 = linear[0] + columns.iter().zip(&linear[1..]).map(|(c, a)| a * c[row]).sum::<f64>();
                (observed[row] - fitted).powi(2)
            })
            .sum::<f64>();
        return (linear, if error.is_finite() { error } else { f64::MAX });
    }
}

/// Normal equations on centred columns, with a trace of ridge so that equal columns share their factor.
fn normal(columns: &[Vec<f64>], means: &[f64], observed: &[f64], mean_y: f64, used: &[usize]) -> Vec<f64> {
    let k = used.len();
    let mut matrix = nalgebra::DMatrix::<f64>::zeros(k, k);
    let mut right = nalgebra::DVector::<f64>::zeros(k);
    for (a, ia) in used.iter().enumerate() {
        for (b, ib) in used.iter().enumerate().take(a + 1) {
            let sum: f64 =
                columns[*ia].iter().zip(&columns[*ib]).map(|(x, y)| (x - means[*ia]) * (y - means[*ib])).sum();
            matrix[(a, b)] = sum;
            matrix[(b, a)] = sum;
        }
        right[a] = columns[*ia].iter().zip(observed).map(|(x, y)| (x - means[*ia]) * (y - mean_y)).sum();
    }
    for a in 0..k {
        matrix[(a, a)] *= 1.0 + 1e-9;
    }
    matrix.cholesky().map_or_else(|| vec![0.0; k], |solved| solved.solve(&right).iter().copied().collect())
}
