//! Stopped and upgraded under load, over real mutual TLS: whoever was being served is served to the
//! end, and nothing that was answered is lost.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use pagomensa::store::Engine;
use sqlx::{AnyConnection, Connection, Row};

use super::checker::{Outbox, check};
use super::load::{Load, send};
use super::stage::{Launch, Stage};
use super::{certs, limit, report, until};
use crate::engines::Database;
use crate::world::receipt;

/// A gateway ends within this time.
const STOP: Duration = Duration::from_secs(10);

/// A stage whose client is the node, and how gateways are started on it.
async fn stage(database: Database) -> Stage {
    let mut stage = Stage::over(database).await;
    stage.http = certs::make(stage.folder.path());
    stage
}

/// A gateway with mutual TLS.
fn launch(stage: &Stage) -> Launch {
    let file = |name: &str| stage.folder.path().join(name).display().to_string();
    let mut launch = Launch::new()
        .with("PAGOMENSA__NODE__TLS__ENABLED", "true")
        .with(
            "PAGOMENSA__NODE__TLS__CERTIFICATE_FILE",
            &file("server.pem"),
        )
        .with("PAGOMENSA__NODE__TLS__KEY_FILE", &file("server.key"))
        .with("PAGOMENSA__NODE__TLS__CLIENT_CA_FILE", &file("ca.pem"))
        .with("PAGOMENSA__NODE__TLS__ALLOWED_SUBJECTS", certs::NODE);
    launch.doors.node = launch.doors.node.replacen("http:", "https:", 1);
    launch
}

/// One gateway, stopped and started again under load.
async fn stopped_under_load(engine: Engine) {
    const STOPS: usize = 5;
    let Some(database) = Database::fresh(engine).await else {
        return;
    };
    let stage = stage(database).await;
    let launch = launch(&stage);
    let doors = [launch.doors.clone()];
    let load = Load::new();
    let mut took = vec![];
    let stopping = async {
        for _ in 0..STOPS {
            let gateway = stage.start(&launch).await;
            load.wait_for(15).await;
            took.push(gateway.stop().await);
        }
        let gateway = stage.start(&launch).await;
        load.stop();
        gateway
    };
    let (gateway, ()) = tokio::join!(stopping, load.run(&stage, &doors, 8));
    stage.drained(&launch.doors).await;
    took.push(gateway.stop().await);
    let acknowledged = load.acknowledged.lock().unwrap().clone();
    check(&stage, &acknowledged, Outbox::Empty).await;
    let heard = load.heard.lock().unwrap().clone();
    for took in &took {
        limit("the end", *took, STOP);
    }
    report(&format!(
        "{engine:?}: stopped {STOPS} times under load and TLS: {} receipts answered OK, 0 lost; {} \
         calls were cut ({heard:?}); each end took {took:?}",
        acknowledged.len(),
        heard.get("lost").unwrap_or(&0)
    ));
    stage.strike().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopped_under_load_on_sqlite() {
    stopped_under_load(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopped_under_load_on_postgresql() {
    stopped_under_load(Engine::Postgres).await;
}

/// So many receipts wait when the end is asked for.
const INSIDE: usize = 8;
/// So many are sent at most.
const MOST: usize = 48;

/// Receipts that wait for the database when the end is asked for are recorded and answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_in_flight_is_answered_before_the_end() {
    let stage = stage(Database::fresh(Engine::Sqlite).await.unwrap()).await;
    let launch = launch(&stage);
    let mut gateway = stage.start(&launch).await;
    let load = Load::of(10);
    load.run(&stage, std::slice::from_ref(&launch.doors), 4)
        .await;
    let number = load.open(&stage, &launch.doors).await;
    let mut other = AnyConnection::connect(&stage.database.url).await.unwrap();
    sqlx::query("BEGIN IMMEDIATE")
        .execute(&mut other)
        .await
        .unwrap();
    // What the till has already taken in its hands, and holds while it waits for the lock, is not
    // counted as waiting any more: one is sent after the other until eight are.
    let (asked, is_ending) = (AtomicUsize::new(INSIDE + 1), AtomicBool::new(false));
    let calls = join_all((0..MOST).map(|place| {
        let message = receipt(&number, &format!("in-flight-{place}"), "50.00");
        let (stage, node) = (&stage, &launch.doors.node);
        let (asked, is_ending) = (&asked, &is_ending);
        async move {
            until("it is this one's turn", || {
                place < asked.load(Ordering::SeqCst) || is_ending.load(Ordering::SeqCst)
            })
            .await;
            if is_ending.load(Ordering::SeqCst) {
                return "never sent".to_owned();
            }
            send(stage, node, &message).await
        }
    }));
    let ending = async {
        let mut looks = 0;
        while stage.measure(&launch.doors, "pagomensa_till_waiting").await < INSIDE {
            looks += 1;
            assert!(looks < 400, "eight never wait");
            if looks % 10 == 0 {
                asked.fetch_add(1, Ordering::SeqCst);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        is_ending.store(true, Ordering::SeqCst);
        gateway.signal("-TERM");
        until("the gateway is stopping", || {
            gateway.log().contains("the gateway is stopping")
        })
        .await;
        // Long enough to end, for a gateway that does not wait.
        tokio::time::sleep(Duration::from_millis(700)).await;
        assert!(gateway.ended().is_none(), "it has not waited");
        sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
        let begun = Instant::now();
        let status = gateway.end(Duration::from_secs(30)).await.unwrap();
        assert!(status.success());
        begun.elapsed()
    };
    let (heard, took) = tokio::join!(calls, ending);
    let good = heard.iter().filter(|heard| *heard == "OK").count();
    assert!(good >= INSIDE, "{heard:?}");
    let sql = "SELECT COUNT(*) AS n FROM payments WHERE reference LIKE 'in-flight-%'";
    let row = sqlx::query(sql).fetch_one(&mut other).await.unwrap();
    let stored = usize::try_from(row.try_get::<i64, _>("n").unwrap()).unwrap();
    assert!(stored >= good, "{stored} are stored: {heard:?}");
    other.close().await.unwrap();
    limit("the end", took, STOP);
    stage.strike().await;
}

/// Two gateways on one PostgreSQL, replaced one after the other under load.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_gateways_are_upgraded_one_after_the_other() {
    let Some(database) = Database::fresh(Engine::Postgres).await else {
        return;
    };
    let stage = stage(database).await;
    let launches = [launch(&stage), launch(&stage)];
    let doors = [launches[0].doors.clone(), launches[1].doors.clone()];
    let mut gateways = vec![];
    for launch in &launches {
        gateways.push(stage.start(launch).await);
    }
    let load = Load::new();
    let upgrading = async {
        for launch in launches.iter().chain(&launches) {
            load.wait_for(20).await;
            let old = gateways.remove(0);
            old.stop().await;
            gateways.push(stage.start(launch).await);
        }
        load.wait_for(10).await;
        load.stop();
    };
    tokio::join!(upgrading, load.run(&stage, &doors, 12));
    stage.drained(&doors[0]).await;
    for gateway in gateways {
        gateway.stop().await;
    }
    let acknowledged = load.acknowledged.lock().unwrap().clone();
    check(&stage, &acknowledged, Outbox::Empty).await;
    let heard = load.heard.lock().unwrap().clone();
    report(&format!(
        "two gateways upgraded in turn, twice: {} receipts answered OK, 0 lost; {} calls were cut ({heard:?})",
        acknowledged.len(),
        heard.get("lost").unwrap_or(&0)
    ));
    stage.strike().await;
}
