//! Recharge to head. Two views of the ground below the root zone; which fits a well better is decided by
//! a part of its record that the fit did not see.

/// Values of a first-order store with time constant `tau_d` fed by `input` (mean of the input over the
/// past, exponentially weighted).
pub fn exponential(input: &[f64], tau_d: f64) -> Vec<f64> {
    let kept = (-1.0 / tau_d.max(0.05)).exp();
    // Begins in balance with the mean of the input, so that the start does not look like a flood.
    let mut level = input.iter().sum::<f64>() / input.len().max(1) as f64;
    input
        .iter()
        .map(|value| {
            level = kept * level + (1.0 - kept) * value;
            level
        })
        .collect()
}

/// A non-linear store, in mm above its base: drains slowly towards the base, and faster above each of two
/// thresholds (ditches or tile drains, and the ground itself).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Drained {
    /// Time constant towards the base, days.
    pub base_tau_d: f64,
    /// First threshold, mm.
    pub drain_mm: f64,
    /// Time constant of the fall towards the first threshold, days.
    pub drain_tau_d: f64,
    /// Second threshold above the first, mm.
    pub ground_mm: f64,
    /// Time constant of the fall towards the second threshold, days.
    pub ground_tau_d: f64,
}

/// Content of a drained store, mm, beginning at `start_mm`.
pub fn drained(input: &[f64], store: &Drained, start_mm: f64) -> Vec<f64> {
    let share = |tau: f64| 1.0 - (-1.0 / tau.max(0.05)).exp();
    let (base, drain, ground) = (share(store.base_tau_d), share(store.drain_tau_d), share(store.ground_tau_d));
    let mut content = start_mm;
    input
        .iter()
        .map(|recharge| {
            content += recharge;
            content -= ground * (content - store.drain_mm - store.ground_mm).max(0.0);
            content -= drain * (content - store.drain_mm).max(0.0);
            content -= base * content;
            content
        })
        .collect()
}
