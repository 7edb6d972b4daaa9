//! pagoPA's services through their doors.

mod aca;
mod checkout;
mod receipts;

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use crate::testing::{Heard, SUBSCRIPTION_KEY, TestWorld};

const CREDITOR: &str = "77777777777";
const ACA: &str = "/aca/v1/paCreatePosition";
const RECEIPTS: &str = "/bizevents/service/v1/organizations/77777777777/receipts";
const GPD: &str = "/gpd/payments-receipts-service/v1/payments/77777777777/receipts";

/// Calls a service with a key.
async fn call(world: &TestWorld, method: &str, address: &str, key: &str, body: &Value) -> Heard {
    let request = Request::builder()
        .method(method)
        .uri(address)
        .header("Ocp-Apim-Subscription-Key", key)
        .header("content-type", "application/json");
    let body = match body {
        Value::Null => Body::empty(),
        body => Body::from(body.to_string()),
    };
    world.send(request.body(body).unwrap()).await
}

async fn get(world: &TestWorld, address: &str) -> Heard {
    call(world, "GET", address, SUBSCRIPTION_KEY, &Value::Null).await
}

#[tokio::test]
async fn every_service_wants_the_key_in_its_header_or_its_query() {
    let world = TestWorld::alone().await;
    for (method, address) in [
        ("POST", ACA.to_owned()),
        ("GET", format!("{RECEIPTS}/r1")),
        ("GET", format!("{RECEIPTS}/r1/paymentoptions/1")),
        ("GET", GPD.to_owned()),
        ("GET", format!("{GPD}/1")),
    ] {
        for key in ["", "wrong", "subscription-kez"] {
            let refused = call(&world, method, &address, key, &json!({})).await;
            assert_eq!(refused.status.as_u16(), 401, "{address} {key}");
            assert_eq!(refused.json()["statusCode"], 401);
        }
        let address = format!("{address}?subscription-key={SUBSCRIPTION_KEY}");
        let bare = Request::builder().method(method).uri(&address);
        let heard = world.send(bare.body(Body::from("{}")).unwrap()).await;
        assert!(matches!(heard.status.as_u16(), 400 | 404), "{}", heard.text);
    }
}

#[tokio::test]
async fn a_service_called_too_often_says_when_to_come_back() {
    let world = TestWorld::alone().await;
    let rates = json!({"aca": {"calls": 2, "per_s": 600}, "bizevents": {"calls": 0, "per_s": 5}});
    let set = world.post("/rates", &rates).await;
    assert_eq!(set.status.as_u16(), 200, "{}", set.text);
    assert_eq!(set.json()["gpd"], json!({"calls": 150, "per_s": 10}));
    let create = async || call(&world, "POST", ACA, SUBSCRIPTION_KEY, &json!({})).await;
    assert_eq!(create().await.status.as_u16(), 400);
    assert_eq!(create().await.status.as_u16(), 400);
    let refused = create().await;
    assert_eq!(refused.status.as_u16(), 429);
    let wait: u32 = refused.header("retry-after").parse().unwrap();
    assert!((1..=600).contains(&wait), "{wait}");
    let refused = get(&world, &format!("{RECEIPTS}/r1")).await;
    assert_eq!(refused.status.as_u16(), 429);
    assert_eq!(get(&world, GPD).await.status.as_u16(), 404, "its own rate");
    let wrong = call(&world, "POST", ACA, "wrong", &json!({})).await;
    assert_eq!(wrong.status.as_u16(), 401, "the key comes first");
    let again = world.restarted().await;
    let shown = again.get("/rates").await.json();
    assert_eq!(shown["aca"], json!({"calls": 2, "per_s": 600}));
}

#[tokio::test]
async fn rates_out_of_range_are_refused_and_change_nothing() {
    let world = TestWorld::alone().await;
    let before = world.get("/rates").await.json();
    for (wrong, field) in [
        (json!({"aca": {"calls": 1, "per_s": 0}}), "aca.per_s"),
        (
            json!({"gpd": {"calls": 2_000_000, "per_s": 1}}),
            "gpd.calls",
        ),
        (
            json!({"bizevents": {"calls": 1, "per_s": 90_000}}),
            "bizevents.per_s",
        ),
    ] {
        let refused = world.post("/rates", &wrong).await;
        assert_eq!(refused.status.as_u16(), 422);
        assert_eq!(refused.json()["errors"][0]["field"], field);
    }
    for wrong in [
        json!({"ada": {}}),
        json!({"aca": {"calls": -1, "per_s": 1}}),
    ] {
        assert_eq!(world.post("/rates", &wrong).await.status.as_u16(), 422);
    }
    assert_eq!(world.get("/rates").await.json(), before);
}
