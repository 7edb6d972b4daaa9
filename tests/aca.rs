//! pagoPA's archive of notices hears of every notice, at its pace, and the last state wins.

use pagomensa::domain::ids::DebtId;
use pagomensa::job::Progress;
use pagomensa::store::positions::{self, Standing};
use pagomensa::store::{Engine, leases};
use serde_json::{Value, json};

use crate::engines::Database;
use crate::world::{CATERER, TOWN, World, receipt, top_up};

const ON: &str = "[aca]\nenabled = true\n";

/// Runs a test on each engine, with the archive told.
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

/// What the archive holds, whosever it is.
async fn archive(world: &World) -> Vec<Value> {
    let found = world.ask_world("/aca/positions").await;
    found["data"].as_array().unwrap().clone()
}

/// What the archive holds for a notice.
async fn held(world: &World, notice: &Value) -> Option<Value> {
    let number = &notice["notice_number"];
    archive(world)
        .await
        .into_iter()
        .find(|position| position["nav"] == *number)
}

async fn state(world: &World, notice: &Value) -> String {
    held(world, notice)
        .await
        .map_or("unknown".to_owned(), |position| {
            position["state"].as_str().unwrap().to_owned()
        })
}

async fn standing(world: &World, notice: &Value) -> Standing {
    let id = DebtId::parse(notice["id"].as_str().unwrap()).unwrap();
    let mut conn = world.app.desk().store().read().await.unwrap();
    positions::standing(&mut conn, &id).await.unwrap().unwrap()
}

async fn cancel(world: &World, notice: &Value) {
    let path = format!("/notices/{}/cancel", notice["id"].as_str().unwrap());
    assert_eq!(world.rest("POST", &path, None).await.status, 200);
}

/// One run of the job.
async fn tell(world: &World) -> Progress {
    (world.job("aca").run)().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notice_is_told_with_all_that_stand_in_needs_and_closed_when_it_is_withdrawn() {
    with("", async |world| {
        let notice = world.top_up().await;
        world.run_jobs().await;
        let told = held(world, &notice).await.unwrap();
        for (member, value) in [
            ("creditor", json!(TOWN)),
            ("iuv", notice["iuv"].clone()),
            ("state", json!("VALID")),
            ("amount_cents", json!(5_000)),
            ("entity_type", json!("F")),
            ("entity_fiscal_code", json!("RSSMRA80A01H501U")),
            ("entity_full_name", json!("Mario Rossi")),
            ("description", json!("Ricarica mensa 50004")),
            ("expires_at", json!("2026-12-31T23:59:59")),
            ("iban", json!("IT60X0542811101000000123456")),
            ("postal_iban", json!("IT45R0760103200000000001016")),
            ("switch_to_expired", json!(true)),
            ("pay_stand_in", json!(true)),
            ("calls", json!(1)),
        ] {
            assert_eq!(told[member], value, "{member}");
        }
        // Nothing has changed: nothing is said.
        world.clock.advance_seconds(86_400);
        world.run_jobs().await;
        assert_eq!(held(world, &notice).await.unwrap()["calls"], 1);
        cancel(world, &notice).await;
        world.run_jobs().await;
        assert_eq!(state(world, &notice).await, "INVALID");
        assert_eq!(standing(world, &notice).await.state, "done");
        assert!(world.exceptions().await.is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_is_told_and_what_was_paid_elsewhere_is_closed() {
    with("", async |world| {
        let notice = world.top_up().await;
        world.run_jobs().await;
        let path = format!("/notices/{}", notice["id"].as_str().unwrap());
        let change = json!({"amount_cents": 6_000, "due_on": "2027-01-31"});
        assert_eq!(world.rest("PATCH", &path, Some(change)).await.status, 200);
        world.run_jobs().await;
        let told = held(world, &notice).await.unwrap();
        assert_eq!(
            (&told["amount_cents"], &told["expires_at"], &told["calls"]),
            (&json!(6_000), &json!("2027-01-31T23:59:59"), &json!(2))
        );
        // Changed and changed back: the archive has it like this already.
        for amount in [7_000, 6_000] {
            let change = json!({"amount_cents": amount});
            assert_eq!(world.rest("PATCH", &path, Some(change)).await.status, 200);
        }
        world.run_jobs().await;
        assert_eq!(held(world, &notice).await.unwrap()["calls"], 2);
        assert_eq!(standing(world, &notice).await.state, "done");
        let cash = json!({"means": "cash", "paid_at": "2026-11-20T10:00:00Z"});
        let path = format!("{path}/paid-elsewhere");
        assert_eq!(world.rest("POST", &path, Some(cash)).await.status, 200);
        world.run_jobs().await;
        assert_eq!(state(world, &notice).await, "INVALID");
    })
    .await;
}

/// Stand-in credits everything to one account, so what is for several is not offered for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_for_several_is_told_and_not_paid_in_stand_in() {
    with("", async |world| {
        let mut body = top_up();
        body["transfers"] = json!([
            {"creditor": TOWN, "amount_cents": 4_000},
            {"creditor": CATERER, "amount_cents": 1_000}
        ]);
        let notice = world.rest("POST", "/notices", Some(body)).await.json;
        world.run_jobs().await;
        let told = held(world, &notice).await.unwrap();
        assert_eq!(
            (&told["amount_cents"], &told["pay_stand_in"]),
            (&json!(5_000), &json!(false))
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_last_state_is_told() {
    with("", async |world| {
        let notice = world.top_up().await;
        cancel(world, &notice).await;
        world.run_jobs().await;
        // Created and withdrawn before anybody was told: there is nothing to close.
        assert_eq!(state(world, &notice).await, "unknown");
        assert_eq!(standing(world, &notice).await.state, "done");
        assert_eq!(standing(world, &notice).await.revision, 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stand_in_is_the_creditors_choice() {
    let database = Database::fresh(Engine::Sqlite).await.unwrap();
    let world = World::over(database, "").await;
    let world = world
        .restarted_with(|config| {
            config.aca.enabled = true;
            config.creditors[0].pay_stand_in = false;
        })
        .await;
    let notice = world.top_up().await;
    world.run_jobs().await;
    assert_eq!(held(&world, &notice).await.unwrap()["pay_stand_in"], false);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notice_that_is_not_published_waits_for_its_day() {
    with("", async |world| {
        let mut body = top_up();
        body["publish_on"] = json!("2026-11-25");
        let notice = world.rest("POST", "/notices", Some(body)).await.json;
        world.run_jobs().await;
        assert_eq!(state(world, &notice).await, "unknown");
        let due = standing(world, &notice).await.next_attempt_at.to_string();
        assert_eq!(due, "2026-11-24T23:00:00.000Z", "midnight in Rome");
        world.clock.advance_seconds(4 * 86_400 + 11 * 3_600);
        world.run_jobs().await;
        assert_eq!(state(world, &notice).await, "unknown");
        world.clock.advance_seconds(3_600);
        world.run_jobs().await;
        assert_eq!(state(world, &notice).await, "VALID");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_expired_is_closed_and_what_pagopa_was_paid_is_left_alone() {
    with("", async |world| {
        let (paid, expired) = (world.top_up().await, world.top_up().await);
        world.run_jobs().await;
        let number = paid["notice_number"].as_str().unwrap();
        let reply = world.soap(receipt(number, "r-1", "50.00")).await;
        assert_eq!(reply.outcome(), "OK");
        world.clock.advance_seconds(60 * 86_400);
        world.run_jobs().await;
        assert_eq!(state(world, &expired).await, "INVALID");
        let untouched = held(world, &paid).await.unwrap();
        assert_eq!(
            (&untouched["calls"], &untouched["state"]),
            (&json!(1), &json!("VALID"))
        );
    })
    .await;
}

/// Paid before the archive heard of a change: what it may hold open is closed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_offered_without_an_answer_is_closed_when_it_is_paid() {
    with("", async |world| {
        let notice = world.top_up().await;
        world
            .chaos(json!({"aca": [{"when": "after_booking", "drop_connection": true}]}))
            .await;
        world.run_jobs().await;
        assert_eq!(standing(world, &notice).await.state, "owed");
        let number = notice["notice_number"].as_str().unwrap();
        world.soap(receipt(number, "r-1", "50.00")).await;
        world.clock.advance_seconds(3_600);
        world.run_jobs().await;
        assert_eq!(state(world, &notice).await, "INVALID");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_during_the_call_is_told_too() {
    with("", async |world| {
        let notice = world.top_up().await;
        // Booked at once, answered late: the notice is withdrawn in between.
        world.chaos(json!({"aca": [{"delay_ms": 2_000}]})).await;
        let run = tokio::spawn((world.job("aca").run)());
        while held(world, &notice).await.is_none() {
            tokio::task::yield_now().await;
        }
        assert!(!run.is_finished(), "the call is still on its way");
        cancel(world, &notice).await;
        run.await.unwrap().unwrap();
        assert_eq!(state(world, &notice).await, "VALID");
        let owed = standing(world, &notice).await;
        assert_eq!((owed.state.as_str(), owed.revision), ("owed", 2));
        world.run_jobs().await;
        assert_eq!(state(world, &notice).await, "INVALID");
        assert_eq!(standing(world, &notice).await.state, "done");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_429_makes_all_of_them_wait_as_long_as_it_says() {
    with("", async |world| {
        let notices = [world.top_up().await, world.top_up().await];
        // No call is allowed at all; the answer names the window.
        world
            .tell_world("/rates", &json!({"aca": {"calls": 0, "per_s": 500}}))
            .await;
        let start = world.clock.now();
        tell(world).await;
        world.tell_world("/rates", &json!({})).await;
        let held_until = Progress::Rest {
            until: Some(start.plus_seconds(500)),
        };
        for _ in 0..3 {
            assert_eq!(tell(world).await, held_until);
            assert!(archive(world).await.is_empty(), "called before its time");
            world.clock.advance_seconds(160);
        }
        world.clock.advance_seconds(20);
        world.run_jobs().await;
        for notice in &notices {
            assert_eq!(state(world, notice).await, "VALID");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_key_stops_the_job_and_says_so() {
    with("subscription_key = \"another\"\n", async |world| {
        let notice = world.top_up().await;
        let (job, holder) = (world.job("aca"), world.app.holder());
        let metrics = world.app.desk().metrics();
        for _ in 0..2 {
            holder.run(job).await.unwrap();
            assert_eq!(metrics.failing_jobs(), ["aca"]);
        }
        let progress = holder.run(job).await.unwrap().unwrap();
        let Progress::Held { until, why } = progress else {
            panic!("{progress:?}");
        };
        assert_eq!(until, world.clock.now().plus_seconds(300));
        let error = async || {
            let mut conn = world.app.desk().store().read().await.unwrap();
            let runs = leases::list(&mut conn).await.unwrap();
            runs.into_iter()
                .find(|run| run.name == "aca")
                .unwrap()
                .last_error
        };
        assert_eq!(error().await.as_deref(), Some(why));
        assert!(!why.contains("another"));
        // One call has told, and the row has lost nothing by it.
        let owed = standing(world, &notice).await;
        assert_eq!(owed.attempts, 0);
        assert!(owed.last_error.unwrap().starts_with("HTTP 401"));
        // Tried again after the pause, and held again.
        world.clock.advance_seconds(300);
        let until = world.clock.now().plus_seconds(300);
        assert_eq!(tell(world).await, Progress::Held { until, why });
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_that_is_down_is_tried_until_it_is_up() {
    with("", async |world| {
        let notice = world.top_up().await;
        let faults = [
            json!({"status": 500}),
            json!({"status": 502, "body": "html"}),
            json!({"drop_connection": true}),
            json!({"status": 200, "body": "html"}),
            json!({"status": 302}),
            json!({"status": 200, "body": "truncated"}),
        ];
        world.chaos(json!({"aca": faults})).await;
        for tries in 1..=i64::try_from(faults.len()).unwrap() {
            world.run_jobs().await;
            // Not before its time.
            world.run_jobs().await;
            let owed = standing(world, &notice).await;
            assert_eq!((owed.state.as_str(), owed.attempts), ("owed", tries));
            assert!(owed.last_error.is_some());
            world.clock.advance_seconds(3_600 * 5 / 4);
        }
        world.run_jobs().await;
        assert_eq!(state(world, &notice).await, "VALID");
        assert!(world.exceptions().await.is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_is_shown_and_told_again_when_it_changes() {
    with("", async |world| {
        for status in [400, 404, 409, 422] {
            let notice = world.top_up().await;
            world
                .chaos(json!({"aca": [{"status": status, "body": "problem"}]}))
                .await;
            world.run_jobs().await;
            assert_eq!(standing(world, &notice).await.state, "refused", "{status}");
            world.clock.advance_seconds(86_400);
            world.run_jobs().await;
            assert_eq!(state(world, &notice).await, "unknown", "{status}");
            cancel(world, &notice).await;
            world.run_jobs().await;
            // The archive does not know it (422), and nothing can be paid there.
            assert_eq!(standing(world, &notice).await.state, "done", "{status}");
        }
        assert_eq!(world.exceptions().await, ["aca_refused"; 4]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_owed_survives_a_restart_and_so_does_the_pace() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let Some(database) = Database::fresh(engine).await else {
            continue;
        };
        let world = World::over(
            database,
            &format!("{ON}rate_calls = 1\nrate_seconds = 60\n"),
        )
        .await;
        for _ in 0..3 {
            world.top_up().await;
        }
        world.run_jobs().await;
        assert_eq!(archive(&world).await.len(), 1);
        let world = world.restarted().await;
        world.run_jobs().await;
        assert_eq!(
            archive(&world).await.len(),
            1,
            "the restart has begun to count anew"
        );
        for known in 2..=3 {
            world.clock.advance_seconds(60);
            world.run_jobs().await;
            assert_eq!(archive(&world).await.len(), known);
        }
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rate_is_never_exceeded_in_any_window() {
    with("rate_calls = 10\nrate_seconds = 10\n", async |world| {
        for _ in 0..35 {
            world.top_up().await;
        }
        // How many the archive knew at the end of each half second.
        let mut known = vec![0];
        for _ in 0..120 {
            world.run_jobs().await;
            known.push(archive(world).await.len());
            let pagomensa::clock::Clock::Manual(millis) = &world.clock else {
                panic!("the clock runs");
            };
            millis.fetch_add(500, std::sync::atomic::Ordering::SeqCst);
        }
        assert_eq!(known.last(), Some(&35));
        for window in known.windows(21) {
            assert!(window[20] - window[0] <= 10, "{known:?}");
        }
        // And it is used: a quarter of the time more than the rate alone would take.
        let done = known.iter().position(|count| *count == 35).unwrap();
        assert!(done <= 35 * 2 * 5 / 4, "{known:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_tell_everything_and_together_keep_the_pace() {
    with("rate_calls = 10\nrate_seconds = 10\n", async |world| {
        let mut notices = vec![];
        for _ in 0..6 {
            notices.push(world.top_up().await);
        }
        let config = world.app.config().clone();
        let ids = pagomensa::clock::Ids::default();
        let (other, tasks) = pagomensa::app::App::build(config, world.clock.clone(), ids)
            .await
            .unwrap();
        // While one holds the lease, the other does nothing.
        let (one, two) = (world.app.holder(), other.holder());
        let theirs = other.jobs().iter().find(|job| job.name == "aca").unwrap();
        assert!(one.take("aca").await.unwrap());
        assert_eq!(two.run(theirs).await.unwrap(), None);
        assert!(archive(world).await.is_empty());
        one.give("aca", None).await.unwrap();
        // Should the lease fail, both run at once: the pace is one, and the last state stays.
        for _ in 0..20 {
            let (mine, theirs) = tokio::join!((world.job("aca").run)(), (theirs.run)());
            assert!(mine.is_ok() || theirs.is_ok());
            assert!(archive(world).await.len() <= 10);
            world.clock.advance_seconds(2);
        }
        for notice in &notices {
            assert_eq!(state(world, notice).await, "VALID");
            assert_eq!(standing(world, notice).await.state, "done");
        }
        let store = other.desk().store().clone();
        drop(other);
        tasks.finish().await;
        store.close().await;
    })
    .await;
}

/// Who was held up for longer than its lease finishes the calls that are on their way, and makes no
/// more: its successor has read what is newer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_has_lost_its_lease_sends_nothing_more() {
    with("rate_calls = 100\nrate_seconds = 10\n", async |world| {
        let mut notices = vec![];
        for _ in 0..8 {
            notices.push(world.top_up().await);
        }
        // Booked at once and answered late.
        let late = json!({"delay_ms": 3_000});
        world.chaos(json!({"aca": [late, late, late, late]})).await;
        let job = world.job("aca").clone();
        let holder = world.app.holder();
        let run = tokio::spawn(async move { holder.run(&job).await });
        while archive(world).await.len() < 4 {
            tokio::task::yield_now().await;
        }
        assert!(!run.is_finished(), "the calls are still on their way");
        world.clock.advance_seconds(60);
        let next = pagomensa::job::Holder {
            name: "next".to_owned(),
            ..world.app.holder()
        };
        assert!(next.take("aca").await.unwrap());
        run.await.unwrap().unwrap();
        assert_eq!(archive(world).await.len(), 4);
        let mut states = vec![];
        for notice in &notices {
            let standing = standing(world, notice).await;
            assert_eq!(standing.attempts, i64::from(standing.state == "done"));
            states.push(standing.state);
        }
        states.sort();
        assert_eq!(states, [["done"; 4], ["owed"; 4]].concat());
        // Who has the lease tells of the others.
        next.run(world.job("aca")).await.unwrap();
        for notice in &notices {
            assert_eq!(state(world, notice).await, "VALID");
            assert_eq!(held(world, notice).await.unwrap()["calls"], 1);
        }
    })
    .await;
}

/// Notices from before the archive was told of anything are told as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_archive_can_be_turned_on_later() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let Some(database) = Database::fresh(engine).await else {
            continue;
        };
        let world = World::over(database, "").await;
        let notice = world.top_up().await;
        world.run_jobs().await;
        assert_eq!(standing(&world, &notice).await.state, "owed");
        let world = world
            .restarted_with(|config| config.aca.enabled = true)
            .await;
        world.run_jobs().await;
        assert_eq!(state(&world, &notice).await, "VALID");
        world.end().await;
    }
}

/// Of several answers that come together the one that asks for the longest pause is heeded.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_several_429s_the_longest_pause_stays() {
    with("rate_calls = 100\nrate_seconds = 10\n", async |world| {
        let answers = [Some("3600"), None, Some("60")];
        let next = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let counted = next.clone();
        let url = listen(move || {
            let place = counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let mut headers = axum::http::HeaderMap::new();
            if let Some(pause) = answers[place % 3] {
                headers.insert("retry-after", pause.parse().unwrap());
            }
            (
                axum::http::StatusCode::TOO_MANY_REQUESTS,
                headers,
                "{}".to_owned(),
            )
        })
        .await;
        let mut config = world.app.config().clone();
        config.aca.url = url;
        let ids = pagomensa::clock::Ids::default();
        let (app, tasks) = pagomensa::app::App::build(config, world.clock.clone(), ids)
            .await
            .unwrap();
        let notices = [
            world.top_up().await,
            world.top_up().await,
            world.top_up().await,
        ];
        let job = app.jobs().iter().find(|job| job.name == "aca").unwrap();
        let until = Some(world.clock.now().plus_seconds(3_600));
        for _ in 0..2 {
            (job.run)().await.unwrap();
        }
        assert_eq!((job.run)().await.unwrap(), Progress::Rest { until });
        assert_eq!(next.load(std::sync::atomic::Ordering::SeqCst), 3);
        for notice in &notices {
            assert_eq!(standing(world, notice).await.attempts, 0);
        }
        let store = app.desk().store().clone();
        drop(app);
        tasks.finish().await;
        store.close().await;
    })
    .await;
}

/// What the store will not take of one notice does not keep it from taking that of the others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_cannot_be_recorded_does_not_stop_the_others() {
    with("", async |world| {
        let (stuck, other) = (world.top_up().await, world.top_up().await);
        crate::hunter::refuse(
            world,
            "cases",
            &[("subject", stuck["id"].as_str().unwrap())],
        )
        .await;
        let refusal = json!({"status": 422, "body": "problem"});
        world.chaos(json!({"aca": [refusal, refusal]})).await;
        world.run_jobs().await;
        assert_eq!(standing(world, &other).await.state, "refused");
        let owed = standing(world, &stuck).await;
        assert_eq!((owed.state.as_str(), owed.attempts), ("owed", 1));
        assert_eq!(
            owed.last_error.as_deref(),
            Some("what the archive said cannot be recorded")
        );
        assert_eq!(world.exceptions().await, ["aca_refused"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn control_characters_in_a_refusal_are_left_out() {
    with("", async |world| {
        let url = listen(|| {
            let title = r#"{"title": "a\u0000b"}"#.to_owned();
            (
                axum::http::StatusCode::BAD_REQUEST,
                axum::http::HeaderMap::new(),
                title,
            )
        })
        .await;
        let mut config = world.app.config().clone();
        config.aca.url = url;
        let ids = pagomensa::clock::Ids::default();
        let (app, tasks) = pagomensa::app::App::build(config, world.clock.clone(), ids)
            .await
            .unwrap();
        let notice = world.top_up().await;
        let job = app.jobs().iter().find(|job| job.name == "aca").unwrap();
        (job.run)().await.unwrap();
        let refused = standing(world, &notice).await;
        assert_eq!(refused.state, "refused");
        assert_eq!(refused.last_error.as_deref(), Some("HTTP 400 ab"));
        let store = app.desk().store().clone();
        drop(app);
        tasks.finish().await;
        store.close().await;
    })
    .await;
}

/// Without a key nothing can be told, and the gateway says so before it starts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_without_its_keys_does_not_start() {
    let database = Database::fresh(Engine::Sqlite).await.unwrap();
    let world = World::over(database, ON).await;
    for (key, change) in [
        (
            "aca.subscription_key",
            (|config| config.aca.subscription_key = "".into())
                as fn(&mut pagomensa::config::Config),
        ),
        ("receipt_search.bizevents_key", |config| {
            config.receipt_search.enabled = true;
            config.receipt_search.bizevents_key = "".into();
        }),
        ("receipt_search.gpd_key", |config| {
            config.receipt_search.enabled = true;
            config.receipt_search.gpd_key = "".into();
        }),
    ] {
        let mut config = world.app.config().clone();
        change(&mut config);
        let ids = pagomensa::clock::Ids::default();
        let built = pagomensa::app::App::build(config, world.clock.clone(), ids).await;
        let error = built.err().unwrap();
        let text = format!("{error:?}");
        assert!(text.contains(key), "{text}");
    }
    world.end().await;
}

/// An archive that answers as it is told; its address.
async fn listen(
    answer: impl Fn() -> (axum::http::StatusCode, axum::http::HeaderMap, String)
    + Clone
    + Send
    + Sync
    + 'static,
) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = axum::Router::new().fallback(move || {
        let answer = answer.clone();
        async move { answer() }
    });
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}
