//! Groundwater and pore-pressure heads from rain and evapotranspiration.
//!
//! ```text
//! weather ─▶ soil (snow, interception, root zone) ─▶ recharge ─▶ storage (lagged or drained) ─▶ head ┐
//!    │                             simplex ◀── squared error ── observed heads                        ├─▶ mean
//!    └──▶ features (memories of days to a year) ─▶ kernel (smooth surface, blocks left out) ──▶ head ┘
//! ```
//!
//! Invariants: a fit sees nothing after its last head; the same input gives the same fit (starts are
//! listed, nothing is drawn); a head is predicted only where the weather is known. Daily steps.
//! Not here: reading files, and what a residual means for the dam (`hst::regression`).

mod features;
mod fit;
mod kernel;
mod process;
pub mod simplex;
pub mod soil;
pub mod storage;

pub use fit::{DAYS_MAX, HEADS_MIN, HeadError, HeadFit, fit};
pub use soil::Weather;

/// Nash–Sutcliffe efficiency of a prediction; `None` without spread in what was observed.
pub fn nse(observed: &[f64], predicted: &[f64]) -> Option<f64> {
    let n = observed.len().min(predicted.len());
    let mean = observed.iter().take(n).sum::<f64>() / n.max(1) as f64;
    let left: f64 = observed.iter().zip(predicted).map(|(o, p)| (o - p).powi(2)).sum();
    let spread: f64 = observed.iter().take(n).map(|o| (o - mean).powi(2)).sum();
    (n > 1 && spread > 0.0).then(|| 1.0 - left / spread)
}

/// Root mean square error.
pub fn rmse(observed: &[f64], predicted: &[f64]) -> Option<f64> {
    let n = observed.len().min(predicted.len());
    let left: f64 = observed.iter().zip(predicted).map(|(o, p)| (o - p).powi(2)).sum();
    (n > 0).then(|| (left / n as f64).sqrt())
}
