//! How long a sign-in must wait after failures. Pure; counts live in the store, so that they hold
//! over restarts and for every aggregator.
//!
//! Two counts a try: the account at this address, which slows a guesser, and the address, which
//! slows one who tries many accounts. A third, the account from anywhere, waits at most a minute:
//! a stranger must not be able to lock the duty officer out.

use minewatch_domain::At;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Count {
    /// One account from one address.
    AccountAtAddress,
    /// One account from anywhere.
    Account,
    /// One address, any account.
    Address,
}

impl Count {
    /// Failures before the first wait, and the longest wait.
    fn rule(self) -> (i64, i64) {
        match self {
            Count::AccountAtAddress => (5, 15 * 60_000),
            Count::Account => (20, 60_000),
            Count::Address => (30, 15 * 60_000),
        }
    }

    /// Milliseconds to wait after so many failures: 2 s, then double each time.
    pub(super) fn wait_ms(self, failures: i64) -> i64 {
        let (free, longest) = self.rule();
        match failures - free {
            over if over < 0 => 0,
            over => (2_000i64 << over.min(20)).min(longest),
        }
    }
}

/// Failures are forgotten after this time without one.
pub(super) const FORGOTTEN_MS: i64 = 24 * 3_600_000;

/// Milliseconds until a try is looked at again; 0: now.
pub(crate) fn left_ms(count: Count, failures: i64, last: At, now: At) -> i64 {
    let since = now.millis_since(last);
    match since {
        since if since > FORGOTTEN_MS => 0,
        // A clock set back must not lock anybody out for longer than the wait itself.
        since => (count.wait_ms(failures) - since.max(0)).max(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_failures_are_free_then_waiting_doubles_up_to_its_bound() {
        let waits: Vec<i64> = (0..10).map(|n| Count::AccountAtAddress.wait_ms(n) / 1_000).collect();
        assert_eq!(waits, [0, 0, 0, 0, 0, 2, 4, 8, 16, 32]);
        assert_eq!(Count::AccountAtAddress.wait_ms(i64::MAX), 900_000);
        assert_eq!(Count::Account.wait_ms(1_000), 60_000, "a stranger cannot lock an account for long");
    }

    #[test]
    fn waiting_passes_and_failures_are_forgotten() {
        let left = |since_ms| left_ms(Count::AccountAtAddress, 6, At(0), At::from_millis(since_ms));
        assert_eq!([left(0), left(3_999), left(4_000)], [4_000, 1, 0]);
        assert_eq!(left(-5_000), 4_000, "the clock was set back");
        assert_eq!(left_ms(Count::Address, 1_000, At(0), At::from_millis(FORGOTTEN_MS + 1)), 0);
    }
}
