//! The sender of receipts: a process of its own, so that its time is not the gateway's.
//!
//! Each connection sends its next receipt when the answer to the last one is there (a closed loop).
//! Every answer must be an OK.

use std::cell::Cell;
use std::net::SocketAddr;
use std::process::Command;
use std::rc::Rc;
use std::time::{Duration, Instant};

use clap::Args;
use tokio::task::LocalSet;

use crate::lab::figures::p50_p99;
use crate::lab::http::Connection;
use crate::lab::messages::Template;

/// What to send.
#[derive(Debug, Clone, Args)]
pub(crate) struct Order {
    /// The door of the node.
    #[arg(long)]
    pub address: SocketAddr,
    /// Connections at the same time.
    #[arg(long)]
    pub connections: usize,
    /// For how long.
    #[arg(long)]
    pub millis: u64,
    /// The place of the first notice.
    #[arg(long)]
    pub first: u64,
    /// The place after the last notice that there is.
    #[arg(long)]
    pub end: u64,
}

/// What came of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sent {
    /// Receipts answered OK.
    pub receipts: u64,
    /// From the first request to the last answer.
    pub micros: u64,
    /// Median of the answers, microseconds.
    pub p50: u64,
    /// 99th percentile, microseconds.
    pub p99: u64,
}

impl Sent {
    pub(crate) fn rate(self) -> f64 {
        self.receipts as f64 * 1e6 / self.micros as f64
    }
}

/// Has a process of its own send.
pub(crate) async fn elsewhere(order: &Order) -> Sent {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg("generate");
    for (name, value) in [
        ("--address", order.address.to_string()),
        ("--connections", order.connections.to_string()),
        ("--millis", order.millis.to_string()),
        ("--first", order.first.to_string()),
        ("--end", order.end.to_string()),
    ] {
        command.args([name, &value]);
    }
    let output = tokio::task::spawn_blocking(move || command.output())
        .await
        .unwrap()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).unwrap();
    let mut numbers = text.split_whitespace().map(|word| word.parse().unwrap());
    let mut next = || numbers.next().unwrap();
    Sent {
        receipts: next(),
        micros: next(),
        p50: next(),
        p99: next(),
    }
}

/// Sends, and prints what came of it.
pub(crate) fn run(order: &Order) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let sent = runtime.block_on(LocalSet::new().run_until(send(order.clone())));
    println!(
        "{} {} {} {}",
        sent.receipts, sent.micros, sent.p50, sent.p99
    );
}

async fn send(order: Order) -> Sent {
    let next = Rc::new(Cell::new(order.first));
    let mut connections = vec![];
    for _ in 0..order.connections {
        connections.push(Connection::open(order.address).await);
    }
    let start = Instant::now();
    let until = start + Duration::from_millis(order.millis);
    let senders: Vec<_> = connections
        .into_iter()
        .map(|connection| {
            tokio::task::spawn_local(send_on(connection, next.clone(), order.end, until))
        })
        .collect();
    let mut times = vec![];
    for sender in senders {
        times.extend(sender.await.unwrap());
    }
    let micros = u64::try_from(start.elapsed().as_micros()).unwrap();
    let receipts = u64::try_from(times.len()).unwrap();
    let (p50, p99) = p50_p99(times);
    Sent {
        receipts,
        micros,
        p50,
        p99,
    }
}

async fn send_on(
    mut connection: Connection,
    next: Rc<Cell<u64>>,
    end: u64,
    until: Instant,
) -> Vec<u64> {
    let mut template = Template::receipt();
    let mut times = vec![];
    loop {
        let place = next.get();
        let start = Instant::now();
        if place >= end || start >= until {
            return times;
        }
        next.set(place + 1);
        let answer = connection.call(template.at(place, 1)).await;
        answer.must_be(200, "<outcome>OK</outcome>");
        times.push(u64::try_from(start.elapsed().as_micros()).unwrap());
    }
}
