//! Signing in at an identity provider: OpenID Connect, authorization code with PKCE.
//!
//! Invariant: an answer is taken once, from the browser that asked, and only after [`claims::judge`]
//! believed its token. Groups of the provider become grants by the table of the settings, anew at
//! every sign-in. An account here is never taken over: subjects make accounts of their own.

mod claims;
mod provider;
pub mod settings;

pub use claims::Doubt;
pub use provider::Provider;
pub(super) use provider::Seen;

use super::accounts::{BY_GROUP, insert, set_grants};
use super::service::{PERSON, People, PeopleError, Person, changed, count, person_of, touched};
use super::sign_in::{Peer, Proof, address_only};
use super::{Actor, Grant, Via, secret};
use crate::audit;
use crate::store::{Columns, StoreError};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use claims::Subject;
use minewatch_domain::{At, PersonId};
use serde_json::json;
use sha2::{Digest, Sha256};
use sqlx::AnyConnection;

/// A question to the provider is answered within this time, or is forgotten.
const PENDING_MS: i64 = 600_000;
/// Questions open at once; the oldest go first, so that a flood keeps nobody out for long.
const PENDING_MAX: i64 = 10_000;

/// Why the provider's answer opens no session. Each has its sentence in the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nobody asked, another browser asked, it is late, or it was used already.
    #[error("nobody here waits for this answer; it is late, used already, or another browser's")]
    Unasked,
    /// The provider said no, or the person did.
    #[error("the identity provider refused the sign-in")]
    Declined,
    /// No answer, or one that cannot be read.
    #[error("the identity provider does not answer; local accounts work without it")]
    Away,
    /// The token is not believed.
    #[error("the identity provider's token is not believed: {0}")]
    Token(Doubt),
    /// Not one group gives a right.
    #[error("no group at the identity provider gives a right here")]
    NoRights,
    /// No usable login name.
    #[error("the identity provider names nobody who can have an account here")]
    NoName,
    /// The name belongs to an account that signs in otherwise.
    #[error("an account of that name exists and signs in otherwise")]
    NameTaken,
    /// The account is disabled here.
    #[error("the account is disabled")]
    Disabled,
}

impl Refusal {
    /// Its short name: of the audit trail and of the address the browser is sent to.
    pub fn code(self) -> &'static str {
        match self {
            Refusal::Unasked => "unasked",
            Refusal::Declined => "declined",
            Refusal::Away => "away",
            Refusal::Token(doubt) => doubt.code(),
            Refusal::NoRights => "no_rights",
            Refusal::NoName => "no_name",
            Refusal::NameTaken => "name_taken",
            Refusal::Disabled => "disabled",
        }
    }
}

/// Where a browser goes, and what it keeps until it comes back.
#[derive(Debug)]
pub struct Question {
    /// Address at the provider.
    pub location: String,
    /// Binds the answer to this browser.
    pub state: String,
}

/// What a browser brings back from the provider.
#[derive(Debug, Clone, Default)]
pub struct Brought<'a> {
    /// The code, when the provider gave one.
    pub code: Option<&'a str>,
    /// The state it repeats.
    pub state: &'a str,
    /// The state this browser kept in its cookie.
    pub kept: &'a str,
    /// The provider's name, when it says it (RFC 9207).
    pub issuer: Option<&'a str>,
}

/// A question that waits for its answer.
struct Pending {
    nonce: String,
    verifier: String,
}

/// A login name made of what the provider calls somebody: a slug, or nothing. Names of the program
/// itself are nobody's.
fn login(subject: &Subject) -> Option<PersonId> {
    let name = subject.login.as_deref()?.split('@').next()?.to_lowercase();
    let person = PersonId::parse(&name).ok()?;
    (person != Actor::program().person && person != Actor::read_token().person).then_some(person)
}

impl People {
    fn provider(&self) -> Result<&Provider, PeopleError> {
        self.policy.provider.as_ref().ok_or(PeopleError::NotFound("identity provider"))
    }

    /// Begins a sign-in at the provider.
    ///
    /// # Errors
    /// When there is none, or it does not answer.
    pub async fn ask_provider(&self, now: At) -> Result<Question, PeopleError> {
        let provider = self.provider()?;
        let found = provider.discovered(&self.seen, now).await?;
        let (state, nonce, verifier) = (secret::random(), secret::random(), secret::random());
        let mut writing = self.store.begin().await?;
        sqlx::query("DELETE FROM oidc_pending WHERE created_us < $1")
            .bind(now.plus_millis(-PENDING_MS).micros())
            .execute(&mut *writing)
            .await?;
        let open = count(&sqlx::query("SELECT COUNT(*) FROM oidc_pending").fetch_one(&mut *writing).await?)?;
        if open >= PENDING_MAX {
            sqlx::query(
                "DELETE FROM oidc_pending WHERE state IN (SELECT state FROM oidc_pending ORDER BY created_us LIMIT $1)",
            )
            .bind(open - PENDING_MAX + 1)
            .execute(&mut *writing)
            .await?;
        }
        sqlx::query("INSERT INTO oidc_pending (state, nonce, verifier, created_us) VALUES ($1, $2, $3, $4)")
            .bind(secret::digest(&state))
            .bind(&nonce)
            .bind(&verifier)
            .bind(now.micros())
            .execute(&mut *writing)
            .await?;
        writing.commit().await?;
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&verifier));
        Ok(Question { location: provider.question(found, &state, &nonce, &challenge), state })
    }

    /// Takes the provider's answer; returns the secret of a new session. Failures slow the address down.
    ///
    /// # Errors
    /// [`PeopleError::Provider`] with what was wrong; [`PeopleError::Wait`] after too many of them.
    pub async fn provider_said(&self, brought: &Brought<'_>, from: &Peer, now: At) -> Result<String, PeopleError> {
        let provider = self.provider()?;
        let counted = address_only(&from.address);
        self.must_not_wait(&counted, now).await?;
        match self.entered(provider, brought, from, now).await {
            Err(PeopleError::Provider(refusal)) => {
                tracing::warn!(reason = refusal.code(), "sign-in at the identity provider refused");
                let what = format!("identity provider: {}", refusal.code());
                self.failed(&counted, ("", from), &what, now).await?;
                Err(refusal.into())
            }
            other => other,
        }
    }

    async fn entered(
        &self,
        provider: &Provider,
        brought: &Brought<'_>,
        from: &Peer,
        now: At,
    ) -> Result<String, PeopleError> {
        if brought.state.is_empty() || !secret::same(brought.state, brought.kept) {
            return Err(Refusal::Unasked.into());
        }
        let pending = self.taken(brought.state, now).await?;
        if brought.issuer.is_some_and(|issuer| issuer != provider.issuer) {
            return Err(Refusal::Token(Doubt::Issuer).into());
        }
        let code = brought.code.ok_or(Refusal::Declined)?;
        let subject = provider.subject(&self.seen, code, &pending.verifier, &pending.nonce, now).await?;
        let grants = provider.grants(&subject.groups);
        if grants.is_empty() {
            return Err(Refusal::NoRights.into());
        }
        let mut writing = self.store.begin().await?;
        let person = account(&mut writing, provider, &subject, now).await?;
        if person.disabled {
            return Err(Refusal::Disabled.into());
        }
        granted(&mut writing, &person, &grants, now).await?;
        changed(&mut writing).await?;
        let cookie = self.open_session(&mut writing, &person, from, Proof::Provider, now).await?;
        writing.commit().await?;
        self.look().await?;
        Ok(cookie)
    }

    /// Takes an open question away, so that its answer counts once.
    async fn taken(&self, state: &str, now: At) -> Result<Pending, PeopleError> {
        let state = secret::digest(state);
        let mut writing = self.store.begin().await?;
        let row = sqlx::query("SELECT nonce, verifier FROM oidc_pending WHERE state = $1 AND created_us >= $2")
            .bind(&state)
            .bind(now.plus_millis(-PENDING_MS).micros())
            .fetch_optional(&mut *writing)
            .await?;
        let row = row.ok_or(Refusal::Unasked)?;
        let pending = Pending { nonce: row.text(0)?, verifier: row.text(1)? };
        let gone = sqlx::query("DELETE FROM oidc_pending WHERE state = $1").bind(&state).execute(&mut *writing).await?;
        if touched(&gone) != 1 {
            return Err(Refusal::Unasked.into());
        }
        writing.commit().await?;
        Ok(pending)
    }

    /// Where a browser signs out at the provider too, when it offers that.
    pub async fn provider_sign_out(&self, now: At) -> Option<String> {
        self.policy.provider.as_ref()?.sign_out(&self.seen, now).await
    }
}

async fn read(connection: &mut AnyConnection, person: &PersonId) -> Result<Person, StoreError> {
    let text = format!("SELECT {PERSON} FROM people p WHERE p.person = $1");
    person_of(&sqlx::query(sqlx::AssertSqlSafe(text)).bind(person.as_str()).fetch_one(connection).await?)
}

/// The account of a subject; made at its first sign-in.
async fn account(
    connection: &mut AnyConnection,
    provider: &Provider,
    subject: &Subject,
    now: At,
) -> Result<Person, PeopleError> {
    let known = sqlx::query("SELECT person FROM people WHERE issuer = $1 AND subject = $2")
        .bind(&provider.issuer)
        .bind(&subject.subject)
        .fetch_optional(&mut *connection)
        .await?;
    if let Some(row) = known {
        let person = PersonId::parse(&row.text(0)?).map_err(|_| Refusal::NoName)?;
        return Ok(read(connection, &person).await?);
    }
    let person = login(subject).ok_or(Refusal::NoName)?;
    let name = subject.name.as_deref().and_then(|name| super::accounts::shown_name(name).ok());
    let name = name.unwrap_or_else(|| person.as_str()).to_owned();
    let made = insert(connection, &person, &name, None, false, now).await;
    if matches!(made, Err(PeopleError::Impossible(_))) {
        return Err(Refusal::NameTaken.into());
    }
    made?;
    sqlx::query("UPDATE people SET issuer = $1, subject = $2 WHERE person = $3")
        .bind(&provider.issuer)
        .bind(&subject.subject)
        .bind(person.as_str())
        .execute(&mut *connection)
        .await?;
    let detail = json!({ "name": name, "by": "identity provider" });
    audit::append(connection, &itself(&person, &name), "person.create", person.as_str(), &detail, now).await?;
    Ok(read(connection, &person).await?)
}

/// Replaces what groups gave; a change stands in the audit trail.
async fn granted(
    connection: &mut AnyConnection,
    person: &Person,
    grants: &[Grant],
    now: At,
) -> Result<(), PeopleError> {
    let rows = sqlx::query("SELECT role, org, domains FROM grants WHERE person = $1 AND granted = 'group'")
        .bind(person.id.as_str())
        .fetch_all(&mut *connection)
        .await?;
    let before = rows.iter().map(|row| super::service::grant_of(row, 0)).collect::<Result<Vec<_>, _>>()?;
    let before: Vec<Grant> = before.into_iter().flatten().collect();
    let same = before.len() == grants.len() && grants.iter().all(|grant| before.contains(grant));
    if same {
        return Ok(());
    }
    set_grants(connection, &person.id, grants, BY_GROUP, now).await?;
    let detail = json!({ "before": before, "after": grants, "by": "identity provider" });
    let actor = itself(&person.id, &person.name);
    audit::append(connection, &actor, "person.grant", person.id.as_str(), &detail, now).await?;
    Ok(())
}

fn itself(person: &PersonId, name: &str) -> Actor {
    Actor { person: person.clone(), name: name.to_owned(), via: Via::Program, grants: Vec::new() }
}
