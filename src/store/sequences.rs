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

    TAKE = "INSERT INTO notice_sequences (creditor, series, last) \
        VALUES ($1, $2, CAST($3 AS BIGINT) + CAST($4 AS BIGINT) - 1) \
        ON CONFLICT (creditor, series) DO UPDATE SET last = \
        CASE WHEN notice_sequences.last < CAST($3 AS BIGINT) THEN excluded.last \
        ELSE notice_sequences.last + CAST($4 AS BIGINT) END RETURNING last";
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
    let row = sqlx::query(NEXT)
        .bind(creditor.as_str())
        .bind(series)
        .bind(i64::try_from(first).unwrap_or(i64::MAX))
        .fetch_one(conn)
        .await?;
    last(row.try_get("last")?)
}

/// Takes so many numbers in a row: the first of them.
///
/// # Errors
/// The database failed.
pub async fn take(
    conn: &mut Conn,
    creditor: &CreditorCode,
    series: &str,
    first: u64,
    count: u64,
) -> Result<u64, StoreError> {
    let row = sqlx::query(TAKE)
        .bind(creditor.as_str())
        .bind(series)
        .bind(i64::try_from(first).unwrap_or(i64::MAX))
        .bind(i64::try_from(count).unwrap_or(i64::MAX))
        .fetch_one(conn)
        .await?;
    Ok((last(row.try_get("last")?)? + 1).saturating_sub(count))
}

fn last(number: i64) -> Result<u64, StoreError> {
    u64::try_from(number).map_err(|_| StoreError::Corrupt {
        table: "notice_sequences",
        column: "last",
    })
}
