//! Can the process have done this? Rate of change and spikes, and the way back to trust.
//!
//! A doubtful sample is bad until it is confirmed: `confirm` doubtful samples in a row on the same side
//! of what was trusted mean that the process has really moved. The confirming sample is uncertain (it
//! may raise a level, not clear one), the references start anew from it, and the next ones are good. So
//! a lone spike raises nothing, and a genuine step is delayed by `confirm - 1` samples, never masked.
//!
//! A signal that is doubtful again and again without ever being so `confirm` times in a row (spikes on
//! alternating sides, every second sample) would be masked for ever. A leaky count ends that: two drops
//! per doubtful sample, one out per trusted one, and the references start anew at eight per `confirm`.
//! Up to a third of all samples may be spikes without that ever happening.
//!
//! Invariant: only accepted values enter the references. Elapsed time is the source's, monotonic.

use super::hampel::Hampel;
use super::settings::QualifyRule;
use minewatch_domain::Reason;

/// What is thought of one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opinion {
    /// Plausible.
    Trusted,
    /// Not plausible, not yet confirmed.
    Doubtful(Reason),
    /// Not plausible after what was before, but it persists: believed from here on.
    Confirmed(Reason),
}

/// The references one point is judged by.
#[derive(Debug, Clone)]
pub(super) struct Plausible {
    /// The last accepted value and its source time.
    trusted: Option<(f64, i64)>,
    hampel: Option<Hampel>,
    /// Doubtful samples in a row on one side.
    doubts: u8,
    doubts_above: bool,
    leaky: u8,
}

impl Plausible {
    /// No history: the first samples are believed.
    pub(super) fn new(rule: &QualifyRule) -> Plausible {
        let hampel = rule.hampel.map(|settings| Hampel::new(settings.window));
        Plausible { trusted: None, hampel, doubts: 0, doubts_above: false, leaky: 0 }
    }

    /// Judges a finite value within range, measured at `source_ms`.
    pub(super) fn judge(&mut self, rule: &QualifyRule, value: f64, source_ms: i64) -> Opinion {
        match self.doubt(rule, value, source_ms) {
            None => {
                self.doubts = 0;
                self.leaky = self.leaky.saturating_sub(1);
                self.accept(value, source_ms);
                Opinion::Trusted
            }
            Some((reason, above)) => {
                self.doubts = if self.doubts_above == above { self.doubts.saturating_add(1) } else { 1 };
                self.doubts_above = above;
                self.leaky = self.leaky.saturating_add(2);
                if self.doubts < rule.confirm && self.leaky < rule.confirm.saturating_mul(8) {
                    return Opinion::Doubtful(reason);
                }
                (self.doubts, self.leaky) = (0, 0);
                if let Some(hampel) = &mut self.hampel {
                    hampel.clear();
                }
                self.accept(value, source_ms);
                Opinion::Confirmed(reason)
            }
        }
    }

    fn accept(&mut self, value: f64, source_ms: i64) {
        self.trusted = Some((value, source_ms));
        if let Some(hampel) = &mut self.hampel {
            hampel.push(value);
        }
    }

    /// Why the value is doubtful, and whether it lies above the reference.
    fn doubt(&self, rule: &QualifyRule, value: f64, source_ms: i64) -> Option<(Reason, bool)> {
        let (trusted, trusted_ms) = self.trusted?;
        // At least a millisecond, so that two answers in one do not divide by zero.
        let elapsed_ms = source_ms.saturating_sub(trusted_ms).max(1);
        if (value - trusted).abs() > rule.rate_max_per_s * seconds(elapsed_ms) {
            return Some((Reason::RateOfChange, value > trusted));
        }
        let settings = rule.hampel?;
        let (median, limit) = self.hampel.as_ref()?.normal(settings.sigmas, settings.resolution)?;
        ((value - median).abs() > limit).then_some((Reason::Spike, value > median))
    }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds between two samples are exact in f64")]
fn seconds(ms: i64) -> f64 {
    ms as f64 / 1_000.0
}
