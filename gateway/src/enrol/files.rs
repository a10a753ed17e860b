//! The identity folder: `pending.key` while asking, then `SERIAL/` with key, certificate and
//! authority, and the link `current` to the one in force.

use super::ask::Given;
use anyhow::{Context, Result, ensure};
use base64::Engine;
use rcgen::{CertificateParams, DistinguishedName, KeyPair, SigningKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Largest key or certificate file read.
const FILE_BYTES_MAX: u64 = 64 * 1024;
/// Identities kept beside the one in force, to look at.
const OLD_MAX: usize = 3;

/// Who we are; `current/identity.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Gateway id: the certificate's name.
    pub gateway: String,
    /// Serial number of the certificate.
    pub serial: String,
    /// When it ends, RFC 3339.
    pub ends: String,
    /// The same, microseconds since 1970.
    pub ends_us: i64,
    /// How long it was good when it came, microseconds.
    pub life_us: i64,
    /// Where it is renewed.
    pub url: String,
    /// The broker.
    pub broker_url: String,
}

impl Identity {
    /// The identity beside a certificate file, where it came by enrolment.
    pub fn beside(cert_file: &Path) -> Option<Identity> {
        let text = fs::read_to_string(cert_file.with_file_name("identity.json")).ok()?;
        serde_json::from_str(&text).ok()
    }
}

/// The folder.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

/// Reads a file with a secret; refuses one that everybody may read, or others may write.
///
/// # Errors
/// Says the file, its mode and what to do.
pub fn secret_file(file: &Path) -> Result<String> {
    let data = fs::metadata(file).with_context(|| file.display().to_string())?;
    ensure!(data.len() <= FILE_BYTES_MAX, "{}: larger than any key", file.display());
    let mode = data.permissions().mode() & 0o7777;
    ensure!(mode & 0o027 == 0, "{}: mode {mode:04o} lets others read it or write it; chmod 0600", file.display());
    fs::read_to_string(file).with_context(|| file.display().to_string())
}

fn write_new(file: &Path, mode: u32, text: &str) -> Result<()> {
    let mut opened = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(file)?;
    opened.write_all(text.as_bytes())?;
    opened.sync_all()?;
    Ok(())
}

impl Folder {
    pub(super) fn open(dir: &Path) -> Result<Folder> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).with_context(|| dir.display().to_string())?;
        Ok(Folder(dir.canonicalize()?))
    }

    fn current(&self) -> PathBuf {
        self.0.join("current")
    }

    /// The key that asks for a certificate, the same until it has one, and its request.
    pub(super) fn pending_key(&self) -> Result<(String, String)> {
        let file = self.0.join("pending.key");
        let pair = match file.exists() {
            true => KeyPair::from_pem(&secret_file(&file)?).with_context(|| file.display().to_string())?,
            false => {
                let pair = KeyPair::generate()?;
                write_new(&file, 0o600, &pair.serialize_pem()).with_context(|| file.display().to_string())?;
                pair
            }
        };
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        let request = params.serialize_request(&pair)?.pem()?;
        Ok((pair.serialize_pem(), request))
    }

    /// Puts a new identity in force.
    pub(super) fn take(&self, key: &str, given: Given, url: &str) -> Result<Identity> {
        let slug =
            !given.serial.is_empty() && given.serial.len() <= 64 && given.serial.bytes().all(|b| b.is_ascii_hexdigit());
        ensure!(slug, "headquarters answered with the serial number {:?}; nothing was changed", given.serial);
        let life_us = given.ends_us.saturating_sub(crate::clock::wall().micros());
        let identity = Identity {
            gateway: given.gateway,
            serial: given.serial,
            ends: given.ends,
            ends_us: given.ends_us,
            life_us,
            url: url.to_owned(),
            broker_url: given.broker.url,
        };
        let folder = self.0.join(&identity.serial);
        // What an earlier try left half-made.
        let _ = fs::remove_dir_all(&folder);
        fs::DirBuilder::new().mode(0o700).create(&folder)?;
        write_new(&folder.join("gateway.key"), 0o600, key)?;
        write_new(&folder.join("gateway.pem"), 0o644, &given.certificate)?;
        write_new(&folder.join("ca.pem"), 0o644, &given.ca)?;
        write_new(&folder.join("identity.json"), 0o644, &serde_json::to_string_pretty(&identity)?)?;
        fs::File::open(&folder)?.sync_all()?;
        let link = self.0.join("current.new");
        let _ = fs::remove_file(&link);
        std::os::unix::fs::symlink(&identity.serial, &link)?;
        fs::rename(&link, self.current())?;
        fs::remove_file(self.0.join("pending.key"))?;
        fs::File::open(&self.0)?.sync_all()?;
        self.tidy(&identity.serial);
        Ok(identity)
    }

    /// Old identities go, the oldest first; failing to remove one costs nothing.
    fn tidy(&self, in_force: &str) {
        let Ok(entries) = fs::read_dir(&self.0) else { return };
        let folders =
            entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_dir() && !path.is_symlink());
        let mut old: Vec<_> = folders.filter(|path| !path.ends_with(in_force)).collect();
        old.sort_by_key(|path| fs::metadata(path).and_then(|data| data.modified()).ok());
        let surplus = old.len().saturating_sub(OLD_MAX);
        old.iter().take(surplus).for_each(|path| drop(fs::remove_dir_all(path)));
    }

    /// Who we are.
    pub(super) fn identity(&self) -> Result<Identity> {
        let file = self.current().join("identity.json");
        let text = fs::read_to_string(&file).with_context(|| format!("{}: enrol first", file.display()))?;
        serde_json::from_str(&text).with_context(|| file.display().to_string())
    }

    /// Headquarters' authority.
    pub(super) fn authority(&self) -> Result<Vec<u8>> {
        let file = self.current().join("ca.pem");
        fs::read(&file).with_context(|| file.display().to_string())
    }

    /// Signs a request with the key in force (base64 of ECDSA P-256, ASN.1).
    pub(super) fn sign_renewal(&self, identity: &Identity, request: &str) -> Result<String> {
        let pair = KeyPair::from_pem(&secret_file(&self.current().join("gateway.key"))?)?;
        let hash: String = Sha256::digest(request).iter().map(|byte| format!("{byte:02x}")).collect();
        let text = format!("minewatch-renew-v1\n{}\n{}\n{hash}\n", identity.gateway, identity.serial);
        Ok(base64::engine::general_purpose::STANDARD.encode(pair.sign(text.as_bytes())?))
    }

    /// What the site file needs.
    pub(super) fn uplink(&self, identity: &Identity) -> String {
        let at = self.current();
        format!(
            "[uplink]\nurl = \"{}\"\nca_file = \"{}\"\ncert_file = \"{}\"\nkey_file = \"{}\"",
            identity.broker_url,
            at.join("ca.pem").display(),
            at.join("gateway.pem").display(),
            at.join("gateway.key").display()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::enrol::ask::Broker;

    fn given(serial: &str) -> Given {
        Given {
            gateway: "gw-1".into(),
            serial: serial.into(),
            certificate: "certificate".into(),
            ca: "authority".into(),
            ends: "2027-01-01T00:00:00.000Z".into(),
            ends_us: 1_800_000_000_000_000,
            broker: Broker { url: "mqtts://b".into() },
        }
    }

    #[test]
    fn a_key_waits_for_its_certificate_and_both_come_into_force_together() {
        let dir = tempfile::tempdir().expect("folder");
        let folder = Folder::open(dir.path()).expect("open");
        let (key, request) = folder.pending_key().expect("key");
        assert_eq!(folder.pending_key().expect("again").0, key, "a lost answer costs nothing");
        assert!(request.contains("CERTIFICATE REQUEST"));
        folder.take(&key, given("0a"), "https://hq").expect("taken");
        assert_eq!(secret_file(&dir.path().join("current/gateway.key")).expect("key"), key);
        assert_eq!(folder.identity().expect("identity").serial, "0a");
        let (next, _) = folder.pending_key().expect("next");
        assert_ne!(next, key, "a new certificate has a new key");
        for serial in ["0b", "0c", "0d", "0e", "0f"] {
            let (key, _) = folder.pending_key().expect("key");
            folder.take(&key, given(serial), "https://hq").expect("taken");
        }
        assert_eq!(folder.identity().expect("identity").serial, "0f");
        let kept = fs::read_dir(dir.path()).expect("list").count();
        assert_eq!(kept, 1 + 1 + OLD_MAX, "the link, the one in force and some old ones");
    }

    #[test]
    fn a_serial_number_that_is_a_path_is_refused() {
        let dir = tempfile::tempdir().expect("folder");
        let folder = Folder::open(dir.path()).expect("open");
        let (key, _) = folder.pending_key().expect("key");
        assert!(folder.take(&key, given("../x"), "https://hq").is_err());
        assert!(folder.identity().is_err());
    }
}
