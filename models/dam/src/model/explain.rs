//! The tree behind a level, built from what stands now.

use super::compute::Known;
use super::{DamModel, Subject};
use crate::dam_file::{HazardKind, Tarp};
use crate::levels::{self, Outcome, Upgrade, escalate};
use crate::proof::{Action, Clause, Evidence, Language, Node, NodeKind, Proof, VERSION, level_name};
use crate::threshold::RateEstimate;
use minewatch_domain::{At, Level, PointId, Quality};

/// Computed points are opened this deep; a chain is at most digits ▸ pressure ▸ level ▸ depth ▸ rate.
const DEPTH_MAX: usize = 4;

impl DamModel {
    /// Why something stands where it stands, now; `None` for an id the dam file does not have.
    pub fn explain(&self, subject: Subject, id: &PointId, now: At) -> Option<Proof> {
        let file = &self.plan.file;
        let (node, item) = match subject {
            Subject::PointValue | Subject::PointRate => {
                (self.point_node(self.plan.rule_of[self.plan.number(id)?]?, now), None)
            }
            Subject::Item => {
                let at = file.items.iter().position(|item| item.id == *id)?;
                (self.item_node(at, now), Some(id))
            }
            Subject::Hazard => (self.hazard_node(file.hazards.iter().position(|h| h.id == *id)?, now), None),
            Subject::Pond => (self.pond_node(now), None),
        };
        let level = node.level;
        Some(self.proof(node, item, (level, level), now))
    }

    pub(super) fn proof(&self, root: Node, item: Option<&PointId>, (from, to): (Level, Level), at: At) -> Proof {
        let file = &self.plan.file;
        let pick = |wanted: Option<&PointId>| -> Vec<&Tarp> {
            file.tarps.iter().filter(|tarp| tarp.level == to && tarp.item.as_ref() == wanted).collect()
        };
        let own = item.map(|item| pick(Some(item))).unwrap_or_default();
        let plans = if own.is_empty() && root.kind != NodeKind::Point { pick(None) } else { own };
        Proof {
            version: VERSION,
            dam: file.dam.id.to_string(),
            revision: file.version.clone(),
            document: file.document.clone(),
            at_us: at.micros(),
            from,
            to,
            actions: plans.into_iter().map(|tarp| Action::due(tarp, at)).collect(),
            forecasts: match (root.kind, item) {
                (NodeKind::Pond, _) => self.notes_of(None),
                (NodeKind::Item, Some(item)) => self.notes_of(file.items.iter().position(|known| known.id == *item)),
                (NodeKind::Item | NodeKind::Hazard | NodeKind::Point | NodeKind::Input, _) => Vec::new(),
            },
            root,
        }
    }

    /// A point with its rule.
    pub(super) fn point_node(&self, rule: usize, now: At) -> Node {
        let (planned, state) = (&self.plan.rules[rule], &self.rules[rule]);
        let file = &self.plan.file;
        let by_rate = state.rate.levels().level() > state.value.level();
        let known = self.latest[planned.point];
        let mut evidence = known.map(|known| self.evidence(planned.point, &known, now));
        let mut clause = None;
        if let Some(evidence) = &mut evidence {
            let (limits, value) = match (by_rate, &planned.run.rates, &planned.run.levels) {
                (true, Some(rates), _) => (Some(rates.levels()), rate_of(&state.rate.estimate(rates))),
                (true | false, _, levels) => (levels.as_ref(), evidence.value),
            };
            if by_rate {
                evidence.value = value;
                evidence.unit = evidence.unit.as_ref().map(|unit| format!("{unit}/h"));
            }
            evidence.limit = limits.and_then(|limits| limits.limit_of(state.level, value?));
            clause = (state.level != Level::Normal).then(|| limit_clause(state.level, by_rate));
        }
        let (_, _, filled) = levels::limits(&planned.rule, &file.dam);
        let standard = filled.iter().find(|limit| limit.level == state.level).and_then(|limit| limit.standard);
        let owner = if standard.is_some() { None } else { planned.rule.owner.clone() };
        let mut node = Node {
            evidence,
            clause,
            name: self.name_of(planned.point),
            owner: owner.or_else(|| Some(file.dam.owner.clone())),
            source: standard.map(str::to_owned).or_else(|| planned.rule.source.clone()),
            ..Node::new(NodeKind::Point, self.plan.points[planned.point].as_str(), state.level)
        };
        node.unknown = u32::from(known.is_none_or(|known| known.quality == Quality::Bad));
        node.with_children(self.inputs_of(planned.point, now, DEPTH_MAX))
    }

    fn name_of(&self, point: usize) -> Option<crate::dam_file::NamedText> {
        let id = &self.plan.points[point];
        self.plan.file.derived.iter().find(|derived| derived.point == *id).map(|derived| derived.name.clone())
    }

    fn unit_of(&self, point: usize) -> Option<String> {
        let id = &self.plan.points[point];
        self.plan.file.derived.iter().find(|derived| derived.point == *id).map(|derived| derived.unit.clone())
    }

    fn evidence(&self, point: usize, known: &Known, now: At) -> Evidence {
        Evidence {
            value: known.value,
            limit: None,
            unit: self.unit_of(point),
            quality: known.quality,
            reason: known.reason,
            at_us: known.at.micros(),
            age_ms: now.millis_since(known.at),
            calibration: self.plan.made_by[point].and_then(|place| self.calibrations[place].clone()),
        }
    }

    /// What a computed point was computed from.
    fn inputs_of(&self, point: usize, now: At, depth: usize) -> Vec<Node> {
        let Some(place) = self.plan.made_by[point].filter(|_| depth > 0) else { return Vec::new() };
        let input = |input: &usize| {
            let node = Node {
                evidence: self.latest[*input].map(|known| self.evidence(*input, &known, now)),
                name: self.name_of(*input),
                ..Node::new(NodeKind::Input, self.plan.points[*input].as_str(), Level::Normal)
            };
            node.with_children(self.inputs_of(*input, now, depth - 1))
        };
        self.plan.derived[place].inputs.iter().map(input).collect()
    }

    /// An item with the points that stand at a level.
    pub(super) fn item_node(&self, item: usize, now: At) -> Node {
        let entry = &self.plan.file.items[item];
        let outcome = escalate(&self.items[item].counts, &self.plan.file.escalation);
        let members = || self.plan.rules.iter().enumerate().filter(|(_, planned)| planned.item == item);
        let unknown = members()
            .filter(|(_, planned)| self.latest[planned.point].is_none_or(|known| known.quality == Quality::Bad));
        let node = Node {
            name: Some(entry.name.clone()),
            clause: count_clause(&outcome, "测点", "point"),
            unknown: u32::try_from(unknown.count()).unwrap_or(u32::MAX),
            ..Node::new(NodeKind::Item, entry.id.as_str(), self.items[item].level)
        };
        let warning = members().filter(|(rule, _)| self.rules[*rule].level != Level::Normal);
        node.with_children(warning.map(|(rule, _)| self.point_node(rule, now)).collect())
    }

    /// A hazard with its conditions.
    pub(super) fn hazard_node(&self, hazard: usize, now: At) -> Node {
        let entry = &self.plan.file.hazards[hazard];
        let on = self.standing(hazard);
        let conditions =
            self.plan.conditions.iter().zip(&self.conditions).filter(|(planned, _)| planned.hazard == hazard);
        let child = |(planned, state): (&super::plan::PlannedCondition, &crate::threshold::LevelState)| {
            let evidence = self.latest[planned.point].map(|known| {
                let mut evidence = self.evidence(planned.point, &known, now);
                evidence.limit = evidence.value.and_then(|value| planned.limit.limit_of(Level::Red, value));
                evidence
            });
            let node = Node {
                evidence,
                name: self.name_of(planned.point),
                ..Node::new(NodeKind::Point, self.plan.points[planned.point].as_str(), state.level())
            };
            node.with_children(self.inputs_of(planned.point, now, DEPTH_MAX))
        };
        let node = Node {
            clause: Some(hazard_clause(entry.kind)),
            source: Some(entry.source.clone()),
            ..Node::new(NodeKind::Hazard, entry.id.as_str(), if on { Level::Red } else { Level::Normal })
        };
        node.with_children(conditions.map(child).collect())
    }

    /// The pond with the items and hazards that stand at a level.
    pub(super) fn pond_node(&self, now: At) -> Node {
        let file = &self.plan.file;
        let outcome = self.pond_outcome();
        let hazards: Vec<Node> =
            (0..self.hazards.len()).filter(|at| self.hazards[*at]).map(|at| self.hazard_node(at, now)).collect();
        let counted = escalate(&self.pond.counts, &file.escalation);
        let clause = match hazards.first() {
            Some(hazard) if counted.level != Level::Red => hazard.clause.clone(),
            Some(_) | None => count_clause(&counted, "监测项目", "item"),
        };
        let node = Node {
            name: Some(file.dam.name.clone()),
            clause,
            ..Node::new(NodeKind::Pond, file.dam.id.as_str(), outcome.level)
        };
        let items = (0..self.items.len()).filter(|item| self.items[*item].level != Level::Normal);
        node.with_children(items.map(|item| self.item_node(item, now)).chain(hazards).collect())
    }
}

fn rate_of(estimate: &RateEstimate) -> Option<f64> {
    match estimate {
        RateEstimate::PerHour(rate, _) => Some(rate.get()),
        RateEstimate::TooFew | RateEstimate::TooShort => None,
    }
}

fn limit_clause(level: Level, by_rate: bool) -> Clause {
    let (zh, en) = (level_name(level, Language::Zh), level_name(level, Language::En));
    match by_rate {
        true => Clause {
            id: format!("designer/{}-rate", level.name()),
            zh: format!("变化速率达到{zh}限值"),
            en: format!("the rate is at the {en} limit"),
        },
        false => Clause {
            id: format!("designer/{}-limit", level.name()),
            zh: format!("测值达到{zh}限值"),
            en: format!("the value is at the {en} limit"),
        },
    }
}

/// The clause of 5.5.4 that gave a level: the last step of counting, or the worst member.
fn count_clause(outcome: &Outcome, zh_what: &str, en_what: &str) -> Option<Clause> {
    if outcome.level == Level::Normal {
        return None;
    }
    let Some(Upgrade { from, to, members, carried, needed }) = outcome.upgrades.last().copied() else {
        let (zh, en) = (level_name(outcome.level, Language::Zh), level_name(outcome.level, Language::En));
        return Some(Clause {
            id: "gb39496-2020-5.5.4/worst".to_owned(),
            zh: format!("取最不利{zh_what}的等级：{zh}"),
            en: format!("the worst {en_what} is {en}"),
        });
    };
    let (from_zh, to_zh) = (level_name(from, Language::Zh), level_name(to, Language::Zh));
    let (from_en, to_en) = (level_name(from, Language::En), level_name(to, Language::En));
    let (won_zh, won_en) = match carried {
        true => ("，另有 1 个由下一级累计升级", " and one won by counting the level below"),
        false => ("", ""),
    };
    Some(Clause {
        id: format!("gb39496-2020-5.5.4/{}-to-{}", from.name(), to.name()),
        zh: format!("GB 39496-2020 5.5.4：{members} 个{zh_what}达到{from_zh}{won_zh}，满 {needed} 个升为{to_zh}"),
        en: format!("GB 39496-2020 5.5.4: {members} {en_what}(s) at {from_en}{won_en}; {needed} make {to_en}"),
    })
}

fn hazard_clause(kind: HazardKind) -> Clause {
    let (id, zh, en) = match kind {
        HazardKind::PhreaticDepth => (
            "phreatic-depth",
            "重大事故隐患：浸润线埋深小于控制浸润线埋深",
            "major hazard: phreatic line above its control depth",
        ),
        HazardKind::FreeboardAndBeach => (
            "freeboard-and-beach",
            "重大事故隐患：安全超高和干滩长度均小于设计值",
            "major hazard: freeboard and dry beach both below design",
        ),
        HazardKind::RiseRate => {
            ("rise-rate", "重大事故隐患：上升速率大于设计值", "major hazard: rate of rise above design")
        }
        HazardKind::Piping => ("piping", "重大事故隐患：管涌、流土迹象", "major hazard: signs of piping"),
        HazardKind::DeepSlide => ("deep-slide", "重大事故隐患：深层滑动迹象", "major hazard: signs of a deep slide"),
    };
    Clause { id: format!("major-hazard/{id}"), zh: zh.to_owned(), en: en.to_owned() }
}

impl DamModel {
    /// What is in force here and was not in `before`, as findings decided at `at`.
    pub(super) fn differences(&self, before: &DamModel, at: At, out: &mut Vec<super::Finding>) {
        let mut say = |subject: Subject, id: &PointId, from: Level, to: Level| {
            if from == to {
                return;
            }
            let Some(mut proof) = self.explain(subject, id, at) else { return };
            (proof.from, proof.to) = (from, to);
            let clause = proof.root.clause.as_ref().map_or("no limit is met", |clause| clause.en.as_str());
            let evidence = proof.root.evidence.as_ref();
            out.push(super::Finding::Level(Box::new(super::LevelFinding {
                subject,
                id: id.clone(),
                from,
                to,
                at,
                value: evidence.and_then(|evidence| evidence.value),
                limit: evidence.and_then(|evidence| evidence.limit),
                rule: format!("late-data#dam:{}", self.plan.file.version),
                why: format!("late data, judged again in order: {clause}"),
                proof,
            })));
        };
        for ((now, then), planned) in self.rules.iter().zip(&before.rules).zip(&self.plan.rules) {
            let id = &self.plan.points[planned.point];
            say(Subject::PointValue, id, then.value.level(), now.value.level());
            say(Subject::PointRate, id, then.rate.levels().level(), now.rate.levels().level());
        }
        for ((id, now), (_, then)) in self.items().zip(before.items()) {
            say(Subject::Item, id, then, now);
        }
        let level = |on: bool| if on { Level::Red } else { Level::Normal };
        for ((id, now), (_, then)) in self.hazards().zip(before.hazards()) {
            say(Subject::Hazard, id, level(then), level(now));
        }
        say(Subject::Pond, &self.plan.file.dam.id, before.pond(), self.pond());
    }
}
