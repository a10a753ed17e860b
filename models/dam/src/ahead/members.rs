//! The members of the forecast and their weights.
//!
//! Tried and left out because they made every station of the test record worse: last years' season, and
//! regressions on season, rain and reservoir level with three years of data.

/// Lengths of the lines, days. Short ones follow a step at once, long ones do not follow noise.
const LINES: [usize; 5] = [3, 7, 14, 30, 60];
/// The length others are compared with.
const YARDSTICK_D: usize = 30;
/// The line that is also said in part, and the shares: movements calm down more often than they go on.
const DAMPED_D: usize = 7;
const DAMPED: [f64; 3] = [0.8, 0.6, 0.4];
/// Days after which a member's error counts half.
const MEMORY_D: f64 = 60.0;
/// How sharply the better members are preferred.
const SHARPNESS: f64 = 4.0;
/// Shares of the increment and of the long-run error in the scale of the error, beside the recent error.
const OF_INCREMENT: f64 = 0.25;
const OF_LONG_RUN: f64 = 0.25;

/// What the members say together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Said {
    /// Increment over the horizon.
    pub(super) increment: f64,
    /// Scale of its error.
    pub(super) spread: f64,
    /// Increment of the yardstick's line.
    pub(super) linear: f64,
}

pub(super) struct Members<'a> {
    values: &'a [f64],
    horizon: usize,
    /// What was said on each origin: every member, and together.
    said: Vec<(Vec<f64>, f64)>,
    first: usize,
    /// Recent absolute error of each member.
    errors: Vec<f64>,
    /// Recent and long-run absolute error of what was said together; the number of errors.
    recent: f64,
    long_run: f64,
    known: f64,
}

impl<'a> Members<'a> {
    pub(super) fn new(values: &'a [f64], horizon: usize) -> Members<'a> {
        Members {
            values,
            horizon,
            said: Vec::new(),
            first: 0,
            errors: Vec::new(),
            recent: 0.0,
            long_run: 0.0,
            known: 0.0,
        }
    }

    /// Forecast on one day; days must be given one after the other.
    pub(super) fn forecast(&mut self, origin: usize) -> Said {
        if self.said.is_empty() {
            self.first = origin;
        }
        self.learn(origin);
        let members = self.members(origin);
        if self.errors.len() != members.len() {
            self.errors = vec![0.0; members.len()];
        }
        let best = self.errors.iter().copied().fold(f64::INFINITY, f64::min);
        let weight = |error: f64| if error > 0.0 { (best / error).powf(SHARPNESS) } else { 1.0 };
        let total: f64 = self.errors.iter().map(|error| weight(*error)).sum();
        let increment = members.iter().zip(&self.errors).map(|(m, error)| m * weight(*error)).sum::<f64>() / total;
        self.said.push((members, increment));
        let spread = self.recent + OF_LONG_RUN * self.long_run + OF_INCREMENT * increment.abs() + f64::EPSILON;
        Said { increment, spread, linear: self.line(origin, YARDSTICK_D) }
    }

    /// Errors of what was said `horizon` days ago.
    fn learn(&mut self, origin: usize) {
        let Some(back) = origin.checked_sub(self.horizon).filter(|back| *back >= self.first) else { return };
        let Some((members, together)) = self.said.get(back - self.first) else { return };
        let came = self.values[origin] - self.values[back];
        let kept = 0.5_f64.powf(1.0 / MEMORY_D);
        let mixed = |old: f64, new: f64, first: bool| if first { new } else { kept * old + (1.0 - kept) * new };
        let first = self.known == 0.0;
        for (error, said) in self.errors.iter_mut().zip(members) {
            *error = mixed(*error, (came - said).abs(), first);
        }
        let error = (came - together).abs();
        self.recent = mixed(self.recent, error, first);
        self.known += 1.0;
        self.long_run += (error - self.long_run) / self.known;
    }

    /// Increment over the horizon by the line through the last `length` days.
    fn line(&self, origin: usize, length: usize) -> f64 {
        let length = length.min(origin);
        let part = &self.values[origin - length..=origin];
        let n = part.len() as f64;
        let (mean_x, mean_y) = ((n - 1.0) / 2.0, part.iter().sum::<f64>() / n);
        let xy: f64 = part.iter().enumerate().map(|(i, y)| (i as f64 - mean_x) * (y - mean_y)).sum();
        let xx: f64 = (0..part.len()).map(|i| (i as f64 - mean_x).powi(2)).sum();
        if xx > 0.0 { xy / xx * self.horizon as f64 } else { 0.0 }
    }

    fn members(&self, origin: usize) -> Vec<f64> {
        let damped = self.line(origin, DAMPED_D);
        let still = std::iter::once(0.0);
        let lines = LINES.iter().map(|length| self.line(origin, *length));
        still.chain(lines).chain(DAMPED.iter().map(|share| share * damped)).collect()
    }
}
