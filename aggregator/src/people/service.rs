//! Who stands behind a cookie or a token, and the shared handle of everything about people.
//!
//! Invariant: every change of people, rights, sessions or tokens raises the version in the store in
//! the same transaction, so that open event streams of every aggregator look again.

use super::policy::{Must, Policy, Standing};
use super::seal::Sealer;
use super::secret::digest;
use super::{Actor, Domains, Grant, Role, Via, both};
use crate::store::{Columns, Store, StoreError};
use minewatch_domain::{At, OrgPath, PersonId};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};
use std::sync::{Arc, Mutex};
use tokio::sync::{Semaphore, watch};

/// Password hashes at once: each takes 64 MiB and a processor.
const HASHES_MAX: usize = 2;
/// A session's last use is written at most this often.
const SEEN_EVERY_MS: i64 = 60_000;

/// What somebody shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// Hash of a session cookie.
    Session(String),
    /// Hash of an API token.
    Token(String),
    /// The read token of the settings.
    ReadToken,
}

/// An actor, and what its proof says beside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Who acts.
    pub actor: Actor,
    /// How it was shown, to look again later.
    pub credential: Credential,
    /// What must be done before anything else; the actor has no grants until then.
    pub must: Option<Must>,
    /// A second factor is on.
    pub second_factor: bool,
    /// It has a password here.
    pub local: bool,
    /// It came in through the identity provider.
    pub elsewhere: bool,
    /// The end of the proof.
    pub ends: Option<At>,
    /// Break-glass: until when it is open; `None` while it is whole.
    pub broken_until: Option<At>,
    /// Holds a break-glass grant.
    pub may_break: bool,
}

/// Everything about people.
#[derive(Debug, Clone)]
pub struct People {
    pub(super) store: Store,
    pub(super) policy: Arc<Policy>,
    pub(super) setup: Arc<Mutex<Option<String>>>,
    pub(super) hashing: Arc<Semaphore>,
    pub(super) sealer: Arc<Sealer>,
    pub(super) seen: super::oidc::Seen,
    version: watch::Sender<i64>,
}

/// What went wrong, as far as the caller may know.
#[derive(Debug, thiserror::Error)]
pub enum PeopleError {
    /// The store did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Name, password, code or state of the account: one answer for all.
    #[error("name, password or code is wrong")]
    Wrong,
    /// The password is right; a second factor is asked for.
    #[error("a code of the second factor is needed")]
    CodeNeeded,
    /// Break-glass accounts sign in with a reason.
    #[error("a reason of at least {} characters is needed", super::policy::REASON_CHARS_MIN)]
    ReasonNeeded,
    /// Too many failures.
    #[error("too many failed attempts; wait {seconds} s")]
    Wait {
        /// Seconds to wait.
        seconds: i64,
    },
    /// The password does not keep the rules.
    #[error(transparent)]
    Weak(#[from] super::password::Weak),
    /// There is no such thing, or not for the caller.
    #[error("no such {0}")]
    NotFound(&'static str),
    /// It cannot be as asked.
    #[error("{0}")]
    Impossible(String),
    /// Not allowed.
    #[error("not allowed: {0}")]
    Forbidden(&'static str),
    /// What the identity provider said opens no session.
    #[error(transparent)]
    Provider(#[from] super::oidc::Refusal),
    /// Too much at once.
    #[error("busy; try again")]
    Busy,
}

impl From<sqlx::Error> for PeopleError {
    fn from(error: sqlx::Error) -> PeopleError {
        PeopleError::Store(error.into())
    }
}

pub(super) fn grant_of(row: &AnyRow, first: usize) -> Result<Option<Grant>, StoreError> {
    let (role, org, domains) = (row.text(first)?, row.text(first + 1)?, row.text(first + 2)?);
    // A role or domain of a newer program allows nothing here.
    Ok(Role::from_name(&role)
        .zip(OrgPath::parse(&org).ok())
        .zip(Domains::parse(&domains))
        .map(|((role, org), domains)| Grant { role, org, domains }))
}

/// The columns of `people` that [`Person`] is made of.
pub(super) const PERSON: &str = "p.person, p.name, p.password, p.password_us, p.must_change, p.totp_secret, p.totp_on, \
    p.totp_step, p.disabled, p.created_us, p.signed_in_us, p.issuer";

/// A row of `people`.
#[derive(Debug, Clone)]
pub(super) struct Person {
    pub(super) id: PersonId,
    pub(super) name: String,
    pub(super) password: Option<String>,
    pub(super) password_at: At,
    pub(super) must_change: bool,
    pub(super) totp_secret: Option<String>,
    pub(super) totp_on: bool,
    pub(super) totp_step: i64,
    pub(super) disabled: bool,
    pub(super) created: At,
    pub(super) signed_in: Option<At>,
    pub(super) issuer: Option<String>,
}

pub(super) const PERSON_COLUMNS: usize = 12;

pub(super) fn person_of(row: &AnyRow) -> Result<Person, StoreError> {
    let id = row.text(0)?;
    Ok(Person {
        id: PersonId::parse(&id).map_err(|e| sqlx::Error::Decode(Box::new(e)))?,
        name: row.text(1)?,
        password: row.maybe_text(2)?,
        password_at: At(row.int(3)?),
        must_change: row.int(4)? != 0,
        totp_secret: row.maybe_text(5)?,
        totp_on: row.int(6)? != 0,
        totp_step: row.int(7)?,
        disabled: row.int(8)? != 0,
        created: At(row.int(9)?),
        signed_in: row.maybe_int(10)?.map(At),
        issuer: row.maybe_text(11)?,
    })
}

impl Person {
    pub(super) fn standing(&self, now: At, elsewhere: bool) -> Standing {
        let age = now.millis_since(self.password_at).div_euclid(86_400_000);
        Standing {
            must_change: self.must_change,
            password_age_days: self.password.as_ref().filter(|_| !elsewhere).map(|_| age),
            second_factor: self.totp_on || elsewhere,
        }
    }
}

/// Raises the version: whoever holds an open stream is looked at again.
pub(super) async fn changed(connection: &mut AnyConnection) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO meta (name, number) VALUES ('people_version', 1) \
         ON CONFLICT (name) DO UPDATE SET number = meta.number + 1",
    )
    .execute(connection)
    .await?;
    Ok(())
}

impl People {
    /// The service over a store.
    ///
    /// # Errors
    /// When the key file of sealed secrets can neither be read nor made.
    pub fn open(store: Store, policy: Policy) -> std::io::Result<People> {
        Ok(People {
            sealer: Arc::new(Sealer::open(&policy.secret_key_file)?),
            seen: Arc::default(),
            store,
            policy: Arc::new(policy),
            setup: Arc::default(),
            hashing: Arc::new(Semaphore::new(HASHES_MAX)),
            version: watch::Sender::new(0),
        })
    }

    /// The rules.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Changes when people, rights, sessions or tokens changed.
    pub fn versions(&self) -> watch::Receiver<i64> {
        self.version.subscribe()
    }

    /// Reads the version, which another aggregator may have raised.
    ///
    /// # Errors
    /// When the store does not answer; so for every function here.
    pub async fn look(&self) -> Result<(), StoreError> {
        let row = sqlx::query("SELECT COALESCE(MAX(number), 0) FROM meta WHERE name = 'people_version'");
        let found = row.fetch_one(self.store.reader()).await?.int(0)?;
        self.version.send_if_modified(|known| std::mem::replace(known, found) != found);
        Ok(())
    }

    pub(super) async fn grants_of(&self, person: &PersonId) -> Result<Vec<Grant>, StoreError> {
        let rows = sqlx::query("SELECT role, org, domains FROM grants WHERE person = $1")
            .bind(person.as_str())
            .fetch_all(self.store.reader())
            .await?;
        let grants = rows.iter().map(|row| grant_of(row, 0)).collect::<Result<Vec<_>, _>>()?;
        Ok(grants.into_iter().flatten().collect())
    }

    /// Who is behind a credential; `None` when it is unknown, ended, or its person is disabled.
    /// `background`: the request is not a sign of life of a person (a page that polls).
    pub async fn identify(
        &self,
        credential: &Credential,
        now: At,
        background: bool,
    ) -> Result<Option<Identity>, StoreError> {
        match credential {
            Credential::ReadToken => Ok(Some(Identity {
                actor: Actor::read_token(),
                credential: Credential::ReadToken,
                must: None,
                second_factor: false,
                local: false,
                elsewhere: false,
                ends: None,
                broken_until: None,
                may_break: false,
            })),
            Credential::Session(hash) => self.by_session(hash, now, background).await,
            Credential::Token(hash) => self.by_token(hash, now).await,
        }
    }

    async fn by_session(&self, hash: &str, now: At, background: bool) -> Result<Option<Identity>, StoreError> {
        let text = format!(
            "SELECT {PERSON}, s.public_id, s.seen_us, s.ends_us, s.broken_until_us, s.second_factor FROM sessions s \
             JOIN people p ON p.person = s.person WHERE s.hash = $1"
        );
        let row = sqlx::query(sqlx::AssertSqlSafe(text)).bind(hash).fetch_optional(self.store.reader()).await?;
        let Some(row) = row else { return Ok(None) };
        let person = person_of(&row)?;
        let at = PERSON_COLUMNS;
        let (public, seen, ends) = (row.text(at)?, At(row.int(at + 1)?), At(row.int(at + 2)?));
        let (broken, elsewhere) = (At(row.int(at + 3)?), row.int(at + 4)? == 2);
        if person.disabled || now >= ends || now.millis_since(seen) >= self.policy.idle_ms {
            return Ok(None);
        }
        if !background && now.millis_since(seen) >= SEEN_EVERY_MS {
            self.note_use("UPDATE sessions SET seen_us = $1 WHERE hash = $2 AND seen_us < $1", hash, now).await;
        }
        let grants = self.grants_of(&person.id).await?;
        let may_break = grants.iter().any(|grant| grant.role == Role::BreakGlass);
        let grants = self.policy.in_force(grants, now < broken);
        let must = self.policy.must(person.standing(now, elsewhere), &grants);
        Ok(Some(Identity {
            credential: Credential::Session(hash.to_owned()),
            must,
            second_factor: person.totp_on,
            local: person.password.is_some(),
            elsewhere,
            ends: Some(ends),
            broken_until: (now < broken).then_some(broken),
            may_break,
            actor: Actor {
                person: person.id,
                name: person.name,
                via: Via::Session(public),
                grants: if must.is_some() { Vec::new() } else { grants },
            },
        }))
    }

    /// Notes the use of a session or token. A busy store must not refuse the request for it.
    async fn note_use(&self, update: &'static str, hash: &str, now: At) {
        let write = async {
            let mut writing = self.store.begin().await?;
            sqlx::query(update).bind(now.micros()).bind(hash).execute(&mut *writing).await?;
            writing.commit().await
        };
        if let Err(error) = write.await {
            tracing::warn!(error = &error as &dyn std::error::Error, "use of a session or token not noted");
        }
    }

    async fn by_token(&self, hash: &str, now: At) -> Result<Option<Identity>, StoreError> {
        let text = format!(
            "SELECT {PERSON}, t.public_id, t.grants, t.ends_us, COALESCE(t.used_us, 0) FROM api_tokens t \
             JOIN people p ON p.person = t.person WHERE t.hash = $1 AND t.revoked_us IS NULL"
        );
        let row = sqlx::query(sqlx::AssertSqlSafe(text)).bind(hash).fetch_optional(self.store.reader()).await?;
        let Some(row) = row else { return Ok(None) };
        let person = person_of(&row)?;
        let at = PERSON_COLUMNS;
        let (public, scope, ends) = (row.text(at)?, row.text(at + 1)?, At(row.int(at + 2)?));
        if person.disabled || now >= ends {
            return Ok(None);
        }
        if now.millis_since(At(row.int(at + 3)?)) >= SEEN_EVERY_MS {
            self.note_use("UPDATE api_tokens SET used_us = $1 WHERE hash = $2", hash, now).await;
        }
        let scope: Vec<Grant> = serde_json::from_str(&scope).unwrap_or_default();
        let owner = self.policy.in_force(self.grants_of(&person.id).await?, false);
        Ok(Some(Identity {
            credential: Credential::Token(hash.to_owned()),
            must: None,
            second_factor: false,
            local: false,
            elsewhere: false,
            ends: Some(ends),
            broken_until: None,
            may_break: false,
            actor: Actor {
                person: person.id,
                name: person.name,
                via: Via::Token(public),
                grants: both(&scope, &owner),
            },
        }))
    }

    /// The credential of a shown secret.
    pub fn session(cookie: &str) -> Credential {
        Credential::Session(digest(cookie))
    }

    /// The credential of a shown API token.
    pub fn token(shown: &str) -> Credential {
        Credential::Token(digest(shown))
    }

    pub(super) async fn person(&self, id: &PersonId) -> Result<Option<Person>, StoreError> {
        let text = format!("SELECT {PERSON} FROM people p WHERE p.person = $1");
        let row = sqlx::query(sqlx::AssertSqlSafe(text)).bind(id.as_str()).fetch_optional(self.store.reader()).await?;
        row.as_ref().map(person_of).transpose()
    }

    /// Runs the slow hash off the runtime, a few at once.
    pub(super) async fn slow<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PeopleError> {
        let permit = tokio::time::timeout(std::time::Duration::from_secs(10), self.hashing.acquire()).await;
        let Ok(Ok(_permit)) = permit else { return Err(PeopleError::Busy) };
        tokio::task::spawn_blocking(work).await.map_err(|_| PeopleError::Busy)
    }

    /// The PHC string of an acceptable password.
    pub(super) async fn hashed(&self, password: &str, person: &PersonId) -> Result<String, PeopleError> {
        super::password::check(password, person.as_str())?;
        let password = password.to_owned();
        let hashed = self.slow(move || super::password::hash(&password)).await?;
        hashed.map_err(|_| PeopleError::Busy)
    }

    /// Records what changes nothing else, such as an export.
    ///
    /// # Errors
    /// When the store does not take it; then it must not be done either.
    pub async fn record(
        &self,
        actor: &Actor,
        action: &str,
        target: &str,
        detail: &serde_json::Value,
        now: At,
    ) -> Result<(), StoreError> {
        let mut writing = self.store.begin().await?;
        crate::audit::append(&mut writing, actor, action, target, detail, now).await?;
        writing.commit().await
    }

    /// Whether there is nobody yet.
    pub async fn nobody(&self) -> Result<bool, StoreError> {
        let row = sqlx::query("SELECT COUNT(*) FROM people").fetch_one(self.store.reader()).await?;
        Ok(row.int(0)? == 0)
    }
}

/// How many rows a statement touched.
pub(super) fn touched(result: &sqlx::any::AnyQueryResult) -> u64 {
    result.rows_affected()
}

pub(super) fn count(row: &AnyRow) -> Result<i64, StoreError> {
    Ok(row.try_get::<i64, _>(0)?)
}
