//! Receipts that have not come are looked up, at the pace of pagoPA's services, and booked once.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use pagomensa::clock::Clock;
use pagomensa::desk::keys::{NewKey, Scope, create};
use pagomensa::domain::day::Instant;
use pagomensa::domain::ids::HuntId;
use pagomensa::domain::party::CreditorCode;
use pagomensa::job::Progress;
use pagomensa::store::Engine;
use pagomensa::store::hunts::{self, Wanted};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::engines::Database;
use crate::world::{TOWN, World, get, receipt};

const ON: &str = "[receipt_search]\nenabled = true\n";
/// An hour in seconds.
const HOUR: i64 = 3_600;

/// Runs a test on each engine, with receipts looked for at the simulated world.
async fn with(settings: &str, check: impl AsyncFn(&World)) {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let Some(database) = Database::fresh(engine).await else {
            continue;
        };
        let world = World::over(database, &format!("{ON}{settings}")).await;
        check(&world).await;
        world.end().await;
    }
}

/// The same with a library of receipts in place of pagoPA's services.
async fn with_library(settings: &str, check: impl AsyncFn(&World, &Library)) {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let Some(database) = Database::fresh(engine).await else {
            continue;
        };
        let world = World::over(database, &format!("{ON}{settings}")).await;
        let library = Library::open(world.clock.clone()).await;
        let url = library.url.clone();
        let world = world
            .restarted_with(|config| {
                config.receipt_search.bizevents_url.clone_from(&url);
                config.receipt_search.gpd_url = url;
            })
            .await;
        check(&world, &library).await;
        world.end().await;
    }
}

/// Both services in one, whose answers are laid out beforehand and whose calls are counted by the
/// gateway's clock.
#[derive(Clone)]
struct Library {
    url: String,
    shelf: Arc<Shelf>,
}

struct Shelf {
    clock: Clock,
    calls: Mutex<Vec<(Instant, String)>>,
    answers: Mutex<VecDeque<(u16, Option<String>, String)>>,
    /// When it is set, a call rings the first and waits for the second before it is answered.
    gate: Mutex<Option<Arc<(Notify, Notify)>>>,
}

impl Library {
    async fn open(clock: Clock) -> Library {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shelf = Arc::new(Shelf {
            clock,
            calls: Mutex::default(),
            answers: Mutex::default(),
            gate: Mutex::default(),
        });
        let router = axum::Router::new()
            .fallback(answer)
            .with_state(shelf.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Library { url, shelf }
    }

    /// The next answer; without any it is 404.
    fn lay(&self, status: u16, body: impl ToString) {
        let answer = (status, None, body.to_string());
        self.shelf.answers.lock().unwrap().push_back(answer);
    }

    /// A 429 that names a pause.
    fn lay_pause(&self, retry_after: &str) {
        let answer = (429, Some(retry_after.to_owned()), String::new());
        self.shelf.answers.lock().unwrap().push_back(answer);
    }

    fn calls(&self) -> Vec<(Instant, String)> {
        self.shelf.calls.lock().unwrap().clone()
    }
}

async fn answer(State(shelf): State<Arc<Shelf>>, request: Request) -> Response {
    let call = (shelf.clock.now(), request.uri().path().to_owned());
    shelf.calls.lock().unwrap().push(call);
    let gate = shelf.gate.lock().unwrap().take();
    if let Some(gate) = gate {
        gate.0.notify_one();
        gate.1.notified().await;
    }
    let next = shelf.answers.lock().unwrap().pop_front();
    let (status, retry_after, body) = next.unwrap_or((404, None, "{}".to_owned()));
    let status = axum::http::StatusCode::from_u16(status).unwrap();
    let mut response = (status, body).into_response();
    if let Some(pause) = retry_after {
        let headers = response.headers_mut();
        headers.insert("retry-after", pause.parse().unwrap());
    }
    response
}

/// A receipt as BizEvents tells it.
fn told(notice: &Value, id: &str, amount: &str) -> String {
    let iuv = notice["iuv"].as_str().unwrap();
    let number = notice["notice_number"].as_str().unwrap();
    format!(
        r#"{{"receiptId": "{id}", "noticeNumber": "{number}", "fiscalCode": "{TOWN}",
        "outcome": "OK", "creditorReferenceId": "{iuv}", "paymentAmount": {amount},
        "description": "Ricarica", "companyName": "Comune", "idPSP": "ABI99999",
        "pspCompanyName": "PSP", "idChannel": "c", "officeName": null, "debtor": null,
        "payer": {{"entityUniqueIdentifierType": "F", "fullName": "Mario Rossi",
                   "entityUniqueIdentifierValue": "RSSMRA80A01H501U"}},
        "paymentDateTime": "2026-11-20", "paymentDateTimeFormatted": "2026-11-20T11:59:30",
        "transferList": [{{"idTransfer": 1, "transferAmount": {amount},
            "fiscalCodePA": "{TOWN}", "iban": "IT60X0542811101000000123456",
            "mbdAttachment": null, "remittanceInformation": "x", "transferCategory": "y"}}]}}"#
    )
}

/// A payment at the simulated world whose receipt never reaches the gateway.
async fn pay_unheard(world: &World, notice: &Value, id: &str) {
    let order = json!({
        "notice_number": notice["notice_number"], "fiscal_code": TOWN, "amount_cents": 5_000,
        "receipt_id": id, "skip": ["verify", "get"], "paid_at": "2026-11-20T11:59:30",
    });
    world.tell_world("/psp/pay", &order).await;
    let often = json!({"calls": 1_000, "per_s": 1});
    world
        .tell_world("/rates", &json!({"bizevents": often, "gpd": often}))
        .await;
}

/// A reporting flow has a row for this payment, and there is no receipt.
async fn want(world: &World, notice: &Value, iur: &str) {
    let desk = world.app.desk();
    let now = world.clock.now();
    let row = Wanted {
        id: HuntId::new(desk.ids().next(now)),
        creditor: CreditorCode::parse(TOWN).unwrap(),
        iuv: notice["iuv"].as_str().unwrap().to_owned(),
        iur: iur.to_owned(),
    };
    let mut tx = desk.store().write().await.unwrap();
    hunts::wanted(&mut tx, &[row], now).await.unwrap();
    tx.commit().await.unwrap();
}

/// Makes the database refuse rows of a table that say all of this.
pub async fn refuse(world: &World, table: &str, row: &[(&str, &str)]) {
    let store = world.app.desk().store();
    let says = |prefix: &str| {
        let all: Vec<String> = row
            .iter()
            .map(|(column, value)| format!("{prefix}{column} = '{value}'"))
            .collect();
        all.join(" AND ")
    };
    let statements = match store.engine() {
        Engine::Sqlite => ["INSERT", "UPDATE"].map(|event| {
            format!(
                "CREATE TRIGGER refuse_{table}_{event} BEFORE {event} ON {table} WHEN {} \
                 BEGIN SELECT RAISE(ABORT, 'refused'); END",
                says("NEW.")
            )
        }),
        Engine::Postgres => {
            let check = format!("CHECK (NOT ({})) NOT VALID", says(""));
            ["a", "b"]
                .map(|name| format!("ALTER TABLE {table} ADD CONSTRAINT refuse_{name} {check}"))
        }
    };
    let mut tx = store.write().await.unwrap();
    for sql in statements {
        let statement = sqlx::query(sqlx::AssertSqlSafe(sql));
        statement.execute(&mut *tx).await.unwrap();
    }
    tx.commit().await.unwrap();
}

/// Everything that is or was looked for, newest first.
async fn listed(world: &World, state: &str) -> Vec<Value> {
    let path = format!("/receipt-hunts?state={state}");
    let answer = world.rest("GET", &path, None).await;
    assert_eq!(answer.status, 200, "{}", answer.json);
    answer.json["data"].as_array().unwrap().clone()
}

/// One run of the job.
async fn hunt(world: &World) -> Progress {
    (world.job("receipts").run)().await.unwrap()
}

/// The only hunt there is.
async fn only(world: &World) -> Value {
    let [hunt] = listed(world, "").await.try_into().unwrap();
    hunt
}

/// Where a payment's message came from, and whether the node's own has come since.
async fn origin(world: &World) -> (String, bool) {
    use sqlx::Row;
    let mut conn = world.app.desk().store().read().await.unwrap();
    let row = sqlx::query("SELECT origin, confirmed_at FROM payments")
        .fetch_one(&mut *conn)
        .await
        .unwrap();
    let confirmed: Option<String> = row.try_get("confirmed_at").unwrap();
    (row.try_get("origin").unwrap(), confirmed.is_some())
}

async fn documents(world: &World, kind: &str) -> Vec<Vec<u8>> {
    use sqlx::Row;
    let mut conn = world.app.desk().store().read().await.unwrap();
    let rows = sqlx::query("SELECT bytes FROM documents WHERE kind = $1")
        .bind(kind)
        .fetch_all(&mut *conn)
        .await
        .unwrap();
    rows.iter()
        .map(|row| row.try_get("bytes").unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_found_at_bizevents_is_booked_once_and_the_original_is_a_repetition() {
    with("", async |world| {
        let notice = world.top_up().await;
        let number = notice["notice_number"].as_str().unwrap();
        pay_unheard(world, &notice, "r-1").await;
        want(world, &notice, "r-1").await;
        assert_eq!(only(world).await["state"], "searching");
        hunt(world).await;
        let found = only(world).await;
        assert_eq!(found["state"], "found", "{found}");
        assert_eq!(
            (&found["attempts"], &found["next_try_at"]),
            (&json!(1), &Value::Null)
        );
        assert_eq!(world.notice(&notice["id"]).await["state"], "paid");
        world.run_jobs().await;
        assert_eq!(world.balance_entries("50004").await, [5_000]);
        assert_eq!(origin(world).await, ("bizevents".to_owned(), false));
        let [kept] = documents(world, "biz_receipt").await.try_into().unwrap();
        let kept: Value = serde_json::from_slice(&kept).unwrap();
        assert_eq!(kept["receiptId"], "r-1");
        // The node's own, later: the same payment in other words.
        let original = receipt(number, "r-1", "50.00");
        for _ in 0..2 {
            assert_eq!(world.soap(original.clone()).await.outcome(), "OK");
        }
        assert_eq!(origin(world).await, ("bizevents".to_owned(), true));
        assert!(world.exceptions().await.is_empty());
        // From now on the node's own is the measure of the node's.
        let altered = original.replace("PSP</PSPCompanyName>", "QSP</PSPCompanyName>");
        assert_ne!(altered, original);
        assert_eq!(world.soap(altered).await.outcome(), "PAA_SEMANTICA");
        assert_eq!(world.exceptions().await, ["reference_conflict"]);
        world.run_jobs().await;
        assert_eq!(world.balance_entries("50004").await, [5_000]);
        assert_eq!(world.count("payments").await, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_original_that_contradicts_what_was_found_is_a_conflict() {
    with("", async |world| {
        let notice = world.top_up().await;
        pay_unheard(world, &notice, "r-1").await;
        want(world, &notice, "r-1").await;
        hunt(world).await;
        let number = notice["notice_number"].as_str().unwrap();
        let other = receipt(number, "r-1", "49.00");
        assert_eq!(world.soap(other).await.outcome(), "PAA_SEMANTICA");
        assert_eq!(world.exceptions().await, ["reference_conflict"]);
        assert_eq!(origin(world).await, ("bizevents".to_owned(), false));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_that_came_by_itself_is_not_looked_for() {
    with_library("", async |world, library| {
        let notice = world.top_up().await;
        let number = notice["notice_number"].as_str().unwrap();
        let original = receipt(number, "r-1", "50.00");
        assert_eq!(world.soap(original).await.outcome(), "OK");
        want(world, &notice, "r-1").await;
        hunt(world).await;
        assert_eq!(only(world).await["state"], "found");
        assert!(library.calls().is_empty());
        assert_eq!(origin(world).await, ("node".to_owned(), false));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_original_that_comes_during_the_call_is_booked_and_what_is_found_repeats_it() {
    with_library("", async |world, library| {
        let notice = world.top_up().await;
        let number = notice["notice_number"].as_str().unwrap();
        want(world, &notice, "r-1").await;
        let gate = Arc::new((Notify::new(), Notify::new()));
        *library.shelf.gate.lock().unwrap() = Some(gate.clone());
        library.lay(200, told(&notice, "r-1", "50"));
        let run = tokio::spawn((world.job("receipts").run)());
        gate.0.notified().await;
        let original = receipt(number, "r-1", "50.00");
        assert_eq!(world.soap(original.clone()).await.outcome(), "OK");
        gate.1.notify_one();
        run.await.unwrap().unwrap();
        assert_eq!(only(world).await["state"], "found");
        assert_eq!(world.soap(original).await.outcome(), "OK");
        assert!(world.exceptions().await.is_empty());
        world.run_jobs().await;
        assert_eq!(world.balance_entries("50004").await, [5_000]);
        assert_eq!(origin(world).await, ("node".to_owned(), false));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_receipts_under_one_id_are_told_apart_by_the_iuv() {
    with("", async |world| {
        let notices = [world.top_up().await, world.top_up().await];
        for notice in &notices {
            pay_unheard(world, notice, "cart").await;
            want(world, notice, "cart").await;
        }
        // Each costs two questions, and there is one call in six minutes.
        for _ in 0..4 {
            hunt(world).await;
            world.clock.advance_seconds(360);
        }
        // One reference is one payment: of a cart only the first can be booked under its id, and the
        // other is shown to finance.
        let states: Vec<Value> = notices.to_vec();
        let mut paid = 0;
        for notice in &states {
            paid += usize::from(world.notice(&notice["id"]).await["state"] == "paid");
        }
        assert_eq!(paid, 1);
        assert_eq!(world.exceptions().await, ["reference_conflict"]);
        assert_eq!(listed(world, "found").await.len(), 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_knows_is_looked_for_until_its_last_day_and_then_shown() {
    with_library("days = 4\n", async |world, library| {
        let notice = world.top_up().await;
        want(world, &notice, "r-1").await;
        let iuv = notice["iuv"].as_str().unwrap();
        let mut looks = vec![];
        for _ in 0..(5 * 24) {
            let before = library.calls().len();
            hunt(world).await;
            let after = library.calls();
            if after.len() > before {
                looks.push(world.clock.now());
                let paths: Vec<&str> = after[before..]
                    .iter()
                    .map(|(_, path)| path.as_str())
                    .collect();
                // BizEvents by receipt id, then GPD by IUV.
                assert_eq!(
                    paths,
                    [
                        format!("/organizations/{TOWN}/receipts/r-1"),
                        format!("/payments/{TOWN}/receipts/{iuv}"),
                    ]
                );
                let hunt = only(world).await;
                if hunt["state"] == "searching" {
                    let next = Instant::parse(hunt["next_try_at"].as_str().unwrap()).unwrap();
                    let pause = (next.as_millis() - world.clock.now().as_millis()) / 1_000;
                    let least = [6, 12, 24, 24, 24][looks.len() - 1] * HOUR;
                    assert!((least..=least * 5 / 4).contains(&pause), "{pause}");
                    assert!(world.exceptions().await.is_empty());
                }
            }
            world.clock.advance_seconds(HOUR);
        }
        assert!((4..=5).contains(&looks.len()), "{looks:?}");
        let missing = only(world).await;
        assert_eq!(
            (&missing["state"], &missing["next_try_at"]),
            (&json!("missing"), &Value::Null)
        );
        assert_eq!(missing["attempts"], json!(looks.len() * 2));
        assert_eq!(world.exceptions().await, ["receipt_missing"]);
        assert_eq!(world.notice(&notice["id"]).await["state"], "open");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_activation_is_looked_for_after_its_token_and_just_ends() {
    with_library("activation_days = 2\n", async |world, library| {
        let notice = world.top_up().await;
        let number = notice["notice_number"].as_str().unwrap();
        let before = world.notice(&notice["id"]).await;
        assert_eq!(world.soap(get(number, "")).await.outcome(), "OK");
        assert_eq!(
            world.notice(&notice["id"]).await,
            before,
            "a get changes nothing"
        );
        world.app.desk().journal().flush().await;
        let next = async || {
            only(world).await["next_try_at"]
                .as_str()
                .unwrap()
                .to_owned()
        };
        assert_eq!(
            next().await,
            "2026-11-20T11:30:00.000Z",
            "the end of the token"
        );
        world.clock.advance_seconds(HOUR / 2);
        hunt(world).await;
        assert_eq!(next().await, "2026-11-20T13:30:00.000Z", "and the grace");
        world.clock.advance_seconds(2 * HOUR - 1);
        hunt(world).await;
        assert!(library.calls().is_empty());
        world.clock.advance_seconds(1);
        hunt(world).await;
        // Without a receipt's id only GPD can be asked.
        let iuv = notice["iuv"].as_str().unwrap();
        let [(_, path)] = library.calls().try_into().unwrap();
        assert_eq!(path, format!("/payments/{TOWN}/receipts/{iuv}"));
        assert_eq!(only(world).await["state"], "searching");
        for _ in 0..60 {
            world.clock.advance_seconds(HOUR);
            hunt(world).await;
        }
        assert_eq!(only(world).await["state"], "ended");
        assert!(world.exceptions().await.is_empty());
        // Somebody else tries to pay: it begins anew.
        assert_eq!(world.soap(get(number, "")).await.outcome(), "OK");
        world.app.desk().journal().flush().await;
        let anew = only(world).await;
        assert_eq!(
            (&anew["state"], &anew["attempts"]),
            (&json!("searching"), &json!(0))
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_activation_that_was_paid_costs_no_call() {
    with_library("", async |world, library| {
        let notice = world.top_up().await;
        let number = notice["notice_number"].as_str().unwrap();
        for refused in [
            get("302000000000099999", ""),
            get(number, "<amount>1</amount>"),
        ] {
            assert_ne!(world.soap(refused).await.outcome(), "OK");
        }
        assert_eq!(world.soap(get(number, "")).await.outcome(), "OK");
        assert_eq!(
            world.soap(receipt(number, "r-1", "50.00")).await.outcome(),
            "OK"
        );
        world.app.desk().journal().flush().await;
        assert_eq!(only(world).await["reason"], "activated");
        world.clock.advance_seconds(3 * HOUR);
        hunt(world).await;
        assert_eq!(only(world).await["state"], "ended");
        assert!(library.calls().is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_in_stand_in_is_found_at_gpd() {
    with_library("", async |world, library| {
        let notice = world.top_up().await;
        let number = notice["notice_number"].as_str().unwrap();
        assert_eq!(world.soap(get(number, "")).await.outcome(), "OK");
        world.app.desk().journal().flush().await;
        world.clock.advance_seconds(3 * HOUR);
        // The message as it went to pagoPA's own station, without its envelope.
        let original = receipt(number, "r-1", "50.00")
            .replace("<standIn>false</standIn>", "<standIn>true</standIn>");
        let start = original.find("<pafn:").unwrap();
        let end = original.rfind("</soapenv:Body>").unwrap();
        let inside = original[start..end].trim().replacen(
            "paSendRTV2Request>",
            "paSendRTV2Request xmlns:pafn=\"http://pagopa-api.pagopa.gov.it/pa/paForNode.xsd\">",
            1,
        );
        library.lay(200, &inside);
        hunt(world).await;
        assert_eq!(only(world).await["state"], "found");
        assert_eq!(documents(world, "gpd_receipt").await, [inside.into_bytes()]);
        assert_eq!(origin(world).await, ("gpd".to_owned(), false));
        assert_eq!(world.notice(&notice["id"]).await["state"], "paid");
        assert_eq!(world.soap(original).await.outcome(), "OK");
        assert_eq!(world.exceptions().await, ["stand_in"]);
        world.run_jobs().await;
        assert_eq!(world.balance_entries("50004").await, [5_000]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_429_is_honoured_and_the_next_try_says_so() {
    with_library("", async |world, library| {
        let notice = world.top_up().await;
        want(world, &notice, "r-1").await;
        library.lay_pause("Fri, 20 Nov 2026 13:00:00 GMT");
        hunt(world).await;
        let waiting = only(world).await;
        assert_eq!(waiting["next_try_at"], "2026-11-20T13:00:00.000Z");
        assert_eq!(waiting["last_error"], "HTTP 429");
        assert_eq!(waiting["attempts"], 0);
        assert!(world.app.desk().metrics().failing_jobs().is_empty());
        for _ in 0..7 {
            world.clock.advance_seconds(HOUR / 4);
            hunt(world).await;
            assert_eq!(library.calls().len(), 1);
        }
        world.clock.advance_seconds(HOUR / 4);
        library.lay(200, told(&notice, "r-1", "50.0"));
        hunt(world).await;
        assert_eq!(only(world).await["state"], "found");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_key_stops_the_job_and_loses_nothing() {
    with_library("", async |world, library| {
        let notice = world.top_up().await;
        want(world, &notice, "r-1").await;
        library.lay(401, "{}");
        let holder = world.app.holder();
        let metrics = world.app.desk().metrics();
        holder.run(world.job("receipts")).await.unwrap();
        assert_eq!(metrics.failing_jobs(), ["receipts"]);
        assert_eq!(only(world).await["attempts"], 0);
        world.clock.advance_seconds(299);
        let progress = hunt(world).await;
        assert!(matches!(progress, Progress::Held { .. }), "{progress:?}");
        assert_eq!(library.calls().len(), 1);
        // Five minutes are less than the pause of the rate.
        world.clock.advance_seconds(61);
        library.lay(200, told(&notice, "r-1", "50.00"));
        holder.run(world.job("receipts")).await.unwrap();
        assert!(metrics.failing_jobs().is_empty());
        assert_eq!(only(world).await["state"], "found");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_fails_is_asked_again_and_again() {
    with_library("", async |world, library| {
        let notice = world.top_up().await;
        want(world, &notice, "r-1").await;
        let other = world.top_up().await;
        let table = [
            (500, "{}".to_owned()),
            (200, "<html/>".to_owned()),
            (200, "{\"outcome\": \"OK\"}".to_owned()),
            (302, String::new()),
            // The receipt of another payment is not booked for this one.
            (200, told(&other, "r-1", "50.00")),
            (200, told(&notice, "r-2", "50.00")),
        ];
        for (status, body) in &table {
            library.lay(*status, body);
            hunt(world).await;
            assert_eq!(only(world).await["state"], "searching", "{status} {body}");
            world.clock.advance_seconds(2 * HOUR);
            // What another payment answers is asked with the IUV, and then of GPD.
            hunt(world).await;
            world.clock.advance_seconds(2 * 24 * HOUR);
        }
        assert_eq!(world.count("payments").await, 0);
        library.lay(200, told(&notice, "r-1", "50.00"));
        hunt(world).await;
        assert_eq!(only(world).await["state"], "found");
    })
    .await;
}

/// Whichever of the two services is down, the other is asked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_is_down_keeps_nobody_from_the_other() {
    with_library("", async |world, library| {
        let state = async |iur: &str| {
            let found = listed(world, "").await;
            let one = found.into_iter().find(|hunt| hunt["receipt_id"] == iur);
            one.unwrap()["state"].clone()
        };
        let [known_at_gpd, known_at_bizevents] = [world.top_up().await, world.top_up().await];
        want(world, &known_at_gpd, "r-1").await;
        library.lay(503, "{}");
        let number = known_at_gpd["notice_number"].as_str().unwrap();
        library.lay(200, receipt(number, "r-1", "50.00"));
        hunt(world).await;
        assert_eq!(state("r-1").await, "found");

        world.clock.advance_seconds(HOUR);
        want(world, &known_at_bizevents, "r-2").await;
        library.lay(404, "{}");
        library.lay(503, "{}");
        hunt(world).await;
        assert_eq!(state("r-2").await, "searching");
        world.clock.advance_seconds(HOUR);
        library.lay(200, told(&known_at_bizevents, "r-2", "50.00"));
        hunt(world).await;
        assert_eq!(state("r-2").await, "found");
        let asked: Vec<String> = library
            .calls()
            .iter()
            .map(|(_, path)| path.trim_start_matches('/').to_owned())
            .map(|path| path.split('/').next().unwrap().to_owned())
            .collect();
        let (bizevents, gpd) = ("organizations", "payments");
        assert_eq!(asked, [bizevents, gpd, bizevents, gpd, bizevents]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_without_an_amount_is_kept_and_shown() {
    with_library("", async |world, library| {
        let notice = world.top_up().await;
        want(world, &notice, "r-1").await;
        let body = told(&notice, "r-1", "null");
        library.lay(200, &body);
        hunt(world).await;
        assert_eq!(only(world).await["state"], "missing");
        assert_eq!(world.exceptions().await, ["unreadable_receipt"]);
        assert_eq!(documents(world, "biz_receipt").await, [body.into_bytes()]);
        assert_eq!(world.notice(&notice["id"]).await["state"], "open");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rate_is_never_exceeded_in_any_hour_nor_by_a_restart() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let Some(database) = Database::fresh(engine).await else {
            continue;
        };
        let world = World::over(database, ON).await;
        let library = Library::open(world.clock.clone()).await;
        let url = library.url.clone();
        let mut world = world
            .restarted_with(|config| config.receipt_search.bizevents_url = url)
            .await;
        for index in 0..40 {
            let notice = world.top_up().await;
            want(&world, &notice, &format!("r-{index}")).await;
        }
        for minute in 0..(3 * 60) {
            hunt(&world).await;
            if minute % 50 == 49 {
                world = world.restarted().await;
            }
            world.clock.advance_seconds(60);
        }
        let calls = library.calls();
        assert_eq!(calls.len(), 30, "three hours of ten calls");
        for (start, _) in &calls {
            let end = start.plus_seconds(HOUR);
            let inside = calls.iter().filter(|(at, _)| at >= start && *at < end);
            assert!(inside.count() <= 10);
        }
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_processes_one_looks() {
    with_library("", async |world, library| {
        for index in 0..3 {
            let notice = world.top_up().await;
            want(world, &notice, &format!("r-{index}")).await;
        }
        let (one, two) = (world.app.holder(), world.app.holder());
        assert!(one.take("receipts").await.unwrap());
        assert_eq!(two.run(world.job("receipts")).await.unwrap(), None);
        assert!(library.calls().is_empty());
        one.give("receipts", None).await.unwrap();
        // Should the lease fail, both together keep the pace of one.
        for _ in 0..20 {
            let job = world.job("receipts");
            let (mine, theirs) = tokio::join!((job.run)(), (job.run)());
            assert!(mine.is_ok() || theirs.is_ok());
            world.clock.advance_seconds(60);
        }
        let by_id = library
            .calls()
            .into_iter()
            .filter(|(_, path)| path.contains("/receipts/r-"));
        assert!((3..=4).contains(&by_id.count()));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn finance_sees_the_hunts_of_its_own_creditor() {
    with("", async |world| {
        let mut notices = vec![];
        for index in 0..3 {
            let notice = world.top_up().await;
            want(world, &notice, &format!("r-{index}")).await;
            // The same row of a flow that is read again is the same hunt.
            want(world, &notice, &format!("r-{index}")).await;
            notices.push(notice);
        }
        let page = world.rest("GET", "/receipt-hunts?limit=2", None).await.json;
        let first = &page["data"][0];
        for (field, value) in [
            ("notice_number", notices[2]["notice_number"].clone()),
            ("iuv", notices[2]["iuv"].clone()),
            ("receipt_id", json!("r-2")),
            ("reason", json!("flow_row")),
            ("state", json!("searching")),
            ("attempts", json!(0)),
            ("wanted_at", json!(world.clock.now().to_string())),
            ("next_try_at", json!(world.clock.now().to_string())),
            ("last_error", Value::Null),
        ] {
            assert_eq!(first[field], value, "{field}");
        }
        let cursor = page["next_cursor"].as_str().unwrap();
        let rest = world
            .rest("GET", &format!("/receipt-hunts?cursor={cursor}"), None)
            .await
            .json;
        assert_eq!(rest["data"].as_array().unwrap().len(), 1);
        assert!(listed(world, "found").await.is_empty());
        let wrong = world.rest("GET", "/receipt-hunts?state=lost", None).await;
        assert_eq!(wrong.status, 422);
        let ask = async |key: &str| {
            let request = axum::http::Request::get("/api/v1/receipt-hunts")
                .header("authorization", format!("Bearer {key}"));
            world
                .web(request.body(axum::body::Body::empty()).unwrap())
                .await
        };
        let theirs = ask(&world.caterer_key).await;
        assert_eq!((theirs.status, &theirs.json["data"]), (200, &json!([])));
        let desk = world.app.desk();
        let creditor = CreditorCode::parse(TOWN).unwrap();
        let new = NewKey {
            creditor: &creditor,
            name: "portal",
            scopes: &[Scope::NoticesRead],
        };
        let key = create(desk.store(), desk.ids(), &new, world.clock.now())
            .await
            .unwrap();
        assert_eq!(ask(&key).await.status, 403);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_that_cannot_be_recorded_does_not_stop_the_others() {
    with_library(
        "rate_calls = 1000\nrate_seconds = 1\n",
        async |world, library| {
            refuse(world, "payments", &[("reference", "r-1")]).await;
            let notices = [world.top_up().await, world.top_up().await];
            for (notice, id) in notices.iter().zip(["r-1", "r-2"]) {
                want(world, notice, id).await;
                library.lay(200, told(notice, id, "50.00"));
            }
            for _ in 0..4 {
                hunt(world).await;
                world.clock.advance_seconds(1);
            }
            assert_eq!(world.notice(&notices[1]["id"]).await["state"], "paid");
            let [stuck] = listed(world, "searching").await.try_into().unwrap();
            assert_eq!(
                (&stuck["receipt_id"], &stuck["attempts"]),
                (&json!("r-1"), &json!(1))
            );
            assert_eq!(library.calls().len(), 2, "asked again before its time");
            // On its last day it is shown to finance.
            for _ in 0..70 {
                world.clock.advance_seconds(24 * HOUR);
                library.lay(200, told(&notices[0], "r-1", "50.00"));
                hunt(world).await;
            }
            assert_eq!(listed(world, "missing").await.len(), 1);
            assert_eq!(world.exceptions().await, ["receipt_missing"]);
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_only_fails_is_shown_on_its_last_day() {
    with_library("days = 4\n", async |world, library| {
        let notice = world.top_up().await;
        want(world, &notice, "r-1").await;
        for day in 0..5 {
            assert_eq!(only(world).await["state"], "searching", "day {day}");
            // Both services.
            library.lay(500, "{}");
            library.lay(500, "{}");
            hunt(world).await;
            world.clock.advance_seconds(24 * HOUR);
        }
        assert_eq!(only(world).await["state"], "missing");
        assert_eq!(world.exceptions().await, ["receipt_missing"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn control_characters_in_an_answer_do_not_stop_the_run() {
    with_library("", async |world, library| {
        let notice = world.top_up().await;
        want(world, &notice, "r-1").await;
        for _ in 0..2 {
            library.lay(500, r#"{"title": "a\u0000b\u0007c"}"#);
        }
        hunt(world).await;
        assert_eq!(only(world).await["last_error"], "HTTP 500 abc");
        let nul = told(&notice, "r-1", "50.00").replace("Mario Rossi", "Mario\\u0000Rossi");
        world.clock.advance_seconds(2 * HOUR);
        library.lay(200, nul);
        library.lay(200, "{}");
        hunt(world).await;
        let failed = only(world).await;
        assert_eq!(
            (&failed["state"], &failed["attempts"], &failed["last_error"]),
            (
                &json!("searching"),
                &json!(4),
                &json!("an answer that is no receipt")
            )
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_noted_when_nobody_looks_for_it() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let Some(database) = Database::fresh(engine).await else {
            continue;
        };
        let world = World::over(database, "").await;
        let number = world.top_up().await["notice_number"].clone();
        let reply = world.soap(get(number.as_str().unwrap(), "")).await;
        assert_eq!(reply.outcome(), "OK");
        world.app.desk().journal().flush().await;
        assert!(listed(&world, "").await.is_empty());
        world.end().await;
    }
}
