//! The files of a case: the messages byte for byte, and the extract of the journal.

use serde_json::{Value, json};

use super::cases::{Case, File, Ruling, Talk};
use super::folder::Bundle;
use super::gateway::{Exchange, Message};
use super::judge::is_whole;
use crate::domain::day::Instant;

/// The columns of the extract.
const COLUMNS: [&str; 16] = [
    "id",
    "inizio_utc",
    "inizio_roma",
    "direzione",
    "controparte",
    "operazione",
    "certificato",
    "numero_avviso",
    "iuv",
    "receipt_id",
    "esito",
    "http",
    "durata_us",
    "sha256_richiesta",
    "sha256_risposta",
    "posizione_giornale",
];

/// Puts the exchanges of a case into the bundle, and tells of them.
pub(super) fn exchanges(case: Case, exchanges: &[Exchange], bundle: &mut Bundle) -> Vec<Talk> {
    let mut talks = vec![];
    for (index, exchange) in exchanges.iter().enumerate() {
        let mut file = |message: &Option<Message>, kind: &str| {
            let message = message.as_ref()?;
            let path = is_whole(message).then(|| {
                let operation = operation(&exchange.operation);
                format!("{}/{:02}-{operation}-{kind}.xml", case.name(), index + 1)
            });
            if let Some(path) = &path {
                let bytes = message.text.clone().into_bytes();
                bundle.files.insert(path.clone(), bytes);
            }
            Some(File {
                path,
                sha256: message.sha256.clone(),
            })
        };
        talks.push(Talk {
            id: exchange.id.clone(),
            started_at: exchange.started_at.clone(),
            operation: operation(&exchange.operation),
            outcome: exchange.outcome.clone(),
            http_status: exchange.http_status,
            duration_us: exchange.duration_us,
            request: file(&exchange.request, "request"),
            reply: file(&exchange.reply, "reply"),
        });
    }
    talks
}

/// The operation, from the root element that names it in the journal; fit for the name of a file.
fn operation(text: &str) -> String {
    let bare = ["Request", "Req"]
        .iter()
        .find_map(|end| text.strip_suffix(end))
        .unwrap_or(text);
    bare.chars()
        .filter(char::is_ascii_alphanumeric)
        .take(40)
        .collect()
}

/// The extract of the journal, for programs and for a spreadsheet.
pub(super) fn extract(ruling: &mut Ruling, exchanges: &[Exchange], bundle: &mut Bundle) {
    if exchanges.is_empty() {
        return;
    }
    let rows: Vec<Value> = exchanges.iter().zip(&ruling.exchanges).map(row).collect();
    let folder = ruling.case.name();
    let json = serde_json::to_string_pretty(&json!({ "exchanges": rows })).unwrap_or_default();
    let mut csv = line(COLUMNS.iter().map(|name| (*name).to_owned()));
    for exchange in exchanges {
        csv.push_str(&line(cells(exchange).into_iter()));
    }
    for (name, text) in [("giornale.json", json), ("giornale.csv", csv)] {
        let place = format!("{folder}/{name}");
        bundle.files.insert(place.clone(), text.into_bytes());
        ruling.files.push(place);
    }
}

/// An exchange as the gateway told it, with the files instead of the texts.
fn row((exchange, talk): (&Exchange, &Talk)) -> Value {
    let mut raw = exchange.raw.clone();
    for (name, file) in [("request", &talk.request), ("reply", &talk.reply)] {
        let Some(message) = raw.get_mut(name).and_then(Value::as_object_mut) else {
            continue;
        };
        message.remove("text");
        let path = file.as_ref().and_then(|file| file.path.clone());
        message.insert("file".to_owned(), path.into());
    }
    raw
}

fn cells(exchange: &Exchange) -> Vec<String> {
    let text = |name: &str| match exchange.raw.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    };
    let sum = |message: &Option<Message>| {
        message
            .as_ref()
            .map_or_else(String::new, |message| message.sha256.clone())
    };
    let place = exchange.raw.get("place").filter(|place| place.is_object());
    let place = place.map_or_else(String::new, |place| {
        let part = |name: &str| match place.get(name) {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => String::new(),
        };
        format!("{}/{}/{}", part("chain"), part("block"), part("place"))
    });
    vec![
        exchange.id.clone(),
        exchange.started_at.clone(),
        in_rome(&exchange.started_at),
        text("direction"),
        exchange.party.clone(),
        exchange.operation.clone(),
        text("peer"),
        text("notice_number"),
        text("iuv"),
        text("receipt_id"),
        exchange.outcome.clone(),
        exchange.http_status.to_string(),
        exchange.duration_us.to_string(),
        sum(&exchange.request),
        sum(&exchange.reply),
        place,
    ]
}

/// An instant of the journal as the clock in Rome showed it.
pub(super) fn in_rome(text: &str) -> String {
    Instant::parse(text).map_or_else(|_| text.to_owned(), Instant::clock_in_rome)
}

/// A line of the table: every cell in quotes, and none that a spreadsheet would take for a formula or
/// a number: notice numbers have more digits than a spreadsheet keeps.
fn line(cells: impl Iterator<Item = String>) -> String {
    let cells: Vec<String> = cells.map(|cell| quoted(&cell)).collect();
    format!("{}\r\n", cells.join(";"))
}

fn quoted(cell: &str) -> String {
    let is_formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '|', '%']);
    let is_long_number = cell.len() > 15 && cell.bytes().all(|byte| byte.is_ascii_digit());
    let guard = if is_formula || is_long_number {
        "'"
    } else {
        ""
    };
    let flat: String = cell
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    format!("\"{guard}{}\"", flat.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_taken_for_a_formula_or_loses_digits() {
        for (cell, written) in [
            ("OK", "\"OK\""),
            ("=cmd|'/c calc'!A1", "\"'=cmd|'/c calc'!A1\""),
            ("+1", "\"'+1\""),
            ("-1", "\"'-1\""),
            ("@a", "\"'@a\""),
            ("\t=1", "\"' =1\""),
            ("a\"b;c\r\nd", "\"a\"\"b;c  d\""),
            ("302000000000000153", "\"'302000000000000153\""),
            ("200", "\"200\""),
        ] {
            assert_eq!(quoted(cell), written);
        }
    }

    #[test]
    fn an_operation_makes_a_safe_name() {
        for (element, name) in [
            ("paSendRTV2Request", "paSendRTV2"),
            ("paVerifyPaymentNoticeReq", "paVerifyPaymentNotice"),
            ("../../etc/passwd", "etcpasswd"),
        ] {
            assert_eq!(operation(element), name);
        }
    }
}
