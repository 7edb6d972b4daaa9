//! Ten thousand connections that say nothing: the node is served all the while, the memory stays
//! bounded, and every one of them is closed.

use std::time::{Duration, Instant};

use super::hostile::{MEMORY_KIB, closed, connections, forget_peak, ordinary, peak_kib, stage};
use super::{allowed, report, setting};

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
