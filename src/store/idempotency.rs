//! First answers to requests that carry an Idempotency-Key.

use super::statement::statements;
use super::{Columns, Conn, StoreError};
use crate::domain::day::Instant;
use crate::domain::party::CreditorCode;

statements! {
    /// Taken before the work begins: a second request with the key waits here for the first.
    CLAIM = "INSERT INTO idempotency_keys (creditor, key, request_sha256, http_status, body, \
        created_at) VALUES ($1, $2, $3, 0, '', $4) ON CONFLICT (creditor, key) DO NOTHING \
        RETURNING key";

    FIND = "SELECT request_sha256, http_status, body FROM idempotency_keys \
        WHERE creditor = $1 AND key = $2";

    ANSWER = "UPDATE idempotency_keys SET http_status = $3, body = $4 \
        WHERE creditor = $1 AND key = $2";

    FORGET = "DELETE FROM idempotency_keys WHERE created_at < $1 AND (creditor, key) IN \
        (SELECT creditor, key FROM idempotency_keys WHERE created_at < $1 LIMIT $2)";
}

/// The first answer to a key.
#[derive(Debug, Clone)]
pub struct First {
    /// SHA-256 of the request it answered.
    pub request_sha256: String,
    /// The status of the answer.
    pub http_status: u16,
    /// Its body.
    pub body: String,
}

/// Takes a key for the request at hand, in the transaction of its work; the first answer when the
/// key was used before.
///
/// # Errors
/// The database failed.
pub async fn claim(
    conn: &mut Conn,
    creditor: &CreditorCode,
    key: &str,
    request_sha256: &str,
    now: Instant,
) -> Result<Option<First>, StoreError> {
    let claimed = sqlx::query(CLAIM)
        .bind(creditor.as_str())
        .bind(key)
        .bind(request_sha256)
        .bind(now.to_string())
        .fetch_optional(&mut *conn)
        .await?;
    if claimed.is_some() {
        return Ok(None);
    }
    let first = find(conn, creditor, key).await?;
    // Removed between the two statements: the next try will claim it.
    first.map(Some).ok_or(StoreError::Contended)
}

/// The first answer to a key, when it was used before.
///
/// # Errors
/// The database failed.
pub async fn find(
    conn: &mut Conn,
    creditor: &CreditorCode,
    key: &str,
) -> Result<Option<First>, StoreError> {
    let row = sqlx::query(FIND)
        .bind(creditor.as_str())
        .bind(key)
        .fetch_optional(conn)
        .await?;
    let Some(row) = row else {
        return Ok(None);
    };
    let columns = Columns {
        table: "idempotency_keys",
        row: &row,
    };
    let http_status = u16::try_from(columns.integer("http_status")?)
        .map_err(|_| columns.corrupt("http_status"))?;
    Ok(Some(First {
        request_sha256: columns.text("request_sha256")?,
        http_status,
        body: columns.text("body")?,
    }))
}

/// Keeps the answer with its key.
///
/// # Errors
/// The database failed.
pub async fn answer(
    conn: &mut Conn,
    creditor: &CreditorCode,
    key: &str,
    http_status: u16,
    body: &str,
) -> Result<(), StoreError> {
    sqlx::query(ANSWER)
        .bind(creditor.as_str())
        .bind(key)
        .bind(i64::from(http_status))
        .bind(body)
        .execute(conn)
        .await?;
    Ok(())
}

/// Removes keys older than `before`, at most `limit`; how many.
///
/// # Errors
/// The database failed.
pub async fn forget(conn: &mut Conn, before: Instant, limit: i64) -> Result<u64, StoreError> {
    Ok(sqlx::query(FORGET)
        .bind(before.to_string())
        .bind(limit)
        .execute(conn)
        .await?
        .rows_affected())
}
