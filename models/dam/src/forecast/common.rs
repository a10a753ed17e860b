//! Movement that a track shares with a stable reference or with other stations is not its own.
//!
//! Subtracts the reference, or the median of the others, at the same times. Where the two cannot be
//! compared in time nothing is subtracted and the mark is left out: a guess would be worse.

use super::stats::{correlation, median};
use super::track::{Mark, Track};
use serde::Serialize;

/// What a track is held against.
#[derive(Debug, Clone, Copy)]
pub enum Reference<'a> {
    /// A point known to stand still: bedrock, a base outside the dam.
    Stable(&'a Track),
    /// Other stations, which may move too; their median is what is common.
    Neighbours(&'a [Track]),
}

/// A track without what it shares.
#[derive(Debug, Clone, PartialEq)]
pub struct Cleaned {
    /// The track minus the reference.
    pub track: Track,
    /// The reference at the same marks.
    pub shared: Track,
    /// How alike the steps of track and reference are.
    pub likeness: Likeness,
}

/// Correlation between steps of a track and of its reference.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Likeness {
    /// Pearson's correlation of the steps; `None` when it cannot be computed.
    pub correlation: Option<f64>,
    /// Newest step of the track.
    pub raw_step: f64,
    /// The same step without the reference's.
    pub own_step: f64,
}

/// Fewest neighbours whose median is taken: with two, one bad station is half of it.
pub const NEIGHBOURS_MIN: usize = 3;

/// Removes what the track shares. `None` when the reference covers fewer than half of the marks, or
/// there are fewer than [`NEIGHBOURS_MIN`] neighbours.
pub fn remove(track: &Track, reference: Reference<'_>, hole_d: f64) -> Option<Cleaned> {
    let shared_at = |day: f64| match reference {
        Reference::Stable(stable) => stable.at(day, hole_d),
        Reference::Neighbours(others) => {
            let values: Vec<f64> = others.iter().filter_map(|other| other.at(day, hole_d)).collect();
            (values.len() >= NEIGHBOURS_MIN).then(|| median(&values)).flatten()
        }
    };
    let pairs: Vec<(Mark, f64)> = track.marks().iter().filter_map(|mark| Some((*mark, shared_at(mark.day)?))).collect();
    if pairs.len() * 2 < track.marks().len() || pairs.len() < 2 {
        return None;
    }
    let own = pairs.iter().map(|(mark, shared)| Mark { day: mark.day, value: mark.value - shared });
    let steps: Vec<(f64, f64)> = pairs
        .iter()
        .zip(pairs.iter().skip(1))
        .map(|((a, shared_a), (b, shared_b))| (b.value - a.value, shared_b - shared_a))
        .collect();
    let (raw_step, shared_step) = steps.last().copied()?;
    let likeness = Likeness { correlation: correlation(&steps), raw_step, own_step: raw_step - shared_step };
    let shared = pairs.iter().map(|(mark, shared)| Mark { day: mark.day, value: *shared });
    Some(Cleaned { track: Track::new(track.kind(), own), shared: Track::new(track.kind(), shared), likeness })
}
