//! The outbox to the meal ledger: exactly once in effect, whatever the other side does.

use pagomensa::domain::day::Instant;
use pagomensa::store::Engine;
use serde_json::json;

use crate::engines::{Database, engines};
use crate::world::{World, receipt, top_up};

/// A paid top-up of 50 euro for a child.
async fn paid(world: &World, child: &str, id: &str) {
    let mut body = top_up();
    body["child"]["code"] = json!(child);
    let notice = world.rest("POST", "/notices", Some(body)).await.json;
    let number = notice["notice_number"].as_str().unwrap();
    assert_eq!(
        world.soap(receipt(number, id, "50.00")).await.outcome(),
        "OK"
    );
}

engines! {
    async fn what_the_ledger_answers_badly_is_tried_again_under_the_same_id(world: &World) {
        let faults = [
            json!({"status": 500, "when": "before_booking", "times": 1}),
            json!({"status": 500, "when": "after_booking", "times": 1}),
            json!({"status": 200, "when": "after_booking", "times": 1, "drop_connection": true}),
            json!({"status": 503, "when": "before_booking", "times": 1, "body": "html"}),
            json!({"status": 200, "when": "before_booking", "times": 1, "body": "html"}),
            json!({"status": 404, "when": "before_booking", "times": 1, "body": "empty"}),
            json!({"status": 401, "when": "before_booking", "times": 1}),
            json!({"status": 302, "when": "before_booking", "times": 1}),
            json!({"status": 500, "when": "before_booking", "times": 1, "body": "truncated"}),
        ];
        let count = faults.len();
        paid(world, "50004", "r-1").await;
        world.chaos(json!({"seed": 1, "ledger": faults})).await;
        for left in (0..count).rev() {
            world.run_jobs().await;
            assert_eq!(world.owed().await, 1, "{left} faults left");
            // Not before its time: another run at once does nothing.
            world.run_jobs().await;
            world.clock.advance_seconds(3_600);
        }
        world.run_jobs().await;
        assert_eq!(world.owed().await, 0);
        assert_eq!(world.balance_entries("50004").await, [5_000]);
        assert!(world.exceptions().await.is_empty());
    }

    async fn pauses_grow_and_the_last_one_repeats(world: &World) {
        paid(world, "50004", "r-1").await;
        world.chaos(json!({"seed": 1, "ledger": [{"status": 500, "when": "before_booking", "times": 8}]})).await;
        let job = world.app.jobs().iter().find(|job| job.name == "ledger").unwrap();
        let pauses = world.app.config().ledger.retry_pauses_s.clone();
        let repeated = std::iter::repeat(pauses.last().unwrap());
        for pause in pauses.iter().chain(repeated).take(8) {
            let now: Instant = world.clock.now();
            let progress = (job.run)().await.unwrap();
            let due = now.plus_seconds(*pause);
            assert_eq!(progress, pagomensa::job::Progress::Rest { until: Some(due) });
            world.clock.advance_seconds(pause - 1);
            assert_eq!((job.run)().await.unwrap(), progress, "tried before its time");
            world.clock.advance_seconds(1);
        }
        assert_eq!((job.run)().await.unwrap(), pagomensa::job::Progress::Rest { until: None });
        assert_eq!(world.balance_entries("50004").await, [5_000]);
    }

    async fn one_that_cannot_be_recorded_does_not_stop_the_others(world: &World) {
        crate::hunter::refuse(world, "ledger_entries", &[("child", "50004"), ("state", "refused")]).await;
        for (child, id) in [("50004", "r-1"), ("50005", "r-2")] {
            paid(world, child, id).await;
        }
        let refusal = json!({"status": 422, "when": "before_booking", "times": 2, "body": "problem"});
        world.chaos(json!({"seed": 1, "ledger": [refusal]})).await;
        let failed = (world.job("ledger").run)().await;
        assert!(failed.is_err(), "{failed:?}");
        assert_eq!(world.exceptions().await, ["ledger_refused"]);
        assert_eq!(world.owed().await, 1);
        // It is delivered again, and taken.
        world.run_jobs().await;
        assert_eq!(world.balance_entries("50004").await, [5_000]);
        assert_eq!(world.owed().await, 0);
    }

    async fn a_conflict_and_a_refusal_are_shown_and_not_repeated(world: &World) {
        for (id, status) in [("r-1", 409), ("r-2", 422)] {
            paid(world, "50004", id).await;
            world.chaos(json!({"seed": 1, "ledger": [{"status": status, "when": "before_booking", "times": 1, "body": "problem"}]})).await;
            world.run_jobs().await;
            assert_eq!(world.owed().await, 0);
        }
        // The simulated ledger would take them now; they are not sent again.
        world.clock.advance_seconds(86_400);
        world.run_jobs().await;
        assert!(world.balance_entries("50004").await.is_empty());
        assert_eq!(world.exceptions().await, ["ledger_refused", "ledger_conflict"]);
    }

    async fn one_account_that_waits_does_not_stop_the_others(world: &World) {
        paid(world, "poison", "r-1").await;
        world.chaos(json!({"seed": 1, "ledger": [{"status": 500, "when": "before_booking", "times": 1}]})).await;
        world.run_jobs().await;
        paid(world, "poison", "r-2").await;
        paid(world, "healthy", "r-3").await;
        world.run_jobs().await;
        assert_eq!(world.balance_entries("healthy").await, [5_000]);
        // Within an account the order is kept: the second entry waits for the first.
        assert!(world.balance_entries("poison").await.is_empty());
        assert_eq!(world.owed().await, 2);
        world.clock.advance_seconds(3_600);
        world.run_jobs().await;
        assert_eq!(world.balance_entries("poison").await, [5_000, 5_000]);
    }

    async fn more_than_one_run_can_carry_is_delivered(world: &World) {
        let mut numbers = vec![];
        for index in 0..300 {
            let mut body = top_up();
            body["child"]["code"] = json!(format!("c{}", index % 50));
            let notice = world.rest("POST", "/notices", Some(body)).await.json;
            numbers.push(notice["notice_number"].as_str().unwrap().to_owned());
        }
        let calls = numbers.iter().enumerate().map(|(index, number)| {
            world.soap(receipt(number, &format!("r-{index}"), "50.00"))
        });
        for reply in futures_util::future::join_all(calls).await {
            assert_eq!(reply.outcome(), "OK");
        }
        world.run_jobs().await;
        assert_eq!(world.owed().await, 0);
        for child in 0..50 {
            assert_eq!(world.balance_entries(&format!("c{child}")).await, [5_000; 6]);
        }
    }
}

/// What is owed survives a restart, also when the ledger had booked and its answer was lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_owed_survives_a_restart() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let Some(database) = Database::fresh(engine).await else {
            continue;
        };
        let world = World::over(database, "").await;
        paid(&world, "50004", "r-1").await;
        world
            .chaos(json!({"seed": 1, "ledger": [
                {"status": 500, "when": "after_booking", "times": 1}
            ]}))
            .await;
        world.run_jobs().await;
        assert_eq!(world.owed().await, 1);
        let world = world.restarted().await;
        assert_eq!(world.owed().await, 1);
        world.clock.advance_seconds(3_600);
        world.run_jobs().await;
        assert_eq!(world.balance_entries("50004").await, [5_000]);
        world.end().await;
    }
}

/// A job is run by one process at a time; when its holder is gone, by another after the lease.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_has_one_holder() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        crate::world::run(engine, async |world| {
            let (one, two) = (world.app.holder(), world.app.holder());
            assert!(one.take("ledger").await.unwrap());
            assert!(
                one.take("ledger").await.unwrap(),
                "its own lease is renewed"
            );
            assert!(!two.take("ledger").await.unwrap());
            assert!(
                two.take("expire").await.unwrap(),
                "another job is another lease"
            );
            one.give("ledger", None).await.unwrap();
            assert!(two.take("ledger").await.unwrap());
            assert!(!one.take("ledger").await.unwrap());
            world.clock.advance_seconds(16);
            assert!(
                one.take("ledger").await.unwrap(),
                "the lease of a dead holder ends"
            );
            // A process whose clock was years ahead does not stop the work for years.
            world.clock.advance_seconds(10 * 365 * 86_400);
            assert!(two.take("ledger").await.unwrap());
            world.clock.advance_seconds(-10 * 365 * 86_400);
            assert!(one.take("ledger").await.unwrap());
        })
        .await;
    }
}
