//! Cases: what waits for a person of the finance office.

use super::sheet::{Bundle, Rows, sheets};
use super::statement::statements;
use super::{Columns, Conn, StoreError};
use crate::domain::day::Instant;
use crate::domain::ids::CaseId;
use crate::domain::party::CreditorCode;
use crate::domain::payment::{Case, CaseCode};

statements! {
    LIST = "SELECT id, creditor, code, identity, subject, detail, opened_at FROM cases \
        WHERE creditor = $1 AND state = 'open' AND id < $2 ORDER BY id DESC LIMIT $3";
}

sheets! {
    INSERT = ("INSERT INTO cases (id, creditor, code, identity, subject, detail, state, \
        opened_at)",
        "?, ?, ?, ?, ?, ?, 'open', ?", " ON CONFLICT (creditor, code, identity) DO NOTHING");
}

/// After every id: where the first page of a list begins.
const TOP: &str = "z";

/// A case with its id and its age.
#[derive(Debug, Clone)]
pub struct OpenCase {
    /// Our id.
    pub id: CaseId,
    /// When it was opened.
    pub opened_at: Instant,
    /// What it is.
    pub case: Case,
}

/// Opens cases; the same thing that happens again is not another case.
///
/// # Errors
/// The database failed.
pub async fn insert(conn: &mut Conn, cases: &[OpenCase]) -> Result<(), StoreError> {
    Bundle::of(&INSERT, rows(cases)).run(conn).await?;
    Ok(())
}

/// The rows of cases, for [`INSERT`].
pub(super) fn rows(cases: &[OpenCase]) -> Rows {
    Rows::of(cases, |row, open| {
        row.bind(open.id.as_str())
            .bind(open.case.creditor.as_str())
            .bind(open.case.code.as_str())
            .bind(open.case.identity.as_str())
            .bind(open.case.subject.as_str())
            .bind(open.case.detail.as_str())
            .bind(open.opened_at.to_string());
    })
}

/// A page of a creditor's open cases, newest first.
///
/// # Errors
/// The database failed.
pub async fn open(
    conn: &mut Conn,
    creditor: &CreditorCode,
    before: Option<&str>,
    limit: i64,
) -> Result<Vec<OpenCase>, StoreError> {
    let rows = sqlx::query(LIST)
        .bind(creditor.as_str())
        .bind(before.unwrap_or(TOP))
        .bind(limit)
        .fetch_all(conn)
        .await?;
    rows.iter()
        .map(|row| {
            let columns = Columns {
                table: "cases",
                row,
            };
            Ok(OpenCase {
                id: CaseId::new(columns.text("id")?),
                opened_at: columns.instant("opened_at")?,
                case: Case {
                    code: columns.parsed("code", |text| CaseCode::parse(text).ok_or(()))?,
                    creditor: columns.parsed("creditor", CreditorCode::parse)?,
                    identity: columns.text("identity")?,
                    subject: columns.text("subject")?,
                    detail: columns.text("detail")?,
                },
            })
        })
        .collect()
}
