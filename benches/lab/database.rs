//! The databases that are measured: on a real disk, and with every commit on it before it is
//! answered.
//!
//! PostgreSQL is the one of `PAGOMENSA_TEST_POSTGRES` when that holds a URL, else a private cluster
//! of this run, as in the tests; unlike theirs it waits for the disk.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use pagomensa::store::Engine;
use sqlx::{AnyConnection, AssertSqlSafe, Connection, Row};
use tempfile::TempDir;

use super::figures::p50_p99;
pub(crate) use super::postgres::Server;
use super::postgres::server;

/// A database of its own: a file, or a schema.
pub(crate) struct Database {
    pub engine: Engine,
    pub url: String,
    schema: Option<String>,
    folder: TempDir,
}

impl Database {
    /// A fresh, empty database; nothing when this engine is not on the machine.
    pub(crate) async fn fresh(engine: Engine) -> Option<Database> {
        sqlx::any::install_default_drivers();
        let folder = folder();
        let (url, schema) = match engine {
            Engine::Sqlite => (
                format!("sqlite://{}?mode=rwc", file(folder.path()).display()),
                None,
            ),
            Engine::Postgres => {
                static COUNT: AtomicU32 = AtomicU32::new(0);
                let base = postgres()?.url();
                let count = COUNT.fetch_add(1, Ordering::Relaxed);
                let schema = format!("bench_{}_{count}", std::process::id());
                execute(&base, format!("CREATE SCHEMA {schema}")).await;
                let separator = if base.contains('?') { '&' } else { '?' };
                let url = format!("{base}{separator}options=-c%20search_path%3D{schema}");
                (url, Some(schema))
            }
        };
        Some(Database {
            engine,
            url,
            schema,
            folder,
        })
    }

    /// The number of rows that satisfy a condition.
    pub(crate) async fn count(&self, rows: &str) -> u64 {
        let mut conn = AnyConnection::connect(&self.url).await.unwrap();
        let sql = AssertSqlSafe(format!("SELECT COUNT(*) AS count FROM {rows}"));
        let count: i64 = sqlx::query(sql)
            .fetch_one(&mut conn)
            .await
            .unwrap()
            .get("count");
        conn.close().await.unwrap();
        u64::try_from(count).unwrap()
    }

    /// Has the file on disk as it is now; PostgreSQL is asked for the same by a checkpoint.
    pub(crate) fn sync(&self) {
        if self.engine == Engine::Sqlite {
            File::open(file(self.folder.path()))
                .unwrap()
                .sync_all()
                .unwrap();
        }
    }

    /// Removes what would outlive this program.
    pub(crate) async fn remove(self) {
        if let Some(schema) = &self.schema
            && let Some(server) = postgres()
        {
            execute(&server.url(), format!("DROP SCHEMA {schema} CASCADE")).await;
        }
    }
}

fn file(folder: &Path) -> PathBuf {
    folder.join("bench.db")
}

/// Executes one statement on a connection of its own.
pub(crate) async fn execute(url: &str, sql: String) {
    let mut conn = AnyConnection::connect(url).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(&mut conn)
        .await
        .unwrap();
    conn.close().await.unwrap();
}

/// A folder on the disk that is measured: `target/tmp`, or `PAGOMENSA_BENCH_FOLDER`.
pub(crate) fn folder() -> TempDir {
    let base = match std::env::var_os("PAGOMENSA_BENCH_FOLDER") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(env!("CARGO_TARGET_TMPDIR")),
    };
    fs::create_dir_all(&base).unwrap();
    assert!(
        !is_in_memory(&base),
        "{} is in memory, where nothing is durable: set PAGOMENSA_BENCH_FOLDER",
        base.display()
    );
    tempfile::Builder::new()
        .prefix("bench-")
        .tempdir_in(base)
        .unwrap()
}

/// Whether a folder is on a file system without a disk.
fn is_in_memory(folder: &Path) -> bool {
    let folder = folder.canonicalize().unwrap();
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    mounts
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ').skip(1);
            Some((words.next()?, words.next()?))
        })
        .filter(|(place, _)| folder.starts_with(place))
        .max_by_key(|(place, _)| place.len())
        .is_some_and(|(_, kind)| matches!(kind, "tmpfs" | "ramfs"))
}

/// The median time in microseconds to bring 8 KiB to the disk.
pub(crate) fn fdatasync(folder: &Path) -> u64 {
    const BLOCK: usize = 8 * 1024;
    const BLOCKS: u64 = 1_024;
    let file = File::create(folder.join("sync")).unwrap();
    for block in 0..BLOCKS {
        file.write_all_at(&[1; BLOCK], block * 8 * 1024).unwrap();
    }
    file.sync_all().unwrap();
    let times = (0..BLOCKS)
        .map(|block| {
            let start = Instant::now();
            file.write_all_at(&[2; BLOCK], block * 8 * 1024).unwrap();
            file.sync_data().unwrap();
            u64::try_from(start.elapsed().as_micros()).unwrap()
        })
        .collect();
    p50_p99(times).0
}

/// The PostgreSQL to measure: one that waits for the disk.
pub(crate) fn postgres() -> Option<&'static Server> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    let settings = "-c fsync=on -c synchronous_commit=on";
    SERVER
        .get_or_init(|| {
            server(folder, &[], settings).unwrap_or_else(|error| {
                eprintln!("no cluster could be made: {error}");
                None
            })
        })
        .as_ref()
}
