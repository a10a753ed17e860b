//! A set of sequence numbers kept as disjoint, sorted, half-open ranges.
//!
//! Invariant: ranges never touch or overlap, none is empty. The gateway uses it for what the
//! store has acknowledged, the aggregator for its marks and for stating what is missing.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::Range;

/// Disjoint half-open ranges of `u64`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RangeSet {
    ranges: BTreeMap<u64, u64>,
}

impl RangeSet {
    /// The empty set.
    pub fn new() -> RangeSet {
        RangeSet::default()
    }

    /// Adds `from..to`, merging neighbours; an empty range changes nothing.
    pub fn insert(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let (mut from, mut to) = (range.start, range.end);
        if let Some((&before_from, &before_to)) = self.ranges.range(..from).next_back()
            && before_to >= from
        {
            from = before_from;
            to = to.max(before_to);
            self.ranges.remove(&before_from);
        }
        while let Some((&next_from, &next_to)) = self.ranges.range(from..=to).next() {
            to = to.max(next_to);
            self.ranges.remove(&next_from);
        }
        self.ranges.insert(from, to);
    }

    /// Whether every number of `range` is in the set (an empty range always is).
    pub fn covers(&self, range: Range<u64>) -> bool {
        range.is_empty() || self.ranges.range(..=range.start).next_back().is_some_and(|(_, &to)| to >= range.end)
    }

    /// The parts of `range` that are not in the set, in order.
    pub fn missing_in(&self, range: Range<u64>) -> Vec<Range<u64>> {
        let mut missing = Vec::new();
        let mut at = match self.ranges.range(..=range.start).next_back() {
            Some((_, &to)) => range.start.max(to),
            None => range.start,
        };
        for (&from, &to) in self.ranges.range(range.start..) {
            if from >= range.end || at >= range.end {
                break;
            }
            if from > at {
                missing.push(at..from);
            }
            at = at.max(to);
        }
        if at < range.end {
            missing.push(at..range.end);
        }
        missing
    }

    /// The ranges, in order.
    pub fn iter(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        self.ranges.iter().map(|(&from, &to)| from..to)
    }

    /// One past the highest number, or 0 when empty.
    pub fn end(&self) -> u64 {
        self.ranges.iter().next_back().map_or(0, |(_, &to)| to)
    }

    /// How many numbers are in the set.
    pub fn count(&self) -> u64 {
        self.iter().map(|r| r.end - r.start).sum()
    }

    /// How many separate ranges the set has.
    pub fn fragments(&self) -> usize {
        self.ranges.len()
    }
}

impl FromIterator<Range<u64>> for RangeSet {
    fn from_iter<I: IntoIterator<Item = Range<u64>>>(ranges: I) -> RangeSet {
        let mut set = RangeSet::new();
        for range in ranges {
            set.insert(range);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn ranges_behave_like_a_plain_set_of_numbers(
            inserts in prop::collection::vec((0u64..60, 0u64..12), 0..24),
            asked in (0u64..60, 0u64..30),
        ) {
            let mut ranges = RangeSet::new();
            let mut model = BTreeSet::new();
            for (from, len) in inserts {
                ranges.insert(from..from + len);
                model.extend(from..from + len);
            }
            let asked = asked.0..asked.0 + asked.1;
            prop_assert_eq!(ranges.count(), model.len() as u64);
            prop_assert_eq!(ranges.end(), model.last().map_or(0, |n| n + 1));
            prop_assert_eq!(ranges.covers(asked.clone()), asked.clone().all(|n| model.contains(&n)));
            let missing: BTreeSet<u64> = ranges.missing_in(asked.clone()).into_iter().flatten().collect();
            let expected: BTreeSet<u64> = asked.filter(|n| !model.contains(n)).collect();
            prop_assert_eq!(missing, expected);
            let listed: Vec<_> = ranges.iter().collect();
            prop_assert!(listed.windows(2).all(|w| w[0].end < w[1].start), "touching ranges must have merged");
        }
    }
}
