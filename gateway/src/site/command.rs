//! What operators at headquarters ask of this site's alarms.
//!
//! Invariant: a command is done once whatever the number of deliveries, is recorded in the ledger before
//! its result leaves, and never outlives its end. Red is not kept back by one person here either: the
//! model caps what a single author holds. Deliberately absent: MQTT.

use super::{Site, event};
use minewatch_alarm::Action;
use minewatch_domain::wire::{CommandResultV1, CommandV1, VERSION};
use minewatch_domain::{At, EventKind, PointId, Record};

/// Ids of commands remembered, so that a repeated one is not recorded again; joining it twice changes nothing.
const COMMANDS_MAX: usize = 1_000;

impl Site {
    /// Does a command and says what came of it.
    pub fn command(&mut self, command: &CommandV1, now: At, out: &mut Vec<Record>) -> CommandResultV1 {
        let outcome = self.done(command, now, out);
        CommandResultV1 {
            version: VERSION,
            gateway: command.gateway.clone(),
            id: command.id.clone(),
            done: outcome.is_ok(),
            detail: outcome.err().unwrap_or_default(),
            at_us: now.micros(),
        }
    }

    fn done(&mut self, command: &CommandV1, now: At, out: &mut Vec<Record>) -> Result<(), String> {
        if self.commands.contains(&command.id) {
            return Ok(());
        }
        if now >= At(command.expires_us) {
            return Err("the command has expired".to_owned());
        }
        let alarm = PointId::parse(&command.alarm).map_err(|e| e.to_string())?;
        let action = Action::from_wire(&command.id, &command.action)?;
        let detail = serde_json::to_string(&action).map_err(|e| e.to_string())?;
        if !self.alarms.handle(&alarm, &action) {
            return Err(format!("there is no alarm {alarm} here"));
        }
        if self.commands.len() >= COMMANDS_MAX {
            self.commands.pop_front();
        }
        self.commands.push_back(command.id.clone());
        out.push(event(EventKind::Operator, alarm.as_str(), now, detail));
        Ok(())
    }
}
