//! One point's history in order of time, as forecasts and replays read it.
//!
//! Invariant: times strictly increase; one instant has one observation, and which one it is does not
//! depend on the order of arrival. Deliberately absent: where the samples come from, and any filling
//! of gaps.

use crate::threshold::{Finite, Sample, Trust};
use minewatch_domain::{At, PointId, Quality, Reading};

/// What was observed at one instant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observation {
    /// Source time.
    pub at: At,
    /// The value and its trust, or bad data.
    pub sample: Sample,
}

impl Observation {
    /// An observation of a qualified value.
    pub fn new(at: At, value: Option<f64>, quality: Quality) -> Observation {
        Observation { at, sample: Sample::new(value, quality) }
    }

    /// The value, where it is usable.
    pub fn value(&self) -> Option<f64> {
        match self.sample {
            Sample::Value(value, Trust::Good | Trust::Uncertain) => Some(value.get()),
            Sample::Bad => None,
        }
    }

    /// Which of two observations of one instant is kept: the more trusted, then the larger.
    fn rank(&self) -> (u8, Option<u64>) {
        match self.sample {
            Sample::Value(value, Trust::Good) => (2, Some(order(value))),
            Sample::Value(value, Trust::Uncertain) => (1, Some(order(value))),
            Sample::Bad => (0, None),
        }
    }
}

impl From<&Reading> for Observation {
    fn from(reading: &Reading) -> Observation {
        Observation { at: reading.at, sample: Sample::from(reading) }
    }
}

/// A key that orders like the number.
fn order(value: Finite) -> u64 {
    let bits = (value.get() + 0.0).to_bits();
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

/// A stretch of time in which nothing usable was observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Silence {
    /// Last usable observation before it; `None` when the record begins with silence.
    pub after: Option<At>,
    /// First usable observation after it; `None` when the record ends with silence.
    pub until: Option<At>,
    /// Its length: from the last usable observation (or the start of the record) to the next (or the end), ms.
    pub length_ms: i64,
}

/// A point's history.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    point: PointId,
    observations: Vec<Observation>,
}

impl Series {
    /// Sorts by time and keeps one observation of each instant, whatever the order they come in.
    pub fn new(point: PointId, mut observations: Vec<Observation>) -> Series {
        observations.sort_by_key(|seen| (seen.at, std::cmp::Reverse(seen.rank())));
        observations.dedup_by_key(|seen| seen.at);
        Series { point, observations }
    }

    /// The point.
    pub fn point(&self) -> &PointId {
        &self.point
    }

    /// Every observation, oldest first.
    pub fn observations(&self) -> &[Observation] {
        &self.observations
    }

    /// Usable values with their times, oldest first.
    pub fn values(&self) -> impl Iterator<Item = (At, f64)> {
        self.observations.iter().filter_map(|seen| Some((seen.at, seen.value()?)))
    }

    /// Observations of `from <= at < to`.
    pub fn window(&self, from: At, to: At) -> &[Observation] {
        let start = self.observations.partition_point(|seen| seen.at < from);
        let end = self.observations.partition_point(|seen| seen.at < to);
        &self.observations[start..end.max(start)]
    }

    /// Stretches longer than `longest_ms` without a usable value, at the start and the end too.
    pub fn silences(&self, longest_ms: i64) -> Vec<Silence> {
        let (Some(first), Some(last)) = (self.observations.first(), self.observations.last()) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        let mut before: Option<At> = None;
        let usable = self.values().map(|(at, _)| Some(at)).chain(std::iter::once(None));
        for next in usable {
            let length_ms = next.unwrap_or(last.at).millis_since(before.unwrap_or(first.at));
            if length_ms > longest_ms {
                found.push(Silence { after: before, until: next, length_ms });
            }
            before = next;
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seen(minute: i64, value: Option<f64>) -> Observation {
        Observation::new(At::from_millis(minute * 60_000), value, Quality::Good)
    }

    fn series(observations: Vec<Observation>) -> Series {
        Series::new(PointId::parse("p").expect("slug"), observations)
    }

    #[test]
    fn silence_is_found_inside_at_the_start_and_at_the_end() {
        let values = [None, None, Some(1.0), Some(2.0), None, None, Some(3.0), None, None];
        let record = series((0..).zip(values).map(|(minute, value)| seen(minute, value)).collect());
        let minutes: Vec<_> = record.silences(60_000).iter().map(|s| s.length_ms / 60_000).collect();
        assert_eq!(minutes, [2, 3, 2]);
        assert_eq!(record.window(At(0), At::from_millis(180_000)).len(), 3);
    }

    proptest! {
        #[test]
        fn order_and_duplicates_do_not_change_a_series(
            observations in prop::collection::vec((0i64..20, prop::option::of(-5.0..5.0f64)), 0..40),
            seed in any::<u64>(),
        ) {
            let straight: Vec<_> = observations.iter().map(|(minute, value)| seen(*minute, *value)).collect();
            let mut mixed: Vec<_> = straight.iter().chain(&straight).copied().collect();
            mixed.sort_by_key(|o| (o.at.micros() as u64 ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            prop_assert_eq!(series(straight), series(mixed));
        }
    }
}
