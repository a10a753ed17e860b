//! The budget of a robot: tokens that come back one by one, a minute after each was spent. Pure.
//!
//! Invariant: in no span of [`WINDOW_MS`], however cut, are more than `per_minute` messages sent; of
//! these, at least `reserve_red` are left to red. (A bucket that refills steadily would allow twice
//! its size in one minute, and DingTalk blocks a robot for ten minutes at the 21st.)

use minewatch_domain::At;
use serde::{Deserialize, Serialize};

/// A token comes back this long after it was spent: a minute and a little, for clocks that differ.
pub const WINDOW_MS: i64 = 61_000;

/// What was spent, oldest first; stored with the channel, so that all aggregators share it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Budget {
    /// When each token in use was spent, microseconds.
    pub spent_us: Vec<i64>,
    /// The receiver asked for silence until then, microseconds.
    #[serde(default)]
    pub silent_until_us: i64,
}

/// How many messages a minute, and how many of them only for red.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Messages in any minute.
    pub per_minute: usize,
    /// Of these, left to red.
    pub reserve_red: usize,
}

impl Budget {
    /// Messages that may go out now: of red, and of anything else.
    pub fn room(&self, rate: Rate, now: At) -> (usize, usize) {
        if now.micros() < self.silent_until_us {
            return (0, 0);
        }
        let used = self.spent_us.iter().filter(|at| now.millis_since(At(**at)) < WINDOW_MS).count();
        let left = rate.per_minute.saturating_sub(used);
        (left, left.saturating_sub(rate.reserve_red))
    }

    /// Spends a token.
    pub fn spend(&mut self, now: At) {
        self.spent_us.retain(|at| now.millis_since(At(*at)) < WINDOW_MS);
        self.spent_us.push(now.micros());
    }

    /// The receiver wants silence.
    pub fn silence(&mut self, until: At) {
        self.silent_until_us = self.silent_until_us.max(until.micros());
    }

    /// When a message that found no room should be looked at again.
    pub fn next(&self, now: At) -> At {
        let oldest = self.spent_us.first().map_or(now, |at| At(*at).plus_millis(WINDOW_MS));
        At(oldest.micros().max(self.silent_until_us).max(now.plus_millis(1_000).micros()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RATE: Rate = Rate { per_minute: 15, reserve_red: 5 };

    proptest! {
        #[test]
        fn no_minute_however_cut_holds_more_than_the_rate(steps in prop::collection::vec((0i64..20_000, any::<bool>()), 1..300)) {
            let (mut budget, mut now, mut sent) = (Budget::default(), At(1_000_000_000_000), Vec::new());
            for (wait, red) in steps {
                now = now.plus_millis(wait);
                let (all, other) = budget.room(RATE, now);
                prop_assert!(other <= all && all - other <= RATE.reserve_red);
                if if red { all > 0 } else { other > 0 } {
                    budget.spend(now);
                    sent.push((now, red));
                }
            }
            for (at, _) in &sent {
                let within: Vec<_> = sent.iter().filter(|(t, _)| *t >= *at && t.millis_since(*at) < 60_000).collect();
                prop_assert!(within.len() <= RATE.per_minute);
                prop_assert!(within.iter().filter(|(_, red)| !red).count() <= RATE.per_minute - RATE.reserve_red);
            }
            prop_assert!(budget.spent_us.len() <= RATE.per_minute);
        }
    }

    #[test]
    fn red_still_goes_out_when_the_rest_has_used_its_share() {
        let (mut budget, now) = (Budget::default(), At(1_000_000_000_000));
        for _ in 0..10 {
            assert!(budget.room(RATE, now).1 > 0);
            budget.spend(now);
        }
        assert_eq!(budget.room(RATE, now), (5, 0));
        assert_eq!(budget.room(RATE, now.plus_millis(WINDOW_MS)), (15, 10));
        budget.silence(now.plus_millis(600_000));
        assert_eq!(budget.room(RATE, now.plus_millis(599_999)), (0, 0));
        assert_eq!(budget.next(now), now.plus_millis(600_000));
    }
}
