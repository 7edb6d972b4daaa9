//! A ledger that is slow, down, lost in the middle and answers nonsense: every receipt is credited
//! once in the end, and none of them hears of it.

use std::time::{Duration, Instant};

use pagomensa::store::Engine;

use super::checker::{Outbox, check};
use super::load::Load;
use super::proxy::{POISON, Proxy};
use super::stage::{Launch, Stage};
use super::{report, setting};
use crate::engines::Database;

/// Receipts in the ordinary suite; `PAGOMENSA_RECEIPTS` asks for more.
const RECEIPTS: usize = 250;

async fn credited_once(engine: Engine) {
    let Some(database) = Database::fresh(engine).await else {
        return;
    };
    let stage = Stage::over(database).await;
    let proxy = Proxy::before(&stage.ledger_url()).await;
    let launch = Launch::new()
        .with("PAGOMENSA__LEDGER__URL", &proxy.url)
        .with("PAGOMENSA__LEDGER__TIMEOUT_S", "1");
    let doors = [launch.doors.clone()];
    let gateway = stage.start(&launch).await;
    let receipts = setting("PAGOMENSA_RECEIPTS", RECEIPTS);

    let tired = Load::of(receipts);
    tired.run(&stage, &doors, 12).await;
    // Others are served although one account never is.
    let begun = Instant::now();
    while stage
        .credits()
        .await
        .iter()
        .filter(|child| *child != POISON)
        .count()
        < receipts / 4
    {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "one account stops the others"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(!stage.credits().await.contains(&POISON.to_owned()));
    let faults = proxy.faults();
    assert!(faults > 0, "the ledger was never tired");

    proxy.misbehave(false);
    let begun = Instant::now();
    let left = stage.owed(&launch.doors).await;
    stage.drained(&launch.doors).await;
    let drained = begun.elapsed();
    assert!(stage.credits().await.contains(&POISON.to_owned()));
    gateway.stop().await;
    let acknowledged = tired.acknowledged.lock().unwrap().clone();
    assert_eq!(check(&stage, &acknowledged, Outbox::Empty).await, receipts);
    let keys = proxy.keys();
    assert_eq!(keys.len(), receipts);
    for (reference, keys) in &keys {
        assert_eq!(keys.len(), 1, "{reference} was sent under several keys");
    }
    let heard = tired.heard.lock().unwrap().clone();
    assert!(heard.keys().all(|heard| heard == "OK"), "{heard:?}");
    report(&format!(
        "{engine:?}: {receipts} receipts, {faults} faults of the ledger, each credited once under one \
         key; answers to receipts {:?} (median), {:?} (99 %) meanwhile; {left} (of at most 1001 \
         counted) still owed were delivered {drained:?} after the last fault",
        tired.within(500),
        tired.within(990),
    ));
    stage.strike().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_receipt_is_credited_once_on_sqlite() {
    credited_once(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_receipt_is_credited_once_on_postgresql() {
    credited_once(Engine::Postgres).await;
}

/// How long receipts take with a good ledger, a bad one and none; for the long form.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures; tests/scripts/tired-ledger.sh runs it"]
async fn receipts_do_not_wait_for_the_ledger() {
    let receipts = setting("PAGOMENSA_RECEIPTS", 2_000);
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let Some(database) = Database::fresh(engine).await else {
            continue;
        };
        let stage = Stage::over(database).await;
        let proxy = Proxy::before(&stage.ledger_url()).await;
        let launch = Launch::new()
            .with("PAGOMENSA__LEDGER__URL", &proxy.url)
            .with("PAGOMENSA__LEDGER__TIMEOUT_S", "1");
        let doors = [launch.doors.clone()];
        let gateway = stage.start(&launch).await;
        let mut place = 0;
        for is_bad in [false, true, false, true] {
            proxy.misbehave(is_bad);
            let load = Load::from(place, receipts);
            place += receipts;
            load.run(&stage, &doors, 12).await;
            let ledger = if is_bad { "tired" } else { "good" };
            report(&format!(
                "{engine:?}, a {ledger} ledger: answers to receipts {:?} (median), {:?} (99 %)",
                load.within(500),
                load.within(990)
            ));
        }
        gateway.stop().await;
        stage.strike().await;
    }
}
