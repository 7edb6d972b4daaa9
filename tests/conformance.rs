//! The acceptance list of the station: what must follow from each call of the node, by number.
//!
//! Every reply of these tests is judged by the simulated node's own reading of the contract before
//! anything else is asked of it.

mod asking;
mod paying;
mod tenants;
mod trouble;

use mock_psp::verdict::{Operation, judge};
use serde_json::{Value, json};

use crate::world::{CATERER, Reply, TOWN, World, top_up};

/// A notice number that was never given.
const UNKNOWN: &str = "302000000000999942";
/// The caterer's account, and the town's two.
const CATERERS: &str = "IT25O0306909606100000012345";
const BANK: &str = "IT60X0542811101000000123456";
const POSTAL: &str = "IT45R0760103200000000001016";

/// Sends a message and judges what comes back.
async fn ask(world: &World, message: impl Into<String>) -> Reply {
    let message = message.into();
    let operation = [
        ("paVerifyPaymentNoticeReq", Operation::VerifyPaymentNotice),
        ("paGetPaymentReq", Operation::GetPayment),
        ("paGetPaymentV2Request", Operation::GetPaymentV2),
        ("paSendRTReq", Operation::SendRt),
        ("paSendRTV2Request", Operation::SendRtV2),
        (
            "paDemandPaymentNoticeRequest",
            Operation::DemandPaymentNotice,
        ),
    ]
    .into_iter()
    .find(|(name, _)| {
        message.contains(&format!("{name}>")) || message.contains(&format!("{name} "))
    })
    .map(|(_, operation)| operation)
    .unwrap_or_else(|| panic!("no operation in {message}"));
    let reply = world.soap(message).await;
    let verdict = judge(
        operation,
        reply.status,
        Some("text/xml; charset=utf-8"),
        reply.text.as_bytes(),
    );
    assert!(verdict.legal, "{:?}\n{}", verdict.problems, reply.text);
    reply
}

fn number(notice: &Value) -> String {
    notice["notice_number"].as_str().unwrap().to_owned()
}

/// The same order with other fields.
fn order(changes: Value) -> Value {
    let mut order = top_up();
    for (field, value) in changes.as_object().unwrap() {
        order[field] = value.clone();
    }
    order
}

async fn create(world: &World, changes: Value) -> Value {
    let answer = world.rest("POST", "/notices", Some(order(changes))).await;
    assert_eq!(answer.status, 201, "{}", answer.json);
    answer.json
}

/// 48 euro for the town and 2 for the caterer.
fn shared() -> Value {
    json!({"transfers": [
        {"creditor": TOWN, "amount_cents": 4800},
        {"creditor": CATERER, "amount_cents": 200, "category": "9/0107105TS/",
         "description": "Pulizia refettorio"},
    ]})
}

/// A call of the REST API about one notice.
async fn act(world: &World, method: &str, notice: &Value, tail: &str, body: Value) -> Value {
    let path = format!("/notices/{}{tail}", notice["id"].as_str().unwrap());
    let answer = world.rest(method, &path, Some(body)).await;
    assert_eq!(answer.status, 200, "{}", answer.json);
    answer.json
}

/// The open exceptions of a creditor with this key.
async fn exceptions(world: &World, key: &str) -> Vec<String> {
    let request = axum::http::Request::get("/api/v1/exceptions?state=open")
        .header("authorization", format!("Bearer {key}"))
        .body(axum::body::Body::empty())
        .unwrap();
    let answer = world.web(request).await;
    let mut codes: Vec<String> = answer.json["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|exception| exception["code"].as_str().unwrap().to_owned())
        .collect();
    codes.sort();
    codes
}

/// One value of the payments' table, by receipt and creditor.
async fn payment(world: &World, column: &'static str, reference: &str, creditor: &str) -> String {
    use sqlx::Row;
    let mut conn = world.app.desk().store().read().await.unwrap();
    let sql = format!(
        "SELECT CAST({column} AS TEXT) AS v FROM payments WHERE reference = $1 AND creditor = $2"
    );
    sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(reference.to_owned())
        .bind(creditor.to_owned())
        .fetch_one(&mut *conn)
        .await
        .unwrap()
        .try_get("v")
        .unwrap()
}
