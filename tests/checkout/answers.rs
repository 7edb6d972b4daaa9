//! What the portal hears: of its own mistakes, and of everything that Checkout may answer.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::response::{IntoResponse, Response};
use pagomensa::desk::checkouts::{Back, CheckoutError};
use pagomensa::domain::checkout::Returned;
use pagomensa::domain::ids::DebtId;
use pagomensa::domain::party::CreditorCode;
use pagomensa::store::Engine;
use serde_json::{Value, json};

use super::{BACK, ON, act, ask, come_back, open, wrong};
use crate::engines::{Database, engines, engines_with};
use crate::metrics::{look, series};
use crate::world::{Answer, TOWN, World, top_up};

/// A Checkout that answers what it is told, and remembers what it was asked.
struct StandIn {
    url: String,
    asked: Arc<Mutex<Vec<(String, Value)>>>,
}

impl StandIn {
    async fn start(answer: impl Fn() -> Response + Clone + Send + Sync + 'static) -> StandIn {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/checkout/ec", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(vec![]));
        let kept = asked.clone();
        let router = Router::new().fallback(async move |request: Request<Body>| {
            let path = request.uri().path().to_owned();
            let bytes = axum::body::to_bytes(request.into_body(), usize::MAX).await;
            let body = serde_json::from_slice(&bytes.unwrap()).unwrap();
            kept.lock().unwrap().push((path, body));
            answer()
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        StandIn { url, asked }
    }

    fn asked(&self) -> Vec<(String, Value)> {
        self.asked.lock().unwrap().clone()
    }

    fn settings(&self, more: &str) -> String {
        format!("[checkout]\nenabled = true\nurl = \"{}\"\n{more}", self.url)
    }
}

/// Runs a test on each engine with these settings.
async fn with(settings: &str, check: impl AsyncFn(&World)) {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let Some(database) = Database::fresh(engine).await else {
            continue;
        };
        let world = World::over(database, settings).await;
        check(&world).await;
        world.end().await;
    }
}

fn redirect(to: &str) -> Response {
    (StatusCode::FOUND, [("location", to.to_owned())]).into_response()
}

fn problem(status: u16, title: &str, detail: &str) -> Response {
    let body = json!({"title": title, "status": status, "detail": detail});
    let status = StatusCode::from_u16(status).unwrap();
    (status, axum::Json(body)).into_response()
}

fn heard(answer: &Answer) -> (u16, String) {
    let code = answer.json["code"].as_str().unwrap_or_default();
    (answer.status, code.to_owned())
}

const REFUSED: (u16, &str) = (502, "checkout_refused");
const DOWN: (u16, &str) = (503, "checkout_unavailable");
const RUNNING: (u16, &str) = (409, "payment_in_progress");

/// What Checkout answers, what the portal hears, and the word of the metrics.
fn table() -> Vec<(Response, (u16, &'static str), &'static str)> {
    let invalid = "Invalid payment info";
    vec![
        (
            redirect("https://checkout.pagopa.it/c/1?clientId=CHECKOUT_CART"),
            (201, ""),
            "open",
        ),
        (
            redirect("https://checkout.pagopa.it.evil.example/c/1"),
            REFUSED,
            "refused",
        ),
        (
            redirect("https://checkout.pagopa.it@evil.example/c/1"),
            REFUSED,
            "refused",
        ),
        (
            redirect("http://checkout.pagopa.it/c/1"),
            REFUSED,
            "refused",
        ),
        (
            redirect("https://checkout.pagopa.it:8443/c/1"),
            REFUSED,
            "refused",
        ),
        (redirect("javascript:alert(1)"), REFUSED, "refused"),
        (redirect("/c/1"), REFUSED, "refused"),
        (StatusCode::FOUND.into_response(), REFUSED, "refused"),
        (
            problem(
                400,
                "Request validation error",
                "The input request is invalid",
            ),
            REFUSED,
            "refused",
        ),
        (
            problem(
                422,
                "Multiple payment notices not processable",
                "Too many payment notices",
            ),
            REFUSED,
            "refused",
        ),
        (
            problem(422, invalid, "Duplicate payment notice values found."),
            REFUSED,
            "refused",
        ),
        (
            problem(422, invalid, "Invalid payment notice data"),
            RUNNING,
            "running",
        ),
        (
            problem(500, "Error processing the request", ""),
            DOWN,
            "down",
        ),
        (problem(502, "Node error", ""), DOWN, "down"),
        (StatusCode::OK.into_response(), DOWN, "down"),
        (
            (StatusCode::OK, "<h1>Benvenuti nella rete dell'hotel</h1>").into_response(),
            DOWN,
            "down",
        ),
        (problem(404, "Resource not found", ""), DOWN, "down"),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_of_checkout_is_told_in_clear_words() {
    let turn = Arc::new(AtomicUsize::new(0));
    let at = turn.clone();
    let standing = StandIn::start(move || table().swap_remove(at.load(Ordering::SeqCst)).0);
    let standing = standing.await;
    with(&standing.settings(""), async |world| {
        let notice = world.top_up().await;
        for (index, (_, expected, word)) in table().into_iter().enumerate() {
            turn.store(index, Ordering::SeqCst);
            let name = format!("pagomensa_checkout_carts_total{{outcome=\"{word}\"}}");
            let before = series(&look(world).await, &name).unwrap();
            let answer = ask(world, std::slice::from_ref(&notice)).await;
            assert_eq!(
                heard(&answer),
                (expected.0, expected.1.to_owned()),
                "{index}"
            );
            let after = series(&look(world).await, &name).unwrap();
            assert_eq!(after, before + 1, "{index}");
            if answer.status == 503 {
                assert_eq!(answer.headers["retry-after"], "5");
            }
        }
        let attempts = i64::try_from(table().len()).unwrap();
        assert_eq!(world.count("checkouts").await, attempts);
        assert_eq!(world.notice(&notice["id"]).await["state"], "open");
    })
    .await;
    let asked = standing.asked();
    assert!(asked.len() >= table().len());
    assert!(
        asked
            .iter()
            .all(|(path, _)| path == "/checkout/ec/v2/carts")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_there_and_nobody_in_time_are_down() {
    with(
        "[checkout]\nenabled = true\nurl = \"http://127.0.0.1:9/checkout/ec\"\n",
        async |world| {
            let notice = world.top_up().await;
            assert_eq!(
                heard(&ask(world, &[notice]).await),
                (DOWN.0, DOWN.1.to_owned())
            );
        },
    )
    .await;
    with(
        "[checkout]\nenabled = true\ntimeout_s = 1\n",
        async |world| {
            let notice = world.top_up().await;
            world
                .chaos(json!({"checkout": [{"delay_ms": 60_000}, {"drop_connection": true}]}))
                .await;
            for _ in 0..2 {
                let answer = ask(world, std::slice::from_ref(&notice)).await;
                assert_eq!(heard(&answer), (DOWN.0, DOWN.1.to_owned()));
            }
            // Nothing is left behind: the next try is as good as the first.
            open(world, &[notice]).await;
            assert_eq!(world.count("checkouts").await, 3);
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cart_says_what_is_needed_and_nothing_of_the_people() {
    let page = "https://checkout.pagopa.it/c/1";
    for (version, expected) in [(1, 3), (2, 4)] {
        let standing = StandIn::start(move || redirect(page)).await;
        with(
            &standing.settings(&format!("version = {version}\n")),
            async |world| {
                let notice = world.top_up().await;
                // A description of before the rule against personal data.
                let mut tx = world.app.desk().store().write().await.unwrap();
                sqlx::query("UPDATE debts SET description = 'Ricarica di Giulia Rossi'")
                    .execute(&mut *tx)
                    .await
                    .unwrap();
                tx.commit().await.unwrap();
                open(world, &[notice]).await;
            },
        )
        .await;
        for (path, body) in standing.asked() {
            assert_eq!(path, format!("/checkout/ec/v{version}/carts"));
            assert_eq!(body["returnUrls"].as_object().unwrap().len(), expected);
            let text = body.to_string();
            for person in ["Giulia", "Rossi", "RSSGLI", "RSSMRA", "mario@"] {
                assert!(!text.contains(person), "{text}");
            }
            assert_eq!(body["paymentNotices"][0]["fiscalCode"], TOWN);
            assert_eq!(body["paymentNotices"][0]["amount"], 5_000);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rate_is_kept_and_what_checkout_says_about_it() {
    let page = "https://checkout.pagopa.it/c/1";
    let standing = StandIn::start(move || redirect(page)).await;
    let settings = standing.settings("rate_calls = 4\nrate_seconds = 10\n");
    with(&settings, async |world| {
        let notice = world.top_up().await;
        let before = standing.asked().len();
        let mut taken = vec![];
        for _ in 0..4 {
            taken.push(ask(world, std::slice::from_ref(&notice)).await.status);
        }
        assert_eq!(taken, [201, 201, 503, 503]);
        assert_eq!(
            standing.asked().len() - before,
            2,
            "the others did not leave"
        );
        world.clock.advance_seconds(10);
        open(world, &[notice]).await;
    })
    .await;
    let too_many = || {
        let headers = [("retry-after", "60")];
        (StatusCode::TOO_MANY_REQUESTS, headers).into_response()
    };
    let standing = StandIn::start(too_many).await;
    with(&standing.settings(""), async |world| {
        let notice = world.top_up().await;
        let before = standing.asked().len();
        for _ in 0..3 {
            let answer = ask(world, std::slice::from_ref(&notice)).await;
            assert_eq!(heard(&answer), (DOWN.0, DOWN.1.to_owned()));
        }
        assert_eq!(standing.asked().len() - before, 1, "it is left alone");
        world.clock.advance_seconds(61);
        ask(world, &[notice]).await;
        assert_eq!(standing.asked().len() - before, 2);
    })
    .await;
}

engines! {
    async fn where_checkout_is_off_that_is_said(world: &World) {
        let notice = world.top_up().await;
        let answer = ask(world, &[notice]).await;
        assert_eq!(heard(&answer), (501, "checkout_disabled".to_owned()));
        assert_eq!(world.count("checkouts").await, 0);
    }
}

engines_with! { ON;
    async fn what_is_wrong_with_a_request_is_said_at_its_place(world: &World) {
        let mut notices = vec![];
        for _ in 0..6 {
            notices.push(world.top_up().await);
        }
        let ids: Vec<Value> = notices.iter().map(|notice| notice["id"].clone()).collect();
        // Another creditor's notice is as unknown as one that does not exist.
        let request = Request::post("/api/v1/notices")
            .header("authorization", format!("Bearer {}", world.caterer_key))
            .header("content-type", "application/json")
            .body(Body::from(top_up().to_string()));
        let foreign = world.web(request.unwrap()).await.json["id"].clone();
        let missing = json!("01a0e0b1-3f3c-7000-8000-0123456789ab");
        let good = json!(BACK);
        let table = [
            (json!(ids), good.clone(), vec![("notices", "wrong_number")]),
            (json!([]), good.clone(), vec![("notices", "wrong_number")]),
            (Value::Null, good.clone(), vec![("notices", "required")]),
            (json!("x"), good.clone(), vec![("notices", "wrong_type")]),
            (json!([ids[0], 7]), good.clone(), vec![("notices[1]", "wrong_type")]),
            (json!([ids[0], "x"]), good.clone(), vec![("notices[1]", "not_found")]),
            (json!([ids[0], ids[1], ids[0]]), good.clone(), vec![("notices[2]", "duplicate")]),
            (json!([ids[0], foreign]), good.clone(), vec![("notices[1]", "not_found")]),
            (json!([missing, foreign]), good.clone(),
                vec![("notices[0]", "not_found"), ("notices[1]", "not_found")]),
            (json!([ids[0]]), Value::Null, vec![("return_url", "required")]),
            (json!([ids[0]]), json!("https://evil.example/"), vec![("return_url", "not_registered")]),
            (json!([ids[0]]), json!("https://portale.example.org/mensa.evil/"),
                vec![("return_url", "not_registered")]),
            (json!([ids[0]]), json!("http://portale.example.org/mensa/"),
                vec![("return_url", "not_registered")]),
            (json!([ids[0]]), json!("https://portale.example.org/mensa/../"),
                vec![("return_url", "not_registered")]),
            (json!([]), json!("x"), vec![("notices", "wrong_number"), ("return_url", "not_registered")]),
        ];
        for (notices, return_url, expected) in table {
            let body = json!({"notices": notices, "return_url": return_url});
            let answer = world.rest("POST", "/checkouts", Some(body.clone())).await;
            assert_eq!(heard(&answer), (422, "invalid_fields".to_owned()), "{body}");
            let expected: Vec<(String, String)> = expected
                .into_iter()
                .map(|(field, code)| (field.to_owned(), code.to_owned()))
                .collect();
            assert_eq!(wrong(&answer), expected, "{body}");
        }
        let body = json!({"notices": [ids[0]], "return_url": BACK, "amount": 1});
        let answer = world.rest("POST", "/checkouts", Some(body)).await;
        assert_eq!(wrong(&answer), [("amount".to_owned(), "unknown_field".to_owned())]);
        assert_eq!(world.count("checkouts").await, 0, "nobody was asked");
    }

    async fn notices_that_cannot_be_paid_now_are_named(world: &World) {
        let open_one = world.top_up().await;
        let cancelled = world.top_up().await;
        let path = format!("/notices/{}/cancel", cancelled["id"].as_str().unwrap());
        assert_eq!(world.rest("POST", &path, None).await.status, 200);
        let mut later = top_up();
        later["publish_on"] = json!("2026-12-01");
        let later = world.rest("POST", "/notices", Some(later)).await.json;
        let mut short = top_up();
        short["due_on"] = json!("2026-11-20");
        let expired = world.rest("POST", "/notices", Some(short)).await.json;
        world.clock.advance_seconds(86_400);
        let answer = ask(world, &[cancelled, open_one, later, expired]).await;
        assert_eq!(heard(&answer), (409, "not_payable".to_owned()));
        let expected = [
            ("notices[0]", "cancelled"), ("notices[2]", "not_published"), ("notices[3]", "expired"),
        ];
        let expected = expected.map(|(field, code)| (field.to_owned(), code.to_owned()));
        assert_eq!(wrong(&answer), expected);
    }

    async fn the_same_request_again_gives_the_first_page_again(world: &World) {
        let notice = world.top_up().await;
        let post = async |key: &str, notices: Value| {
            let request = Request::post("/api/v1/checkouts")
                .header("authorization", format!("Bearer {}", world.town_key))
                .header("content-type", "application/json")
                .header("idempotency-key", key)
                .body(Body::from(json!({"notices": notices, "return_url": BACK}).to_string()));
            world.web(request.unwrap()).await
        };
        let one = json!([notice["id"]]);
        // What did not work is not kept.
        world.chaos(json!({"checkout": [{"status": 500}]})).await;
        assert_eq!(post("k", one.clone()).await.status, 503);
        let first = post("k", one.clone()).await;
        assert_eq!(first.status, 201, "{}", first.json);
        world.clock.advance_seconds(60);
        let again = post("k", one).await;
        assert_eq!((again.status, &again.json), (201, &first.json));
        assert_eq!(again.headers["location"], first.headers["location"]);
        let other = world.top_up().await;
        let reused = post("k", json!([other["id"]])).await;
        assert_eq!(heard(&reused), (422, "idempotency_conflict".to_owned()));
        assert_eq!(world.count("checkouts").await, 2);
    }

    async fn an_attempt_is_its_creditors_own(world: &World) {
        let notice = world.top_up().await;
        let checkout = open(world, &[notice]).await;
        let id = checkout["id"].as_str().unwrap();
        for (key, path, expected) in [
            (&world.town_key, format!("/api/v1/checkouts/{id}"), 200),
            (&world.caterer_key, format!("/api/v1/checkouts/{id}"), 404),
            (&world.town_key, "/api/v1/checkouts/x".to_owned(), 404),
        ] {
            let request = Request::get(&path).header("authorization", format!("Bearer {key}"));
            let answer = world.web(request.body(Body::empty()).unwrap()).await;
            assert_eq!(answer.status, expected, "{path}");
        }
        // The caterer has registered no addresses: nothing is below them.
        let request = Request::post("/api/v1/notices")
            .header("authorization", format!("Bearer {}", world.caterer_key))
            .header("content-type", "application/json")
            .body(Body::from(top_up().to_string()));
        let notice = world.web(request.unwrap()).await.json;
        let request = Request::post("/api/v1/checkouts")
            .header("authorization", format!("Bearer {}", world.caterer_key))
            .header("content-type", "application/json")
            .body(Body::from(json!({"notices": [notice["id"]], "return_url": BACK}).to_string()));
        let answer = world.web(request.unwrap()).await;
        assert_eq!(wrong(&answer), [("return_url".to_owned(), "not_registered".to_owned())]);
    }

    async fn the_call_stands_in_the_journal(world: &World) {
        let notice = world.top_up().await;
        let checkout = open(world, std::slice::from_ref(&notice)).await;
        let number = notice["notice_number"].as_str().unwrap();
        world.app.desk().journal().flush().await;
        let lines = world.rest("GET", &format!("/exchanges?notice_number={number}"), None).await.json;
        let line = &lines["data"][0];
        assert_eq!(line["operation"], "PostCarts", "{lines}");
        assert_eq!(line["party"], "checkout");
        assert_eq!(line["http_status"], 302);
        let path = format!("/exchanges/{}", line["id"].as_str().unwrap());
        let whole = world.rest("GET", &path, None).await.json.to_string();
        let id_cart = checkout["id"].as_str().unwrap();
        assert!(whole.contains(id_cart), "{whole}");
    }

    // The seam of our own pages: the browser comes back to a path of ours.
    async fn our_own_pages_send_a_payer_too(world: &World) {
        let notice = world.top_up().await;
        let id = DebtId::parse(notice["id"].as_str().unwrap()).unwrap();
        let code = CreditorCode::parse(TOWN).unwrap();
        let creditor = world.app.desk().register().get(&code).unwrap().clone();
        let checkouts = world.app.checkouts();
        assert!(checkouts.is_enabled());
        let back = Back::Page("/pay/TOKEN".to_owned());
        let checkout = checkouts.open(&creditor, std::slice::from_ref(&id), back.clone()).await.unwrap();
        let json = json!({"redirect_url": checkout.redirect_url()});
        let returned = act(world, &json, "cancel").await;
        assert_eq!(come_back(world, &returned).await, "/pay/TOKEN");
        let latest = checkouts.latest(&id).await.unwrap().unwrap();
        assert_eq!(latest.id, checkout.attempt.id);
        assert_eq!(latest.returned.map(|(way, _)| way), Some(Returned::Cancel));
        let twice = [id.clone(), id.clone()];
        let refused = checkouts.open(&creditor, &twice, back.clone()).await;
        assert!(matches!(refused, Err(CheckoutError::Number)));
        let refused = checkouts.open(&creditor, &[], back).await;
        assert!(matches!(refused, Err(CheckoutError::Number)));
    }
}
