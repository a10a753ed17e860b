//! What was issued, to whom, and what was taken back: the store's side of identity.
//!
//! Invariant: a code and the certificate it gave, a revocation, and the audit entry of each are one
//! transaction. Asking again with the same key gives the same certificate, so an answer that got lost
//! on the way costs nothing. Deliberately absent: keys and signatures of authorities (`authority`).

use super::authority::{Authority, Ca, Issued, Role, Wanted, from_hex, request_key};
use crate::audit;
use crate::people::throttle::{Count, left_ms};
use crate::people::{Actor, count_failure, secret};
use crate::store::{Columns, Store, StoreError};
use base64::Engine;
use minewatch_domain::{At, GatewayId};
use serde_json::json;
use sha2::{Digest, Sha256};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

/// Codes that wait for their gateway at once.
const CODES_MAX: i64 = 10_000;
/// Certificates of one gateway that are in force at once: the old and the new one, and some failures.
const IN_FORCE_MAX: i64 = 8;
const HOUR_MS: i64 = 3_600_000;

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// Wrong code, used code, ended code, wrong key or signature: not told apart.
    #[error("the code or the signature is not right")]
    Wrong,
    /// The request is not a request.
    #[error("{0}")]
    Request(String),
    /// A limit.
    #[error("{0}")]
    Full(String),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for EnrolError {
    fn from(error: sqlx::Error) -> EnrolError {
        EnrolError::Store(error.into())
    }
}

/// A certificate as the store knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Serial number, hexadecimal.
    pub serial: String,
    /// Common name.
    pub name: String,
    /// Role, by name.
    pub role: String,
    /// Public key, hexadecimal.
    pub public_key: String,
    /// The certificate.
    pub pem: String,
    /// When it ends.
    pub ends: At,
    /// When it was revoked.
    pub revoked: Option<At>,
}

const COLUMNS: &str = "serial, name, role, public_key, pem, ends_us, revoked_us";

fn certificate(row: &AnyRow) -> Result<Certificate, sqlx::Error> {
    Ok(Certificate {
        serial: row.text(0)?,
        name: row.text(1)?,
        role: row.text(2)?,
        public_key: row.text(3)?,
        pem: row.text(4)?,
        ends: At(row.int(5)?),
        revoked: row.maybe_int(6)?.map(At),
    })
}

/// The store, seen as a registry.
#[derive(Debug, Clone)]
pub struct Registry {
    store: Store,
}

/// Renewal is signed over this with the key of the certificate in force.
pub(super) fn renewal_text(gateway: &str, serial: &str, request: &str) -> String {
    format!("minewatch-renew-v1\n{gateway}\n{serial}\n{}\n", audit::hex(&Sha256::digest(request)))
}

fn signed(public_key: &str, text: &str, signature: &str) -> bool {
    let (Some(key), Ok(signature)) =
        (from_hex(public_key), base64::engine::general_purpose::STANDARD.decode(signature))
    else {
        return false;
    };
    let key = ring::signature::UnparsedPublicKey::new(&ring::signature::ECDSA_P256_SHA256_ASN1, key);
    key.verify(text.as_bytes(), &signature).is_ok()
}

impl Registry {
    /// Over a store.
    pub fn new(store: Store) -> Registry {
        Registry { store }
    }

    /// Makes a code for a gateway; returns it. Shown once, kept as a hash; older unused codes of the
    /// gateway stop working. Recorded as the act of `actor`, without the code.
    ///
    /// # Errors
    /// When the store does not answer, or too many codes wait.
    pub async fn new_code(
        &self,
        gateway: &GatewayId,
        hours: u32,
        actor: &Actor,
        now: At,
    ) -> Result<String, EnrolError> {
        let code = secret::one_time_password();
        let mut writing = self.store.begin().await?;
        sqlx::query("DELETE FROM enrol_codes WHERE (gateway = $1 AND used_us IS NULL) OR ends_us < $2")
            .bind(gateway.as_str())
            .bind(now.micros())
            .execute(&mut *writing)
            .await?;
        let waiting = sqlx::query("SELECT COUNT(*) FROM enrol_codes").fetch_one(&mut *writing).await?.int(0)?;
        if waiting >= CODES_MAX {
            return Err(EnrolError::Full(format!("{CODES_MAX} codes wait already; let some end")));
        }
        sqlx::query("INSERT INTO enrol_codes (hash, gateway, created_us, ends_us) VALUES ($1, $2, $3, $4)")
            .bind(secret::digest(&code))
            .bind(gateway.as_str())
            .bind(now.micros())
            .bind(now.plus_millis(i64::from(hours) * HOUR_MS).micros())
            .execute(&mut *writing)
            .await?;
        let detail = json!({ "hours": hours });
        audit::append(&mut writing, actor, "gateway.enrol_code", gateway.as_str(), &detail, now).await?;
        writing.commit().await?;
        Ok(code)
    }

    /// A code and a request for a certificate.
    ///
    /// # Errors
    /// [`EnrolError`]; what was wrong about a code is not told.
    pub async fn enrol(
        &self,
        ca: &Ca,
        (code, request): (&str, &str),
        (days, from, now): (u32, &str, At),
    ) -> Result<Certificate, EnrolError> {
        let public_key = request_key(request).map_err(|e| EnrolError::Request(format!("{e:#}")))?;
        let mut writing = self.store.begin().await?;
        let row = sqlx::query("SELECT gateway, ends_us, public_key FROM enrol_codes WHERE hash = $1")
            .bind(secret::digest(code.trim()))
            .fetch_optional(&mut *writing)
            .await?;
        let Some(row) = row else { return Err(EnrolError::Wrong) };
        let (gateway, ends, used_by) = (row.text(0)?, row.int(1)?, row.maybe_text(2)?);
        let theirs = used_by.as_ref().is_some_and(|key| *key == public_key);
        if ends <= now.micros() || (used_by.is_some() && !theirs) {
            return Err(EnrolError::Wrong);
        }
        if theirs {
            let known = by_key(&mut writing, Authority::Gateways, &public_key).await?;
            return known.filter(|known| known.revoked.is_none()).ok_or(EnrolError::Wrong);
        }
        let wanted = Wanted { name: &gateway, role: Role::Gateway, hosts: &[], from: now, days };
        let issued = ca.sign_request(request, &wanted).map_err(|e| EnrolError::Request(format!("{e:#}")))?;
        // `used_us IS NULL` again: of two askers at once, one wins.
        let taken =
            sqlx::query("UPDATE enrol_codes SET used_us = $1, public_key = $2 WHERE hash = $3 AND used_us IS NULL")
                .bind(now.micros())
                .bind(&public_key)
                .bind(secret::digest(code.trim()))
                .execute(&mut *writing)
                .await?;
        if taken.rows_affected() != 1 {
            return Err(EnrolError::Wrong);
        }
        insert(&mut writing, (&gateway, Role::Gateway), &issued, now).await?;
        let detail = json!({ "serial": issued.serial, "address": from });
        audit::append(&mut writing, &Actor::program(), "gateway.enrol", &gateway, &detail, now).await?;
        writing.commit().await?;
        Ok(kept(&gateway, Role::Gateway, issued))
    }

    /// A new certificate for whoever signs with the key of one in force.
    ///
    /// # Errors
    /// [`EnrolError`].
    pub async fn renew(
        &self,
        ca: &Ca,
        (gateway, serial, request, signature): (&str, &str, &str, &str),
        (days, now): (u32, At),
    ) -> Result<Certificate, EnrolError> {
        let public_key = request_key(request).map_err(|e| EnrolError::Request(format!("{e:#}")))?;
        let mut writing = self.store.begin().await?;
        let text = format!("SELECT {COLUMNS} FROM certificates WHERE serial = $1 AND authority = 'gateways'");
        let row = sqlx::query(sqlx::AssertSqlSafe(text)).bind(serial).fetch_optional(&mut *writing).await?;
        let Some(old) = row.as_ref().map(certificate).transpose()? else { return Err(EnrolError::Wrong) };
        let in_force = old.revoked.is_none() && old.ends > now && old.name == gateway;
        if !in_force || !signed(&old.public_key, &renewal_text(gateway, serial, request), signature) {
            return Err(EnrolError::Wrong);
        }
        if let Some(known) = by_key(&mut writing, Authority::Gateways, &public_key).await? {
            let good = known.name == gateway && known.revoked.is_none();
            return if good { Ok(known) } else { Err(EnrolError::Wrong) };
        }
        let count = "SELECT COUNT(*) FROM certificates WHERE name = $1 AND authority = 'gateways' \
                     AND revoked_us IS NULL AND ends_us > $2";
        let count = sqlx::query(count).bind(gateway).bind(now.micros()).fetch_one(&mut *writing).await?.int(0)?;
        if count >= IN_FORCE_MAX {
            return Err(EnrolError::Full(format!(
                "{IN_FORCE_MAX} certificates of this gateway are in force; revoke old ones"
            )));
        }
        let wanted = Wanted { name: gateway, role: Role::Gateway, hosts: &[], from: now, days };
        let issued = ca.sign_request(request, &wanted).map_err(|e| EnrolError::Request(format!("{e:#}")))?;
        insert(&mut writing, (gateway, Role::Gateway), &issued, now).await?;
        let detail = json!({ "serial": issued.serial, "before": serial });
        audit::append(&mut writing, &Actor::program(), "gateway.renew", gateway, &detail, now).await?;
        writing.commit().await?;
        Ok(kept(gateway, Role::Gateway, issued))
    }

    /// Records a certificate made at the command line.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn record(&self, name: &str, role: Role, issued: &Issued, now: At) -> Result<(), EnrolError> {
        let mut writing = self.store.begin().await?;
        insert(&mut writing, (name, role), issued, now).await?;
        let detail = json!({ "serial": issued.serial, "role": role.name() });
        audit::append(&mut writing, &Actor::program(), "certificate.issue", name, &detail, now).await?;
        writing.commit().await?;
        Ok(())
    }

    /// Revokes one certificate by its serial number, or all of a name; returns how many, and ends the
    /// codes of that name.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn revoke(&self, of: &str, reason: &str, now: At) -> Result<u64, EnrolError> {
        let mut writing = self.store.begin().await?;
        let done = sqlx::query(
            "UPDATE certificates SET revoked_us = $1, reason = $2 WHERE (serial = $3 OR name = $3) AND revoked_us IS NULL",
        )
        .bind(now.micros())
        .bind(reason)
        .bind(of)
        .execute(&mut *writing)
        .await?
        .rows_affected();
        sqlx::query("DELETE FROM enrol_codes WHERE gateway = $1").bind(of).execute(&mut *writing).await?;
        let detail = json!({ "reason": reason, "certificates": done });
        audit::append(&mut writing, &Actor::program(), "certificate.revoke", of, &detail, now).await?;
        writing.commit().await?;
        Ok(done)
    }

    /// Serial numbers an authority revoked, and when; ended ones are left out after they ended.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn revoked(&self, authority: Authority, now: At) -> Result<Vec<(String, At)>, StoreError> {
        let rows = sqlx::query(
            "SELECT serial, revoked_us FROM certificates WHERE authority = $1 AND revoked_us IS NOT NULL \
             AND ends_us > $2 ORDER BY serial",
        )
        .bind(authority.name())
        .bind(now.micros())
        .fetch_all(self.store.reader())
        .await?;
        rows.iter().map(|row| Ok((row.text(0)?, At(row.int(1)?)))).collect()
    }

    /// Every certificate in force or revoked, the newest of a name first.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn all(&self) -> Result<Vec<Certificate>, StoreError> {
        let text = format!("SELECT {COLUMNS} FROM certificates ORDER BY name, created_us DESC");
        let rows = sqlx::query(sqlx::AssertSqlSafe(text)).fetch_all(self.store.reader()).await?;
        Ok(rows.iter().map(certificate).collect::<Result<_, _>>()?)
    }

    /// The end of each name's newest certificate in force.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn ends(&self, now: At) -> Result<Vec<(String, At)>, StoreError> {
        let rows = sqlx::query(
            "SELECT name, MAX(ends_us) FROM certificates WHERE revoked_us IS NULL GROUP BY name \
             HAVING MAX(ends_us) > $1 ORDER BY name",
        )
        // Those that ended long ago belong to machines that are gone.
        .bind(now.plus_millis(-90 * 24 * HOUR_MS).micros())
        .fetch_all(self.store.reader())
        .await?;
        rows.iter().map(|row| Ok((row.text(0)?, At(row.int(1)?)))).collect()
    }
}

fn kept(name: &str, role: Role, issued: Issued) -> Certificate {
    Certificate {
        serial: issued.serial,
        name: name.to_owned(),
        role: role.name().to_owned(),
        public_key: issued.public_key,
        pem: issued.pem,
        ends: issued.ends,
        revoked: None,
    }
}

async fn by_key(
    connection: &mut AnyConnection,
    authority: Authority,
    public_key: &str,
) -> Result<Option<Certificate>, sqlx::Error> {
    let text = format!("SELECT {COLUMNS} FROM certificates WHERE authority = $1 AND public_key = $2");
    let row = sqlx::query(sqlx::AssertSqlSafe(text))
        .bind(authority.name())
        .bind(public_key)
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(certificate).transpose()
}

async fn insert(
    connection: &mut AnyConnection,
    (name, role): (&str, Role),
    issued: &Issued,
    now: At,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO certificates (serial, name, role, authority, public_key, pem, created_us, ends_us) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(&issued.serial)
    .bind(name)
    .bind(role.name())
    .bind(role.authority().name())
    .bind(&issued.public_key)
    .bind(&issued.pem)
    .bind(now.micros())
    .bind(issued.ends.micros())
    .execute(connection)
    .await?;
    Ok(())
}

impl Registry {
    /// Seconds until tries from this address are looked at again; 0: now.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn wait_seconds(&self, address: &str, now: At) -> Result<i64, EnrolError> {
        let row = sqlx::query("SELECT failures, last_us FROM sign_in_failures WHERE subject = $1")
            .bind(subject(address))
            .fetch_optional(self.store.reader())
            .await?;
        let Some(row) = row else { return Ok(0) };
        let left = left_ms(Count::AccountAtAddress, row.int(0)?, At(row.int(1)?), now);
        Ok((left + 999) / 1_000)
    }

    /// Counts a wrong try, and writes it into the audit trail.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn failed(&self, address: &str, now: At) -> Result<(), EnrolError> {
        let mut writing = self.store.begin().await?;
        count_failure(&mut writing, &subject(address), now).await?;
        let detail = json!({ "address": address });
        audit::append(&mut writing, &Actor::program(), "gateway.enrol_refused", address, &detail, now).await?;
        writing.commit().await?;
        Ok(())
    }
}

/// Wrong tries of gateways and of people from one address are counted apart.
fn subject(address: &str) -> String {
    secret::digest(&format!("enrol {address}"))
}
