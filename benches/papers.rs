//! How many papers a second one core prints, beside what its codes and its compression cost alone.
//!
//! `docs/benchmarks.md` says how to read the table.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::float_arithmetic,
    clippy::print_stdout,
    clippy::allow_attributes,
    reason = "a measurement that goes wrong stops, and rates and ratios are no money"
)]

use std::io::Write;
use std::time::{Duration, Instant};

use clap::Parser;
use pagomensa::channel::notice_pdf::{Parts, Press};
use pagomensa::config::Config;
use pagomensa::domain::creditor::Register;
use pagomensa::domain::day::{self, Day};
use pagomensa::domain::debt::{Debt, DebtKind, DebtState, Order};
use pagomensa::domain::ids::DebtId;
use pagomensa::domain::money::Cents;
use pagomensa::domain::notice::NoticeNumber;
use pagomensa::domain::party::{Child, CreditorCode, Email, FiscalCode, Payer};
use pagomensa::domain::print::Language;
use pagomensa::domain::transfer::Shares;

/// Measures the papers.
#[derive(Debug, Parser)]
struct Options {
    /// Papers in each round.
    #[arg(long, default_value_t = 200)]
    papers: u64,
    /// Rounds; the medians are printed.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

/// A debt of the municipality, another one for each number.
fn debt(number: u64) -> Debt {
    let code = FiscalCode::parse("RSSMRA80A01H501U").unwrap();
    Debt {
        id: DebtId::new(format!("d{number}")),
        creditor: CreditorCode::parse("77777777777").unwrap(),
        notice: NoticeNumber::parse(&format!("302{number:015}")).unwrap(),
        created_at: day::Instant::from_millis(1_790_000_000_000),
        state: DebtState::Open,
        order: Order {
            kind: DebtKind::TopUp,
            invoice: None,
            service: "refezione".to_owned(),
            external_id: None,
            child: Child {
                code: format!("{number}"),
                name: "Giulia Rossi".to_owned(),
                fiscal_code: code.clone(),
            },
            payer: Payer {
                name: format!("Mario Rossi {number}"),
                fiscal_code: code,
                email: Email::parse("mario@example.org").unwrap(),
                address: None,
            },
            amount: Cents::new(5_000),
            shares: Shares::whole(),
            metadata: Default::default(),
            description: format!("Ricarica mensa {number}"),
            due_on: Day::parse("2026-12-31").unwrap(),
            publish_on: None,
            payable_until: Day::parse("2026-12-31").unwrap(),
        },
    }
}

/// What no printer can do without: both codes, and the compression of what a paper holds most of,
/// its fonts, here as many of their bytes as the subsets of a notice have.
fn bare(number: u64) -> usize {
    const FONTS: [&[u8]; 3] = [
        include_bytes!("../assets/fonts/TitilliumWeb-Regular.ttf"),
        include_bytes!("../assets/fonts/TitilliumWeb-Bold.ttf"),
        include_bytes!("../assets/fonts/RobotoMono-Bold.ttf"),
    ];
    let qr = format!("PAGOPA|002|302{number:015}|77777777777|5000");
    let version = qrcode::Version::Normal(4);
    let code = qrcode::QrCode::with_version(qr, version, qrcode::EcLevel::M).unwrap();
    let slip = format!("{number:0256}");
    let list = datamatrix::SymbolList::default();
    let matrix = datamatrix::DataMatrix::encode(slip.as_bytes(), list).unwrap();
    let mut squeezed = flate2::write::ZlibEncoder::new(vec![], flate2::Compression::default());
    for font in FONTS {
        squeezed.write_all(&font[..16 * 1_024]).unwrap();
    }
    code.width() + matrix.bitmap().width() + squeezed.finish().unwrap().len()
}

/// The times of one round, smallest first.
fn times(papers: u64, mut print: impl FnMut(u64) -> usize) -> Vec<Duration> {
    let mut times: Vec<Duration> = (1..=papers)
        .map(|number| {
            let begun = Instant::now();
            assert!(print(number) > 0);
            begun.elapsed()
        })
        .collect();
    times.sort();
    times
}

fn rate(times: &[Duration]) -> f64 {
    let count = f64::from(u32::try_from(times.len()).unwrap());
    count / times.iter().sum::<Duration>().as_secs_f64()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let options = Options::parse();
    let config = Config::with(include_str!("../config/demo.toml")).unwrap();
    let register: Register = config.register().unwrap();
    let press = Press::new(&register).unwrap();
    let creditor = register
        .get(&CreditorCode::parse("77777777777").unwrap())
        .unwrap();
    let notice = |number| {
        let debt = debt(number);
        let parts = Parts::default();
        press
            .notice(creditor, &debt, Language::Italian, parts)
            .unwrap()
            .len()
    };
    let (mut printed, mut limits, mut slow) = (vec![], vec![], vec![]);
    for _ in 0..options.rounds.max(1) {
        limits.push(rate(&times(options.papers, bare)));
        let round = times(options.papers, notice);
        slow.push(round[round.len() * 99 / 100].as_secs_f64() * 1_000.0);
        printed.push(rate(&round));
    }
    let (printed, limit) = (median(printed), median(limits));
    println!("one core, {} papers a round", options.papers);
    println!("notices a second               {printed:8.0}");
    println!("p99, ms                        {:8.1}", median(slow));
    println!("size, KB                       {:8}", notice(1) / 1_000);
    println!("codes and compression alone    {limit:8.0}");
    println!("ratio to them                  {:8.2}", printed / limit);
}
