//! Enrolling and taking off the second factor.

use super::service::{Identity, People, PeopleError, changed};
use super::{secret, totp};
use crate::audit;
use crate::store::StoreError;
use minewatch_domain::{At, PersonId};
use serde_json::json;
use sqlx::AnyConnection;

/// Recovery codes given at once; each works once.
const CODES: usize = 10;

/// What an authenticator needs.
#[derive(Debug)]
pub struct Enrolment {
    /// Base32.
    pub secret: String,
    /// `otpauth://` address.
    pub uri: String,
}

pub(super) async fn take_off(connection: &mut AnyConnection, person: &PersonId) -> Result<(), StoreError> {
    sqlx::query("UPDATE people SET totp_secret = NULL, totp_on = 0 WHERE person = $1")
        .bind(person.as_str())
        .execute(&mut *connection)
        .await?;
    sqlx::query("DELETE FROM recovery_codes WHERE person = $1").bind(person.as_str()).execute(connection).await?;
    Ok(())
}

impl People {
    /// Gives a new secret; it counts once its first code was shown.
    ///
    /// # Errors
    /// When a second factor is on already, or the store does not answer.
    pub async fn begin_second_factor(&self, identity: &Identity) -> Result<Enrolment, PeopleError> {
        let person = &identity.actor.person;
        if identity.second_factor {
            return Err(PeopleError::Impossible("a second factor is on already; take it off first".to_owned()));
        }
        let bytes: [u8; totp::SECRET_BYTES] = rand::random();
        let mut writing = self.store.begin().await?;
        let sealed = self.sealed(&mut writing, person.as_str(), &bytes).await?;
        sqlx::query("UPDATE people SET totp_secret = $1 WHERE person = $2 AND totp_on = 0")
            .bind(sealed)
            .bind(person.as_str())
            .execute(&mut *writing)
            .await?;
        writing.commit().await?;
        Ok(Enrolment { secret: totp::base32(&bytes), uri: totp::uri(person.as_str(), &bytes) })
    }

    /// Turns it on with its first code; returns recovery codes, shown once.
    ///
    /// # Errors
    /// [`PeopleError::Wrong`] for a wrong code.
    pub async fn confirm_second_factor(
        &self,
        identity: &Identity,
        code: &str,
        now: At,
    ) -> Result<Vec<String>, PeopleError> {
        let person = self.person(&identity.actor.person).await?.ok_or(PeopleError::Wrong)?;
        let bytes = self.unsealed(person.id.as_str(), person.totp_secret.as_deref())?;
        let shown: String = code.chars().filter(char::is_ascii_digit).collect();
        let accepted = totp::accepted(&bytes, &shown, now, person.totp_step).filter(|_| !bytes.is_empty());
        let (Some(step), false) = (accepted, person.totp_on) else { return Err(PeopleError::Wrong) };
        let codes: Vec<String> = (0..CODES).map(|_| totp::base32(&rand::random::<[u8; 10]>())).collect();
        let mut writing = self.store.begin().await?;
        sqlx::query("UPDATE people SET totp_on = 1, totp_step = $1 WHERE person = $2")
            .bind(step)
            .bind(person.id.as_str())
            .execute(&mut *writing)
            .await?;
        for code in &codes {
            sqlx::query("INSERT INTO recovery_codes (person, hash) VALUES ($1, $2)")
                .bind(person.id.as_str())
                .bind(secret::digest(code))
                .execute(&mut *writing)
                .await?;
        }
        changed(&mut writing).await?;
        let (actor, target) = (&identity.actor, person.id.as_str());
        audit::append(&mut writing, actor, "person.second_factor_on", target, &json!({}), now).await?;
        writing.commit().await?;
        self.look().await?;
        Ok(codes)
    }

    /// Takes it off, for the right password.
    ///
    /// # Errors
    /// [`PeopleError::Wrong`] for a wrong password.
    pub async fn end_second_factor(&self, identity: &Identity, password: &str, now: At) -> Result<(), PeopleError> {
        self.confirm_password(identity, password).await?;
        let mut writing = self.store.begin().await?;
        take_off(&mut writing, &identity.actor.person).await?;
        changed(&mut writing).await?;
        let target = identity.actor.person.as_str();
        audit::append(&mut writing, &identity.actor, "person.second_factor_off", target, &json!({}), now).await?;
        writing.commit().await?;
        Ok(self.look().await?)
    }
}
