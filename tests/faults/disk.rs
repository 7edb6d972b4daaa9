//! A disk that is full, that fails to keep what it was given, and that loses its power. These need
//! root or special tools; `tests/scripts/` prepares them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use pagomensa::store::Engine;

use super::checker::{Outbox, check, faults};
use super::load::{Load, send};
use super::stage::{Launch, Stage};
use super::{limit, report, setting};
use crate::engines::Database;
use crate::world::{receipt, verify};

/// The folder that the script has prepared.
fn prepared() -> PathBuf {
    let folder = std::env::var_os("PAGOMENSA_FAULT_DIR");
    PathBuf::from(folder.expect("run this by its script in tests/scripts/"))
}

fn sqlite(file: &Path) -> Database {
    Database::existing(format!("sqlite://{}", file.display()))
}

/// Runs a program, which must succeed.
fn run(words: &[&str]) {
    let done = Command::new(words[0]).args(&words[1..]).output().unwrap();
    assert!(
        done.status.success(),
        "{words:?}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
}

/// SQLite finds no room in the middle of a transaction, and undoes the statement, or all of it by
/// itself: the receipt is not answered OK, and the next one is as soon as there is room again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_without_room_is_not_the_last() {
    crate::world::run(Engine::Sqlite, async |world| {
        let notice = world.top_up().await;
        let number = notice["notice_number"].as_str().unwrap();
        let mut tx = world.app.desk().store().write().await.unwrap();
        // Not a page more than there are; it counts for this connection.
        sqlx::query("PRAGMA max_page_count = 1")
            .execute(&mut *tx)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let mut place = 0;
        let refused = loop {
            let message = receipt(number, &format!("r-{place}"), "50.00");
            let reply = world.soap(message.clone()).await;
            if reply.status == 503 {
                break message;
            }
            assert_eq!(reply.outcome(), "OK");
            place += 1;
            assert!(place < 200, "there is always room");
        };
        // The connection that was full can be written with again, or has been replaced.
        let mut tx = world.app.desk().store().write().await.unwrap();
        sqlx::query("PRAGMA max_page_count = 1000000")
            .execute(&mut *tx)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        assert_eq!(world.soap(refused).await.outcome(), "OK");
        assert_eq!(world.count("payments").await, place + 1);
    })
    .await;
}

/// A statement that SQLite cannot undo alone takes its whole transaction along, and the driver does not
/// hear of it: the next transaction begins all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_was_undone_is_not_the_last() {
    crate::world::run(Engine::Sqlite, async |world| {
        let store = world.app.desk().store();
        let mut tx = store.write().await.unwrap();
        // Not a page more than there are; it counts for this connection.
        sqlx::query("PRAGMA max_page_count = 1")
            .execute(&mut *tx)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let large = "INSERT INTO notice_sequences (creditor, series, last) \
            VALUES ('large', hex(zeroblob(1000000)), 1)";
        let mut tx = store.write().await.unwrap();
        let refused = sqlx::query(large).execute(&mut *tx).await.unwrap_err();
        let code = refused.as_database_error().and_then(|e| e.code());
        assert_eq!(code.as_deref(), Some("13"), "SQLITE_FULL: {refused}");
        drop(tx);
        // The next one begins, on the same connection, and may grow again.
        let mut tx = store.write().await.unwrap();
        sqlx::query("PRAGMA max_page_count = 1000000")
            .execute(&mut *tx)
            .await
            .unwrap();
        sqlx::query(large).execute(&mut *tx).await.unwrap();
        tx.commit().await.unwrap();
    })
    .await;
}

/// The folder is on a file system of 24 MB.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a small file system; tests/scripts/disk-full.sh makes one"]
async fn the_disk_is_full() {
    let folder = prepared();
    let filler = folder.join("filler");
    std::fs::write(&filler, vec![0; 12 * 1024 * 1024]).unwrap();
    let stage = Stage::over(sqlite(&folder.join("pagomensa.db"))).await;
    let launch = Launch::new();
    let mut gateway = stage.start(&launch).await;
    let load = Load::new();
    let doors = [launch.doors.clone()];
    let mut back = Duration::ZERO;
    let mut refused = 0;
    let filling = async {
        load.wait_for(5).await;
        let number = load.open(&stage, &launch.doors).await;
        // Full: two seconds without a single good answer.
        let mut since = Instant::now();
        while since.elapsed() < Duration::from_secs(2) {
            tokio::time::sleep(Duration::from_millis(20)).await;
            if load.good_since(since) > 0 {
                since = Instant::now();
            }
        }
        for _ in 0..20 {
            assert_eq!(
                send(&stage, &launch.doors.node, &verify(&number)).await,
                "OK"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(load.good_since(since), 0, "OK without room");
        refused = load
            .heard
            .lock()
            .unwrap()
            .get("503")
            .copied()
            .unwrap_or_default();
        std::fs::remove_file(&filler).unwrap();
        let begun = Instant::now();
        load.wait_for(1).await;
        back = begun.elapsed();
        load.wait_for(20).await;
        load.stop();
    };
    tokio::join!(filling, load.run(&stage, &doors, 8));
    assert!(gateway.ended().is_none(), "the gateway has ended");
    stage.drained(&launch.doors).await;
    gateway.stop().await;
    let acknowledged = load.acknowledged.lock().unwrap().clone();
    check(&stage, &acknowledged, Outbox::Empty).await;
    let heard = load.heard.lock().unwrap().clone();
    assert!(refused > 0, "{heard:?}");
    let bad = heard
        .keys()
        .find(|heard| !["OK", "503"].contains(&heard.as_str()));
    assert_eq!(bad, None, "{heard:?}");
    limit(
        "a good answer after there was room",
        back,
        Duration::from_secs(5),
    );
    report(&format!(
        "disk full: {} receipts answered OK, 0 lost; {refused} times 503 and never OK while full; \
         verifies went on; OK again {back:?} after there was room",
        acknowledged.len()
    ));
    stage.strike().await;
}

/// One sync fails; the kernel would call the next one a success.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs strace; tests/scripts/disk-sync.sh runs it"]
async fn the_disk_fails_to_sync() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::over(sqlite(&folder.path().join("pagomensa.db"))).await;
    let launch = Launch::new();
    // Counted for each thread: the one that writes reaches it first.
    let failing = launch.clone().under(&[
        "strace",
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        "trace=fdatasync,fsync",
        "-e",
        "inject=fdatasync,fsync:error=EIO:when=60+97",
    ]);
    let load = Load::new();
    let doors = [launch.doors.clone()];
    let failing = async {
        let mut gateway = stage.start(&failing).await;
        let status = gateway.end(Duration::from_secs(60)).await;
        let ended = Instant::now();
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(load.good_since(ended), 0, "OK after a failed sync");
        let count = load.count();
        let status = status.expect("it goes on although a sync has failed");
        assert!(!status.success());
        let log = gateway.log();
        assert!(
            log.contains("the disk has failed to keep what was written"),
            "{log}"
        );
        let gateway = stage.start(&launch).await;
        load.wait_for(20).await;
        load.stop();
        (gateway, count)
    };
    let ((gateway, count), ()) = tokio::join!(failing, load.run(&stage, &doors, 8));
    stage.end_leases().await;
    stage.drained(&launch.doors).await;
    gateway.stop().await;
    let acknowledged = load.acknowledged.lock().unwrap().clone();
    check(&stage, &acknowledged, Outbox::Empty).await;
    report(&format!(
        "a failed sync: {count} receipts answered OK before it, none after it until the restart, {} \
         in all; 0 lost",
        acknowledged.len()
    ));
    stage.strike().await;
}

/// The folder holds `disk.img`, mounted at `disk`, on a file system that can clone files: a clone
/// is what a power cut would leave.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs root and a file system with clones; tests/scripts/power.sh makes one"]
async fn the_power_fails() {
    let folder = prepared();
    let lies = std::env::var("PAGOMENSA_LIAR").ok();
    let cuts = setting("PAGOMENSA_CUTS", 100);
    let stage = Stage::over(sqlite(&folder.join("disk/pagomensa.db"))).await;
    let mut launch = Launch::new();
    if let Some(library) = &lies {
        // The negative control: nothing that is called written has reached the disk.
        launch = launch.with("LD_PRELOAD", library);
    }
    let gateway = stage.start(&launch).await;
    let load = Load::new();
    let doors = [launch.doors.clone()];
    let (image, clone, mounted) = (
        folder.join("disk.img"),
        folder.join("cut.img"),
        folder.join("cut"),
    );
    let text = |path: &Path| path.display().to_string();
    let mut bad = vec![];
    let cutting = async {
        for cut in 0..cuts {
            load.wait_for(15).await;
            let acknowledged = load.acknowledged.lock().unwrap().clone();
            run(&["cp", "--reflink=always", &text(&image), &text(&clone)]);
            run(&["mount", "-o", "loop", &text(&clone), &text(&mounted)]);
            let url = format!("sqlite://{}", mounted.join("pagomensa.db").display());
            let found = faults(&url, None, &acknowledged, Outbox::Any).await;
            run(&["umount", &text(&mounted)]);
            std::fs::remove_file(&clone).unwrap();
            if !found.is_empty() {
                bad.push((cut, found));
            }
        }
        load.stop();
    };
    tokio::join!(cutting, load.run(&stage, &doors, 4));
    gateway.stop().await;
    let answered = load.count();
    let found: usize = bad.iter().map(|(_, found)| found.len()).sum();
    report(&format!(
        "{cuts} power cuts{}: {answered} receipts answered OK; {found} faults in {} cuts",
        if lies.is_some() {
            " with a disk that lies"
        } else {
            ""
        },
        bad.len()
    ));
    match lies {
        None => assert!(bad.is_empty(), "{:?}", bad[0]),
        Some(_) => assert!(!bad.is_empty(), "the test would not see a loss"),
    }
    stage.strike().await;
}
