//! One's own password, sessions and tokens; and those of others, for who may end them.

use super::policy::{BROKEN_MS, REASON_CHARS_MIN};
use super::service::{Credential, Identity, People, PeopleError, changed, touched};
use super::sign_in::{Peer, Proof};
use super::{Actor, Grant, Role, both, secret};
use crate::audit;
use crate::store::{Columns, StoreError};
use minewatch_domain::{At, PersonId};
use serde_json::json;

/// Tokens of one person that have not ended.
const TOKENS_MAX: i64 = 100;
/// Longest name of a token, and longest reason kept.
const TEXT_CHARS_MAX: usize = 200;

/// An open session, for its owner.
#[derive(Debug, Clone)]
pub struct Session {
    /// Id that may be shown.
    pub id: String,
    /// Begun.
    pub created: At,
    /// Last used.
    pub seen: At,
    /// Ends at the latest.
    pub ends: At,
    /// From where.
    pub address: String,
    /// With what.
    pub agent: String,
}

/// An API token, without its secret.
#[derive(Debug, Clone)]
pub struct Token {
    /// Id that may be shown.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// What it may do, as far as its owner still may.
    pub grants: Vec<Grant>,
    /// Made.
    pub created: At,
    /// Ends.
    pub ends: At,
    /// Last used.
    pub used: Option<At>,
    /// Revoked.
    pub revoked: Option<At>,
}

/// A token to be made.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// What it is for.
    pub name: String,
    /// What it may do.
    pub grants: Vec<Grant>,
    /// Days until it ends.
    pub days: u32,
}

impl People {
    /// Checks the password of somebody who is signed in.
    pub(super) async fn confirm_password(&self, identity: &Identity, password: &str) -> Result<(), PeopleError> {
        let person = self.person(&identity.actor.person).await?.ok_or(PeopleError::Wrong)?;
        let password = password.to_owned();
        let right = self.slow(move || super::password::verify(&password, person.password.as_deref())).await?;
        if right { Ok(()) } else { Err(PeopleError::Wrong) }
    }

    /// Changes one's own password; all sessions end and a new one begins, whose secret is returned.
    ///
    /// # Errors
    /// [`PeopleError`].
    pub async fn change_password(
        &self,
        identity: &Identity,
        (old, new): (&str, &str),
        from: &Peer,
        now: At,
    ) -> Result<String, PeopleError> {
        self.confirm_password(identity, old).await?;
        if old == new {
            return Err(PeopleError::Impossible("the new password is the old one".to_owned()));
        }
        let id = &identity.actor.person;
        let person = self.person(id).await?.ok_or(PeopleError::Wrong)?;
        let hash = self.hashed(new, id).await?;
        let mut writing = self.store.begin().await?;
        sqlx::query("UPDATE people SET password = $1, password_us = $2, must_change = 0 WHERE person = $3")
            .bind(hash)
            .bind(now.micros())
            .bind(id.as_str())
            .execute(&mut *writing)
            .await?;
        sqlx::query("DELETE FROM sessions WHERE person = $1").bind(id.as_str()).execute(&mut *writing).await?;
        audit::append(&mut writing, &identity.actor, "person.password", id.as_str(), &json!({}), now).await?;
        let proof = Proof::Password { code: person.totp_on, reason: None };
        let cookie = self.open_session(&mut writing, &person, from, proof, now).await?;
        writing.commit().await?;
        self.look().await?;
        Ok(cookie)
    }

    /// Breaks the glass of one's own session for an hour.
    ///
    /// # Errors
    /// [`PeopleError`].
    pub async fn break_glass(&self, identity: &Identity, reason: &str, now: At) -> Result<At, PeopleError> {
        let Credential::Session(hash) = &identity.credential else {
            return Err(PeopleError::Forbidden("only a signed-in person breaks the glass"));
        };
        if !identity.may_break || identity.must.is_some() {
            return Err(PeopleError::Forbidden("no break-glass right"));
        }
        let reason: String = reason.trim().chars().take(TEXT_CHARS_MAX).collect();
        if reason.chars().count() < REASON_CHARS_MIN {
            return Err(PeopleError::ReasonNeeded);
        }
        let until = now.plus_millis(BROKEN_MS);
        let mut writing = self.store.begin().await?;
        sqlx::query("UPDATE sessions SET broken_until_us = $1, broken_reason = $2 WHERE hash = $3")
            .bind(until.micros())
            .bind(&reason)
            .bind(hash)
            .execute(&mut *writing)
            .await?;
        changed(&mut writing).await?;
        let (actor, target) = (&identity.actor, identity.actor.person.as_str());
        audit::append(&mut writing, actor, "session.break_glass", target, &json!({ "reason": reason }), now).await?;
        writing.commit().await?;
        self.look().await?;
        Ok(until)
    }

    /// Open sessions of a person, newest first.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn sessions(&self, person: &PersonId, now: At) -> Result<Vec<Session>, StoreError> {
        let rows = sqlx::query(
            "SELECT public_id, created_us, seen_us, ends_us, address, agent FROM sessions \
             WHERE person = $1 AND ends_us > $2 AND seen_us > $3 ORDER BY created_us DESC",
        )
        .bind(person.as_str())
        .bind(now.micros())
        .bind(now.plus_millis(-self.policy.idle_ms).micros())
        .fetch_all(self.store.reader())
        .await?;
        let read = |row: &sqlx::any::AnyRow| -> Result<Session, StoreError> {
            Ok(Session {
                id: row.text(0)?,
                created: At(row.int(1)?),
                seen: At(row.int(2)?),
                ends: At(row.int(3)?),
                address: row.text(4)?,
                agent: row.text(5)?,
            })
        };
        rows.iter().map(read).collect()
    }

    /// Ends a session of `person`.
    ///
    /// # Errors
    /// [`PeopleError::NotFound`] when it is not theirs.
    pub async fn end_session(&self, actor: &Actor, person: &PersonId, id: &str, now: At) -> Result<(), PeopleError> {
        let mut writing = self.store.begin().await?;
        let ended = sqlx::query("DELETE FROM sessions WHERE public_id = $1 AND person = $2")
            .bind(id)
            .bind(person.as_str())
            .execute(&mut *writing)
            .await?;
        if touched(&ended) == 0 {
            return Err(PeopleError::NotFound("session"));
        }
        changed(&mut writing).await?;
        audit::append(&mut writing, actor, "session.end", person.as_str(), &json!({ "session": id }), now).await?;
        writing.commit().await?;
        Ok(self.look().await?)
    }

    /// Tokens of a person, newest first.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn tokens(&self, person: &PersonId) -> Result<Vec<Token>, StoreError> {
        let rows = sqlx::query(
            "SELECT public_id, name, grants, created_us, ends_us, used_us, revoked_us FROM api_tokens \
             WHERE person = $1 ORDER BY created_us DESC LIMIT 1000",
        )
        .bind(person.as_str())
        .fetch_all(self.store.reader())
        .await?;
        let read = |row: &sqlx::any::AnyRow| -> Result<Token, StoreError> {
            Ok(Token {
                id: row.text(0)?,
                name: row.text(1)?,
                grants: serde_json::from_str(&row.text(2)?).unwrap_or_default(),
                created: At(row.int(3)?),
                ends: At(row.int(4)?),
                used: row.maybe_int(5)?.map(At),
                revoked: row.maybe_int(6)?.map(At),
            })
        };
        rows.iter().map(read).collect()
    }

    /// Makes a token of one's own; returns its id and its secret, which is shown once.
    ///
    /// # Errors
    /// [`PeopleError`].
    pub async fn create_token(
        &self,
        identity: &Identity,
        wanted: &NewToken,
        now: At,
    ) -> Result<(String, String), PeopleError> {
        let actor = &identity.actor;
        let name: String = wanted.name.trim().chars().take(TEXT_CHARS_MAX).collect();
        let covered =
            wanted.grants.iter().all(|grant| both(std::slice::from_ref(grant), &actor.grants).contains(grant));
        let dormant = wanted.grants.iter().any(|grant| grant.role == Role::BreakGlass);
        match () {
            () if name.is_empty() => return Err(PeopleError::Impossible("a token needs a name".to_owned())),
            () if wanted.days == 0 || wanted.days > self.policy.token_days_max => {
                let most = self.policy.token_days_max;
                return Err(PeopleError::Impossible(format!("a token lasts 1 to {most} days")));
            }
            () if wanted.grants.is_empty() || dormant || !covered => {
                return Err(PeopleError::Forbidden("a token may do only what its owner may"));
            }
            () => {}
        }
        let open =
            sqlx::query("SELECT COUNT(*) FROM api_tokens WHERE person = $1 AND revoked_us IS NULL AND ends_us > $2")
                .bind(actor.person.as_str())
                .bind(now.micros())
                .fetch_one(self.store.reader())
                .await?;
        if open.int(0)? >= TOKENS_MAX {
            return Err(PeopleError::Impossible(format!("there are {TOKENS_MAX} tokens already; revoke one")));
        }
        let (shown, id) = (format!("mw_{}", secret::random()), secret::public_id());
        let grants = serde_json::to_string(&wanted.grants).unwrap_or_else(|_| "[]".to_owned());
        let mut writing = self.store.begin().await?;
        sqlx::query(
            "INSERT INTO api_tokens (hash, public_id, person, name, grants, created_us, ends_us) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(secret::digest(&shown))
        .bind(&id)
        .bind(actor.person.as_str())
        .bind(&name)
        .bind(grants)
        .bind(now.micros())
        .bind(now.plus_millis(i64::from(wanted.days) * 86_400_000).micros())
        .execute(&mut *writing)
        .await?;
        let detail = json!({ "token": id, "name": name, "days": wanted.days, "grants": wanted.grants });
        audit::append(&mut writing, actor, "token.create", actor.person.as_str(), &detail, now).await?;
        writing.commit().await?;
        Ok((id, shown))
    }

    /// Revokes a token of `person`, at once.
    ///
    /// # Errors
    /// [`PeopleError::NotFound`] when it is not theirs.
    pub async fn revoke_token(&self, actor: &Actor, person: &PersonId, id: &str, now: At) -> Result<(), PeopleError> {
        let mut writing = self.store.begin().await?;
        let revoked = sqlx::query(
            "UPDATE api_tokens SET revoked_us = $1 WHERE public_id = $2 AND person = $3 AND revoked_us IS NULL",
        )
        .bind(now.micros())
        .bind(id)
        .bind(person.as_str())
        .execute(&mut *writing)
        .await?;
        if touched(&revoked) == 0 {
            return Err(PeopleError::NotFound("token"));
        }
        changed(&mut writing).await?;
        audit::append(&mut writing, actor, "token.revoke", person.as_str(), &json!({ "token": id }), now).await?;
        writing.commit().await?;
        Ok(self.look().await?)
    }
}
