//! The faults as the gateway meets them.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::World;
use crate::testing::{TOKEN, TestWorld, config, entry, sample};

#[tokio::test]
async fn faults_before_the_booking_leave_nothing_and_faults_after_it_leave_the_entry() {
    let world = TestWorld::alone().await;
    let plan = json!({"ledger": [
        {"status": 500, "times": 2},
        {"status": 503, "body": "html"},
        {"status": 422},
        {"status": 409, "when": "after_booking", "body": "empty"},
        {"status": 200, "when": "after_booking", "body": "truncated"},
        {"body": "problem", "when": "after_booking"},
        {"delay_ms": 1}
    ]});
    assert_eq!(world.post("/chaos", &plan).await.status, StatusCode::OK);
    let count = || async {
        world.get("/ledger/entries").await.json()["data"]
            .as_array()
            .unwrap()
            .len()
    };
    for status in [500, 500, 503, 422] {
        assert_eq!(world.post_entry(&sample()).await.status.as_u16(), status);
    }
    assert_eq!(count().await, 0);
    let conflict = world.post_entry(&sample()).await;
    assert_eq!(
        (conflict.status.as_u16(), conflict.text.as_str()),
        (409, "")
    );
    assert_eq!(count().await, 1);
    let truncated = world.post_entry(&entry("second", &json!({}))).await;
    assert_eq!(truncated.status, StatusCode::OK);
    assert!(serde_json::from_str::<Value>(&truncated.text).is_err());
    assert_eq!(count().await, 2);
    let failed = world.post_entry(&entry("third", &json!({}))).await;
    assert_eq!(failed.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(failed.json()["code"], "chaos");
    assert_eq!(count().await, 3);
    assert_eq!(
        world.post_entry(&entry("fourth", &json!({}))).await.status,
        StatusCode::CREATED
    );
    assert_eq!(
        world.post_entry(&entry("fifth", &json!({}))).await.status,
        StatusCode::CREATED
    );
    assert_eq!(world.get("/chaos").await.json()["ledger"], json!([]));
}

#[tokio::test]
async fn a_plan_is_shown_replaced_cleared_and_refused_when_wrong() {
    let world = TestWorld::alone().await;
    let plan = json!({"seed": 7, "ledger": [{"status": 500}], "node": {"duplicate": 3}});
    assert_eq!(world.post("/chaos", &plan).await.status, StatusCode::OK);
    let shown = world.get("/chaos").await.json();
    assert_eq!(
        (&shown["seed"], &shown["node"]["duplicate"]),
        (&json!(7), &json!(3))
    );
    world
        .post("/chaos", &json!({"node": {"drop_reply": 1}}))
        .await;
    assert_eq!(world.get("/chaos").await.json()["ledger"], json!([]));
    let wrong = world
        .post("/chaos", &json!({"ledger": [{"status": 99}]}))
        .await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(wrong.json()["errors"][0]["field"], "ledger[0].status");
    let unknown = world.post("/chaos", &json!({"ledgers": []})).await;
    assert_eq!(unknown.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(world.get("/chaos").await.json()["node"]["drop_reply"], 1);
    let clear = Request::delete("/chaos").body(Body::empty()).unwrap();
    assert_eq!(world.send(clear).await.status, StatusCode::NO_CONTENT);
    assert_eq!(world.get("/chaos").await.json()["node"]["drop_reply"], 0);
}

#[tokio::test]
async fn a_dropped_connection_carries_no_well_formed_reply() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let world = World::start(listener, config(folder.path(), "http://127.0.0.1:1"))
        .await
        .unwrap();
    let plan = json!({"ledger": [
        {"drop_connection": true},
        {"drop_connection": true, "when": "after_booking"}
    ]});
    let set = format!("POST /chaos HTTP/1.1\r\nhost: w\r\n{}", with_body(&plan));
    assert!(raw(&world, &set).await.starts_with("HTTP/1.1 200"));
    let post = format!(
        "POST /ledger/entries HTTP/1.1\r\nhost: w\r\nauthorization: Bearer {TOKEN}\r\n\
         content-type: application/json\r\nidempotency-key: {}\r\n{}",
        sample()["entry_id"].as_str().unwrap(),
        with_body(&sample())
    );
    assert_eq!(raw(&world, &post).await, "");
    assert_eq!(raw(&world, &post).await, "");
    assert!(
        raw(&world, &post).await.starts_with("HTTP/1.1 200"),
        "booked by the second"
    );
    world.stop().await;
}

fn with_body(json: &Value) -> String {
    let body = json.to_string();
    format!(
        "connection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Sends text and reads until the connection is closed, however that happens.
async fn raw(world: &World, text: &str) -> String {
    let mut stream = TcpStream::connect(world.addr()).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).await.unwrap_or_default();
    String::from_utf8(heard).unwrap()
}

#[tokio::test]
async fn the_guide_shows_what_is_left_and_takes_a_plan() {
    let world = TestWorld::alone().await;
    let typed = [("plan", r#"{"receipts": [{"fault": "held", "count": 2}]}"#)];
    let applied = world.post_form("/chaos/guide", &typed).await;
    assert_eq!(applied.status, StatusCode::SEE_OTHER);
    assert_eq!(world.get("/chaos").await.json()["receipts"][0]["count"], 2);
    assert!(
        world
            .get("/chaos/guide")
            .await
            .text
            .contains("&#34;held&#34;")
    );
    for wrong in [
        "",
        "{",
        r#"{"receipts": [{"fault": "burnt"}]}"#,
        r#"{"node": {"delay_ms": 99999}}"#,
    ] {
        let refused = world.post_form("/chaos/guide", &[("plan", wrong)]).await;
        assert!(refused.status.is_client_error(), "{wrong}");
        assert!(refused.text.contains("aria-invalid"), "{wrong}");
    }
    assert_eq!(world.get("/chaos").await.json()["receipts"][0]["count"], 2);
    world.post_form("/chaos/guide", &[("clear", "1")]).await;
    assert_eq!(world.get("/chaos").await.json()["receipts"], json!([]));
}
