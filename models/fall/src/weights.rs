//! The temporal model of a fall on the level: a logistic regression over the measures of a descent.
//!
//! The weights come from `models/fall/train/train.py`.

use crate::measure::Measures;

/// Names of the inputs.
pub const INPUTS: [&str; 7] = ["log_acceleration", "drop", "speed", "down", "hip_drop", "rebound", "stature"];

/// The inputs of the regression, each limited so that no single one decides alone.
#[must_use]
pub fn inputs(m: &Measures) -> [f32; 7] {
    [
        m.acceleration.clamp(0.02, 4.0).ln(),
        m.drop.min(0.7),
        m.speed.min(1.5),
        m.angle_deg.min(90.0) / 90.0,
        m.hip_drop.clamp(-0.1, 0.5),
        m.rebound.clamp(0.0, 0.4),
        m.stature.clamp(0.0, 0.9),
    ]
}

const WEIGHTS: [f32; 7] = [3.0, 2.0, 1.0, 3.0, 4.0, -15.0, -7.0];
const BIAS: f32 = 2.2;

/// Certainty that the descent was a fall, 0 to 1.
#[must_use]
pub fn score(m: &Measures) -> f32 {
    let sum: f32 = inputs(m).iter().zip(WEIGHTS).map(|(input, weight)| input * weight).sum();
    1.0 / (1.0 + (-(BIAS + sum)).exp())
}
