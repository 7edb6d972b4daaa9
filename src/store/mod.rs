//! The only room with SQL: one text for SQLite and PostgreSQL.
//!
//! Each file holds one aggregate: its statements as constants, and functions that take a
//! connection and domain types and give domain types back. A row that cannot be turned into its
//! domain type is [`StoreError::Corrupt`], never a guess.
//!
//! Writing: [`Store::write`] opens a transaction that may write from its first statement. On SQLite
//! there is **one** writing connection beside a few readers; on PostgreSQL receipts have
//! connections of their own, so that no work of the portals can keep them waiting.
//! A database error inside a transaction always ends it: PostgreSQL would keep nothing of it while
//! its commit still answers Ok. Collisions that are expected use `ON CONFLICT DO NOTHING` and the
//! rows that come back.

mod access;
pub mod accounts;
pub mod batches;
pub mod books;
pub mod cases;
pub mod chains;
pub mod checkouts;
pub mod debts;
pub mod documents;
pub mod entries;
pub mod events;
pub mod exchanges;
pub mod hunts;
pub mod idempotency;
pub mod keys;
pub mod leases;
mod lender;
pub mod lines;
mod lookup;
pub mod mails;
pub mod migrate;
pub mod payments;
pub mod positions;
pub mod rates;
pub mod receipts;
pub mod sequences;
pub mod sheet;
pub mod statement;
pub mod top_ups;
pub mod webhooks;

use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;
use sqlx::any::{AnyPoolOptions, AnyRow};
use sqlx::{Connection, Row};

use crate::config;
use crate::domain::day::{Day, Instant};
use crate::domain::debt::Debt;
use crate::domain::money::Cents;
use crate::domain::notice::NoticeNumber;
use crate::domain::party::CreditorCode;

use access::Source;
use lender::Lender;
use lookup::Lookup;

pub use access::{Reader, Write};
pub use statement::Statement;

/// The connection that all store functions take. Everything else in this folder names only this
/// alias, so that one native driver could take the place of `Any` here.
pub type Conn = sqlx::AnyConnection;

/// Which database it is. Only opening, beginning a write and the list of migrations may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// Embedded, one file.
    Sqlite,
    /// A server.
    Postgres,
}

/// The database failed us, or holds something impossible. Never the caller's fault.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The driver reported an error.
    #[error("the database failed")]
    Driver(#[from] sqlx::Error),
    /// The migrations could not be applied.
    #[error("the database could not be migrated")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// A row cannot be turned into its domain type.
    #[error("table {table} holds an impossible value in column {column}")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
    },
    /// The same of several that were read together.
    #[error(transparent)]
    Shared(Arc<StoreError>),
    /// Another writer was faster; the transaction may be tried again.
    #[error("another transaction changed the same rows")]
    Contended,
    /// The database has not answered in time.
    #[error("the database has not answered in time")]
    Late,
    /// The address of the database is not one we know.
    #[error("the database address must begin with sqlite:// or postgres://")]
    Address,
    /// The database file or its folder cannot be made.
    #[error("the database file cannot be made")]
    Folder(#[source] std::io::Error),
}

impl StoreError {
    /// Whether the database cannot be reached at all, so that the next statement would fail too.
    pub fn is_outage(&self) -> bool {
        match self {
            StoreError::Driver(error) => !matches!(
                error,
                sqlx::Error::Database(_) | sqlx::Error::Encode(_) | sqlx::Error::Decode(_)
            ),
            StoreError::Migration(_)
            | StoreError::Address
            | StoreError::Folder(_)
            | StoreError::Late => true,
            StoreError::Shared(error) => error.is_outage(),
            StoreError::Corrupt { .. } | StoreError::Contended => false,
        }
    }

    /// Whether it is what we wrote that the database refuses, now and at any other time: it violates
    /// a constraint, is too large, or is not of the column's type.
    pub fn is_refusal(&self) -> bool {
        match self {
            StoreError::Driver(sqlx::Error::Encode(_)) => true,
            StoreError::Driver(error) => match code(error).as_deref() {
                Some(state) if state.len() == 5 => {
                    state.starts_with("22") || state.starts_with("23")
                }
                // SQLite: TOOBIG, CONSTRAINT, MISMATCH, RANGE, with their extended codes.
                Some(number) => number
                    .parse::<u32>()
                    .is_ok_and(|number| matches!(number & 0xFF, 18..=20 | 25)),
                None => false,
            },
            _ => false,
        }
    }

    /// Whether somebody else has kept what a statement wanted locked for longer than it may wait
    /// (PostgreSQL: `lock_not_available`): one row, or the whole table.
    pub fn is_locked(&self) -> bool {
        match self {
            StoreError::Driver(error) => code(error).as_deref() == Some("55P03"),
            _ => false,
        }
    }

    /// Whether a statement was given up because it took too long (PostgreSQL: `query_canceled`), or
    /// another process writes all the time (SQLite: `BUSY`): the next one would fare no better.
    pub fn is_stalled(&self) -> bool {
        let StoreError::Driver(error) = self else {
            return false;
        };
        match code(error).as_deref() {
            Some("57014") => true,
            Some(state) if state.len() == 5 => false,
            Some(number) => number.parse::<u32>().is_ok_and(|number| number & 0xFF == 5),
            None => false,
        }
    }

    /// Whether the same transaction may succeed at once: another one was faster, or PostgreSQL has
    /// undone ours to untie a knot.
    pub fn is_contention(&self) -> bool {
        match self {
            StoreError::Contended => true,
            StoreError::Driver(error) => {
                matches!(code(error).as_deref(), Some("40001" | "40P01"))
            }
            _ => false,
        }
    }
}

/// Whether SQLite says that the disk did not keep what was written: SQLITE_IOERR_FSYNC or
/// SQLITE_IOERR_DIR_FSYNC.
fn is_lost_sync(error: &sqlx::Error) -> bool {
    matches!(code(error).as_deref(), Some("1034" | "1290"))
}

/// The engine's own code of an error: five characters from PostgreSQL, a number from SQLite.
fn code(error: &sqlx::Error) -> Option<String> {
    Some(error.as_database_error()?.code()?.into_owned())
}

/// The database, opened.
#[derive(Debug, Clone)]
pub struct Store {
    engine: Engine,
    readers: Source,
    writer: Source,
    till: Source,
    lookup: Option<Lookup>,
}

/// Connections of PostgreSQL for writes of the portals and the jobs.
const WRITERS: u32 = 4;
/// Connections of PostgreSQL for receipts and the journal: nobody else can take them.
const TILL: u32 = 2;

/// What every PostgreSQL connection is told: a row that somebody has locked, or a statement that
/// does not end, must not hold up everybody else.
const POSTGRES_SETTINGS: &str = "SET lock_timeout = '2s'; SET statement_timeout = '5s'; \
     SET idle_in_transaction_session_timeout = '30s'";

/// What the connections for receipts and the journal are told beside that. A plan that was made and
/// kept while a table was small goes through all of it when it is large, until the server takes its
/// statistics anew: here each statement is planned for the tables as they are. And every row is found
/// by a key, however few there are.
const POSTGRES_TILL: &str = "SET plan_cache_mode = force_custom_plan; SET enable_seqscan = off; \
     SET enable_hashjoin = off; SET enable_mergejoin = off";

/// What every SQLite connection is told: a write-ahead log, and a commit that has reached the disk
/// before it is answered. The log is carried over into the database when it has 16 MiB: pages that
/// change with every receipt are then written there once for some thousand of them. What a statement
/// would need to be undone stays in memory.
const SQLITE_SETTINGS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
     PRAGMA busy_timeout = 5000; PRAGMA foreign_keys = ON; PRAGMA cache_size = -16384; \
     PRAGMA wal_autocheckpoint = 4096; PRAGMA temp_store = MEMORY;";

impl Store {
    /// Opens the database, making an SQLite file and its folder when they are missing.
    ///
    /// # Errors
    /// An address of another kind, or a database that cannot be reached.
    pub async fn open(config: &config::Database) -> Result<Store, StoreError> {
        sqlx::any::install_default_drivers();
        let url = config.url.expose_secret();
        let wait = Duration::from_secs(config.acquire_timeout_s);
        if url.starts_with("sqlite:") {
            make_file(url)?;
            let separator = if url.contains('?') { '&' } else { '?' };
            let url = format!("{url}{separator}mode=rwc");
            // The writer first: it creates the file and switches it to the write-ahead log.
            let writer = connect(&url).await?;
            let mut readers = vec![];
            for _ in 0..config.readers.max(1) {
                readers.push(connect(&url).await?);
            }
            let writer = Source::Own(Lender::new(vec![writer], wait));
            let readers = Source::Own(Lender::new(readers, wait));
            Ok(Store {
                engine: Engine::Sqlite,
                lookup: Some(Lookup::start(readers.clone())),
                readers,
                till: writer.clone(),
                writer,
            })
        } else if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            let pool = async |limit, more| {
                let options = AnyPoolOptions::new().acquire_timeout(wait);
                let options = options.max_connections(limit);
                let options = options.after_connect(move |conn, _| {
                    Box::pin(async move {
                        sqlx::raw_sql(POSTGRES_SETTINGS).execute(&mut *conn).await?;
                        sqlx::raw_sql(more).execute(conn).await?;
                        Ok(())
                    })
                });
                options.connect(url).await.map(Source::Pool)
            };
            Ok(Store {
                engine: Engine::Postgres,
                readers: pool(config.readers.max(1), "").await?,
                writer: pool(WRITERS, "").await?,
                till: pool(TILL, POSTGRES_TILL).await?,
                lookup: None,
            })
        } else {
            Err(StoreError::Address)
        }
    }

    /// Whether the address is that of an SQLite file that does not exist yet.
    pub fn is_missing(config: &config::Database) -> bool {
        sqlite_file(config.url.expose_secret()).is_some_and(|file| !file.exists())
    }

    /// Which database it is.
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// A connection to read with.
    ///
    /// # Errors
    /// No connection in time.
    pub async fn read(&self) -> Result<Reader, StoreError> {
        self.readers.read().await
    }

    /// The debt with this notice number.
    ///
    /// # Errors
    /// The database failed, or its row cannot be read.
    pub async fn debt_of_notice(
        &self,
        creditor: &CreditorCode,
        notice: &NoticeNumber,
    ) -> Result<Option<Debt>, StoreError> {
        match &self.lookup {
            Some(lookup) => lookup.debt(creditor, notice).await,
            None => debts::by_notice(&mut *self.read().await?, creditor, notice).await,
        }
    }

    /// A transaction that may write. Dropping it undoes it.
    ///
    /// # Errors
    /// No connection in time.
    pub async fn write(&self) -> Result<Write, StoreError> {
        self.writer.write().await
    }

    /// The same for receipts and the journal, which no other work can keep waiting on PostgreSQL.
    ///
    /// # Errors
    /// No connection in time.
    pub async fn write_receipts(&self) -> Result<Write, StoreError> {
        self.till.write().await
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// It does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let mut conn = self.read().await?;
        sqlx::query(statement::PING).execute(&mut *conn).await?;
        Ok(())
    }

    /// Closes all connections, waiting for those in use.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
        self.till.close().await;
    }
}

/// A connection to an SQLite file.
async fn connect(url: &str) -> Result<Conn, sqlx::Error> {
    let mut conn = Conn::connect(url).await?;
    sqlx::raw_sql(SQLITE_SETTINGS).execute(&mut conn).await?;
    Ok(conn)
}

/// The file of an SQLite address.
fn sqlite_file(url: &str) -> Option<&Path> {
    let path = url.strip_prefix("sqlite:")?.trim_start_matches("//");
    path.split('?').next().map(Path::new)
}

/// Makes an SQLite file that only its owner can read, and its folder, when they are missing.
fn make_file(url: &str) -> Result<(), StoreError> {
    let Some(file) = sqlite_file(url).filter(|file| !file.exists()) else {
        return Ok(());
    };
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).map_err(StoreError::Folder)?;
    }
    let made = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(file);
    made.map(drop).map_err(StoreError::Folder)
}

/// Reads columns of one table and turns them into domain types.
struct Columns<'r> {
    table: &'static str,
    row: &'r AnyRow,
}

impl Columns<'_> {
    fn corrupt(&self, column: &'static str) -> StoreError {
        StoreError::Corrupt {
            table: self.table,
            column,
        }
    }

    fn text(&self, column: &'static str) -> Result<String, StoreError> {
        Ok(self.row.try_get(column)?)
    }

    fn optional_text(&self, column: &'static str) -> Result<Option<String>, StoreError> {
        Ok(self.row.try_get(column)?)
    }

    fn optional_bytes(&self, column: &'static str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.row.try_get(column)?)
    }

    fn integer(&self, column: &'static str) -> Result<i64, StoreError> {
        Ok(self.row.try_get(column)?)
    }

    fn optional_integer(&self, column: &'static str) -> Result<Option<i64>, StoreError> {
        Ok(self.row.try_get(column)?)
    }

    fn cents(&self, column: &'static str) -> Result<Cents, StoreError> {
        self.integer(column).map(Cents::new)
    }

    /// A text column read by a domain type's own parser.
    fn parsed<T, E>(
        &self,
        column: &'static str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<T, StoreError> {
        parse(&self.text(column)?).map_err(|_| self.corrupt(column))
    }

    /// The same for a column that may be empty.
    fn optional<T, E>(
        &self,
        column: &'static str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Option<T>, StoreError> {
        self.optional_text(column)?
            .map(|text| parse(&text).map_err(|_| self.corrupt(column)))
            .transpose()
    }

    fn instant(&self, column: &'static str) -> Result<Instant, StoreError> {
        self.parsed(column, Instant::parse)
    }

    /// An instant that stands there exactly as we would write it: other spellings of the same
    /// moment are another content.
    fn exact_instant(&self, column: &'static str) -> Result<Instant, StoreError> {
        self.parsed(column, |text| match Instant::parse(text) {
            Ok(instant) if instant.to_string() == text => Ok(instant),
            _ => Err(()),
        })
    }

    fn day(&self, column: &'static str) -> Result<Day, StoreError> {
        self.parsed(column, Day::parse)
    }
}
