//! `pagomensa audit verify`: the proof that the journal is as it was written.

use std::collections::BTreeSet;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::day;
use crate::cli::{Outcome, Reported, answer, open, say};
use crate::clock::Clock;
use crate::desk::journal::audit::{Event, Report, Violation, Wish, verify};
use crate::domain::day::Day;

/// What to prove.
#[derive(Debug, Args)]
pub struct Proving {
    #[command(flatten)]
    reported: Reported,
    /// Do not read the lines and messages of older blocks: YYYY-MM-DD, a day in Rome
    #[arg(long, value_name = "DAY", value_parser = day)]
    since: Option<Day>,
    /// A hash that some block must have: that of a seal or a head that was kept elsewhere. May be
    /// repeated
    #[arg(long = "anchor", value_name = "HASH", value_parser = anchor)]
    anchors: Vec<String>,
}

fn anchor(text: &str) -> Result<String, String> {
    let text = text.trim().to_ascii_lowercase();
    match text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        true => Ok(text),
        false => Err("a hash has 64 hexadecimal digits".to_owned()),
    }
}

pub(super) async fn run(proving: Proving) -> Outcome {
    let json = proving.reported.json;
    let (config, store) = open(&proving.reported.configured).await?;
    config.register()?;
    let wish = Wish {
        since: proving.since,
        anchors: proving.anchors.into_iter().collect::<BTreeSet<_>>(),
    };
    let is_watched = std::io::stderr().is_terminal();
    let mut violations: Vec<Value> = vec![];
    let mut told = 0;
    let mut listener = |event: Event<'_>| match event {
        Event::Violation(violation) if json => violations.push(value(&violation)),
        Event::Violation(violation) => {
            // When standard output is closed the exit status still tells it.
            let _ = say(&format!("WRONG   {violation}"));
        }
        Event::Progress(report) if is_watched && report.exchanges >= told + 10_000 => {
            told = report.exchanges;
            let _ = write!(std::io::stderr(), "\r{told} lines read");
        }
        Event::Progress(_) => {}
    };
    let now = Clock::System.now();
    let report = verify(&store, wish, now, &mut listener).await?;
    if told > 0 {
        let _ = writeln!(std::io::stderr());
    }
    let value = json!({
        "ok": report.violations == 0,
        "chains": report.chains,
        "blocks": report.blocks,
        "exchanges": report.exchanges,
        "documents": report.documents,
        "erased": report.erased,
        "pruned_blocks": report.pruned,
        "before_the_chain": report.before_the_chain,
        "violations": violations,
        "heads": report.heads.iter().map(|head| json!({
            "chain": head.chain, "number": head.number, "hash": head.hash,
        })).collect::<Vec<_>>(),
    });
    answer(json, &value, &summary(&report))?;
    Ok(match report.violations {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

fn value(violation: &Violation) -> Value {
    json!({
        "code": violation.code,
        "chain": violation.chain,
        "block": violation.block,
        "exchange": violation.exchange,
        "detail": violation.detail,
    })
}

fn summary(report: &Report) -> Vec<String> {
    let mut lines: Vec<String> = report
        .heads
        .iter()
        .map(|head| format!("head    {}  {}  {}", head.hash, head.number, head.chain))
        .collect();
    lines.push(format!(
        "{} chains, {} blocks ({} emptied after their time), {} lines, {} messages ({} erased), \
         {} lines from before the chain",
        report.chains,
        report.blocks,
        report.pruned,
        report.exchanges,
        report.documents + report.erased,
        report.erased,
        report.before_the_chain
    ));
    lines.push(match report.violations {
        0 => "ok      everything is as it was written".to_owned(),
        count => format!("WRONG   {count} things are not as they were written"),
    });
    lines
}
