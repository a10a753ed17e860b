//! One instant, in microseconds since 1970-01-01T00:00:00Z.

use serde::{Deserialize, Serialize};

/// An instant in UTC, microseconds since the Unix epoch. Always an argument, never read here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct At(pub i64);

impl At {
    /// Whole milliseconds since the Unix epoch.
    pub fn from_millis(ms: i64) -> At {
        At(ms.saturating_mul(1_000))
    }

    /// Microseconds since the Unix epoch.
    pub fn micros(self) -> i64 {
        self.0
    }

    /// Milliseconds since the Unix epoch, rounded down.
    pub fn millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// This instant moved by `ms` milliseconds (negative: earlier).
    pub fn plus_millis(self, ms: i64) -> At {
        At(self.0.saturating_add(ms.saturating_mul(1_000)))
    }

    /// Milliseconds from `earlier` to this instant; negative when `earlier` is in fact later.
    pub fn millis_since(self, earlier: At) -> i64 {
        self.0.saturating_sub(earlier.0).div_euclid(1_000)
    }
}
