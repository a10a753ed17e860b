//! Data validation of points at work: the tests of `validate` put together, and what follows for quality.
//!
//! Range, step, spike and going far alone make a value bad; stillness, drift, contradiction and a mismatch with manual
//! readings make it uncertain (it may raise, it clears nothing); charts only say so. A step of a whole
//! group is taken out of the value that is judged, never out of the record, and leaves it uncertain.

use super::compute::Known;
use super::{DamModel, Fault, FaultFinding, Finding};
use crate::Moment;
use crate::dam_file::{Check, CommonMode, Drift};
use crate::validate::{self, Comparison, CusumChart, EwmaChart, Hampel, Persistence, StepTest};
use minewatch_domain::{Quality, Reason};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

/// Differences kept of a drift window.
const DRIFT_SLOTS: usize = 32;

/// Differences averaged at each end of a drift window, against noise.
const DRIFT_ENDS: usize = 4;

/// The tests of one point and what they say now.
#[derive(Debug, Clone)]
pub(super) struct CheckState {
    step: Option<StepTest>,
    still: Option<Persistence>,
    hampel: Option<Hampel>,
    cusum: Option<CusumChart>,
    ewma: Option<EwmaChart>,
    drift: DriftState,
    manual_differs: bool,
    faults: BTreeSet<Fault>,
}

#[derive(Debug, Clone, Default)]
struct DriftState {
    own: Option<f64>,
    neighbours: Vec<Option<f64>>,
    kept: VecDeque<(u64, f64)>,
}

impl CheckState {
    pub(super) fn new(check: &Check) -> CheckState {
        let ms = |hours: f64| (hours * 3_600_000.0) as u64;
        CheckState {
            step: check.step_per_h.map(StepTest::new),
            still: check.still.map(|still| Persistence::new(ms(still.hours), still.tolerance)),
            hampel: check.hampel.map(|hampel| Hampel::new(hampel.window, hampel.sigmas, hampel.resolution)),
            cusum: check.cusum.map(|cusum| CusumChart::new(cusum.h, cusum.k)),
            ewma: check.ewma.map(|ewma| EwmaChart::new(ewma.lambda, ewma.l)),
            drift: DriftState::default(),
            manual_differs: false,
            faults: BTreeSet::new(),
        }
    }

    /// Something was wrong before a restart; what, the next value says.
    pub(super) fn remember(&mut self) {
        self.faults.insert(Fault::Step);
    }

    /// Tests of a value against the point's own past.
    fn own_tests(&mut self, check: &Check, value: f64, now_ms: u64, found: &mut BTreeSet<Fault>) {
        if check.range.is_some_and(|[low, high]| !(low..=high).contains(&value)) {
            found.insert(Fault::Range);
            return;
        }
        let mut note = |wrong: bool, fault: Fault| {
            if wrong {
                found.insert(fault);
            }
        };
        note(self.step.as_mut().is_some_and(|test| test.step(now_ms, value)), Fault::Step);
        let spike = self.hampel.as_mut().and_then(|filter| filter.step(value)).is_some_and(|verdict| verdict.outlier);
        note(spike, Fault::Spike);
        note(self.still.as_mut().is_some_and(|test| test.step(now_ms, value)), Fault::Still);
        if let (Some(chart), Some(settings)) = (&mut self.cusum, &check.cusum) {
            note(chart.step((value - settings.mean) / settings.sigma), Fault::Shift);
        }
        if let (Some(chart), Some(settings)) = (&mut self.ewma, &check.ewma) {
            note(chart.step((value - settings.mean) / settings.sigma), Fault::Trend);
        }
    }
}

/// How far a value has moved away from its neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Apart {
    No,
    Drifts,
    Alone,
}

impl DriftState {
    /// Takes a value beside its neighbours': how far did their difference move within the window?
    fn step(&mut self, value: f64, neighbours: &[Option<f64>], now_ms: u64, drift: &Drift) -> Apart {
        let window_ms = (drift.window_h * 3_600_000.0) as u64;
        let own = *self.own.get_or_insert(value);
        self.neighbours.resize(neighbours.len(), None);
        let mut moves: Vec<f64> = Vec::with_capacity(neighbours.len());
        for (start, now) in self.neighbours.iter_mut().zip(neighbours) {
            if let Some(now) = now {
                moves.push(now - *start.get_or_insert(*now));
            }
        }
        let Some(common) = validate::median(&mut moves) else { return Apart::No };
        let difference = value - own - common;
        // What went alone is not taken into the window, or it would be believed once the window has passed.
        if self.kept.len() >= DRIFT_ENDS && drift.alone.is_some_and(|alone| (difference - self.first()).abs() > alone) {
            return Apart::Alone;
        }
        let slot_ms = window_ms / DRIFT_SLOTS as u64;
        if self.kept.back().is_none_or(|(at, _)| now_ms >= at.saturating_add(slot_ms)) {
            self.kept.push_back((now_ms, difference));
        }
        let oldest = now_ms.saturating_sub(window_ms);
        while self.kept.len() > DRIFT_SLOTS || self.kept.front().is_some_and(|(at, _)| *at < oldest) {
            self.kept.pop_front();
        }
        if self.kept.len() < 2 * DRIFT_ENDS {
            return Apart::No;
        }
        if (mean_of(self.kept.iter().rev()) - self.first()).abs() > drift.limit { Apart::Drifts } else { Apart::No }
    }

    /// The difference at the beginning of the window.
    fn first(&self) -> f64 {
        mean_of(self.kept.iter())
    }
}

/// Mean of the first differences of one end.
fn mean_of<'a>(end: impl Iterator<Item = &'a (u64, f64)>) -> f64 {
    end.take(DRIFT_ENDS).map(|(_, difference)| difference).sum::<f64>() / DRIFT_ENDS as f64
}

/// Stations that share a reference.
#[derive(Debug, Clone)]
pub(super) struct GroupState {
    members: Vec<Member>,
    /// What the reference or the atmosphere did so far.
    offset: f64,
    named: bool,
    /// The configuration was renewed: the end of a remembered fault is still to be said.
    over: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Member {
    anchor: Option<(u64, f64)>,
    heard_ms: Option<u64>,
    moved: Option<(u64, f64)>,
}

/// What a group makes of a member's value.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Share {
    /// Its own.
    Own,
    /// It moved, and the others have not spoken yet.
    Waiting,
    /// The group moved with it.
    Common,
}

impl GroupState {
    pub(super) fn new(members: usize) -> GroupState {
        GroupState { members: vec![Member::default(); members], offset: 0.0, named: false, over: false }
    }

    /// Goes on from before a restart: with what was taken off, or with new zeros.
    pub(super) fn remember(&mut self, offset: Option<f64>) {
        (self.offset, self.named) = (offset.unwrap_or(0.0), offset.is_some());
        self.over = offset.is_none();
    }

    fn step(&mut self, at: usize, value: f64, now_ms: u64, settings: &CommonMode) -> Share {
        let window_ms = settings.window_min.saturating_mul(60_000);
        let x = value - self.offset;
        let member = &mut self.members[at];
        member.heard_ms = Some(now_ms);
        let (anchor_ms, anchor) = *member.anchor.get_or_insert((now_ms, x));
        if (x - anchor).abs() < settings.step {
            member.moved = None;
            if now_ms.saturating_sub(anchor_ms) >= window_ms {
                member.anchor = Some((now_ms, x));
            }
            return Share::Own;
        }
        let since = member.moved.map_or(now_ms, |(since, _)| since);
        member.moved = Some((since, x - anchor));
        let fresh = |m: &&Member| m.heard_ms.is_some_and(|heard| now_ms.saturating_sub(heard) <= window_ms);
        let others = self.members.iter().filter(fresh);
        let heard = others.clone().count();
        let mut steps: Vec<f64> = others.filter_map(|m| Some(m.moved?.1)).collect();
        let needed = ((settings.share * heard as f64).ceil() as usize).max(3);
        let Some(middle) = validate::median(&mut steps) else { return Share::Own };
        let alike = steps.iter().filter(|step| (*step - middle).abs() <= 0.5 * middle.abs()).count();
        if alike >= needed {
            self.offset += middle;
            self.named = true;
            self.members.iter_mut().for_each(|member| member.moved = None);
            return Share::Common;
        }
        let spoken = |m: &Member| m.heard_ms.is_none_or(|heard| heard >= since || now_ms - heard > window_ms);
        // One more round: the others must have been heard after this one moved, not only in the same instant.
        let round_over = now_ms > since && self.members.iter().all(spoken);
        if round_over || now_ms.saturating_sub(since) > window_ms {
            let member = &mut self.members[at];
            (member.anchor, member.moved) = (Some((now_ms, x)), None);
            return Share::Own;
        }
        Share::Waiting
    }
}

impl DamModel {
    /// Judges a value's data; the value that comes back is the one levels are made from.
    pub(super) fn validate(&mut self, number: usize, known: Known, now: Moment, out: &mut Vec<Finding>) -> Known {
        let plan = Arc::clone(&self.plan);
        let mut known = known;
        let Some(value) = known.usable() else { return known };
        for check in &plan.manual_for[number] {
            self.compare(*check, value, now, out);
        }
        if let Some(group) = plan.group_of[number] {
            self.common_mode(group, number, &mut known, value, now, out);
        }
        let Some(at) = plan.check_of[number] else { return known };
        let check = &plan.file.checks[at];
        let (mut found, mut apart) = (BTreeSet::new(), Apart::No);
        self.checks[at].own_tests(check, value, now.mono_ms, &mut found);
        if let Some(drift) = &check.drift {
            let usable = |point| self.latest[*plan.index.get(point)?].and_then(|known| known.usable());
            let neighbours: Vec<Option<f64>> = drift.against.iter().map(usable).collect();
            apart = self.checks[at].drift.step(value, &neighbours, now.mono_ms, drift);
            if apart != Apart::No {
                found.insert(Fault::Drift);
            }
        }
        let above = check.not_above.as_ref().and_then(|point| self.latest[*plan.index.get(point)?]?.usable());
        if above.is_some_and(|above| value > above) {
            found.insert(Fault::Inconsistent);
        }
        if self.checks[at].manual_differs {
            found.insert(Fault::Manual);
        }
        worsen(&mut known, &found);
        if apart == Apart::Alone && known.quality != Quality::Bad {
            (known.quality, known.reason) = (Quality::Bad, Reason::Drift);
        }
        self.say_faults(at, number, found, now, out);
        known
    }

    fn say_faults(&mut self, at: usize, number: usize, found: BTreeSet<Fault>, now: Moment, out: &mut Vec<Finding>) {
        let lasting: BTreeSet<Fault> = found.into_iter().filter(|fault| !fault.momentary()).collect();
        if lasting == self.checks[at].faults {
            return;
        }
        let names: Vec<&str> = lasting.iter().map(|fault| fault.name()).collect();
        let why = match names.is_empty() {
            true => "its data pass every test again".to_owned(),
            false => format!("its data fail: {}", names.join(", ")),
        };
        self.checks[at].faults.clone_from(&lasting);
        let point = self.plan.points[number].clone();
        out.push(Finding::Fault(FaultFinding { point, faults: lasting, at: now.wall, why, offset: None }));
    }

    /// A manual reading came: is the automatic one of the same place near it?
    fn compare(&mut self, check: usize, manual: f64, now: Moment, _out: &mut Vec<Finding>) {
        let entry = &self.plan.file.checks[check];
        let Some(settings) = &entry.manual else { return };
        let automatic = self.plan.index.get(&entry.point).and_then(|point| self.latest[*point]);
        let automatic = automatic.and_then(|known| Some((known.mono_ms, known.usable()?)));
        let within_ms = settings.within_min.saturating_mul(60_000);
        match validate::compare((now.mono_ms, manual), automatic, within_ms, settings.tolerance) {
            Comparison::Agree { .. } => self.checks[check].manual_differs = false,
            Comparison::Differ { .. } => self.checks[check].manual_differs = true,
            Comparison::Apart => {}
        }
    }

    fn common_mode(
        &mut self,
        group: usize,
        number: usize,
        known: &mut Known,
        value: f64,
        now: Moment,
        out: &mut Vec<Finding>,
    ) {
        let plan = Arc::clone(&self.plan);
        let Some(member) = plan.group_members[group].iter().position(|point| *point == number) else { return };
        let (settings, state) = (&plan.file.common_mode[group], &mut self.groups[group]);
        let before = (state.named, state.offset);
        if std::mem::take(&mut state.over) {
            out.push(Finding::Fault(FaultFinding {
                point: settings.id.clone(),
                faults: BTreeSet::new(),
                at: now.wall,
                why: "the dam file was renewed: stations have new zeros".to_owned(),
                offset: None,
            }));
        }
        let share = state.step(member, value, now.mono_ms, settings);
        if share == Share::Waiting {
            (known.quality, known.reason) = (Quality::Bad, Reason::CommonMode);
        } else if state.named {
            known.value = Some(value - state.offset);
            (known.quality, known.reason) = (Quality::Uncertain, Reason::CommonMode);
        }
        if (state.named, state.offset) != before {
            let count = plan.group_members[group].len();
            out.push(Finding::Fault(FaultFinding {
                point: settings.id.clone(),
                faults: BTreeSet::from([Fault::CommonMode]),
                at: now.wall,
                why: format!("{count} stations of {} moved together by {:.3}", settings.id, state.offset),
                offset: Some(state.offset),
            }));
        }
    }
}

/// The worst consequence of what was found.
fn worsen(known: &mut Known, found: &BTreeSet<Fault>) {
    for fault in found {
        let (quality, reason) = match fault {
            Fault::Range => (Quality::Bad, Reason::OutOfRange),
            Fault::Step => (Quality::Bad, Reason::RateOfChange),
            Fault::Spike => (Quality::Bad, Reason::Spike),
            Fault::Still => (Quality::Uncertain, Reason::Stuck),
            Fault::Drift => (Quality::Uncertain, Reason::Drift),
            Fault::CommonMode => (Quality::Uncertain, Reason::CommonMode),
            Fault::Manual => (Quality::Uncertain, Reason::ManualMismatch),
            Fault::Inconsistent => (Quality::Uncertain, Reason::Inconsistent),
            Fault::Shift | Fault::Trend => continue,
        };
        if quality > known.quality {
            (known.quality, known.reason) = (quality, reason);
        }
    }
}
