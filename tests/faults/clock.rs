//! Clocks that are wrong, jump, and change between summer and winter: nothing panics, the order of
//! ids does not depend on them, and a notice ends at midnight in Rome.

use std::path::Path;

use pagomensa::domain::day::Instant;
use pagomensa::job::Progress;
use pagomensa::store::Engine;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Row};

use super::checker::{Outbox, check};
use super::load::Load;
use super::report;
use super::stage::{Launch, Stage};
use crate::engines::{Database, engines};
use crate::world::{World, receipt, top_up, verify};

/// Moves the clock to this instant, forward or back.
fn move_to(world: &World, instant: &str) {
    let goal = Instant::parse(instant).unwrap().as_millis();
    world
        .clock
        .advance_seconds((goal - world.clock.now().as_millis()) / 1_000);
}

/// A notice whose due day is left to the gateway.
async fn notice(world: &World) -> Value {
    let mut body = top_up();
    body.as_object_mut().unwrap().remove("due_on");
    let answer = world.rest("POST", "/notices", Some(body)).await;
    assert_eq!(answer.status, 201, "{}", answer.json);
    answer.json
}

/// Runs the job of the ledger alone: the one that removes what is old enough would be right to
/// remove things when it believes a clock that is years ahead.
async fn deliver(world: &World) {
    let job = world
        .app
        .jobs()
        .iter()
        .find(|job| job.name == "ledger")
        .unwrap();
    while (job.run)().await.unwrap() == Progress::More {}
}

/// The ids of a table in the order in which its rows were made.
async fn ids(world: &World, table: &str, order: &str) -> Vec<String> {
    let mut conn = world.app.desk().store().read().await.unwrap();
    let sql = format!("SELECT id FROM {table} ORDER BY {order}");
    let rows = sqlx::query(AssertSqlSafe(sql))
        .fetch_all(&mut *conn)
        .await
        .unwrap();
    rows.iter().map(|row| row.try_get("id").unwrap()).collect()
}

engines! {
    async fn the_walk_is_the_same_at_any_time(world: &World) {
        // The moment, and the due day that the gateway gives: thirty days later, in Rome.
        let moments = [
            ("2026-11-20T11:00:00.000Z", "2026-12-20"),
            // A year on, and a year back.
            ("2027-11-20T11:00:00.000Z", "2027-12-20"),
            ("2025-11-20T11:00:00.000Z", "2025-12-20"),
            // A second before and at the beginning of summer time, the hour that is missing.
            ("2027-03-28T00:59:59.000Z", "2027-04-27"),
            ("2027-03-28T01:00:00.000Z", "2027-04-27"),
            // A second before and at its end, and the hour that comes twice.
            ("2027-10-31T00:59:59.000Z", "2027-11-30"),
            ("2027-10-31T01:00:00.000Z", "2027-11-30"),
            ("2027-10-31T00:30:00.000Z", "2027-11-30"),
            ("2028-02-29T12:00:00.000Z", "2028-03-30"),
            // Already the first of March in Rome.
            ("2028-02-29T23:30:00.000Z", "2028-03-31"),
            ("2038-01-19T03:14:07.000Z", "2038-02-18"),
            ("2038-01-19T03:14:08.000Z", "2038-02-18"),
            ("2099-12-31T23:30:00.000Z", "2100-01-31"),
            ("2026-11-20T11:00:00.000Z", "2026-12-20"),
        ];
        let mut owed = 0;
        for (place, (moment, due_on)) in moments.iter().enumerate() {
            move_to(world, moment);
            let notice = notice(world).await;
            let number = notice["notice_number"].as_str().unwrap();
            assert_eq!(notice["due_on"], *due_on, "{moment}");
            assert_eq!(world.soap(verify(number)).await.outcome(), "OK", "{moment}");
            // The clock goes back an hour between the question and the money.
            world.clock.advance_seconds(-3_600);
            let reply = world.soap(receipt(number, &format!("r-{place}"), "50.00")).await;
            assert_eq!(reply.outcome(), "OK", "{moment}");
            assert_eq!(world.notice(&notice["id"]).await["state"], "paid", "{moment}");
            deliver(world).await;
            owed += 1;
            assert_eq!(world.balance_entries("50004").await.len(), owed, "{moment}");
        }
        // Whatever the clock said, who came later has the later id.
        let references = ids(world, "payments", "CAST(SUBSTR(reference, 3) AS BIGINT)").await;
        assert_eq!(references.len(), moments.len());
        assert!(references.windows(2).all(|pair| pair[0] < pair[1]), "{references:?}");
        let debts = ids(world, "debts", "iuv").await;
        assert!(debts.windows(2).all(|pair| pair[0] < pair[1]), "{debts:?}");
    }

    async fn a_notice_ends_at_midnight_in_rome(world: &World) {
        for (due_on, last, after) in [
            // Summer time begins on this day, and it has 23 hours; then it ends: 25 hours.
            ("2027-03-28", "2027-03-28T21:59:59.000Z", "2027-03-28T22:00:00.000Z"),
            ("2027-10-31", "2027-10-31T22:59:59.000Z", "2027-10-31T23:00:00.000Z"),
            ("2028-02-29", "2028-02-29T22:59:59.000Z", "2028-02-29T23:00:00.000Z"),
        ] {
            move_to(world, "2027-01-15T11:00:00.000Z");
            let mut body = top_up();
            body["due_on"] = serde_json::json!(due_on);
            let notice = world.rest("POST", "/notices", Some(body)).await.json;
            let number = notice["notice_number"].as_str().unwrap();
            move_to(world, last);
            world.run_jobs().await;
            assert_eq!(world.soap(verify(number)).await.outcome(), "OK", "{due_on}");
            move_to(world, after);
            let late = world.soap(verify(number)).await.outcome();
            assert_eq!(late, "PAA_PAGAMENTO_SCADUTO", "{due_on}");
            world.run_jobs().await;
            // An hour back, the job has closed it for good; money for it is booked all the same.
            world.clock.advance_seconds(-3_600);
            assert_eq!(world.notice(&notice["id"]).await["state"], "expired");
            let reply = world.soap(receipt(number, &format!("r-{due_on}"), "50.00")).await;
            assert_eq!(reply.outcome(), "OK");
            assert_eq!(world.notice(&notice["id"]).await["state"], "paid");
        }
    }

    /// The work of a job is not kept from others for longer than its lease, whatever the clock does.
    async fn a_lease_outlives_no_step_of_the_clock(world: &World) {
        let (one, two) = (world.app.holder(), world.app.holder());
        for step in [-3_600, 3_600, -365 * 86_400, 365 * 86_400] {
            assert!(one.take("ledger").await.unwrap());
            assert!(!two.take("ledger").await.unwrap());
            world.clock.advance_seconds(step);
            assert!(two.take("ledger").await.unwrap(), "a step of {step} seconds");
            two.give("ledger", None).await.unwrap();
        }
    }
}

/// The real program with a clock that is wrong and jumps under load.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs libfaketime; tests/scripts/clock.sh runs it"]
async fn the_machines_clock_lies() {
    let library = [
        "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
        "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
        "/usr/lib/faketime/libfaketimeMT.so.1",
    ]
    .into_iter()
    .find(|file| Path::new(file).exists())
    .expect("libfaketime is not installed");
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let Some(database) = Database::fresh(engine).await else {
            continue;
        };
        let stage = Stage::over(database).await;
        let file = stage.folder.path().join("clock");
        let launch = Launch::new()
            .with("LD_PRELOAD", library)
            .with("FAKETIME_TIMESTAMP_FILE", &file.display().to_string())
            .with("FAKETIME_NO_CACHE", "1")
            .with("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .with("DONT_FAKE_MONOTONIC", "1")
            .with("TZ", "Europe/Rome");
        let load = Load::new();
        let doors = [launch.doors.clone()];
        let lying = async {
            std::fs::write(&file, "+0\n").unwrap();
            let mut gateway = stage.start(&launch).await;
            // In the life of one process, and at its start.
            for (place, clock) in [
                "+1y",
                "-1y",
                "+0",
                "-1h",
                "+0",
                "@2027-03-28 01:59:58",
                "@2027-10-31 02:59:58",
                "@2028-02-29 23:59:58",
                "@2038-01-19 04:14:05",
                "+0",
            ]
            .iter()
            .enumerate()
            {
                std::fs::write(&file, format!("{clock}\n")).unwrap();
                if place % 2 == 1 {
                    gateway.stop().await;
                    gateway = stage.start(&launch).await;
                }
                load.wait_for(30).await;
                assert!(gateway.ended().is_none(), "{clock}");
            }
            load.stop();
            gateway
        };
        let (gateway, ()) = tokio::join!(lying, load.run(&stage, &doors, 6));
        // What was written down under a clock that was ahead is due when the clock gets there.
        std::fs::write(&file, "@2039-01-01 00:00:00\n").unwrap();
        stage.drained(&launch.doors).await;
        gateway.stop().await;
        assert!(!stage.logs().contains("panicked"));
        let acknowledged = load.acknowledged.lock().unwrap().clone();
        let count = check(&stage, &acknowledged, Outbox::Empty).await;
        report(&format!(
            "{engine:?}: ten clocks, {count} receipts answered OK, 0 lost, 0 twice"
        ));
        stage.strike().await;
    }
}
