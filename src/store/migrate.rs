//! The migrations, compiled in, and their order on each engine.

use std::borrow::Cow;

use sqlx::migrate::{AppliedMigration, Migrate, Migration, MigrationType, Migrator};
use sqlx::{AssertSqlSafe, SqlSafeStr};

use super::{Engine, Store, StoreError};
use crate::point;

/// One file of `migrations/`.
#[derive(Debug, Clone, Copy)]
pub struct File {
    /// Its number.
    pub version: i64,
    /// Its name in the folder.
    pub name: &'static str,
    /// The only engine it is for, when its name says so.
    pub only: Option<Engine>,
    sql: &'static str,
}

macro_rules! file {
    ($version:literal, $name:literal, $only:expr) => {
        File {
            version: $version,
            name: $name,
            only: $only,
            sql: include_str!(concat!("../../migrations/", $name)),
        }
    };
}

/// Every migration, in order. A test compares the list with the folder.
pub const FILES: &[File] = &[
    file!(0, "0000_blob_domain.postgres.sql", Some(Engine::Postgres)),
    file!(1, "0001_initial.sql", None),
    file!(2, "0002_shares.sql", None),
    file!(3, "0003_journal.sql", None),
    file!(4, "0004_aca.sql", None),
    file!(5, "0005_receipt_hunter.sql", None),
    file!(6, "0006_journal.sql", None),
    file!(7, "0007_checkouts.sql", None),
    file!(8, "0008_top_up_links.sql", None),
    file!(9, "0009_mails.sql", None),
    file!(10, "0010_invoices.sql", None),
    file!(11, "0011_events.sql", None),
    file!(13, "0013_payments.sql", None),
    file!(14, "0014_payers.sql", None),
];

impl File {
    /// The text for an engine. Everything is one text but for two words: SQLite's STRICT tables,
    /// which refuse a text in a number's column, know no BIGINT and want to be told that they are
    /// strict.
    pub fn sql(&self, engine: Engine) -> Cow<'static, str> {
        match engine {
            Engine::Postgres => Cow::Borrowed(self.sql),
            Engine::Sqlite => Cow::Owned(
                self.sql
                    .replace("BIGINT", "INTEGER")
                    .replace("/* strict */", "STRICT"),
            ),
        }
    }
}

/// The migrator of an engine.
pub fn migrator(engine: Engine) -> Migrator {
    let migrations = FILES
        .iter()
        .filter(|file| file.only.is_none_or(|only| only == engine))
        .map(|file| {
            Migration::new(
                file.version,
                Cow::Borrowed(file.name),
                MigrationType::Simple,
                AssertSqlSafe(file.sql(engine)).into_sql_str(),
                false,
            )
        })
        .collect();
    Migrator::with_migrations(migrations)
}

/// How far the schema of a database is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schema {
    /// As this program wants it.
    Current,
    /// There is none: the database is empty.
    None,
    /// Migrations are missing.
    Behind,
    /// A newer program, or somebody by hand, has changed it.
    Ahead,
}

impl Store {
    /// How far the schema is; nothing is changed.
    ///
    /// # Errors
    /// The database cannot be reached.
    pub async fn schema(&self) -> Result<Schema, StoreError> {
        let mut conn = self.read().await?;
        let migrator = migrator(self.engine);
        // An error here means that the table of the migrations is missing: none was applied.
        let applied = conn
            .list_applied_migrations(&migrator.table_name)
            .await
            .unwrap_or_default();
        let is_known = |done: &AppliedMigration| {
            migrator
                .iter()
                .any(|own| own.version == done.version && own.checksum == done.checksum)
        };
        Ok(if !applied.iter().all(is_known) {
            Schema::Ahead
        } else if applied.is_empty() {
            Schema::None
        } else if applied.len() < migrator.iter().count() {
            Schema::Behind
        } else {
            Schema::Current
        })
    }

    /// Applies the migrations that are missing.
    ///
    /// # Errors
    /// A migration fails, or one that was applied has been altered since.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        let mut conn = self.writer.read().await?;
        if self.engine == Engine::Postgres {
            // A migration may take its time.
            sqlx::raw_sql("SET statement_timeout = 0; SET lock_timeout = 0")
                .execute(&mut *conn)
                .await?;
        }
        point::reach("migration.beginning");
        let migrated = migrator(self.engine).run(&mut *conn).await;
        point::reach("migration.done");
        // The connection with those settings is not used again.
        conn.retire().await?;
        Ok(migrated?)
    }
}
