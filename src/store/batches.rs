//! Files of notices, and what became of their rows.

use sqlx::any::AnyRow;

use super::sheet::{Bundle, Rows, sheets};
use super::statement::statements;
use super::{Columns, Conn, StoreError};
use crate::domain::day::Instant;
use crate::domain::ids::{BatchId, DebtId, DocumentId};
use crate::domain::party::CreditorCode;

macro_rules! columns {
    () => {
        "id, creditor, sha256, name, format, language, document, state, total, settled, created, \
         unchanged, refused, created_at, finished_at"
    };
}

statements! {
    INSERT = "INSERT INTO notice_batches (id, creditor, sha256, name, format, language, document, \
        state, total, settled, created, unchanged, refused, created_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, 'working', $8, 0, 0, 0, 0, $9) \
        ON CONFLICT (creditor, sha256) DO NOTHING RETURNING id";

    BY_FILE = concat!("SELECT ", columns!(),
        " FROM notice_batches WHERE creditor = $1 AND sha256 = $2");

    BY_ID = concat!("SELECT ", columns!(), " FROM notice_batches WHERE creditor = $1 AND id = $2");

    OLDEST = concat!("SELECT ", columns!(),
        " FROM notice_batches WHERE state = 'working' ORDER BY id LIMIT 1");

    /// Only from where it was read: rows are settled once.
    ADVANCE = "UPDATE notice_batches SET settled = $3, created = $4, unchanged = $5, refused = $6, \
        state = $7, finished_at = $8 WHERE id = $1 AND settled = $2 AND state = 'working' \
        RETURNING id";

    FAIL = "UPDATE notice_batches SET state = 'failed', finished_at = $2 \
        WHERE id = $1 AND state = 'working'";

    ROWS = "SELECT place, line, external_id, state, debt, errors FROM notice_batch_rows \
        WHERE batch = $1 AND place > $2 ORDER BY place LIMIT $3";

    ROWS_OF_STATE = "SELECT place, line, external_id, state, debt, errors FROM notice_batch_rows \
        WHERE batch = $1 AND state = $2 AND place > $3 ORDER BY place LIMIT $4";
}

sheets! {
    REPORT = ("INSERT INTO notice_batch_rows (batch, place, line, external_id, state, debt, errors)",
        "?, CAST(? AS BIGINT), CAST(? AS BIGINT), ?, ?, ?, ?", "");
}

/// Where a batch stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Rows are being brought in.
    Working,
    /// Every row is settled.
    Done,
    /// Its file cannot be read any more.
    Failed,
}

impl State {
    /// The word in the API and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Working => "working",
            State::Done => "done",
            State::Failed => "failed",
        }
    }

    fn parse(text: &str) -> Option<State> {
        [State::Working, State::Done, State::Failed]
            .into_iter()
            .find(|state| state.as_str() == text)
    }
}

/// How many rows of a batch became what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Rows that are settled.
    pub settled: i64,
    /// New notices.
    pub created: i64,
    /// Notices that were there already, with the same content.
    pub unchanged: i64,
    /// Rows that are wrong.
    pub refused: i64,
}

/// A file of notices.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Our id.
    pub id: BatchId,
    /// Whose.
    pub creditor: CreditorCode,
    /// SHA-256 of the file.
    pub sha256: String,
    /// The name that the sender gave it.
    pub name: Option<String>,
    /// How it is written: `json`, `ndjson` or `csv`.
    pub format: String,
    /// The language of its report: `it` or `en`.
    pub language: String,
    /// Its bytes.
    pub document: DocumentId,
    /// Where it stands.
    pub state: State,
    /// Its rows.
    pub total: i64,
    /// What became of them.
    pub counts: Counts,
    /// When it came.
    pub created_at: Instant,
    /// When its last row was settled.
    pub finished_at: Option<Instant>,
}

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowState {
    /// A new notice.
    Created,
    /// The notice was there already.
    Unchanged,
    /// It is wrong, or its external id is taken by another content.
    Refused,
}

impl RowState {
    /// The word in the API and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            RowState::Created => "created",
            RowState::Unchanged => "unchanged",
            RowState::Refused => "refused",
        }
    }

    /// The state written as [`RowState::as_str`] writes it.
    pub fn parse(text: &str) -> Option<RowState> {
        [RowState::Created, RowState::Unchanged, RowState::Refused]
            .into_iter()
            .find(|state| state.as_str() == text)
    }
}

/// A row of the report.
#[derive(Debug, Clone)]
pub struct Settled {
    /// Its place among the rows, from 1.
    pub place: i64,
    /// The line of the file on which it begins, from 1.
    pub line: i64,
    /// The portal's own id, as far as it could be read.
    pub external_id: Option<String>,
    /// What became of it.
    pub state: RowState,
    /// The notice.
    pub debt: Option<DebtId>,
    /// What is wrong with it, as JSON.
    pub errors: Option<String>,
}

/// Stores a batch; false when the creditor has sent this file before.
///
/// # Errors
/// The database failed.
pub async fn insert(conn: &mut Conn, batch: &Batch) -> Result<bool, StoreError> {
    let row = sqlx::query(INSERT)
        .bind(batch.id.as_str())
        .bind(batch.creditor.as_str())
        .bind(batch.sha256.as_str())
        .bind(batch.name.as_deref())
        .bind(batch.format.as_str())
        .bind(batch.language.as_str())
        .bind(batch.document.as_str())
        .bind(batch.total)
        .bind(batch.created_at.to_string())
        .fetch_optional(conn)
        .await?;
    Ok(row.is_some())
}

/// The batch that this file is.
///
/// # Errors
/// The database failed.
pub async fn by_file(
    conn: &mut Conn,
    creditor: &CreditorCode,
    sha256: &str,
) -> Result<Option<Batch>, StoreError> {
    let row = sqlx::query(BY_FILE)
        .bind(creditor.as_str())
        .bind(sha256)
        .fetch_optional(conn)
        .await?;
    row.as_ref().map(batch).transpose()
}

/// The batch with this id, if it is this creditor's.
///
/// # Errors
/// The database failed.
pub async fn by_id(
    conn: &mut Conn,
    creditor: &CreditorCode,
    id: &BatchId,
) -> Result<Option<Batch>, StoreError> {
    let row = sqlx::query(BY_ID)
        .bind(creditor.as_str())
        .bind(id.as_str())
        .fetch_optional(conn)
        .await?;
    row.as_ref().map(batch).transpose()
}

/// The batch that is to be brought in first.
///
/// # Errors
/// The database failed.
pub async fn oldest(conn: &mut Conn) -> Result<Option<Batch>, StoreError> {
    let row = sqlx::query(OLDEST).fetch_optional(conn).await?;
    row.as_ref().map(batch).transpose()
}

/// Writes down that further rows of a batch are settled, with their report; false when somebody else
/// has gone on with it meanwhile, and then all of the transaction must be undone.
///
/// # Errors
/// The database failed.
pub async fn advance(
    conn: &mut Conn,
    batch: &Batch,
    counts: Counts,
    rows: &[Settled],
    now: Instant,
) -> Result<bool, StoreError> {
    let is_done = counts.settled >= batch.total;
    let state = if is_done { State::Done } else { State::Working };
    let row = sqlx::query(ADVANCE)
        .bind(batch.id.as_str())
        .bind(batch.counts.settled)
        .bind(counts.settled)
        .bind(counts.created)
        .bind(counts.unchanged)
        .bind(counts.refused)
        .bind(state.as_str())
        .bind(is_done.then(|| now.to_string()))
        .fetch_optional(&mut *conn)
        .await?;
    if row.is_none() {
        return Ok(false);
    }
    let rows = Rows::of(rows, |row, settled| {
        row.bind(batch.id.as_str())
            .bind(settled.place)
            .bind(settled.line)
            .bind(settled.external_id.as_deref())
            .bind(settled.state.as_str())
            .bind(settled.debt.as_ref().map(DebtId::as_str))
            .bind(settled.errors.as_deref());
    });
    Bundle::of(&REPORT, rows).run(conn).await?;
    Ok(true)
}

/// Gives a batch up whose file cannot be read any more.
///
/// # Errors
/// The database failed.
pub async fn fail(conn: &mut Conn, id: &BatchId, now: Instant) -> Result<(), StoreError> {
    sqlx::query(FAIL)
        .bind(id.as_str())
        .bind(now.to_string())
        .execute(conn)
        .await?;
    Ok(())
}

/// Rows of the report after this place, in their order.
///
/// # Errors
/// The database failed.
pub async fn rows(
    conn: &mut Conn,
    id: &BatchId,
    state: Option<RowState>,
    after: i64,
    limit: i64,
) -> Result<Vec<Settled>, StoreError> {
    let query = match state {
        Some(state) => sqlx::query(ROWS_OF_STATE)
            .bind(id.as_str())
            .bind(state.as_str()),
        None => sqlx::query(ROWS).bind(id.as_str()),
    };
    let rows = query.bind(after).bind(limit).fetch_all(conn).await?;
    rows.iter()
        .map(|row| {
            let columns = Columns {
                table: "notice_batch_rows",
                row,
            };
            Ok(Settled {
                place: columns.integer("place")?,
                line: columns.integer("line")?,
                external_id: columns.optional_text("external_id")?,
                state: columns.parsed("state", |text| RowState::parse(text).ok_or(()))?,
                debt: columns.optional_text("debt")?.map(DebtId::new),
                errors: columns.optional_text("errors")?,
            })
        })
        .collect()
}

fn batch(row: &AnyRow) -> Result<Batch, StoreError> {
    let columns = Columns {
        table: "notice_batches",
        row,
    };
    Ok(Batch {
        id: BatchId::new(columns.text("id")?),
        creditor: columns.parsed("creditor", CreditorCode::parse)?,
        sha256: columns.text("sha256")?,
        name: columns.optional_text("name")?,
        format: columns.text("format")?,
        language: columns.text("language")?,
        document: DocumentId::new(columns.text("document")?),
        state: columns.parsed("state", |text| State::parse(text).ok_or(()))?,
        total: columns.integer("total")?,
        counts: Counts {
            settled: columns.integer("settled")?,
            created: columns.integer("created")?,
            unchanged: columns.integer("unchanged")?,
            refused: columns.integer("refused")?,
        },
        created_at: columns.instant("created_at")?,
        finished_at: columns.optional("finished_at", Instant::parse)?,
    })
}
