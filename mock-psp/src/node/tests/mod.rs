//! The node's queue, against stand-ins for the gateway.

mod certificate;
mod queue;
mod tools;
mod trouble;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::psp::scenes::{CREDITOR, NOTICE, asked_for, good, pay};
use crate::testing::{Asked, Heard, StandIn, TestWorld, soap};
use crate::verdict::Operation;

const HOUR: u32 = 3_600;

/// The whole queue, newest first.
async fn queue(world: &TestWorld) -> Vec<Value> {
    let list = world.get("/node/receipts").await.json();
    list["data"].as_array().unwrap().clone()
}

async fn advance(world: &TestWorld, seconds: u32) -> Heard {
    let moved = world.post("/clock", &json!({"advance_s": seconds})).await;
    assert_eq!(moved.status, StatusCode::OK, "{}", moved.text);
    moved
}

/// A gateway that answers receipts wrongly as long as `failing` is not zero; everything else well.
fn failing(
    answer: fn() -> Response,
    failing: &Arc<AtomicUsize>,
) -> impl Fn(&Asked) -> Response + use<> {
    let failing = failing.clone();
    move |asked| {
        let is_receipt = asked.header("soapaction").starts_with("\"paSendRT");
        if is_receipt && failing.load(Ordering::SeqCst) > 0 {
            answer()
        } else {
            good(asked)
        }
    }
}
