//! The program itself, as its operator starts it, in a process of its own: what it uses is what the
//! kernel says of that process. The meal ledger is left out, all jobs run.

use std::fmt::Write as _;
use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use pagomensa::store::Engine;
use tokio::net::TcpStream;

use super::database::Database;
use super::http::Connection;
use super::messages::Template;
use super::pki;

/// A gateway that runs; it is killed when this is dropped.
pub(crate) struct Program {
    child: Child,
    pub node: SocketAddr,
    pub web: SocketAddr,
    /// From its start to the first verify that it has answered; with TLS to the open door.
    pub ready: Duration,
}

impl Program {
    /// Starts it over a database; with the certificates of a folder the node's door speaks mutual
    /// TLS. Its log goes to a file there.
    pub(crate) async fn start(database: &Database, folder: &Path, tls: bool) -> Program {
        let (node, web) = (port(), port());
        let mut config = include_str!("../../config/demo.toml")
            .replace("allowed_subjects = [\"forwarder.demo.pagomensa\"]", "")
            .replace("[ledger]", "[ledger]\nenabled = false")
            .replace("filter = \"warn\"", "filter = \"info\"");
        let file = |name: &str, key: bool| {
            let files = pki::files(folder, name);
            let path = if key { files.key } else { files.certificate };
            path.display().to_string()
        };
        let door = format!(
            "[node.tls]\nenabled = {tls}\nallowed_subjects = [\"{}\"]\ncertificate_file = {:?}\n\
             key_file = {:?}\nclient_ca_file = {:?}\n",
            pki::NODE,
            file("server", false),
            file("server", true),
            file("authority", false),
        );
        config = config.replace("[node.tls]\n", &door);
        write!(
            config,
            "\n[database]\nurl = {:?}\n\n[node]\nlisten = \"{node}\"\n\n[web]\nlisten = \"{web}\"\n",
            match database.engine {
                Engine::Sqlite => database.url.replace("?mode=rwc", ""),
                Engine::Postgres => database.url.clone(),
            }
        )
        .unwrap();
        let settings = folder.join(format!("{}.toml", node.port()));
        std::fs::write(&settings, config).unwrap();
        let log = File::create(folder.join(format!("{}.log", node.port()))).unwrap();
        let start = Instant::now();
        let child = Command::new(env!("CARGO_BIN_EXE_pagomensa"))
            .args(["serve", "--config"])
            .arg(&settings)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut program = Program {
            child,
            node,
            web,
            ready: Duration::ZERO,
        };
        while TcpStream::connect(node).await.is_err() {
            let is_late = start.elapsed() > Duration::from_secs(30);
            assert!(!is_late, "the gateway did not come up: {settings:?}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        if !tls {
            let mut connection = Connection::open(node).await;
            let answer = connection.call(Template::verify().at(1, 1)).await;
            answer.must_be(200, "paVerifyPaymentNoticeRes");
        }
        program.ready = start.elapsed();
        program
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it at once, as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        self.child.wait().unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A free port of this machine.
fn port() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}
