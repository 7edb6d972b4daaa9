//! The queue's SQL.

use jiff::Timestamp;
use serde::Serialize;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::database::Database;
use crate::psp::Version;
use crate::verdict::Operation;

/// An hour, between two tries.
pub(super) const PAUSE_MS: i64 = 3_600_000;
/// How often a receipt is tried again before somebody must look.
pub(super) const RETRIES_MAX: i64 = 48;

const INSERT: &str = "INSERT INTO deliveries (creditor, recipient, receipt_id, notice_number, \
    version, message, state, attempts, retries, held_for, next_try_ms, created_ms, updated_ms) \
    VALUES ($1, $2, $3, $4, $5, $6, 'PENDING', 1, 0, 0, $7, $8, $8) RETURNING *";
const FIND: &str = "SELECT * FROM deliveries WHERE id = $1";
const LIST: &str = "SELECT * FROM deliveries WHERE ($1 = '' OR state = $1) \
    AND ($2 = '' OR notice_number = $2) AND ($3 = '' OR receipt_id = $3) \
    AND ($4 = '' OR recipient = $4) ORDER BY id DESC LIMIT $5";
const DUE: &str = "SELECT * FROM deliveries WHERE state = 'PENDING' AND next_try_ms <= $1 \
    ORDER BY next_try_ms, id LIMIT 100";
const NEXT: &str = "SELECT MIN(next_try_ms) AS next FROM deliveries WHERE state = 'PENDING'";
const CLAIM: &str = "UPDATE deliveries SET attempts = attempts + 1, retries = retries + $4, \
    held_for = 0, next_try_ms = $3, updated_ms = $5 \
    WHERE id = $1 AND state = 'PENDING' AND next_try_ms = $2 RETURNING *";
const NOTIFY: &str = "UPDATE deliveries SET state = 'NOTIFIED', next_try_ms = NULL, outcome = $2, \
    fault_code = $3, last_error = NULL, updated_ms = $4 WHERE id = $1";
const FAIL: &str = "UPDATE deliveries SET last_error = $2, updated_ms = $4, \
    state = CASE WHEN retries >= $3 THEN 'SUSPENDED' ELSE state END, \
    next_try_ms = CASE WHEN retries >= $3 THEN NULL ELSE next_try_ms END \
    WHERE id = $1 AND state = 'PENDING'";
const HOLD: &str = "UPDATE deliveries SET held_for = $2, attempts = 0, updated_ms = $3 \
    WHERE id = $1 AND state = 'PENDING'";
const PASS: &str = "UPDATE deliveries SET held_for = held_for - 1, next_try_ms = \
    CASE WHEN held_for = 1 THEN $2 ELSE next_try_ms END \
    WHERE state = 'PENDING' AND held_for > 0 AND id < $1 RETURNING *";
const REQUEUE: &str = "UPDATE deliveries SET state = 'PENDING', retries = -1, held_for = 0, \
    next_try_ms = $2, updated_ms = $2 WHERE id = $1 AND state IN ('PENDING', 'SUSPENDED')";
const COUNT: &str = "SELECT state, COUNT(*) AS count FROM deliveries GROUP BY state";

/// A receipt the node is about to owe.
#[derive(Debug, Clone)]
pub(crate) struct NewDelivery {
    /// The creditor of the notice.
    pub(crate) creditor: String,
    /// Who gets it: the creditor, or a further beneficiary.
    pub(crate) recipient: String,
    pub(crate) receipt_id: String,
    pub(crate) notice_number: String,
    pub(crate) version: Version,
    /// The whole SOAP message.
    pub(crate) message: String,
}

/// A receipt the node owes or owed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Delivery {
    pub(crate) id: i64,
    /// PENDING, NOTIFIED or SUSPENDED.
    pub(crate) state: String,
    pub(crate) creditor: String,
    pub(crate) recipient: String,
    pub(crate) receipt_id: String,
    pub(crate) notice_number: String,
    pub(crate) version: Version,
    /// Every try so far, whichever way it ended.
    pub(crate) attempts: i64,
    /// Tries after the first, since it was queued.
    pub(crate) retries: i64,
    /// How many later receipts go before it.
    pub(crate) held_for: i64,
    /// RFC 3339, in the world's time; nothing where it is not tried again.
    pub(crate) next_try_at: Option<String>,
    /// The creditor's word, where it is NOTIFIED.
    pub(crate) outcome: Option<String>,
    pub(crate) fault_code: Option<String>,
    pub(crate) last_error: Option<String>,
    pub(crate) created_at: Option<String>,
    pub(crate) updated_at: Option<String>,
    #[serde(skip)]
    pub(crate) message: String,
    #[serde(skip)]
    pub(super) next_try_ms: Option<i64>,
}

impl Delivery {
    pub(crate) fn operation(&self) -> Operation {
        match self.version {
            Version::V1 => Operation::SendRt,
            Version::V2 => Operation::SendRtV2,
        }
    }
}

/// What a list is narrowed to; empty texts match all.
#[derive(Debug, Clone, Default)]
pub(super) struct Filter {
    pub(super) state: String,
    pub(super) notice_number: String,
    pub(super) receipt_id: String,
    pub(super) recipient: String,
}

/// Puts receipts into the queue, inside the transaction that keeps their payment. The first try is
/// taken to be under way: the next one is due in an hour.
pub(crate) async fn insert(
    transaction: &mut SqliteConnection,
    owed: &[NewDelivery],
    now: Timestamp,
) -> Result<Vec<Delivery>, sqlx::Error> {
    let mut inserted = Vec::with_capacity(owed.len());
    for new in owed {
        let row = sqlx::query(INSERT)
            .bind(&new.creditor)
            .bind(&new.recipient)
            .bind(&new.receipt_id)
            .bind(&new.notice_number)
            .bind(version_name(new.version))
            .bind(&new.message)
            .bind(now.as_millisecond().saturating_add(PAUSE_MS))
            .bind(now.as_millisecond())
            .fetch_one(&mut *transaction)
            .await?;
        inserted.push(delivery(&row)?);
    }
    Ok(inserted)
}

impl Database {
    /// One receipt of the queue.
    pub(crate) async fn delivery(&self, id: i64) -> Result<Option<Delivery>, sqlx::Error> {
        let row = sqlx::query(FIND).bind(id);
        let row = row.fetch_optional(&self.readers).await?;
        row.as_ref().map(delivery).transpose()
    }

    /// Receipts of the queue, newest first.
    pub(super) async fn deliveries(
        &self,
        filter: &Filter,
        limit: i64,
    ) -> Result<Vec<Delivery>, sqlx::Error> {
        let list = sqlx::query(LIST)
            .bind(&filter.state)
            .bind(&filter.notice_number)
            .bind(&filter.receipt_id)
            .bind(&filter.recipient)
            .bind(limit);
        let rows = list.fetch_all(&self.readers).await?;
        rows.iter().map(delivery).collect()
    }

    /// How many receipts are in each state.
    pub(super) async fn delivery_counts(&self) -> Result<Vec<(String, i64)>, sqlx::Error> {
        let rows = sqlx::query(COUNT).fetch_all(&self.readers).await?;
        let count = |row: &SqliteRow| Ok((row.try_get("state")?, row.try_get("count")?));
        rows.iter().map(count).collect()
    }

    /// What must be tried now, the longest overdue first.
    pub(super) async fn due(&self, now: Timestamp) -> Result<Vec<Delivery>, sqlx::Error> {
        let rows = sqlx::query(DUE).bind(now.as_millisecond());
        let rows = rows.fetch_all(&self.writer).await?;
        rows.iter().map(delivery).collect()
    }

    /// When the next try is due, in milliseconds of the epoch.
    pub(super) async fn next_due_ms(&self) -> Result<Option<i64>, sqlx::Error> {
        let row = sqlx::query(NEXT).fetch_one(&self.writer).await?;
        row.try_get("next")
    }

    /// Takes a receipt for a try, unless somebody else took it. A receipt that was held back has its
    /// first try still to come.
    pub(super) async fn claim(
        &self,
        owed: &Delivery,
        now: Timestamp,
    ) -> Result<Option<Delivery>, sqlx::Error> {
        let now = now.as_millisecond();
        let row = sqlx::query(CLAIM)
            .bind(owed.id)
            .bind(owed.next_try_ms)
            .bind(now.saturating_add(PAUSE_MS))
            .bind(i64::from(owed.attempts > 0))
            .bind(now);
        let row = row.fetch_optional(&self.writer).await?;
        row.as_ref().map(delivery).transpose()
    }

    /// The creditor has it.
    pub(super) async fn notified(
        &self,
        id: i64,
        outcome: &str,
        fault_code: Option<&str>,
        now: Timestamp,
    ) -> Result<(), sqlx::Error> {
        let update = sqlx::query(NOTIFY)
            .bind(id)
            .bind(outcome)
            .bind(fault_code)
            .bind(now.as_millisecond());
        update.execute(&self.writer).await?;
        Ok(())
    }

    /// The try failed: it waits for its next one, or for somebody where this was the last.
    pub(super) async fn failed(
        &self,
        id: i64,
        error: &str,
        now: Timestamp,
    ) -> Result<(), sqlx::Error> {
        let update = sqlx::query(FAIL)
            .bind(id)
            .bind(error)
            .bind(RETRIES_MAX)
            .bind(now.as_millisecond());
        update.execute(&self.writer).await?;
        Ok(())
    }

    /// Keeps a receipt back until so many later ones have been sent, or its hour has come.
    pub(super) async fn hold(&self, id: i64, for_: u32, now: Timestamp) -> Result<(), sqlx::Error> {
        let update = sqlx::query(HOLD)
            .bind(id)
            .bind(for_)
            .bind(now.as_millisecond());
        update.execute(&self.writer).await?;
        Ok(())
    }

    /// A receipt was sent: the earlier ones that wait for it come nearer. Those whose turn it is come
    /// back.
    pub(super) async fn passed(
        &self,
        id: i64,
        now: Timestamp,
    ) -> Result<Vec<Delivery>, sqlx::Error> {
        let rows = sqlx::query(PASS).bind(id).bind(now.as_millisecond());
        let rows = rows.fetch_all(&self.writer).await?;
        let mut nearer = rows.iter().map(delivery).collect::<Result<Vec<_>, _>>()?;
        nearer.retain(|owed| owed.held_for == 0);
        Ok(nearer)
    }

    /// Lets a receipt be tried at once, with all its retries before it; false where it is NOTIFIED.
    pub(super) async fn requeued(&self, id: i64, now: Timestamp) -> Result<bool, sqlx::Error> {
        let update = sqlx::query(REQUEUE).bind(id).bind(now.as_millisecond());
        Ok(update.execute(&self.writer).await?.rows_affected() == 1)
    }
}

const fn version_name(version: Version) -> &'static str {
    match version {
        Version::V1 => "V1",
        Version::V2 => "V2",
    }
}

fn delivery(row: &SqliteRow) -> Result<Delivery, sqlx::Error> {
    let instant = |ms: Option<i64>| {
        let at = ms.and_then(|ms| Timestamp::from_millisecond(ms).ok());
        at.map(|at| at.to_string())
    };
    let version: &str = row.try_get("version")?;
    let next_try_ms = row.try_get("next_try_ms")?;
    Ok(Delivery {
        id: row.try_get("id")?,
        state: row.try_get("state")?,
        creditor: row.try_get("creditor")?,
        recipient: row.try_get("recipient")?,
        receipt_id: row.try_get("receipt_id")?,
        notice_number: row.try_get("notice_number")?,
        version: match version {
            "V1" => Version::V1,
            _ => Version::V2,
        },
        attempts: row.try_get("attempts")?,
        retries: row.try_get("retries")?,
        held_for: row.try_get("held_for")?,
        next_try_at: instant(next_try_ms),
        outcome: row.try_get("outcome")?,
        fault_code: row.try_get("fault_code")?,
        last_error: row.try_get("last_error")?,
        created_at: instant(row.try_get("created_ms")?),
        updated_at: instant(row.try_get("updated_ms")?),
        message: row.try_get("message")?,
        next_try_ms,
    })
}
