//! The world's memory: one SQLite file, written through before anything is answered.

use std::path::Path;
use std::time::Duration;

use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

/// How long a statement waits for another one's lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a request waits for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections that read.
const READERS: u32 = 4;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS entries (
    seq          INTEGER PRIMARY KEY,
    entry_id     TEXT NOT NULL UNIQUE,
    creditor     TEXT NOT NULL,
    child        TEXT NOT NULL,
    service      TEXT NOT NULL,
    channel      TEXT NOT NULL,
    amount_cents INTEGER NOT NULL,
    notice_number TEXT NOT NULL,
    paid_on      TEXT NOT NULL,
    content      TEXT NOT NULL,
    received_at  TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS entries_of_child ON entries (child, creditor);
CREATE INDEX IF NOT EXISTS entries_of_day ON entries (creditor, paid_on, channel);
CREATE INDEX IF NOT EXISTS entries_of_notice ON entries (notice_number);
CREATE TABLE IF NOT EXISTS notices (
    creditor      TEXT NOT NULL,
    id            TEXT NOT NULL,
    notice_number TEXT NOT NULL,
    child         TEXT NOT NULL,
    child_name    TEXT NOT NULL,
    amount_cents  INTEGER NOT NULL,
    created_at    TEXT NOT NULL,
    PRIMARY KEY (creditor, id)
) STRICT;
CREATE INDEX IF NOT EXISTS notices_of_number ON notices (notice_number);
";

/// Two pools on one file: a single writer, because SQLite has only one, and a few readers.
#[derive(Debug, Clone)]
pub(crate) struct Database {
    pub(crate) writer: SqlitePool,
    pub(crate) readers: SqlitePool,
}

impl Database {
    /// Opens `world.db` in the folder, and makes its tables where they are missing.
    pub(crate) async fn open(folder: &Path) -> Result<Self, sqlx::Error> {
        let options = SqliteConnectOptions::new()
            .filename(folder.join("world.db"))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT);
        let pool = |connections| {
            SqlitePoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(ACQUIRE_TIMEOUT)
                .connect_with(options.clone())
        };
        let writer = pool(1).await?;
        sqlx::raw_sql(SCHEMA).execute(&writer).await?;
        let readers = pool(READERS).await?;
        Ok(Database { writer, readers })
    }

    /// Waits for what runs and closes the file.
    pub(crate) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}
