//! The databases that are measured: on a real disk, and with every commit on it before it is
//! answered.
//!
//! PostgreSQL is the one of `PAGOMENSA_TEST_POSTGRES` when that holds a URL, else a private cluster
//! of this run, started from the programs found on the machine and thrown away at the end, whatever
//! the end is. Unlike the one of the tests it waits for the disk.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{FileExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use pagomensa::store::Engine;
use sqlx::{AnyConnection, AssertSqlSafe, Connection, Row};
use tempfile::TempDir;

use super::figures::p50_p99;

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
                let base = &postgres()?.url;
                let count = COUNT.fetch_add(1, Ordering::Relaxed);
                let schema = format!("bench_{}_{count}", std::process::id());
                execute(base, format!("CREATE SCHEMA {schema}")).await;
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
            execute(&server.url, format!("DROP SCHEMA {schema} CASCADE")).await;
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

/// A PostgreSQL that waits for the disk.
pub(crate) struct Server {
    pub url: String,
    /// The process of our own cluster.
    pub pid: Option<u32>,
}

/// The PostgreSQL to measure.
pub(crate) fn postgres() -> Option<&'static Server> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    SERVER
        .get_or_init(|| match std::env::var("PAGOMENSA_TEST_POSTGRES") {
            Ok(url) if !url.is_empty() => Some(Server { url, pid: None }),
            _ => start_cluster(&programs()?),
        })
        .as_ref()
}

/// The folder of PostgreSQL's programs.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let debian = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")));
    debian.chain(std::env::split_paths(&path)).find(|folder| {
        ["initdb", "postgres"]
            .iter()
            .all(|p| folder.join(p).exists())
    })
}

/// Makes a cluster and starts it under a shell that ends it when our end of its pipe closes: also
/// when this program is killed. Nothing when the cluster's user may not enter the folder.
fn start_cluster(bin: &Path) -> Option<Server> {
    let folder = folder().keep();
    fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
    let data = folder.join("data");
    // A socket's path has at most 107 bytes, which a folder under target/ may exceed.
    let socket = tempfile::tempdir().unwrap().keep();
    fs::create_dir(&data).unwrap();
    let owner = unprivileged();
    if let Some((uid, gid)) = owner {
        for path in [&folder, &data, &socket] {
            chown(path, Some(uid), Some(gid)).unwrap();
        }
    }
    let as_owner = |program: &Path| {
        let mut command = Command::new(program);
        if let Some((uid, gid)) = owner {
            command.uid(uid).gid(gid);
        }
        command.current_dir("/");
        command
    };
    let made = as_owner(&bin.join("initdb"))
        .args([
            "--username=pagomensa",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
        ])
        .arg("--pgdata")
        .arg(&data)
        .output()
        .unwrap();
    if !made.status.success() {
        eprintln!(
            "no cluster could be made: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        return None;
    }
    let script = format!(
        "'{postgres}' -D '{data}' -k '{socket}' -c listen_addresses= -c fsync=on \
         -c synchronous_commit=on >'{folder}/log' 2>&1 & \
         server=$!; cat >/dev/null; kill -INT $server; wait $server; rm -rf '{folder}' '{socket}'",
        postgres = bin.join("postgres").display(),
        data = data.display(),
        folder = folder.display(),
        socket = socket.display(),
    );
    let mut keeper = as_owner(Path::new("/bin/sh"))
        .args(["-c", &script])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap();
    // Never closed by us: it closes when this program ends, and with it the cluster does.
    std::mem::forget(keeper.stdin.take());
    std::mem::forget(keeper);
    wait_until_ready(bin, &socket, &folder);
    let pid = fs::read_to_string(data.join("postmaster.pid")).ok();
    Some(Server {
        url: format!(
            "postgres://pagomensa@localhost/postgres?host={}",
            socket.display()
        ),
        pid: pid.and_then(|text| text.lines().next()?.parse().ok()),
    })
}

/// Asks the server's own program until the server answers.
fn wait_until_ready(bin: &Path, socket: &Path, folder: &Path) {
    for _ in 0..600 {
        let probe = Command::new(bin.join("psql"))
            .args([
                "-q",
                "-U",
                "pagomensa",
                "-d",
                "postgres",
                "-c",
                "SELECT 1",
                "-h",
            ])
            .arg(socket)
            .output()
            .unwrap();
        if probe.status.success() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
    panic!("PostgreSQL did not start:\n{log}");
}

/// PostgreSQL refuses to run as root: then it runs as `postgres`, or as `nobody`.
fn unprivileged() -> Option<(u32, u32)> {
    let id = |arguments: &[&str]| -> Option<u32> {
        let output = Command::new("id").args(arguments).output().ok()?;
        String::from_utf8(output.stdout).ok()?.trim().parse().ok()
    };
    if id(&["-u"]) != Some(0) {
        return None;
    }
    ["postgres", "nobody"]
        .iter()
        .find_map(|name| Some((id(&["-u", name])?, id(&["-g", name])?)))
}
