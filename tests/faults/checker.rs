//! What must hold after any fault, and who says so.
//!
//! * Every receipt that was answered OK is stored once, byte for byte, with its exchange.
//! * Each payment of an open notice is owed to the ledger once, for its amount; the notice is paid
//!   by it; no notice is paid without a payment.
//! * The ledger holds what was delivered to it, each entry once and to the cent; what is delivered
//!   is what it holds, but for an answer that was lost.
//! * The database is whole, and so is every message in it; the journal's chains are unbroken.

use std::collections::{BTreeMap, BTreeSet};

use pagomensa::clock::Clock;
use pagomensa::config::Config;
use pagomensa::desk::journal::audit::{Event, Wish, verify};
use pagomensa::store::Store;
use pagomensa::wire::digest::sha256;
use serde_json::Value;
use sqlx::{AnyConnection, AssertSqlSafe, Connection, Row};

use super::load::Acknowledged;
use super::stage::Stage;

/// Whether everything that was owed must have been delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outbox {
    /// Yes: the ledger was there until the end.
    Empty,
    /// No: something may still be owed.
    Any,
}

/// What is known outside the database.
#[derive(Debug, Default)]
pub struct Outside {
    /// What the simulated ledger holds: the amount of every entry, by its id.
    ledger: BTreeMap<String, i64>,
    /// The seals of the journal in the log.
    seals: BTreeSet<String>,
}

impl Outside {
    async fn of(stage: &Stage) -> Outside {
        Outside {
            ledger: ledger_entries(stage).await,
            seals: seals(&stage.logs()),
        }
    }
}

/// The seals of the journal that a log tells of.
pub fn seals(log: &str) -> BTreeSet<String> {
    let told = log
        .lines()
        .filter(|line| line.contains("the journal is sealed"));
    told.map(|line| {
        let after = line.split("seal=\"").nth(1).unwrap();
        after.split('"').next().unwrap().to_owned()
    })
    .collect()
}

/// Looks at everything, and panics with all that is wrong. How many receipts were examined.
pub async fn check(
    stage: &Stage,
    acknowledged: &BTreeMap<String, Acknowledged>,
    outbox: Outbox,
) -> usize {
    let outside = Outside::of(stage).await;
    let faults = faults(&stage.database.url, Some(&outside), acknowledged, outbox).await;
    assert!(
        faults.is_empty(),
        "after {} receipts:\n{}\nthe gateway's log ends:\n{}",
        acknowledged.len(),
        faults.join("\n"),
        tail(&stage.logs())
    );
    acknowledged.len()
}

fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

async fn ledger_entries(stage: &Stage) -> BTreeMap<String, i64> {
    let mut entries = BTreeMap::new();
    let mut cursor = "0".to_owned();
    loop {
        let url = format!("{}/entries?limit=5000&cursor={cursor}", stage.ledger_url());
        let answer = stage.http.get(url).send().await.unwrap();
        let page: Value = answer.json().await.unwrap();
        for entry in page["data"].as_array().unwrap() {
            let id = entry["entry_id"].as_str().unwrap().to_owned();
            let amount = entry["amount_cents"].as_i64().unwrap();
            assert_eq!(entries.insert(id.clone(), amount), None, "{id} twice");
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => return entries,
        }
    }
}

/// All that is wrong with a database.
pub async fn faults(
    url: &str,
    outside: Option<&Outside>,
    acknowledged: &BTreeMap<String, Acknowledged>,
    outbox: Outbox,
) -> Vec<String> {
    sqlx::any::install_default_drivers();
    let mut conn = AnyConnection::connect(url).await.unwrap();
    let mut faults = vec![];
    if url.starts_with("sqlite:") {
        let verdict: String = sqlx::query("PRAGMA integrity_check")
            .fetch_one(&mut conn)
            .await
            .unwrap()
            .try_get(0)
            .unwrap();
        if verdict != "ok" {
            faults.push(format!("integrity_check: {verdict}"));
        }
    }
    let messages = whole_messages(&mut conn, &mut faults).await;
    payments(&mut conn, acknowledged, &messages, &mut faults).await;
    for (what, sql) in CONTRADICTIONS {
        for row in rows(&mut conn, sql).await {
            faults.push(format!("{what}: {}", text(&row, "subject")));
        }
    }
    if let Some(Outside { ledger, .. }) = outside {
        deliveries(&mut conn, ledger, outbox, &mut faults).await;
    }
    conn.close().await.unwrap();
    let seals = outside.map(|outside| outside.seals.clone());
    chains(url, seals.unwrap_or_default(), &mut faults).await;
    faults
}

/// The journal of events is whole: every line is in its chain, no chain is broken, and every seal is
/// there.
async fn chains(url: &str, seals: BTreeSet<String>, faults: &mut Vec<String>) {
    let mut config = Config::with("").unwrap();
    config.database.url = url.to_owned().into();
    let store = Store::open(&config.database).await.unwrap();
    let mut listener = |event: Event<'_>| {
        if let Event::Violation(violation) = event {
            faults.push(format!("the journal: {violation:?}"));
        }
    };
    let now = Clock::System.now();
    let wish = Wish {
        anchors: seals,
        ..Wish::default()
    };
    let proof = verify(&store, wish, now, &mut listener);
    proof.await.unwrap();
    store.close().await;
}

async fn rows(conn: &mut AnyConnection, sql: &'static str) -> Vec<sqlx::any::AnyRow> {
    sqlx::query(AssertSqlSafe(sql))
        .fetch_all(conn)
        .await
        .unwrap()
}

fn text(row: &sqlx::any::AnyRow, column: &str) -> String {
    row.try_get(column).unwrap()
}

/// The fingerprints of the messages that came in, by their id; each must be that of its bytes.
async fn whole_messages(
    conn: &mut AnyConnection,
    faults: &mut Vec<String>,
) -> BTreeMap<String, String> {
    let mut messages = BTreeMap::new();
    for row in rows(conn, "SELECT id, sha256, bytes FROM documents").await {
        let (id, fingerprint) = (text(&row, "id"), text(&row, "sha256"));
        let bytes: Vec<u8> = row.try_get("bytes").unwrap();
        if sha256(&bytes) != fingerprint {
            faults.push(format!("document {id} is not what its fingerprint says"));
        }
        messages.insert(id, fingerprint);
    }
    messages
}

/// Every receipt answered OK is there once, as it was sent.
async fn payments(
    conn: &mut AnyConnection,
    acknowledged: &BTreeMap<String, Acknowledged>,
    messages: &BTreeMap<String, String>,
    faults: &mut Vec<String>,
) {
    let mut stored: BTreeMap<String, Vec<(String, i64)>> = BTreeMap::new();
    for row in rows(
        conn,
        "SELECT reference, document, amount_cents FROM payments",
    )
    .await
    {
        let (reference, document) = (text(&row, "reference"), text(&row, "document"));
        let amount: i64 = row.try_get("amount_cents").unwrap();
        stored
            .entry(reference)
            .or_default()
            .push((document, amount));
    }
    let mut answered = BTreeSet::new();
    for row in rows(
        conn,
        "SELECT reference FROM exchanges WHERE outcome = 'OK' AND reference IS NOT NULL",
    )
    .await
    {
        answered.insert(text(&row, "reference"));
    }
    for (reference, found) in &stored {
        if found.len() > 1 {
            faults.push(format!("{reference} is booked {} times", found.len()));
        }
    }
    for (id, receipt) in acknowledged {
        match stored.get(id).map(Vec::as_slice) {
            None | Some([]) => faults.push(format!("{id} was answered OK and is lost")),
            Some([(document, amount), ..]) => {
                if messages.get(document) != Some(&sha256(receipt.message.as_bytes())) {
                    faults.push(format!("the message of {id} is not kept as it came"));
                }
                if *amount != receipt.cents {
                    faults.push(format!("{id} is booked with {amount} cents"));
                }
            }
        }
        if !answered.contains(id) {
            faults.push(format!("the exchange of {id} is not in the journal"));
        }
    }
}

/// Statements that find nothing when payments, notices and what is owed agree.
const CONTRADICTIONS: &[(&str, &str)] = &[
    (
        "a notice's only payment is not owed to the ledger once, for its amount",
        "SELECT p.reference AS subject FROM payments p JOIN debts d ON d.payment = p.id \
         WHERE p.outcome = 'paid' AND p.amount_cents > 0 AND (SELECT COUNT(*) FROM ledger_entries e \
         WHERE e.payment = p.id AND e.amount_cents = p.amount_cents) <> 1",
    ),
    (
        "something is owed for a payment that is not there, or did not pay its notice",
        "SELECT e.reference AS subject FROM ledger_entries e WHERE NOT EXISTS (SELECT 1 \
         FROM payments p JOIN debts d ON d.payment = p.id WHERE p.id = e.payment)",
    ),
    (
        "a payment's notice is not paid",
        "SELECT p.reference AS subject FROM payments p JOIN debts d ON d.id = p.debt \
         WHERE p.outcome = 'paid' AND p.amount_cents > 0 AND d.state IN ('open', 'expired')",
    ),
    (
        "a notice is paid without a payment",
        "SELECT d.notice_number AS subject FROM debts d WHERE d.state = 'paid' AND NOT EXISTS \
         (SELECT 1 FROM payments p WHERE p.id = d.payment AND p.debt = d.id)",
    ),
    (
        "a notice has a payment and is not paid",
        "SELECT d.notice_number AS subject FROM debts d \
         WHERE d.state <> 'paid' AND d.payment IS NOT NULL",
    ),
    (
        "the message of a payment is missing",
        "SELECT p.reference AS subject FROM payments p WHERE NOT EXISTS \
         (SELECT 1 FROM documents m WHERE m.id = p.document)",
    ),
    (
        "a credit was given up",
        "SELECT e.reference AS subject FROM ledger_entries e \
         WHERE e.state IN ('conflict', 'refused')",
    ),
];

/// The outbox and the ledger agree.
async fn deliveries(
    conn: &mut AnyConnection,
    ledger: &BTreeMap<String, i64>,
    outbox: Outbox,
    faults: &mut Vec<String>,
) {
    let mut known = BTreeSet::new();
    for row in rows(conn, "SELECT id, state, amount_cents FROM ledger_entries").await {
        let (id, state) = (text(&row, "id"), text(&row, "state"));
        let amount: i64 = row.try_get("amount_cents").unwrap();
        match (state.as_str(), ledger.get(&id)) {
            ("delivered", None) => faults.push(format!("{id} is not in the ledger")),
            ("owed", _) if outbox == Outbox::Empty => faults.push(format!("{id} is still owed")),
            (_, Some(booked)) if *booked != amount => {
                faults.push(format!("{id}: {booked} cents in the ledger, not {amount}"));
            }
            _ => {}
        }
        known.insert(id);
    }
    for id in ledger.keys().filter(|id| !known.contains(*id)) {
        faults.push(format!("the ledger has {id}, which nobody owed it"));
    }
}

/// Whatever is altered by hand is found: a check that cannot fail would be a defect.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_checker_bites() {
    use super::load::Load;
    use super::stage::{Launch, Stage};
    use crate::engines::Database;
    use pagomensa::store::Engine;

    let stage = Stage::over(Database::fresh(Engine::Sqlite).await.unwrap()).await;
    let launch = Launch::new();
    let gateway = stage.start(&launch).await;
    let load = Load::of(12);
    load.run(&stage, std::slice::from_ref(&launch.doors), 4)
        .await;
    stage.drained(&launch.doors).await;
    gateway.stop().await;
    let acknowledged = load.acknowledged.lock().unwrap().clone();
    assert_eq!(check(&stage, &acknowledged, Outbox::Empty).await, 12);
    let outside = Outside::of(&stage).await;
    let file = stage
        .database
        .url
        .strip_prefix("sqlite://")
        .unwrap()
        .to_owned();
    let copy = format!("{file}.altered");
    let of_r1 = "(SELECT id FROM payments WHERE reference = 'r-1')";
    for (alteration, finding) in [
        (
            "DELETE FROM payments WHERE reference = 'r-1'".to_owned(),
            "is lost",
        ),
        (
            "UPDATE payments SET amount_cents = 1 WHERE reference = 'r-1'".to_owned(),
            "with 1 cents",
        ),
        (
            "UPDATE documents SET bytes = x'00' WHERE kind = 'soap_request'".to_owned(),
            "fingerprint",
        ),
        (
            format!("DELETE FROM ledger_entries WHERE payment = {of_r1}"),
            "not owed",
        ),
        (
            format!("UPDATE ledger_entries SET state = 'owed' WHERE payment = {of_r1}"),
            "still owed",
        ),
        (
            format!("UPDATE ledger_entries SET state = 'refused' WHERE payment = {of_r1}"),
            "given up",
        ),
        (
            format!("UPDATE ledger_entries SET id = 'x' WHERE payment = {of_r1}"),
            "not in the ledger",
        ),
        (
            format!("UPDATE debts SET state = 'open' WHERE payment = {of_r1}"),
            "is not paid",
        ),
        (
            format!("UPDATE debts SET payment = 'x' WHERE payment = {of_r1}"),
            "without a payment",
        ),
        (
            "DELETE FROM exchanges WHERE reference = 'r-1'".to_owned(),
            "not in the journal",
        ),
        (
            "DROP INDEX payments_reference; CREATE TABLE again AS SELECT * FROM payments \
             WHERE reference = 'r-1'; UPDATE again SET id = 'again'; \
             INSERT INTO payments SELECT * FROM again"
                .to_owned(),
            "booked 2 times",
        ),
    ] {
        std::fs::copy(&file, &copy).unwrap();
        let url = format!("sqlite://{copy}");
        let mut conn = AnyConnection::connect(&url).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(alteration.clone()))
            .execute(&mut conn)
            .await
            .unwrap();
        conn.close().await.unwrap();
        let found = faults(&url, Some(&outside), &acknowledged, Outbox::Empty).await;
        assert!(
            found.iter().any(|fault| fault.contains(finding)),
            "{alteration}: {found:?}"
        );
    }
    let invented = Outside {
        seals: BTreeSet::from(["0".repeat(64)]),
        ..outside
    };
    let url = &stage.database.url;
    let found = faults(url, Some(&invented), &acknowledged, Outbox::Empty).await;
    assert!(
        found.iter().any(|fault| fault.contains("anchor")),
        "{found:?}"
    );
    stage.strike().await;
}
