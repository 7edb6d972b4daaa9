//! Killed at any moment under load, and started again: no receipt that was answered OK is missing,
//! none is booked twice.

use std::collections::BTreeSet;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use pagomensa::clock::Clock;
use pagomensa::config::Config;
use pagomensa::desk::journal::audit::{Event, Wish, verify};
use pagomensa::store::{Engine, Store};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Row};

use crate::engines::Database;
use crate::world::{TOWN, receipt, top_up};

/// Notices to be paid.
const NOTICES: usize = 240;
/// Receipts on their way at the same time.
const SENDERS: usize = 12;
/// The process is killed after so many further answers; different numbers, so that the kill falls
/// into different moments.
const KILLS: [usize; 10] = [1, 7, 13, 20, 3, 29, 11, 17, 2, 23];

/// The gateway, as its operator starts it.
struct Gateway {
    child: Child,
    web: String,
    node: String,
}

/// A free port.
fn port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

impl Gateway {
    async fn start(config: &std::path::Path, http: &reqwest::Client) -> Gateway {
        let (web, node) = (port(), port());
        let child = Command::new(env!("CARGO_BIN_EXE_pagomensa"))
            .args(["serve", "--config"])
            .arg(config)
            .env("PAGOMENSA__WEB__LISTEN", format!("127.0.0.1:{web}"))
            .env("PAGOMENSA__NODE__LISTEN", format!("127.0.0.1:{node}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let gateway = Gateway {
            child,
            web: format!("http://127.0.0.1:{web}"),
            node: format!("http://127.0.0.1:{node}/node"),
        };
        for _ in 0..400 {
            let ready = http
                .get(format!("{}/health/ready", gateway.web))
                .send()
                .await;
            if ready.is_ok_and(|answer| answer.status().is_success()) {
                return gateway;
            }
            tokio::time::sleep(std::time::Duration::from_millis(25)).await;
        }
        panic!("the gateway did not come up");
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // It may have been killed already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends receipts that are not answered yet until `limit` further ones are answered OK or the
/// gateway is gone.
async fn send(http: &reqwest::Client, node: &str, work: &Work, limit: usize) {
    let answered = AtomicUsize::new(0);
    let sender = async || {
        while answered.load(Ordering::SeqCst) < limit {
            let Some(number) = work.waiting.lock().unwrap().pop() else {
                return;
            };
            let message = receipt(&number, &format!("r-{number}"), "50.00");
            let sent = http.post(node).body(message).send().await;
            let is_ok = match sent {
                Ok(answer) if answer.status() == 200 => answer
                    .text()
                    .await
                    .is_ok_and(|text| text.contains("<outcome>OK</outcome>")),
                _ => false,
            };
            if is_ok {
                answered.fetch_add(1, Ordering::SeqCst);
                work.acknowledged
                    .lock()
                    .unwrap()
                    .insert(format!("r-{number}"));
            } else {
                // As the node does: what was not answered comes again.
                work.waiting.lock().unwrap().insert(0, number);
                return;
            }
        }
    };
    futures_util::future::join_all((0..SENDERS).map(|_| sender())).await;
}

/// What is still to be paid, and what was answered OK.
struct Work {
    waiting: Mutex<Vec<String>>,
    acknowledged: Mutex<BTreeSet<String>>,
}

async fn survive(engine: Engine) {
    let Some(database) = Database::fresh(engine).await else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pagomensa.toml");
    let settings = format!(
        "{}\n[database]\nurl = \"{}\"\n",
        include_str!("../config/demo.toml")
            .replace("[node.tls]", "[node.tls]\nenabled = false")
            .replace("[ledger]", "[ledger]\nenabled = false"),
        database.url
    );
    std::fs::write(&file, &settings).unwrap();
    let made = Command::new(env!("CARGO_BIN_EXE_pagomensa"))
        .args([
            "keys",
            "create",
            "--creditor",
            TOWN,
            "--name",
            "kill",
            "--config",
        ])
        .arg(&file)
        .output()
        .unwrap();
    let key = String::from_utf8(made.stdout).unwrap();
    let http = reqwest::Client::new();
    let mut gateway = Gateway::start(&file, &http).await;
    let mut numbers = vec![];
    for _ in 0..NOTICES {
        let answer = http
            .post(format!("{}/api/v1/notices", gateway.web))
            .bearer_auth(key.trim())
            .json(&top_up_later())
            .send()
            .await
            .unwrap();
        let notice: Value = answer.json().await.unwrap();
        numbers.push(notice["notice_number"].as_str().unwrap().to_owned());
    }
    let work = Work {
        waiting: Mutex::new(numbers),
        acknowledged: Mutex::new(BTreeSet::new()),
    };
    for kill_after in KILLS {
        let before = work.acknowledged.lock().unwrap().len();
        // The kill comes in the middle of the others' requests, not after them.
        let sending = send(&http, &gateway.node, &work, usize::MAX);
        let watching = async {
            while work.acknowledged.lock().unwrap().len() < before + kill_after {
                tokio::task::yield_now().await;
            }
            let pid = gateway.child.id().to_string();
            assert!(
                Command::new("kill")
                    .args(["-KILL", &pid])
                    .status()
                    .unwrap()
                    .success()
            );
        };
        tokio::join!(sending, watching);
        gateway = Gateway::start(&file, &http).await;
    }
    send(&http, &gateway.node, &work, usize::MAX).await;
    drop(gateway);

    let store = Store::open(&Config::with(&settings).unwrap().database)
        .await
        .unwrap();
    let mut conn = store.read().await.unwrap();
    let mut list = async |sql: &'static str| -> Vec<String> {
        let rows = sqlx::query(AssertSqlSafe(sql))
            .fetch_all(&mut *conn)
            .await
            .unwrap();
        rows.iter()
            .map(|row| row.try_get("reference").unwrap())
            .collect()
    };
    let booked = list("SELECT reference FROM payments").await;
    let owed = list("SELECT reference FROM ledger_entries").await;
    let unique: BTreeSet<String> = booked.iter().cloned().collect();
    assert_eq!(unique.len(), booked.len(), "a receipt was booked twice");
    assert_eq!(
        unique,
        owed.iter().cloned().collect(),
        "credits and payments differ"
    );
    assert_eq!(owed.len(), booked.len(), "a receipt was credited twice");
    let acknowledged = work.acknowledged.into_inner().unwrap();
    assert_eq!(
        acknowledged.len(),
        NOTICES,
        "not every receipt came through in the end"
    );
    assert_eq!(unique, acknowledged, "an answered receipt is missing");
    drop(conn);
    // Whatever moment the kills fell into, the journal of events is whole.
    let retention = Config::with("").unwrap().journal.retention;
    let now = Clock::System.now();
    let mut faults = vec![];
    let mut listener = |event: Event<'_>| {
        if let Event::Violation(violation) = event {
            faults.push(violation);
        }
    };
    let proof = verify(&store, Wish::default(), retention, now, &mut listener);
    let report = proof.await.unwrap();
    assert_eq!(faults, []);
    assert!(report.exchanges >= NOTICES as u64);
    store.close().await;
    database.remove().await;
}

/// A top-up whose due day is left to the gateway: the clock here is the machine's.
fn top_up_later() -> Value {
    let mut body = top_up();
    body.as_object_mut().unwrap().remove("due_on");
    body
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_ten_times_under_load_on_sqlite() {
    survive(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_ten_times_under_load_on_postgresql() {
    survive(Engine::Postgres).await;
}
