//! Killed at any moment under load, and started again: no receipt that was answered OK is missing,
//! none is booked or credited twice.

use std::time::Duration;

use pagomensa::store::Engine;

use super::checker::{Outbox, check};
use super::load::{Load, quantile};
use super::stage::{Launch, Stage};
use super::{Chance, report, setting};
use crate::engines::Database;

/// Receipts on their way at the same time.
const SENDERS: usize = 12;
/// Kills in the ordinary suite; `PAGOMENSA_KILLS` asks for more.
const KILLS: usize = 25;
/// The longest life of a gateway under load, in milliseconds.
const LIFE_MS: u64 = 400;

async fn survive(engine: Engine) {
    let Some(database) = Database::fresh(engine).await else {
        return;
    };
    let stage = Stage::over(database).await;
    let chance = Chance::new();
    let launch = Launch::new();
    let load = Load::new();
    let mut ready = vec![];
    let doors = [launch.doors.clone()];
    let killing = async {
        for _ in 0..setting("PAGOMENSA_KILLS", KILLS) {
            let gateway = stage.start(&launch).await;
            ready.push(gateway.ready_after);
            tokio::time::sleep(Duration::from_millis(chance.below(LIFE_MS))).await;
            gateway.kill();
        }
        stage.end_leases().await;
        let gateway = stage.start(&launch).await;
        load.stop();
        gateway
    };
    let (gateway, ()) = tokio::join!(killing, load.run(&stage, &doors, SENDERS));
    stage.drained(&launch.doors).await;
    gateway.stop().await;
    let acknowledged = load.acknowledged.lock().unwrap().clone();
    assert!(
        acknowledged.len() >= ready.len(),
        "too little came through to say anything"
    );
    check(&stage, &acknowledged, Outbox::Empty).await;
    report(&format!(
        "{engine:?}: {} kills, {} receipts answered OK, {} answers lost; 0 lost, 0 twice; ready \
         again after {:?} (median), {:?} (99 %), {:?} (longest)",
        ready.len(),
        acknowledged.len(),
        load.heard.lock().unwrap().get("lost").unwrap_or(&0),
        quantile(&mut ready, 500),
        quantile(&mut ready, 990),
        quantile(&mut ready, 1_000),
    ));
    stage.strike().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_under_load_on_sqlite() {
    survive(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_under_load_on_postgresql() {
    survive(Engine::Postgres).await;
}

/// Killed while it makes its first database, it makes it at the next start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_during_the_first_migration_on_sqlite() {
    migrate(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_during_the_first_migration_on_postgresql() {
    migrate(Engine::Postgres).await;
}

async fn migrate(engine: Engine) {
    let Some(database) = Database::fresh(engine).await else {
        return;
    };
    let mut stage = Stage::empty(database).await;
    let chance = Chance::new();
    let launch = Launch::new();
    for _ in 0..8 {
        let gateway = stage.spawn(&launch);
        tokio::time::sleep(Duration::from_millis(chance.below(80))).await;
        gateway.kill();
    }
    stage.make_key();
    let gateway = stage.start(&launch).await;
    let load = Load::of(5);
    load.run(&stage, std::slice::from_ref(&launch.doors), 5)
        .await;
    stage.drained(&launch.doors).await;
    gateway.stop().await;
    let acknowledged = load.acknowledged.lock().unwrap().clone();
    assert_eq!(check(&stage, &acknowledged, Outbox::Empty).await, 5);
    stage.strike().await;
}
