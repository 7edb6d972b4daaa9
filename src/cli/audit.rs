//! `pagomensa audit`: the journal of events, from the outside.

mod verify;

use std::io::Write;
use std::process::ExitCode;

use clap::{ArgGroup, Args, Subcommand};
use serde_json::{Value, json};

use super::{Outcome, Reported, answer, open};
use crate::clock::{Clock, Ids};
use crate::desk::journal::erasure::{Erasure, What, erase};
use crate::desk::journal::search::{Cursor, Detail, Wanted, detail, search};
use crate::domain::day::Day;
use crate::domain::ids::{DocumentId, ExchangeId};
use crate::domain::notice::NoticeNumber;
use crate::domain::party::CreditorCode;
use crate::store::exchanges::Found;

/// What can be done with the journal.
#[derive(Debug, Subcommand)]
pub enum Audit {
    /// Prove that no line was altered or removed: exit status 0 when all is as it was written
    Verify(verify::Proving),
    /// Search the journal
    Search(Searching),
    /// Show an exchange, or write one of its messages to standard output, byte for byte
    Show(Showing),
    /// Erase the bytes of messages; their hashes stay, and who did it, when and why
    Erase(Erasing),
}

/// What to look for.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").required(true).multiple(true)
    .args(["notice", "iuv", "receipt", "day"])))]
pub struct Searching {
    #[command(flatten)]
    reported: Reported,
    /// The notice number: eighteen digits
    #[arg(long, value_parser = notice)]
    notice: Option<NoticeNumber>,
    /// The IUV
    #[arg(long)]
    iuv: Option<String>,
    /// The receipt's id
    #[arg(long)]
    receipt: Option<String>,
    /// The day on which it began, in Rome: YYYY-MM-DD
    #[arg(long, value_parser = day)]
    day: Option<Day>,
    /// Only the exchanges of the creditor with this fiscal code
    #[arg(long, value_name = "FISCAL_CODE", value_parser = creditor)]
    creditor: Option<CreditorCode>,
    /// At most so many, the newest
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

/// Which exchange to show, and what of it.
#[derive(Debug, Args)]
pub struct Showing {
    #[command(flatten)]
    reported: Reported,
    /// The exchange's id
    id: String,
    /// The bytes of the call
    #[arg(long, conflicts_with_all = ["reply", "json"])]
    request: bool,
    /// The bytes of the reply
    #[arg(long, conflicts_with = "json")]
    reply: bool,
}

/// Which messages to erase.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("messages").required(true).args(["document", "notice"])))]
pub struct Erasing {
    #[command(flatten)]
    reported: Reported,
    /// One message, by its document's id
    #[arg(long, value_name = "ID")]
    document: Option<String>,
    /// All messages of all exchanges about a notice of the creditor that --creditor names
    #[arg(long, value_parser = notice, requires = "creditor")]
    notice: Option<NoticeNumber>,
    /// The fiscal code of the notice's creditor: others may have the same number
    #[arg(long, value_name = "FISCAL_CODE", value_parser = creditor, conflicts_with = "document")]
    creditor: Option<CreditorCode>,
    /// Why, for the journal
    #[arg(long)]
    reason: String,
    /// Who wants it, for the journal; when left out, who is logged in
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// Erase receipts too that the law still asks for
    #[arg(long)]
    force: bool,
}

fn day(text: &str) -> Result<Day, String> {
    Day::parse(text).map_err(|error| error.to_string())
}

fn notice(text: &str) -> Result<NoticeNumber, String> {
    NoticeNumber::parse(text).map_err(|error| error.to_string())
}

fn creditor(text: &str) -> Result<CreditorCode, String> {
    CreditorCode::parse(text).map_err(|error| error.to_string())
}

pub(super) async fn run(command: Audit) -> Outcome {
    match command {
        Audit::Verify(proving) => verify::run(proving).await,
        Audit::Search(searching) => look(searching).await,
        Audit::Show(showing) => show(&showing).await,
        Audit::Erase(erasing) => take_out(erasing).await,
    }
}

async fn look(searching: Searching) -> Outcome {
    let (_, store) = open(&searching.reported.configured).await?;
    let mut wanted = Wanted {
        creditor: searching.creditor,
        notice: searching.notice,
        iuv: searching.iuv,
        receipt: searching.receipt,
        day: searching.day,
        before: None,
    };
    let mut left = i64::from(searching.limit);
    let mut values = vec![];
    let mut lines = vec![];
    while left > 0 {
        let page = search(&store, wanted.clone(), left.min(500)).await?;
        let Some(last) = page.last() else {
            break;
        };
        wanted.before = Some(Cursor::of(last));
        left -= i64::try_from(page.len()).unwrap_or(i64::MAX);
        values.extend(page.iter().map(exchange));
        lines.extend(page.iter().map(line));
    }
    if lines.is_empty() {
        lines.push("Nothing was found.".to_owned());
    }
    answer(searching.reported.json, &json!(values), &lines)?;
    Ok(ExitCode::SUCCESS)
}

fn line(found: &Found) -> String {
    let exchange = &found.exchange;
    let or = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    format!(
        "{}  {}  {:<3} {:<11} {:<26} {}  {:<3} {:>7} us  notice {}  receipt {}",
        exchange.id,
        exchange.started_at,
        exchange.direction.as_str(),
        exchange.party,
        exchange.operation,
        exchange.outcome,
        exchange.http_status,
        exchange.duration_us,
        or(&exchange.notice),
        or(&exchange.reference),
    )
}

fn exchange(found: &Found) -> Value {
    let exchange = &found.exchange;
    json!({
        "id": exchange.id.as_str(),
        "started_at": exchange.started_at.to_string(),
        "direction": exchange.direction.as_str(),
        "party": exchange.party,
        "kind": exchange.kind.as_str(),
        "operation": exchange.operation,
        "address": exchange.address,
        "peer": exchange.peer,
        "creditor": exchange.creditor,
        "notice_number": exchange.notice,
        "iuv": exchange.iuv,
        "receipt_id": exchange.reference,
        "outcome": exchange.outcome,
        "http_status": exchange.http_status,
        "duration_us": exchange.duration_us,
        "request": exchange.request.as_ref().map(|paper| paper.id.as_str()),
        "reply": exchange.reply.as_ref().map(|paper| paper.id.as_str()),
        "place": found.place.as_ref().map(|(chain, block, place)| json!({
            "chain": chain, "block": block, "place": place,
        })),
    })
}

async fn show(showing: &Showing) -> Outcome {
    let (_, store) = open(&showing.reported.configured).await?;
    let id = ExchangeId::parse(&showing.id).ok_or("an exchange's id has 36 characters")?;
    let found = detail(&store, &id).await?;
    let Some(Detail {
        found,
        request,
        reply,
    }) = found
    else {
        return Err(format!("there is no exchange {id}").into());
    };
    let wanted = match (showing.request, showing.reply) {
        (true, _) => Some(("call", &request)),
        (_, true) => Some(("reply", &reply)),
        _ => None,
    };
    let Some((name, message)) = wanted else {
        let mut value = exchange(&found);
        let mut lines = vec![line(&found)];
        for (name, message) in [("request", &request), ("reply", &reply)] {
            let Some(kept) = message else {
                continue;
            };
            let erased_at = kept.erased_at.map(|at| at.to_string());
            let text = String::from_utf8_lossy(&kept.bytes);
            lines.push(match &erased_at {
                Some(at) => format!("\n{name} {}: erased at {at}", kept.id),
                None => format!("\n{name} {}, SHA-256 {}:\n{text}", kept.id, kept.sha256),
            });
            if let Some(field) = value.get_mut(name) {
                *field = json!({
                    "id": kept.id.as_str(), "sha256": kept.sha256, "text": text,
                    "erased_at": erased_at,
                    "erasure": kept.erasure.as_ref().map(ExchangeId::as_str),
                });
            }
        }
        answer(showing.reported.json, &value, &lines)?;
        return Ok(ExitCode::SUCCESS);
    };
    let kept = message
        .as_ref()
        .ok_or_else(|| format!("the exchange has no {name}"))?;
    if let Some(at) = kept.erased_at {
        return Err(format!("the bytes of the {name} were erased at {at}").into());
    }
    let mut out = std::io::stdout();
    out.write_all(&kept.bytes)?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

async fn take_out(erasing: Erasing) -> Outcome {
    let (config, store) = open(&erasing.reported.configured).await?;
    config.register()?;
    let what = match (erasing.creditor, erasing.notice, &erasing.document) {
        (Some(creditor), Some(notice), _) => What::Notice(creditor, notice),
        (_, _, document) => What::Document(
            document
                .as_deref()
                .and_then(DocumentId::parse)
                .ok_or("a document's id has 36 characters")?,
        ),
    };
    let user = || {
        ["SUDO_USER", "USER"]
            .iter()
            .find_map(|v| std::env::var(v).ok())
    };
    let by = erasing
        .by
        .or_else(user)
        .ok_or("nobody is known to be logged in (USER is not set): say who with --by")?;
    for (name, text) in [("--reason", &erasing.reason), ("--by", &by)] {
        if text.trim().is_empty() {
            return Err(format!("{name} must say something: it stands in the journal").into());
        }
    }
    let wish = Erasure {
        what,
        by,
        reason: erasing.reason,
        force: erasing.force,
    };
    let retention = &config.journal.retention;
    let now = Clock::System.now();
    let erased = erase(&store, &Ids::default(), &wish, retention, now).await?;
    let documents: Vec<&str> = erased.documents.iter().map(DocumentId::as_str).collect();
    let line = format!(
        "{} messages are erased; exchange {} says why.",
        documents.len(),
        erased.exchange
    );
    let value = json!({ "exchange": erased.exchange.as_str(), "documents": documents });
    answer(erasing.reported.json, &value, &[line])?;
    Ok(ExitCode::SUCCESS)
}
