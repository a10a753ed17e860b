//! The alarms of this site: one entry per alarm id, each transition with the next revision.
//!
//! Pure. Invariant: the revision of an alarm only rises, across restarts too (the spool remembers
//! the last transition), so headquarters may apply transitions in any order. What people did to an
//! alarm is joined to it here as at headquarters and decides whether it sounds; evaluation goes on.

use super::Standing;
use minewatch_alarm::{Action, Alarm, Condition, Event, Handling, Isa, Refused, Settings};
use minewatch_domain::{AlarmKind, AlarmTransition, At, Level, PointId};
use std::collections::{BTreeMap, BTreeSet};

/// What is to be said about an alarm; becomes a transition when it changes the level.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// What the alarm is about.
    pub kind: AlarmKind,
    /// Point, device or part of the gateway.
    pub subject: String,
    /// The point, for process alarms.
    pub point: Option<PointId>,
    /// The level now.
    pub to: Level,
    /// When.
    pub at: At,
    /// The value that tipped it.
    pub value: Option<f64>,
    /// The limit it was held against.
    pub limit: Option<f64>,
    /// Rule and version.
    pub rule: String,
    /// The step that tipped it.
    pub why: String,
    /// The proof tree behind the level, where the rule makes one.
    pub proof: Option<String>,
}

/// Every alarm this gateway ever raised, by id, with its last transition.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AlarmBook {
    /// No transition from now on has a lower revision: the spool's epoch. Without it a gateway whose disk
    /// was lost would start at 1 again, and headquarters would take its alarms for old ones.
    revision_min: u64,
    last: BTreeMap<PointId, AlarmTransition>,
    /// Condition and operator's side of every alarm.
    states: BTreeMap<PointId, Alarm>,
}

impl AlarmBook {
    /// Continues from what the spool remembers, in the spool's new `epoch`.
    pub fn restore(remembered: Vec<AlarmTransition>, epoch: u64) -> AlarmBook {
        let last: BTreeMap<_, _> = remembered.into_iter().map(|t| (t.alarm.clone(), t)).collect();
        let state = |t: &AlarmTransition| Alarm { condition: Condition::fold([t]), ..Alarm::default() };
        let states = last.iter().map(|(alarm, transition)| (alarm.clone(), state(transition))).collect();
        AlarmBook { revision_min: epoch, last, states }
    }

    /// Adds what people had done before the restart.
    #[must_use]
    pub fn with_handling(mut self, remembered: Vec<(PointId, Handling)>) -> AlarmBook {
        for (alarm, handling) in remembered {
            self.states.entry(alarm).or_default().handling = handling;
        }
        self
    }

    /// Joins what somebody did to an alarm; false when there is no such alarm here.
    pub fn handle(&mut self, alarm: &PointId, action: &Action) -> bool {
        match self.states.get_mut(alarm) {
            Some(state) if self.last.contains_key(alarm) => {
                state.handling.join(action);
                true
            }
            Some(_) | None => false,
        }
    }

    /// Takes what somebody here asks for, unless the rules refuse it; `None`: there is no such alarm here.
    pub fn ask(
        &mut self,
        alarm: &PointId,
        now: At,
        write: impl FnOnce(&Alarm) -> Action,
    ) -> Option<Result<Action, Refused>> {
        let state = self.states.get_mut(alarm).filter(|_| self.last.contains_key(alarm))?;
        let action = write(state);
        let asked = state.clone().step(&Event::Ask(action.clone()), &Settings::default(), now);
        Some(asked.map(|(next, _)| {
            *state = next;
            action
        }))
    }

    /// Alarms that ask for somebody or are kept back, worst first.
    pub fn standing(&self, now: At) -> Vec<Standing> {
        let settings = Settings::default();
        let shown = |last: &AlarmTransition| {
            let state = self.states.get(&last.alarm)?;
            let isa = state.view(&settings, now).isa();
            let until = state.handling.shelf.held().and_then(|held| held.until).filter(|_| isa == Isa::Shlvd);
            let (last, sounds) = (last.clone(), state.sounds(&settings, now));
            (isa != Isa::Norm).then_some(Standing { last, isa, sounds, until })
        };
        let mut standing: Vec<Standing> = self.last.values().filter_map(shown).collect();
        standing.sort_by(|a, b| b.last.to.cmp(&a.last.to).then(a.last.at.cmp(&b.last.at)));
        standing
    }

    /// Level in force of one alarm, and since when.
    pub fn level(&self, kind: AlarmKind, subject: &str) -> (Level, Option<At>) {
        self.last.get(&alarm_id(subject, kind)).map_or((Level::Normal, None), |t| (t.to, Some(t.at)))
    }

    /// The last transition of one alarm.
    pub fn last(&self, kind: AlarmKind, subject: &str) -> Option<&AlarmTransition> {
        self.last.get(&alarm_id(subject, kind))
    }

    /// Takes a statement; a transition when the level is another one than before.
    pub fn state(&mut self, said: Statement) -> Option<AlarmTransition> {
        let alarm = alarm_id(&said.subject, said.kind);
        let (from, revision) = self.last.get(&alarm).map_or((Level::Normal, 0), |t| (t.to, t.revision));
        if from == said.to {
            return None;
        }
        let transition = AlarmTransition {
            alarm: alarm.clone(),
            revision: (revision + 1).max(self.revision_min),
            kind: said.kind,
            point: said.point,
            from,
            to: said.to,
            at: said.at,
            value: said.value,
            limit: said.limit,
            rule: said.rule,
            why: said.why,
            proof: said.proof,
        };
        // Revisions only rise, so the transition is always the newest.
        let _newest = self.states.entry(alarm.clone()).or_default().condition.take(&transition);
        self.last.insert(alarm, transition.clone());
        Some(transition)
    }

    /// Subjects of the alarms of a kind that are in force.
    pub fn raised_subjects(&self, kind: AlarmKind) -> Vec<String> {
        let ending = format!(".{}", kind.name());
        self.last
            .values()
            .filter(|t| t.kind == kind && t.to != Level::Normal)
            .filter_map(|t| t.alarm.as_str().strip_suffix(&ending).map(str::to_owned))
            .collect()
    }

    /// Alarms in force, worst first.
    pub fn active(&self) -> Vec<&AlarmTransition> {
        let mut active: Vec<_> = self.last.values().filter(|t| t.to != Level::Normal).collect();
        active.sort_by(|a, b| b.to.cmp(&a.to).then(a.at.cmp(&b.at)));
        active
    }

    /// Worst level among process alarms (points, items, the pond) that may sound: in force, neither kept
    /// back nor silenced since their last rise. What a siren listens to.
    pub fn loudest_level(&self, now: At) -> Level {
        let process = |t: &&AlarmTransition| {
            matches!(t.kind, AlarmKind::Threshold | AlarmKind::Rate | AlarmKind::Item | AlarmKind::Pond)
        };
        let settings = Settings::default();
        let sounds = |t: &&AlarmTransition| {
            t.to != Level::Normal && self.states.get(&t.alarm).is_none_or(|state| state.sounds(&settings, now))
        };
        self.last.values().filter(process).filter(sounds).map(|t| t.to).max().unwrap_or(Level::Normal)
    }

    /// Process alarms in force whose point is not among `points` any more, and alarms of the dam model that
    /// are not among `dam`.
    pub fn orphans(&self, points: &BTreeSet<PointId>, dam: &BTreeSet<PointId>) -> Vec<AlarmTransition> {
        let gone = |t: &AlarmTransition| match t.kind {
            AlarmKind::Item | AlarmKind::Pond | AlarmKind::Instrument => !dam.contains(&t.alarm),
            // Headquarters' own; a site has none.
            AlarmKind::CreditRisk | AlarmKind::ProcurementRisk | AlarmKind::TreasuryRisk | AlarmKind::LegalRisk => {
                false
            }
            AlarmKind::Threshold
            | AlarmKind::Rate
            | AlarmKind::DeviceDown
            | AlarmKind::SirenReadback
            | AlarmKind::LinkDown
            | AlarmKind::Spool
            | AlarmKind::Clock
            | AlarmKind::Fall
            | AlarmKind::CameraHealth => t.point.as_ref().is_some_and(|point| !points.contains(point)),
        };
        self.last.values().filter(|t| t.to != Level::Normal && gone(t)).cloned().collect()
    }
}

/// `{subject}.{kind}`, shortened with a checksum where it would be too long for an id.
pub fn alarm_id(subject: &str, kind: AlarmKind) -> PointId {
    let full = format!("{subject}.{}", kind.name());
    PointId::parse(&full).unwrap_or_else(|_| {
        let keep: String = subject.chars().filter(|c| c.is_ascii_lowercase() || c.is_ascii_digit()).take(60).collect();
        let short = format!("a{keep}-{:08x}.{}", crc32fast::hash(subject.as_bytes()), kind.name());
        PointId::parse(&short).expect("lower-case letters, digits and a known suffix, at most 86 bytes")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use minewatch_alarm::{Intent, Origin};

    fn said(to: Level, at: i64) -> Statement {
        Statement {
            kind: AlarmKind::Threshold,
            subject: "pool.level".into(),
            point: PointId::parse("pool.level").ok(),
            to,
            at: At(at),
            value: Some(1.0),
            limit: Some(0.9),
            rule: "r".into(),
            why: "w".into(),
            proof: None,
        }
    }

    fn act(book: &AlarmBook, raised: &AlarmTransition, what: Intent) -> Action {
        book.states[&raised.alarm].action("a-1", Origin::Hq, "li", At(5), what)
    }

    #[test]
    fn silence_and_shelf_quiet_one_rise_and_the_next_one_sounds_again() {
        let mut book = AlarmBook::default();
        let raised = book.state(said(Level::Orange, 1)).expect("raised");
        assert_eq!(book.loudest_level(At(2)), Level::Orange);
        let silence = act(&book, &raised, Intent::Silence);
        assert!(book.handle(&raised.alarm, &silence));
        assert_eq!(book.loudest_level(At(6)), Level::Normal);
        book.state(said(Level::Red, 7)).expect("worse");
        assert_eq!(book.loudest_level(At(8)), Level::Red, "a new rise sounds");
        let shelve = Intent::Shelve { until: At(100), one_shot: false, reason: "r".into() };
        let shelve = act(&book, &raised, shelve);
        assert!(book.handle(&raised.alarm, &shelve));
        assert_eq!(book.loudest_level(At(9)), Level::Red, "red is not kept back by one person");
        let unknown = PointId::parse("other.threshold").expect("slug");
        assert!(!book.handle(&unknown, &shelve), "an alarm that is not here");
    }

    #[test]
    fn what_people_did_outlives_a_restart() {
        let mut book = AlarmBook::default();
        let raised = book.state(said(Level::Orange, 1)).expect("raised");
        let silence = act(&book, &raised, Intent::Silence);
        book.handle(&raised.alarm, &silence);
        let handling = book.states[&raised.alarm].handling.clone();
        let restarted = AlarmBook::restore(vec![raised.clone()], 9).with_handling(vec![(raised.alarm, handling)]);
        assert_eq!(restarted.loudest_level(At(6)), Level::Normal);
    }

    #[test]
    fn only_a_change_of_level_is_a_transition_and_revisions_go_on_after_a_restart() {
        let mut book = AlarmBook::default();
        let first = book.state(said(Level::Yellow, 1)).expect("raised");
        assert_eq!((first.from, first.to, first.revision), (Level::Normal, Level::Yellow, 1));
        assert_eq!(book.state(said(Level::Yellow, 2)), None);
        let mut restarted = AlarmBook::restore(vec![first], 0);
        assert_eq!(restarted.loudest_level(At(3)), Level::Yellow);
        let second = restarted.state(said(Level::Normal, 3)).expect("cleared");
        assert_eq!((second.from, second.to, second.revision), (Level::Yellow, Level::Normal, 2));
        assert!(restarted.active().is_empty());
    }

    #[test]
    fn a_gateway_whose_disk_was_lost_is_not_taken_for_an_older_one() {
        let mut before = AlarmBook::restore(Vec::new(), 1_000);
        let raised = before.state(said(Level::Red, 1)).expect("raised");
        let mut on_a_new_disk = AlarmBook::restore(Vec::new(), 2_000);
        let again = on_a_new_disk.state(said(Level::Yellow, 2)).expect("raised");
        assert!(again.revision > raised.revision, "{} after {}", again.revision, raised.revision);
    }

    #[test]
    fn an_id_that_would_be_too_long_stays_distinct() {
        let (a, b) = ("x".repeat(95), format!("{}y", "x".repeat(94)));
        assert_ne!(alarm_id(&a, AlarmKind::DeviceDown), alarm_id(&b, AlarmKind::DeviceDown));
    }
}
