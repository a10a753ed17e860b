//! The `[regulator]` section: platforms, their mapping files and ways out.

use super::mapping::Mapping;
use crate::notify::config::{Secret, SecretUrl};
use crate::notify::guard::Guard;
use minewatch_domain::GatewayId;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// Platforms in one configuration.
const PLATFORMS_MAX: usize = 20;

/// How packages leave.
#[derive(Debug, Clone)]
pub enum Delivery {
    /// Into a folder; each file appears at once and whole.
    Folder(PathBuf),
    /// By POST.
    Http {
        /// Where to.
        url: SecretUrl,
        /// `Authorization: Bearer`.
        token: Option<Secret>,
    },
}

/// A platform that is exported to.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct Platform {
    pub name: String,
    pub mapping: Mapping,
    pub every: Duration,
    pub delivery: Delivery,
}

/// Everything about exports that is configured.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs)]
pub struct RegulatorConfig {
    pub platforms: Vec<Platform>,
    pub guard: Arc<Guard>,
    pub ca: Option<Vec<u8>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Raw {
    platform: Vec<RawPlatform>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawPlatform {
    name: String,
    mapping: PathBuf,
    every_s: Option<u64>,
    folder: Option<PathBuf>,
    url: Option<String>,
    token_file: Option<PathBuf>,
}

/// Reads the section; every problem goes to `problems`. Addresses are checked like those of
/// notification channels, with the same networks allowed.
pub fn parse(
    table: Option<toml::Table>,
    (guard, ca): (Arc<Guard>, Option<Vec<u8>>),
    problems: &mut Vec<String>,
) -> RegulatorConfig {
    let Some(table) = table else { return RegulatorConfig { platforms: Vec::new(), guard, ca } };
    let raw: Raw = match table.try_into() {
        Ok(raw) => raw,
        Err(error) => {
            problems.push(format!("regulator: {}", error.to_string().trim()));
            return RegulatorConfig::default();
        }
    };
    if raw.platform.len() > PLATFORMS_MAX {
        problems.push(format!("regulator.platform: {} are more than {PLATFORMS_MAX}", raw.platform.len()));
    }
    let mut names = BTreeSet::new();
    let mut platforms = Vec::new();
    for (index, raw) in raw.platform.into_iter().take(PLATFORMS_MAX).enumerate() {
        let at = format!("regulator.platform[{index}] {:?}", raw.name);
        if GatewayId::parse(&raw.name).is_err() {
            problems.push(format!("{at}: name: must be 1 to 64 of a-z, 0-9, '-', '_', '.'"));
        }
        if !names.insert(raw.name.clone()) {
            problems.push(format!("{at}: name: is there twice"));
        }
        platforms.extend(platform(raw, &guard, &at, problems));
    }
    RegulatorConfig { platforms, guard, ca }
}

fn platform(raw: RawPlatform, guard: &Guard, at: &str, problems: &mut Vec<String>) -> Option<Platform> {
    let mapping = match std::fs::read_to_string(&raw.mapping) {
        Ok(text) => match Mapping::parse(&text) {
            Ok(mapping) => Some(mapping),
            Err(all) => {
                problems.extend(all.iter().map(|p| format!("{at}: {}: {p}", raw.mapping.display())));
                None
            }
        },
        Err(error) => {
            problems.push(format!("{at}: mapping: {}: {error}", raw.mapping.display()));
            None
        }
    };
    let token = raw.token_file.as_ref().and_then(|file| match std::fs::read_to_string(file) {
        Ok(text) => Some(Secret(text.trim().to_owned())),
        Err(error) => {
            problems.push(format!("{at}: token_file: {}: {error}", file.display()));
            None
        }
    });
    let delivery = match (raw.folder, raw.url) {
        (Some(folder), None) => {
            if !folder.is_dir() {
                problems.push(format!("{at}: folder: {} is not a folder", folder.display()));
            }
            Some(Delivery::Folder(folder))
        }
        (None, Some(url)) => {
            match Url::parse(&url).map_err(|e| e.to_string()).and_then(|u| guard.url(&u).map(|()| u)) {
                Ok(url) => Some(Delivery::Http { url: SecretUrl(url), token }),
                Err(why) => {
                    problems.push(format!("{at}: url: {why}"));
                    None
                }
            }
        }
        (Some(_), Some(_)) | (None, None) => {
            problems.push(format!("{at}: give exactly one of folder and url"));
            None
        }
    };
    let every = Duration::from_secs(raw.every_s.unwrap_or(60));
    if every.is_zero() || every > Duration::from_secs(86_400) {
        problems.push(format!("{at}: every_s: must be 1 to 86400"));
    }
    Some(Platform { name: raw.name, mapping: mapping?, every, delivery: delivery? })
}
