//! Forecasts at work: tracks of movement kept from the samples, and what is said about their failure time.
//!
//! Invariants: a track keeps at most [`MARKS_MAX`] marks whatever the sampling period; bad values are not
//! marks; a forecast changes no level (an abstention would then lower one), it stands beside the levels
//! and in their proofs. Not here: how a failure time is found (`forecast`).

use super::compute::Known;
use super::{DamModel, Finding};
use crate::Moment;
use crate::dam_file::Forecast;
use crate::forecast::{ForecastSettings, Kind, Language, Mark, Outlook, Reference, Track, assess};
use crate::proof::ForecastNote;
use minewatch_domain::{At, PointId, Quality};
use std::collections::VecDeque;
use std::sync::Arc;

/// Marks of a track: ten days at ten minutes, or a longer window with wider slots.
const MARKS_MAX: usize = 1_500;
const DAY_US: f64 = 86_400e6;
/// Refits of a bootstrap at work. Fewer than in an evaluation: it runs beside the polls, every few minutes.
const ROUNDS: usize = 100;

/// What was said about a track.
#[derive(Debug, Clone, PartialEq)]
pub struct ForecastFinding {
    /// As it stands in proofs and on pages.
    pub note: ForecastNote,
    /// The outlook behind it; its days are since 1970.
    pub outlook: Outlook,
    /// Whether its code is another one than before.
    pub changed: bool,
}

/// A track at work.
#[derive(Debug, Clone, Default)]
pub(super) struct ForecastState {
    own: VecDeque<Mark>,
    reference: VecDeque<Mark>,
    due_ms: u64,
    pub(super) last: Option<ForecastNote>,
}

impl ForecastState {
    fn keep(marks: &mut VecDeque<Mark>, mark: Mark, window_d: f64) {
        let slot_d = window_d / MARKS_MAX as f64;
        if marks.back().is_some_and(|last| mark.day < last.day + slot_d * 0.98) {
            return;
        }
        while marks.len() >= MARKS_MAX || marks.front().is_some_and(|first| first.day < mark.day - window_d) {
            marks.pop_front();
        }
        marks.push_back(mark);
    }

    fn assess(&self, with_reference: bool) -> Outlook {
        let track = Track::new(Kind::Displacement, self.own.iter().copied());
        let stable = Track::new(Kind::Displacement, self.reference.iter().copied());
        let reference = with_reference.then_some(Reference::Stable(&stable));
        assess(&track, &[], reference, &ForecastSettings { rounds: ROUNDS, ..ForecastSettings::default() })
    }
}

impl DamModel {
    /// What was last said about each forecast of the dam file.
    pub fn forecasts(&self) -> impl Iterator<Item = &ForecastNote> {
        self.forecasts.iter().filter_map(|state| state.last.as_ref())
    }

    /// Adds a value to the tracks that are made from its point, and assesses those that are due.
    pub(super) fn track(&mut self, number: usize, known: &Known, now: Moment, out: &mut Vec<Finding>) {
        let plan = Arc::clone(&self.plan);
        for place in &plan.forecasts_of[number] {
            let Some(value) = known.usable().filter(|_| known.quality != Quality::Bad) else { continue };
            let entry = &plan.file.forecasts[*place];
            let state = &mut self.forecasts[*place];
            let mark = Mark { day: known.at.micros() as f64 / DAY_US, value };
            if entry.reference.as_ref().is_some_and(|reference| plan.points[number] == *reference) {
                ForecastState::keep(&mut state.reference, mark, entry.window_d);
                continue;
            }
            ForecastState::keep(&mut state.own, mark, entry.window_d);
            if now.mono_ms < state.due_ms || self.quiet {
                continue;
            }
            state.due_ms = now.mono_ms.saturating_add(entry.every_min.saturating_mul(60_000));
            let outlook = state.assess(entry.reference.is_some());
            let note = note(entry, &outlook, now.wall);
            let changed = state.last.as_ref().is_none_or(|last| last.code != note.code);
            state.last = Some(note.clone());
            out.push(Finding::Forecast(Box::new(ForecastFinding { note, outlook, changed })));
        }
    }

    /// Notes about tracks of an item's points; of every track for `None`.
    pub(super) fn notes_of(&self, item: Option<usize>) -> Vec<ForecastNote> {
        let of_item = |entry: &Forecast| {
            item.is_none_or(|item| {
                let measured = &self.plan.measured_of_item[item];
                self.plan.number(&entry.point).is_some_and(|number| {
                    measured.contains(&number)
                        || self.plan.rule_of[number].is_some_and(|r| self.plan.rules[r].item == item)
                })
            })
        };
        let noted = self.plan.file.forecasts.iter().zip(&self.forecasts).filter(|(entry, _)| of_item(entry));
        noted.filter_map(|(_, state)| state.last.clone()).collect()
    }

    /// Takes over what another state of the same dam said: late data have been put in their place, and the
    /// next assessment sees them.
    pub(super) fn keep_notes(&mut self, of: &DamModel) {
        for (state, before) in self.forecasts.iter_mut().zip(&of.forecasts) {
            state.last.clone_from(&before.last);
            state.due_ms = before.due_ms;
        }
    }
}

fn note(entry: &Forecast, outlook: &Outlook, at: At) -> ForecastNote {
    let of_day = |day: f64| At((day * DAY_US) as i64);
    let shown = |day: f64| {
        let at = of_day(day);
        jiff::Timestamp::from_microsecond(at.micros()).map_or_else(|_| at.micros().to_string(), |at| format!("{at:.0}"))
    };
    let plain = |code: &str| ForecastNote {
        point: entry.point.to_string(),
        code: code.to_owned(),
        at_us: at.micros(),
        failure_us: None,
        from_us: None,
        until_us: None,
        zh: outlook.explain(Language::Chinese),
        en: outlook.explain(Language::English),
    };
    match outlook {
        Outlook::Abstain(why) => plain(why.code()),
        Outlook::Failure(failure) => {
            let (tf, from, to) = (shown(failure.tf), shown(failure.interval.from), shown(failure.interval.to));
            let (zh, en) = if failure.models_agree {
                ("", "")
            } else {
                ("；两模型不一致，区间包含两者", "; the models disagree, the interval holds both")
            };
            ForecastNote {
                failure_us: Some(of_day(failure.tf).micros()),
                from_us: Some(of_day(failure.interval.from).micros()),
                until_us: Some(of_day(failure.interval.to).micros()),
                zh: format!("正在加速：预测失稳时间 {tf}，95% 区间 {from} 至 {to}{zh}。"),
                en: format!("Accelerating: failure forecast for {tf}, 95 % interval {from} to {to}{en}."),
                ..plain("FAILURE")
            }
        }
    }
}

/// Points of a forecast.
pub(super) fn points(entry: &Forecast) -> impl Iterator<Item = &PointId> {
    std::iter::once(&entry.point).chain(&entry.reference)
}
