//! How long a month of ten thousand invoices takes, and what it costs the receipts meanwhile.
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

#[allow(dead_code, reason = "shared with the other benchmarks")]
mod lab;

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand};
use pagomensa::store::Engine;
use serde_json::json;

use lab::database::{Database, folder};
use lab::figures::Spread;
use lab::gateway::{Gateway, log_into, prepare};
use lab::notices::Fill;
use lab::sender::{self, Kind, Order, Sent};

/// Measures files of invoices.
#[derive(Debug, Parser)]
struct Options {
    /// Rounds; the medians are printed.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Invoices in a file.
    #[arg(long, default_value_t = 10_000)]
    invoices: usize,
    /// Engines: sqlite, postgres.
    #[arg(long, value_delimiter = ',', default_value = "sqlite,postgres")]
    engines: Vec<String>,
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

/// Connections that bring receipts.
const CONNECTIONS: usize = 64;
/// Seconds of receipts alone, and the shortest beside a file.
const SECONDS: u64 = 3;
/// Open notices for the receipts.
const NOTICES: u64 = 300_000;

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
        for (name, engine) in [("SQLite", Engine::Sqlite), ("PostgreSQL", Engine::Postgres)] {
            if options
                .engines
                .iter()
                .any(|wanted| wanted.eq_ignore_ascii_case(name))
            {
                measure(name, engine, &options).await;
            }
        }
    });
}

async fn measure(name: &str, engine: Engine, options: &Options) {
    let Some(database) = Database::fresh(engine).await else {
        println!("{name} is not on this machine: not measured\n");
        return;
    };
    let fill = Fill {
        notices: NOTICES,
        mixed: false,
        paid: 0,
    };
    prepare(&database, fill).await;
    let gateway = Gateway::start(&database).await;
    let (mut tables, mut lists, mut alone, mut beside) = (vec![], vec![], vec![], vec![]);
    let mut next = 1;
    for round in 0..options.rounds {
        let table = table(options.invoices, &format!("T{round}-"));
        tables.push(bring_in(&gateway, "text/csv", table).await);
        let list = list(options.invoices, &format!("L{round}-"));
        lists.push(bring_in(&gateway, "application/x-ndjson", list).await);
        let sent = receipts(&gateway, next, SECONDS).await;
        next += sent.answers;
        alone.push(sent.rate());
        let month = self::table(options.invoices, &format!("B{round}-"));
        let (seconds, sent) = tokio::join!(
            bring_in(&gateway, "text/csv", month),
            receipts(&gateway, next, SECONDS),
        );
        next += sent.answers;
        beside.push((seconds, sent.rate()));
    }
    let wanted = 3 * u64::from(options.rounds) * u64::try_from(options.invoices).unwrap();
    assert_eq!(database.count("debts WHERE kind = 'invoice'").await, wanted);
    assert_eq!(database.count("payments").await, next - 1);
    println!(
        "{name}, {} invoices, {} rounds: median (min .. max)",
        options.invoices, options.rounds
    );
    let line = |label: &str, figure: String| println!("  {label:<46}{figure}");
    let of = |values: &[f64]| Spread::of(values.iter().copied());
    line("a table, one line each, s", format!("{:.1}", of(&tables)));
    line("NDJSON, twenty meals each, s", format!("{:.1}", of(&lists)));
    line("receipts/s alone", format!("{:.0}", of(&alone)));
    let seconds: Vec<f64> = beside.iter().map(|(seconds, _)| *seconds).collect();
    line("a table beside receipts, s", format!("{:.1}", of(&seconds)));
    let ratios: Vec<f64> = beside
        .iter()
        .zip(&alone)
        .map(|((_, rate), alone)| rate / alone)
        .collect();
    line(
        "receipts beside a table, ratio",
        format!("{:.2}", of(&ratios)),
    );
    println!("  every invoice and every receipt that was answered OK is in the database\n");
    gateway.stop().await;
    database.remove().await;
}

async fn bring_in(gateway: &Gateway, media: &str, bytes: Vec<u8>) -> f64 {
    let start = Instant::now();
    gateway.file(media, bytes).await;
    gateway.work_off("batches").await;
    start.elapsed().as_secs_f64()
}

async fn receipts(gateway: &Gateway, first: u64, seconds: u64) -> Sent {
    sender::elsewhere(&Order {
        address: gateway.node,
        kind: Kind::Receipt,
        connections: CONNECTIONS,
        millis: u64::try_from(Duration::from_secs(seconds).as_millis()).unwrap(),
        first,
        end: NOTICES + 1,
        rate: None,
        key: None,
        tls: None,
    })
    .await
}

fn table(count: usize, prefix: &str) -> Vec<u8> {
    let mut text = "id_esterno;servizio;codice_bambino;nome_bambino;cf_bambino;nome_pagatore;\
        cf_pagatore;email_pagatore;importo;periodo;pasti;prezzo;scadenza\n"
        .to_owned();
    for place in 0..count {
        writeln!(
            text,
            "{prefix}{place};refezione;{place};Giulia Rossi;RSSGLI16A41F205M;Mario Rossi;\
             RSSMRA80A01H501U;mario@example.org;90,00;10/2026;20;4,50;31/12/2099"
        )
        .unwrap();
    }
    text.into_bytes()
}

fn list(count: usize, prefix: &str) -> Vec<u8> {
    let lines: Vec<_> = (1..=20)
        .map(|day| {
            json!({"on": format!("2026-10-{day:02}"), "description": "Pranzo", "quantity": 1,
                   "unit_cents": 450})
        })
        .collect();
    let mut text = String::new();
    for place in 0..count {
        let invoice = json!({
            "kind": "invoice", "service": "refezione", "external_id": format!("{prefix}{place}"),
            "child": {"code": place.to_string(), "name": "Giulia Rossi",
                      "fiscal_code": "RSSGLI16A41F205M"},
            "payer": {"name": "Mario Rossi", "fiscal_code": "RSSMRA80A01H501U",
                      "email": "mario@example.org"},
            "amount_cents": 9_000, "period": "2026-10", "lines": lines, "due_on": "2099-12-31"
        });
        writeln!(text, "{invoice}").unwrap();
    }
    text.into_bytes()
}
