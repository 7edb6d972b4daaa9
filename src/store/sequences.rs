//! Sequences of notice numbers, one for each creditor and series.

use sqlx::Row;

use super::statement::statements;
use super::{Conn, StoreError};
use crate::domain::party::CreditorCode;

statements! {
    NEXT = "INSERT INTO notice_sequences (creditor, series, last) VALUES ($1, $2, $3) \
        ON CONFLICT (creditor, series) DO UPDATE SET last = \
        CASE WHEN notice_sequences.last < excluded.last THEN excluded.last \
        ELSE notice_sequences.last + 1 END RETURNING last";
}

/// Takes the next number, in the transaction that opens the debt: rolled back with it, and else
/// never given again. It is at least `first`, so that a raised `first_number` is jumped to.
///
/// # Errors
/// The database failed.
pub async fn next(
    conn: &mut Conn,
    creditor: &CreditorCode,
    series: &str,
    first: u64,
) -> Result<u64, StoreError> {
    let corrupt = StoreError::Corrupt {
        table: "notice_sequences",
        column: "last",
    };
    let row = sqlx::query(NEXT)
        .bind(creditor.as_str())
        .bind(series)
        .bind(i64::try_from(first).unwrap_or(i64::MAX))
        .fetch_one(conn)
        .await?;
    u64::try_from(row.try_get::<i64, _>("last")?).map_err(|_| corrupt)
}
