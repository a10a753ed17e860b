//! The input of a level decision. Invariant: a value is finite by type and carries its trust; a
//! sample that is not a measurement has no value at all, so that none can be used by mistake.

use minewatch_domain::{Quality, Reading};

/// A number that is neither NaN nor infinite.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Finite(f64);

impl Finite {
    /// `None` for NaN and the infinities.
    pub fn new(value: f64) -> Option<Finite> {
        value.is_finite().then_some(Finite(value))
    }

    /// The number.
    pub fn get(self) -> f64 {
        self.0
    }
}

/// How far a usable value is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// May raise and clear.
    Good,
    /// May raise, cannot clear.
    Uncertain,
}

/// One sample of one point, as a level decision sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sample {
    /// A usable value.
    Value(Finite, Trust),
    /// Bad data: stale, timed out, out of range, not a number. Neither raises nor clears.
    Bad,
}

impl Sample {
    /// A sample of a qualified value. Total: whatever is not a finite, usable number is [`Sample::Bad`].
    pub fn new(value: Option<f64>, quality: Quality) -> Sample {
        let trust = match quality {
            Quality::Good => Trust::Good,
            Quality::Uncertain => Trust::Uncertain,
            Quality::Bad => return Sample::Bad,
        };
        match value.and_then(Finite::new) {
            Some(value) => Sample::Value(value, trust),
            None => Sample::Bad,
        }
    }
}

impl From<&Reading> for Sample {
    fn from(reading: &Reading) -> Sample {
        Sample::new(reading.value, reading.quality)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_a_finite_usable_number_is_a_value() {
        for bad in [None, Some(f64::NAN), Some(f64::INFINITY), Some(f64::NEG_INFINITY)] {
            assert_eq!(Sample::new(bad, Quality::Good), Sample::Bad, "{bad:?}");
        }
        assert_eq!(Sample::new(Some(1.0), Quality::Bad), Sample::Bad);
        assert!(matches!(Sample::new(Some(1.0), Quality::Uncertain), Sample::Value(_, Trust::Uncertain)));
    }
}
