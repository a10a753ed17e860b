//! Signing in: throttle, password, second factor, session; each outcome in the audit trail.
//!
//! Invariant: whatever is wrong (name, password, code, a disabled account) the answer and the work
//! are the same. A session's id is new at every sign-in and stands in the store as a hash.

use super::policy::{LocalSignIn, REASON_CHARS_MIN};
use super::service::{People, PeopleError, Person, changed, count, touched};
use super::throttle::{Count, FORGOTTEN_MS, left_ms};
use super::{Actor, Role, Via, secret, totp};
use crate::audit;
use crate::store::{Columns, StoreError};
use minewatch_domain::{At, PersonId};
use serde_json::json;
use sqlx::AnyConnection;

/// Subjects of failures kept; the oldest go first. A guesser of names fills it only as fast as the
/// throttle of its address lets it.
const FAILURES_MAX: i64 = 100_000;
/// Longest user agent kept.
const AGENT_CHARS_MAX: usize = 120;

/// A try to sign in.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// Login name as typed.
    pub person: String,
    /// Password as typed.
    pub password: String,
    /// Code of the authenticator, or a recovery code.
    pub code: Option<String>,
    /// Why, for break-glass.
    pub reason: Option<String>,
    /// Where from.
    pub from: Peer,
}

/// Where a request comes from.
#[derive(Debug, Clone, Default)]
pub struct Peer {
    /// IP address.
    pub address: String,
    /// User agent.
    pub agent: String,
}

/// How a session came to be.
pub(super) enum Proof<'a> {
    Password {
        code: bool,
        reason: Option<&'a str>,
    },
    /// The identity provider, which also answers for the second factor.
    Provider,
}

/// What a failure counts against.
type Subjects = Vec<(Count, String)>;

fn subjects(person: &str, address: &str) -> Subjects {
    let person: String = person.chars().take(PersonId::LEN_MAX).collect();
    let mut all = vec![
        (Count::AccountAtAddress, secret::digest(&format!("both {person} {address}"))),
        (Count::Account, secret::digest(&format!("account {person}"))),
    ];
    all.extend(address_only(address));
    all
}

/// Where nobody says who it is: at the identity provider.
pub(super) fn address_only(address: &str) -> Subjects {
    vec![(Count::Address, secret::digest(&format!("address {address}")))]
}

fn nobody(name: &str) -> Actor {
    let known = PersonId::parse(name).or_else(|_| PersonId::parse("unknown"));
    let person = known.unwrap_or_else(|_| Actor::program().person);
    Actor { person, name: String::new(), via: Via::Program, grants: Vec::new() }
}

impl People {
    /// Signs in with a password; returns the secret of the new session.
    ///
    /// # Errors
    /// [`PeopleError`]; nothing of what was wrong is told apart.
    pub async fn sign_in(&self, attempt: &Attempt, now: At) -> Result<String, PeopleError> {
        let counted = subjects(&attempt.person, &attempt.from.address);
        self.must_not_wait(&counted, now).await?;
        let id = PersonId::parse(&attempt.person).ok();
        let person = match &id {
            Some(id) => self.person(id).await?,
            None => None,
        };
        let stored = person.as_ref().and_then(|person| person.password.clone());
        let password = attempt.password.clone();
        let right = self.slow(move || super::password::verify(&password, stored.as_deref())).await?;
        let person = match person {
            Some(person) if right && !person.disabled && self.local_allowed(&person).await? => person,
            None | Some(_) => {
                return Err(self.failed(&counted, (&attempt.person, &attempt.from), "password", now).await?);
            }
        };
        let reason = self.reason(attempt.reason.as_deref())?;
        if person.totp_on && attempt.code.is_none() {
            return Err(PeopleError::CodeNeeded);
        }
        let mut writing = self.store.begin().await?;
        let code = attempt.code.as_deref().unwrap_or("");
        if person.totp_on && !self.spend_code(&mut writing, &person, code, now).await? {
            drop(writing);
            return Err(self.failed(&counted, (&attempt.person, &attempt.from), "second factor", now).await?);
        }
        for (count, subject) in counted {
            // Other accounts' failures from this address still count.
            if count != Count::Address {
                sqlx::query("DELETE FROM sign_in_failures WHERE subject = $1")
                    .bind(subject)
                    .execute(&mut *writing)
                    .await?;
            }
        }
        let proof = Proof::Password { code: person.totp_on, reason };
        let cookie = self.open_session(&mut writing, &person, &attempt.from, proof, now).await?;
        writing.commit().await?;
        self.look().await?;
        Ok(cookie)
    }

    /// A reason, when the rules want one for every password.
    fn reason<'a>(&self, given: Option<&'a str>) -> Result<Option<&'a str>, PeopleError> {
        match (self.policy.local, given) {
            (LocalSignIn::Everyone, given) => Ok(given),
            (LocalSignIn::BreakGlass, Some(reason)) if reason.chars().count() >= REASON_CHARS_MIN => Ok(Some(reason)),
            (LocalSignIn::BreakGlass, _) => Err(PeopleError::ReasonNeeded),
        }
    }

    async fn local_allowed(&self, person: &Person) -> Result<bool, StoreError> {
        Ok(match self.policy.local {
            LocalSignIn::Everyone => true,
            LocalSignIn::BreakGlass => {
                self.grants_of(&person.id).await?.iter().any(|grant| grant.role == Role::BreakGlass)
            }
        })
    }

    pub(super) async fn must_not_wait(&self, counted: &Subjects, now: At) -> Result<(), PeopleError> {
        let mut longest = 0;
        for (count, subject) in counted {
            let row = sqlx::query("SELECT failures, last_us FROM sign_in_failures WHERE subject = $1")
                .bind(subject)
                .fetch_optional(self.store.reader())
                .await?;
            if let Some(row) = row {
                longest = longest.max(left_ms(*count, row.int(0)?, At(row.int(1)?), now));
            }
        }
        match longest {
            0 => Ok(()),
            ms => Err(PeopleError::Wait { seconds: (ms + 999) / 1_000 }),
        }
    }

    /// Counts and records a failure; returns what to answer.
    pub(super) async fn failed(
        &self,
        counted: &Subjects,
        (name, from): (&str, &Peer),
        what: &str,
        now: At,
    ) -> Result<PeopleError, PeopleError> {
        let mut writing = self.store.begin().await?;
        for (_, subject) in counted {
            count_failure(&mut writing, subject, now).await?;
        }
        let shown: String = name.chars().take(PersonId::LEN_MAX).collect();
        let detail = json!({ "what": what, "address": from.address, "name": shown });
        audit::append(&mut writing, &nobody(name), "session.refused", &shown, &detail, now).await?;
        writing.commit().await?;
        Ok(PeopleError::Wrong)
    }

    /// Opens a session inside the caller's transaction and records it; the oldest one of too many ends.
    pub(super) async fn open_session(
        &self,
        connection: &mut AnyConnection,
        person: &Person,
        from: &Peer,
        proof: Proof<'_>,
        now: At,
    ) -> Result<String, StoreError> {
        let (cookie, public) = (secret::random(), secret::public_id());
        let (factor, reason) = match proof {
            Proof::Password { code, reason } => (i64::from(code), reason),
            Proof::Provider => (2, None),
        };
        let broken = if reason.is_some() { now.plus_millis(super::policy::BROKEN_MS) } else { At(0) };
        sqlx::query(
            "INSERT INTO sessions (hash, public_id, person, created_us, seen_us, ends_us, address, agent, \
             second_factor, broken_until_us, broken_reason) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        )
        .bind(secret::digest(&cookie))
        .bind(&public)
        .bind(person.id.as_str())
        .bind(now.micros())
        .bind(now.micros())
        .bind(now.plus_millis(self.policy.session_ms).micros())
        .bind(&from.address)
        .bind(from.agent.chars().take(AGENT_CHARS_MAX).collect::<String>())
        .bind(factor)
        .bind(broken.micros())
        .bind(reason)
        .execute(&mut *connection)
        .await?;
        sqlx::query("DELETE FROM sessions WHERE ends_us <= $1 OR seen_us <= $2")
            .bind(now.micros())
            .bind(now.plus_millis(-self.policy.idle_ms).micros())
            .execute(&mut *connection)
            .await?;
        sqlx::query(
            "DELETE FROM sessions WHERE person = $1 AND hash NOT IN \
             (SELECT hash FROM sessions WHERE person = $1 ORDER BY created_us DESC, public_id DESC LIMIT $2)",
        )
        .bind(person.id.as_str())
        .bind(self.policy.sessions_max)
        .execute(&mut *connection)
        .await?;
        sqlx::query("UPDATE people SET signed_in_us = $1 WHERE person = $2")
            .bind(now.micros())
            .bind(person.id.as_str())
            .execute(&mut *connection)
            .await?;
        changed(connection).await?;
        let actor = Actor {
            person: person.id.clone(),
            name: person.name.clone(),
            via: Via::Session(public),
            grants: Vec::new(),
        };
        let second = ["none", "code", "identity provider"][usize::try_from(factor).unwrap_or(0)];
        let detail = json!({ "address": from.address, "second_factor": second, "break_glass": reason });
        let action = if reason.is_some() { "session.break_glass" } else { "session.begin" };
        audit::append(connection, &actor, action, person.id.as_str(), &detail, now).await?;
        Ok(cookie)
    }

    /// Uses up a code: a recovery code, or a TOTP step later than the last one.
    async fn spend_code(
        &self,
        connection: &mut AnyConnection,
        person: &Person,
        shown: &str,
        now: At,
    ) -> Result<bool, PeopleError> {
        let shown: String = shown.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
        let used = sqlx::query("DELETE FROM recovery_codes WHERE person = $1 AND hash = $2")
            .bind(person.id.as_str())
            .bind(secret::digest(&shown))
            .execute(&mut *connection)
            .await?;
        if touched(&used) == 1 {
            return Ok(true);
        }
        let bytes = self.unsealed(person.id.as_str(), person.totp_secret.as_deref())?;
        let Some(step) = totp::accepted(&bytes, &shown, now, person.totp_step) else { return Ok(false) };
        let used = sqlx::query("UPDATE people SET totp_step = $1 WHERE person = $2 AND totp_step < $1")
            .bind(step)
            .bind(person.id.as_str())
            .execute(connection)
            .await?;
        Ok(touched(&used) == 1)
    }
}

/// Counts a wrong try of a subject; the oldest subjects go where there are too many.
pub(crate) async fn count_failure(connection: &mut AnyConnection, subject: &str, now: At) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO sign_in_failures (subject, failures, last_us) VALUES ($1, 1, $2) \
         ON CONFLICT (subject) DO UPDATE SET last_us = excluded.last_us, failures = \
         CASE WHEN sign_in_failures.last_us < $3 THEN 1 ELSE sign_in_failures.failures + 1 END",
    )
    .bind(subject)
    .bind(now.micros())
    .bind(now.plus_millis(-FORGOTTEN_MS).micros())
    .execute(&mut *connection)
    .await?;
    forget_failures(connection, now).await
}

async fn forget_failures(connection: &mut AnyConnection, now: At) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM sign_in_failures WHERE last_us < $1")
        .bind(now.plus_millis(-FORGOTTEN_MS).micros())
        .execute(&mut *connection)
        .await?;
    let all = count(&sqlx::query("SELECT COUNT(*) FROM sign_in_failures").fetch_one(&mut *connection).await?)?;
    if all > FAILURES_MAX {
        sqlx::query(
            "DELETE FROM sign_in_failures WHERE subject IN \
             (SELECT subject FROM sign_in_failures ORDER BY last_us LIMIT $1)",
        )
        .bind(all - FAILURES_MAX)
        .execute(connection)
        .await?;
    }
    Ok(())
}
