//! From what instruments say to what a dam engineer asks about: pure functions, each with its source and
//! the worked example it reproduces as a test.
//!
//! Invariant: no formula answers outside its range of validity; it gives `None` (or an empty line) and
//! the caller states bad data. Nothing is extrapolated. Deliberately absent: calibration records
//! (`calibration`), quality and age of inputs (`model`).

pub mod barometric;
pub mod beach;
pub mod displacement;
pub mod phreatic;
pub mod rain;
pub mod stability;
pub mod trend;
pub mod vibrating_wire;
pub mod weights;
pub mod weir;

/// Standard gravity, m/s²; also the pressure of a metre of water in kPa (ρ = 1,000 kg/m³).
pub const GRAVITY: f64 = 9.80665;

/// `None` unless finite.
fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

#[cfg(test)]
fn assert_digits(got: f64, printed: f64, decimals: i32) {
    let half = 0.5 * 10f64.powi(-decimals) * (1.0 + 1e-9);
    assert!((got - printed).abs() <= half, "{got} is not {printed} to {decimals} decimals");
}
