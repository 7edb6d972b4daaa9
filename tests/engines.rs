//! The databases of the tests: a file per test on SQLite, a schema per test on PostgreSQL.
//!
//! PostgreSQL is the one of `PAGOMENSA_TEST_POSTGRES` when that holds a URL, else a private cluster
//! of this run, started from the programs found on the machine and thrown away at the end, whatever
//! the end is.

use std::io::Write;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use pagomensa::store::Engine;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

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
    URL.get_or_init(|| match std::env::var("PAGOMENSA_TEST_POSTGRES") {
        Ok(url) if !url.is_empty() => Some(url),
        _ => programs().map(|bin| start_cluster(&bin)),
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

/// The folder of PostgreSQL's programs.
pub fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let debian = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")));
    let mut folders: Vec<PathBuf> = debian.chain(std::env::split_paths(&path)).collect();
    folders.retain(|folder| {
        ["initdb", "postgres"]
            .iter()
            .all(|p| folder.join(p).exists())
    });
    folders.into_iter().next()
}

/// Makes a cluster and starts it under a shell that ends it when our end of its pipe closes: also
/// when this program is killed.
fn start_cluster(bin: &Path) -> String {
    let folder = tempfile::tempdir().unwrap().keep();
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).unwrap();
    let data = folder.join("data");
    std::fs::create_dir(&data).unwrap();
    let owner = unprivileged();
    if let Some((uid, gid)) = owner {
        for path in [&folder, &data] {
            chown(path, Some(uid), Some(gid)).unwrap();
        }
    }
    let as_owner = |program: &Path| {
        let mut command = Command::new(program);
        command.current_dir(&folder);
        if let Some((uid, gid)) = owner {
            command.uid(uid).gid(gid);
        }
        command
    };
    let made = as_owner(&bin.join("initdb"))
        .args([
            "--username=pagomensa",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
        ])
        .args(["--no-sync", "--pgdata"])
        .arg(&data)
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    let script = format!(
        "'{postgres}' -D '{data}' -k '{folder}' -c listen_addresses= -c fsync=off \
         -c max_connections=200 >'{folder}/log' 2>&1 & \
         server=$!; cat >/dev/null; kill -INT $server; wait $server; rm -rf '{folder}'",
        postgres = bin.join("postgres").display(),
        data = data.display(),
        folder = folder.display(),
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
    wait_until_ready(&folder, bin);
    format!(
        "postgres://pagomensa@localhost/postgres?host={}",
        folder.display()
    )
}

/// Asks the server's own program until the server answers.
pub fn wait_until_ready(folder: &Path, bin: &Path) {
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
            .arg(folder)
            .output()
            .unwrap();
        if probe.status.success() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
    panic!("PostgreSQL did not start:\n{log}");
}

/// PostgreSQL refuses to run as root: then it runs as `postgres`, or as `nobody`.
pub fn unprivileged() -> Option<(u32, u32)> {
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
