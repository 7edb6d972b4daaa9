//! The world's memory: one SQLite file, written through before anything is answered.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Row, SqlitePool};

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
CREATE TABLE IF NOT EXISTS settings (
    name    TEXT PRIMARY KEY,
    content TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS positions (
    creditor           TEXT NOT NULL,
    iuv                TEXT NOT NULL,
    nav                TEXT NOT NULL,
    entity_type        TEXT NOT NULL,
    entity_fiscal_code TEXT NOT NULL,
    entity_full_name   TEXT NOT NULL,
    amount_cents       INTEGER NOT NULL,
    description        TEXT NOT NULL,
    expires_at         TEXT NOT NULL,
    iban               TEXT,
    postal_iban        TEXT,
    switch_to_expired  INTEGER NOT NULL,
    pay_stand_in       INTEGER NOT NULL,
    state              TEXT NOT NULL,
    calls              INTEGER NOT NULL,
    created_at         TEXT NOT NULL,
    updated_at         TEXT NOT NULL,
    PRIMARY KEY (creditor, iuv),
    UNIQUE (creditor, nav)
) STRICT;
CREATE TABLE IF NOT EXISTS payments (
    seq           INTEGER PRIMARY KEY,
    creditor      TEXT NOT NULL,
    receipt_id    TEXT NOT NULL,
    notice_number TEXT NOT NULL,
    iuv           TEXT NOT NULL,
    debtor        TEXT NOT NULL,
    amount_cents  INTEGER NOT NULL,
    stand_in      INTEGER NOT NULL,
    paid_at       TEXT NOT NULL,
    receipt       TEXT NOT NULL,
    UNIQUE (creditor, receipt_id, receipt)
) STRICT;
CREATE TABLE IF NOT EXISTS deliveries (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    creditor      TEXT NOT NULL,
    recipient     TEXT NOT NULL,
    receipt_id    TEXT NOT NULL,
    notice_number TEXT NOT NULL,
    version       TEXT NOT NULL,
    message       TEXT NOT NULL,
    state         TEXT NOT NULL,
    attempts      INTEGER NOT NULL,
    retries       INTEGER NOT NULL,
    held_for      INTEGER NOT NULL,
    next_try_ms   INTEGER,
    outcome       TEXT,
    fault_code    TEXT,
    last_error    TEXT,
    created_ms    INTEGER NOT NULL,
    updated_ms    INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS mails (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    sender      TEXT NOT NULL,
    recipient   TEXT NOT NULL,
    raw         BLOB NOT NULL,
    received_at TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS carts (
    id         TEXT PRIMARY KEY,
    content    TEXT NOT NULL,
    state      TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    changed_ms INTEGER
) STRICT;
CREATE INDEX IF NOT EXISTS deliveries_due ON deliveries (state, next_try_ms);
CREATE INDEX IF NOT EXISTS payments_of_receipt ON payments (receipt_id);
CREATE INDEX IF NOT EXISTS payments_of_iuv ON payments (creditor, iuv);
CREATE INDEX IF NOT EXISTS payments_of_day ON payments (paid_at);
";

const SETTING: &str = "SELECT content FROM settings WHERE name = $1";
const KEEP_SETTING: &str = "INSERT INTO settings (name, content) VALUES ($1, $2) \
    ON CONFLICT (name) DO UPDATE SET content = excluded.content";

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

    /// A setting that was kept, or nothing where it never was or can no longer be read.
    pub(crate) async fn setting<T: DeserializeOwned>(
        &self,
        name: &str,
    ) -> Result<Option<T>, sqlx::Error> {
        let row = sqlx::query(SETTING).bind(name);
        let row = row.fetch_optional(&self.readers).await?;
        let content: Option<String> = row.map(|row| row.try_get("content")).transpose()?;
        Ok(content.and_then(|content| serde_json::from_str(&content).ok()))
    }

    /// Keeps a setting over restarts.
    pub(crate) async fn keep_setting<T: Serialize>(
        &self,
        name: &str,
        value: &T,
    ) -> Result<(), sqlx::Error> {
        let content = serde_json::to_string(value).map_err(|e| sqlx::Error::Encode(Box::new(e)))?;
        sqlx::query(KEEP_SETTING)
            .bind(name)
            .bind(content)
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// Waits for what runs and closes the file.
    pub(crate) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}
