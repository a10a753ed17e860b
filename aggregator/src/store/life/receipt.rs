//! What receivers answered later, in the call-and-answer record of a case.
//!
//! Invariant: a receipt counts once, whoever brings it how often. Somebody who was called and pressed 1
//! (or sent it back) has acknowledged the case: being on the ladder is the right to do so.

use super::Work;
use super::case::event_of;
use crate::operator::{Answer, Command, Done, Receipt, Refusal, Said};
use crate::store::{Columns, StoreError};
use minewatch_alarm::What;
use serde_json::json;

/// The answer that acknowledges, as the call's document says (`dtmf`).
const ACKNOWLEDGE: &str = "1";

impl Work<'_> {
    /// Takes a receipt.
    pub(super) async fn receipt(&mut self, command: &Command, receipt: &Receipt) -> Result<Answer, StoreError> {
        let found = sqlx::query("SELECT id, case_id, step, target FROM notice WHERE public_id = $1")
            .bind(receipt.notice.as_str())
            .fetch_optional(&mut *self.connection)
            .await?;
        let Some(found) = found else { return Ok(Err(Refusal::NotFound("notice"))) };
        let (notice, case) = (found.text(0)?, found.maybe_text(1)?);
        let (step, target) = (found.maybe_text(2)?.unwrap_or_default(), found.maybe_text(3)?.unwrap_or_default());
        // Of a call to a person, that person answered, from whatever telephone.
        let who = receipt.by.clone().unwrap_or_else(|| target.clone());
        let (kind, said) = match &receipt.said {
            Said::Delivered => ("delivered", String::new()),
            Said::Failed(why) => ("failed", why.clone()),
            Said::Answered(answer) => ("answered", answer.clone()),
        };
        let kept = sqlx::query(
            "INSERT INTO receipts (receipt_id, notice, case_id, kind, by_whom, said, at_us, received_us) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (receipt_id) DO NOTHING",
        )
        .bind(receipt.id.as_str())
        .bind(notice.as_str())
        .bind(case.clone())
        .bind(kind)
        .bind(who.as_str())
        .bind(said.as_str())
        .bind(receipt.at.micros())
        .bind(self.now.micros())
        .execute(&mut *self.connection)
        .await?;
        if kept.rows_affected() == 0 {
            return Ok(Ok(Done::Now(0)));
        }
        sqlx::query("UPDATE notice SET receipt = $1 WHERE id = $2 AND state = 'sent'")
            .bind(format!("{kind} {said}").trim_end())
            .bind(notice.as_str())
            .execute(&mut *self.connection)
            .await?;
        let (Some(case), Said::Answered(_)) = (case, &receipt.said) else { return Ok(Ok(Done::Now(0))) };
        if let Some((round, rung)) = step.split_once('.').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?))) {
            self.call_answered(&case, (round, rung), (&target, &who), receipt).await?;
        }
        if said == ACKNOWLEDGE && self.case(&case).await? {
            // In a state that cannot be acknowledged any more the answer stays in the record all the same.
            if self.case_step(&case, event_of(What::Acknowledge, &who, None, self.now)).await?.is_ok() {
                self.advance(&case).await?;
            }
        }
        let detail = json!({ "notice": notice, "by": who, "said": said });
        self.audit(&command.actor, "case.answer", case, detail);
        Ok(Ok(Done::Now(1)))
    }

    async fn call_answered(
        &mut self,
        case: &str,
        (round, rung): (i64, i64),
        (target, who): (&str, &str),
        receipt: &Receipt,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE calls SET answered_by = $1, answered_us = $2 WHERE case_id = $3 AND round = $4 AND step = $5 AND \
             target = $6 AND answered_us IS NULL",
        )
        .bind(who)
        .bind(receipt.at.micros())
        .bind(case)
        .bind(round)
        .bind(rung)
        .bind(target)
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }
}
