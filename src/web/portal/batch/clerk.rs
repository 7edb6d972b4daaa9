//! Reading files of notices and their rows, by the rules of one notice.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use super::{Unreadable, csv};
use crate::desk::batches::{Asked, Clerk, MOST_ROWS, Reading, Row, RowError};
use crate::web::json;
use crate::web::language::Language;
use crate::web::portal::request;
use crate::web::wrong::{FieldError, Wrong};

/// Who reads files and rows.
pub(crate) const CLERK: Clerk = Clerk {
    rows: |bytes, format| rows(bytes, format).ok(),
    read,
    taken,
};

/// The rows of a file.
///
/// # Errors
/// [`Unreadable`]: not of this format, or without rows, or with too many.
pub(super) fn rows(bytes: &[u8], format: &str) -> Result<Vec<Row>, Unreadable> {
    let rows = match format {
        "csv" => csv::rows(bytes)?,
        "ndjson" => ndjson(bytes),
        _ => array(bytes)?,
    };
    match rows.len() {
        0 => Err(Unreadable::Empty),
        count if count > MOST_ROWS => Err(Unreadable::TooMany(count)),
        _ => Ok(rows),
    }
}

fn array(bytes: &[u8]) -> Result<Vec<Row>, Unreadable> {
    let value = json::parse(bytes).map_err(|error| {
        Unreadable::Json(format!("line {}, column {}", error.line(), error.column()))
    })?;
    let Value::Array(values) = value else {
        return Err(Unreadable::NotList);
    };
    let columns = Arc::new(HashMap::new());
    Ok((1..)
        .zip(values)
        .map(|(line, request)| row(line, request, &columns))
        .collect())
}

fn ndjson(bytes: &[u8]) -> Vec<Row> {
    let columns = Arc::new(HashMap::new());
    let lines = (1..).zip(bytes.split(|byte| *byte == b'\n'));
    lines
        .filter(|(_, bytes)| !bytes.trim_ascii().is_empty())
        .map(|(line, bytes)| match json::parse(bytes) {
            Ok(request) => row(line, request, &columns),
            Err(_) => Row {
                errors: vec![RowError {
                    field: String::new(),
                    column: None,
                    code: "malformed_json".to_owned(),
                    message: "la riga non è JSON corretto".to_owned(),
                }],
                ..row(line, Value::Null, &columns)
            },
        })
        .collect()
}

fn row(line: i64, request: Value, columns: &Arc<HashMap<&'static str, String>>) -> Row {
    let external_id = request.get("external_id").and_then(Value::as_str);
    let external_id = external_id
        .map(str::trim)
        .filter(|id| (1..=4 * request::EXTERNAL_ID).contains(&id.len()))
        .filter(|id| crate::domain::text::is_one_line(id))
        .map(str::to_owned);
    Row {
        line,
        external_id,
        request,
        errors: vec![],
        columns: columns.clone(),
    }
}

fn read(row: &Row, reading: Reading<'_>) -> Result<Asked, Vec<RowError>> {
    let Reading {
        creditor,
        register,
        existing,
        today,
        language,
    } = reading;
    if row.request.is_null() {
        return Err(row.errors.clone());
    }
    let mut errors = row.errors.clone();
    let is_told = |errors: &[RowError], field: &str| errors.iter().any(|e| e.field == field);
    match request::read_fields(&row.request, creditor, register, existing, today) {
        Ok(asked) if errors.is_empty() && row.external_id.is_some() => {
            return Ok(Asked {
                order: asked.order,
                due: asked.due,
            });
        }
        Ok(_) => {}
        Err(wrong) => {
            // What could not be read is not missing as well, and neither is what follows from it.
            let is_unread = |field: &str| {
                let derived = field == "lines"
                    && row.errors.iter().any(|error| {
                        let field = error.field.as_str();
                        matches!(field, "period" | "amount_cents" | "quantity" | "unit_cents")
                    });
                derived || is_told(&row.errors, field)
            };
            let told = wrong.iter().filter(|error| !is_unread(&error.field));
            errors.extend(told.map(|error| tell(row, error, language)));
        }
    }
    if row.external_id.is_none() && !is_told(&errors, "external_id") {
        let error = FieldError {
            field: "external_id".to_owned(),
            wrong: Wrong::Required,
        };
        errors.push(tell(row, &error, language));
    }
    Err(errors)
}

fn taken(row: &Row, language: &str) -> RowError {
    let error = FieldError {
        field: "external_id".to_owned(),
        wrong: Wrong::Taken,
    };
    tell(row, &error, language)
}

fn tell(row: &Row, error: &FieldError, language: &str) -> RowError {
    let language = match language {
        "en" => Language::English,
        _ => Language::Italian,
    };
    // The one line of a table's row stands in the columns of the amount.
    let column = match error.field.as_str() {
        "lines[0].quantity" => "quantity",
        "lines[0].unit_cents" => "unit_cents",
        "lines" => "amount_cents",
        field => field,
    };
    RowError {
        column: row.columns.get(column).cloned(),
        field: error.field.clone(),
        code: error.wrong.code().to_owned(),
        message: error.wrong.message(language),
    }
}
