//! When a picture is worth the model's time: while something moves, while somebody is in view, and
//! in any case at a floor rate.
//!
//! Invariant: the time between two looked-at pictures never exceeds the floor period (plus one
//! frame), whatever the picture shows: somebody who lies still must not be gated away.

use crate::luma::Luma;

/// A block that changes by this many grey levels has moved; sensor noise averaged over a block is below.
const BLOCK_MOVED: u8 = 6;

/// Looking goes on at the full rate this long after the last motion, milliseconds.
const LINGER_MS: u64 = 3_000;

/// Decides picture by picture.
#[derive(Debug, Clone)]
pub struct MotionGate {
    period_ms: u64,
    floor_ms: u64,
    before: Option<Luma>,
    moved_at_ms: Option<u64>,
    looked_at_ms: Option<u64>,
}

impl MotionGate {
    /// A gate that lets pictures through every `period_ms` at most, and every `floor_ms` at least.
    pub fn new(period_ms: u64, floor_ms: u64) -> MotionGate {
        MotionGate { period_ms, floor_ms: floor_ms.max(period_ms), before: None, moved_at_ms: None, looked_at_ms: None }
    }

    /// Somebody is in view (`at_ms`): look at the full rate.
    pub fn occupied(&mut self, at_ms: u64) {
        self.moved_at_ms = Some(at_ms);
    }

    /// Whether the picture of this time is to be looked at.
    pub fn step(&mut self, picture: &Luma, at_ms: u64) -> bool {
        let moved = match self.before.as_ref().and_then(|before| picture.difference(before)) {
            Some((largest, _)) => largest >= BLOCK_MOVED,
            None => true,
        };
        if moved {
            self.moved_at_ms = Some(at_ms);
            self.before = Some(picture.clone());
        }
        let awake = self.moved_at_ms.is_some_and(|at| at_ms.saturating_sub(at) <= LINGER_MS);
        let wait_ms = if awake { self.period_ms } else { self.floor_ms };
        // Half a millisecond of rounding in the time stamps must not cost every second picture.
        let due = self.looked_at_ms.is_none_or(|at| at_ms < at || at_ms + 1 - at.min(at_ms) > wait_ms);
        if due {
            self.looked_at_ms = Some(at_ms);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn flat(level: u8) -> Luma {
        Luma::new(4, 4, vec![level; 16]).expect("fits")
    }

    #[test]
    fn a_still_scene_is_looked_at_at_the_floor_rate_and_a_moving_one_at_the_full_rate() {
        let mut gate = MotionGate::new(100, 1_000);
        let still = (0..1_000).filter(|n| gate.step(&flat(80), n * 100)).count();
        assert!((100..=140).contains(&still), "{still} looks in 100 s of stillness");
        let moving = (1_000..1_100).filter(|n| gate.step(&flat((n % 2 * 90) as u8), n * 100)).count();
        assert_eq!(moving, 100);
    }

    proptest! {
        #[test]
        fn no_more_than_the_floor_period_passes_without_a_look(levels in proptest::collection::vec(any::<u8>(), 1..300), step in 20u64..200) {
            let mut gate = MotionGate::new(100, 1_000);
            let mut last = 0;
            for (n, level) in levels.iter().enumerate() {
                let at = n as u64 * step;
                if gate.step(&flat(*level), at) {
                    last = at;
                }
                prop_assert!(at - last <= 1_000 + step);
            }
        }
    }
}
