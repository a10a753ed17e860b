//! Versions of business rules: written, submitted, approved by another person, ended.
//!
//! ```text
//!           write          submit            approve (another person)
//!   (none) ------> draft ----------> submitted ----------------------> active
//!                   ^  |                |                              |    ^
//!            write  +--+  reject        |            withdraw: waits   |    | reject
//!                   ^-------------------+            for approve  -----+----+
//!                                                                      | approve
//!                                                                      v
//!                                                                  withdrawn
//! ```
//!
//! Invariant: who wrote any part of a version, or asked, never approves it; a version that judges, or that
//! has judged, changes its state only. Deliberately absent: whether the text is a rule (asked before).

use super::Work;
use crate::operator::{Answer, Command, Done, Refusal, RuleAct, RuleOrder};
use crate::people::{Action, Domain, authorize};
use crate::store::{Columns, StoreError};
use minewatch_domain::OrgPath;
use serde_json::json;
use sha2::{Digest, Sha256};

/// Begin of a request's target that is a version of a rule.
pub(super) const RULE_TARGET: &str = "rule.";
/// How long a version waits for its second person: people who own rules meet weekly.
const WAITS_MS: i64 = 14 * 86_400_000;
/// Name of the number that rises whenever other rules judge than before; every aggregator looks at it.
pub(crate) const RULES_CHANGED: &str = "rules";
/// Versions of one rule.
const VERSIONS_MAX: i64 = 10_000;
/// Rules altogether.
const RULES_MAX: i64 = 5_000;

/// A version as it stands.
struct Version {
    state: String,
    domain: Domain,
    revision: i64,
    editors: String,
    waits: Option<String>,
    request: Option<String>,
}

fn target(order: &RuleOrder) -> String {
    format!("{RULE_TARGET}{}.{}", order.id.to_lowercase(), order.version)
}

fn conflict(why: &str) -> Answer {
    Err(Refusal::Conflict(why.to_owned()))
}

impl Work<'_> {
    /// An order about one version of a rule. Rules are the group's: the right is asked at its top.
    pub(super) async fn rule_order(&mut self, command: &Command, order: &RuleOrder) -> Result<Answer, StoreError> {
        let known = self.rule_version(order).await?;
        let domain = match (&known, &order.act) {
            (Some(version), _) => version.domain,
            (None, RuleAct::Write { domain, .. }) => *domain,
            (None, _) => return Ok(Err(Refusal::NotFound("version"))),
        };
        if authorize(&command.actor, Action::ManageRules, domain, &OrgPath::root()).is_err() {
            return Ok(Err(Refusal::Denied));
        }
        let revision = known.as_ref().map_or(0, |version| version.revision);
        if revision != order.seen {
            return Ok(Err(Refusal::Stale(revision)));
        }
        match (&order.act, known) {
            (RuleAct::Write { text, domain }, None) => self.write_new(command, order, text, *domain).await,
            (_, None) => Ok(Err(Refusal::NotFound("version"))),
            (RuleAct::Write { text, domain }, Some(known)) => {
                self.write_again(command, order, (text, *domain), &known).await
            }
            (RuleAct::Discard, Some(known)) => self.discard(command, order, &known).await,
            (RuleAct::Submit, Some(known)) => match known.state.as_str() {
                "draft" => self.ask(command, order, ("submitted", "activate"), "").await,
                _ => Ok(conflict("only a draft can be submitted")),
            },
            (RuleAct::Withdraw(reason), Some(known)) => match (known.state.as_str(), &known.waits) {
                ("active", None) => self.ask(command, order, ("active", "withdraw"), reason).await,
                ("active", Some(_)) => Ok(conflict("its end is already asked for")),
                _ => Ok(conflict("only an active version can be withdrawn")),
            },
            (RuleAct::Approve, Some(known)) => match known.request {
                Some(request) if known.waits.is_some() => self.grant(command, &request).await,
                _ => Ok(conflict("nothing waits for approval")),
            },
            (RuleAct::Reject(reason), Some(known)) => self.reject(command, order, &known, reason).await,
        }
    }

    async fn rule_version(&mut self, order: &RuleOrder) -> Result<Option<Version>, StoreError> {
        let row = sqlx::query(
            "SELECT state, domain, revision, editors, waits, request_id FROM rule_version \
             WHERE rule_id = $1 AND version = $2",
        )
        .bind(order.id.as_str())
        .bind(order.version)
        .fetch_optional(&mut *self.connection)
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(Version {
            state: row.text(0)?,
            domain: Domain::from_name(&row.text(1)?).unwrap_or(Domain::System),
            revision: row.int(2)?,
            editors: row.text(3)?,
            waits: row.maybe_text(4)?,
            request: row.maybe_text(5)?,
        }))
    }

    async fn write_new(
        &mut self,
        command: &Command,
        order: &RuleOrder,
        text: &str,
        domain: Domain,
    ) -> Result<Answer, StoreError> {
        let row = sqlx::query(
            "SELECT COALESCE(MAX(version), 0), COALESCE(MAX(CASE WHEN domain = $2 THEN 1 ELSE 0 END), 1), \
             COALESCE(MAX(CASE WHEN state IN ('draft', 'submitted') THEN version ELSE 0 END), 0), \
             (SELECT COUNT(DISTINCT rule_id) FROM rule_version) FROM rule_version WHERE rule_id = $1",
        )
        .bind(order.id.as_str())
        .bind(domain.name())
        .fetch_one(&mut *self.connection)
        .await?;
        let (highest, same, open, rules) = (row.int(0)?, row.int(1)?, row.int(2)?, row.int(3)?);
        if order.version != highest + 1 || highest >= VERSIONS_MAX {
            return Ok(Err(Refusal::Conflict(format!("the next version of {} is {}", order.id, highest + 1))));
        }
        if same == 0 {
            return Ok(conflict("a rule stays in its domain"));
        }
        if open > 0 {
            return Ok(Err(Refusal::Conflict(format!("version {open} is not finished yet"))));
        }
        if highest == 0 && rules >= RULES_MAX {
            return Ok(Err(Refusal::Conflict(format!("there are {RULES_MAX} rules already"))));
        }
        let by = command.actor.person.as_str();
        sqlx::query(
            "INSERT INTO rule_version (rule_id, version, state, domain, origin, body, sha256, revision, author, \
             editors, created_us, changed_us, reason) VALUES ($1, $2, 'draft', $3, 'console', $4, $5, 1, $6, $6, $7, $7, '')",
        )
        .bind(order.id.as_str())
        .bind(order.version)
        .bind(domain.name())
        .bind(text)
        .bind(digest(text))
        .bind(by)
        .bind(self.now.micros())
        .execute(&mut *self.connection)
        .await?;
        self.audit(&command.actor, "rule.draft", target(order), json!({ "sha256": digest(text), "revision": 1 }));
        Ok(Ok(Done::Now(1)))
    }

    async fn write_again(
        &mut self,
        command: &Command,
        order: &RuleOrder,
        (text, domain): (&str, Domain),
        known: &Version,
    ) -> Result<Answer, StoreError> {
        if known.state != "draft" {
            return Ok(conflict("only a draft can be written; make a new version"));
        }
        if domain != known.domain {
            return Ok(conflict("a rule stays in its domain"));
        }
        let by = command.actor.person.as_str();
        let mut editors: Vec<&str> = known.editors.split(',').collect();
        if !editors.contains(&by) {
            editors.push(by);
        }
        sqlx::query(
            "UPDATE rule_version SET body = $1, sha256 = $2, editors = $3, revision = revision + 1, changed_us = $4 \
             WHERE rule_id = $5 AND version = $6",
        )
        .bind(text)
        .bind(digest(text))
        .bind(editors.join(","))
        .bind(self.now.micros())
        .bind(order.id.as_str())
        .bind(order.version)
        .execute(&mut *self.connection)
        .await?;
        let detail = json!({ "sha256": digest(text), "revision": known.revision + 1 });
        self.audit(&command.actor, "rule.draft", target(order), detail);
        Ok(Ok(Done::Now(known.revision + 1)))
    }

    async fn discard(&mut self, command: &Command, order: &RuleOrder, known: &Version) -> Result<Answer, StoreError> {
        if known.state != "draft" {
            return Ok(conflict("only a draft can be thrown away"));
        }
        sqlx::query("DELETE FROM rule_version WHERE rule_id = $1 AND version = $2 AND state = 'draft'")
            .bind(order.id.as_str())
            .bind(order.version)
            .execute(&mut *self.connection)
            .await?;
        self.audit(&command.actor, "rule.discard", target(order), json!({ "revision": known.revision }));
        Ok(Ok(Done::Now(0)))
    }

    /// Puts a release or an end before a second person.
    async fn ask(
        &mut self,
        command: &Command,
        order: &RuleOrder,
        (state, waits): (&str, &'static str),
        reason: &str,
    ) -> Result<Answer, StoreError> {
        sqlx::query(
            "UPDATE rule_version SET state = $1, waits = $2, request_id = $3, submitted_by = $4, submitted_us = $5, \
             changed_us = $5, reason = $6, revision = revision + 1 WHERE rule_id = $7 AND version = $8",
        )
        .bind(state)
        .bind(waits)
        .bind(command.id.as_str())
        .bind(command.actor.person.as_str())
        .bind(self.now.micros())
        .bind(reason)
        .bind(order.id.as_str())
        .bind(order.version)
        .execute(&mut *self.connection)
        .await?;
        let body = json!({ "rule": order.id, "version": order.version, "act": waits, "reason": reason }).to_string();
        self.ask_second(command, ("", &target(order)), body, WAITS_MS).await?;
        let action = if waits == "activate" { "rule.submit" } else { "rule.withdraw" };
        self.audit(&command.actor, action, target(order), json!({ "reason": reason, "waits_for": "second person" }));
        Ok(Ok(Done::Asked(command.id.clone())))
    }

    /// Another person agrees that a version judges from now on, or no longer.
    pub(super) async fn grant_rule(
        &mut self,
        command: &Command,
        request: &str,
        asked_by: &str,
        body: &str,
    ) -> Result<Answer, StoreError> {
        let missing = Ok(Err(Refusal::NotFound("request")));
        let asked: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
        let (Some(id), Some(number)) = (asked["rule"].as_str(), asked["version"].as_i64()) else { return missing };
        let order = RuleOrder { id: id.to_owned(), version: number, seen: 0, act: RuleAct::Approve };
        let Some(known) = self.rule_version(&order).await? else { return missing };
        if authorize(&command.actor, Action::ManageRules, known.domain, &OrgPath::root()).is_err() {
            return Ok(Err(Refusal::Denied));
        }
        if known.request.as_deref() != Some(request) {
            return Ok(conflict("the version no longer waits for this"));
        }
        let by = command.actor.person.as_str();
        if by == asked_by || (known.waits.as_deref() == Some("activate") && known.editors.split(',').any(|e| e == by)) {
            return Ok(conflict("who wrote or submitted it does not approve it"));
        }
        let (statement, action) = match known.waits.as_deref() {
            Some("activate") => (
                "UPDATE rule_version SET state = 'active', approved_by = $1, activated_us = $2, changed_us = $2, \
                 waits = NULL, request_id = NULL, revision = revision + 1 WHERE rule_id = $3 AND version = $4",
                "rule.activate",
            ),
            Some("withdraw") => (
                "UPDATE rule_version SET state = 'withdrawn', ended_by = $1, ended_us = $2, changed_us = $2, \
                 waits = NULL, request_id = NULL, revision = revision + 1 WHERE rule_id = $3 AND version = $4",
                "rule.end",
            ),
            _ => return Ok(conflict("nothing waits for approval")),
        };
        sqlx::query(statement)
            .bind(by)
            .bind(self.now.micros())
            .bind(order.id.as_str())
            .bind(order.version)
            .execute(&mut *self.connection)
            .await?;
        sqlx::query(
            "INSERT INTO meta (name, number) VALUES ($1, 1) ON CONFLICT (name) DO UPDATE SET number = meta.number + 1",
        )
        .bind(RULES_CHANGED)
        .execute(&mut *self.connection)
        .await?;
        self.audit(&command.actor, action, target(&order), json!({ "asked_by": asked_by, "request": request }));
        Ok(Ok(Done::Now(known.revision + 1)))
    }

    async fn reject(
        &mut self,
        command: &Command,
        order: &RuleOrder,
        known: &Version,
        reason: &str,
    ) -> Result<Answer, StoreError> {
        if known.waits.is_none() {
            return Ok(conflict("nothing waits for approval"));
        }
        let state = if known.state == "submitted" { "draft" } else { "active" };
        sqlx::query(
            "UPDATE rule_version SET state = $1, waits = NULL, request_id = NULL, changed_us = $2, reason = $3, \
             revision = revision + 1 WHERE rule_id = $4 AND version = $5",
        )
        .bind(state)
        .bind(self.now.micros())
        .bind(reason)
        .bind(order.id.as_str())
        .bind(order.version)
        .execute(&mut *self.connection)
        .await?;
        sqlx::query("UPDATE alarm_requests SET expires_us = $1 WHERE request_id = $2")
            .bind(self.now.micros())
            .bind(known.request.as_deref().unwrap_or_default())
            .execute(&mut *self.connection)
            .await?;
        self.audit(&command.actor, "rule.reject", target(order), json!({ "reason": reason }));
        Ok(Ok(Done::Now(known.revision + 1)))
    }
}

/// SHA-256 of a rule's text, hexadecimal.
pub(crate) fn digest(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
