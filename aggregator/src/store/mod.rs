//! The durable truth of headquarters: SQLite by default, PostgreSQL for scale, one schema and one
//! set of queries through `sqlx::Any`.
//!
//! Invariant: whatever an acknowledgement names was committed here before; marks and the records
//! they cover are written in one transaction. Deliberately absent: MQTT, HTTP, and any decision
//! about what a record means.

mod alarms;
mod births;
mod bulk;
mod catalogue;
mod checkpoint;
mod commit;
mod events;
mod exports;
mod history;
mod kpi;
mod ledger;
mod life;
mod marks;
mod migrate;
mod notices;
mod outline;
#[cfg(test)]
mod outward_tests;
mod quarantine;
mod read;
mod records;
mod rollup;
#[cfg(test)]
mod tests;
mod writing;

pub use commit::{AlarmSeen, Committer, GapSeen, HelloAnswer, Outcome};
pub use events::EventRow;
pub use exports::{Package, Packed};
pub use history::History;
pub use kpi::KpiFacts;
pub use ledger::{GatewayLedger, LedgerGap, StreamLedger};
pub use life::{CaseBody, CaseLine, CommandResult, DueCommand, Filter, HandledRow, Line, PageKey, Sight};
pub(crate) use life::{RULES_CHANGED, RUNGS_MAX, SHIFTS_MAX, domain_of, rule_digest};
pub use notices::{ChannelRow, Planned};
pub use outline::ProofRow;
pub use read::{
    AlarmRow, GatewayRow, Handled, HistorySample, OutboxRow, PointRow, QuarantineRow, RANGE_US_MAX, ReadingRow,
};
pub use rollup::{LatestMap, Upkeep};

use sqlx::any::{AnyPoolOptions, AnyRow};
use sqlx::{AnyPool, Executor, Row};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

/// Readers at once; API requests beyond it wait, and fail after [`ACQUIRE_MAX`].
const READERS_MAX: u32 = 6;
/// Longest wait for a connection.
const ACQUIRE_MAX: Duration = Duration::from_secs(5);
/// Minute slots are the leading key of readings.
pub const SLOT_US: i64 = 60_000_000;

/// Why the store did not do what was asked. Nothing was committed, or nobody can tell: in both
/// cases nothing may be acknowledged.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refused or is gone.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// The store's schema is newer than this program.
    #[error("the store has schema version {found}, this program knows {known}; use a newer program")]
    Newer {
        /// Version in the store.
        found: i64,
        /// Highest version known.
        known: i64,
    },
    /// The address is not a store.
    #[error("store address {0:?} must be sqlite:FILE or postgres://...")]
    Address(String),
    /// The directory of the database file.
    #[error("store directory: {0}")]
    Directory(#[from] std::io::Error),
}

/// Which SQL is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// The embedded default.
    Sqlite,
    /// The scale-out store.
    Postgres,
}

impl Dialect {
    /// Name shown to people.
    pub fn name(self) -> &'static str {
        match self {
            Dialect::Sqlite => "sqlite",
            Dialect::Postgres => "postgresql",
        }
    }
}

/// An opened store: one writing connection and a few readers.
#[derive(Debug, Clone)]
pub struct Store {
    dialect: Dialect,
    writer: AnyPool,
    reader: AnyPool,
    file: Option<PathBuf>,
    /// Rows committed since the write-ahead log was last copied into the database (SQLite).
    unmoved: Arc<AtomicU64>,
}

impl Store {
    /// Opens (and where needed creates or migrates) the store.
    ///
    /// # Errors
    /// [`StoreError`] says what is wrong.
    pub async fn open(address: &str) -> Result<Store, StoreError> {
        sqlx::any::install_default_drivers();
        let (dialect, url, file) = resolve(address)?;
        if let Some(directory) = file.as_deref().and_then(Path::parent).filter(|d| !d.as_os_str().is_empty()) {
            std::fs::create_dir_all(directory)?;
        }
        let writer = pool(&url, dialect, Role::Writer).await?;
        migrate::run(&writer, dialect).await?;
        let reader = pool(&url, dialect, Role::Reader).await?;
        Ok(Store { dialect, writer, reader, file, unmoved: Arc::default() })
    }

    /// The reading connections.
    pub(crate) fn reader(&self) -> &AnyPool {
        &self.reader
    }

    /// Which SQL is spoken.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The database file, when there is one.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Whether the writing connection answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn probe(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT COUNT(*) FROM meta").fetch_one(&self.writer).await?;
        Ok(())
    }

    /// Closes all connections.
    pub async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }
}

/// What kind of store an address names, and its file where it has one.
///
/// # Errors
/// When it names none.
pub fn dialect_of(address: &str) -> Result<(Dialect, Option<PathBuf>), StoreError> {
    resolve(address).map(|(dialect, _, file)| (dialect, file))
}

fn resolve(address: &str) -> Result<(Dialect, String, Option<PathBuf>), StoreError> {
    if address.starts_with("postgres://") || address.starts_with("postgresql://") {
        return Ok((Dialect::Postgres, address.to_owned(), None));
    }
    let path = address.strip_prefix("sqlite:").map(|rest| rest.strip_prefix("//").unwrap_or(rest));
    match path {
        Some(path) if !path.is_empty() && !path.contains('?') => {
            Ok((Dialect::Sqlite, format!("sqlite://{path}?mode=rwc"), Some(PathBuf::from(path))))
        }
        _ => Err(StoreError::Address(shown(address))),
    }
}

/// The address without user and password, for people and logs.
pub fn shown(address: &str) -> String {
    match (address.split_once("://"), address.rfind('@')) {
        (Some((scheme, _)), Some(at)) => {
            let rest = address[at + 1..].split('?').next().unwrap_or_default();
            format!("{scheme}://{rest}")
        }
        _ => address.split('?').next().unwrap_or_default().to_owned(),
    }
}

/// What a connection is for.
#[derive(Debug, Clone, Copy)]
enum Role {
    Writer,
    Reader,
    Checkpointer,
}

impl Role {
    fn settings(self, dialect: Dialect) -> &'static [&'static str] {
        match (dialect, self) {
            // The log is copied into the database beside the writer (`checkpoint`); only when that falls
            // behind by 128 MiB does the writer do it itself.
            (Dialect::Sqlite, Role::Writer) => &[
                "PRAGMA busy_timeout=5000",
                "PRAGMA journal_mode=WAL",
                "PRAGMA synchronous=FULL",
                "PRAGMA wal_autocheckpoint=32768",
                "PRAGMA journal_size_limit=268435456",
                "PRAGMA cache_size=-65536",
            ],
            (Dialect::Sqlite, Role::Reader) => &["PRAGMA busy_timeout=5000", "PRAGMA query_only=1"],
            (Dialect::Sqlite, Role::Checkpointer) => &["PRAGMA synchronous=FULL"],
            (Dialect::Postgres, Role::Writer | Role::Checkpointer) => &["SET statement_timeout = '60s'"],
            // History seeks slot by slot; a hash or merge join would read the whole range.
            (Dialect::Postgres, Role::Reader) => &[
                "SET default_transaction_read_only = on",
                "SET statement_timeout = '30s'",
                "SET enable_hashjoin = off",
                "SET enable_mergejoin = off",
            ],
        }
    }

    fn connections(self) -> u32 {
        match self {
            Role::Writer | Role::Checkpointer => 1,
            Role::Reader => READERS_MAX,
        }
    }
}

async fn pool(url: &str, dialect: Dialect, role: Role) -> Result<AnyPool, StoreError> {
    let options = AnyPoolOptions::new().max_connections(role.connections()).acquire_timeout(ACQUIRE_MAX).after_connect(
        move |connection, _| {
            Box::pin(async move {
                for setting in role.settings(dialect) {
                    connection.execute(*setting).await?;
                }
                Ok(())
            })
        },
    );
    Ok(options.connect(url).await?)
}

/// Binding of a real number that may be missing.
trait BindReal {
    /// `Any` hands PostgreSQL a missing `f64` as a 4-byte and a missing `f32` as an 8-byte float (sqlx
    /// 0.9.0 swaps the two), so that a prepared statement refuses the next present value.
    fn bind_real(self, value: Option<f64>) -> Self;
}

impl BindReal for sqlx::query::Query<'_, sqlx::Any, sqlx::any::AnyArguments> {
    fn bind_real(self, value: Option<f64>) -> Self {
        match value {
            Some(value) => self.bind(value),
            None => self.bind(None::<f32>),
        }
    }
}

/// Short column access by position.
pub(crate) trait Columns {
    fn int(&self, column: usize) -> Result<i64, sqlx::Error>;
    fn maybe_int(&self, column: usize) -> Result<Option<i64>, sqlx::Error>;
    fn text(&self, column: usize) -> Result<String, sqlx::Error>;
    fn maybe_text(&self, column: usize) -> Result<Option<String>, sqlx::Error>;
    fn maybe_real(&self, column: usize) -> Result<Option<f64>, sqlx::Error>;
}

impl Columns for AnyRow {
    fn int(&self, column: usize) -> Result<i64, sqlx::Error> {
        self.try_get::<i64, _>(column)
    }
    fn maybe_int(&self, column: usize) -> Result<Option<i64>, sqlx::Error> {
        self.try_get::<Option<i64>, _>(column)
    }
    fn text(&self, column: usize) -> Result<String, sqlx::Error> {
        self.try_get::<String, _>(column)
    }
    fn maybe_text(&self, column: usize) -> Result<Option<String>, sqlx::Error> {
        self.try_get::<Option<String>, _>(column)
    }
    fn maybe_real(&self, column: usize) -> Result<Option<f64>, sqlx::Error> {
        self.try_get::<Option<f64>, _>(column)
    }
}

#[cfg(test)]
mod address_tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_password() {
        assert_eq!(shown("postgres://user:secret@db.example:5432/mw?sslmode=require"), "postgres://db.example:5432/mw");
        assert_eq!(shown("sqlite:data/mw.db"), "sqlite:data/mw.db");
        assert_eq!(shown("postgres://u:p@ss@host/db"), "postgres://host/db");
    }

    #[test]
    fn only_sqlite_and_postgresql_are_stores() {
        assert!(resolve("sqlite:data/mw.db").is_ok());
        assert!(resolve("postgres://h/db").is_ok());
        for bad in ["", "mysql://h/db", "sqlite:", "sqlite:a?mode=memory"] {
            assert!(resolve(bad).is_err(), "{bad:?}");
        }
    }
}
