//! How long to wait before the next attempt after failures in a row.
//!
//! Invariant: the wait grows to at most [`BACKOFF_MAX`] plus its jitter and is a pure function of
//! its arguments, so that a simulated run repeats exactly. Deliberately absent: any clock.

use std::time::Duration;

/// First wait.
pub const BACKOFF_MIN: Duration = Duration::from_millis(250);

/// Longest wait before jitter: an instrument that comes back is noticed within about this time.
pub const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// The wait after `failures` failures in a row (1 = the first), doubling from [`BACKOFF_MIN`] to
/// [`BACKOFF_MAX`] and moved by up to a tenth either way, so that devices that failed together do
/// not come back together. `seed` tells one device from another.
pub fn backoff(failures: u32, seed: u64) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let base = BACKOFF_MIN.saturating_mul(1 << doublings).min(BACKOFF_MAX);
    let base_us = u64::try_from(base.as_micros()).unwrap_or(u64::MAX / 4);
    let span = base_us / 5;
    let jitter = mix(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(failures)) % (span + 1);
    Duration::from_micros(base_us - span / 2 + jitter)
}

/// Splitmix64: spreads a seed over 64 bits.
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn waits_double_and_stop_growing_at_five_seconds() {
        for (failures, base_ms) in [(0, 250), (1, 250), (2, 500), (3, 1000), (5, 4000), (6, 5000), (u32::MAX, 5000)] {
            let wait_ms = backoff(failures, 7).as_millis() as u64;
            assert!((base_ms * 9 / 10..=base_ms * 11 / 10).contains(&wait_ms), "{failures}: {wait_ms} ms");
        }
    }

    #[test]
    fn two_devices_that_failed_together_do_not_return_together() {
        assert_ne!(backoff(4, 1), backoff(4, 2));
        assert_eq!(backoff(4, 1), backoff(4, 1), "the same seed repeats exactly");
    }

    proptest! {
        #[test]
        fn no_wait_is_ever_longer_than_the_limit_with_its_jitter(failures: u32, seed: u64) {
            let wait = backoff(failures, seed);
            prop_assert!(wait >= BACKOFF_MIN * 9 / 10 && wait <= BACKOFF_MAX * 11 / 10);
        }
    }
}
