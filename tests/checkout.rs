//! Checkout: what the portal asks, what the payer does there, and what the ledger gets.

mod answers;
mod paying;

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use crate::world::{Answer, TOWN, World, top_up};

/// The settings of a gateway with Checkout.
const ON: &str = "[checkout]\nenabled = true\n";
/// Where the portal wants the browser back.
const BACK: &str = "https://portale.example.org/mensa/esito?pratica=7";

/// A browser that shows where it is sent, and goes nowhere by itself.
fn browser() -> reqwest::Client {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap()
}

fn address(response: &reqwest::Response) -> String {
    let location = response.headers().get("location");
    location.map_or(String::new(), |value| value.to_str().unwrap().to_owned())
}

fn ids(notices: &[Value]) -> Vec<Value> {
    notices.iter().map(|notice| notice["id"].clone()).collect()
}

/// What the portal asks for.
async fn ask(world: &World, notices: &[Value]) -> Answer {
    let body = json!({"notices": ids(notices), "return_url": BACK});
    world.rest("POST", "/checkouts", Some(body)).await
}

/// An attempt that has a page.
async fn open(world: &World, notices: &[Value]) -> Value {
    let answer = ask(world, notices).await;
    assert_eq!(answer.status, 201, "{}", answer.json);
    let id = answer.json["id"].as_str().unwrap();
    assert_eq!(
        answer.headers["location"],
        format!("/api/v1/checkouts/{id}")
    );
    answer.json
}

/// The page of an attempt, after the redirect.
async fn page_of(world: &World, checkout: &Value) -> String {
    let page = checkout["redirect_url"].as_str().unwrap();
    let redirected = browser().get(page).send().await.unwrap();
    assert_eq!(redirected.status(), 303);
    format!("http://{}{}", world.ledger.addr(), address(&redirected))
}

/// What the payer does there; where the browser is sent, or nothing when it stays.
async fn act(world: &World, checkout: &Value, act: &str) -> String {
    let page = page_of(world, checkout).await;
    let body = format!("act={act}");
    let request = browser()
        .post(page)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body);
    let response = request.send().await.unwrap();
    assert!(!response.status().is_client_error() && !response.status().is_server_error());
    address(&response)
}

/// The browser comes back to us: where it is sent then.
async fn come_back(world: &World, to: &str) -> String {
    let path = to.strip_prefix("http://127.0.0.1:8080").unwrap();
    let request = Request::get(path).body(Body::empty()).unwrap();
    let answer = world.web(request).await;
    assert_eq!(answer.status, 303, "{}", answer.json);
    answer.headers["location"].to_str().unwrap().to_owned()
}

async fn attempt(world: &World, checkout: &Value) -> Value {
    let path = format!("/checkouts/{}", checkout["id"].as_str().unwrap());
    let answer = world.rest("GET", &path, None).await;
    assert_eq!(answer.status, 200, "{}", answer.json);
    answer.json
}

/// A top-up of some euro for a child.
async fn notice_of(world: &World, child: &str, cents: i64) -> Value {
    let mut body = top_up();
    body["child"]["code"] = json!(child);
    body["amount_cents"] = json!(cents);
    let answer = world.rest("POST", "/notices", Some(body)).await;
    assert_eq!(answer.status, 201, "{}", answer.json);
    answer.json
}

/// The fields of a problem with their codes.
fn wrong(answer: &Answer) -> Vec<(String, String)> {
    let errors = answer.json["errors"].as_array();
    let errors = errors.into_iter().flatten();
    let text = |error: &Value, member| error[member].as_str().unwrap().to_owned();
    errors
        .map(|error| (text(error, "field"), text(error, "code")))
        .collect()
}

/// A notice of the town in the words of the cart API.
fn in_cart(notice: &Value) -> Value {
    json!({
        "noticeNumber": notice["notice_number"], "fiscalCode": TOWN, "amount": 5_000,
        "companyName": "Comune di Borgo San Lieto", "description": "Ricarica mensa 50004",
    })
}
