//! The signed head: what the chain was at a time, under a key the database does not hold.
//!
//! Invariant: whoever cuts the tail of the trail, or rewrites all of it, contradicts a head that
//! was signed before and has left this machine over MQTT. The private key never leaves its file.

use super::chain::hex;
use crate::clock;
use crate::hq::Board;
use crate::people::write_secret;
use crate::store::{Store, StoreError};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use minewatch_domain::At;
use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often the head is looked at.
const LOOK: Duration = Duration::from_secs(2);
/// An unchanged head is signed again after this long, so that its age says whether we still run.
const AGAIN_MS: i64 = 300_000;
/// Largest key or head file read.
const FILE_BYTES_MAX: u64 = 16 * 1024;

/// A head and its signature, as published and kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedHead {
    /// Position of the last entry.
    pub seq: i64,
    /// Its hash.
    pub hash: String,
    /// When it was signed, RFC 3339.
    pub at: String,
    /// Public key, base64 of 32 bytes.
    pub key: String,
    /// Ed25519 over [`SignedHead::signed`], base64.
    pub signature: String,
}

impl SignedHead {
    /// The bytes that are signed.
    pub fn signed(&self) -> String {
        format!("minewatch-audit-head-v1\n{}\n{}\n{}\n", self.seq, self.hash, self.at)
    }

    /// Whether the signature is that of `key` (base64), or of its own key when none is given.
    pub fn verifies(&self, key: Option<&str>) -> bool {
        key.is_none_or(|key| key.trim() == self.key) && attested(&self.key, &self.signed(), &self.signature)
    }
}

/// Whether a statement was signed by the owner of `key` (both base64).
pub fn attested(key: &str, statement: &str, signature: &str) -> bool {
    let (Ok(key), Ok(signature)) = (STANDARD.decode(key), STANDARD.decode(signature)) else { return false };
    UnparsedPublicKey::new(&ED25519, key).verify(statement.as_bytes(), &signature).is_ok()
}

/// The signer.
pub struct Signer {
    pair: Ed25519KeyPair,
    heads: PathBuf,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").field("key", &self.public()).finish_non_exhaustive()
    }
}

fn read(file: &Path) -> std::io::Result<Vec<u8>> {
    if std::fs::metadata(file)?.len() > FILE_BYTES_MAX {
        return Err(std::io::Error::other("larger than any key or head"));
    }
    std::fs::read(file)
}

impl Signer {
    /// Opens the key in `file`, or makes it there (mode 0600) when there is none; the public key and
    /// the newest head are kept beside it.
    ///
    /// # Errors
    /// When the file cannot be read or made, or is no key.
    pub fn open(file: &Path) -> std::io::Result<Signer> {
        let bytes = match read(file) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let made = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())
                    .map_err(|_| std::io::Error::other("no randomness"))?;
                write_secret(file, made.as_ref())?;
                made.as_ref().to_vec()
            }
            Err(error) => return Err(error),
        };
        let no_key = |error: ring::error::KeyRejected| std::io::Error::other(format!("not an Ed25519 key: {error}"));
        let pair = Ed25519KeyPair::from_pkcs8(&bytes).map_err(no_key)?;
        let signer = Signer { pair, heads: head_file(file) };
        std::fs::write(file.with_extension("pub"), format!("{}\n", signer.public()))?;
        Ok(signer)
    }

    /// The public key, base64.
    pub fn public(&self) -> String {
        STANDARD.encode(self.pair.public_key().as_ref())
    }

    /// Signs a head.
    pub fn sign(&self, seq: i64, hash: String, at: At) -> SignedHead {
        let head = SignedHead { seq, hash, at: clock::text(at), key: self.public(), signature: String::new() };
        SignedHead { signature: self.attest(&head.signed()), ..head }
    }

    /// Signs a statement; it says itself what it is about, so that no signature fits another purpose.
    pub fn attest(&self, statement: &str) -> String {
        STANDARD.encode(self.pair.sign(statement.as_bytes()).as_ref())
    }

    /// Keeps the newest head in a file, replaced as a whole.
    fn keep(&self, head: &SignedHead) -> std::io::Result<()> {
        let part = self.heads.with_extension("part");
        let mut file = std::fs::File::create(&part)?;
        file.write_all(serde_json::to_string(head)?.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&part, &self.heads)
    }

    /// Signs and publishes the head until told to stop: whenever it moved, and every five minutes.
    pub async fn run(self: Arc<Self>, store: Store, board: Board, stop: CancellationToken) {
        let mut last: Option<(i64, String, At)> = None;
        loop {
            match super::head(&store).await {
                Ok((seq, hash)) => self.publish(seq, hash, &mut last, &board),
                Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "audit head not readable"),
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    fn publish(&self, seq: i64, hash: String, last: &mut Option<(i64, String, At)>, board: &Board) {
        let now = clock::now();
        let same = |(s, h, at): &(i64, String, At)| *s == seq && *h == hash && now.millis_since(*at).abs() < AGAIN_MS;
        if last.as_ref().is_some_and(same) {
            return;
        }
        if let Some((before, ..)) = last.as_ref().filter(|(before, ..)| *before > seq) {
            tracing::error!(before, seq, "the audit trail became shorter; its old head stays published");
            return;
        }
        let head = self.sign(seq, hash.clone(), now);
        if let Err(error) = self.keep(&head) {
            tracing::warn!(error = %error, "signed audit head not kept on disk");
        }
        board.audit(serde_json::to_value(&head).unwrap_or_default());
        *last = Some((seq, hash, now));
    }
}

/// Where the newest head of a key is kept.
pub fn head_file(key: &Path) -> PathBuf {
    key.with_extension("head.json")
}

/// Reads a head: bare, or as the `data` of the CloudEvent that MQTT carries.
///
/// # Errors
/// When the file is not readable or holds no head.
pub fn read_head(file: &Path) -> Result<SignedHead, StoreError> {
    let bytes = read(file)?;
    let value: serde_json::Value = serde_json::from_slice(&bytes).map_err(std::io::Error::from)?;
    let value = value.get("data").cloned().unwrap_or(value);
    Ok(serde_json::from_value(value).map_err(std::io::Error::from)?)
}

/// A short name of a key.
pub fn key_id(key: &str) -> String {
    use sha2::{Digest, Sha256};
    hex(&Sha256::digest(key.trim()))[..16].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_head_is_bound_to_its_key_and_to_every_field() {
        let folder = tempfile::tempdir().expect("folder");
        let file = folder.path().join("audit.key");
        let signer = Signer::open(&file).expect("made");
        let mode = std::fs::metadata(&file).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let head = signer.sign(7, "ab".repeat(32), At(0));
        assert!(head.verifies(None) && head.verifies(Some(&signer.public())));
        assert_eq!(Signer::open(&file).expect("opened").public(), signer.public());
        for other in [
            SignedHead { seq: 6, ..head.clone() },
            SignedHead { hash: "cd".repeat(32), ..head.clone() },
            SignedHead { at: clock::text(At(1_000)), ..head.clone() },
        ] {
            assert!(!other.verifies(None), "{other:?}");
        }
        let stranger = Signer::open(&folder.path().join("other.key")).expect("made");
        assert!(!stranger.sign(7, "ab".repeat(32), At(0)).verifies(Some(&signer.public())));
    }
}
