//! The same receipt many times at once, through one gateway and through two.

use std::time::Duration;

use futures_util::future::join_all;
use pagomensa::store::Engine;
use serde_json::Value;

use super::checker::{Outbox, check};
use super::load::{Acknowledged, Effort, Load, send};
use super::report;
use super::stage::{Launch, Stage};
use crate::engines::{Database, engines};
use crate::world::{receipt, top_up};

/// How often each receipt comes at once.
const TIMES: usize = 64;

engines! {
    async fn the_same_receipt_64_times_at_once(world: &World) {
        const RECEIPTS: usize = 50;
        let mut messages = vec![];
        for index in 0..RECEIPTS {
            let notice = world.top_up().await;
            let number = notice["notice_number"].as_str().unwrap().to_owned();
            let id = format!("r-{index}");
            let all = join_all((0..TIMES).map(|_| world.soap(receipt(&number, &id, "50.00")))).await;
            for reply in &all {
                assert_eq!((reply.status, &reply.text), (200, &all[0].text));
                assert_eq!(reply.outcome(), "OK");
            }
            messages.push((number, id, notice["id"].clone()));
        }
        assert_eq!(world.count("payments").await, 50);
        assert_eq!(world.count("ledger_entries").await, 50);
        world.run_jobs().await;
        let credited = world.balance_entries("50004").await;
        assert_eq!(credited, [5_000; RECEIPTS]);

        // The same ids with another amount, 64 times at once, between repetitions of the first.
        for (number, id, notice) in &messages {
            let all = join_all((0..TIMES).map(|place| {
                let amount = if place % 2 == 0 { "50.01" } else { "50.00" };
                world.soap(receipt(number, id, amount))
            })).await;
            for (place, reply) in all.iter().enumerate() {
                let expected = if place % 2 == 0 { "PAA_SEMANTICA" } else { "OK" };
                assert_eq!((reply.status, reply.outcome().as_str()), (200, expected));
            }
            assert_eq!(world.notice(notice).await["state"], "paid");
        }
        world.run_jobs().await;
        assert_eq!(world.balance_entries("50004").await, credited);
        assert_eq!(world.count("payments").await, 50);
        assert_eq!(world.count("ledger_entries").await, 50);
        // One case for each, however often it came.
        assert_eq!(world.exceptions().await, ["reference_conflict"; RECEIPTS]);
    }
}

/// Two gateways over one database, half of each storm to either; one of them is killed.
async fn two_gateways(engine: Engine) {
    const RECEIPTS: usize = 30;
    let Some(database) = Database::fresh(engine).await else {
        return;
    };
    let stage = Stage::over(database).await;
    let (one, two) = (Launch::new(), Launch::new());
    let survivor = stage.start(&one).await;
    let mut other = Some(stage.start(&two).await);
    let load = Load::of(0);
    for index in 0..RECEIPTS {
        let (number, id) = (notice(&stage, &one.doors.web).await, format!("r-{index}"));
        let message = receipt(&number, &id, "50.00");
        let storm = join_all((0..TIMES).map(|place| {
            let (message, stage) = (&message, &stage);
            let doors = if place % 2 == 0 {
                &one.doors
            } else {
                &two.doors
            };
            let fallback = &one.doors;
            async move {
                // What one gateway does not answer any more comes to the other, and 503 comes again.
                let mut heard = send(stage, &doors.node, message).await;
                let mut effort = Effort::new();
                while ["503", "lost", "refused"].contains(&heard.as_str()) {
                    effort.again("a receipt of the storm", &heard).await;
                    heard = send(stage, &fallback.node, message).await;
                }
                heard
            }
        }));
        let killing = async {
            if index == RECEIPTS / 2
                && let Some(gateway) = other.take()
            {
                tokio::time::sleep(Duration::from_millis(5)).await;
                gateway.kill();
            }
        };
        let (heard, ()) = tokio::join!(storm, killing);
        assert_eq!(heard, vec!["OK"; TIMES], "{id}");
        load.acknowledged.lock().unwrap().insert(
            id,
            Acknowledged {
                message,
                cents: 5_000,
            },
        );
    }
    stage.drained(&one.doors).await;
    survivor.stop().await;
    let acknowledged = load.acknowledged.lock().unwrap().clone();
    let examined = check(&stage, &acknowledged, Outbox::Empty).await;
    assert_eq!(examined, RECEIPTS);
    report(&format!(
        "{engine:?}: two gateways, {RECEIPTS} receipts {TIMES} times at once, one gateway killed: \
         each booked and credited once"
    ));
    stage.strike().await;
}

async fn notice(stage: &Stage, web: &str) -> String {
    let mut body = top_up();
    body.as_object_mut().unwrap().remove("due_on");
    let answer = stage
        .http
        .post(format!("{web}/api/v1/notices"))
        .bearer_auth(&stage.key)
        .json(&body)
        .send()
        .await
        .unwrap();
    let notice: Value = answer.json().await.unwrap();
    notice["notice_number"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_gateways_over_one_postgresql() {
    two_gateways(Engine::Postgres).await;
}

/// Not recommended, and safe all the same: the file's locks see to it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_gateways_over_one_sqlite_file() {
    two_gateways(Engine::Sqlite).await;
}

/// Two gateways under a mixed load, each killed in turn.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_gateways_killed_in_turn() {
    let Some(database) = Database::fresh(Engine::Postgres).await else {
        return;
    };
    let stage = Stage::over(database).await;
    let launches = [Launch::new(), Launch::new()];
    let doors = [launches[0].doors.clone(), launches[1].doors.clone()];
    let mut gateways = vec![];
    for launch in &launches {
        gateways.push(stage.start(launch).await);
    }
    let load = Load::new();
    let killing = async {
        for turn in 0..6 {
            load.wait_for(20).await;
            gateways.remove(0).kill();
            gateways.push(stage.start(&launches[turn % 2]).await);
        }
        load.stop();
    };
    tokio::join!(killing, load.run(&stage, &doors, 12));
    stage.drained(&doors[0]).await;
    for gateway in gateways {
        gateway.stop().await;
    }
    let acknowledged = load.acknowledged.lock().unwrap().clone();
    check(&stage, &acknowledged, Outbox::Empty).await;
    stage.strike().await;
}
