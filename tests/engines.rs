//! The databases of the tests: a file per test on SQLite, a schema per test on PostgreSQL.
//!
//! PostgreSQL is the one of `PAGOMENSA_TEST_POSTGRES` when that holds a URL, else a private cluster
//! of this run, started from the programs found on the machine and thrown away at the end, whatever
//! the end is.

use std::io::Write;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use pagomensa::store::Engine;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::postgres::server;

/// Makes two tests of one body, which takes the engine and gives a future.
macro_rules! engines {
    ($($(#[$attribute:meta])* async fn $name:ident($world:ident: &World) $body:block)*) => {
        $(mod $name {
            #[allow(unused_imports)]
            use super::*;

            $(#[$attribute])*
            async fn body_of_the_test($world: &$crate::world::World) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                $crate::world::run(pagomensa::store::Engine::Sqlite, async |world| body_of_the_test(world).await)
                    .await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                $crate::world::run(pagomensa::store::Engine::Postgres, async |world| body_of_the_test(world).await)
                    .await;
            }
        })*
    };
}

/// The same over a gateway with settings of its own, TOML over the demo's.
macro_rules! engines_with {
    ($overrides:expr; $(async fn $name:ident($world:ident: &World) $body:block)*) => {
        $(mod $name {
            #[allow(unused_imports)]
            use super::*;

            async fn body_of_the_test($world: &$crate::world::World) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                $crate::world::run_with(pagomensa::store::Engine::Sqlite, $overrides, async |world| body_of_the_test(world).await)
                    .await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                $crate::world::run_with(pagomensa::store::Engine::Postgres, $overrides, async |world| body_of_the_test(world).await)
                    .await;
            }
        })*
    };
}

pub(crate) use {engines, engines_with};

/// A database of one test.
pub struct Database {
    pub url: String,
    schema: Option<String>,
    _folder: tempfile::TempDir,
}

impl Database {
    /// A fresh, empty database; nothing when this engine is not on the machine.
    pub async fn fresh(engine: Engine) -> Option<Database> {
        let folder = tempfile::tempdir().unwrap();
        match engine {
            Engine::Sqlite => {
                announce();
                let file = folder.path().join("test.db");
                Some(Database {
                    url: format!("sqlite://{}", file.display()),
                    schema: None,
                    _folder: folder,
                })
            }
            Engine::Postgres => {
                static COUNT: AtomicU32 = AtomicU32::new(0);
                let base = postgres()?;
                let count = COUNT.fetch_add(1, Ordering::Relaxed);
                let schema = format!("test_{}_{count}", std::process::id());
                let mut conn = PgConnection::connect(base).await.unwrap();
                let create = format!("CREATE SCHEMA {schema}");
                sqlx::query(AssertSqlSafe(create))
                    .execute(&mut conn)
                    .await
                    .unwrap();
                conn.close().await.unwrap();
                let separator = if base.contains('?') { '&' } else { '?' };
                Some(Database {
                    url: format!("{base}{separator}options=-c%20search_path%3D{schema}"),
                    schema: Some(schema),
                    _folder: folder,
                })
            }
        }
    }

    /// A database that another holder of it will remove.
    pub fn existing(url: String) -> Database {
        Database {
            url,
            schema: None,
            _folder: tempfile::tempdir().unwrap(),
        }
    }

    /// Removes what would outlive the test.
    pub async fn remove(self) {
        if let (Some(schema), Some(base)) = (&self.schema, postgres()) {
            let mut conn = PgConnection::connect(base).await.unwrap();
            let drop = format!("DROP SCHEMA {schema} CASCADE");
            sqlx::query(AssertSqlSafe(drop))
                .execute(&mut conn)
                .await
                .unwrap();
            conn.close().await.unwrap();
        }
    }
}

/// The URL of the PostgreSQL to test with.
pub fn postgres() -> Option<&'static str> {
    static URL: OnceLock<Option<String>> = OnceLock::new();
    let folder = || tempfile::tempdir().unwrap();
    let settings = "-c fsync=off -c max_connections=200";
    URL.get_or_init(|| {
        let server = server(folder, &["--no-sync"], settings).unwrap();
        server.map(|server| server.url())
    })
    .as_deref()
}

/// Says once, past the capture of the test runner, which engines are covered.
fn announce() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        let engines = match postgres() {
            Some(_) => "SQLite and PostgreSQL",
            None => {
                "SQLite only: NO PostgreSQL was found, its tests pass without testing anything \
                 (install postgresql, or set PAGOMENSA_TEST_POSTGRES)"
            }
        };
        let _ = writeln!(std::io::stderr(), "engines covered: {engines}");
    });
}
