//! The last seconds of an encoded stream.
//!
//! Invariant: the ring begins with a key frame (or is empty), holds at least the wanted span once it
//! was received, and never more than its bytes. Pure.

use std::collections::VecDeque;

/// One encoded access unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit<T> {
    /// Time, milliseconds.
    pub at_ms: u64,
    /// Decoding can begin here.
    pub key: bool,
    /// Size.
    pub bytes: usize,
    /// The unit itself.
    pub payload: T,
}

/// See the module.
#[derive(Debug)]
pub struct Ring<T> {
    span_ms: u64,
    bytes_max: usize,
    units: VecDeque<Unit<T>>,
    bytes: usize,
}

impl<T: Clone> Ring<T> {
    /// A ring for a span of time, bounded in bytes.
    pub fn new(span_ms: u64, bytes_max: usize) -> Ring<T> {
        Ring { span_ms, bytes_max, units: VecDeque::new(), bytes: 0 }
    }

    /// Forgets everything: what follows has other times.
    pub fn clear(&mut self) {
        self.units.clear();
        self.bytes = 0;
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes the next unit.
    pub fn push(&mut self, unit: Unit<T>) {
        if self.units.is_empty() && !unit.key {
            return;
        }
        let newest = unit.at_ms;
        self.bytes += unit.bytes;
        self.units.push_back(unit);
        // A second key frame that is old enough makes the first group superfluous.
        while self.second_key().is_some_and(|(_, at)| at + self.span_ms <= newest) {
            self.drop_group();
        }
        while self.bytes > self.bytes_max && !self.units.is_empty() {
            self.drop_group();
        }
    }

    /// The units from the last key frame at or before `from_ms` on; from the oldest when all are younger.
    pub fn since(&self, from_ms: u64) -> Vec<Unit<T>> {
        let start = self.units.iter().rposition(|unit| unit.key && unit.at_ms <= from_ms).unwrap_or(0);
        self.units.iter().skip(start).cloned().collect()
    }

    fn second_key(&self) -> Option<(usize, u64)> {
        self.units.iter().enumerate().skip(1).find(|(_, unit)| unit.key).map(|(index, unit)| (index, unit.at_ms))
    }

    fn drop_group(&mut self) {
        let count = self.second_key().map_or(self.units.len(), |(index, _)| index);
        for unit in self.units.drain(..count) {
            self.bytes -= unit.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stream(ring: &mut Ring<()>, units: &[(u64, bool, usize)]) {
        for (at_ms, key, bytes) in units {
            ring.push(Unit { at_ms: *at_ms, key: *key, bytes: *bytes, payload: () });
        }
    }

    #[test]
    fn a_clip_starts_at_the_key_frame_before_the_wanted_time() {
        let mut ring = Ring::new(10_000, 1 << 20);
        let units: Vec<_> = (0..300).map(|n| (n * 100, n % 20 == 0, 10)).collect();
        stream(&mut ring, &units);
        let clip = ring.since(25_000);
        assert_eq!((clip[0].at_ms, clip[0].key), (24_000, true));
        assert_eq!(ring.since(0)[0].at_ms, 18_000, "the group that covers the span is kept whole");
    }

    proptest! {
        #[test]
        fn the_ring_begins_with_a_key_frame_keeps_its_span_and_its_bound(
            steps in proptest::collection::vec((1u64..500, any::<bool>(), 1usize..2_000), 1..400)
        ) {
            let mut ring = Ring::new(5_000, 20_000);
            let (mut now, mut first_key) = (0, None);
            for (step, key, bytes) in steps {
                now += step;
                if key { first_key.get_or_insert(now); }
                stream(&mut ring, &[(now, key, bytes)]);
                prop_assert!(ring.bytes() <= 20_000);
                let held = ring.since(0);
                prop_assert!(held.first().is_none_or(|unit| unit.key));
                prop_assert_eq!(held.iter().map(|unit| unit.bytes).sum::<usize>(), ring.bytes());
            }
        }
    }
}
