//! The crossing between actions and their frozen wire form.

use crate::action::{Action, Intent, Origin, TEXT_MAX};
use minewatch_domain::wire::ActionV1;
use minewatch_domain::{At, Level};

/// Longest id or name of a person taken from the wire, bytes.
const NAME_MAX: usize = 200;

impl Action {
    /// Its wire form; the id travels beside it.
    pub fn to_wire(&self) -> ActionV1 {
        let mut wire = ActionV1 {
            counter: self.counter,
            revision: self.revision,
            level: self.level.code(),
            occurrence: self.occurrence,
            origin: self.origin.name().to_owned(),
            by: self.by.clone(),
            second: self.second.clone(),
            at_us: self.at.micros(),
            what: self.what.name().to_owned(),
            until_us: None,
            one_shot: None,
            reason: None,
            work_order: None,
        };
        match &self.what {
            Intent::Shelve { until, one_shot, reason } => {
                wire.until_us = Some(until.micros());
                wire.one_shot = Some(*one_shot);
                wire.reason = Some(reason.clone());
            }
            Intent::OutOfService { until, work_order, reason } => {
                wire.until_us = Some(until.micros());
                wire.work_order = Some(work_order.clone());
                wire.reason = Some(reason.clone());
            }
            Intent::SuppressByDesign { rule } => wire.reason = Some(rule.clone()),
            Intent::Acknowledge | Intent::Silence | Intent::Unshelve | Intent::ReturnToService => {}
            Intent::EndDesign | Intent::Reset => {}
        }
        wire
    }

    /// Reads a wire form.
    ///
    /// # Errors
    /// A sentence about the first thing that cannot be.
    pub fn from_wire(id: &str, wire: &ActionV1) -> Result<Action, String> {
        let names = [Some(id), Some(wire.by.as_str()), wire.second.as_deref()];
        if names.into_iter().flatten().any(|name| name.is_empty() || name.len() > NAME_MAX) {
            return Err(format!("ids and names have 1 to {NAME_MAX} bytes"));
        }
        let texts = [&wire.reason, &wire.work_order];
        if texts.into_iter().flatten().any(|text| text.chars().count() > TEXT_MAX) {
            return Err(format!("reason and work order have at most {TEXT_MAX} characters"));
        }
        if [wire.counter, wire.revision, wire.occurrence].into_iter().any(|n| n > i64::MAX as u64) {
            return Err("a counter or revision is too large".to_owned());
        }
        Ok(Action {
            id: id.to_owned(),
            counter: wire.counter,
            revision: wire.revision,
            level: Level::from_code(wire.level).ok_or_else(|| format!("level code {}", wire.level))?,
            occurrence: wire.occurrence,
            origin: match wire.origin.as_str() {
                "hq" => Origin::Hq,
                "site" => Origin::Site,
                other => return Err(format!("origin {other:?}")),
            },
            by: wire.by.clone(),
            second: wire.second.clone(),
            at: At(wire.at_us),
            what: intent(wire)?,
        })
    }
}

fn intent(wire: &ActionV1) -> Result<Intent, String> {
    let until = || wire.until_us.map(At).ok_or_else(|| format!("{} without an end", wire.what));
    let text = |text: &Option<String>| text.clone().ok_or_else(|| format!("{} without a reason", wire.what));
    Ok(match wire.what.as_str() {
        "acknowledge" => Intent::Acknowledge,
        "silence" => Intent::Silence,
        "unshelve" => Intent::Unshelve,
        "return_to_service" => Intent::ReturnToService,
        "end_design" => Intent::EndDesign,
        "reset" => Intent::Reset,
        "shelve" => {
            let one_shot = wire.one_shot.unwrap_or(false);
            Intent::Shelve { until: until()?, one_shot, reason: text(&wire.reason)? }
        }
        "out_of_service" => {
            let (work_order, reason) = (text(&wire.work_order)?, text(&wire.reason)?);
            Intent::OutOfService { until: until()?, work_order, reason }
        }
        "suppress_by_design" => Intent::SuppressByDesign { rule: text(&wire.reason)? },
        other => return Err(format!("unknown command {other:?}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_comes_back_from_the_wire_as_it_went() {
        let until = At(2_000_000);
        let intents = [
            Intent::Acknowledge,
            Intent::Silence,
            Intent::Shelve { until, one_shot: true, reason: "r".into() },
            Intent::Unshelve,
            Intent::OutOfService { until, work_order: "w".into(), reason: "r".into() },
            Intent::ReturnToService,
            Intent::SuppressByDesign { rule: "link".into() },
            Intent::EndDesign,
            Intent::Reset,
        ];
        for what in intents {
            let action = Action {
                id: "a1".into(),
                counter: 3,
                revision: 7,
                level: Level::Red,
                occurrence: 5,
                origin: Origin::Site,
                by: "li".into(),
                second: Some("wang".into()),
                at: At(1_000_000),
                what,
            };
            assert_eq!(Action::from_wire("a1", &action.to_wire()), Ok(action));
        }
    }

    #[test]
    fn what_cannot_be_is_refused_with_a_sentence() {
        let good = Action {
            id: "a1".into(),
            counter: 1,
            revision: 1,
            level: Level::Blue,
            occurrence: 1,
            origin: Origin::Hq,
            by: "li".into(),
            second: None,
            at: At(0),
            what: Intent::Silence,
        }
        .to_wire();
        let refused = |change: &dyn Fn(&mut ActionV1)| {
            let mut wire = good.clone();
            change(&mut wire);
            Action::from_wire("a1", &wire).unwrap_err()
        };
        assert_eq!(refused(&|w| w.what = "explode".into()), "unknown command \"explode\"");
        assert_eq!(refused(&|w| w.what = "shelve".into()), "shelve without an end");
        assert_eq!(refused(&|w| w.level = 9), "level code 9");
        assert_eq!(refused(&|w| w.origin = "moon".into()), "origin \"moon\"");
        assert_eq!(refused(&|w| w.by = String::new()), "ids and names have 1 to 200 bytes");
    }
}
