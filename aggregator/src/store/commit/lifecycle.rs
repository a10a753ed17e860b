//! The part of a commit that concerns alarms and cases.

use super::{Committer, Outcome};
use crate::live::LinkChange;
use crate::operator::Command;
use crate::risk::Said;
use crate::store::StoreError;
use crate::store::life::{CommandResult, Work};
use minewatch_alarm::Action;
use minewatch_domain::{At, Event, EventKind, GatewayId, PointId};
use sqlx::AnyConnection;
use std::sync::Arc;

/// What of the inputs concerns alarms and cases.
#[derive(Debug, Default)]
pub(super) struct Life<'a> {
    pub(super) links: Vec<&'a LinkChange>,
    pub(super) orders: Vec<&'a Command>,
    pub(super) results: Vec<&'a CommandResult>,
    pub(super) sent: Vec<String>,
    pub(super) tick: bool,
    pub(super) risks: Vec<&'a Said>,
}

impl Life<'_> {
    fn is_empty(&self) -> bool {
        let nothing = self.links.is_empty() && self.orders.is_empty() && self.results.is_empty();
        nothing && self.sent.is_empty() && !self.tick && self.risks.is_empty()
    }
}

impl Committer {
    /// Alarms, cases, orders and time, under the lifecycle lock. Last, so that every lock of a stream is
    /// taken before it: two aggregators then never wait for each other in a circle.
    pub(super) async fn live(
        &mut self,
        connection: &mut AnyConnection,
        life: &Life<'_>,
        now: At,
        outcome: &mut Outcome,
    ) -> Result<(), StoreError> {
        let transitions = std::mem::take(&mut self.transitions);
        let actions = std::mem::take(&mut self.actions);
        let moved: Vec<GatewayId> = outcome.catalogues.iter().cloned().collect();
        if transitions.is_empty() && actions.is_empty() && moved.is_empty() && life.is_empty() {
            return Ok(());
        }
        let (dialect, rules) = (self.store.dialect, Arc::clone(&self.rules));
        let mut work = Work::begin(connection, dialect, &rules, &mut self.places, outcome, now).await?;
        for gateway in &moved {
            work.moved(gateway).await?;
        }
        for (gateway, transition, ingested) in &transitions {
            work.transition(gateway, transition, *ingested).await?;
        }
        for (gateway, alarm, action) in &actions {
            work.merge(gateway, alarm, action).await?;
        }
        for change in &life.links {
            work.link(change).await?;
        }
        for said in &life.risks {
            work.risk(said).await?;
        }
        for result in &life.results {
            work.command_result(result).await?;
        }
        work.commands_sent(&life.sent).await?;
        for command in &life.orders {
            let answer = work.order(command).await?;
            work.outcome.replies.push((command.reply.clone(), answer));
        }
        if life.tick {
            work.tick().await?;
        }
        work.finish().await
    }
}

/// The action in an `operator` event; one that cannot be read stays an event in the journal.
pub(super) fn site_action(event: &Event) -> Option<(PointId, Action)> {
    if event.kind != EventKind::Operator {
        return None;
    }
    let action: Action = serde_json::from_str(&event.detail).ok()?;
    // The same bounds as on the wire.
    let action = Action::from_wire(&action.id, &action.to_wire()).ok()?;
    Some((PointId::parse(&event.subject).ok()?, action))
}
