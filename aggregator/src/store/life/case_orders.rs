//! What people do to cases, and the evidence they bring.

use super::actions::REQUEST_MS;
use super::case::event_of;
use super::{Work, right};
use crate::operator::{Answer, Command, Done, Evidence, Refusal};
use crate::people::{Action as Right, Domain};
use crate::store::{Columns, StoreError};
use minewatch_alarm::{CaseRefused, Field, What};
use serde_json::json;

/// Bytes of evidence one case may hold.
pub(super) const CASE_BYTES_MAX: i64 = 256 << 20;
/// Pieces of evidence one case may hold.
pub(super) const CASE_PIECES_MAX: i64 = 200;

/// The field as rights know it.
pub(crate) fn domain_of(field: Field) -> Domain {
    match field {
        Field::Dam => Domain::Dam,
        Field::Fall => Domain::Fall,
        Field::Link => Domain::Link,
        Field::Credit => Domain::Credit,
        Field::Procurement => Domain::Procurement,
        Field::Treasury => Domain::Treasury,
        Field::Legal => Domain::Legal,
    }
}

/// The right a step needs and its name in the audit trail; `None`: only time and alarms do that.
fn needed(what: &What) -> Option<(Right, &'static str)> {
    match what {
        What::AlarmJoined { .. } | What::Called | What::Resume => None,
        What::Acknowledge => Some((Right::Acknowledge, "case.acknowledge")),
        What::Assign { .. } => Some((Right::Assign, "case.assign")),
        What::Start => Some((Right::CaseWork, "case.start")),
        What::Submit { .. } => Some((Right::CaseWork, "case.submit")),
        What::Verify => Some((Right::Verify, "case.verify")),
        What::Reject { .. } => Some((Right::Verify, "case.reject")),
        What::Close => Some((Right::Verify, "case.close")),
        What::FalsePositive { .. } => Some((Right::Assign, "case.false_positive")),
        What::Suppress { .. } => Some((Right::Assign, "case.suppress")),
        What::Reopen { .. } => Some((Right::Assign, "case.reopen")),
    }
}

impl Work<'_> {
    /// A step of a case.
    pub(super) async fn case_order(
        &mut self,
        command: &Command,
        case: &str,
        seen: i64,
        what: &What,
    ) -> Result<Answer, StoreError> {
        let Some((right, name)) = needed(what) else {
            return Ok(Err(Refusal::Bad("only time and alarms do that".to_owned())));
        };
        let revision = match self.case_open_to(command, case, right).await? {
            Ok(revision) => revision,
            Err(refusal) => return Ok(Err(refusal)),
        };
        if seen != revision {
            return Ok(Err(Refusal::Stale(revision)));
        }
        self.case_act(command, case, (what, name), command.actor.person.as_str(), None).await
    }

    /// What another asked for, with a second person.
    pub(super) async fn case_granted(
        &mut self,
        command: &Command,
        case: &str,
        asked_by: &str,
        what: &What,
    ) -> Result<Answer, StoreError> {
        let name = needed(what).map_or("case.grant", |(_, name)| name);
        if let Err(refusal) = self.case_open_to(command, case, Right::Verify).await? {
            return Ok(Err(refusal));
        }
        let second = Some(command.actor.person.to_string());
        self.case_act(command, case, (what, name), asked_by, second).await
    }

    /// Brings the case in and asks for the right; the revision now.
    async fn case_open_to(
        &mut self,
        command: &Command,
        case: &str,
        needed: Right,
    ) -> Result<Result<i64, Refusal>, StoreError> {
        if !self.case(case).await? {
            return Ok(Err(Refusal::NotFound("case")));
        }
        let Some(row) = self.cases.get(case) else { return Ok(Err(Refusal::NotFound("case"))) };
        let allowed = right(&command.actor, needed, domain_of(row.field), &row.org, "case");
        Ok(allowed.map(|()| row.revision))
    }

    async fn case_act(
        &mut self,
        command: &Command,
        case: &str,
        (what, name): (&What, &'static str),
        by: &str,
        second: Option<String>,
    ) -> Result<Answer, StoreError> {
        let event = event_of(what.clone(), by, second, self.now);
        match self.case_step(case, event).await? {
            Ok(revision) => {
                self.advance(case).await?;
                let detail = json!({ "revision": revision, "by": by, "what": what });
                self.audit(&command.actor, name, case.to_owned(), detail);
                Ok(Ok(Done::Now(revision)))
            }
            Err(CaseRefused::SecondPerson) => {
                let body = serde_json::to_string(what).unwrap_or_default();
                self.ask_second(command, ("", case), body, REQUEST_MS).await?;
                self.audit(&command.actor, "case.request", case.to_owned(), json!({ "what": what }));
                Ok(Ok(Done::Asked(command.id.clone())))
            }
            Err(refused) => Ok(Err(refusal(refused))),
        }
    }

    /// Keeps a piece of evidence; the same bytes a second time change nothing.
    pub(super) async fn evidence(&mut self, command: &Command, piece: &Evidence) -> Result<Answer, StoreError> {
        let revision = match self.case_open_to(command, &piece.case, Right::CaseWork).await? {
            Ok(revision) => revision,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let held =
            sqlx::query("SELECT COUNT(*), CAST(COALESCE(SUM(bytes), 0) AS BIGINT) FROM evidence WHERE case_id = $1")
                .bind(piece.case.as_str())
                .fetch_one(&mut *self.connection)
                .await?;
        let bytes = piece.body.len() as i64;
        if held.int(0)? >= CASE_PIECES_MAX || held.int(1)? + bytes > CASE_BYTES_MAX {
            let why = format!("a case holds at most {CASE_PIECES_MAX} pieces and {} MiB", CASE_BYTES_MAX >> 20);
            return Ok(Err(Refusal::Conflict(why)));
        }
        let kept = sqlx::query(
            "INSERT INTO evidence (case_id, sha256, kind, name, media_type, bytes, actor, at_us, note, body) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING",
        )
        .bind(piece.case.as_str())
        .bind(piece.sha256.as_str())
        .bind(piece.kind.as_str())
        .bind(piece.name.as_str())
        .bind(piece.media_type.as_str())
        .bind(bytes)
        .bind(command.actor.person.as_str())
        .bind(self.now.micros())
        .bind(piece.note.as_str())
        .bind(piece.body.clone())
        .execute(&mut *self.connection)
        .await?;
        if kept.rows_affected() > 0 {
            let detail = json!({ "sha256": piece.sha256, "bytes": bytes, "name": piece.name, "kind": piece.kind });
            self.audit(&command.actor, "case.evidence", piece.case.clone(), detail);
        }
        Ok(Ok(Done::Now(revision)))
    }
}

fn refusal(refused: CaseRefused) -> Refusal {
    match refused {
        CaseRefused::NoText | CaseRefused::Until => Refusal::Bad(refused.to_string()),
        CaseRefused::NotFrom { .. } | CaseRefused::TooOld => Refusal::Conflict(refused.to_string()),
        CaseRefused::NotHandler | CaseRefused::SamePerson | CaseRefused::SecondPerson => {
            Refusal::Conflict(refused.to_string())
        }
    }
}
