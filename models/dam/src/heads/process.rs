//! Physical candidates: a soil that recharges a store, fitted by a search over their parameters with the
//! linear part solved for at each step.

use super::simplex::{Minimum, minimise};
use super::soil::{Soil, Weather, recharge};
use super::storage::{Drained, drained, exponential};

/// Steps of one search.
const ROUNDS: usize = 700;
/// Relative tolerance of a search.
const TOLERANCE: f64 = 1e-5;

/// Storage of a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Storage {
    /// Two exponential stores side by side, the slow one fed also through a second.
    Lagged,
    /// One store with a drain.
    Drained,
}

/// A fitted candidate: its parameters in the search's coordinates, and the linear part.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Candidate {
    storage: Storage,
    at: Vec<f64>,
    linear: Vec<f64>,
}

/// Starts: root-zone capacity mm, drainage exponent, fast and slow time constant days.
const STARTS: [[f64; 4]; 5] = [
    [120.0, 2.0, 20.0, 200.0],
    [250.0, 4.0, 60.0, 400.0],
    [60.0, 1.5, 10.0, 120.0],
    [180.0, 3.0, 120.0, 900.0],
    [350.0, 6.0, 5.0, 90.0],
];

/// The best candidate for `heads`, from listed starts or from the parameters of a `warm` one.
pub(super) fn search(
    weather: &[Weather],
    heads: &[(usize, f64)],
    storage: Storage,
    warm: Option<&Candidate>,
) -> Candidate {
    let mut buffer = Vec::new();
    let mut error = |at: &[f64]| Candidate::solved(storage, at, weather, heads, &mut buffer).1;
    let starts: Vec<Vec<f64>> = match warm {
        Some(known) => vec![known.at.clone()],
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
        let columns: Vec<Vec<f64>> = shapes.iter().map(|shape| super::fit::values(shape, heads)).collect();
        let observed: Vec<f64> = heads.iter().map(|(_, head)| *head).collect();
        let (linear, error) = non_negative(&columns, &observed);
        (Candidate { storage, at: at.to_vec(), linear }, error)
    }

    /// Heads of every day of the weather, m.
    pub(super) fn simulate(&self, weather: &[Weather]) -> Vec<f64> {
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
