//! Secrets that must be known to be checked (TOTP), sealed before they are stored: AES-256-GCM.
//!
//! Invariant: whoever reads the database, or a backup of it, learns none of them without the key
//! file, which is not in it. A sealed text is bound to its owner, so it cannot be moved to another
//! row. The store keeps the name of the key, so that a second aggregator with a key of its own is
//! told to take the first one's instead of spoiling secrets.

use super::service::{People, PeopleError};
use super::write_secret;
use crate::store::{Columns, StoreError};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use sha2::{Digest, Sha256};
use sqlx::AnyConnection;
use std::path::Path;

/// What a sealed text begins with; the hexadecimal text of an unsealed one never does.
const MARK: &str = "v1:";
/// Bytes of the key.
const KEY_BYTES: usize = 32;

/// Seals and opens.
pub(crate) struct Sealer {
    key: LessSafeKey,
    /// A name of the key that does not tell it.
    id: i64,
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sealer").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Sealer {
    fn of(bytes: &[u8]) -> Option<Sealer> {
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, bytes).ok()?);
        let name = Sha256::digest([b"minewatch-seal-v1".as_slice(), bytes].concat());
        let id = i64::from_be_bytes(name[..8].try_into().ok()?);
        Some(Sealer { key, id })
    }

    /// Opens the key in `file`, or makes it there (mode 0600) when there is none.
    ///
    /// # Errors
    /// When the file cannot be read or made, or is no key.
    pub(crate) fn open(file: &Path) -> std::io::Result<Sealer> {
        let bytes = match std::fs::read(file) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let made: [u8; KEY_BYTES] = rand::random();
                write_secret(file, &made)?;
                made.to_vec()
            }
            Err(error) => return Err(error),
        };
        let why = format!("not a key: {} bytes instead of {KEY_BYTES}", bytes.len());
        Sealer::of(&bytes).ok_or_else(|| std::io::Error::other(why))
    }

    /// Seals what belongs to `owner`.
    pub(super) fn seal(&self, owner: &str, secret: &[u8]) -> Option<String> {
        let nonce: [u8; NONCE_LEN] = rand::random();
        let mut text = secret.to_vec();
        let aad = Aad::from(owner.as_bytes());
        self.key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut text).ok()?;
        Some(format!("{MARK}{}", STANDARD_NO_PAD.encode([nonce.as_slice(), &text].concat())))
    }

    /// Opens what was sealed for `owner` with this key.
    pub(super) fn unseal(&self, owner: &str, sealed: &str) -> Option<Vec<u8>> {
        let bytes = STANDARD_NO_PAD.decode(sealed.strip_prefix(MARK)?).ok()?;
        let (nonce, text) = bytes.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut text = text.to_vec();
        Some(self.key.open_in_place(nonce, Aad::from(owner.as_bytes()), &mut text).ok()?.to_vec())
    }
}

/// Who sealed what is in the store; `None`: nothing is sealed yet.
async fn sealed_by(connection: &mut AnyConnection) -> Result<Option<i64>, StoreError> {
    let row = sqlx::query("SELECT number FROM meta WHERE name = 'seal_key'").fetch_optional(connection).await?;
    Ok(row.map(|row| row.int(0)).transpose()?)
}

impl People {
    fn foreign() -> PeopleError {
        PeopleError::Impossible(
            "second factors of this store are sealed with another key file; copy minewatch.secret-key from the \
             aggregator that made it (people.secret_key_file)"
                .to_owned(),
        )
    }

    /// Seals a secret in the caller's transaction; the first one names the key for every aggregator.
    pub(super) async fn sealed(
        &self,
        connection: &mut AnyConnection,
        owner: &str,
        secret: &[u8],
    ) -> Result<String, PeopleError> {
        sqlx::query("INSERT INTO meta (name, number) VALUES ('seal_key', $1) ON CONFLICT (name) DO NOTHING")
            .bind(self.sealer.id)
            .execute(&mut *connection)
            .await?;
        if sealed_by(connection).await? != Some(self.sealer.id) {
            return Err(People::foreign());
        }
        self.sealer.seal(owner, secret).ok_or(PeopleError::Busy)
    }

    /// The secret in a stored text.
    pub(super) fn unsealed(&self, owner: &str, stored: Option<&str>) -> Result<Vec<u8>, PeopleError> {
        match stored {
            None => Ok(Vec::new()),
            Some(sealed) => self.sealer.unseal(owner, sealed).ok_or_else(People::foreign),
        }
    }

    /// Seals what an older program stored in the clear; says how many.
    ///
    /// # Errors
    /// When the store does not answer. Another key is only logged: everything else works without it.
    pub async fn seal_all(&self) -> Result<usize, PeopleError> {
        let mut writing = self.store.begin().await?;
        if sealed_by(&mut writing).await?.is_some_and(|id| id != self.sealer.id) {
            tracing::error!(error = %People::foreign(), "second factors cannot be checked here");
            return Ok(0);
        }
        let rows = sqlx::query("SELECT person, totp_secret FROM people WHERE totp_secret IS NOT NULL")
            .fetch_all(&mut *writing)
            .await?;
        let mut sealed = 0;
        for row in &rows {
            let (person, stored) = (row.text(0)?, row.text(1)?);
            if stored.starts_with(MARK) {
                continue;
            }
            let text = self.sealed(&mut writing, &person, &unhex(&stored)).await?;
            sqlx::query("UPDATE people SET totp_secret = $1 WHERE person = $2")
                .bind(text)
                .bind(&person)
                .execute(&mut *writing)
                .await?;
            sealed += 1;
        }
        writing.commit().await?;
        Ok(sealed)
    }
}

fn unhex(text: &str) -> Vec<u8> {
    let byte = |at: usize| text.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    (0..text.len() / 2).filter_map(|at| byte(at * 2)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::hex;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_sealed_secret_opens_only_for_its_owner_with_its_key() {
        let folder = tempfile::tempdir().expect("folder");
        let file = folder.path().join("key");
        let ours = Sealer::open(&file).expect("made");
        let mode = std::fs::metadata(&file).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let sealed = ours.seal("li", b"twenty secret bytes!").expect("sealed");
        assert!(sealed.starts_with(MARK) && !sealed.contains("secret"), "{sealed}");
        assert_ne!(ours.seal("li", b"twenty secret bytes!").expect("sealed"), sealed, "no nonce twice");
        let again = Sealer::open(&file).expect("opened");
        assert_eq!(again.unseal("li", &sealed).as_deref(), Some(b"twenty secret bytes!".as_slice()));
        assert_eq!(again.unseal("wang", &sealed), None, "another owner");
        let other = Sealer::open(&folder.path().join("other")).expect("made");
        assert_eq!(other.unseal("li", &sealed), None, "another key");
        for broken in ["", "v1:", "v1:AAAA", "v1:%%%", &hex(b"twenty secret bytes!"), &sealed[..sealed.len() - 1]] {
            assert_eq!(again.unseal("li", broken), None, "{broken}");
        }
        std::fs::write(&file, "short").expect("written");
        assert!(Sealer::open(&file).is_err());
    }
}
