//! Sessions of the local page, in memory: a restart signs everybody out.
//!
//! Pure: time (monotonic milliseconds) and secrets are arguments. Invariant: a session's id is new at
//! every sign-in and kept as a hash; whoever guesses passwords waits longer after each failure.

use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// A session that does nothing ends: the page stands in a control room.
pub(super) const IDLE_MS: u64 = 15 * 60_000;
/// A session ends in any case: one shift.
pub(super) const LONGEST_MS: u64 = 12 * 3_600_000;
/// Open at once; the one idle longest goes.
pub(super) const SESSIONS_MAX: usize = 32;
/// Names whose failures are counted; the oldest go first.
const NAMES_MAX: usize = 1_000;
/// Failures before the first wait, and the longest wait.
const FREE: u32 = 5;
const WAIT_MS_MAX: u64 = 60_000;

/// Somebody signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Session {
    /// Who.
    pub(super) who: String,
    /// Stands in every form of this session; a page of another origin does not know it.
    pub(super) form: String,
    begun: u64,
    seen: u64,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    open: BTreeMap<[u8; 32], Session>,
    failures: BTreeMap<String, (u32, u64)>,
}

fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret).into()
}

impl Sessions {
    /// Opens one under a fresh secret.
    pub(super) fn open(&mut self, who: &str, secret: &str, form: String, now: u64) {
        self.failures.remove(who);
        self.open.retain(|_, session| session.alive(now));
        if self.open.len() >= SESSIONS_MAX {
            let idle = self.open.iter().min_by_key(|(_, session)| session.seen).map(|(id, _)| *id);
            idle.and_then(|id| self.open.remove(&id));
        }
        self.open.insert(hash(secret), Session { who: who.to_owned(), form, begun: now, seen: now });
    }

    /// The session of a secret; being looked for is a sign of life.
    pub(super) fn of(&mut self, secret: &str, now: u64) -> Option<Session> {
        let session = self.open.get_mut(&hash(secret)).filter(|session| session.alive(now))?;
        session.seen = now;
        Some(session.clone())
    }

    /// Ends one.
    pub(super) fn end(&mut self, secret: &str) {
        self.open.remove(&hash(secret));
    }

    /// Counts a wrong password.
    pub(super) fn failed(&mut self, who: &str, now: u64) {
        if self.failures.len() >= NAMES_MAX && !self.failures.contains_key(who) {
            let oldest = self.failures.iter().min_by_key(|(_, (_, at))| *at).map(|(name, _)| name.clone());
            oldest.and_then(|name| self.failures.remove(&name));
        }
        let known = self.failures.entry(who.to_owned()).or_insert((0, now));
        *known = (known.0.saturating_add(1), now);
    }

    /// Milliseconds until a password of this name is looked at again; 0: now.
    pub(super) fn wait_ms(&self, who: &str, now: u64) -> u64 {
        let Some((failures, last)) = self.failures.get(who).filter(|(failures, _)| *failures >= FREE) else { return 0 };
        let wait = (2_000u64 << (failures - FREE).min(16)).min(WAIT_MS_MAX);
        (last + wait).saturating_sub(now)
    }
}

impl Session {
    fn alive(&self, now: u64) -> bool {
        now.saturating_sub(self.seen) < IDLE_MS && now.saturating_sub(self.begun) < LONGEST_MS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_ends_when_idle_when_long_and_when_told() {
        let mut all = Sessions::default();
        all.open("li", "s1", "f1".to_owned(), 0);
        assert_eq!(all.of("s1", IDLE_MS - 1).expect("alive").who, "li");
        assert!(all.of("s1", 2 * IDLE_MS - 1).is_none(), "idle");
        assert!(all.of("wrong", 0).is_none());
        all.open("li", "s2", "f2".to_owned(), 0);
        let mut now = 0;
        while now + IDLE_MS / 2 < LONGEST_MS {
            now += IDLE_MS / 2;
            assert!(all.of("s2", now).is_some(), "{now}");
        }
        assert!(all.of("s2", LONGEST_MS).is_none(), "one shift is the most");
        all.open("li", "s3", "f3".to_owned(), now);
        all.end("s3");
        assert!(all.of("s3", now).is_none());
    }

    #[test]
    fn more_sessions_than_fit_end_the_one_idle_longest() {
        let mut all = Sessions::default();
        for n in 0..=SESSIONS_MAX {
            all.open("li", &format!("s{n}"), String::new(), n as u64);
        }
        assert!(all.of("s0", 100).is_none() && all.of("s1", 100).is_some());
        assert_eq!(all.open.len(), SESSIONS_MAX);
    }

    #[test]
    fn guessing_is_slowed_per_name_and_forgotten_after_success() {
        let mut all = Sessions::default();
        for n in 0..FREE {
            assert_eq!(all.wait_ms("li", 0), 0, "{n}");
            all.failed("li", 0);
        }
        assert_eq!((all.wait_ms("li", 0), all.wait_ms("li", 1_500), all.wait_ms("wang", 0)), (2_000, 500, 0));
        for _ in 0..100 {
            all.failed("li", 0);
        }
        assert_eq!(all.wait_ms("li", 0), WAIT_MS_MAX);
        all.open("li", "s", String::new(), 0);
        assert_eq!(all.wait_ms("li", 0), 0);
        for n in 0..2 * NAMES_MAX {
            all.failed(&format!("n{n}"), n as u64);
        }
        assert_eq!(all.failures.len(), NAMES_MAX);
    }
}
