//! Who gateways and programs are: certificates, one-time codes, revocation.
//!
//! Invariant: a certificate's common name is the gateway's id, chosen here and never by its owner; a
//! code works once, for one gateway, until its end; whoever is revoked is on the list within a minute.
//! Deliberately absent: people (`people`), and the broker's rights (`deploy/mosquitto`).

mod authority;
pub mod command;
mod registry;
mod routes;
mod upkeep;

pub use authority::{Authority, Ca, Issued, Role, Wanted, fingerprint};
pub use registry::{Certificate, EnrolError, Registry};
pub use routes::{Gate, routes};
pub use upkeep::run as keep_up;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Largest key, token or password file.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// A file that holds a secret.
#[derive(Debug)]
pub struct SecretFile;

impl SecretFile {
    /// Reads it; refuses one that everybody may read, or others may write.
    ///
    /// # Errors
    /// Says the file, its mode and what to do.
    pub fn read(file: &Path) -> Result<String> {
        SecretFile::check(file)?;
        std::fs::read_to_string(file).with_context(|| file.display().to_string())
    }

    /// Looks only at its size and mode.
    ///
    /// # Errors
    /// As [`SecretFile::read`].
    pub fn check(file: &Path) -> Result<()> {
        let data = std::fs::metadata(file).with_context(|| file.display().to_string())?;
        ensure!(data.len() <= SECRET_BYTES_MAX, "{}: larger than any key", file.display());
        let mode = data.permissions().mode() & 0o7777;
        ensure!(
            mode & 0o027 == 0,
            "{}: mode {mode:04o} lets others read it or write it; chmod 0600 (or 0640 with a group of its own)",
            file.display()
        );
        Ok(())
    }
}

/// What is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityConfig {
    /// Folder of the two authorities.
    pub dir: PathBuf,
    /// How long a gateway's certificate lives, days.
    pub gateway_days: u32,
    /// The broker as gateways reach it, told to them when they enrol.
    pub broker_url: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    dir: PathBuf,
    gateway_days: Option<u32>,
    broker_url: String,
}

/// Reads the section `[identity]`; every problem goes to `problems`.
pub fn parse(table: Option<toml::Table>, problems: &mut Vec<String>) -> Option<IdentityConfig> {
    let raw: Raw = match table?.try_into() {
        Ok(raw) => raw,
        Err(error) => {
            problems.push(format!("identity: {}", error.to_string().trim()));
            return None;
        }
    };
    let gateway_days = raw.gateway_days.unwrap_or(365);
    if !(7..=3_650).contains(&gateway_days) {
        problems.push(format!("identity.gateway_days: {gateway_days} must be from 7 to 3650"));
    }
    match crate::broker::BrokerAddress::parse(&raw.broker_url) {
        Ok(address) if address.tls => {}
        Ok(_) => problems.push("identity.broker_url: certificates need TLS; it must be mqtts://".to_owned()),
        Err(why) => problems.push(format!("identity.broker_url: {why}")),
    }
    Some(IdentityConfig { dir: raw.dir, gateway_days, broker_url: raw.broker_url })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_section_is_checked_as_a_whole() {
        let mut problems = Vec::new();
        assert_eq!(parse(None, &mut problems), None);
        let table: toml::Table = "dir='a'\ngateway_days=1\nbroker_url='mqtt://b'".parse().expect("toml");
        assert!(parse(Some(table), &mut problems).is_some());
        assert!(problems[0].starts_with("identity.gateway_days") && problems[1].starts_with("identity.broker_url"));
    }

    #[test]
    fn a_secret_for_a_group_of_its_own_is_read_and_a_public_one_refused() {
        let dir = tempfile::tempdir().expect("folder");
        let file = dir.path().join("key");
        std::fs::write(&file, "secret").expect("written");
        for (mode, good) in [(0o600, true), (0o400, true), (0o640, true), (0o644, false), (0o660, false)] {
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).expect("chmod");
            assert_eq!(SecretFile::read(&file).is_ok(), good, "{mode:o}");
        }
    }
}
