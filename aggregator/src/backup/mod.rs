//! Backups: taken while the aggregator runs, consistent, checked, and put back on an empty machine.
//!
//! Invariant: a backup is whole or not there (its manifest is written last); a restore never writes
//! over a store that holds something. What was acknowledged after the backup is not lost by that:
//! gateways are told what the restored store has and send again what they still hold; the rest
//! becomes `store_restored` gaps. Deliberately absent: schedules (a timer) and remote places (a copy).

mod manifest;
mod postgres;
mod sqlite;

use crate::config::Config;
use crate::identity::SecretFile;
use crate::people::write_secret;
use crate::store::{Dialect, dialect_of};
use anyhow::{Context, Result, ensure};
use clap::Args;
use manifest::Manifest;
use std::fs;
use std::path::{Path, PathBuf};

/// `backup`.
#[derive(Debug, Args)]
pub struct Backup {
    /// Settings, TOML.
    #[arg(long)]
    config: PathBuf,
    /// Folder to make; it must not be there.
    #[arg(long)]
    out: PathBuf,
    /// Also the keys: both authorities, the audit key, the key of stored secrets. Whoever has them is headquarters.
    #[arg(long)]
    with_keys: bool,
}

/// `restore`.
#[derive(Debug, Args)]
pub struct Restore {
    /// Settings, TOML, of the store to fill; it must be empty.
    #[arg(long)]
    config: PathBuf,
    /// Folder of the backup.
    #[arg(long)]
    from: PathBuf,
}

impl Backup {
    /// The settings file.
    pub fn config(&self) -> &PathBuf {
        &self.config
    }
}

impl Restore {
    /// The settings file.
    pub fn config(&self) -> &PathBuf {
        &self.config
    }
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

/// Takes a backup.
///
/// # Errors
/// When the store cannot be read, the folder is there, or the disk is full; no manifest is written then.
pub fn backup(asked: &Backup, config: &Config) -> Result<()> {
    ensure!(!asked.out.exists(), "{} is there already; nothing was changed", asked.out.display());
    fs::create_dir_all(&asked.out).with_context(|| asked.out.display().to_string())?;
    fs::set_permissions(&asked.out, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
    let (dialect, file) = dialect_of(&config.store)?;
    let data = asked.out.join(data_name(dialect));
    let facts = match (dialect, &file) {
        (Dialect::Sqlite, Some(file)) => runtime()?.block_on(sqlite::copy(file, &data))?,
        (Dialect::Sqlite, None) => anyhow::bail!("the store has no file"),
        (Dialect::Postgres, _) => {
            postgres::dump(&config.store, &data)?;
            runtime()?.block_on(postgres::facts(&config.store))?
        }
    };
    if asked.with_keys {
        keys(config, &asked.out)?;
    }
    let manifest = Manifest::of(dialect, &data, facts)?;
    manifest.write(&asked.out)?;
    println!("{}: {} bytes, schema {}, SHA-256 {}", data.display(), manifest.bytes, manifest.schema, manifest.sha256);
    Ok(())
}

fn data_name(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => "minewatch.db",
        Dialect::Postgres => "minewatch.pgdump",
    }
}

/// Copies the keys, mode 0600.
fn keys(config: &Config, out: &Path) -> Result<()> {
    let mut files = vec![
        (config.audit_key.clone(), PathBuf::from("audit-key")),
        (config.policy.secret_key_file.clone(), PathBuf::from("secret-key")),
    ];
    files.retain(|(from, _)| from.exists());
    if let Some(identity) = &config.identity {
        for authority in crate::identity::Authority::ALL {
            let name = Path::new(authority.name());
            files.extend(
                ["ca.key", "ca.pem"]
                    .map(|file| (identity.dir.join(name).join(file), Path::new("identity").join(name).join(file))),
            );
        }
    }
    for (from, to) in files {
        let bytes = match from.extension().is_some_and(|end| end == "pem") {
            true => fs::read(&from).with_context(|| from.display().to_string())?,
            // The audit key is binary; its mode is checked like any key's.
            false => SecretFile::check(&from).and_then(|()| Ok(fs::read(&from)?))?,
        };
        write_secret(&out.join("keys").join(to), &bytes)?;
    }
    Ok(())
}

/// Checks a backup: hash, readable, the counts it was taken with.
///
/// # Errors
/// What is not as it was written.
pub fn verify(from: &Path) -> Result<()> {
    let manifest = Manifest::read(from)?;
    let data = from.join(data_name(manifest.dialect()));
    manifest.check_file(&data)?;
    match manifest.dialect() {
        Dialect::Sqlite => {
            let facts = runtime()?.block_on(sqlite::check(&data))?;
            ensure!(facts == manifest.facts(), "counts differ from the manifest: {facts:?}");
        }
        Dialect::Postgres => postgres::check(&data)?,
    }
    println!(
        "{}: as it was taken on {}, schema {}, {} rows",
        from.display(),
        manifest.taken,
        manifest.schema,
        manifest.rows()
    );
    Ok(())
}

/// Puts a backup back.
///
/// # Errors
/// When the backup is damaged or for another kind of store, or the store is not empty.
pub fn restore(asked: &Restore, config: &Config) -> Result<()> {
    verify(&asked.from)?;
    let manifest = Manifest::read(&asked.from)?;
    let (dialect, file) = dialect_of(&config.store)?;
    ensure!(
        dialect == manifest.dialect(),
        "the backup is of {}, the settings name {}",
        manifest.dialect().name(),
        dialect.name()
    );
    let data = asked.from.join(data_name(dialect));
    match (dialect, file) {
        (Dialect::Sqlite, Some(file)) => sqlite::put(&data, &file)?,
        (Dialect::Sqlite, None) => anyhow::bail!("the store has no file"),
        (Dialect::Postgres, _) => {
            runtime()?.block_on(postgres::must_be_empty(&config.store))?;
            postgres::put(&config.store, &data)?;
        }
    }
    println!("restored; start the aggregator: gateways are told what the store has and send the rest again");
    Ok(())
}
