//! What became of the rows of a file, for programs and as a table for people.

use serde::Serialize;
use utoipa::ToSchema;

use super::errors;
use crate::desk::batches::RowError;
use crate::store::batches::Settled;
use crate::web::portal::page::{Page, Row};

/// What became of a row.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web::portal) struct BatchRow {
    /// Its place among the rows, from 1.
    row: i64,
    /// The line of the file on which it begins, from 1; in a JSON list its place.
    line: i64,
    external_id: Option<String>,
    /// created, unchanged or refused.
    state: &'static str,
    /// The id of the notice.
    notice: Option<String>,
    /// What is wrong with it.
    errors: Vec<BatchError>,
}

/// What is wrong with a row.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::web::portal) struct BatchError {
    /// The field, as in the request for one notice.
    field: String,
    /// The column of the table.
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<String>,
    /// A stable code.
    code: String,
    /// A sentence in the language in which the file was sent.
    message: String,
}

impl BatchRow {
    pub(super) fn of(row: &Settled) -> BatchRow {
        let told: Vec<RowError> = serde_json::from_value(errors(row)).unwrap_or_default();
        BatchRow {
            row: row.place,
            line: row.line,
            external_id: row.external_id.clone(),
            state: row.state.as_str(),
            notice: row.debt.as_ref().map(ToString::to_string),
            errors: told
                .into_iter()
                .map(|error| BatchError {
                    field: error.field,
                    column: error.column,
                    code: error.code,
                    message: error.message,
                })
                .collect(),
        }
    }
}

impl Row for BatchRow {
    const PAGE: &'static str = "A page of rows of a file.";
}

/// A page of rows.
pub(in crate::web::portal) type BatchRowPage = Page<BatchRow>;

/// The rows as a table that Italian spreadsheets open.
pub(super) fn table(rows: &[Settled]) -> Vec<u8> {
    let mut writer = csv::WriterBuilder::new()
        .delimiter(b';')
        .from_writer(vec![]);
    let head = [
        "row",
        "line",
        "external_id",
        "state",
        "notice",
        "column",
        "code",
        "message",
    ];
    let mut written = writer.write_record(head);
    for row in rows.iter().map(BatchRow::of) {
        let start = [
            row.row.to_string(),
            row.line.to_string(),
            harmless(row.external_id.unwrap_or_default()),
            row.state.to_owned(),
            row.notice.unwrap_or_default(),
        ];
        let mut put = |error: [String; 3]| {
            let record = writer.write_record(start.iter().chain(&error));
            written = std::mem::replace(&mut written, Ok(())).and(record);
        };
        if row.errors.is_empty() {
            put([String::new(), String::new(), String::new()]);
        }
        for error in row.errors {
            let column = error.column.unwrap_or(error.field);
            put([harmless(column), error.code, error.message]);
        }
    }
    if let Err(error) = written {
        tracing::error!(%error, "a table could not be written");
    }
    let mut table = b"\xEF\xBB\xBF".to_vec();
    table.extend(writer.into_inner().unwrap_or_default());
    table
}

/// A text that a spreadsheet takes for a text: what others wrote must not be a formula.
fn harmless(text: String) -> String {
    match text.chars().next() {
        Some('=' | '+' | '-' | '@' | '\t' | '\r') => format!("'{text}"),
        _ => text,
    }
}
