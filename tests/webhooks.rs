//! Webhooks: at least once, signed, and shown when they fail for days.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Signer;
use pagomensa::desk::webhooks::EndpointChange;
use pagomensa::domain::ids::EndpointId;
use pagomensa::domain::party::CreditorCode;
use pagomensa::store::Engine;
use serde_json::{Value, json};

use crate::engines::{Database, engines, engines_with};
use crate::events::after;
use crate::world::{TOWN, World, receipt};

/// What a portal has heard.
#[derive(Debug, Clone)]
struct Heard {
    path: String,
    id: String,
    timestamp: String,
    signatures: Vec<String>,
    body: String,
}

/// A portal that listens, and answers as it is told; 204 when it is told nothing.
#[derive(Clone, Default)]
struct Portal {
    heard: Arc<Mutex<Vec<Heard>>>,
    answers: Arc<Mutex<VecDeque<u16>>>,
}

async fn hear(State(portal): State<Portal>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let text = |name: &str| headers[name].to_str().unwrap().to_owned();
    portal.heard.lock().unwrap().push(Heard {
        path: uri.path().to_owned(),
        id: text("webhook-id"),
        timestamp: text("webhook-timestamp"),
        signatures: text("webhook-signature")
            .split(' ')
            .map(str::to_owned)
            .collect(),
        body: String::from_utf8(body.to_vec()).unwrap(),
    });
    let status = portal.answers.lock().unwrap().pop_front().unwrap_or(204);
    let status = StatusCode::from_u16(status).unwrap();
    match status.is_redirection() {
        true => (status, [(header::LOCATION, "/elsewhere")]).into_response(),
        false => (status, "x".repeat(100_000)).into_response(),
    }
}

impl Portal {
    /// Listens; its address.
    async fn open(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(hear).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        format!("http://{address}/hook")
    }

    fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    fn answer(&self, statuses: &[u16]) {
        self.answers.lock().unwrap().extend(statuses);
    }
}

/// The signature by the words of the specification.
fn signature(secret: &str, heard: &Heard) -> String {
    let key = openssl::base64::decode_block(secret.strip_prefix("whsec_").unwrap()).unwrap();
    assert_eq!(key.len(), 32);
    let key = PKey::hmac(&key).unwrap();
    let mut signer = Signer::new(MessageDigest::sha256(), &key).unwrap();
    let text = format!("{}.{}.{}", heard.id, heard.timestamp, heard.body);
    let code = signer.sign_oneshot_to_vec(text.as_bytes()).unwrap();
    format!("v1,{}", openssl::base64::encode_block(&code))
}

async fn register(world: &World, url: &str, types: Value) -> Value {
    let body = json!({"url": url, "types": types});
    let answer = world.rest("POST", "/webhook-endpoints", Some(body)).await;
    assert_eq!(answer.status, 201, "{}", answer.json);
    answer.json
}

async fn deliveries(world: &World, state: &str) -> Vec<Value> {
    let path = format!("/webhook-deliveries?state={state}");
    let answer = world.rest("GET", &path, None).await;
    assert_eq!(answer.status, 200);
    answer.json["data"].as_array().unwrap().clone()
}

/// Runs the jobs again and again, moving the clock between.
async fn pass(world: &World, times: usize, seconds: i64) {
    for _ in 0..times {
        world.clock.advance_seconds(seconds);
        world.run_jobs().await;
    }
}

engines! {
    async fn an_event_is_brought_signed_and_once(world: &World) {
        let portal = Portal::default();
        let endpoint = register(world, &portal.open().await, json!([])).await;
        let notice = world.top_up().await;
        world.soap(receipt(notice["notice_number"].as_str().unwrap(), "r-1", "50.00")).await;
        world.run_jobs().await;
        world.run_jobs().await;
        let (told, heard) = (after(world, None).await, portal.heard());
        assert_eq!(heard.len(), 3);
        for (event, heard) in told.iter().zip(&heard) {
            assert_eq!(heard.id, event["id"].as_str().unwrap());
            assert_eq!(serde_json::from_str::<Value>(&heard.body).unwrap(), *event);
            let millis = world.clock.now().as_millis();
            assert_eq!(heard.timestamp, (millis / 1_000).to_string());
            assert_eq!(heard.signatures, [signature(endpoint["secret"].as_str().unwrap(), heard)]);
        }
        assert_eq!(deliveries(world, "delivered").await.len(), 3);
        assert_eq!(deliveries(world, "owed").await.len(), 0);
    }

    async fn only_what_was_asked_for_is_brought(world: &World) {
        let portal = Portal::default();
        register(world, &portal.open().await, json!(["notice.cancelled"])).await;
        let notice = world.top_up().await;
        let path = format!("/notices/{}/cancel", notice["id"].as_str().unwrap());
        world.rest("POST", &path, None).await;
        world.run_jobs().await;
        let heard = portal.heard();
        assert_eq!(heard.len(), 1);
        assert!(heard[0].body.contains("notice.cancelled"));
    }

    async fn what_is_not_taken_is_brought_again_under_the_same_id(world: &World) {
        let portal = Portal::default();
        register(world, &portal.open().await, json!([])).await;
        portal.answer(&[500, 302, 404, 429]);
        world.top_up().await;
        world.run_jobs().await;
        assert_eq!(portal.heard().len(), 1);
        let owed = deliveries(world, "owed").await;
        assert_eq!(owed[0]["last_status"], 500);
        assert_eq!(owed[0]["attempts"], 1);
        // Not before its pause.
        world.run_jobs().await;
        assert_eq!(portal.heard().len(), 1);
        pass(world, 5, 60).await;
        let heard = portal.heard();
        assert_eq!(heard.len(), 5);
        // No redirect is followed.
        assert!(heard.iter().all(|one| one.path == "/hook" && one.id == heard[0].id && one.body == heard[0].body));
        assert_ne!(heard[0].timestamp, heard[4].timestamp);
        let delivered = deliveries(world, "delivered").await;
        assert_eq!(delivered[0]["attempts"], 5);
        assert_eq!(delivered[0]["last_error"], Value::Null);
    }

    async fn an_endpoint_that_is_down_is_not_called_for_each_event(world: &World) {
        let portal = Portal::default();
        register(world, &portal.open().await, json!([])).await;
        portal.answer(&[503, 503]);
        for _ in 0..20 {
            world.top_up().await;
        }
        world.run_jobs().await;
        assert_eq!(portal.heard().len(), 2);
        pass(world, 3, 60).await;
        assert_eq!(deliveries(world, "delivered").await.len(), 20);
        // One that is refused does not keep the others.
        portal.answer(&[400]);
        world.top_up().await;
        world.top_up().await;
        let before = portal.heard().len();
        world.run_jobs().await;
        assert_eq!(portal.heard().len(), before + 2);
        assert_eq!(deliveries(world, "owed").await.len(), 1);
    }

    async fn after_days_it_is_given_up_shown_and_can_be_sent_again(world: &World) {
        let portal = Portal::default();
        register(world, &portal.open().await, json!([])).await;
        portal.answer(&[500; 3]);
        world.top_up().await;
        world.run_jobs().await;
        pass(world, 2, 36 * 3_600).await;
        assert_eq!(portal.heard().len(), 3);
        let failed = deliveries(world, "failed").await;
        assert_eq!(failed.len(), 1);
        assert_eq!(world.exceptions().await, ["webhook_given_up"]);
        pass(world, 3, 3_600).await;
        assert_eq!(portal.heard().len(), 3);
        let path = format!("/webhook-deliveries/{}/resend", failed[0]["id"].as_str().unwrap());
        let again = world.rest("POST", &path, None).await;
        assert_eq!((again.status, &again.json["state"]), (200, &json!("owed")));
        world.run_jobs().await;
        let heard = portal.heard();
        assert_eq!(heard.len(), 4);
        assert_eq!(heard[3].id, heard[0].id);
        assert_eq!(deliveries(world, "delivered").await.len(), 1);
    }

    async fn an_endpoint_that_fails_for_days_is_called_no_more(world: &World) {
        let portal = Portal::default();
        let endpoint = register(world, &portal.open().await, json!([])).await;
        portal.answer(&[500; 100]);
        world.top_up().await;
        world.run_jobs().await;
        for _ in 0..6 {
            world.top_up().await;
            pass(world, 1, 86_400).await;
        }
        let path = format!("/webhook-endpoints/{}", endpoint["id"].as_str().unwrap());
        let shown = world.rest("GET", &path, None).await.json;
        assert_eq!((&shown["enabled"], &shown["disabled_for"]), (&json!(false), &json!("failing")));
        assert!(world.exceptions().await.contains(&"webhook_disabled".to_owned()));
        assert_eq!(deliveries(world, "owed").await.len(), 0);
        let silent = portal.heard().len();
        world.top_up().await;
        pass(world, 2, 3_600).await;
        assert_eq!(portal.heard().len(), silent);
        let failed = deliveries(world, "failed").await;
        let resend = format!("/webhook-deliveries/{}/resend", failed[0]["id"].as_str().unwrap());
        assert_eq!(world.rest("POST", &resend, None).await.status, 409);
        // Switched on again, it hears what happens from then on.
        portal.answers.lock().unwrap().clear();
        let on = world.rest("PATCH", &path, Some(json!({"enabled": true}))).await.json;
        assert_eq!((&on["enabled"], &on["failing_since"]), (&json!(true), &Value::Null));
        world.top_up().await;
        world.run_jobs().await;
        assert_eq!(portal.heard().len(), silent + 1);
    }

    async fn an_endpoint_that_says_gone_is_called_no_more(world: &World) {
        let portal = Portal::default();
        let endpoint = register(world, &portal.open().await, json!([])).await;
        portal.answer(&[410]);
        world.top_up().await;
        world.top_up().await;
        pass(world, 2, 3_600).await;
        assert_eq!(portal.heard().len(), 1);
        let path = format!("/webhook-endpoints/{}", endpoint["id"].as_str().unwrap());
        assert_eq!(world.rest("GET", &path, None).await.json["disabled_for"], "gone");
        assert_eq!(world.exceptions().await, ["webhook_disabled"]);
    }

    async fn nobody_listens(world: &World) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        drop(listener);
        register(world, &url, json!([])).await;
        world.top_up().await;
        world.run_jobs().await;
        let owed = deliveries(world, "owed").await;
        assert_eq!((&owed[0]["last_status"], &owed[0]["last_error"]), (&json!(0), &json!("no connection")));
    }

    async fn a_secret_is_shown_once_and_exchanged_without_losing_a_call(world: &World) {
        let portal = Portal::default();
        let endpoint = register(world, &portal.open().await, json!([])).await;
        let old = endpoint["secret"].as_str().unwrap();
        let path = format!("/webhook-endpoints/{}", endpoint["id"].as_str().unwrap());
        let new = world.rest("POST", &format!("{path}/rotate-secret"), None).await.json;
        let new = new["secret"].as_str().unwrap();
        assert_ne!(old, new);
        for shown in [world.rest("GET", &path, None).await, world.rest("GET", "/webhook-endpoints", None).await] {
            assert_eq!(shown.status, 200);
            assert!(!shown.json.to_string().contains("whsec_"));
        }
        world.top_up().await;
        world.run_jobs().await;
        let heard = portal.heard();
        assert_eq!(heard[0].signatures, [signature(new, &heard[0]), signature(old, &heard[0])]);
        world.clock.advance_seconds(24 * 3_600);
        world.top_up().await;
        world.run_jobs().await;
        let heard = portal.heard();
        assert_eq!(heard[1].signatures, [signature(new, &heard[1])]);
    }

    async fn an_endpoint_is_changed_and_deleted(world: &World) {
        let (one, two) = (Portal::default(), Portal::default());
        let endpoint = register(world, &one.open().await, json!([])).await;
        let path = format!("/webhook-endpoints/{}", endpoint["id"].as_str().unwrap());
        let to = json!({"url": two.open().await});
        assert_eq!(world.rest("PATCH", &path, Some(to)).await.status, 200);
        world.top_up().await;
        world.run_jobs().await;
        assert_eq!((one.heard().len(), two.heard().len()), (0, 1));
        two.answer(&[500]);
        world.top_up().await;
        world.run_jobs().await;
        assert_eq!(world.rest("DELETE", &path, None).await.status, 204);
        assert_eq!(world.rest("DELETE", &path, None).await.status, 404);
        assert_eq!(world.rest("GET", &path, None).await.status, 404);
        pass(world, 2, 3_600).await;
        assert_eq!(two.heard().len(), 2);
        assert_eq!(deliveries(world, "failed").await.len(), 1);
    }

    async fn a_wrong_request_changes_nothing(world: &World) {
        for (body, field, code) in [
            (json!({}), "url", "required"),
            (json!({"url": "portale"}), "url", "invalid_url"),
            (json!({"url": "ftp://portale.example/"}), "url", "invalid_url"),
            (json!({"url": "https://u:p@portale.example/"}), "url", "invalid_url"),
            (json!({"url": "http://portale.example/"}), "url", "not_https"),
            (json!({"url": 7}), "url", "wrong_type"),
            (json!({"url": "https://portale.example/", "types": "notice.paid"}), "types", "wrong_type"),
            (json!({"url": "https://portale.example/", "types": ["notice"]}), "types[0]", "not_offered"),
            (json!({"url": "https://portale.example/", "secret": "s"}), "secret", "unknown_field"),
        ] {
            let answer = world.rest("POST", "/webhook-endpoints", Some(body.clone())).await;
            assert_eq!(answer.status, 422, "{body}");
            assert_eq!((&answer.json["errors"][0]["field"], &answer.json["errors"][0]["code"]), (&json!(field), &json!(code)), "{body}");
        }
        assert_eq!(world.count("webhook_endpoints").await, 0);
        for _ in 0..10 {
            register(world, "https://portale.example/", json!([])).await;
        }
        let body = json!({"url": "https://portale.example/"});
        let answer = world.rest("POST", "/webhook-endpoints", Some(body)).await;
        assert_eq!((answer.status, &answer.json["code"]), (409, &json!("too_many")));
    }
}

async fn nobody_is_led_home(engine: Engine) {
    let Some(database) = Database::fresh(engine).await else {
        return;
    };
    let world = World::over(database, "").await;
    let forbid = |config: &mut pagomensa::config::Config| config.webhooks.private_addresses = false;
    let world = world.restarted_with(forbid).await;
    let portal = Portal::default();
    let url = portal.open().await;
    for own in [
        url.as_str(),
        "https://localhost/",
        "https://10.0.0.1/",
        "https://[::1]/",
        "https://169.254.169.254/",
    ] {
        let body = json!({"url": own});
        let answer = world.rest("POST", "/webhook-endpoints", Some(body)).await;
        let code = &answer.json["errors"][0]["code"];
        assert_eq!(
            (answer.status, code),
            (422, &json!("private_address")),
            "{own}"
        );
    }
    // One that was registered before it was forbidden.
    let good = register(&world, "https://portale.example/", json!([])).await;
    let id = EndpointId::new(good["id"].as_str().unwrap());
    let town = CreditorCode::parse(TOWN).unwrap();
    let change = EndpointChange {
        url: Some(url),
        ..EndpointChange::default()
    };
    let (desk, now) = (world.app.desk(), world.clock.now());
    desk.change_endpoint(&town, &id, &change, now)
        .await
        .unwrap();
    world.top_up().await;
    world.run_jobs().await;
    assert_eq!(portal.heard().len(), 0);
    let owed = deliveries(&world, "owed").await;
    assert_eq!(owed[0]["last_error"], "the address is not allowed");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_led_into_our_own_house_sqlite() {
    nobody_is_led_home(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_led_into_our_own_house_postgres() {
    nobody_is_led_home(Engine::Postgres).await;
}

engines_with! {
    "[rates]\nrequests_per_minute = 60\nburst = 5\nfailures_per_minute = 3";

    async fn a_key_that_asks_too_much_is_told_when_to_come_again(world: &World) {
        let mut left = vec![];
        for _ in 0..5 {
            let answer = world.rest("GET", "/events", None).await;
            assert_eq!(answer.status, 200);
            left.push(answer.headers["ratelimit-remaining"].to_str().unwrap().to_owned());
        }
        assert_eq!(left, ["4", "3", "2", "1", "0"]);
        let answer = world.rest("GET", "/events", None).await;
        assert_eq!((answer.status, &answer.json["code"]), (429, &json!("too_many_requests")));
        assert_eq!(answer.headers["content-type"], "application/problem+json");
        let seconds: i64 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
        // Another key has its own measure, and the node hears nothing of it.
        let other = axum::http::Request::get("/api/v1/events")
            .header("authorization", format!("Bearer {}", world.caterer_key));
        let other = other.body(axum::body::Body::empty()).unwrap();
        assert_eq!(world.web(other).await.status, 200);
        let verify = crate::world::verify("302000000000000153");
        assert_eq!(world.soap(verify).await.status, 200);
        world.clock.advance_seconds(seconds);
        assert_eq!(world.rest("GET", "/events", None).await.status, 200);
    }

    async fn an_address_that_tries_keys_is_told_when_to_come_again(world: &World) {
        let ask = async |address: &str, key: &str| {
            let request = axum::http::Request::get("/api/v1/events").header("authorization", format!("Bearer {key}"));
            let mut request = request.body(axum::body::Body::empty()).unwrap();
            let peer: std::net::SocketAddr = address.parse().unwrap();
            request.extensions_mut().insert(axum::extract::ConnectInfo(peer));
            world.web(request).await.status
        };
        for at in 0..3 {
            assert_eq!(ask("192.0.2.1:1", &format!("pm_{at}")).await, 401);
        }
        assert_eq!(ask("192.0.2.1:2", "pm_4").await, 429);
        assert_eq!(ask("192.0.2.1:2", &world.town_key).await, 429);
        assert_eq!(ask("192.0.2.2:1", &world.town_key).await, 200);
        world.clock.advance_seconds(60);
        assert_eq!(ask("192.0.2.1:2", &world.town_key).await, 200);
    }
}
