//! Was a descent a fall on the level? Limits on what gravity, the floor and rest look like.
//!
//! Four things together are a fall, none of them alone: it came down as fast as gravity brings a person
//! down (sitting and lying down are muscles against it), it ended on the floor (bending and sitting do
//! not), it stayed there, and hips as well as shoulders came down. The limits were chosen on the clips and
//! figures that training is allowed on, see docs/decisions/0024; a regression over the same measures was
//! tried and did worse.

use crate::measure::Measures;

/// Least acceleration, in body heights per second squared. Falls of the training clips have 0.32 to 1.4;
/// played three times slower they have a ninth of it, at most 0.22.
pub const ACCELERATION_MIN: f32 = 0.32;
/// Least descent of the trunk, in body heights: from a chair to the floor is 0.25.
pub const DROP_MIN: f32 = 0.22;
/// Least descent of the hips: who only bends keeps them up.
pub const HIP_DROP_MIN: f32 = 0.08;
/// Head and hips over the ankles together, in body heights: standing 1.4, sitting 0.8, bent 0.9, crouching
/// 0.75, sitting on the floor 0.55, lying below 0.45.
pub const HEIGHTS_MAX: f32 = 0.50;
/// Who comes up again by more than that, in body heights, was bending.
pub const REBOUND_MAX: f32 = 0.12;
/// Still sinking by more than that in 0.4 s: it has not ended yet, and how it ends decides.
pub const SINKING_MAX: f32 = 0.06;
/// Beyond these there is no doubt, and nothing to wait for.
const CLEAR_ACCELERATION: f32 = 0.80;
const CLEAR_HEIGHTS: f32 = 0.30;

/// How a descent looks at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Look {
    /// Not like a fall, or not yet.
    NoFall,
    /// Like a fall that has ended.
    Fallen,
    /// So fast and so low that there is no doubt.
    Clear,
}

impl Look {
    /// For how long it must look like that, in milliseconds; one wild pose decides nothing.
    #[must_use]
    pub fn hold_ms(self) -> i64 {
        match self {
            Self::NoFall => i64::MAX,
            Self::Fallen => 400,
            Self::Clear => 150,
        }
    }
}

/// How a descent looks now.
#[must_use]
pub fn look(m: &Measures) -> Look {
    let heights = m.stature + m.hip_height;
    let fell = m.acceleration >= ACCELERATION_MIN && m.drop >= DROP_MIN && m.hip_drop >= HIP_DROP_MIN;
    let low = heights <= HEIGHTS_MAX && m.rebound <= REBOUND_MAX;
    if !(fell && low) {
        return Look::NoFall;
    }
    if m.acceleration >= CLEAR_ACCELERATION && heights <= CLEAR_HEIGHTS {
        return Look::Clear;
    }
    if m.sinking <= SINKING_MAX { Look::Fallen } else { Look::NoFall }
}

/// Certainty of a fall, 0 to 1: one half where a measure is at its limit, more the farther all are from it.
#[must_use]
pub fn score(m: &Measures) -> f32 {
    let margins = [
        (m.acceleration.max(1e-3) / ACCELERATION_MIN).ln(),
        2.0 * (m.drop / DROP_MIN - 1.0),
        4.0 * (HEIGHTS_MAX - m.stature - m.hip_height),
        8.0 * (REBOUND_MAX - m.rebound),
        6.0 * (m.hip_drop - HIP_DROP_MIN),
    ];
    let least = margins.into_iter().fold(f32::MAX, f32::min);
    1.0 / (1.0 + (-3.0 * least).exp())
}
