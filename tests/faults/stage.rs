//! The real program on ports of its own, beside a simulated ledger, over a database that can be
//! looked at afterwards.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use sqlx::{AnyConnection, AssertSqlSafe, Connection};

use crate::engines::Database;
use crate::world::{BROKER, STATION, TOWN};

/// The token of the simulated ledger.
pub const LEDGER_TOKEN: &str = "ledger-token-of-the-faults";
/// The subscription key of pagoPA's simulated services.
pub const SUBSCRIPTION: &str = "subscription-of-the-faults";

/// Everything around the gateway, which may die while this stays.
pub struct Stage {
    pub database: Database,
    pub ledger: mock_psp::World,
    pub http: reqwest::Client,
    pub key: String,
    pub folder: tempfile::TempDir,
    settings: PathBuf,
}

/// Where a gateway listens; the same after a restart.
#[derive(Debug, Clone)]
pub struct Doors {
    pub web: String,
    pub node: String,
    web_port: u16,
    node_port: u16,
}

/// How a gateway is started.
#[derive(Debug, Clone)]
pub struct Launch {
    pub doors: Doors,
    env: Vec<(String, String)>,
    before: Vec<String>,
}

/// A gateway that runs.
pub struct Gateway {
    child: Child,
    pub doors: Doors,
    /// From its start to its first good answer of the readiness check.
    pub ready_after: Duration,
    log: PathBuf,
}

/// The first of so many free ports in a row, outside the range from which the system takes ports for
/// outgoing connections: while a gateway is dead or not yet up, nobody else is given its port.
pub fn ports(count: u16) -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % 11_000).unwrap();
    for _ in 0..11_000 {
        let step = NEXT.fetch_add(count, Ordering::Relaxed);
        let first = 21_000 + (start.wrapping_mul(7).wrapping_add(step)) % 11_000;
        let is_free = |port| std::net::TcpListener::bind(("127.0.0.1", port)).is_ok();
        if (first..first + count).all(is_free) {
            return first;
        }
    }
    panic!("no free port");
}

impl Doors {
    pub fn new() -> Doors {
        let (web_port, node_port) = (ports(1), ports(1));
        Doors {
            web: format!("http://127.0.0.1:{web_port}"),
            node: format!("http://127.0.0.1:{node_port}/node"),
            web_port,
            node_port,
        }
    }

    /// The port of the node's door.
    pub fn node_port(&self) -> u16 {
        self.node_port
    }
}

impl Launch {
    pub fn new() -> Launch {
        Launch {
            doors: Doors::new(),
            env: vec![],
            before: vec![],
        }
    }

    /// With this variable of the environment.
    pub fn with(mut self, name: &str, value: &str) -> Launch {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Under this program, such as strace.
    pub fn under(mut self, words: &[&str]) -> Launch {
        self.before = words.iter().map(|word| (*word).to_owned()).collect();
        self
    }
}

impl Stage {
    /// A stage over this database, with a key of the town.
    pub async fn over(database: Database) -> Stage {
        let mut stage = Stage::empty(database).await;
        stage.make_key();
        stage
    }

    /// A stage over a database that nobody has touched yet.
    pub async fn empty(database: Database) -> Stage {
        // For whoever looks at the database by itself.
        sqlx::any::install_default_drivers();
        let folder = tempfile::tempdir().unwrap();
        let ledger = mock_psp::World::start(
            tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap(),
            mock_psp::WorldConfig {
                data_dir: folder.path().join("world"),
                gateway_web: "http://127.0.0.1:9".to_owned(),
                gateway_node: "http://127.0.0.1:9/node".to_owned(),
                tls: None,
                creditors: vec![mock_psp::Creditor {
                    fiscal_code: TOWN.to_owned(),
                    name: "Ente".to_owned(),
                    broker: BROKER.to_owned(),
                    station: STATION.to_owned(),
                    portal_key: String::new(),
                    broadcast: false,
                }],
                ledger_token: LEDGER_TOKEN.to_owned(),
                subscription_key: SUBSCRIPTION.to_owned(),
            },
        )
        .await
        .unwrap();
        let settings = folder.path().join("pagomensa.toml");
        std::fs::write(&settings, include_str!("../../config/demo.toml")).unwrap();
        let http = reqwest::Client::builder()
            .no_proxy()
            // As the node.
            .timeout(Duration::from_secs(15))
            .build()
            .unwrap();
        Stage {
            database,
            ledger,
            http,
            key: String::new(),
            folder,
            settings,
        }
    }

    /// Makes a key of the town, by the command for it.
    pub fn make_key(&mut self) {
        let made = self
            .command(&Launch::new(), &["keys", "create", "--creditor", TOWN])
            .args(["--name", "faults"])
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        assert!(made.status.success(), "no key could be made");
        self.key = String::from_utf8(made.stdout).unwrap().trim().to_owned();
    }

    /// The address of the simulated world.
    pub fn world_url(&self) -> String {
        format!("http://{}", self.ledger.addr())
    }

    /// The address of the simulated ledger.
    pub fn ledger_url(&self) -> String {
        format!("{}/ledger", self.world_url())
    }

    /// The program with these words.
    pub fn command(&self, launch: &Launch, words: &[&str]) -> Command {
        let program = env!("CARGO_BIN_EXE_pagomensa");
        let mut all = launch.before.clone();
        all.push(program.to_owned());
        let mut command = Command::new(&all[0]);
        command
            .args(&all[1..])
            .args(words)
            .arg("--config")
            .arg(&self.settings)
            .env("TMPDIR", self.folder.path())
            .env("PAGOMENSA__DATABASE__URL", &self.database.url)
            .env("PAGOMENSA__LEDGER__URL", self.ledger_url())
            .env("PAGOMENSA__LEDGER__TOKEN", LEDGER_TOKEN)
            .env("PAGOMENSA__LEDGER__RETRY_PAUSES_S", "1")
            .env("PAGOMENSA__NODE__TLS__ENABLED", "false")
            .env("PAGOMENSA__LOG__FILTER", "info,hyper=warn,sqlx=warn")
            .env(
                "PAGOMENSA__WEB__LISTEN",
                format!("127.0.0.1:{}", launch.doors.web_port),
            )
            .env(
                "PAGOMENSA__NODE__LISTEN",
                format!("127.0.0.1:{}", launch.doors.node_port),
            )
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        for (name, value) in &launch.env {
            command.env(name, value);
        }
        command
    }

    /// Starts a gateway and waits for nothing.
    pub fn spawn(&self, launch: &Launch) -> Gateway {
        let log = self
            .folder
            .path()
            .join(format!("log-{}", launch.doors.web_port));
        let file = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .unwrap();
        Gateway {
            child: self
                .command(launch, &["serve"])
                .stderr(file)
                .spawn()
                .unwrap(),
            doors: launch.doors.clone(),
            ready_after: Duration::ZERO,
            log,
        }
    }

    /// Starts a gateway and waits until it is ready.
    pub async fn start(&self, launch: &Launch) -> Gateway {
        let mut gateway = self.spawn(launch);
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(30) {
            if self.is_ready(&gateway.doors).await {
                gateway.ready_after = begun.elapsed();
                return gateway;
            }
            if let Some(status) = gateway.ended() {
                panic!("the gateway ended ({status}):\n{}", gateway.log());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("the gateway did not come up:\n{}", gateway.log());
    }

    /// Whether the gateway says that it is ready.
    pub async fn is_ready(&self, doors: &Doors) -> bool {
        let url = format!("{}/health/ready", doors.web);
        let answer = self.http.get(url).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    /// What the gateway says of itself.
    pub async fn health(&self, doors: &Doors) -> Value {
        let url = format!("{}/health/ready", doors.web);
        let answer = self.http.get(url).send().await.unwrap();
        answer.json().await.unwrap()
    }

    /// How many entries are owed to the ledger, as the gateway says.
    pub async fn owed(&self, doors: &Doors) -> i64 {
        let health = self.health(doors).await;
        health["ledger_entries_owed"].as_i64().unwrap()
    }

    /// What the page of metrics shows under this name.
    pub async fn measure(&self, doors: &Doors, name: &str) -> usize {
        let url = format!("{}/metrics", doors.web);
        let answer = self.http.get(url).send().await.unwrap();
        let page = answer.text().await.unwrap();
        let value = page.lines().find_map(|line| line.strip_prefix(name));
        let value = value.unwrap_or_else(|| panic!("{name} is missing in\n{page}"));
        value.trim().parse().unwrap()
    }

    /// Waits until nothing is owed to the ledger any more.
    pub async fn drained(&self, doors: &Doors) {
        let begun = Instant::now();
        while self.owed(doors).await > 0 {
            assert!(
                begun.elapsed() < Duration::from_secs(120),
                "something stays owed to the ledger"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The leases of whoever died have run out.
    pub async fn end_leases(&self) {
        self.execute("UPDATE jobs SET lease_until = '2000-01-01T00:00:00.000Z'".to_owned())
            .await;
    }

    /// Changes the database, as only a test may.
    pub async fn execute(&self, sql: String) {
        sqlx::any::install_default_drivers();
        let mut conn = AnyConnection::connect(&self.database.url).await.unwrap();
        sqlx::query(AssertSqlSafe(sql))
            .execute(&mut conn)
            .await
            .unwrap();
        conn.close().await.unwrap();
    }

    /// The children of all entries that the ledger has.
    pub async fn credits(&self) -> Vec<String> {
        let url = format!("{}/entries", self.ledger_url());
        let answer = self.http.get(url).send().await.unwrap();
        let page: Value = answer.json().await.unwrap();
        let entries = page["data"].as_array().unwrap();
        let child = |entry: &Value| entry["child"].as_str().unwrap().to_owned();
        entries.iter().map(child).collect()
    }

    /// What every gateway of this stage has logged.
    pub fn logs(&self) -> String {
        let mut text = String::new();
        for entry in std::fs::read_dir(self.folder.path()).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if name.starts_with("log-") {
                text.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
        text
    }

    /// Takes everything down.
    pub async fn strike(self) {
        self.ledger.stop().await;
        self.database.remove().await;
    }
}

impl Gateway {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// What was logged at these doors.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        let sent = Command::new("kill").args([name, &pid]).status().unwrap();
        assert!(sent.success());
    }

    /// Kills it, as nothing can prevent.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for its end.
    pub async fn end(&mut self, patience: Duration) -> Option<ExitStatus> {
        let begun = Instant::now();
        while begun.elapsed() < patience {
            if let Some(status) = self.ended() {
                return Some(status);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        None
    }

    /// Asks it to stop and waits; how long it took.
    pub async fn stop(mut self) -> Duration {
        let begun = Instant::now();
        self.signal("-TERM");
        let status = self.end(Duration::from_secs(30)).await;
        let status = status.expect("the gateway does not stop");
        assert!(status.success(), "{status}:\n{}", self.log());
        begun.elapsed()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
