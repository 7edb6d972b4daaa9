//! `/notices/batch`: a whole month of notices in one file, and what became of its rows.

mod clerk;
mod csv;
mod report;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::common::{Denied, Paging, Repeatable, Speaker, WrongQuery};
use super::notices::respond;
use super::page::Page;
use super::query::{Fields, Query};
use super::request;
use super::schema::ProblemBody;
use crate::desk::batches::{File, Filed};
use crate::desk::keys::Scope;
use crate::desk::once::{Answer, Repeat};
use crate::domain::ids::BatchId;
use crate::store::batches::{self, RowState, Settled};
use crate::web::Web;
use crate::web::body::idempotency_key;
use crate::web::language::Language;
use crate::web::problem::Problem;
use crate::web::wrong::{FieldError, Wrong};
use crate::wire::digest::sha256;

pub(crate) use clerk::CLERK;
use report::{BatchRow, BatchRowPage};

/// Rows in the answer to a trial, at most.
const TRIAL_ROWS: usize = 1_000;
/// Rows that are read for a table in one go.
const TABLE_ROWS: i64 = 1_000;

/// A file that is no list of notices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// There is no row in it.
    Empty,
    /// More rows than [`crate::desk::batches::MOST_ROWS`].
    TooMany(usize),
    /// Not JSON; where.
    Json(String),
    /// JSON, and no list.
    NotList,
    /// A table with other columns; which.
    Columns(String),
}

impl From<Unreadable> for Problem {
    fn from(error: Unreadable) -> Problem {
        match error {
            Unreadable::Empty => Problem::empty_file(),
            Unreadable::TooMany(count) => Problem::too_many_rows(count),
            Unreadable::Json(place) => Problem::malformed_json(place),
            Unreadable::NotList => Problem::invalid_fields(vec![FieldError {
                field: String::new(),
                wrong: Wrong::NotList,
            }]),
            Unreadable::Columns(detail) => Problem::wrong_columns(detail),
        }
    }
}

/// How many rows of a file became what.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BatchCounts {
    total: i64,
    /// Rows that are settled.
    done: i64,
    /// New notices.
    created: i64,
    /// Notices that were there already, with the same content.
    unchanged: i64,
    /// Rows that are wrong.
    refused: i64,
}

impl BatchCounts {
    fn of(total: i64, counts: batches::Counts) -> BatchCounts {
        BatchCounts {
            total,
            done: counts.settled,
            created: counts.created,
            unchanged: counts.unchanged,
            refused: counts.refused,
        }
    }
}

/// A file of notices.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Batch {
    id: String,
    /// The name of the file, when it was given.
    name: Option<String>,
    /// json, ndjson or csv.
    format: String,
    /// SHA-256 of the file: the same file again is the same batch.
    sha256: String,
    /// working, done or failed (the file cannot be read any more).
    state: &'static str,
    rows: BatchCounts,
    /// An instant in UTC.
    #[schema(format = DateTime)]
    created_at: String,
    /// An instant in UTC.
    #[schema(format = DateTime)]
    finished_at: Option<String>,
    links: BatchLinks,
}

/// Where to go from here.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BatchLinks {
    /// This batch.
    #[serde(rename = "self")]
    this: String,
    /// What became of its rows.
    rows: String,
    /// The same as a table.
    csv: String,
}

impl Batch {
    fn of(batch: &batches::Batch, public_url: &str) -> Batch {
        let this = format!(
            "{}/api/v1/notices/batches/{}",
            public_url.trim_end_matches('/'),
            batch.id
        );
        Batch {
            id: batch.id.to_string(),
            name: batch.name.clone(),
            format: batch.format.clone(),
            sha256: batch.sha256.clone(),
            state: batch.state.as_str(),
            rows: BatchCounts::of(batch.total, batch.counts),
            created_at: batch.created_at.to_string(),
            finished_at: batch.finished_at.map(|at| at.to_string()),
            links: BatchLinks {
                rows: format!("{this}/rows"),
                csv: format!("{this}/rows.csv"),
                this,
            },
        }
    }
}

/// What would become of a file.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BatchTrial {
    rows: BatchCounts,
    /// The rows that would be refused, at most 1000.
    data: Vec<BatchRow>,
}

/// Create notices from a file
///
/// A list of requests as for one notice (JSON or NDJSON), or a table (docs/batch.md); up to 10,000 rows,
/// each with an external_id. The file is kept, and brought in at once in the background. A row that is
/// wrong is refused alone.
#[utoipa::path(
    post,
    path = "/notices/batch",
    tag = "notices",
    params(
        ("dry_run" = Option<bool>, Query, description = "true: say what would become of the rows, and write nothing"),
        ("name" = Option<String>, Query, description = "The name of the file"),
        Repeatable,
        Speaker,
    ),
    request_body(
        content(
            (Vec<super::schema::NoticeRequest> = "application/json"),
            (String = "application/x-ndjson"),
            (String = "text/csv"),
        )
    ),
    responses(
        (status = 201, description = "The batch; its rows are being brought in", body = Batch),
        (status = 200, description = "The batch that this file is already; with dry_run, a BatchTrial", body = Batch),
        Denied,
        (status = 400, description = "Not JSON, or an operator names no creditor", body = ProblemBody, content_type = "application/problem+json"),
        (status = 413, description = "The file is too large", body = ProblemBody, content_type = "application/problem+json"),
        (status = 415, description = "Another media type", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "No rows, too many, or other columns; or the key was used for another request", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn create(
    State(web): State<Web>,
    fields: Fields,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let creditor = web.caller(&headers, Scope::NoticesWrite).await?;
    let mut query = Query::read(fields)?;
    let is_trial = query.word("dry_run", |word| word.parse::<bool>().ok());
    let name = query.text("name", request::DESCRIPTION);
    query.finish()?;
    let key = idempotency_key(&headers)?;
    let format = format(&headers).ok_or_else(Problem::not_a_list)?;
    let bytes = web.file(body).await?;
    let (rows, bytes) = read(bytes, format).await?;
    let language = match Language::of(&headers) {
        Language::Italian => "it",
        Language::English => "en",
    };
    let now = web.clock.now();
    if is_trial == Some(true) {
        let today = now.day_in_rome();
        let trial = web
            .desk
            .try_notices(&creditor, &rows, &CLERK, language, today);
        let (counts, report) = trial.await?;
        let refused = report.iter().filter(|row| row.state == RowState::Refused);
        let trial = BatchTrial {
            rows: BatchCounts::of(counts.settled, counts),
            data: refused.take(TRIAL_ROWS).map(BatchRow::of).collect(),
        };
        return Ok(respond(answer(200, &trial)));
    }
    let file = File {
        name,
        format,
        language,
        total: rows.len(),
        bytes,
    };
    drop(rows);
    let url = web.config.public_url.clone();
    let print = |filed: &Filed| {
        let status = if filed.existed { 200 } else { 201 };
        answer(status, &Batch::of(&filed.batch, &url))
    };
    let request = format!("POST /notices/batch {format} {}", sha256(&file.bytes));
    let request_sha256 = sha256(request.as_bytes());
    let repeat = key.as_deref().map(|key| Repeat {
        key,
        request_sha256: &request_sha256,
        print: &print,
    });
    let filed = web
        .desk
        .file_notices(&creditor.code, &file, repeat, now)
        .await?;
    Ok(respond(filed.answer(print)))
}

/// Reads a file beside the other requests: ten thousand rows take a while.
async fn read(
    bytes: Vec<u8>,
    format: &'static str,
) -> Result<(Vec<crate::desk::batches::Row>, Vec<u8>), Problem> {
    let read =
        tokio::task::spawn_blocking(move || clerk::rows(&bytes, format).map(|rows| (rows, bytes)));
    match read.await {
        Ok(read) => read.map_err(Problem::from),
        Err(_) => Err(Problem::from(Unreadable::NotList)),
    }
}

fn answer(http_status: u16, body: &impl Serialize) -> Answer {
    Answer {
        http_status,
        body: serde_json::to_string(body).unwrap_or_default(),
    }
}

/// How a file is written, as its media type says.
fn format(headers: &HeaderMap) -> Option<&'static str> {
    let media = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let media = media.split(';').next()?.trim().to_ascii_lowercase();
    match media.as_str() {
        "application/json" => Some("json"),
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Some("ndjson"),
        "text/csv" | "text/tab-separated-values" => Some("csv"),
        _ => None,
    }
}

/// How far a file of notices has come
#[utoipa::path(
    get,
    path = "/notices/batches/{id}",
    tag = "notices",
    params(("id" = String, Path, description = "The batch's id"), Speaker),
    responses(
        (status = 200, description = "The batch", body = Batch),
        Denied,
        (status = 400, description = "An operator names no creditor", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such batch of this creditor", body = ProblemBody, content_type = "application/problem+json"),
        (status = 500, description = "The batch cannot be read from the database", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn show(
    State(web): State<Web>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let creditor = web.caller(&headers, Scope::NoticesRead).await?;
    let id = BatchId::parse(&id).ok_or_else(Problem::not_found)?;
    let batch = web.desk.batch(&creditor.code, &id).await?;
    Ok(respond(answer(
        200,
        &Batch::of(&batch, &web.config.public_url),
    )))
}

/// What became of the rows of a file, in their order
#[utoipa::path(
    get,
    path = "/notices/batches/{id}/rows",
    tag = "notices",
    params(
        ("id" = String, Path, description = "The batch's id"),
        ("state" = Option<String>, Query, description = "Only those that were created, unchanged or refused"),
        Paging,
        Speaker,
    ),
    responses(
        (status = 200, description = "A page of rows that are settled", body = BatchRowPage),
        Denied,
        WrongQuery,
        (status = 404, description = "No such batch of this creditor", body = ProblemBody, content_type = "application/problem+json"),
        (status = 500, description = "The batch cannot be read from the database", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn rows(
    State(web): State<Web>,
    Path(id): Path<String>,
    fields: Fields,
    headers: HeaderMap,
) -> Result<axum::Json<BatchRowPage>, Problem> {
    let creditor = web.caller(&headers, Scope::NoticesRead).await?;
    let id = BatchId::parse(&id).ok_or_else(Problem::not_found)?;
    let mut query = Query::read(fields)?;
    let state = query.word("state", RowState::parse);
    let after = query.word("cursor", |text| text.parse::<u32>().ok());
    let limit = query.limit();
    query.finish()?;
    web.desk.batch(&creditor.code, &id).await?;
    let after = i64::from(after.unwrap_or(0));
    let found = web
        .desk
        .batch_rows(&id, state, after, limit.and_one())
        .await?;
    let place = |row: &Settled| row.place.to_string();
    Ok(axum::Json(Page::of(found, limit, place, |row| {
        BatchRow::of(&row)
    })))
}

/// The same as a table
#[utoipa::path(
    get,
    path = "/notices/batches/{id}/rows.csv",
    tag = "notices",
    params(
        ("id" = String, Path, description = "The batch's id"),
        ("state" = Option<String>, Query, description = "Only those that were created, unchanged or refused"),
        Speaker,
    ),
    responses(
        (status = 200, description = "All rows that are settled: UTF-8 with its mark, semicolons", body = String, content_type = "text/csv"),
        Denied,
        WrongQuery,
        (status = 404, description = "No such batch of this creditor", body = ProblemBody, content_type = "application/problem+json"),
        (status = 500, description = "The batch cannot be read from the database", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn table(
    State(web): State<Web>,
    Path(id): Path<String>,
    fields: Fields,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let creditor = web.caller(&headers, Scope::NoticesRead).await?;
    let id = BatchId::parse(&id).ok_or_else(Problem::not_found)?;
    let mut query = Query::read(fields)?;
    let state = query.word("state", RowState::parse);
    query.finish()?;
    web.desk.batch(&creditor.code, &id).await?;
    let mut all = vec![];
    let mut after = 0;
    loop {
        let rows = web.desk.batch_rows(&id, state, after, TABLE_ROWS).await?;
        let Some(last) = rows.last() else {
            break;
        };
        after = last.place;
        all.extend(rows);
    }
    let head = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (
            header::CONTENT_DISPOSITION,
            "attachment; filename=\"rows.csv\"",
        ),
    ];
    Ok((head, report::table(&all)).into_response())
}

/// The errors of a row as they were written down.
fn errors(row: &Settled) -> Value {
    let errors = row.errors.as_deref().map(serde_json::from_str);
    errors.and_then(Result::ok).unwrap_or_default()
}
