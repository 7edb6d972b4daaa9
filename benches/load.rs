//! The program itself under load: reads beside a handler that does nothing, with and without mutual
//! TLS; receipts at a steady pace; memory; a start after a kill; a long history.
//!
//! `docs/benchmarks.md` says how to read the figures.

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

#[allow(dead_code, reason = "shared with the other benchmarks")]
mod lab;
#[path = "load/parts.rs"]
mod parts;
#[path = "load/plain.rs"]
mod plain;

use clap::{Parser, Subcommand};
use pagomensa::store::Engine;

use lab::database::folder;
use lab::sender::{self, Order};

/// Measures the program under load.
#[derive(Debug, Parser)]
struct Options {
    /// Rounds; medians are printed.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Seconds of each measurement in a round.
    #[arg(long, default_value_t = 2)]
    seconds: u64,
    /// Seconds of receipts at a steady pace.
    #[arg(long, default_value_t = 60)]
    steady: u64,
    /// Minutes of mixed load with a look at the memory, for the part `soak`.
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    /// Notices stored.
    #[arg(long, default_value_t = 1_000_000)]
    notices: u64,
    /// Engines: sqlite, postgres.
    #[arg(long, value_delimiter = ',', default_value = "sqlite,postgres")]
    engines: Vec<String>,
    /// Parts: reads, memory, steady, restart, history, soak.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "reads,memory,steady,restart,history"
    )]
    parts: Vec<String>,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Sends requests; started by the benchmark itself.
    Generate(Order),
    /// Answers and does nothing else; started by the benchmark itself.
    Plain,
}

fn main() {
    let options = Options::parse();
    match &options.command {
        Some(Command::Generate(order)) => return sender::run(order),
        Some(Command::Plain) => return plain::serve(),
        None => {}
    }
    let folder = folder();
    lab::pki::make(folder.path());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        for (name, engine) in [("sqlite", Engine::Sqlite), ("postgres", Engine::Postgres)] {
            if options.engines.iter().any(|wanted| wanted == name) {
                parts::measure(engine, &options, folder.path()).await;
            }
        }
    });
}
