//! Ended at each named point, and started again: one test for each point and engine.
//!
//! Only with the feature `failpoints`: `cargo test --features failpoints --test pagomensa points`.

mod around;

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use pagomensa::store::Engine;
use serde_json::Value;

use super::checker::{Outbox, check, seals};
use super::load::Load;
use super::stage::{Gateway, Launch, Stage};
use crate::engines::Database;
use crate::world::top_up;

/// What must happen for the point to be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Through {
    /// Notices, verifies and receipts, as they always come.
    Load,
    /// A notice is withdrawn.
    Cancelling,
    /// A notice is past its last day.
    Expiry,
    /// The first start over an empty database.
    FirstStart,
    /// Notices are told to the archive, while they come and two are withdrawn.
    Archive,
    /// Receipts are looked for that have not come.
    Search,
    /// The journal is sealed.
    Sealing,
    /// A file of notices is brought in.
    Filing,
}

impl Through {
    /// How the point is reached for the last time: not at the first passage where there are more, so
    /// that there is something to lose.
    fn passages(self) -> &'static str {
        match self {
            Through::Load | Through::Archive => "3*off->return",
            Through::Search | Through::Sealing | Through::Filing => "1*off->return",
            Through::Cancelling | Through::Expiry | Through::FirstStart => "return",
        }
    }
}

/// A notice that is there before the gateway dies.
#[derive(PartialEq, Eq)]
struct Notice {
    id: String,
    number: String,
}

/// SIGABRT.
const ABORTED: i32 = 6;
const PATIENCE: Duration = Duration::from_secs(60);

async fn dies_at(point: &str, through: Through, engine: Engine) {
    let Some(database) = Database::fresh(engine).await else {
        return;
    };
    let mut stage = Stage::empty(database).await;
    around::open_the_world(&stage).await;
    let launch = Launch::new().with("PAGOMENSA__JOBS__EXPIRE_EVERY_S", "1");
    let launch = around::settings(through, &stage, launch);
    let passages = format!("{point}={}", through.passages());
    let failing = launch.clone().with("FAILPOINTS", &passages);
    if through == Through::FirstStart {
        aborted(point, &mut stage.spawn(&failing)).await;
    }
    stage.make_key();
    let mut prepared = vec![];
    if through != Through::FirstStart {
        let gateway = stage.start(&launch).await;
        for _ in 0..3 {
            prepared.push(open(&stage, &launch).await);
        }
        gateway.stop().await;
    }
    let withdrawn = match through {
        Through::Cancelling => &prepared[..],
        Through::Archive => &prepared[1..],
        _ => &[],
    };
    let load = Load::new();
    let doors = [launch.doors.clone()];
    let dying = async {
        match through {
            Through::Expiry => expire(&stage, &prepared).await,
            Through::Search => around::lose_receipts(&stage, &prepared).await,
            _ => {}
        }
        if through != Through::FirstStart {
            let mut gateway = stage.spawn(&failing);
            cancel(&stage, &launch, withdrawn).await;
            if through == Through::Filing {
                file(&stage, &launch).await;
            }
            aborted(point, &mut gateway).await;
        }
        let sealed = seals(&stage.logs());
        stage.end_leases().await;
        let gateway = stage.start(&launch).await;
        cancel(&stage, &launch, withdrawn).await;
        load.wait_for(10).await;
        load.stop();
        (gateway, sealed)
    };
    let ((gateway, sealed), ()) = tokio::join!(dying, load.run(&stage, &doors, 6));
    around::come_to_an_end(through, &stage, &launch.doors, &prepared, &sealed).await;
    if through == Through::Filing {
        brought_in(&stage, &launch).await;
    }
    stage.drained(&launch.doors).await;
    for notice in &prepared {
        let expected = match through {
            _ if withdrawn.contains(notice) => "cancelled",
            Through::Expiry => "expired",
            Through::Search => "paid",
            _ => "open",
        };
        assert_eq!(
            state(&stage, &launch, &notice.id).await,
            expected,
            "{point}"
        );
    }
    gateway.stop().await;
    let acknowledged = load.acknowledged.lock().unwrap().clone();
    check(&stage, &acknowledged, Outbox::Empty).await;
    stage.strike().await;
}

/// Waits for the end that the point brings.
async fn aborted(point: &str, gateway: &mut Gateway) {
    let status = gateway.end(PATIENCE).await;
    let signal = status.and_then(|status| status.signal());
    assert_eq!(
        signal,
        Some(ABORTED),
        "{point} was not reached:\n{}",
        gateway.log()
    );
}

/// Opens a notice.
async fn open(stage: &Stage, launch: &Launch) -> Notice {
    let mut body = top_up();
    body.as_object_mut().unwrap().remove("due_on");
    let answer = stage
        .http
        .post(format!("{}/api/v1/notices", launch.doors.web))
        .bearer_auth(&stage.key)
        .json(&body)
        .send()
        .await
        .unwrap();
    let notice: Value = answer.json().await.unwrap();
    let text = |field: &str| notice[field].as_str().unwrap().to_owned();
    Notice {
        id: text("id"),
        number: text("notice_number"),
    }
}

/// Withdraws notices, until the gateway is gone.
async fn cancel(stage: &Stage, launch: &Launch, notices: &[Notice]) {
    if notices.is_empty() {
        return;
    }
    for _ in 0..400 {
        if stage.is_ready(&launch.doors).await {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for Notice { id, .. } in notices {
        let url = format!("{}/api/v1/notices/{id}/cancel", launch.doors.web);
        // The gateway may end instead of answering.
        let _ = stage.http.post(url).bearer_auth(&stage.key).send().await;
    }
}

/// Notices in the file: some more than three transactions take.
const FILED: usize = 650;

/// Sends a file of notices, which may be cut off when the gateway ends; the batch, if it answered.
async fn file(stage: &Stage, launch: &Launch) -> Option<Value> {
    while !stage.is_ready(&launch.doors).await {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let sent = stage
        .http
        .post(format!("{}/api/v1/notices/batch", launch.doors.web))
        .bearer_auth(&stage.key)
        .header("content-type", "text/csv")
        .body(crate::invoices::sheet(FILED, ';').replace("31/12/2026", "31/12/2099"))
        .send();
    sent.await.ok()?.json().await.ok()
}

/// The file goes on where it was, and every row of it is settled once.
async fn brought_in(stage: &Stage, launch: &Launch) {
    let filed = file(stage, launch).await.unwrap();
    let url = filed["links"]["self"].as_str().unwrap().to_owned();
    let path = url.split_once("/api/").unwrap().1;
    for _ in 0..3_000 {
        let url = format!("{}/api/{path}", launch.doors.web);
        let asked = stage.http.get(url).bearer_auth(&stage.key).send();
        let batch: Value = asked.await.unwrap().json().await.unwrap();
        if batch["state"] == "done" {
            assert_eq!(batch["rows"]["created"], FILED, "{batch}");
            let url = format!(
                "{}/api/{path}/rows?limit=200&state=created",
                launch.doors.web
            );
            assert_eq!(settled(stage, &url).await, FILED, "{batch}");
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the file was not brought in");
}

/// Rows of the report, page by page, each with a notice of its own.
async fn settled(stage: &Stage, url: &str) -> usize {
    let mut notices = std::collections::HashSet::new();
    let mut cursor = String::new();
    loop {
        let asked = stage.http.get(format!("{url}&cursor={cursor}"));
        let page = asked.bearer_auth(&stage.key).send().await.unwrap();
        let page: Value = page.json().await.unwrap();
        for row in page["data"].as_array().unwrap() {
            notices.insert(row["notice"].as_str().unwrap().to_owned());
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => return notices.len(),
        }
    }
}

/// The last day of these notices was long ago.
async fn expire(stage: &Stage, notices: &[Notice]) {
    for Notice { id, .. } in notices {
        stage
            .execute(format!("UPDATE debts SET payable_until = '2020-01-01', due_on = '2020-01-01' WHERE id = '{id}'"))
            .await;
    }
}

async fn state(stage: &Stage, launch: &Launch, id: &str) -> String {
    let url = format!("{}/api/v1/notices/{id}", launch.doors.web);
    let answer = stage
        .http
        .get(url)
        .bearer_auth(&stage.key)
        .send()
        .await
        .unwrap();
    let notice: Value = answer.json().await.unwrap();
    notice["state"].as_str().unwrap().to_owned()
}

/// Two tests of each point, and a list of all points.
macro_rules! points {
    ($($name:ident: $point:literal, $through:ident;)*) => {
        $(mod $name {
            use super::*;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                dies_at($point, Through::$through, Engine::Sqlite).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                dies_at($point, Through::$through, Engine::Postgres).await;
            }
        })*

        const POINTS: &[&str] = &[$($point),*];
    };
}

points! {
    receipt_parsed: "receipt.parsed", Load;
    till_begun: "till.begun", Load;
    till_documents_stored: "till.documents_stored", Load;
    till_decided: "till.decided", Load;
    till_before_commit: "till.before_commit", Load;
    till_after_commit: "till.after_commit", Load;
    node_answering: "node.answering", Load;
    debt_before_commit: "debt.before_commit", Load;
    debt_after_commit: "debt.after_commit", Load;
    courier_read: "courier.read", Load;
    courier_calling: "courier.calling", Load;
    courier_answered: "courier.answered", Load;
    courier_before_commit: "courier.before_commit", Load;
    courier_after_commit: "courier.after_commit", Load;
    lease_taken: "lease.taken", Load;
    journal_before_commit: "journal.before_commit", Load;
    journal_after_commit: "journal.after_commit", Load;
    events_before_commit: "events.before_commit", Load;
    batch_before_commit: "batch.before_commit", Filing;
    batch_after_commit: "batch.after_commit", Filing;
    cancel_before_commit: "cancel.before_commit", Cancelling;
    cancel_after_commit: "cancel.after_commit", Cancelling;
    expiry_before_commit: "expiry.before_commit", Expiry;
    expiry_after_commit: "expiry.after_commit", Expiry;
    aca_before_offer: "aca.before_offer", Archive;
    aca_offered: "aca.offered", Archive;
    aca_answered: "aca.answered", Archive;
    aca_before_commit: "aca.before_commit", Archive;
    aca_after_commit: "aca.after_commit", Archive;
    hunter_asking: "hunter.asking", Search;
    hunter_answered: "hunter.answered", Search;
    hunter_deposited: "hunter.deposited", Search;
    hunter_before_commit: "hunter.before_commit", Search;
    hunter_after_commit: "hunter.after_commit", Search;
    seal_before_commit: "seal.before_commit", Sealing;
    seal_after_commit: "seal.after_commit", Sealing;
    migration_beginning: "migration.beginning", FirstStart;
    migration_done: "migration.done", FirstStart;
}

/// A point that is added to the program has its test.
#[test]
fn every_point_is_tested() {
    let mut found = std::collections::BTreeSet::new();
    for file in crate::house::files("src") {
        let text = std::fs::read_to_string(&file).unwrap();
        for rest in text.split("point::reach(\"").skip(1) {
            found.insert(rest.split('"').next().unwrap().to_owned());
        }
    }
    let tested = POINTS.iter().map(|point| (*point).to_owned()).collect();
    assert_eq!(found, tested);
}
