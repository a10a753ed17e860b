//! Inverse velocity as a straight line (Fukuzono 1985): for `dv/dt = A v²`, `1/v = A (tf − t)`.
//!
//! The line is fitted by least squares; the failure time is where it meets zero. Its interval is
//! Fieller's (asymmetric, may be unbounded), or a moving-block bootstrap of the residuals where
//! neighbouring errors depend on each other. Also here: Voight's general closed form and the window of
//! Carlà et al. (2017). Not here: whether there is a trend worth a line ([`super::onset`]).

use super::stats::{Draw, dependence, quantile, student};
use super::track::Mark;
use serde::Serialize;

/// Two ends in the time of the marks.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    /// Earliest, days.
    pub from: f64,
    /// Latest, days.
    pub to: f64,
}

impl Interval {
    /// Whether two intervals have a day in common.
    pub fn overlaps(&self, other: &Interval) -> bool {
        self.from <= other.to && other.from <= self.to
    }

    /// The smallest interval that holds both.
    pub fn hull(&self, other: &Interval) -> Interval {
        Interval { from: self.from.min(other.from), to: self.to.max(other.to) }
    }

    /// Whether a day lies inside.
    pub fn holds(&self, day: f64) -> bool {
        (self.from..=self.to).contains(&day)
    }
}

/// A line through inverse velocities.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct InverseFit {
    /// Slope of 1/v, negative when accelerating.
    pub slope: f64,
    /// 1/v at time zero.
    pub intercept: f64,
    /// Where the line meets zero, days.
    pub tf: f64,
    /// Coefficient of determination.
    pub r2: f64,
    /// Standard deviation of the failure time by the delta method, days.
    pub sigma: f64,
    /// Half width of the delta method's interval, days.
    pub delta: f64,
    /// Fieller's interval; `None` when it is unbounded (the slope is not proven to differ from zero).
    pub fieller: Option<Interval>,
    /// Lag-one autocorrelation of the residuals, 0 to 0.95.
    pub dependence: f64,
}

/// Fits `1/v` against time. `None` below three marks of positive velocity, or without spread in time.
pub fn fit(velocities: &[Mark], confidence: f64) -> Option<InverseFit> {
    let points = inverted(velocities);
    let line = Line::through(&points)?;
    if line.slope == 0.0 {
        return None;
    }
    let tf = -line.intercept / line.slope;
    let t = student(confidence, line.freedom)?;
    let from_centre = tf - line.mean_x;
    let sigma = (line.variance * (1.0 / line.n + from_centre * from_centre / line.sxx)).sqrt() / line.slope.abs();
    Some(InverseFit {
        slope: line.slope,
        intercept: line.intercept,
        tf,
        r2: line.r2,
        sigma,
        delta: t * sigma,
        fieller: line.fieller(t),
        dependence: dependence(&line.residuals),
    })
}

fn inverted(velocities: &[Mark]) -> Vec<(f64, f64)> {
    velocities.iter().filter(|mark| mark.value > 0.0).map(|mark| (mark.day, 1.0 / mark.value)).collect()
}

/// Interval of the failure time by a moving-block bootstrap of the line's residuals: blocks keep the
/// dependence between neighbours. Deterministic for a seed. `None` when more than one refit in twenty
/// does not accelerate: then the data do not bound the failure time.
pub fn bootstrap(velocities: &[Mark], confidence: f64, rounds: usize, seed: u64) -> Option<Interval> {
    let points = inverted(velocities);
    let line = Line::through(&points)?;
    // Cube root of n, the usual order for means of dependent data, and never less than two.
    let length = ((points.len() as f64).cbrt().ceil() as usize).max(2);
    let starts = (points.len() + 1).checked_sub(length)?;
    let mut draw = Draw::new(seed);
    let mut found = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        let mut residuals: Vec<f64> = Vec::with_capacity(points.len() + length);
        while residuals.len() < points.len() {
            let start = draw.below(starts);
            residuals.extend(line.residuals.iter().skip(start).take(length));
        }
        let again: Vec<(f64, f64)> = points
            .iter()
            .zip(residuals)
            .map(|((x, _), residual)| (*x, line.intercept + line.slope * x + residual))
            .collect();
        if let Some(refit) = Line::through(&again).filter(|refit| refit.slope < 0.0) {
            found.push(-refit.intercept / refit.slope);
        }
    }
    if found.len() * 20 < rounds * 19 {
        return None;
    }
    let tail = (1.0 - confidence) / 2.0;
    Some(Interval { from: quantile(&found, tail)?, to: quantile(&found, 1.0 - tail)? })
}

/// A least-squares line with what its intervals need.
struct Line {
    n: f64,
    freedom: f64,
    mean_x: f64,
    mean_y: f64,
    sxx: f64,
    slope: f64,
    intercept: f64,
    variance: f64,
    r2: f64,
    residuals: Vec<f64>,
}

impl Line {
    fn through(points: &[(f64, f64)]) -> Option<Line> {
        let n = points.len() as f64;
        if points.len() < 3 {
            return None;
        }
        let (mean_x, mean_y) =
            (points.iter().map(|p| p.0).sum::<f64>() / n, points.iter().map(|p| p.1).sum::<f64>() / n);
        let sxx: f64 = points.iter().map(|p| (p.0 - mean_x).powi(2)).sum();
        let sxy: f64 = points.iter().map(|p| (p.0 - mean_x) * (p.1 - mean_y)).sum();
        let syy: f64 = points.iter().map(|p| (p.1 - mean_y).powi(2)).sum();
        if sxx <= 0.0 {
            return None;
        }
        let slope = sxy / sxx;
        let intercept = mean_y - slope * mean_x;
        let residuals: Vec<f64> = points.iter().map(|(x, y)| y - intercept - slope * x).collect();
        let unexplained: f64 = residuals.iter().map(|r| r * r).sum();
        let r2 = if syy > 0.0 { 1.0 - unexplained / syy } else { 0.0 };
        let freedom = n - 2.0;
        Some(Line { n, freedom, mean_x, mean_y, sxx, slope, intercept, variance: unexplained / freedom, r2, residuals })
    }

    /// Fieller (1954): all `x` where the line is not proven to differ from zero. With `z = x − mean`,
    /// `(ȳ + m z)² ≤ t² s² (1/n + z²/Sxx)`; bounded only while the slope is significant.
    fn fieller(&self, t: f64) -> Option<Interval> {
        let noise = t * t * self.variance;
        let a = self.slope * self.slope - noise / self.sxx;
        let b = self.mean_y * self.slope;
        let c = self.mean_y * self.mean_y - noise / self.n;
        let root = b * b - a * c;
        if a <= 0.0 || root < 0.0 {
            return None;
        }
        let ends = [(-b - root.sqrt()) / a, (-b + root.sqrt()) / a];
        Some(Interval { from: self.mean_x + ends[0], to: self.mean_x + ends[1] })
    }
}

/// Failure time of Voight's law `dv/dt = A v^α` from velocity `v0` at time zero, for α > 1:
/// `tf = v0^(1−α) / (A (α − 1))`. `None` where the law has no finite failure time.
pub fn voight_failure(a: f64, alpha: f64, v0: f64) -> Option<f64> {
    (a > 0.0 && alpha > 1.0 && v0 > 0.0).then(|| v0.powf(1.0 - alpha) / (a * (alpha - 1.0)))
}

/// Velocity of Voight's law at `t`; `None` at and after the failure.
pub fn voight_velocity(a: f64, alpha: f64, v0: f64, t: f64) -> Option<f64> {
    let left = voight_failure(a, alpha, v0)? - t;
    (left > 0.0).then(|| (a * (alpha - 1.0) * left).powf(-1.0 / (alpha - 1.0)))
}

/// Failure window of Carlà et al. (2017) from the failure times of the short and the long smoothing:
/// half their difference before the short one to half of it after the long one.
pub fn carla_window(tf_short: f64, tf_long: f64) -> Interval {
    let half = (tf_long - tf_short).abs() / 2.0;
    Interval { from: tf_short.min(tf_long) - half, to: tf_short.max(tf_long) + half }
}
