//! The `[evidence]` section, and the upkeep it asks for.

use super::routes::EvidenceGate;
use super::shelf::Evidence;
use crate::store::Store;
use anyhow::Context;
use serde::Deserialize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio_util::sync::CancellationToken;

/// How often old evidence is removed.
const TIDY: Duration = Duration::from_secs(600);

/// What is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvidenceConfig {
    /// Folder of the files.
    pub dir: PathBuf,
    /// Folder with one token file per gateway, named like it.
    pub tokens_dir: PathBuf,
    /// Kept this long; `None`: as long as there is room.
    pub keep_days: Option<u32>,
    /// Kept at most this much, MiB.
    pub size_max_mb: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    dir: PathBuf,
    tokens_dir: PathBuf,
    keep_days: Option<u32>,
    size_max_mb: Option<u64>,
}

/// Reads the section; every problem goes to `problems`.
pub fn parse(table: Option<toml::Table>, problems: &mut Vec<String>) -> Option<EvidenceConfig> {
    let raw: Raw = match table?.try_into() {
        Ok(raw) => raw,
        Err(error) => {
            problems.push(format!("evidence: {}", error.to_string().trim()));
            return None;
        }
    };
    let size_max_mb = raw.size_max_mb.unwrap_or(65_536);
    if !(64..=100_000_000).contains(&size_max_mb) {
        problems.push(format!("evidence.size_max_mb: {size_max_mb} must be from 64 to 100000000"));
    }
    let keep_days = Some(raw.keep_days.unwrap_or(400)).filter(|days| *days > 0);
    Some(EvidenceConfig { dir: raw.dir, tokens_dir: raw.tokens_dir, keep_days, size_max_mb })
}

impl EvidenceConfig {
    /// Opens the folder.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn open(&self, store: &Store) -> anyhow::Result<EvidenceGate> {
        let evidence = Evidence::open(&self.dir, self.size_max_mb << 20)
            .with_context(|| format!("evidence.dir {}", self.dir.display()))?;
        Ok(EvidenceGate {
            evidence: Arc::new(evidence),
            tokens_dir: self.tokens_dir.clone(),
            store: store.clone(),
            keep: self.keep_days.map(|days| Duration::from_secs(u64::from(days) * 86_400)),
        })
    }
}

impl EvidenceGate {
    /// Removes what is too old or too much, until `stop`.
    pub async fn keep_up(self, stop: CancellationToken) {
        loop {
            let (evidence, keep) = (Arc::clone(&self.evidence), self.keep);
            let removed = tokio::task::spawn_blocking(move || evidence.tidy(keep, SystemTime::now())).await;
            if let Ok(removed @ 1..) = removed {
                tracing::info!(removed, "evidence removed: too old or too much");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(TIDY) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_the_section_nothing_is_taken_and_a_wrong_one_is_named() {
        let mut problems = Vec::new();
        assert_eq!(parse(None, &mut problems), None);
        let table: toml::Table = "dir = 'a'\ntokens_dir = 'b'\nsize_max_mb = 1".parse().expect("toml");
        assert!(parse(Some(table), &mut problems).is_some());
        assert!(problems[0].starts_with("evidence.size_max_mb"), "{problems:?}");
        let table: toml::Table = "dir = 'a'\ntokens = 'b'".parse().expect("toml");
        assert_eq!(parse(Some(table), &mut problems), None);
    }
}
