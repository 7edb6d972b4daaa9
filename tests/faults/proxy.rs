//! What stands between the gateway and the ledger, and misbehaves by chance until it is told to
//! stop: the worst that networks, proxies and a tired ledger do.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::post;
use serde_json::Value;

use super::Chance;

/// The child whose entries never come through while the faults last.
pub const POISON: &str = "c13";

#[derive(Clone)]
pub struct Proxy {
    pub url: String,
    inner: Arc<Inner>,
}

struct Inner {
    ledger: String,
    http: reqwest::Client,
    chance: Chance,
    is_bad: AtomicBool,
    faults: AtomicUsize,
    /// The keys under which each payment was sent.
    keys: Mutex<BTreeMap<String, Vec<String>>>,
}

impl Proxy {
    /// Before this ledger.
    pub async fn before(ledger: &str) -> Proxy {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let inner = Arc::new(Inner {
            ledger: ledger.to_owned(),
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            chance: Chance::new(),
            is_bad: AtomicBool::new(true),
            faults: AtomicUsize::new(0),
            keys: Mutex::new(BTreeMap::new()),
        });
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new()
            .route("/entries", post(entries))
            .with_state(inner.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Proxy { url, inner }
    }

    /// No faults from now on, or again.
    pub fn misbehave(&self, is_bad: bool) {
        self.inner.is_bad.store(is_bad, Ordering::SeqCst);
    }

    /// How many faults there were.
    pub fn faults(&self) -> usize {
        self.inner.faults.load(Ordering::SeqCst)
    }

    /// The keys under which each payment came, by its reference.
    pub fn keys(&self) -> BTreeMap<String, Vec<String>> {
        self.inner.keys.lock().unwrap().clone()
    }
}

async fn entries(State(proxy): State<Arc<Inner>>, headers: HeaderMap, body: Bytes) -> Response {
    let entry: Value = serde_json::from_slice(&body).unwrap();
    let key = entry["entry_id"].as_str().unwrap().to_owned();
    let reference = entry["reference"].as_str().unwrap().to_owned();
    {
        let mut keys = proxy.keys.lock().unwrap();
        let known = keys.entry(reference).or_default();
        if !known.contains(&key) {
            known.push(key);
        }
    }
    if !proxy.is_bad.load(Ordering::SeqCst) {
        return forward(&proxy, &headers, body).await;
    }
    if entry["child"] == POISON {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let fault = proxy.chance.below(16);
    if fault < 9 {
        proxy.faults.fetch_add(1, Ordering::SeqCst);
    }
    match fault {
        0 => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        1 => {
            forward(&proxy, &headers, body).await;
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
        // Booked, and the answer is lost; or lost before.
        2 => {
            forward(&proxy, &headers, body).await;
            broken()
        }
        3 => broken(),
        4 => Html("<h1>Manutenzione</h1>").into_response(),
        5 => {
            forward(&proxy, &headers, body).await;
            (StatusCode::BAD_GATEWAY, Html("<h1>Bad gateway</h1>")).into_response()
        }
        6 => {
            let json = [("content-type", "application/json")];
            (
                StatusCode::SERVICE_UNAVAILABLE,
                json,
                "{\"type\":\"about:bl",
            )
                .into_response()
        }
        7 => {
            tokio::time::sleep(Duration::from_millis(300)).await;
            forward(&proxy, &headers, body).await
        }
        // Longer than the gateway waits.
        8 => {
            let answer = forward(&proxy, &headers, body).await;
            tokio::time::sleep(Duration::from_secs(3)).await;
            answer
        }
        _ => forward(&proxy, &headers, body).await,
    }
}

/// An answer that breaks off before its first byte.
fn broken() -> Response {
    let nothing = futures_util::stream::iter([Err::<Bytes, _>(std::io::Error::other("cut"))]);
    Response::new(Body::from_stream(nothing))
}

async fn forward(proxy: &Inner, headers: &HeaderMap, body: Bytes) -> Response {
    let mut call = proxy
        .http
        .post(format!("{}/entries", proxy.ledger))
        .body(body);
    for name in ["authorization", "idempotency-key", "content-type"] {
        if let Some(value) = headers.get(name) {
            call = call.header(name, value);
        }
    }
    let answer = call.send().await.unwrap();
    let status = answer.status();
    let json = [("content-type", "application/json")];
    (status, json, answer.bytes().await.unwrap()).into_response()
}
