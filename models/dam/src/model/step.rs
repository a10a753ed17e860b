//! One sample through the model.

use super::compute::{Known, Scene};
use super::{DamModel, Finding, LevelFinding, Subject};
use crate::Moment;
use crate::levels::{Counts, Outcome, escalate};
use crate::proof::{NodeKind, Proof};
use crate::threshold::{LevelChange, Sample};
use minewatch_domain::{Level, Reading};
use std::sync::Arc;

impl DamModel {
    /// Takes a qualified reading; false for a point the dam file does not name. `now` is when it is
    /// judged: delays run on its monotonic half. Findings are appended to `out`.
    pub fn step(&mut self, reading: &Reading, now: Moment, out: &mut Vec<Finding>) -> bool {
        let Some(number) = self.plan.number(&reading.point) else { return false };
        self.step_numbered(number, reading, now, out);
        true
    }

    /// [`DamModel::step`] of the point with this [`super::Plan::number`], for callers that looked it up before.
    pub fn step_numbered(&mut self, number: usize, reading: &Reading, now: Moment, out: &mut Vec<Finding>) {
        let (value, quality, reason) = (reading.value, reading.quality, reading.reason);
        self.seen(number, Known { value, quality, reason, at: reading.at, mono_ms: now.mono_ms }, now, out);
        while let Some(place) = self.pending.pop_first() {
            self.compute(place, now, out);
        }
        if !self.dirty_items.is_empty() || self.hazards_dirty {
            self.settle(now, out);
        }
    }

    fn compute(&mut self, place: usize, now: Moment, out: &mut Vec<Finding>) {
        let plan = Arc::clone(&self.plan);
        let planned = &plan.derived[place];
        let inputs: Vec<Option<Known>> = planned.inputs.iter().map(|input| self.latest[*input]).collect();
        let scene = Scene {
            inputs: &inputs,
            book: &plan.book,
            known: self.known,
            now: now.wall,
            now_ms: now.mono_ms,
            input_age_max_ms: planned.input_age_max_ms,
            utc_offset_ms: (plan.file.dam.utc_offset_h * 3_600_000.0) as i64,
        };
        let Some(computed) = planned.computing.run(&scene, &mut self.memories[place]) else { return };
        let known = Known {
            value: computed.value,
            quality: computed.quality,
            reason: computed.reason,
            at: now.wall,
            mono_ms: now.mono_ms,
        };
        self.calibrations[place] = computed.calibration;
        out.push(Finding::Computed(Reading {
            point: plan.points[planned.point].clone(),
            at: now.wall,
            value: computed.value,
            quality: computed.quality,
            reason: computed.reason,
        }));
        self.seen(planned.point, known, now, out);
    }

    fn seen(&mut self, number: usize, known: Known, now: Moment, out: &mut Vec<Finding>) {
        let known = self.validate(number, known, now, out);
        self.latest[number] = Some(known);
        let plan = Arc::clone(&self.plan);
        if !plan.forecasts_of[number].is_empty() {
            self.track(number, &known, now, out);
        }
        self.pending.extend(plan.triggers[number].iter().copied());
        let sample = Sample::new(known.value, known.quality);
        for place in &plan.conditions_of[number] {
            let state = &mut self.conditions[*place];
            self.hazards_dirty |= state.step(&plan.conditions[*place].limit, sample, now).is_some();
        }
        if let Some(rule) = plan.rule_of[number] {
            self.judge(rule, sample, now, out);
        }
    }

    fn judge(&mut self, rule: usize, sample: Sample, now: Moment, out: &mut Vec<Finding>) {
        let plan = Arc::clone(&self.plan);
        let (planned, state) = (&plan.rules[rule], &mut self.rules[rule]);
        let by_value = planned.run.levels.as_ref().and_then(|limits| state.value.step(limits, sample, now));
        let by_rate = planned.run.rates.as_ref().and_then(|limits| state.rate.step(limits, sample, now));
        let level = state.value.level().max(state.rate.levels().level());
        if level != state.level {
            self.items[planned.item].counts.shift(state.level, level);
            state.level = level;
            self.dirty_items.insert(planned.item);
        }
        for (subject, change) in [(Subject::PointValue, by_value), (Subject::PointRate, by_rate)] {
            if let Some(change) = change {
                let finding = self.point_finding(rule, subject, change);
                out.push(Finding::Level(Box::new(finding)));
            }
        }
    }

    fn point_finding(&self, rule: usize, subject: Subject, change: LevelChange) -> LevelFinding {
        let id = self.plan.points[self.plan.rules[rule].point].clone();
        let kind = if subject == Subject::PointRate { "rate" } else { "threshold" };
        LevelFinding {
            subject,
            rule: format!("{id}.{kind}#dam:{}", self.plan.file.version),
            proof: self.proof(self.point_node(rule, change.at), None, (change.from, change.to), change.at),
            id,
            from: change.from,
            to: change.to,
            at: change.at,
            value: Some(change.value),
            limit: change.limit,
            why: change.why,
        }
    }

    /// Items that changed, then hazards, then the pond.
    fn settle(&mut self, now: Moment, out: &mut Vec<Finding>) {
        let plan = Arc::clone(&self.plan);
        while let Some(item) = self.dirty_items.pop_first() {
            let state = &mut self.items[item];
            let outcome = escalate(&state.counts, &plan.file.escalation);
            let from = std::mem::replace(&mut state.level, outcome.level);
            if from == outcome.level {
                continue;
            }
            self.pond.counts.shift(from, outcome.level);
            let entry = &plan.file.items[item];
            let node = self.item_node(item, now.wall);
            out.push(self.summed(Subject::Item, (&entry.id, Some(&entry.id)), (from, &outcome), now, node));
        }
        if std::mem::take(&mut self.hazards_dirty) {
            self.settle_hazards(now, out);
        }
        let outcome = self.pond_outcome();
        let from = std::mem::replace(&mut self.pond.level, outcome.level);
        if from != outcome.level {
            let node = self.pond_node(now.wall);
            out.push(self.summed(Subject::Pond, (&plan.file.dam.id, None), (from, &outcome), now, node));
        }
    }

    pub(super) fn pond_outcome(&self) -> Outcome {
        let mut outcome = escalate(&self.pond.counts, &self.plan.file.escalation);
        if self.hazards.contains(&true) && outcome.level != Level::Red {
            outcome = Outcome { level: Level::Red, worst: Level::Red, upgrades: Vec::new() };
        }
        outcome
    }

    pub(super) fn standing(&self, hazard: usize) -> bool {
        let of = self.plan.conditions.iter().zip(&self.conditions).filter(|(planned, _)| planned.hazard == hazard);
        let mut any = false;
        let all = of.inspect(|_| any = true).all(|(_, state)| state.level() == Level::Red);
        any && all
    }

    fn settle_hazards(&mut self, now: Moment, out: &mut Vec<Finding>) {
        let plan = Arc::clone(&self.plan);
        for (at, hazard) in plan.file.hazards.iter().enumerate() {
            let on = self.standing(at);
            if std::mem::replace(&mut self.hazards[at], on) == on {
                continue;
            }
            let level = |on: bool| if on { Level::Red } else { Level::Normal };
            let (from, to) = (level(!on), level(on));
            let node = self.hazard_node(at, now.wall);
            let clause = node.clause.as_ref().map_or_else(String::new, |clause| clause.en.clone());
            out.push(Finding::Level(Box::new(LevelFinding {
                subject: Subject::Hazard,
                id: hazard.id.clone(),
                from,
                to,
                at: now.wall,
                value: None,
                limit: None,
                rule: format!("major-hazard#dam:{}", plan.file.version),
                why: if on { clause } else { format!("no longer: {clause}") },
                proof: self.proof(node, None, (from, to), now.wall),
            })));
        }
    }

    fn summed(
        &self,
        subject: Subject,
        (id, item): (&minewatch_domain::PointId, Option<&minewatch_domain::PointId>),
        (from, outcome): (Level, &Outcome),
        now: Moment,
        node: crate::proof::Node,
    ) -> Finding {
        let why = node.clause.as_ref().map_or_else(|| "no member stands at a level".to_owned(), |c| c.en.clone());
        debug_assert!(matches!(node.kind, NodeKind::Item | NodeKind::Pond));
        let proof: Proof = self.proof(node, item, (from, outcome.level), now.wall);
        Finding::Level(Box::new(LevelFinding {
            subject,
            id: id.clone(),
            from,
            to: outcome.level,
            at: now.wall,
            value: None,
            limit: None,
            rule: format!("gb39496-2020-5.5.4#dam:{}", self.plan.file.version),
            why,
            proof,
        }))
    }

    /// Brings items, hazards and the pond in line with restored points, without findings.
    pub(super) fn settle_quietly(&mut self) {
        let plan = Arc::clone(&self.plan);
        for state in &mut self.rules {
            state.level = state.value.level().max(state.rate.levels().level());
        }
        for (item, state) in self.items.iter_mut().enumerate() {
            let levels = plan.rules.iter().zip(&self.rules).filter(|(planned, _)| planned.item == item);
            state.counts = Counts::of(levels.map(|(_, state)| state.level));
            state.level = escalate(&state.counts, &plan.file.escalation).level;
        }
        self.pond.counts = Counts::of(self.items.iter().map(|state| state.level));
        for hazard in 0..self.hazards.len() {
            self.hazards[hazard] = self.standing(hazard);
        }
        self.pond.level = self.pond_outcome().level;
    }
}
