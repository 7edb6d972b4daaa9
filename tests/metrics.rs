//! `/metrics` and the health checks: what they say after something has happened, and to whom.

use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use pagomensa::metrics::Credential;
use pagomensa::store::Engine;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::engines::{Database, engines};
use crate::world::{World, receipt, top_up, verify};

/// The page as it is shown to an address.
async fn page(world: &World, from: Option<&str>, headers: &[&str]) -> (u16, String, String) {
    let mut request = Request::get("/metrics");
    for name in headers {
        request = request.header(*name, "127.0.0.1");
    }
    let mut request = request.body(Body::empty()).unwrap();
    if let Some(from) = from {
        let address: SocketAddr = from.parse().unwrap();
        request.extensions_mut().insert(ConnectInfo(address));
    }
    let answer = world.app.web().oneshot(request).await.unwrap();
    let status = answer.status().as_u16();
    let kind = answer.headers().get("content-type");
    let kind = kind.map(|kind| kind.to_str().unwrap().to_owned());
    let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await;
    let text = String::from_utf8(body.unwrap().to_vec()).unwrap();
    (status, kind.unwrap_or_default(), text)
}

/// The whole number of a series, or nothing when there is no such series.
pub fn series(text: &str, name: &str) -> Option<i64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map(|number| number.parse().unwrap())
}

pub async fn look(world: &World) -> String {
    let (status, kind, text) = page(world, Some("127.0.0.1:9"), &[]).await;
    assert_eq!(status, 200);
    assert_eq!(kind, "text/plain; version=0.0.4; charset=utf-8");
    text
}

engines! {
    async fn what_happens_is_counted(world: &World) {
        let number = world.top_up().await["notice_number"]
            .as_str()
            .unwrap()
            .to_owned();
        let before = look(world).await;
        assert_eq!(
            series(&before, "pagomensa_receipts_total{result=\"recorded\"}"),
            Some(0)
        );
        assert_eq!(series(&before, "pagomensa_store_up"), Some(1));
        // What an alarm waits for is there before it happens.
        for series_name in [
            "cases_opened_total{code=\"receipt_missing\"}",
            "connections_turned_away_total{listener=\"web\",reason=\"address\"}",
            "node_calls_total{operation=\"paSendRTV2\",outcome=\"PAA_SYSTEM_ERROR\"}",
            "node_calls_total{operation=\"paDemandPaymentNotice\",outcome=\"http_503\"}",
            "receipt_hunts{state=\"searching\"}",
            "receipt_hunts{state=\"missing\"}",
        ] {
            let found = series(&before, &format!("pagomensa_{series_name}"));
            assert_eq!(found, Some(0), "{series_name}");
        }
        assert_eq!(series(&before, "pagomensa_aca_notices_owed"), Some(1));

        world.soap(verify(&number)).await;
        world.soap(verify("399999999999999999")).await;
        world.soap("no message").await;
        for (id, amount) in [
            ("r-1", "50.00"),
            ("r-1", "50.00"),
            ("r-1", "40.00"),
            ("r-2", "50.00"),
        ] {
            world.soap(receipt(&number, id, amount)).await;
        }
        world.clock.advance_seconds(90);
        let text = look(world).await;
        let calls = |operation: &str, outcome: &str| {
            let labels = format!("{{operation=\"{operation}\",outcome=\"{outcome}\"}}");
            series(&text, &format!("pagomensa_node_calls_total{labels}"))
        };
        assert_eq!(calls("paVerifyPaymentNotice", "OK"), Some(1), "{text}");
        assert_eq!(
            calls("paVerifyPaymentNotice", "PAA_PAGAMENTO_SCONOSCIUTO"),
            Some(1)
        );
        assert_eq!(calls("unknown", "http_500"), Some(1));
        assert_eq!(calls("paSendRTV2", "OK"), Some(3), "{text}");
        assert_eq!(calls("paSendRTV2", "PAA_SEMANTICA"), Some(1));
        let durations = "pagomensa_node_call_duration_seconds";
        let count = format!("{durations}_count{{operation=\"paSendRTV2\"}}");
        assert_eq!(series(&text, &count), Some(4));
        let two = format!("{durations}_bucket{{operation=\"paSendRTV2\",le=\"2\"}}");
        assert!(
            series(&text, &two).is_some(),
            "the bucket that pagoPA measures"
        );
        for (result, expected) in [
            ("recorded", 2),
            ("repeated", 1),
            ("conflict", 1),
            ("foreign", 0),
        ] {
            let name = format!("pagomensa_receipts_total{{result=\"{result}\"}}");
            assert_eq!(series(&text, &name), Some(expected), "{result}");
        }
        for (code, expected) in [
            ("second_payment", Some(1)),
            ("reference_conflict", Some(1)),
            ("other_station", Some(0)),
        ] {
            let name = format!("pagomensa_cases_opened_total{{code=\"{code}\"}}");
            assert_eq!(series(&text, &name), expected, "{code}");
        }
        assert_eq!(
            series(
                &text,
                "pagomensa_http_answers_total{listener=\"node\",status=\"5xx\"}"
            ),
            Some(1)
        );
        assert_eq!(series(&text, "pagomensa_ledger_entries_owed"), Some(1));
        assert_eq!(
            series(&text, "pagomensa_ledger_oldest_owed_seconds"),
            Some(90)
        );
        assert_eq!(series(&text, "pagomensa_journal_given_up_total"), Some(0));
        assert_eq!(series(&text, "pagomensa_till_waiting"), Some(0));
        for process in ["process_resident_memory_bytes", "process_open_fds"] {
            assert!(
                series(&text, process).is_some_and(|number| number > 0),
                "{process}"
            );
        }

        let holder = world.app.holder();
        for job in world.app.jobs() {
            holder.run(job).await.unwrap();
        }
        let text = look(world).await;
        assert_eq!(series(&text, "pagomensa_ledger_entries_owed"), Some(0));
        assert_eq!(
            series(&text, "pagomensa_ledger_oldest_owed_seconds"),
            Some(0)
        );
        let job = |name: &str| series(&text, &format!("pagomensa_job_{name}{{job=\"ledger\"}}"));
        assert_eq!(
            (job("runs_total"), job("failures_total")),
            (Some(1), Some(0))
        );
        let now = world.clock.now().as_millis() / 1_000;
        assert_eq!(job("last_success_timestamp_seconds"), Some(now));

        // No label tells of a person, a notice or a key.
        for secret in [
            &number[1..],
            "Giulia",
            "Mario",
            "RSSMRA",
            "50004",
            "77777777777",
            "r-1",
            &world.town_key,
        ] {
            assert!(!text.contains(secret), "{secret}");
        }
    }
}

/// A client that invents words does not make series.
#[tokio::test]
async fn the_number_of_series_does_not_grow_with_what_is_asked() {
    crate::world::run(Engine::Sqlite, async |world| {
        let number = world.top_up().await["notice_number"]
            .as_str()
            .unwrap()
            .to_owned();
        let ask = async |turn: usize| {
            let invented =
                verify(&number).replace("paVerifyPaymentNoticeReq", &format!("pa{turn}"));
            world.soap(invented).await;
            world.soap(verify(&format!("3{turn:017}"))).await;
            world.rest("GET", &format!("/notices/{turn}"), None).await;
            world.rest("GET", &format!("/{turn}/{turn}"), None).await;
            look(world).await.lines().count()
        };
        let lines = ask(0).await;
        for turn in 1..20 {
            assert_eq!(ask(turn).await, lines);
        }
    })
    .await;
}

#[tokio::test]
async fn only_named_addresses_read_the_page() {
    let database = Database::fresh(Engine::Sqlite).await.unwrap();
    let named = "[metrics]\naddresses = [\"10.1.0.0/16\"]";
    let world = World::over(database, named).await;
    assert_eq!(page(&world, Some("10.1.2.3:1"), &[]).await.0, 200);
    for from in [Some("10.2.0.1:1"), Some("127.0.0.1:1"), None] {
        assert_eq!(page(&world, from, &[]).await.0, 403, "{from:?}");
    }
    for header in ["X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"] {
        assert_eq!(
            page(&world, Some("10.1.2.3:1"), &[header]).await.0,
            403,
            "{header}"
        );
    }
    world.end().await;
    let database = Database::fresh(Engine::Sqlite).await.unwrap();
    let world = World::over(database, "[metrics]\nenabled = false").await;
    assert_eq!(page(&world, Some("127.0.0.1:1"), &[]).await.0, 404);
    world.end().await;
}

async fn ready(world: &World) -> (u16, Value) {
    let request = Request::get("/health/ready").body(Body::empty()).unwrap();
    let mut answer = world.web(request).await;
    if let Some(body) = answer.json.as_object_mut() {
        body.remove("aca_notices_owed");
    }
    (answer.status, answer.json)
}

engines! {
    /// Without an archive in its world a gateway goes on owing it what was opened.
    async fn readiness_says_what_the_archive_is_owed(world: &World) {
        for owed in [0, 1] {
            let request = Request::get("/health/ready").body(Body::empty()).unwrap();
            assert_eq!(world.web(request).await.json["aca_notices_owed"], owed);
            world.rest("POST", "/notices", Some(top_up())).await;
        }
    }

    /// What needs a look is said; only what makes answers impossible takes the process out of service.
    async fn readiness_tells_the_truth(world: &World) {
        let expected = |status: &str, owed: i64, warnings: &[&str]| {
            (
                200,
                json!({"status": status, "ledger_entries_owed": owed, "warnings": warnings}),
            )
        };
        assert_eq!(ready(world).await, expected("ready", 0, &[]));

        let answer = world.rest("POST", "/notices", Some(top_up())).await;
        let number = answer.json["notice_number"].as_str().unwrap().to_owned();
        world.soap(receipt(&number, "r-1", "50.00")).await;
        assert_eq!(ready(world).await, expected("ready", 1, &[]));
        world.clock.advance_seconds(301);
        assert_eq!(
            ready(world).await,
            expected("degraded", 1, &["ledger_late"])
        );
        world.run_jobs().await;
        assert_eq!(ready(world).await, expected("ready", 0, &[]));

        let metrics = world.app.desk().metrics();
        let now = world.clock.now();
        let credential = |role: &'static str, days: i64| Credential {
            role,
            subject: "x".to_owned(),
            not_before: now,
            not_after: now.plus_seconds(days * 86_400),
        };
        metrics.reloaded(vec![credential("server", 7), credential("client_ca", 6)]);
        let ends = "certificate_ends:client_ca";
        assert_eq!(ready(world).await, expected("degraded", 0, &[ends]));
        metrics.reloaded(vec![credential("server", 8)]);
        assert_eq!(ready(world).await, expected("ready", 0, &[]));
        metrics.reload_failed();
        let broken = "certificates_cannot_be_reloaded";
        assert_eq!(ready(world).await, expected("degraded", 0, &[broken]));
        metrics.reloaded(vec![]);

        metrics.job("ledger", false, now);
        assert_eq!(
            ready(world).await,
            expected("degraded", 0, &["job_failing:ledger"])
        );
        metrics.job("ledger", true, now);
        assert_eq!(ready(world).await, expected("ready", 0, &[]));

        world.dismiss();
        world.app.desk().store().close().await;
        let (status, said) = ready(world).await;
        assert_eq!(status, 503);
        assert_eq!(said["status"], 503, "a problem like any other: {said}");
        let text = look(world).await;
        assert_eq!(
            series(&text, "pagomensa_store_up"),
            Some(0),
            "the page is still there"
        );
        assert_eq!(
            series(&text, "pagomensa_store_errors_total{part=\"metrics\"}"),
            Some(1)
        );
    }
}

/// Whoever copies an alarm from the manual gets one that can ring.
#[test]
fn the_manual_names_only_measures_that_exist() {
    let code = include_str!("../src/metrics/measures.rs");
    let manual = include_str!("../docs/operations.md");
    let names: Vec<&str> = manual
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.starts_with("pagomensa_"))
        .map(|word| word.trim_end_matches("_bucket").trim_end_matches("_count"))
        .collect();
    assert!(!names.is_empty());
    for name in names {
        assert!(code.contains(&format!("\"{name}\"")), "{name}");
    }
}
