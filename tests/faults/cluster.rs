//! A PostgreSQL of one test's own, which can be crashed and started again.

use std::process::{Child, Command};

use crate::postgres::{self, programs};

pub struct Cluster {
    inner: postgres::Cluster,
    keeper: Option<Child>,
    _folder: tempfile::TempDir,
}

impl Cluster {
    /// A new cluster, running; nothing when PostgreSQL is not on the machine.
    pub fn start() -> Option<Cluster> {
        let bin = programs()?;
        let folder = tempfile::tempdir().unwrap();
        let inner =
            postgres::Cluster::make(bin, folder.path(), folder.path(), &["--no-sync"]).unwrap();
        let mut cluster = Cluster {
            inner,
            keeper: None,
            _folder: folder,
        };
        cluster.restart();
        Some(cluster)
    }

    pub fn url(&self) -> String {
        self.inner.url()
    }

    /// Starts it again after a crash, and waits until it answers.
    pub fn restart(&mut self) {
        // Without any farewell.
        let crash = "kill -QUIT $server; wait $server";
        self.keeper = Some(self.inner.start("", crash));
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
        let server = self.inner.pid().to_string();
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
