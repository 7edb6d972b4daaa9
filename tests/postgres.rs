//! A PostgreSQL of our own, made from the programs found on the machine. The benchmarks include this
//! file too.
//!
//! It ends with this program, whatever the end is: it runs under a shell that ends it when our end of
//! its pipe closes.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

/// The databases of a server, in a folder of their own.
pub(crate) struct Cluster {
    bin: PathBuf,
    folder: PathBuf,
    /// Where its socket is. The path of one has at most 107 bytes, which `folder` may exceed.
    socket: PathBuf,
    owner: Option<(u32, u32)>,
}

/// A server that runs until this program ends.
pub(crate) enum Server {
    /// That of `PAGOMENSA_TEST_POSTGRES`, by its URL.
    Given(String),
    /// One of our own.
    Ours(Cluster),
}

impl Server {
    pub(crate) fn url(&self) -> String {
        match self {
            Server::Given(url) => url.clone(),
            Server::Ours(cluster) => cluster.url(),
        }
    }
}

/// The server of `PAGOMENSA_TEST_POSTGRES` when that holds a URL, else one over a cluster that is
/// thrown away at the end; nothing when PostgreSQL is not on the machine.
///
/// # Errors
/// No cluster can be made in this folder.
pub(crate) fn server(
    folder: impl FnOnce() -> TempDir,
    initdb: &[&str],
    settings: &str,
) -> Result<Option<Server>, String> {
    if let Ok(url) = std::env::var("PAGOMENSA_TEST_POSTGRES")
        && !url.is_empty()
    {
        return Ok(Some(Server::Given(url)));
    }
    let Some(bin) = programs() else {
        return Ok(None);
    };
    let (folder, socket) = (folder(), tempfile::tempdir().unwrap());
    let cluster = Cluster::make(bin, folder.path(), socket.path(), initdb)?;
    // Removed by the shell: nothing of ours is dropped when this program is killed.
    let (folder, socket) = (folder.keep(), socket.keep());
    let (folder, socket) = (folder.display(), socket.display());
    let farewell = format!("kill -INT $server; wait $server; rm -rf '{folder}' '{socket}'");
    let mut keeper = cluster.start(settings, &farewell);
    // Never closed by us.
    std::mem::forget(keeper.stdin.take());
    std::mem::forget(keeper);
    Ok(Some(Server::Ours(cluster)))
}

/// The folder of PostgreSQL's programs.
pub(crate) fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let debian = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")));
    debian.chain(std::env::split_paths(&path)).find(|folder| {
        ["initdb", "postgres"]
            .iter()
            .all(|program| folder.join(program).exists())
    })
}

impl Cluster {
    /// A new one in this folder, not running yet, with more words for `initdb`.
    ///
    /// # Errors
    /// What `initdb` says; mostly its user may not enter the folder.
    pub(crate) fn make(
        bin: PathBuf,
        folder: &Path,
        socket: &Path,
        initdb: &[&str],
    ) -> Result<Cluster, String> {
        let cluster = Cluster {
            bin,
            folder: folder.to_owned(),
            socket: socket.to_owned(),
            owner: unprivileged(),
        };
        let data = cluster.data();
        fs::set_permissions(&cluster.folder, Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(&data).unwrap();
        if let Some((uid, gid)) = cluster.owner {
            for path in [&cluster.folder, &data, &cluster.socket] {
                chown(path, Some(uid), Some(gid)).unwrap();
            }
        }
        let made = cluster
            .as_owner(&cluster.bin.join("initdb"))
            .args(["--username=pagomensa", "--auth=trust", "--encoding=UTF8"])
            .arg("--locale=C")
            .args(initdb)
            .arg("--pgdata")
            .arg(&data)
            .output()
            .unwrap();
        match made.status.success() {
            true => Ok(cluster),
            false => Err(String::from_utf8_lossy(&made.stderr).into_owned()),
        }
    }

    /// Starts it with these settings (`-c name=value`) and waits until it answers. When the pipe of
    /// the shell above it closes, the shell says farewell to `$server` in these words.
    pub(crate) fn start(&self, settings: &str, farewell: &str) -> Child {
        let script = format!(
            "'{postgres}' -D '{data}' -k '{socket}' -c listen_addresses= {settings} \
             >>'{folder}/log' 2>&1 & server=$!; cat >/dev/null; {farewell}",
            postgres = self.bin.join("postgres").display(),
            data = self.data().display(),
            socket = self.socket.display(),
            folder = self.folder.display(),
        );
        let keeper = self
            .as_owner(Path::new("/bin/sh"))
            .args(["-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        self.wait_until_ready();
        keeper
    }

    pub(crate) fn url(&self) -> String {
        let socket = self.socket.display();
        format!("postgres://pagomensa@localhost/postgres?host={socket}")
    }

    /// The process of the server that runs.
    pub(crate) fn pid(&self) -> u32 {
        let text = fs::read_to_string(self.data().join("postmaster.pid")).unwrap();
        text.lines().next().unwrap().parse().unwrap()
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn as_owner(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        if let Some((uid, gid)) = self.owner {
            command.uid(uid).gid(gid);
        }
        // A folder that its user may enter, and that nobody removes.
        command.current_dir("/");
        command
    }

    /// Asks the server's own program until the server answers.
    fn wait_until_ready(&self) {
        for _ in 0..600 {
            let probe = Command::new(self.bin.join("psql"))
                .args(["-q", "-U", "pagomensa", "-d", "postgres"])
                .args(["-c", "SELECT 1", "-h"])
                .arg(&self.socket)
                .output()
                .unwrap();
            if probe.status.success() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        panic!("PostgreSQL did not start:\n{log}");
    }
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
