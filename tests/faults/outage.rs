//! The database goes away and comes back; an SQLite file is held by somebody else.

use std::time::{Duration, Instant};

use pagomensa::store::Engine;
use sqlx::{AnyConnection, AssertSqlSafe, Connection, Row};

use super::checker::{Outbox, check};
use super::cluster::Cluster;
use super::load::{Load, send};
use super::stage::{Launch, Stage};
use super::{limit, report, setting};
use crate::engines::Database;
use crate::world::verify;

/// Longest answer while the database is away: the node waits seven seconds for a verify.
const PATIENCE: Duration = Duration::from_secs(7);
/// From the database's return to the next good answer.
const RETURN: Duration = Duration::from_secs(2);

/// Three crashes of the server under load, each for `PAGOMENSA_OUTAGE_S` seconds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_crashes_three_times_under_load() {
    let Some(mut cluster) = Cluster::start() else {
        return;
    };
    let outage = Duration::from_secs(u64::try_from(setting("PAGOMENSA_OUTAGE_S", 6)).unwrap());
    let stage = Stage::over(Database::existing(cluster.url())).await;
    let launch = Launch::new();
    let mut gateway = stage.start(&launch).await;
    let load = Load::new();
    let doors = [launch.doors.clone()];
    let mut returns = vec![];
    let suffering = async {
        load.wait_for(20).await;
        let number = load.acknowledged.lock().unwrap()["r-0"].message.clone();
        let number = number.split("<noticeNumber>").nth(1).unwrap()[..18].to_owned();
        for _ in 0..3 {
            load.wait_for(20).await;
            cluster.crash();
            let begun = Instant::now();
            while begun.elapsed() < outage {
                let asked = Instant::now();
                let heard = send(&stage, &launch.doors.node, &verify(&number)).await;
                assert_eq!(heard, "PAA_SYSTEM_ERROR");
                limit("a verify during the outage", asked.elapsed(), PATIENCE);
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            assert_eq!(load.good_since(begun), 0, "OK without a database");
            cluster.restart();
            let back = Instant::now();
            load.wait_for(1).await;
            returns.push(back.elapsed());
        }
        load.stop();
    };
    tokio::join!(suffering, load.run(&stage, &doors, 12));
    assert!(gateway.ended().is_none(), "the gateway has ended");
    stage.drained(&launch.doors).await;
    gateway.stop().await;
    let acknowledged = load.acknowledged.lock().unwrap().clone();
    check(&stage, &acknowledged, Outbox::Empty).await;
    let heard = load.heard.lock().unwrap().clone();
    let bad = heard
        .keys()
        .find(|heard| !["OK", "503"].contains(&heard.as_str()));
    assert_eq!(bad, None, "{heard:?}");
    for back in &returns {
        limit("a good answer after the database's return", *back, RETURN);
    }
    let longest = load.within(1_000);
    limit("a receipt's answer during the outage", longest, PATIENCE);
    report(&format!(
        "3 outages of {outage:?}: {} receipts answered OK, 0 lost; answers {heard:?}; longest answer \
         {longest:?}; good answers {returns:?} after the return",
        acknowledged.len()
    ));
    stage.strike().await;
}

/// The server neither answers nor closes a connection, for longer than anybody waits for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_falls_silent_under_load() {
    let Some(cluster) = Cluster::start() else {
        return;
    };
    let stage = Stage::over(Database::existing(cluster.url())).await;
    let launch = Launch::new();
    let gateway = stage.start(&launch).await;
    let load = Load::new();
    let doors = [launch.doors.clone()];
    let mut back_after = Duration::ZERO;
    let mut longest_verify = Duration::ZERO;
    let suffering = async {
        load.wait_for(20).await;
        let number = load.open(&stage, &launch.doors).await;
        cluster.freeze();
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(15) {
            let asked = Instant::now();
            let heard = send(&stage, &launch.doors.node, &verify(&number)).await;
            assert_eq!(heard, "PAA_SYSTEM_ERROR");
            longest_verify = longest_verify.max(asked.elapsed());
        }
        assert_eq!(load.good_since(begun), 0, "OK without a database");
        cluster.thaw();
        let back = Instant::now();
        load.wait_for(1).await;
        back_after = back.elapsed();
        load.wait_for(20).await;
        load.stop();
    };
    tokio::join!(suffering, load.run(&stage, &doors, 12));
    stage.drained(&launch.doors).await;
    gateway.stop().await;
    let acknowledged = load.acknowledged.lock().unwrap().clone();
    check(&stage, &acknowledged, Outbox::Empty).await;
    let heard = load.heard.lock().unwrap().clone();
    let bad = heard
        .keys()
        .find(|heard| !["OK", "503"].contains(&heard.as_str()));
    assert_eq!(bad, None, "{heard:?}");
    let longest = load.within(1_000);
    report(&format!(
        "a silent server: longest verify {longest_verify:?}, longest receipt {longest:?}, a good \
         answer {back_after:?} after its return"
    ));
    limit(
        "a verify while the server is silent",
        longest_verify,
        PATIENCE,
    );
    // The node waits fifteen seconds for a receipt, and our own deadline is ten.
    limit(
        "a receipt while the server is silent",
        longest,
        Duration::from_secs(11),
    );
    stage.strike().await;
}

/// Another process holds SQLite's write lock for longer than anybody waits for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_file_is_locked_for_longer_than_anybody_waits() {
    let database = Database::fresh(Engine::Sqlite).await.unwrap();
    let stage = Stage::over(database).await;
    let launch = Launch::new();
    let gateway = stage.start(&launch).await;
    let load = Load::new();
    let doors = [launch.doors.clone()];
    let mut verifies = 0_i64;
    let locking = async {
        load.wait_for(10).await;
        let number = load.acknowledged.lock().unwrap()["r-0"].message.clone();
        let number = number.split("<noticeNumber>").nth(1).unwrap()[..18].to_owned();
        let mut other = AnyConnection::connect(&stage.database.url).await.unwrap();
        sqlx::query("PRAGMA busy_timeout = 5000")
            .execute(&mut other)
            .await
            .unwrap();
        sqlx::query("BEGIN IMMEDIATE")
            .execute(&mut other)
            .await
            .unwrap();
        let begun = Instant::now();
        // Longer than the busy time-out of five seconds, and than our deadline of ten.
        while begun.elapsed() < Duration::from_secs(12) {
            // Whoever only asks is answered all the while.
            let heard = send(&stage, &launch.doors.node, &verify(&number)).await;
            assert_eq!(heard, "PAA_PAGAMENTO_DUPLICATO");
            verifies += 1;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(
            load.good_since(begun),
            0,
            "OK although nothing can be written"
        );
        sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
        other.close().await.unwrap();
        load.wait_for(10).await;
        load.stop();
        number
    };
    let (number, ()) = tokio::join!(locking, load.run(&stage, &doors, 6));
    stage.drained(&launch.doors).await;
    gateway.stop().await;
    let acknowledged = load.acknowledged.lock().unwrap().clone();
    check(&stage, &acknowledged, Outbox::Empty).await;
    let heard = load.heard.lock().unwrap().clone();
    assert!(
        heard.get("503").is_some_and(|count| *count > 0),
        "{heard:?}"
    );
    let bad = heard
        .keys()
        .find(|heard| !["OK", "503"].contains(&heard.as_str()));
    assert_eq!(bad, None, "{heard:?}");
    // The journal has waited all the time, and has lost no line.
    let mut conn = AnyConnection::connect(&stage.database.url).await.unwrap();
    let sql = format!(
        "SELECT COUNT(*) AS n FROM exchanges WHERE notice_number = '{number}' \
         AND outcome = 'PAA_PAGAMENTO_DUPLICATO'"
    );
    let row = sqlx::query(AssertSqlSafe(sql))
        .fetch_one(&mut conn)
        .await
        .unwrap();
    assert_eq!(row.try_get::<i64, _>("n").unwrap(), verifies);
    conn.close().await.unwrap();
    stage.strike().await;
}
