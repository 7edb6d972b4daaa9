//! What the tests stand on: a world on a fresh folder, and a stand-in for the gateway that answers
//! as it is told and remembers what it was asked.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tower::ServiceExt;

use crate::config::{Creditor, WorldConfig};
use crate::town::{Shared, Town};
use crate::web;

pub(crate) const TOKEN: &str = "ledger-token";
pub(crate) const SUBSCRIPTION_KEY: &str = "subscription-key";

/// Two creditors, as in the demo, and a gateway at that address.
pub(crate) fn config(folder: &Path, gateway: &str) -> WorldConfig {
    let creditor = |fiscal_code: &str, name: &str| Creditor {
        fiscal_code: fiscal_code.to_owned(),
        name: name.to_owned(),
        broker: "77777777777".to_owned(),
        station: "77777777777_01".to_owned(),
        portal_key: format!("key-of-{fiscal_code}"),
        broadcast: true,
    };
    WorldConfig {
        data_dir: PathBuf::from(folder),
        gateway_web: gateway.to_owned(),
        gateway_node: format!("{gateway}/node"),
        tls: None,
        creditors: vec![
            creditor("77777777777", "Comune di Esempio"),
            creditor("77777777778", "Mense & Sapori"),
        ],
        ledger_token: TOKEN.to_owned(),
        subscription_key: SUBSCRIPTION_KEY.to_owned(),
    }
}

/// A world without a listener: requests go straight to its router.
pub(crate) struct TestWorld {
    pub(crate) folder: TempDir,
    pub(crate) town: Shared,
    router: Router,
}

impl TestWorld {
    /// A world whose gateway cannot be reached.
    pub(crate) async fn alone() -> Self {
        TestWorld::beside("http://127.0.0.1:1").await
    }

    pub(crate) async fn beside(gateway: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let town = Town::open(config(folder.path(), gateway)).await.unwrap();
        TestWorld::over(folder, town)
    }

    /// The doors of a town.
    pub(crate) fn over(folder: TempDir, town: Shared) -> Self {
        TestWorld {
            folder,
            router: web::router(town.clone()),
            town,
        }
    }

    /// The world after a sudden death: another one on the same folder, with nothing in its head.
    pub(crate) async fn restarted(self) -> Self {
        let town = Town::open(self.town.config.clone()).await.unwrap();
        TestWorld::over(self.folder, town)
    }

    pub(crate) async fn send(&self, request: axum::http::Request<Body>) -> Heard {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        // A connection that breaks off leaves nothing to read.
        let body = to_bytes(body, 1 << 24).await.unwrap_or_default();
        let text = String::from_utf8(body.to_vec()).unwrap();
        Heard {
            status: parts.status,
            headers: parts.headers,
            text,
        }
    }

    pub(crate) async fn get(&self, address: &str) -> Heard {
        self.send(Request::get(address).body(Body::empty()).unwrap())
            .await
    }

    pub(crate) async fn get_with_token(&self, address: &str) -> Heard {
        let request = Request::get(address).header("authorization", format!("Bearer {TOKEN}"));
        self.send(request.body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn post(&self, address: &str, json: &Value) -> Heard {
        self.send(
            Request::post(address)
                .body(Body::from(json.to_string()))
                .unwrap(),
        )
        .await
    }

    pub(crate) async fn post_form(&self, address: &str, fields: &[(&str, &str)]) -> Heard {
        let encode = |text: &str| {
            text.bytes()
                .map(|b| format!("%{b:02X}"))
                .collect::<String>()
        };
        let pairs: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("{name}={}", encode(value)))
            .collect();
        let request = Request::post(address)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(pairs.join("&")));
        self.send(request.unwrap()).await
    }

    /// Posts an entry as the contract wants it.
    pub(crate) async fn post_entry(&self, entry: &Value) -> Heard {
        self.send(
            entry_request(entry)
                .body(Body::from(entry.to_string()))
                .unwrap(),
        )
        .await
    }
}

/// A ledger entry every field of which is right.
pub(crate) fn sample() -> Value {
    json!({
        "entry_id": "01J0000000000000000000001", "creditor": "77777777777", "child": "50004",
        "service": "refezione", "kind": "credit", "amount_cents": 5_000, "channel": "pagopa",
        "reference": "c110729d258c4ab1b765fe902aae41d6", "notice_number": "302202600001234518",
        "paid_at": "2026-11-20T09:15:30Z", "payer_fiscal_code": "RSSMRA80A01H501U",
        "traceable": true, "reverses": null
    })
}

/// The sample with another id and some fields changed.
pub(crate) fn entry(id: &str, changes: &Value) -> Value {
    let mut entry = sample();
    entry["entry_id"] = json!(id);
    for (field, value) in changes.as_object().unwrap() {
        entry[field] = value.clone();
    }
    entry
}

/// Everything of a posted entry but its body.
pub(crate) fn entry_request(entry: &Value) -> axum::http::request::Builder {
    Request::post("/ledger/entries")
        .header("authorization", format!("Bearer {TOKEN}"))
        .header("content-type", "application/json")
        .header(
            "idempotency-key",
            entry["entry_id"].as_str().unwrap_or("none"),
        )
}

/// A reply, read to its end.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Heard {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

/// One request as the stand-in got it.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// A server that answers with what a function says.
pub(crate) struct StandIn {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl StandIn {
    pub(crate) async fn start(answer: impl Fn(&Asked) -> Response + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (remembered, answer) = (asked.clone(), Arc::new(answer));
        let router = Router::new().fallback(move |request: Request| {
            let (remembered, answer) = (remembered.clone(), answer.clone());
            async move {
                let (parts, body) = request.into_parts();
                let body = to_bytes(body, 1 << 20).await.unwrap();
                let request = Asked {
                    path: parts.uri.path().to_owned(),
                    headers: parts.headers,
                    body: String::from_utf8(body.to_vec()).unwrap(),
                };
                let response = answer(&request);
                remembered.lock().unwrap().push(request);
                response
            }
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        StandIn { url, asked }
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

/// A SOAP reply around one message.
pub(crate) fn soap(message: &str) -> Response {
    let body = format!(
        "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns:p=\"http://pagopa-api.pagopa.gov.it/pa/paForNode.xsd\">\
         <s:Body>{message}</s:Body></s:Envelope>"
    );
    ([(header::CONTENT_TYPE, "text/xml; charset=utf-8")], body).into_response()
}
