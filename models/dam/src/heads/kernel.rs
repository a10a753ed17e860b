//! Kernel ridge regression of a head on memories of the weather: a smooth, possibly bent surface through
//! the heads (the mean of a Gaussian process; Rasmussen & Williams 2006, 2.2 and 5.4.2).
//!
//! How smooth and how exact is chosen by leaving out whole blocks of years, never single days: heads of
//! neighbouring days are nearly equal, and leaving out days would choose a memory, not a model. Where the
//! weather is like none that was seen, the surface returns to the mean of the heads.

use nalgebra::{DMatrix, DVector};

/// Heads a surface goes through at most; denser ones are thinned. 700³ operations are some tenths of a second.
const HEADS_MAX: usize = 700;
/// Blocks left out in turn.
const BLOCKS: usize = 6;

/// How likeness falls with distance. `d` is in root mean square standard deviations over the columns.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Shape {
    /// Infinitely smooth.
    Gauss,
    /// Twice differentiable (Matérn 5/2).
    Matern,
}

impl Shape {
    pub(super) const ALL: [Shape; 2] = [Shape::Gauss, Shape::Matern];

    fn lengths(self) -> [f64; 3] {
        match self {
            Shape::Gauss => [1.0, 2.0, 4.0],
            Shape::Matern => [1.5, 3.0, 6.0],
        }
    }

    fn like(self, d2: f64, length: f64) -> f64 {
        match self {
            Shape::Gauss => (-d2 / (2.0 * length * length)).exp(),
            Shape::Matern => {
                let d = (5.0 * d2).sqrt() / length;
                (1.0 + d + d * d / 3.0) * (-d).exp()
            }
        }
    }
}

/// Noise of a head over the spread of the surface, as variances.
const NOISES: [f64; 4] = [0.003, 0.01, 0.03, 0.1];

/// A fitted surface.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Surface {
    shape: Shape,
    length: f64,
    scales: Vec<(f64, f64)>,
    spots: Vec<Vec<f64>>,
    factors: Vec<f64>,
    mean: f64,
}

impl Surface {
    /// Fits `heads` of days `(day, value)` to columns over days, and says the squared error over the
    /// left-out blocks. `None` when no likeness matrix can be solved.
    pub(super) fn fit(shape: Shape, columns: &[Vec<f64>], heads: &[(usize, f64)]) -> Option<Surface> {
        let thinned: Vec<(usize, f64)> = heads.iter().copied().step_by(heads.len().div_ceil(HEADS_MAX)).collect();
        let scales: Vec<(f64, f64)> = columns.iter().map(|column| scale(column, &thinned)).collect();
        let spots: Vec<Vec<f64>> = thinned.iter().map(|(day, _)| spot(columns, &scales, *day)).collect();
        let mean = thinned.iter().map(|(_, head)| head).sum::<f64>() / thinned.len() as f64;
        let values = DVector::from_iterator(thinned.len(), thinned.iter().map(|(_, head)| head - mean));
        let days: Vec<usize> = thinned.iter().map(|(day, _)| *day).collect();
        let blocks = blocks(&days);
        let mut best: Option<(f64, f64, DVector<f64>)> = None;
        for length in shape.lengths() {
            let likeness = likeness(shape, length, &spots);
            for noise in NOISES {
                let Some((factors, error)) = solved(&likeness, noise, &values, &blocks) else { continue };
                if best.as_ref().is_none_or(|(least, ..)| error < *least) {
                    best = Some((error, length, factors));
                }
            }
        }
        let (_, length, factors) = best?;
        Some(Surface { shape, length, scales, spots, factors: factors.iter().copied().collect(), mean })
    }

    /// Heads of every day of the columns.
    pub(super) fn simulate(&self, columns: &[Vec<f64>]) -> Vec<f64> {
        let days = columns.first().map_or(0, Vec::len);
        (0..days)
            .map(|day| {
                let here = spot(columns, &self.scales, day);
                let likeness = self.spots.iter().map(|there| self.shape.like(distance2(&here, there), self.length));
                self.mean + likeness.zip(&self.factors).map(|(like, factor)| like * factor).sum::<f64>()
            })
            .collect()
    }
}

/// Mean and spread of a column over the days with heads; a constant column counts nothing.
fn scale(column: &[f64], heads: &[(usize, f64)]) -> (f64, f64) {
    let n = heads.len() as f64;
    let mean = heads.iter().map(|(day, _)| column[*day]).sum::<f64>() / n;
    let spread = (heads.iter().map(|(day, _)| (column[*day] - mean).powi(2)).sum::<f64>() / n).sqrt();
    (mean, if spread > 1e-9 { spread } else { f64::INFINITY })
}

fn spot(columns: &[Vec<f64>], scales: &[(f64, f64)], day: usize) -> Vec<f64> {
    columns.iter().zip(scales).map(|(column, (mean, spread))| (column[day] - mean) / spread).collect()
}

/// Mean squared distance over the columns.
fn distance2(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| (x - y).powi(2)).sum::<f64>() / a.len().max(1) as f64
}

fn likeness(shape: Shape, length: f64, spots: &[Vec<f64>]) -> DMatrix<f64> {
    let n = spots.len();
    let mut matrix = DMatrix::identity(n, n);
    for i in 0..n {
        for j in 0..i {
            let like = shape.like(distance2(&spots[i], &spots[j]), length);
            matrix[(i, j)] = like;
            matrix[(j, i)] = like;
        }
    }
    matrix
}

/// Places of equally long stretches of days.
fn blocks(days: &[usize]) -> Vec<std::ops::Range<usize>> {
    let (first, last) = (days.first().copied().unwrap_or(0), days.last().copied().unwrap_or(0));
    let edge = |block: usize| first + (last + 1 - first) * block / BLOCKS;
    let place = |day: usize| days.partition_point(|known| *known < day);
    (0..BLOCKS).map(|block| place(edge(block))..place(edge(block + 1))).filter(|range| !range.is_empty()).collect()
}

/// Factors of the surface, and its squared error at each block when that block is left out: with the
/// inverse P of the likeness and noise, the error at a block B is P_BB⁻¹ (P y)_B, without fitting anew.
fn solved(
    likeness: &DMatrix<f64>,
    noise: f64,
    values: &DVector<f64>,
    blocks: &[std::ops::Range<usize>],
) -> Option<(DVector<f64>, f64)> {
    let n = values.len();
    let inverse = (likeness + DMatrix::identity(n, n) * noise).cholesky()?.inverse();
    let factors = &inverse * values;
    let mut error = 0.0;
    for block in blocks {
        let own = inverse.view((block.start, block.start), (block.len(), block.len())).into_owned();
        let left = own.cholesky()?.solve(&factors.rows(block.start, block.len()).into_owned());
        error += left.norm_squared();
    }
    error.is_finite().then_some((factors, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bent(day: usize) -> (f64, f64) {
        let x = (day as f64 * 0.7).sin() * 2.0;
        (x, (x.max(0.0) * 1.5) + 3.0)
    }

    #[test]
    fn a_bent_line_is_learnt_and_far_from_all_that_was_seen_the_mean_is_told() {
        let columns = vec![(0..400).map(|day| bent(day).0).collect::<Vec<f64>>()];
        let heads: Vec<(usize, f64)> = (0..300).map(|day| (day, bent(day).1)).collect();
        let surface = Surface::fit(Shape::Matern, &columns, &heads).expect("solved");
        let simulated = surface.simulate(&columns);
        for (day, told) in simulated.iter().enumerate().skip(300) {
            assert!((told - bent(day).1).abs() < 0.1, "{day}: {told} {}", bent(day).1);
        }
        let far = surface.simulate(&[vec![1e6]]);
        assert!((far[0] - surface.mean).abs() < 1e-6);
    }

    #[test]
    fn the_error_without_a_block_is_that_of_fitting_without_it() {
        let columns = vec![(0..60).map(|day| bent(day).0).collect::<Vec<f64>>()];
        let heads: Vec<(usize, f64)> = (0..60).map(|day| (day, bent(day).1)).collect();
        let scales = vec![scale(&columns[0], &heads)];
        let spots: Vec<Vec<f64>> = heads.iter().map(|(day, _)| spot(&columns, &scales, *day)).collect();
        let all = likeness(Shape::Gauss, 1.0, &spots);
        let values = DVector::from_iterator(60, heads.iter().map(|(_, head)| head - 3.5));
        let (_, error) = solved(&all, 0.01, &values, std::slice::from_ref(&(50..60))).expect("solved");
        let rest = all.view((0, 0), (50, 50)).into_owned() + DMatrix::identity(50, 50) * 0.01;
        let factors = rest.cholesky().expect("positive").solve(&values.rows(0, 50).into_owned());
        let told = all.view((50, 0), (10, 50)) * factors;
        let direct = (values.rows(50, 10) - told).norm_squared();
        assert!((error - direct).abs() < 1e-9 * direct.max(1e-3), "{error} {direct}");
    }
}
