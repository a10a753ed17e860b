//! One point: its qualifier, its level rules and what it showed last. Pure.

use crate::config::{Deadband as ConfigDeadband, Point, RateDirection};
use crate::instrument::RawReading;
use crate::qualify::{
    ClockWatch, Deadband, HampelSettings, Moment, Qualifier, QualifyRule, QualifySettings, RawSample,
};
use minewatch_dam::threshold::{
    LevelChange, LevelRule, LevelSettings, LevelState, RateRule, RateSettings, RateState, Sample,
};
use minewatch_domain::{AlarmKind, At, Level, LevelLimits, PointId, Reading};

/// Window of the rate rule: long enough that the noise of one reading is no trend.
const RATE_WINDOW_PERIODS: u64 = 30;

/// A reading reaches the site task within this time of its answer, so that a larger difference is a
/// stepped wall clock or an instrument's own data age, and says nothing about elapsed time.
const WAITED_MS_MAX: i64 = 2_000;

/// Samples in a row that confirm a step seen by the spike filter.
const CONFIRM: u8 = 3;

/// Share of the valid range that counts as an instrument's resolution where none is known.
const RESOLUTION_OF_RANGE: f64 = 0.000_5;

struct Levels {
    rule: LevelRule,
    state: LevelState,
}

struct Rates {
    rule: RateRule,
    state: RateState,
}

/// A point at work.
pub(super) struct PointState {
    pub(super) id: PointId,
    qualifier: Qualifier,
    levels: Option<Box<Levels>>,
    rates: Option<Box<Rates>>,
    pub(super) latest: Option<Reading>,
}

impl PointState {
    /// Prepares a point of a valid configuration; `level` and `rate` are what its alarms stood at.
    ///
    /// # Errors
    /// Says what in the settings cannot be run (a rule the configuration check does not know).
    pub(super) fn new(
        point: &Point,
        level: (Level, Option<At>),
        rate: (Level, Option<At>),
        now: Moment,
    ) -> Result<PointState, String> {
        let fail = |what: String| format!("point {}: {what}", point.id);
        if point.qualify.hampel.is_some() && point.qualify.range.is_none() {
            return Err(fail(
                "hampel: the spike filter takes its resolution from the valid range, and there is none".into(),
            ));
        }
        let rule = QualifyRule::new(&qualify_settings(point)).map_err(|e| fail(e.to_string()))?;
        let settings = level_settings(point);
        let mut levels = None;
        if any(&settings.high) || any(&settings.low) {
            let rule = LevelRule::new(&settings).map_err(|e| fail(e.to_string()))?;
            levels = Some(Box::new(Levels { rule, state: restored(level) }));
        }
        let mut rates = None;
        if let Some(settings) = rate_settings(point) {
            let rule = RateRule::new(&settings).map_err(|e| fail(e.to_string()))?;
            rates = Some(Box::new(Rates { rule, state: RateState::restore(restored(rate)) }));
        }
        Ok(PointState { id: point.id.clone(), qualifier: Qualifier::new(rule, now), levels, rates, latest: None })
    }

    /// Takes a decoded value: the reading if it is to be recorded, and changes of level.
    pub(super) fn take(
        &mut self,
        raw: &RawReading,
        clock: &ClockWatch,
        now: Moment,
        changes: &mut Vec<(AlarmKind, LevelChange)>,
    ) -> Option<Reading> {
        let waited = now.wall.millis_since(raw.at).clamp(0, WAITED_MS_MAX).unsigned_abs();
        let at = Moment::new(raw.at, now.mono_ms.saturating_sub(waited));
        let sample = RawSample { at, value: raw.value, quality: raw.quality, reason: raw.reason, data_age_ms: None };
        let verdict = self.qualifier.step(sample);
        let (quality, reason) = clock.note(verdict.quality, verdict.reason);
        let reading = Reading { point: self.id.clone(), at: raw.at, value: verdict.value, quality, reason };
        let before = changes.len();
        self.judge(&reading, now, changes);
        self.latest = Some(reading.clone());
        // A reading that tips a level is evidence and is recorded even inside the deadband.
        (verdict.publish || changes.len() > before).then_some(reading)
    }

    /// Time passed: silence is a finding.
    pub(super) fn expire(&mut self, now: Moment, changes: &mut Vec<(AlarmKind, LevelChange)>) -> Option<Reading> {
        let verdict = self.qualifier.expire(now)?;
        let reading = Reading {
            point: self.id.clone(),
            at: now.wall,
            value: None,
            quality: verdict.quality,
            reason: verdict.reason,
        };
        self.judge(&reading, now, changes);
        self.latest = Some(reading.clone());
        verdict.publish.then_some(reading)
    }

    fn judge(&mut self, reading: &Reading, now: Moment, changes: &mut Vec<(AlarmKind, LevelChange)>) {
        let sample = Sample::new(reading.value, reading.quality);
        if let Some(levels) = &mut self.levels
            && let Some(change) = levels.state.step(&levels.rule, sample, now)
        {
            changes.push((AlarmKind::Threshold, change));
        }
        if let Some(rates) = &mut self.rates
            && let Some(change) = rates.state.step(&rates.rule, sample, now)
        {
            changes.push((AlarmKind::Rate, change));
        }
    }
}

fn restored((level, since): (Level, Option<At>)) -> LevelState {
    match since {
        Some(since) if level != Level::Normal => LevelState::restore(level, since),
        Some(_) | None => LevelState::new(),
    }
}

fn any(limits: &LevelLimits) -> bool {
    limits.blue.or(limits.yellow).or(limits.orange).or(limits.red).is_some()
}

fn qualify_settings(point: &Point) -> QualifySettings {
    let q = &point.qualify;
    let resolution = q.range.map_or(f64::MIN_POSITIVE, |(min, max)| (max - min) * RESOLUTION_OF_RANGE);
    QualifySettings {
        valid: q.range,
        rate_max_per_s: q.rate_max_per_s,
        hampel: q.hampel.map(|h| HampelSettings {
            window: u8::try_from(h.window).unwrap_or(u8::MAX),
            sigmas: h.threshold,
            resolution,
        }),
        confirm: CONFIRM,
        stuck_after_ms: q.stuck_after_ms,
        stuck_tolerance: 0.0,
        stale_after_ms: q.stale_after_ms,
        deadband: match point.deadband {
            ConfigDeadband::None => Deadband::EverySample,
            ConfigDeadband::Absolute(size) => Deadband::Absolute(size),
            ConfigDeadband::Percent(percent) => Deadband::PercentOfRange(percent),
        },
        keep_alive_ms: point.keep_alive_ms,
    }
}

fn level_settings(point: &Point) -> LevelSettings {
    let l = &point.levels;
    LevelSettings {
        high: l.high,
        low: l.low,
        hysteresis: l.hysteresis,
        on_delay_ms: l.on_delay_ms,
        off_delay_ms: l.off_delay_ms,
    }
}

fn rate_settings(point: &Point) -> Option<RateSettings> {
    let l = &point.levels;
    any(&l.rate_per_h).then(|| {
        let side = |wanted: &[RateDirection]| match wanted.contains(&l.rate_direction) {
            true => l.rate_per_h,
            false => LevelLimits::default(),
        };
        RateSettings {
            rising: side(&[RateDirection::Rising, RateDirection::Either]),
            falling: side(&[RateDirection::Falling, RateDirection::Either]),
            hysteresis: 0.0,
            on_delay_ms: l.on_delay_ms,
            off_delay_ms: l.off_delay_ms,
            window_ms: (point.period_ms * RATE_WINDOW_PERIODS).clamp(RateRule::WINDOW_MS_MIN, RateRule::WINDOW_MS_MAX),
            samples_min: 6,
        }
    })
}
