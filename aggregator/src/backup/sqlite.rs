//! SQLite: `VACUUM INTO` reads one moment of the database while the aggregator writes on.

use super::manifest::{COUNTED, Facts};
use crate::store::Columns;
use anyhow::{Context, Result, ensure};
use sqlx::any::AnyPoolOptions;
use sqlx::{AnyPool, AssertSqlSafe};
use std::fs;
use std::path::Path;

async fn open(file: &Path, mode: &str) -> Result<AnyPool> {
    sqlx::any::install_default_drivers();
    let url = format!("sqlite://{}?mode={mode}", file.display());
    AnyPoolOptions::new().max_connections(1).connect(&url).await.with_context(|| file.display().to_string())
}

async fn facts(pool: &AnyPool) -> Result<Facts> {
    let schema = sqlx::query("SELECT COALESCE(MAX(step), 0) FROM schema_steps").fetch_one(pool).await?.int(0)?;
    let mut facts = Facts { schema, ..Facts::default() };
    for table in COUNTED {
        let text = format!("SELECT COUNT(*) FROM {table}");
        let rows = sqlx::query(AssertSqlSafe(text)).fetch_one(pool).await?.int(0)?;
        facts.rows.insert(table.to_owned(), rows);
    }
    Ok(facts)
}

/// Copies the database as it is at one moment; what is counted is the copy.
pub(super) async fn copy(from: &Path, to: &Path) -> Result<Facts> {
    ensure!(from.is_file(), "{}: no store there", from.display());
    let pool = open(from, "rw").await?;
    let target = to.display().to_string().replace('\'', "''");
    sqlx::query(AssertSqlSafe(format!("VACUUM INTO '{target}'"))).execute(&pool).await.context("copying the store")?;
    pool.close().await;
    fs::File::open(to)?.sync_all()?;
    check(to).await
}

/// Reads all of a copy.
pub(super) async fn check(file: &Path) -> Result<Facts> {
    let pool = open(file, "ro").await?;
    let answer = sqlx::query("PRAGMA integrity_check(1)").fetch_one(&pool).await?.text(0)?;
    ensure!(answer == "ok", "{}: {answer}", file.display());
    let counted = facts(&pool).await?;
    pool.close().await;
    Ok(counted)
}

/// Puts a copy where the store shall be.
pub(super) fn put(data: &Path, file: &Path) -> Result<()> {
    for there in [file.to_path_buf(), file.with_extension("db-wal")] {
        ensure!(
            !there.exists(),
            "{} is there: a restore never writes over a store; move it away first",
            there.display()
        );
    }
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder)?;
    }
    let part = file.with_extension("restoring");
    fs::copy(data, &part).with_context(|| part.display().to_string())?;
    fs::File::open(&part)?.sync_all()?;
    fs::rename(&part, file)?;
    Ok(())
}
