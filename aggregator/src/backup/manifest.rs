//! What a backup says about itself.

use super::data_name;
use crate::store::Dialect;
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;

/// Its name.
const NAME: &str = "manifest.json";
const FORMAT: u32 = 1;

/// What was counted in the store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// Highest schema step.
    pub(super) schema: i64,
    /// Rows by table.
    pub(super) rows: BTreeMap<String, i64>,
}

/// Tables that are counted: what must never be short. Readings are too many to count twice.
pub(super) const COUNTED: [&str; 5] = ["streams", "alarms", "gaps", "people", "audit"];

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    format: u32,
    program: String,
    store: String,
    pub(super) taken: String,
    pub(super) schema: i64,
    rows: BTreeMap<String, i64>,
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

fn hash(file: &Path) -> Result<(u64, String)> {
    let mut opened = fs::File::open(file).with_context(|| file.display().to_string())?;
    let (mut hasher, mut buffer, mut bytes) = (Sha256::new(), vec![0; 1 << 20], 0);
    loop {
        match opened.read(&mut buffer)? {
            0 => return Ok((bytes, crate::audit::hex(&hasher.finalize()))),
            read => {
                hasher.update(&buffer[..read]);
                bytes += read as u64;
            }
        }
    }
}

impl Manifest {
    pub(super) fn of(dialect: Dialect, data: &Path, facts: Facts) -> Result<Manifest> {
        let (bytes, sha256) = hash(data)?;
        Ok(Manifest {
            format: FORMAT,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            store: dialect.name().to_owned(),
            taken: crate::clock::text(crate::clock::now()),
            schema: facts.schema,
            rows: facts.rows,
            bytes,
            sha256,
        })
    }

    /// Written last and as a whole: without it there is no backup.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        let part = folder.join("manifest.part");
        fs::write(&part, serde_json::to_string_pretty(self)?)?;
        fs::File::open(&part)?.sync_all()?;
        fs::rename(part, folder.join(NAME))?;
        fs::File::open(folder)?.sync_all()?;
        Ok(())
    }

    pub(super) fn read(folder: &Path) -> Result<Manifest> {
        let file = folder.join(NAME);
        let text = fs::read_to_string(&file).with_context(|| format!("{}: not a whole backup", file.display()))?;
        let manifest: Manifest = serde_json::from_str(&text).with_context(|| file.display().to_string())?;
        ensure!(manifest.format == FORMAT, "{}: format {} is not known here", file.display(), manifest.format);
        Ok(manifest)
    }

    pub(super) fn dialect(&self) -> Dialect {
        match self.store == Dialect::Postgres.name() {
            true => Dialect::Postgres,
            false => Dialect::Sqlite,
        }
    }

    pub(super) fn facts(&self) -> Facts {
        Facts { schema: self.schema, rows: self.rows.clone() }
    }

    pub(super) fn rows(&self) -> i64 {
        self.rows.values().sum()
    }

    pub(super) fn check_file(&self, data: &Path) -> Result<()> {
        let (bytes, sha256) = hash(data)?;
        ensure!(
            bytes == self.bytes && sha256 == self.sha256,
            "{} is damaged: {bytes} bytes, SHA-256 {sha256}; taken were {} bytes, {}",
            data_name(self.dialect()),
            self.bytes,
            self.sha256
        );
        Ok(())
    }
}
