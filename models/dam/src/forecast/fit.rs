//! The same law fitted to what was measured, not to its inverse: displacement `u = c − b·g(tf − t)` or
//! velocity `v = b·(tf − t)^(−p)`, with `p = 1/(α − 1)` (α = 2: `g = ln`, the classic inverse velocity).
//!
//! Inverting a noisy velocity weighs its worst values most; fitting the measured quantity keeps its
//! errors equal. For a given tf the model is linear, so only tf (and α) is searched; the interval is the
//! profile of the residual sum against Fisher's F, with the number of values reduced by their dependence.
//! For α = 2 and a line this is Fieller's set. Several tracks of one moving mass share tf.

use super::inverse::Interval;
use super::stats::{dependence, fisher_one};
use super::track::{Kind, Track};
use serde::Serialize;

/// Points of the search grid for tf, log-spaced.
const GRID: usize = 64;
/// Nearest failure considered, as a share of the window's length.
const NEAREST: f64 = 0.002;
/// Furthest failure considered, in lengths of the window: beyond it the curve is a straight line.
const FURTHEST: f64 = 12.0;
/// Exponents tried for the second opinion (Voight 1988; measured ones lie between 1.5 and 2.5).
const ALPHAS: [f64; 9] = [1.5, 1.6, 1.7, 1.8, 1.9, 2.0, 2.2, 2.5, 3.0];

/// A fitted failure law.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct LawFit {
    /// Exponent of `dv/dt = A v^α`.
    pub alpha: f64,
    /// Failure time, days.
    pub tf: f64,
    /// Interval; `None` when the data do not bound it.
    pub interval: Option<Interval>,
    /// Residual sum over what a straight line leaves (1: no better than no acceleration).
    pub unexplained: f64,
    /// Values, reduced by their dependence on each other.
    pub effective: f64,
    /// Mean square of the residuals per degree of freedom, weighted where there are several tracks.
    pub variance: f64,
}

/// One track in the search, with the weight of its errors.
struct Series {
    kind: Kind,
    days: Vec<f64>,
    values: Vec<f64>,
    weight: f64,
}

/// Where the search stands: the tracks, the last day and the window's length.
struct Search {
    series: Vec<Series>,
    last: f64,
    span: f64,
}

/// Fits `alpha` to tracks that share a failure time. `None` with fewer than four values in every track,
/// or where no track accelerates.
pub fn fit(tracks: &[Track], alpha: f64, confidence: f64) -> Option<LawFit> {
    Search::new(tracks)?.fit(&[alpha], confidence)
}

/// As [`fit`], with the exponent free as well.
pub fn fit_free(tracks: &[Track], confidence: f64) -> Option<LawFit> {
    Search::new(tracks)?.fit(&ALPHAS, confidence)
}

impl Search {
    fn new(tracks: &[Track]) -> Option<Search> {
        let usable: Vec<&Track> = tracks.iter().filter(|track| track.marks().len() >= 4).collect();
        let ends = |track: &&Track| Some((track.marks().first()?.day, track.marks().last()?.day));
        let (first, last) = usable
            .iter()
            .filter_map(ends)
            .reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
            .filter(|(first, last)| last > first)?;
        let series = usable
            .into_iter()
            .map(|track| Series {
                kind: track.kind(),
                days: track.marks().iter().map(|mark| mark.day).collect(),
                values: track.marks().iter().map(|mark| mark.value).collect(),
                weight: 1.0,
            })
            .collect();
        let mut search = Search { series, last, span: last - first };
        search.weigh();
        Some(search)
    }

    /// Weighs each track by the scatter it has about its own best law, so that a precise instrument
    /// says more than a noisy one.
    fn weigh(&mut self) {
        if self.series.len() < 2 {
            return;
        }
        let weights: Vec<f64> = self
            .series
            .iter()
            .map(|series| {
                let best = self.taus().map(|tau| series.residual(self.last + tau, 2.0)).fold(f64::INFINITY, f64::min);
                let variance = best / (series.values.len() as f64 - 3.0).max(1.0);
                if variance > 0.0 { 1.0 / variance } else { 1.0 }
            })
            .collect();
        for (series, weight) in self.series.iter_mut().zip(weights) {
            series.weight = weight;
        }
    }

    fn taus(&self) -> impl Iterator<Item = f64> {
        let (near, ratio) = (NEAREST * self.span, FURTHEST / NEAREST);
        (0..GRID).map(move |i| near * ratio.powf(i as f64 / (GRID - 1) as f64))
    }

    fn total(&self, tau: f64, alpha: f64) -> f64 {
        self.series.iter().map(|series| series.weight * series.residual(self.last + tau, alpha)).sum()
    }

    fn best_over(&self, tau: f64, alphas: &[f64]) -> f64 {
        alphas.iter().map(|alpha| self.total(tau, *alpha)).fold(f64::INFINITY, f64::min)
    }

    fn fit(&self, alphas: &[f64], confidence: f64) -> Option<LawFit> {
        let (mut best, mut tau, mut alpha) = (f64::INFINITY, self.span, 2.0);
        for candidate in self.taus() {
            for exponent in alphas {
                let total = self.total(candidate, *exponent);
                if total < best {
                    (best, tau, alpha) = (total, candidate, *exponent);
                }
            }
        }
        tau = golden(tau / 1.2, tau * 1.2, |tau| self.total(tau, alpha));
        best = self.total(tau, alpha).min(best);
        let straight: f64 = self.series.iter().map(|series| series.weight * series.straight()).sum();
        if !(best.is_finite() && best < straight) {
            return None;
        }
        let (effective, parameters) = self.effective(self.last + tau, alpha, alphas.len() > 1);
        let freedom = (effective - parameters).max(1.0);
        let limit = best * (1.0 + fisher_one(confidence, freedom)? / freedom);
        let interval = self.interval(tau, limit, alphas);
        let values: f64 = self.series.iter().map(|series| series.values.len() as f64).sum();
        let variance = best / (values - parameters).max(1.0);
        Some(LawFit { alpha, tf: self.last + tau, interval, unexplained: best / straight, effective, variance })
    }

    /// Number of values after their dependence, and number of parameters fitted.
    fn effective(&self, tf: f64, alpha: f64, free: bool) -> (f64, f64) {
        let mut effective = 0.0;
        let mut parameters = 1.0 + f64::from(u8::from(free));
        for series in &self.series {
            let rho = dependence(&series.residuals(tf, alpha));
            effective += series.values.len() as f64 * (1.0 - rho) / (1.0 + rho);
            parameters += series.columns() as f64;
        }
        (effective, parameters)
    }

    /// Ends of the profile: where the residual sum passes `limit`. `None` when it does not do so before
    /// the furthest failure considered.
    fn interval(&self, tau: f64, limit: f64, alphas: &[f64]) -> Option<Interval> {
        let over = |candidate: f64| self.best_over(candidate, alphas) > limit;
        let (nearest, furthest) = (NEAREST * self.span, FURTHEST * self.span);
        if !over(furthest) {
            return None;
        }
        let upper = border(tau, furthest, &over);
        let lower = if over(nearest) { border(tau, nearest, &over) } else { 0.0 };
        Some(Interval { from: self.last + lower, to: self.last + upper })
    }
}

impl Series {
    fn columns(&self) -> usize {
        match self.kind {
            Kind::Displacement => 2,
            Kind::Velocity => 1,
        }
    }

    /// The law's shape at a time, up to its factor.
    fn shape(&self, left: f64, alpha: f64) -> f64 {
        let p = 1.0 / (alpha - 1.0);
        match self.kind {
            Kind::Velocity => left.powf(-p),
            Kind::Displacement if (p - 1.0).abs() < 1e-9 => -left.ln(),
            Kind::Displacement => left.powf(1.0 - p) / (p - 1.0),
        }
    }

    fn residual(&self, tf: f64, alpha: f64) -> f64 {
        self.fitted(tf, alpha).map_or(f64::INFINITY, |(_, _, sum)| sum)
    }

    fn residuals(&self, tf: f64, alpha: f64) -> Vec<f64> {
        let Some((constant, factor, _)) = self.fitted(tf, alpha) else { return Vec::new() };
        self.days
            .iter()
            .zip(&self.values)
            .map(|(day, value)| value - constant - factor * self.shape(tf - day, alpha))
            .collect()
    }

    /// Constant, factor and residual sum of the best law with this failure time; `None` at or before
    /// the last value, and where the best factor is not an acceleration.
    fn fitted(&self, tf: f64, alpha: f64) -> Option<(f64, f64, f64)> {
        if self.days.last().is_none_or(|last| *last >= tf) {
            return None;
        }
        let shapes: Vec<f64> = self.days.iter().map(|day| self.shape(tf - day, alpha)).collect();
        let n = shapes.len() as f64;
        let (mean_x, mean_y) = match self.kind {
            Kind::Displacement => (shapes.iter().sum::<f64>() / n, self.values.iter().sum::<f64>() / n),
            Kind::Velocity => (0.0, 0.0),
        };
        let (mut xx, mut xy) = (0.0, 0.0);
        for (x, y) in shapes.iter().zip(&self.values) {
            xx += (x - mean_x).powi(2);
            xy += (x - mean_x) * (y - mean_y);
        }
        let factor = if xx > 0.0 { (xy / xx).max(0.0) } else { 0.0 };
        let constant = mean_y - factor * mean_x;
        let sum = shapes.iter().zip(&self.values).map(|(x, y)| (y - constant - factor * x).powi(2)).sum();
        Some((constant, factor, sum))
    }

    /// Residual sum without acceleration: a straight line through displacements, a constant velocity.
    fn straight(&self) -> f64 {
        let n = self.days.len() as f64;
        let mean_y = self.values.iter().sum::<f64>() / n;
        let slope = match self.kind {
            Kind::Velocity => 0.0,
            Kind::Displacement => {
                let mean_x = self.days.iter().sum::<f64>() / n;
                let xx: f64 = self.days.iter().map(|x| (x - mean_x).powi(2)).sum();
                let xy: f64 = self.days.iter().zip(&self.values).map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
                if xx > 0.0 { xy / xx } else { 0.0 }
            }
        };
        let mean_x = self.days.iter().sum::<f64>() / n;
        self.days.iter().zip(&self.values).map(|(x, y)| (y - mean_y - slope * (x - mean_x)).powi(2)).sum()
    }
}

/// Minimum of a function with one valley between two ends.
fn golden(mut low: f64, mut high: f64, f: impl Fn(f64) -> f64) -> f64 {
    let share = (5.0_f64.sqrt() - 1.0) / 2.0;
    let (mut a, mut b) = (high - share * (high - low), low + share * (high - low));
    let (mut fa, mut fb) = (f(a), f(b));
    for _ in 0..40 {
        if fa <= fb {
            (high, b, fb) = (b, a, fa);
            a = high - share * (high - low);
            fa = f(a);
        } else {
            (low, a, fa) = (a, b, fb);
            b = low + share * (high - low);
            fb = f(b);
        }
    }
    (low + high) / 2.0
}

/// The place between `inside` (not over) and `outside` (over) where the answer changes, by halving in
/// the logarithm.
fn border(inside: f64, outside: f64, over: &impl Fn(f64) -> bool) -> f64 {
    let (mut inside, mut outside) = (inside.ln(), outside.ln());
    for _ in 0..40 {
        let middle = (inside + outside) / 2.0;
        if over(middle.exp()) { outside = middle } else { inside = middle }
    }
    ((inside + outside) / 2.0).exp()
}
