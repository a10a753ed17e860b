//! The lifecycle of alarms and cases, inside the writer's transaction.
//!
//! Invariant: whoever changes an alarm's or a case's state first takes the lifecycle lock, so several
//! aggregators do it one after the other; unique keys (journal, steps, calls, notices) say the same a
//! second time. What follows (topics, calls, commands) is written in the same transaction.
//! Deliberately absent: decisions, which are `minewatch_alarm`'s.

mod actions;
mod alarm;
mod case;
mod case_orders;
mod command;
mod escalate;
mod link;
mod list;
#[cfg(test)]
mod list_tests;
mod organisation;
mod read;
mod receipt;
mod risk;
mod rule;
#[cfg(test)]
mod tests;
mod time;

pub use case::CaseBody;
pub(crate) use case_orders::domain_of;
pub use command::{CommandResult, DueCommand};
pub(crate) use organisation::{RUNGS_MAX, SHIFTS_MAX};
pub use read::{CaseLine, Filter, HandledRow, Line, PageKey, Sight};
pub(crate) use rule::{RULES_CHANGED, digest as rule_digest};

use super::commit::Outcome;
use super::{Columns, Dialect, StoreError, alarms};
use crate::audit;
use crate::hq::event;
use crate::operator::{Answer, Command, Order, Refusal};
use crate::people::{Action, Actor, Domain, authorize};
use crate::rules::Rules;
use minewatch_domain::{At, GatewayId, OrgPath, SitePath};
use serde_json::Value;
use sqlx::AnyConnection;
use std::collections::{BTreeMap, HashMap};

pub(super) use case::CaseRow;

/// Where a gateway stands, and its name for people.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) org: OrgPath,
    pub(super) zh: String,
    pub(super) en: String,
}

/// Places of gateways, kept between transactions; forgotten when a catalogue changes.
pub(super) type Places = HashMap<GatewayId, Place>;

/// One transaction's work on alarms and cases.
pub(super) struct Work<'a> {
    pub(super) connection: &'a mut AnyConnection,
    pub(super) rules: &'a Rules,
    pub(super) places: &'a mut Places,
    pub(super) outcome: &'a mut Outcome,
    pub(super) now: At,
    cases: BTreeMap<String, CaseRow>,
    ladders: HashMap<(OrgPath, &'static str, i64), Vec<escalate::LadderRow>>,
    links_down: HashMap<GatewayId, bool>,
    audited: Vec<(Actor, &'static str, String, Value)>,
}

impl<'a> Work<'a> {
    /// Takes the lifecycle lock and begins.
    pub(super) async fn begin(
        connection: &'a mut AnyConnection,
        dialect: Dialect,
        rules: &'a Rules,
        places: &'a mut Places,
        outcome: &'a mut Outcome,
        now: At,
    ) -> Result<Work<'a>, StoreError> {
        // SQLite has one writer and BEGIN IMMEDIATE; there the row is the sequence only.
        if dialect == Dialect::Postgres {
            sqlx::query(
                "INSERT INTO meta (name, number) VALUES ('lifecycle', 1) \
                 ON CONFLICT (name) DO UPDATE SET number = meta.number + 1",
            )
            .execute(&mut *connection)
            .await?;
        }
        Ok(Work {
            connection,
            rules,
            places,
            outcome,
            now,
            cases: BTreeMap::new(),
            ladders: HashMap::new(),
            links_down: HashMap::new(),
            audited: Vec::new(),
        })
    }

    /// Writes cases that changed, then the audit trail (last: its head is a lock too).
    pub(super) async fn finish(mut self) -> Result<(), StoreError> {
        let cases = std::mem::take(&mut self.cases);
        for row in cases.into_values().filter(|row| row.dirty) {
            self.save_case(&row).await?;
        }
        for (actor, action, target, detail) in std::mem::take(&mut self.audited) {
            audit::append(self.connection, &actor, action, &target, &detail, self.now).await?;
        }
        Ok(())
    }

    /// Does what a person asks; a refusal has changed nothing.
    pub(super) async fn order(&mut self, command: &Command) -> Result<Answer, StoreError> {
        match &command.order {
            Order::Alarm { gateway, alarm, seen, what } => {
                self.alarm_order(command, (gateway, alarm), *seen, what).await
            }
            Order::Grant { request } => self.grant(command, request).await,
            Order::Case { case, seen, what } => self.case_order(command, case, *seen, what).await,
            Order::Evidence(evidence) => self.evidence(command, evidence).await,
            Order::Organisation(change) => self.organisation(command, change).await,
            Order::Receipt(receipt) => self.receipt(command, receipt).await,
            Order::Rule(order) => self.rule_order(command, order).await,
        }
    }

    fn audit(&mut self, actor: &Actor, action: &'static str, target: String, detail: Value) {
        self.audited.push((actor.clone(), action, target, detail));
    }

    /// Where a gateway stands.
    pub(super) async fn place(&mut self, gateway: &GatewayId) -> Result<Place, StoreError> {
        if let Some(place) = self.places.get(gateway) {
            return Ok(place.clone());
        }
        let row = sqlx::query(
            "SELECT path_group, path_company, path_mine, path_facility, site_zh, site_en FROM gateways WHERE gateway = $1",
        )
        .bind(gateway.as_str())
        .fetch_optional(&mut *self.connection)
        .await?;
        let mut place = Place { org: OrgPath::unassigned(), zh: gateway.to_string(), en: gateway.to_string() };
        if let Some(org) = self.unit_of(gateway).await? {
            place = Place { zh: org.to_string(), en: org.to_string(), org };
        }
        if let Some(row) = row {
            if let (Some(group), Some(company), Some(mine), Some(facility)) =
                (row.maybe_text(0)?, row.maybe_text(1)?, row.maybe_text(2)?, row.maybe_text(3)?)
            {
                place.org = OrgPath::of_site(&SitePath { group, company, mine, facility });
            }
            place.zh = row.maybe_text(4)?.unwrap_or(place.zh);
            place.en = row.maybe_text(5)?.unwrap_or(place.en);
        }
        self.places.insert(gateway.clone(), place.clone());
        Ok(place)
    }

    /// What stands at a gateway moves with it: who sees an alarm, and who is called, goes by its place.
    pub(super) async fn moved(&mut self, gateway: &GatewayId) -> Result<(), StoreError> {
        let org = self.place(gateway).await?.org;
        let (company, mine) = (cut(&org, 2), cut(&org, 3));
        for statement in [
            "UPDATE alarms SET org = $1, org_company = $2, org_mine = $3 WHERE gateway = $4 AND org <> $1",
            "UPDATE cases SET org = $1, org_company = $2, org_mine = $3 WHERE gateway = $4 AND org <> $1 AND open = 1",
        ] {
            sqlx::query(statement)
                .bind(org.as_str())
                .bind(&company)
                .bind(&mine)
                .bind(gateway.as_str())
                .execute(&mut *self.connection)
                .await?;
        }
        Ok(())
    }

    async fn enqueue(&mut self, gateway: &GatewayId, message: &event::Outgoing) -> Result<(), StoreError> {
        self.outcome.outbox = true;
        alarms::enqueue(self.connection, gateway, message, self.now).await
    }
}

/// The right to do something somewhere; whoever may not even see it is told there is no such thing.
fn right(actor: &Actor, action: Action, domain: Domain, org: &OrgPath, what: &'static str) -> Result<(), Refusal> {
    if authorize(actor, Action::View, domain, org).is_err() {
        return Err(Refusal::NotFound(what));
    }
    authorize(actor, action, domain, org).map_err(|_| Refusal::Denied)
}

/// The company and the mine of a path, as far as it goes: what lists are filtered by.
pub(super) fn cut(org: &OrgPath, depth: usize) -> String {
    if org.depth() < depth { String::new() } else { org.levels().take(depth).collect::<Vec<_>>().join("/") }
}
