//! The archive of notices, the search for lost receipts and the seals of the journal: how each comes
//! to its points, and what must be true of it in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use pagomensa::clock::{Clock, Ids};
use pagomensa::config::Config;
use pagomensa::domain::ids::HuntId;
use pagomensa::domain::party::CreditorCode;
use pagomensa::store::Store;
use pagomensa::store::hunts::{self, Wanted};
use serde_json::{Value, json};
use sqlx::{AnyConnection, Connection, Row};

use super::super::checker::seals;
use super::super::stage::{Doors, Launch, SUBSCRIPTION, Stage};
use super::{Notice, Through};
use crate::world::TOWN;

/// How long something may take that comes by itself.
const PATIENCE: Duration = Duration::from_secs(60);

/// With what is on only for these points, and often enough.
pub(super) fn settings(through: Through, stage: &Stage, launch: Launch) -> Launch {
    let world = stage.world_url();
    let all = match through {
        Through::Archive => vec![
            ("ACA__ENABLED", "true".to_owned()),
            ("ACA__URL", format!("{world}/aca/v1")),
            ("ACA__SUBSCRIPTION_KEY", SUBSCRIPTION.to_owned()),
            ("ACA__EVERY_S", "1".to_owned()),
            ("ACA__RETRY_PAUSES_S", "1".to_owned()),
            ("ACA__RATE_CALLS", "1000000".to_owned()),
            ("ACA__RATE_SECONDS", "1".to_owned()),
        ],
        Through::Search => vec![
            ("RECEIPT_SEARCH__ENABLED", "true".to_owned()),
            (
                "RECEIPT_SEARCH__BIZEVENTS_URL",
                format!("{world}/bizevents/service/v1"),
            ),
            ("RECEIPT_SEARCH__BIZEVENTS_KEY", SUBSCRIPTION.to_owned()),
            (
                "RECEIPT_SEARCH__GPD_URL",
                format!("{world}/gpd/payments-receipts-service/v1"),
            ),
            ("RECEIPT_SEARCH__GPD_KEY", SUBSCRIPTION.to_owned()),
            ("RECEIPT_SEARCH__EVERY_S", "1".to_owned()),
            ("RECEIPT_SEARCH__RATE_CALLS", "1000000".to_owned()),
            ("RECEIPT_SEARCH__RATE_SECONDS", "1".to_owned()),
        ],
        Through::Sealing => vec![("JOURNAL__SEAL_EVERY_S", "1".to_owned())],
        _ => vec![],
    };
    all.iter().fold(launch, |launch, (name, value)| {
        launch.with(&format!("PAGOMENSA__{name}"), value)
    })
}

/// Tells the simulated world something.
async fn tell_world(stage: &Stage, path: &str, body: &Value) {
    let url = format!("{}{path}", stage.world_url());
    let answer = stage.http.post(url).json(body).send().await.unwrap();
    assert!(answer.status().is_success(), "{path}: {}", answer.status());
}

/// pagoPA's services take as many calls as come.
pub(super) async fn open_the_world(stage: &Stage) {
    let often = json!({"calls": 1_000_000, "per_s": 1});
    let rates = json!({"aca": often, "bizevents": often, "gpd": often});
    tell_world(stage, "/rates", &rates).await;
}

/// These notices were paid, a reporting flow says so, and no receipt has come.
pub(super) async fn lose_receipts(stage: &Stage, notices: &[Notice]) {
    let now = Clock::System.now();
    let ids = Ids::default();
    let mut rows = vec![];
    for (place, notice) in notices.iter().enumerate() {
        let order = json!({
            "notice_number": notice.number, "fiscal_code": TOWN, "amount_cents": 5_000,
            "receipt_id": format!("lost-{place}"), "skip": ["verify", "get"],
        });
        tell_world(stage, "/psp/pay", &order).await;
        rows.push(Wanted {
            id: HuntId::new(ids.next(now)),
            creditor: CreditorCode::parse(TOWN).unwrap(),
            iuv: notice.number[1..].to_owned(),
            iur: format!("lost-{place}"),
        });
    }
    let mut config = Config::with("").unwrap();
    config.database.url = stage.database.url.clone().into();
    let store = Store::open(&config.database).await.unwrap();
    let mut tx = store.write().await.unwrap();
    let added = hunts::wanted(&mut tx, &rows, now).await.unwrap();
    assert_eq!(added, notices.len());
    tx.commit().await.unwrap();
    store.close().await;
}

/// Waits until all that was begun has come to its end, and looks at it. `sealed` were the seals of the
/// log when the gateway had died.
pub(super) async fn come_to_an_end(
    through: Through,
    stage: &Stage,
    doors: &Doors,
    notices: &[Notice],
    sealed: &BTreeSet<String>,
) {
    match through {
        Through::Archive => {
            wait("the archive hears of every notice", async || {
                stage.health(doors).await["aca_notices_owed"] == 0
            })
            .await;
            the_archive_agrees(stage, doors).await;
        }
        Through::Search => {
            let found = async || {
                let list = get(stage, doors, "/receipt-hunts?state=found").await;
                list["data"].as_array().unwrap().len()
            };
            wait("every receipt is found", async || {
                found().await == notices.len()
            })
            .await;
            let all = get(stage, doors, "/receipt-hunts").await;
            assert_eq!(all["data"].as_array().unwrap().len(), notices.len());
            assert_eq!(booked(stage).await, notices.len());
        }
        // Whether each seal of the log is in the journal, the checker says.
        Through::Sealing => {
            wait("the journal is sealed again", async || {
                seals(&stage.logs()).len() > sealed.len()
            })
            .await;
        }
        _ => {}
    }
}

/// The archive offers each open notice as it is, none that was withdrawn, and has refused nothing. (A
/// payment it would hear of from pagoPA's node, which is not played here.)
async fn the_archive_agrees(stage: &Stage, doors: &Doors) {
    let url = format!("{}/aca/positions?fiscal_code={TOWN}", stage.world_url());
    let answer = stage.http.get(url).send().await.unwrap();
    let list: Value = answer.json().await.unwrap();
    let mut offered = BTreeMap::new();
    for position in list["data"].as_array().unwrap() {
        let number = position["nav"].as_str().unwrap().to_owned();
        let amount = position["amount_cents"].as_i64().unwrap();
        if position["state"] == "VALID" {
            assert_eq!(offered.insert(number, amount), None, "it stands twice");
        }
    }
    let mut conn = AnyConnection::connect(&stage.database.url).await.unwrap();
    let sql = "SELECT notice_number, amount_cents, state FROM debts";
    let rows = sqlx::query(sql).fetch_all(&mut conn).await.unwrap();
    conn.close().await.unwrap();
    for row in &rows {
        let number: String = row.get("notice_number");
        let state: String = row.get("state");
        let amount = Some(row.get("amount_cents"));
        let found = offered.remove(&number);
        let is_right = match state.as_str() {
            "open" => found == amount,
            "paid" => found.is_none() || found == amount,
            _ => found.is_none(),
        };
        assert!(is_right, "{number} is {state}, and offered for {found:?}");
    }
    assert_eq!(offered, BTreeMap::new(), "offered, and no notice of ours");
    let cases = get(stage, doors, "/exceptions").await;
    assert_eq!(cases["data"], json!([]));
}

/// How many payments stand on a receipt that was lost.
async fn booked(stage: &Stage) -> usize {
    let mut conn = AnyConnection::connect(&stage.database.url).await.unwrap();
    let sql = "SELECT COUNT(*) AS n FROM payments WHERE reference LIKE 'lost-%'";
    let row = sqlx::query(sql).fetch_one(&mut conn).await.unwrap();
    conn.close().await.unwrap();
    usize::try_from(row.get::<i64, _>("n")).unwrap()
}

async fn get(stage: &Stage, doors: &Doors, path: &str) -> Value {
    let url = format!("{}/api/v1{path}", doors.web);
    let request = stage.http.get(url).bearer_auth(&stage.key);
    request.send().await.unwrap().json().await.unwrap()
}

async fn wait(what: &str, holds: impl AsyncFn() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(
            begun.elapsed() < PATIENCE,
            "it does not come to this: {what}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
