//! What is worth sending: a change of at least the deadband, a change of trust, or a sign of life.
//!
//! Invariant: between two published readings of a point that answers lies at most its keep-alive (plus
//! one poll period), so quiet never looks like silence. Every sample is still judged; this decides only
//! what becomes a record. Not here: whether a value can be trusted.

use minewatch_domain::{Quality, Reason};

/// How far a value must move to be published.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Deadband {
    /// Every sample is published.
    EverySample,
    /// In the point's unit; a change of exactly this much is published.
    Absolute(f64),
    /// Percent of the valid range.
    PercentOfRange(f64),
}

impl Deadband {
    /// The deadband in the point's unit, or what is wrong with it.
    pub(super) fn resolve(self, valid: Option<(f64, f64)>) -> Result<f64, String> {
        match self {
            Deadband::EverySample => Ok(0.0),
            Deadband::Absolute(units) if units.is_finite() && units >= 0.0 => Ok(units),
            Deadband::Absolute(units) => Err(format!("deadband: {units} must be 0 or more")),
            Deadband::PercentOfRange(percent) if !(0.0..=100.0).contains(&percent) => {
                Err(format!("deadband: {percent} must be 0 to 100 percent"))
            }
            Deadband::PercentOfRange(percent) => match valid {
                Some((min, max)) => Ok((max - min) * percent / 100.0),
                None => Err("deadband: a percentage needs a valid range".to_owned()),
            },
        }
    }
}

/// What was last published of one point.
#[derive(Debug, Clone, Copy)]
struct Published {
    value: Option<f64>,
    quality: Quality,
    reason: Reason,
    mono_ms: u64,
}

/// Decides, sample by sample, what to publish.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Publisher {
    last: Option<Published>,
}

/// A change of exactly the deadband counts, in spite of rounding (10.1 - 10.0 is a little less than 0.1).
const DEADBAND_SLACK: f64 = 1.0 - 1e-9;

impl Publisher {
    /// Whether this sample is to be published; remembers it if so.
    pub(super) fn step(
        &mut self,
        value: Option<f64>,
        quality: Quality,
        reason: Reason,
        mono_ms: u64,
        (deadband, keep_alive_ms): (f64, u64),
    ) -> bool {
        let publish = self.last.is_none_or(|last| {
            last.quality != quality
                || last.reason != reason
                || mono_ms.saturating_sub(last.mono_ms) >= keep_alive_ms
                || moved(last.value, value, quality, deadband)
        });
        if publish {
            self.last = Some(Published { value, quality, reason, mono_ms });
        }
        publish
    }

    /// When something was last published.
    pub(super) fn last_ms(&self) -> Option<u64> {
        self.last.map(|last| last.mono_ms)
    }
}

fn moved(last: Option<f64>, value: Option<f64>, quality: Quality, deadband: f64) -> bool {
    match (last, value) {
        // Bad values are shown, not followed: a broken instrument must not flood the ledger.
        (Some(last), Some(value)) => quality != Quality::Bad && (value - last).abs() >= deadband * DEADBAND_SLACK,
        (None, Some(_)) | (Some(_), None) => quality != Quality::Bad,
        (None, None) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `second value` lines (`!` bad timeout); `expect`: the seconds published.
    fn check(deadband: f64, keep_alive_s: u64, script: &str, expect: &[u64]) {
        let mut publisher = Publisher::default();
        let mut seen = Vec::new();
        for line in script.split(',') {
            let (second, word) = line.trim().split_once(' ').unwrap();
            let second: u64 = second.parse().unwrap();
            let (value, quality, reason) = match word.strip_suffix('!') {
                Some(number) => (number.parse().ok(), Quality::Bad, Reason::Timeout),
                None => (word.parse().ok(), Quality::Good, Reason::None),
            };
            let limits = (deadband, keep_alive_s * 1_000);
            if publisher.step(value, quality, reason, second * 1_000, limits) {
                seen.push(second);
            }
        }
        assert_eq!(seen, expect, "{script}");
    }

    #[test]
    fn small_changes_wait_but_add_up_against_the_last_published_value() {
        check(0.1, 60, "0 10.0, 1 10.05, 2 9.95, 3 10.1, 4 10.15, 5 10.19, 6 10.2", &[0, 3, 6]);
    }

    #[test]
    fn a_quiet_point_is_published_once_per_keep_alive() {
        check(1.0, 60, "0 5, 30 5, 59 5, 60 5, 61 5, 119 5, 120 5", &[0, 60, 120]);
    }

    #[test]
    fn a_change_of_trust_is_published_at_once_and_bad_noise_is_not() {
        check(0.1, 60, "0 5, 1 !, 2 !, 3 900!, 4 -3!, 5 5, 6 5", &[0, 1, 5]);
    }

    #[test]
    fn without_a_deadband_every_usable_sample_is_published() {
        check(0.0, 60, "0 5, 1 5, 2 5", &[0, 1, 2]);
    }
}
