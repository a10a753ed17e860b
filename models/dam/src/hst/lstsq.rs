//! Linear least squares by Householder QR on scaled columns, with what a prediction band needs.
//!
//! Proven on the NIST StRD sets Longley and Filip (`tests`): normal equations fail on the second. A
//! matrix without full rank is refused, never solved to nonsense.

use crate::forecast::stats::student;
use nalgebra::{DMatrix, DVector};

/// A column whose scaled QR diagonal is below this is a combination of the others (Filip: 5e-11).
const RANK_MIN: f64 = 1e-13;

/// A solved least-squares problem.
#[derive(Debug, Clone, PartialEq)]
pub struct Solution {
    /// Coefficients, in the order of the columns.
    pub coefficients: Vec<f64>,
    /// Observed minus fitted, in the order of the rows.
    pub residuals: Vec<f64>,
    /// Residual standard deviation.
    pub sigma: f64,
    /// Coefficient of determination.
    pub r2: f64,
    /// Rows minus columns.
    pub freedom: f64,
    /// Inverse of R on scaled columns, and the scales; for the variance of a prediction.
    inverse_r: DMatrix<f64>,
    scales: Vec<f64>,
}

/// Why there is no solution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LstsqError {
    /// Not more rows than columns, or rows of different lengths.
    #[error("{rows} rows do not determine {columns} columns")]
    Shape {
        /// Rows given.
        rows: usize,
        /// Columns given.
        columns: usize,
    },
    /// A column is constant zero, or a combination of others.
    #[error("column {0} is a combination of the others")]
    Rank(usize),
    /// A value is not finite.
    #[error("a value is not finite")]
    NotFinite,
}

/// Solves `rows · coefficients ≈ values`.
///
/// # Errors
/// [`LstsqError`] when the problem has no unique solution.
pub fn solve(rows: &[Vec<f64>], values: &[f64]) -> Result<Solution, LstsqError> {
    let columns = rows.first().map_or(0, Vec::len);
    let n = rows.len();
    if columns == 0 || n <= columns || values.len() != n || rows.iter().any(|row| row.len() != columns) {
        return Err(LstsqError::Shape { rows: n, columns });
    }
    if rows.iter().flatten().chain(values).any(|value| !value.is_finite()) {
        return Err(LstsqError::NotFinite);
    }
    let matrix = DMatrix::from_fn(n, columns, |i, j| rows[i][j]);
    let scales: Vec<f64> = matrix.column_iter().map(|column| column.norm()).collect();
    if let Some(zero) = scales.iter().position(|scale| *scale <= 0.0) {
        return Err(LstsqError::Rank(zero));
    }
    let scaled = DMatrix::from_fn(n, columns, |i, j| matrix[(i, j)] / scales[j]);
    let qr = scaled.qr();
    let r = qr.r();
    if let Some(weak) = (0..columns).find(|j| r[(*j, *j)].abs() < RANK_MIN) {
        return Err(LstsqError::Rank(weak));
    }
    let y = DVector::from_column_slice(values);
    let mut projected = y.clone();
    qr.q_tr_mul(&mut projected);
    let top = projected.rows(0, columns).into_owned();
    let solved = r.solve_upper_triangular(&top).ok_or(LstsqError::Rank(0))?;
    let inverse_r = r.solve_upper_triangular(&DMatrix::identity(columns, columns)).ok_or(LstsqError::Rank(0))?;
    let coefficients: Vec<f64> = solved.iter().zip(&scales).map(|(c, scale)| c / scale).collect();
    let fitted = &matrix * DVector::from_column_slice(&coefficients);
    let residuals: Vec<f64> = (y.clone() - fitted).iter().copied().collect();
    let freedom = (n - columns) as f64;
    let left: f64 = residuals.iter().map(|r| r * r).sum();
    let mean = y.mean();
    let total: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let r2 = if total > 0.0 { 1.0 - left / total } else { 0.0 };
    Ok(Solution { coefficients, residuals, sigma: (left / freedom).sqrt(), r2, freedom, inverse_r, scales })
}

impl Solution {
    /// Value of the model for one row.
    pub fn predict(&self, row: &[f64]) -> f64 {
        row.iter().zip(&self.coefficients).map(|(x, c)| x * c).sum()
    }

    /// Half width of the interval for a new observation at this row, at `confidence`; `None` when the
    /// row has another length.
    pub fn half_width(&self, row: &[f64], confidence: f64) -> Option<f64> {
        if row.len() != self.scales.len() {
            return None;
        }
        let scaled = DVector::from_iterator(row.len(), row.iter().zip(&self.scales).map(|(x, scale)| x / scale));
        let leverage = (self.inverse_r.transpose() * scaled).norm_squared();
        Some(student(confidence, self.freedom)? * self.sigma * (1.0 + leverage).sqrt())
    }
}

#[cfg(test)]
#[path = "nist_tests.rs"]
mod tests;
