//! Copies SQLite's write-ahead log into the database beside the writer, which then need not stop for it.
//!
//! Invariant: nothing depends on it for durability (the log is synced at every commit); it only keeps
//! the log short. PostgreSQL does its own.

use super::{Columns, Dialect, Role, Store, StoreError, pool, resolve};
use sqlx::AnyPool;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Rows committed after which the log is copied: a few tens of megabytes of pages at most.
const ROWS_DUE: u64 = 20_000;
/// How often that is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// Pause after a failure (a full disk, for example).
const PAUSE: Duration = Duration::from_secs(5);

impl Store {
    /// Rows were committed.
    pub(super) fn grew(&self, rows: u64) {
        self.unmoved.fetch_add(rows, Ordering::Relaxed);
    }

    /// Keeps the log short until told to stop.
    pub(super) async fn keep_log_short(self, stop: CancellationToken) {
        let Some(file) = self.file.clone().filter(|_| self.dialect == Dialect::Sqlite) else {
            return stop.cancelled().await;
        };
        let mut connection: Option<AnyPool> = None;
        loop {
            let pause = match self.move_log(&file, &mut connection).await {
                Ok(()) => LOOK,
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "write-ahead log not copied");
                    PAUSE
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => break,
            }
        }
        if let Some(connection) = connection {
            connection.close().await;
        }
    }

    async fn move_log(&self, file: &std::path::Path, connection: &mut Option<AnyPool>) -> Result<(), StoreError> {
        if self.unmoved.load(Ordering::Relaxed) < ROWS_DUE {
            return Ok(());
        }
        let pool = match connection {
            Some(pool) => pool,
            None => {
                let (dialect, url, _) = resolve(&format!("sqlite:{}", file.display()))?;
                connection.insert(pool(&url, dialect, Role::Checkpointer).await?)
            }
        };
        self.unmoved.store(0, Ordering::Relaxed);
        // Passive: waits for nobody, and nobody waits for it. Columns: busy, pages in the log, pages copied.
        let row = sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").fetch_one(&*pool).await?;
        tracing::debug!(pages = row.int(1)?, copied = row.int(2)?, "write-ahead log copied");
        Ok(())
    }
}
