//! The sender of requests: a process of its own, so that its time is not the gateway's.
//!
//! In a closed loop each connection sends its next request when the answer to the last one is there:
//! for what can be done at all. In an open loop each request has its moment, whatever became of those
//! before it, and its time counts from that moment: for what a caller waits. Every answer must be
//! the expected one.

use std::cell::Cell;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::rc::Rc;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use tokio::task::LocalSet;

use super::figures::p50_p99;
use super::http::Connection;
use super::messages::{Template, portal, top_up};
use super::pki;

/// What to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// A receipt for the next notice.
    Receipt,
    /// A verify of a notice anywhere.
    Verify,
    /// A get of a notice anywhere.
    Get,
    /// A new notice, through the API.
    Create,
    /// A verify, to a handler that does nothing.
    Plain,
}

/// What to send where, how often.
#[derive(Debug, Clone, Args)]
pub(crate) struct Order {
    /// The door.
    #[arg(long)]
    pub address: SocketAddr,
    /// What to send.
    #[arg(long)]
    pub kind: Kind,
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
    /// Requests a second, in an open loop.
    #[arg(long)]
    pub rate: Option<u64>,
    /// The key of a portal.
    #[arg(long)]
    pub key: Option<String>,
    /// The folder with the certificates, for TLS.
    #[arg(long)]
    pub tls: Option<PathBuf>,
}

/// What came of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sent {
    /// Requests answered as expected.
    pub answers: u64,
    /// From the first request to the last answer.
    pub micros: u64,
    /// Median of the answers, microseconds.
    pub p50: u64,
    /// 99th percentile, microseconds.
    pub p99: u64,
    /// The slowest, microseconds.
    pub max: u64,
}

impl Sent {
    pub(crate) fn rate(self) -> f64 {
        self.answers as f64 * 1e6 / self.micros as f64
    }
}

/// The process that sends.
fn process(order: &Order) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg("generate");
    let kind = order.kind.to_possible_value().unwrap();
    for (name, value) in [
        ("--address", order.address.to_string()),
        ("--kind", kind.get_name().to_owned()),
        ("--connections", order.connections.to_string()),
        ("--millis", order.millis.to_string()),
        ("--first", order.first.to_string()),
        ("--end", order.end.to_string()),
    ] {
        command.args([name, &value]);
    }
    if let Some(rate) = order.rate {
        command.args(["--rate", &rate.to_string()]);
    }
    if let Some(key) = &order.key {
        command.args(["--key", key]);
    }
    if let Some(folder) = &order.tls {
        command.arg("--tls").arg(folder);
    }
    command
}

/// Has a process of its own send for as long as there is somebody to answer: how it ends is not
/// asked.
pub(crate) async fn to_the_end(order: &Order) {
    let mut command = process(order);
    tokio::task::spawn_blocking(move || command.output())
        .await
        .unwrap()
        .unwrap();
}

/// Has a process of its own send.
pub(crate) async fn elsewhere(order: &Order) -> Sent {
    let mut command = process(order);
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
        answers: next(),
        micros: next(),
        p50: next(),
        p99: next(),
        max: next(),
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
        "{} {} {} {} {}",
        sent.answers, sent.micros, sent.p50, sent.p99, sent.max
    );
}

async fn send(order: Order) -> Sent {
    let tls = order.tls.as_deref().map(pki::client);
    let mut connections = vec![];
    for _ in 0..order.connections {
        connections.push(match &tls {
            None => Connection::open(order.address).await,
            Some(tls) => Connection::open_tls(order.address, tls).await,
        });
    }
    let start = Instant::now();
    let shared = Rc::new(Shared {
        until: start + Duration::from_millis(order.millis),
        start,
        next: Cell::new(0),
        order,
    });
    let senders: Vec<_> = connections
        .into_iter()
        .map(|connection| tokio::task::spawn_local(shared.clone().send_on(connection)))
        .collect();
    let mut times = vec![];
    for sender in senders {
        times.extend(sender.await.unwrap());
    }
    let micros = u64::try_from(start.elapsed().as_micros()).unwrap();
    let answers = u64::try_from(times.len()).unwrap();
    let max = times.iter().copied().max().unwrap_or_default();
    let (p50, p99) = p50_p99(times);
    Sent {
        answers,
        micros,
        p50,
        p99,
        max,
    }
}

/// From one place to the next that is read; a prime number, so that every place is reached.
const STEP: u64 = 611_953;

struct Shared {
    order: Order,
    start: Instant,
    until: Instant,
    /// How many requests were sent.
    next: Cell<u64>,
}

impl Shared {
    async fn send_on(self: Rc<Shared>, mut connection: Connection) -> Vec<u64> {
        let order = &self.order;
        let mut template = match order.kind {
            Kind::Receipt => Template::receipt(),
            Kind::Get => Template::get(),
            Kind::Verify | Kind::Create | Kind::Plain => Template::verify(),
        };
        let (status, text) = match order.kind {
            Kind::Create => (201, "\"notice_number\""),
            Kind::Plain => (200, "x"),
            Kind::Receipt | Kind::Verify | Kind::Get => (200, "<outcome>OK</outcome>"),
        };
        let mut times = vec![];
        loop {
            let number = self.next.get();
            let place = match order.kind {
                Kind::Receipt => order.first + number,
                _ => order.first + number * STEP % (order.end - order.first),
            };
            let moment = match order.rate {
                None => Instant::now(),
                Some(rate) => self.start + Duration::from_micros(number * 1_000_000 / rate),
            };
            if place >= order.end || moment >= self.until {
                return times;
            }
            self.next.set(number + 1);
            // Timers go by whole milliseconds: who waits for nothing must not set one.
            if order.rate.is_some() {
                tokio::time::sleep_until(moment.into()).await;
            }
            let answer = match (order.kind, &order.key) {
                (Kind::Create, Some(key)) => {
                    let body = top_up(&format!("load-{}-{number}", std::process::id()));
                    let request = portal("POST", "/notices", key, &body);
                    connection.call(&request).await
                }
                _ => connection.call(template.at(place, 1)).await,
            };
            answer.must_be(status, text);
            times.push(u64::try_from(moment.elapsed().as_micros()).unwrap());
        }
    }
}
