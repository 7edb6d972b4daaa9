//! A PostgreSQL of one test's own, which can be crashed and started again.

use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::engines::{programs, unprivileged, wait_until_ready};

pub struct Cluster {
    bin: PathBuf,
    folder: tempfile::TempDir,
    keeper: Option<Child>,
}

impl Cluster {
    /// A new cluster, running; nothing when PostgreSQL is not on the machine.
    pub fn start() -> Option<Cluster> {
        let bin = programs()?;
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let data = folder.path().join("data");
        std::fs::create_dir(&data).unwrap();
        if let Some((uid, gid)) = unprivileged() {
            for path in [folder.path(), &data] {
                chown(path, Some(uid), Some(gid)).unwrap();
            }
        }
        let mut cluster = Cluster {
            bin,
            folder,
            keeper: None,
        };
        let made = cluster
            .as_owner("initdb")
            .args(["--username=pagomensa", "--auth=trust", "--encoding=UTF8"])
            .args(["--locale=C", "--no-sync", "--pgdata"])
            .arg(&data)
            .output()
            .unwrap();
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        cluster.restart();
        Some(cluster)
    }

    pub fn url(&self) -> String {
        let folder = self.folder.path().display();
        format!("postgres://pagomensa@localhost/postgres?host={folder}")
    }

    fn as_owner(&self, program: &str) -> Command {
        let mut command = Command::new(self.bin.join(program));
        command.current_dir(self.folder.path());
        if let Some((uid, gid)) = unprivileged() {
            command.uid(uid).gid(gid);
        }
        command
    }

    /// Starts it again after a crash, and waits until it answers.
    pub fn restart(&mut self) {
        let folder = self.folder.path().display();
        // The shell ends it, without any farewell, when our end of its pipe closes.
        let script = format!(
            "'{}' -D '{folder}/data' -k '{folder}' -c listen_addresses= >>'{folder}/log' 2>&1 & \
             server=$!; cat >/dev/null; kill -QUIT $server; wait $server",
            self.bin.join("postgres").display()
        );
        let mut command = Command::new("/bin/sh");
        if let Some((uid, gid)) = unprivileged() {
            command.uid(uid).gid(gid);
        }
        let keeper = command
            .args(["-c", &script])
            .current_dir(self.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        self.keeper = Some(keeper);
        wait_until_ready(self.folder.path(), &self.bin);
    }

    /// Stops it in the middle of whatever it does, without closing a connection: as when the network
    /// swallows everything. [`Cluster::thaw`] lets it go on.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    /// A signal to the server and its processes, each of which is a group of its own.
    fn signal(&self, name: &str) {
        let pids = std::fs::read_to_string(self.folder.path().join("data/postmaster.pid")).unwrap();
        let server = pids.lines().next().unwrap().to_owned();
        let mut all = vec![server.clone()];
        for entry in std::fs::read_dir("/proc").unwrap() {
            let path = entry.unwrap().path();
            // A process may end while we look.
            let stat = std::fs::read_to_string(path.join("stat")).unwrap_or_default();
            let parent = stat
                .rsplit(')')
                .next()
                .and_then(|rest| rest.split_whitespace().nth(1));
            if parent == Some(server.as_str()) {
                all.push(path.file_name().unwrap().to_string_lossy().into_owned());
            }
        }
        let sent = Command::new("kill").arg(name).args(&all).status().unwrap();
        assert!(sent.success());
    }

    /// Ends it as a crash would.
    pub fn crash(&mut self) {
        if self.keeper.is_some() {
            // What was frozen could not end.
            self.thaw();
        }
        if let Some(mut keeper) = self.keeper.take() {
            drop(keeper.stdin.take());
            keeper.wait().unwrap();
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.crash();
    }
}
