//! A transaction whose connection is thrown away unless it ends well.
//!
//! Invariant: after any failure (a full disk rolls back by itself, a lost server leaves us in the
//! dark) the next transaction starts on a fresh connection, so its state is never guessed.

use super::{Dialect, Store, StoreError};
use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyConnection, Executor};
use std::ops::{Deref, DerefMut};

/// An open transaction. Dropping it without [`Writing::commit`] closes the connection, which rolls back.
pub(crate) struct Writing {
    connection: Option<PoolConnection<Any>>,
}

impl Store {
    /// Opens a transaction on the one writing connection.
    pub(crate) async fn begin(&self) -> Result<Writing, StoreError> {
        let connection = self.writer.acquire().await?;
        let mut writing = Writing { connection: Some(connection) };
        let statement = match self.dialect {
            Dialect::Sqlite => "BEGIN IMMEDIATE",
            Dialect::Postgres => "BEGIN",
        };
        writing.execute(statement).await?;
        Ok(writing)
    }
}

impl Writing {
    /// Makes it durable and gives the connection back.
    pub(crate) async fn commit(mut self) -> Result<(), StoreError> {
        self.execute("COMMIT").await?;
        // Taken out, so that dropping returns it to the pool instead of closing it.
        drop(self.connection.take());
        Ok(())
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            drop(connection.detach());
        }
    }
}

impl Deref for Writing {
    type Target = AnyConnection;

    fn deref(&self) -> &AnyConnection {
        match &self.connection {
            Some(connection) => connection,
            None => unreachable!("the connection is only taken by commit and drop, which end the transaction"),
        }
    }
}

impl DerefMut for Writing {
    fn deref_mut(&mut self) -> &mut AnyConnection {
        match &mut self.connection {
            Some(connection) => connection,
            None => unreachable!("the connection is only taken by commit and drop, which end the transaction"),
        }
    }
}
