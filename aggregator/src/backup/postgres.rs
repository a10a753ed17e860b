//! PostgreSQL: its own `pg_dump` and `pg_restore`, with the address of the settings and no secret in
//! the list of processes.

use super::manifest::{COUNTED, Facts};
use crate::store::Columns;
use anyhow::{Context, Result, bail, ensure};
use sqlx::any::AnyPoolOptions;
use sqlx::{AnyPool, AssertSqlSafe};
use std::path::Path;
use std::process::Command;
use url::Url;

/// A program of PostgreSQL that knows where the database is by its environment.
fn program(name: &str, address: &str) -> Result<Command> {
    let url = Url::parse(address).context("store.url")?;
    let mut command = Command::new(name);
    let decoded = |text: &str| percent(text);
    if let Some(host) = url.host_str() {
        command.env("PGHOST", host.trim_matches(['[', ']']));
    }
    command.env("PGPORT", url.port().unwrap_or(5_432).to_string());
    command.env("PGDATABASE", decoded(url.path().trim_start_matches('/')));
    if !url.username().is_empty() {
        command.env("PGUSER", decoded(url.username()));
    }
    if let Some(password) = url.password() {
        command.env("PGPASSWORD", decoded(password));
    }
    for (key, value) in url.query_pairs() {
        match key.as_ref() {
            "sslmode" => command.env("PGSSLMODE", value.as_ref()),
            "sslrootcert" => command.env("PGSSLROOTCERT", value.as_ref()),
            _ => &mut command,
        };
    }
    Ok(command)
}

/// Undoes `%41`.
fn percent(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).and_then(|two| std::str::from_utf8(two).ok());
        match (bytes[at], hex.and_then(|two| u8::from_str_radix(two, 16).ok())) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 3;
            }
            (byte, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn done(mut command: Command, what: &str) -> Result<()> {
    let out = command.output().with_context(|| format!("{what} is not installed (package postgresql-client)"))?;
    if !out.status.success() {
        bail!("{what}: {}: {}", out.status, String::from_utf8_lossy(&out.stderr).trim());
    }
    Ok(())
}

/// One moment of the whole database.
pub(super) fn dump(address: &str, to: &Path) -> Result<()> {
    let mut command = program("pg_dump", address)?;
    command.args(["--format=custom", "--no-owner", "--no-privileges", "--file"]).arg(to);
    done(command, "pg_dump")
}

/// Whether the dump can be read to its end.
pub(super) fn check(data: &Path) -> Result<()> {
    let mut command = Command::new("pg_restore");
    command.args(["--file", "/dev/null"]).arg(data);
    done(command, "pg_restore")
}

/// All of a dump, or nothing.
pub(super) fn put(address: &str, data: &Path) -> Result<()> {
    let database = percent(Url::parse(address).context("store.url")?.path().trim_start_matches('/'));
    let mut command = program("pg_restore", address)?;
    command.args(["--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction", "--dbname", &database]);
    command.arg(data);
    done(command, "pg_restore")
}

async fn open(address: &str) -> Result<AnyPool> {
    sqlx::any::install_default_drivers();
    AnyPoolOptions::new().max_connections(1).connect(address).await.context("store")
}

/// What the store holds now (the dump is a moment older).
pub(super) async fn facts(address: &str) -> Result<Facts> {
    let pool = open(address).await?;
    let schema = sqlx::query("SELECT COALESCE(MAX(step), 0) FROM schema_steps").fetch_one(&pool).await?.int(0)?;
    let mut facts = Facts { schema, ..Facts::default() };
    for table in COUNTED {
        let text = format!("SELECT COUNT(*) FROM {table}");
        facts.rows.insert(table.to_owned(), sqlx::query(AssertSqlSafe(text)).fetch_one(&pool).await?.int(0)?);
    }
    pool.close().await;
    Ok(facts)
}

/// Refuses a database that holds tables of ours.
pub(super) async fn must_be_empty(address: &str) -> Result<()> {
    let pool = open(address).await?;
    let there = "SELECT COUNT(*) FROM information_schema.tables WHERE table_name = 'schema_steps'";
    let there = sqlx::query(there).fetch_one(&pool).await?.int(0)?;
    pool.close().await;
    ensure!(there == 0, "the database holds a store already: a restore never writes over one; make an empty database");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_goes_by_the_environment_and_never_by_the_arguments() {
        let command = program("pg_dump", "postgres://me:p%40ss@db.example:5433/mw?sslmode=require").expect("address");
        let env: Vec<(String, String)> = command
            .get_envs()
            .filter_map(|(key, value)| {
                Some((key.to_string_lossy().into_owned(), value?.to_string_lossy().into_owned()))
            })
            .collect();
        for (key, value) in
            [("PGHOST", "db.example"), ("PGPORT", "5433"), ("PGPASSWORD", "p@ss"), ("PGSSLMODE", "require")]
        {
            assert!(env.contains(&(key.to_owned(), value.to_owned())), "{key} in {env:?}");
        }
        assert_eq!(command.get_args().count(), 0);
        assert_eq!(percent("a%2"), "a%2");
    }
}
