//! Killed at any moment under load, and started again: no receipt that was answered OK is missing,
//! none is booked or credited twice.

use std::time::{Duration, Instant};

use pagomensa::store::Engine;
use pagomensa::store::migrate::migrator;
use sqlx::{AnyConnection, Connection, Row};

use super::checker::{Outbox, check};
use super::load::{Load, quantile};
use super::stage::{Launch, Stage};
use super::{Chance, report, setting};
use crate::engines::Database;

/// Receipts on their way at the same time.
const SENDERS: usize = 12;
/// Kills in the ordinary suite; `PAGOMENSA_KILLS` asks for more.
const KILLS: usize = 25;
/// The longest life of a gateway under load, in milliseconds, after what it has done for certain.
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
            // Most lives do something that could be lost; the others may end at once.
            if chance.below(4) > 0 {
                load.wait_for(1).await;
            }
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

/// Whether somebody has begun to make the database.
async fn is_begun(url: &str) -> bool {
    if let Some(file) = url.strip_prefix("sqlite://") {
        return std::fs::metadata(file).is_ok_and(|file| file.len() > 0);
    }
    let sql = "SELECT COUNT(*) AS n FROM information_schema.tables \
               WHERE table_schema = current_schema()";
    number(url, sql).await.unwrap() > 0
}

/// How many migrations are done.
async fn applied(url: &str) -> usize {
    let sql = "SELECT COUNT(*) AS n FROM _sqlx_migrations";
    let Some(file) = url.strip_prefix("sqlite://") else {
        return number(url, sql).await.unwrap_or_default();
    };
    // Whoever opens what a killed process has left repairs it: that is left to the gateway.
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy");
    std::fs::copy(file, &copy).unwrap();
    // There is none when the last process could still close the database.
    let _ = std::fs::copy(format!("{file}-wal"), folder.path().join("copy-wal"));
    number(&format!("sqlite://{}", copy.display()), sql)
        .await
        .unwrap_or_default()
}

async fn number(url: &str, sql: &'static str) -> Result<usize, sqlx::Error> {
    let mut conn = AnyConnection::connect(url).await?;
    let found = sqlx::query(sql).fetch_one(&mut conn).await;
    conn.close().await?;
    Ok(usize::try_from(found?.try_get::<i64, _>("n")?).unwrap())
}

async fn migrate(engine: Engine) {
    // On a slow machine a kill may come after the last migration: so many databases at most.
    for database in 1..=30 {
        let Some(fresh) = Database::fresh(engine).await else {
            return;
        };
        if killed_while_it_migrates(fresh, engine).await {
            report(&format!(
                "{engine:?}: killed in the first migration, on database {database}"
            ));
            return;
        }
    }
    panic!("no kill came between the beginning and the last migration");
}

/// Kills the gateway as soon as the database is there, and at other moments, and lets it work at
/// last. Whether the first kill has left a database that is not finished.
async fn killed_while_it_migrates(database: Database, engine: Engine) -> bool {
    let mut stage = Stage::empty(database).await;
    let chance = Chance::new();
    let launch = Launch::new();
    let gateway = stage.spawn(&launch);
    let begun = Instant::now();
    while !is_begun(&stage.database.url).await {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "no migration is begun:\n{}",
            gateway.log()
        );
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    tokio::time::sleep(Duration::from_millis(chance.below(4))).await;
    gateway.kill();
    let done = applied(&stage.database.url).await;
    for _ in 0..3 {
        let gateway = stage.spawn(&launch);
        tokio::time::sleep(Duration::from_millis(chance.below(80))).await;
        gateway.kill();
    }
    let gateway = stage.start(&launch).await;
    stage.make_key();
    let load = Load::of(5);
    load.run(&stage, std::slice::from_ref(&launch.doors), 5)
        .await;
    stage.drained(&launch.doors).await;
    gateway.stop().await;
    let acknowledged = load.acknowledged.lock().unwrap().clone();
    assert_eq!(check(&stage, &acknowledged, Outbox::Empty).await, 5);
    let all = migrator(engine).iter().count();
    assert_eq!(applied(&stage.database.url).await, all);
    stage.strike().await;
    done < all
}
