//! How many receipts a second are recorded, beside what the same machine can commit at all.
//!
//! `docs/benchmarks.md` says how to read the table.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::float_arithmetic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::allow_attributes,
    reason = "a measurement that goes wrong stops, and rates and ratios are no money"
)]

#[path = "receipts/bare.rs"]
mod bare;
#[allow(dead_code, reason = "shared with the other benchmark")]
mod lab;

use std::path::Path;
use std::time::Duration;

use clap::{Parser, Subcommand};
use pagomensa::store::Engine;

use bare::Bare;
use lab::database::{Database, Server, fdatasync, folder, postgres};
use lab::figures::Spread;
use lab::gateway::{Gateway, log_into, prepare};
use lab::notices::Fill;
use lab::process::Cpu;
use lab::sender::{self, Kind, Order, Sent};

/// Measures the receipts.
#[derive(Debug, Parser)]
struct Options {
    /// Rounds; the medians are printed.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Seconds of each round with 64 connections; the other parts take half of it.
    #[arg(long, default_value_t = 2)]
    seconds: u64,
    /// Engines: sqlite, postgres.
    #[arg(long, value_delimiter = ',', default_value = "sqlite,postgres")]
    engines: Vec<String>,
    /// Open notices at the beginning; 0 means enough for all rounds.
    #[arg(long, default_value_t = 0)]
    notices: u64,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Sends receipts; started by the benchmark itself.
    Generate(Order),
}

/// Connections of the main measurement.
const CONNECTIONS: usize = 64;
/// More receipts in a second than any machine has recorded so far.
const FASTEST: u64 = 20_000;

fn main() {
    let options = Options::parse();
    if let Some(Command::Generate(order)) = &options.command {
        return sender::run(order);
    }
    let folder = folder();
    log_into(folder.path());
    // As the program itself does.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        for (name, engine) in [("sqlite", Engine::Sqlite), ("postgres", Engine::Postgres)] {
            if options.engines.iter().any(|wanted| wanted == name) {
                measure(engine, &options, folder.path()).await;
            }
        }
    });
}

/// What one round has shown.
struct Round {
    ours: Sent,
    alone: Sent,
    bare_1: f64,
    bare_100: f64,
    fdatasync: u64,
    cpu: Cpu,
}

/// One engine while it is measured.
struct Bench<'o> {
    options: &'o Options,
    folder: &'o Path,
    /// The process of the cluster, when it is our own.
    cluster: Option<u32>,
    database: Database,
    gateway: Gateway,
    limit: Database,
    bare: Bare,
    /// The first notice that is still open, and the end of them.
    next: u64,
    end: u64,
}

async fn measure(engine: Engine, options: &Options, folder: &Path) {
    let (Some(database), Some(limit)) =
        (Database::fresh(engine).await, Database::fresh(engine).await)
    else {
        println!("PostgreSQL is not on this machine: not measured\n");
        return;
    };
    let fill = Fill {
        notices: match options.notices {
            0 => u64::from(options.rounds) * options.seconds * FASTEST,
            notices => notices,
        },
        mixed: false,
        paid: 0,
    };
    prepare(&database, fill).await;
    prepare(&limit, fill).await;
    let mut bench = Bench {
        options,
        folder,
        cluster: match engine {
            Engine::Sqlite => None,
            Engine::Postgres => match postgres() {
                Some(Server::Ours(cluster)) => Some(cluster.pid()),
                _ => None,
            },
        },
        gateway: Gateway::start(&database).await,
        bare: Bare::open(&limit, fill.notices).await,
        database,
        limit,
        next: 1,
        end: fill.notices + 1,
    };
    let mut rounds = vec![];
    for _ in 0..options.rounds {
        rounds.push(bench.round().await);
        bench.check().await;
    }
    print(engine, bench.cluster.is_some(), &rounds);
    drop(bench.bare);
    bench.gateway.stop().await;
    bench.database.remove().await;
    bench.limit.remove().await;
}

impl Bench<'_> {
    async fn round(&mut self) -> Round {
        let whole = Duration::from_secs(self.options.seconds);
        let fdatasync = fdatasync(self.folder);
        // Everything is prepared and warm before the clock runs.
        self.send(CONNECTIONS, whole / 10).await;
        let before = Cpu::now(self.cluster);
        let ours = self.send(CONNECTIONS, whole).await;
        let cpu = Cpu::now(self.cluster).since(before);
        let bare_100 = self.bare.rate(100, whole / 2).await;
        let alone = self.send(1, whole / 2).await;
        let bare_1 = self.bare.rate(1, whole / 2).await;
        Round {
            ours,
            alone,
            bare_1,
            bare_100,
            fdatasync,
            cpu,
        }
    }

    async fn send(&mut self, connections: usize, time: Duration) -> Sent {
        let sent = sender::elsewhere(&Order {
            address: self.gateway.node,
            kind: Kind::Receipt,
            connections,
            millis: u64::try_from(time.as_millis()).unwrap(),
            first: self.next,
            end: self.end,
            rate: None,
            key: None,
            tls: None,
        })
        .await;
        self.next += sent.answers;
        assert!(
            self.next < self.end,
            "too few notices: ask for more with --notices"
        );
        sent
    }

    /// Every receipt that was answered OK is in the database, once and booked, and nothing else is.
    async fn check(&self) {
        let answered = self.next - 1;
        for rows in [
            "payments",
            "debts WHERE state = 'paid'",
            "ledger_entries WHERE state = 'owed'",
            "exchanges WHERE outcome = 'OK'",
        ] {
            assert_eq!(
                self.database.count(rows).await,
                answered,
                "answered OK, and {rows}"
            );
        }
        assert_eq!(self.database.count("documents").await, answered * 2);
        assert_eq!(self.database.count("cases").await, 0);
        assert_eq!(self.limit.count("payments").await, self.bare.written());
    }
}

fn print(engine: Engine, is_own_cluster: bool, rounds: &[Round]) {
    let over = |value: fn(&Round) -> f64| Spread::of(rounds.iter().map(value));
    let (name, keeps) = match engine {
        Engine::Sqlite => ("SQLite", "write-ahead log, synchronous = FULL"),
        Engine::Postgres => ("PostgreSQL", "fsync and synchronous_commit on"),
    };
    println!(
        "{name} ({keeps}), {} rounds: median (min .. max)",
        rounds.len()
    );
    let line = |label: &str, figure: String| println!("  {label:<46}{figure}");
    line(
        "the gateway, 64 connections, receipts/s",
        format!("{:.0}", over(|r| r.ours.rate())),
    );
    line(
        "bare, 1 receipt a commit, receipts/s",
        format!("{:.0}", over(|r| r.bare_1)),
    );
    line(
        "bare, 100 receipts a commit, receipts/s",
        format!("{:.0}", over(|r| r.bare_100)),
    );
    line(
        "ratio to bare with 1 a commit",
        format!("{:.2}", over(|r| r.ours.rate() / r.bare_1)),
    );
    line(
        "ratio to bare with 100 a commit",
        format!("{:.2}", over(|r| r.ours.rate() / r.bare_100)),
    );
    line(
        "the gateway, 64 connections, p50 in ms",
        format!("{:.2}", over(|r| r.ours.p50 as f64 / 1e3)),
    );
    line(
        "the gateway, 64 connections, p99 in ms",
        format!("{:.2}", over(|r| r.ours.p99 as f64 / 1e3)),
    );
    line(
        "the gateway, 1 connection, p50 in ms",
        format!("{:.2}", over(|r| r.alone.p50 as f64 / 1e3)),
    );
    line(
        "one fdatasync of 8 KiB, p50 in ms",
        format!("{:.2}", over(|r| r.fdatasync as f64 / 1e3)),
    );
    line(
        "ratio of the two",
        format!("{:.1}", over(|r| r.alone.p50 as f64 / r.fdatasync as f64)),
    );
    line(
        "CPU of the gateway per receipt in us",
        format!("{:.0}", over(|r| r.cpu.gateway / r.ours.answers as f64)),
    );
    if is_own_cluster {
        line(
            "CPU of PostgreSQL per receipt in us",
            format!("{:.0}", over(|r| r.cpu.cluster / r.ours.answers as f64)),
        );
    }
    line(
        "CPU taken by other programs meanwhile in %",
        format!("{:.0}", over(|r| r.cpu.of_others())),
    );
    println!("  every answer OK was found in the database after each round\n");
}
