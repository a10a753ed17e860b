//! What people do to alarms: acknowledge, silence, shelve, out of service, reset; four eyes for red.

use super::alarm::AlarmState;
use super::rule::RULE_TARGET;
use super::{Work, right};
use crate::operator::{Answer, Command, Done, Refusal};
use crate::people::{Action as Right, Domain};
use crate::store::{Columns, StoreError};
use minewatch_alarm::{Action, Event, Intent, Origin, Refused, What};
use minewatch_domain::{At, GatewayId, PointId};
use serde_json::json;

/// How long a request waits for its second person: one shift.
pub(super) const REQUEST_MS: i64 = 8 * 3_600_000;

/// The right an intent needs.
fn needed(what: &Intent) -> Right {
    match what {
        Intent::Acknowledge | Intent::Reset => Right::Acknowledge,
        Intent::Silence => Right::Silence,
        Intent::Shelve { .. } | Intent::Unshelve => Right::Shelve,
        Intent::OutOfService { .. } | Intent::ReturnToService => Right::Suppress,
        Intent::SuppressByDesign { .. } | Intent::EndDesign => Right::Suppress,
    }
}

fn said(what: &Intent) -> &'static str {
    match what {
        Intent::Acknowledge => "alarm.acknowledge",
        Intent::Silence => "alarm.silence",
        Intent::Shelve { .. } => "alarm.shelve",
        Intent::Unshelve => "alarm.unshelve",
        Intent::OutOfService { .. } => "alarm.out_of_service",
        Intent::ReturnToService => "alarm.return_to_service",
        Intent::SuppressByDesign { .. } => "alarm.suppress_by_design",
        Intent::EndDesign => "alarm.end_design",
        Intent::Reset => "alarm.reset",
    }
}

/// Whether a person may ask for it at all: rules keep rules.
fn by_people(what: &Intent) -> bool {
    match what {
        Intent::SuppressByDesign { .. } | Intent::EndDesign => false,
        Intent::Acknowledge | Intent::Silence | Intent::Reset => true,
        Intent::Shelve { .. } | Intent::Unshelve | Intent::OutOfService { .. } | Intent::ReturnToService => true,
    }
}

impl Work<'_> {
    /// An order about one alarm.
    pub(super) async fn alarm_order(
        &mut self,
        command: &Command,
        (gateway, alarm): (&GatewayId, &PointId),
        seen: i64,
        what: &Intent,
    ) -> Result<Answer, StoreError> {
        let Some(known) = self.load(gateway, alarm).await? else { return Ok(Err(Refusal::NotFound("alarm"))) };
        let place = self.place(gateway).await?;
        let domain = Domain::of_alarm_kind(known.kind.name());
        if let Err(refusal) = right(&command.actor, needed(what), domain, &place.org, "alarm") {
            return Ok(Err(refusal));
        }
        if !by_people(what) {
            return Ok(Err(Refusal::Bad("only rules suppress by design".to_owned())));
        }
        if self.action_known(&command.id).await? {
            return Ok(Ok(Done::Now(known.version)));
        }
        if seen != known.version {
            return Ok(Err(Refusal::Stale(known.version)));
        }
        let by = command.actor.person.as_str();
        let action = known.state.action(&command.id, Origin::Hq, by, command.at, what.clone());
        self.act(command, known, action).await
    }

    async fn action_known(&mut self, id: &str) -> Result<bool, StoreError> {
        let row = sqlx::query(
            "SELECT (SELECT COUNT(*) FROM alarm_actions WHERE action_id = $1) + \
             (SELECT COUNT(*) FROM alarm_requests WHERE request_id = $1)",
        )
        .bind(id)
        .fetch_one(&mut *self.connection)
        .await?;
        Ok(row.int(0)? > 0)
    }

    async fn act(&mut self, command: &Command, known: AlarmState, action: Action) -> Result<Answer, StoreError> {
        let stepped = known.state.clone().step(&Event::Ask(action.clone()), &self.rules.alarm, self.now);
        let state = match stepped {
            Ok((state, _)) => state,
            Err(Refused::SecondPerson) => return self.request(command, &known, &action).await,
            Err(refused) => return Ok(Err(refusal(refused, known.version))),
        };
        let (gateway, alarm) = (known.gateway.clone(), known.alarm.clone());
        self.keep_action(&gateway, &alarm, &action).await?;
        self.send_down(&gateway, &alarm, &action).await?;
        let version = known.version + 1;
        self.settle(AlarmState { state, ..known }, None).await?;
        let detail = json!({ "revision": action.revision, "second": action.second, "what": action.what });
        self.audit(&command.actor, said(&action.what), format!("{gateway}/{alarm}"), detail);
        Ok(Ok(Done::Now(version)))
    }

    async fn request(&mut self, command: &Command, known: &AlarmState, action: &Action) -> Result<Answer, StoreError> {
        let target = (known.gateway.as_str(), known.alarm.as_str());
        let body = serde_json::to_string(action).unwrap_or_default();
        self.ask_second(command, target, body, REQUEST_MS).await?;
        let detail = json!({ "what": action.what, "waits_for": "second person" });
        self.audit(&command.actor, "alarm.request", format!("{}/{}", target.0, target.1), detail);
        Ok(Ok(Done::Asked(command.id.clone())))
    }

    /// Keeps what waits for a second person.
    pub(super) async fn ask_second(
        &mut self,
        command: &Command,
        (gateway, alarm): (&str, &str),
        body: String,
        waits_ms: i64,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO alarm_requests (request_id, gateway, alarm, action, asked_by, asked_us, expires_us) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
        )
        .bind(command.id.as_str())
        .bind(gateway)
        .bind(alarm)
        .bind(body)
        .bind(command.actor.person.as_str())
        .bind(command.at.micros())
        .bind(command.at.plus_millis(waits_ms).micros())
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// A second person agrees.
    pub(super) async fn grant(&mut self, command: &Command, request: &str) -> Result<Answer, StoreError> {
        let row = sqlx::query(
            "SELECT gateway, alarm, action, asked_by, expires_us, granted_by FROM alarm_requests WHERE request_id = $1",
        )
        .bind(request)
        .fetch_optional(&mut *self.connection)
        .await?;
        let Some(row) = row else { return Ok(Err(Refusal::NotFound("request"))) };
        let (gateway, alarm, body, asked_by) = (row.text(0)?, row.text(1)?, row.text(2)?, row.text(3)?);
        if row.maybe_text(5)?.is_some() {
            return Ok(Err(Refusal::Conflict("the request was already granted".to_owned())));
        }
        if At(row.int(4)?) <= self.now {
            return Ok(Err(Refusal::Conflict("the request has expired; ask again".to_owned())));
        }
        if asked_by == command.actor.person.as_str() {
            return Ok(Err(Refusal::Conflict("two different people are needed".to_owned())));
        }
        let answer = match (gateway.is_empty(), alarm.starts_with(RULE_TARGET)) {
            (true, true) => self.grant_rule(command, request, &asked_by, &body).await?,
            (true, false) => self.grant_case(command, &alarm, &asked_by, &body).await?,
            (false, _) => self.grant_alarm(command, (&gateway, &alarm), &body).await?,
        };
        if answer.is_ok() {
            sqlx::query("UPDATE alarm_requests SET granted_by = $1, granted_us = $2 WHERE request_id = $3")
                .bind(command.actor.person.as_str())
                .bind(self.now.micros())
                .bind(request)
                .execute(&mut *self.connection)
                .await?;
        }
        Ok(answer)
    }

    async fn grant_alarm(
        &mut self,
        command: &Command,
        (gateway, alarm): (&str, &str),
        body: &str,
    ) -> Result<Answer, StoreError> {
        let missing = Ok(Err(Refusal::NotFound("request")));
        let (Ok(gateway), Ok(alarm)) = (GatewayId::parse(gateway), PointId::parse(alarm)) else { return missing };
        let Ok(asked) = serde_json::from_str::<Action>(body) else { return missing };
        let Some(known) = self.load(&gateway, &alarm).await? else { return missing };
        let place = self.place(&gateway).await?;
        let domain = Domain::of_alarm_kind(known.kind.name());
        if let Err(refusal) = right(&command.actor, Right::ApproveShelve, domain, &place.org, "request") {
            return Ok(Err(refusal));
        }
        // As the alarm is now: both have seen it red; a later rise is not covered.
        let fresh = known.state.action(&asked.id, Origin::Hq, &asked.by, command.at, asked.what.clone());
        let action = Action { second: Some(command.actor.person.to_string()), ..fresh };
        self.act(command, known, action).await
    }

    async fn grant_case(
        &mut self,
        command: &Command,
        case: &str,
        asked_by: &str,
        body: &str,
    ) -> Result<Answer, StoreError> {
        let Ok(what) = serde_json::from_str::<What>(body) else { return Ok(Err(Refusal::NotFound("request"))) };
        self.case_granted(command, case, asked_by, &what).await
    }
}

/// A refusal of the model, for people.
fn refusal(refused: Refused, version: i64) -> Refusal {
    match refused {
        Refused::Stale => Refusal::Stale(version),
        Refused::NoReason | Refused::NoWorkOrder | Refused::Until => Refusal::Bad(refused.to_string()),
        Refused::NothingToDo | Refused::StillActive | Refused::SecondPerson => Refusal::Conflict(refused.to_string()),
    }
}
