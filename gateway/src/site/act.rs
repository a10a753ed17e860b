//! What people do at the site's own page. They go the way of commands from headquarters: joined to the
//! alarm, written to the ledger as an `operator` event, merged at headquarters by its counter, so that both
//! histories become one (0017).
//!
//! Invariant: unlike what was done elsewhere, what is asked for here may be refused, by the same rules
//! as at headquarters: red is kept back by two different people only. Deliberately absent: who they are.

use super::{Site, event};
use minewatch_alarm::{Action, Intent, Isa, Origin, Refused};
use minewatch_domain::{AlarmTransition, At, EventKind, PointId, Record};

/// How long a tested siren sounds: long enough to be heard and read back.
pub const SIREN_TEST_MS: i64 = 5_000;

/// An alarm that asks for somebody, with what was done about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// Its last transition.
    pub last: AlarmTransition,
    /// The flat state.
    pub isa: Isa,
    /// Whether a siren may sound for it.
    pub sounds: bool,
    /// Kept back until.
    pub until: Option<At>,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// Something about an alarm whose author saw this revision.
    Alarm {
        /// Which.
        alarm: PointId,
        /// Revision its author saw.
        seen: u64,
        /// What.
        what: Intent,
    },
    /// A siren sounds for [`SIREN_TEST_MS`].
    SirenTest {
        /// Which.
        siren: String,
    },
}

/// Something done at the local page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    /// Unique.
    pub id: String,
    /// Who: `name@gateway`.
    pub by: String,
    /// The second person, where one vouched.
    pub second: Option<String>,
    /// What.
    pub deed: Deed,
}

/// A refusal in both languages.
fn told(refused: Refused) -> &'static str {
    match refused {
        Refused::NothingToDo => "报警当前状态不能这样操作 / the alarm is in no state for that",
        Refused::StillActive => "条件仍然成立 / the condition still holds",
        Refused::NoReason => "请填写原因 / a reason is needed (1 to 500 characters)",
        Refused::NoWorkOrder => "请填写工单 / a work order is needed",
        Refused::Until => {
            "时间必须在将来且不超过上限 / the end must lie in the future and within the longest time allowed"
        }
        Refused::SecondPerson => "红色报警须由两人共同操作 / red is kept back by two different people only",
        Refused::Stale => "报警在您查看之后已变化 / the alarm has changed since it was seen",
    }
}

impl Site {
    /// Does it, or says why not.
    ///
    /// # Errors
    /// A sentence in both languages; nothing was changed.
    pub fn act(&mut self, act: &Act, now: At, out: &mut Vec<Record>) -> Result<(), String> {
        match &act.deed {
            Deed::Alarm { alarm, seen, what } => {
                let asked = |action: Action| Action { revision: *seen, second: act.second.clone(), ..action };
                let action = self
                    .alarms
                    .ask(alarm, now, |state| asked(state.action(&act.id, Origin::Site, &act.by, now, what.clone())));
                let unknown = || format!("没有报警 {alarm} / there is no alarm {alarm} here");
                let action = action.ok_or_else(unknown)?.map_err(|refused| told(refused).to_owned())?;
                let detail = serde_json::to_string(&action).map_err(|e| e.to_string())?;
                out.push(event(EventKind::Operator, alarm.as_str(), now, detail));
            }
            Deed::SirenTest { siren } => {
                if !self.config.sirens.iter().any(|known| known.id.as_str() == siren) {
                    return Err(format!("没有警笛 {siren} / there is no siren {siren} here"));
                }
                self.tests.insert(siren.clone(), now);
                let detail = serde_json::json!({ "siren_test": siren, "by": act.by, "ms": SIREN_TEST_MS });
                out.push(event(EventKind::Operator, siren, now, detail.to_string()));
            }
        }
        Ok(())
    }

    /// Whether a siren sounds for a test. A clock stepped back ends it.
    pub(super) fn tested(&self, siren: &str, now: At) -> bool {
        self.tests.get(siren).is_some_and(|begun| (0..SIREN_TEST_MS).contains(&now.millis_since(*begun)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{at, demo, feed};
    use super::*;
    use minewatch_alarm::{Alarm, Condition, Event, Settings};
    use minewatch_domain::Level;

    fn act(by: &str, second: Option<&str>, alarm: &PointId, seen: u64, what: Intent) -> Act {
        let deed = Deed::Alarm { alarm: alarm.clone(), seen, what };
        Act { id: format!("{by}-1"), by: by.to_owned(), second: second.map(str::to_owned), deed }
    }

    fn raised(site: &mut Site) -> AlarmTransition {
        let levels: Vec<_> = (0..200).map(|step| (step * 1_000, Some(124.2))).collect();
        let seen = feed(site, &levels);
        seen.last().expect("an alarm").clone()
    }

    #[test]
    fn an_act_at_the_site_travels_up_as_the_action_headquarters_merges() {
        let mut site = demo();
        let last = raised(&mut site);
        let now = at(201_000).wall;
        let mut out = Vec::new();
        site.act(&act("li@gw", None, &last.alarm, last.revision, Intent::Silence), now, &mut out).expect("done");
        let [Record::Event(told)] = &out[..] else { panic!("{out:?}") };
        assert_eq!((told.kind, told.subject.as_str()), (EventKind::Operator, last.alarm.as_str()));
        let action: Action = serde_json::from_str(&told.detail).expect("an action");
        assert_eq!(Action::from_wire(&action.id, &action.to_wire()), Ok(action.clone()), "as headquarters reads it");
        assert_eq!((action.origin, action.by.as_str(), action.revision), (Origin::Site, "li@gw", last.revision));
        // Headquarters had done something of its own meanwhile: both orders of merging agree.
        let hq = Alarm { condition: Condition::fold([&last]), ..Alarm::default() };
        let own = hq.action("hq-1", Origin::Hq, "chief", now, Intent::Acknowledge);
        let merge = |first: &Action, then: &Action| {
            let (one, _) = hq.clone().step(&Event::Merge(first.clone()), &Settings::default(), now).expect("taken");
            one.step(&Event::Merge(then.clone()), &Settings::default(), now).expect("taken").0
        };
        assert_eq!(merge(&action, &own), merge(&own, &action));
        assert!(!merge(&action, &own).sounds(&Settings::default(), now));
    }

    #[test]
    fn what_may_not_be_is_refused_and_changes_nothing() {
        let mut site = demo();
        let last = raised(&mut site);
        assert_eq!(last.to, Level::Red, "the demo's pond above its crest");
        let now = at(201_000).wall;
        let shelve = |reason: &str, hours: i64| Intent::Shelve {
            until: now.plus_millis(hours * 3_600_000),
            one_shot: false,
            reason: reason.to_owned(),
        };
        let before = site.alarms().clone();
        let mut out = Vec::new();
        let unknown = PointId::parse("other.threshold").expect("slug");
        for (asked, why) in [
            (act("li@gw", None, &last.alarm, last.revision, shelve("r", 1)), "two different people"),
            (act("li@gw", Some("li@gw"), &last.alarm, last.revision, shelve("r", 1)), "two different people"),
            (act("li@gw", Some("wang@gw"), &last.alarm, last.revision, shelve("", 1)), "a reason"),
            (act("li@gw", Some("wang@gw"), &last.alarm, last.revision, shelve("r", 100_000)), "longest time"),
            (act("li@gw", None, &last.alarm, last.revision - 1, Intent::Acknowledge), "has changed"),
            (act("li@gw", None, &unknown, 1, Intent::Acknowledge), "no alarm"),
        ] {
            let refused = site.act(&asked, now, &mut out).expect_err(why);
            assert!(refused.contains(why), "{why}: {refused}");
        }
        assert_eq!((site.alarms(), out.len()), (&before, 0));
        let two = act("li@gw", Some("wang@gw"), &last.alarm, last.revision, shelve("gauge is being changed", 1));
        site.act(&two, now, &mut out).expect("two people");
        let standing = site.alarms().standing(now);
        let shelved = standing.iter().find(|known| known.last.alarm == last.alarm).expect("listed");
        assert_eq!((shelved.isa, shelved.sounds), (Isa::Shlvd, false));
    }

    #[test]
    fn a_tested_siren_sounds_for_its_time_and_the_test_is_in_the_ledger() {
        let mut site = demo();
        let now = at(0).wall;
        let siren = site.config().sirens[0].id.to_string();
        let mut out = Vec::new();
        let test = |siren: &str| {
            let deed = Deed::SirenTest { siren: siren.to_owned() };
            Act { id: "t".to_owned(), by: "li@gw".to_owned(), second: None, deed }
        };
        assert!(site.act(&test("other"), now, &mut out).is_err());
        assert!(!site.sirens_wanted(now)[0]);
        site.act(&test(&siren), now, &mut out).expect("tested");
        assert!(site.sirens_wanted(now)[0] && site.sirens_wanted(now.plus_millis(SIREN_TEST_MS - 1))[0]);
        assert!(!site.sirens_wanted(now.plus_millis(SIREN_TEST_MS))[0]);
        assert!(!site.sirens_wanted(now.plus_millis(-1))[0], "a clock stepped back ends it");
        let [Record::Event(told)] = &out[..] else { panic!("{out:?}") };
        assert!(told.detail.contains("li@gw") && told.detail.contains("siren_test"), "{}", told.detail);
    }
}
