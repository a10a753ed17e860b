//! From what an instrument answered to what can be believed, and whether it is worth a record.
//!
//! Per sample, in this order; the first that objects wins:
//!
//! ```text
//! transport, decoder, sentinel, status bit said bad ─▶ passed through
//! no value / NaN / infinity                         ─▶ bad, decode_fault / not_finite
//! the instrument's data age over stale_after        ─▶ bad, stale
//! outside the valid range                           ─▶ bad, out_of_range
//! unmoved for stuck_after                           ─▶ uncertain, stuck
//! faster than the process, or an outlier            ─▶ bad, rate_of_change / spike  until confirmed
//! … its confirming sample                           ─▶ uncertain, with that reason
//! else                                              ─▶ as the decoder said (good or uncertain)
//! ```
//!
//! then the deadband decides about publishing. Nobody asking is a finding too: [`Qualifier::expire`].
//!
//! Invariants: pure (time is the argument [`Moment`], elapsed time is its monotonic half, so a stepped
//! wall clock changes no verdict); bad values never enter a reference window; a genuine step is believed
//! after `confirm` samples and is never masked for ever; every sample gets a verdict, published or not, so
//! level rules see them all. A repeated answer of an instrument with a data-age register (same value, same
//! source time) is one measurement: it confirms nothing and is never "stuck".
//!
//! Deliberately absent: what a value means (`minewatch-dam`), reading registers (`modbus`), and reading a
//! clock. Instruments without a data-age register that measure more slowly than they are polled confirm
//! their own spikes by repeating them; give such points a `confirm` above the repeats.

mod clock;
mod deadband;
mod hampel;
mod plausible;
mod settings;
mod stuck;

pub use clock::{ClockStep, ClockWatch};
pub use deadband::Deadband;
pub use minewatch_dam::Moment;
pub use settings::{HampelSettings, QualifyRule, QualifyRuleError, QualifySettings};

use deadband::Publisher;
use minewatch_domain::{At, PointId, Quality, Reading, Reason};
use plausible::{Opinion, Plausible};
use stuck::Still;

/// One answer, or the lack of one, as the driver and the decoder saw it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RawSample {
    /// When it was answered, or given up.
    pub at: Moment,
    /// The value in the point's unit, where one was decoded.
    pub value: Option<f64>,
    /// What the driver and the decoder think of it.
    pub quality: Quality,
    /// Why.
    pub reason: Reason,
    /// How old the value is by the instrument's own register, where it has one.
    pub data_age_ms: Option<u64>,
}

impl RawSample {
    /// A decoded value without objections.
    pub fn good(at: Moment, value: f64) -> RawSample {
        RawSample { at, value: Some(value), quality: Quality::Good, reason: Reason::None, data_age_ms: None }
    }

    /// No value, and why.
    pub fn bad(at: Moment, reason: Reason) -> RawSample {
        RawSample { at, value: None, quality: Quality::Bad, reason, data_age_ms: None }
    }

    /// When the value was measured, on the monotonic clock; before its zero for an old value.
    fn source_ms(&self) -> i64 {
        let signed = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
        signed(self.at.mono_ms).saturating_sub(self.data_age_ms.map_or(0, signed))
    }
}

/// What is believed of one sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Verdict {
    /// Wall-clock time of the answer.
    pub at: At,
    /// The value, also where it is bad but there is one to show; always finite.
    pub value: Option<f64>,
    /// Trust.
    pub quality: Quality,
    /// Why not simply good.
    pub reason: Reason,
    /// Whether it is to become a record.
    pub publish: bool,
}

impl Verdict {
    /// The verdict as the reading of a point.
    pub fn reading(&self, point: PointId) -> Reading {
        Reading { point, at: self.at, value: self.value, quality: self.quality, reason: self.reason }
    }
}

type Judged = (Option<f64>, Quality, Reason);

/// The last value judged on its merits, to recognise its repetition.
#[derive(Debug, Clone, Copy)]
struct Last {
    value: f64,
    source_ms: i64,
    quality: Quality,
    reason: Reason,
}

/// Age registers count whole seconds, so the source time of one measurement wanders by this much.
const REPEAT_SLACK_MS: u64 = 2_000;

/// The memory of one point; one `step` per answer.
#[derive(Debug, Clone)]
pub struct Qualifier {
    rule: QualifyRule,
    heard_ms: u64,
    silent: bool,
    last: Option<Last>,
    still: Still,
    plausible: Plausible,
    publisher: Publisher,
}

impl Qualifier {
    /// A point that was never heard; its silence counts from `started`.
    pub fn new(rule: QualifyRule, started: Moment) -> Qualifier {
        Qualifier {
            rule,
            heard_ms: started.mono_ms,
            silent: false,
            last: None,
            still: Still::default(),
            plausible: Plausible::new(&rule),
            publisher: Publisher::default(),
        }
    }

    /// Judges one answer.
    pub fn step(&mut self, raw: RawSample) -> Verdict {
        self.heard_ms = self.heard_ms.max(raw.at.mono_ms);
        self.silent = false;
        let judged = match self.refuse(&raw) {
            Ok(value) => self.weigh(&raw, value),
            Err(refused) => {
                // What is no measurement is no proof of stillness.
                self.still.pause();
                refused
            }
        };
        self.verdict(judged, raw.at)
    }

    /// When [`Self::expire`] is to be called next if no answer comes, on the monotonic clock.
    pub fn deadline_ms(&self) -> u64 {
        match (self.silent, self.publisher.last_ms()) {
            (true, Some(published_ms)) => published_ms.saturating_add(self.rule.keep_alive_ms),
            (true, None) | (false, _) => self.heard_ms.saturating_add(self.rule.stale_after_ms),
        }
    }

    /// Silence is a finding: once no answer has come for `stale_after_ms`, a bad, stale verdict, and again
    /// with every keep-alive. `None` as long as there is nothing to say.
    pub fn expire(&mut self, now: Moment) -> Option<Verdict> {
        if now.mono_ms < self.deadline_ms() {
            return None;
        }
        self.silent = true;
        self.still.pause();
        let verdict = self.verdict((None, Quality::Bad, Reason::Stale), now);
        verdict.publish.then_some(verdict)
    }

    fn verdict(&mut self, (value, quality, reason): Judged, at: Moment) -> Verdict {
        let limits = (self.rule.deadband, self.rule.keep_alive_ms);
        let publish = self.publisher.step(value, quality, reason, at.mono_ms, limits);
        Verdict { at: at.wall, value, quality, reason, publish }
    }

    /// The value, unless it is no measurement of the process at all.
    fn refuse(&self, raw: &RawSample) -> Result<f64, Judged> {
        let shown = raw.value.filter(|value| value.is_finite());
        let bad = |reason| Err((shown, Quality::Bad, reason));
        let value = match (raw.quality, raw.value, shown) {
            (Quality::Bad, _, _) => return bad(raw.reason),
            (Quality::Good | Quality::Uncertain, None, _) if raw.reason == Reason::None => {
                return bad(Reason::DecodeFault);
            }
            (Quality::Good | Quality::Uncertain, None, _) => return bad(raw.reason),
            (Quality::Good | Quality::Uncertain, Some(_), None) => return bad(Reason::NotFinite),
            (Quality::Good | Quality::Uncertain, Some(_), Some(value)) => value,
        };
        if raw.data_age_ms.is_some_and(|age_ms| age_ms > self.rule.stale_after_ms) {
            return bad(Reason::Stale);
        }
        if value < self.rule.valid_min || value > self.rule.valid_max {
            return bad(Reason::OutOfRange);
        }
        Ok(value)
    }

    /// Judges a finite, fresh value within range on its merits.
    fn weigh(&mut self, raw: &RawSample, value: f64) -> Judged {
        let source_ms = raw.source_ms();
        if let Some(last) = self.last.filter(|last| repeats(last, raw, value, source_ms)) {
            return (Some(value), last.quality, last.reason);
        }
        let still_ms = self.still.step(value, source_ms, self.rule.stuck_tolerance);
        let (quality, reason) = if still_ms >= self.rule.stuck_after_ms {
            (Quality::Uncertain, Reason::Stuck)
        } else {
            match self.plausible.judge(&self.rule, value, source_ms) {
                Opinion::Trusted => (raw.quality, raw.reason),
                Opinion::Doubtful(reason) => (Quality::Bad, reason),
                Opinion::Confirmed(reason) => (Quality::Uncertain, reason),
            }
        };
        self.last = Some(Last { value, source_ms, quality, reason });
        (Some(value), quality, reason)
    }
}

/// Whether an answer is the last measurement once more; only a data-age register can tell.
#[expect(clippy::float_cmp, reason = "a repeated measurement is the same number, bit for bit")]
fn repeats(last: &Last, raw: &RawSample, value: f64, source_ms: i64) -> bool {
    raw.data_age_ms.is_some() && last.value == value && source_ms.abs_diff(last.source_ms) <= REPEAT_SLACK_MS
}

#[cfg(test)]
mod tests;
