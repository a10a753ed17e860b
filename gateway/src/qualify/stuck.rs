//! Has the value moved at all? An instrument with noise that stays at one value is stuck.
//!
//! Invariant: only time between two usable samples counts; silence and bad data are not stillness.

/// How long one point has stayed where it is.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Still {
    value: f64,
    still_ms: u64,
    last_ms: Option<i64>,
}

impl Still {
    /// Takes a usable value; how long it has now stayed within `tolerance`, in milliseconds.
    pub(super) fn step(&mut self, value: f64, source_ms: i64, tolerance: f64) -> u64 {
        if (value - self.value).abs() <= tolerance {
            let more_ms = self.last_ms.map_or(0, |last_ms| source_ms.saturating_sub(last_ms));
            self.still_ms = self.still_ms.saturating_add(u64::try_from(more_ms).unwrap_or(0));
        } else {
            (self.value, self.still_ms) = (value, 0);
        }
        self.last_ms = Some(source_ms);
        self.still_ms
    }

    /// Nothing is known until the next usable sample.
    pub(super) fn pause(&mut self) {
        self.last_ms = None;
    }
}
