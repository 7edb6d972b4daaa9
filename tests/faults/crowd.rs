//! Ten thousand connections that say nothing: the node is served all the while, the memory stays
//! bounded, and every one of them is closed. And a few of one address, which may speak for many.

use std::net::{IpAddr, UdpSocket};
use std::time::{Duration, Instant};

use pagomensa::store::Engine;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::hostile::{MEMORY_KIB, closed, connections, forget_peak, ordinary, peak_kib, stage};
use super::stage::{Launch, Stage};
use super::{allowed, ports, report, setting};
use crate::engines::Database;

/// So many connections are opened between two ordinary calls.
const SLICE: usize = 250;
/// Within this time after the last was opened, the last is closed.
const CLOSED: Duration = Duration::from_secs(45);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs more open files than usual; tests/scripts/crowd.sh raises the limit"]
async fn a_crowd_of_idle_connections_keeps_nobody_out() {
    let count = setting("PAGOMENSA_CROWD", 10_000);
    let (stage, launch, mut gateway, number) = stage().await;
    forget_peak(&gateway);
    let calm = peak_kib(&gateway);
    let mut crowd = vec![];
    let mut longest = Duration::ZERO;
    let begun = Instant::now();
    while crowd.len() < count {
        let more = SLICE.min(count - crowd.len());
        crowd.extend(connections(launch.doors.node_port(), more, b"").await);
        longest = longest.max(ordinary(&stage, &launch, &number, "a larger crowd").await);
    }
    let opened = begun.elapsed();
    let begun = Instant::now();
    let mut gone = closed(&crowd);
    while gone < count {
        assert!(
            begun.elapsed() < allowed(CLOSED),
            "{gone} of {count} closed"
        );
        longest = longest.max(ordinary(&stage, &launch, &number, "a crowd").await);
        tokio::time::sleep(Duration::from_millis(100)).await;
        gone = closed(&crowd);
    }
    let last = begun.elapsed();
    let peak = peak_kib(&gateway);
    let more = peak.saturating_sub(calm);
    assert!(more <= MEMORY_KIB, "{more} KiB more were needed");
    assert!(gateway.ended().is_none());
    report(&format!(
        "{count} idle connections opened in {opened:?}, the last closed {last:?} later; longest \
         answer to the node meanwhile {longest:?}; {peak} KiB of memory at most, {more} KiB more \
         than before"
    ));
    gateway.stop().await;
    stage.strike().await;
}

/// An address of this machine that is not its loopback, whose connections are never counted apart.
/// Nothing is sent: the system only says from where it would be.
fn outer_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    socket.connect("198.51.100.1:9").ok()?;
    let address = socket.local_addr().unwrap().ip();
    (!address.is_loopback()).then_some(address)
}

/// Whether a request on this connection is answered; it stays open, and keeps its place.
async fn is_answered(stream: &mut TcpStream) -> bool {
    // Either fails on one that was closed to make room.
    let request = b"GET /health/live HTTP/1.1\r\nhost: web\r\n\r\n";
    if stream.write_all(request).await.is_err() {
        return false;
    }
    let mut status = [0; 13];
    let read = stream.read_exact(&mut status).await;
    read.is_ok() && &status == b"HTTP/1.1 200 "
}

/// Of six connections of one address that may have two, four are turned away; an address that is
/// shared keeps all of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shared_address_is_not_counted_apart() {
    let Some(address) = outer_address() else {
        report("shared addresses: nothing, on a machine without an address but its loopback");
        return;
    };
    let stage = Stage::over(Database::fresh(Engine::Sqlite).await.unwrap()).await;
    let elsewhere = "203.0.113.0/24".to_owned();
    for (shared, turned_away) in [
        (elsewhere.clone(), 4),
        (format!("{elsewhere},{address}"), 0),
    ] {
        let port = ports(1);
        let mut launch = Launch::new()
            .with("PAGOMENSA__WEB__LISTEN", &format!("0.0.0.0:{port}"))
            .with("PAGOMENSA__WEB__CONNECTIONS_PER_ADDRESS", "2")
            .with("PAGOMENSA__WEB__SHARED_ADDRESSES", &shared);
        launch.doors.web = format!("http://127.0.0.1:{port}");
        let gateway = stage.start(&launch).await;
        let mut streams = vec![];
        for _ in 0..6 {
            streams.push(TcpStream::connect((address, port)).await.unwrap());
        }
        let answered = futures_util::future::join_all(streams.iter_mut().map(is_answered)).await;
        let all = answered.iter().all(|is_answered| *is_answered);
        assert_eq!(all, turned_away == 0, "{shared}: {answered:?}");
        let name = "pagomensa_connections_turned_away_total{listener=\"web\",reason=\"address\"}";
        let counted = stage.measure(&launch.doors, name).await;
        assert_eq!(counted, turned_away, "{shared}");
        gateway.stop().await;
    }
    stage.strike().await;
}
