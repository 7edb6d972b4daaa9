//! The outbox to the meal ledger.

use sqlx::Row;

use super::statement::{bulks, statements};
use super::{Columns, Conn, StoreError};
use crate::domain::day::Instant;
use crate::domain::ids::{EntryId, PaymentId};
use crate::domain::notice::NoticeNumber;
use crate::domain::party::{CreditorCode, FiscalCode};
use crate::domain::payment::{Channel, EntryKind, LedgerEntry};

statements! {
    /// Owed and due, oldest first, and none that an earlier entry of the same account waits before:
    /// within an account the order is kept.
    DUE = "SELECT e.id, e.payment, e.creditor, e.child, e.service, e.kind, e.amount_cents, \
        e.channel, e.reference, e.notice_number, e.paid_at, e.payer_fiscal_code, e.attempts \
        FROM ledger_entries e WHERE e.state = 'owed' AND e.next_attempt_at <= $1 \
        AND NOT EXISTS (SELECT 1 FROM ledger_entries b WHERE b.creditor = e.creditor \
        AND b.child = e.child AND b.state = 'owed' AND b.id < e.id AND b.next_attempt_at > $1) \
        ORDER BY e.next_attempt_at, e.id LIMIT $2";

    NEXT_DUE = "SELECT next_attempt_at FROM ledger_entries WHERE state = 'owed' \
        ORDER BY next_attempt_at LIMIT 1";

    OWED = "SELECT COUNT(*) AS owed FROM ledger_entries WHERE state = 'owed'";
}

bulks! {
    INSERT = ("INSERT INTO ledger_entries (id, payment, creditor, child, service, kind, \
        amount_cents, channel, reference, notice_number, paid_at, payer_fiscal_code, state, \
        attempts, next_attempt_at, created_at) VALUES",
        "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'owed', 0, ?, ?)", "");

    CLOSE = ("WITH done (id, state, at, error) AS (VALUES",
        "(CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT))",
        ") UPDATE ledger_entries SET state = done.state, closed_at = done.at, \
            last_error = done.error, attempts = ledger_entries.attempts + 1 FROM done \
            WHERE ledger_entries.id = done.id AND ledger_entries.state = 'owed' \
            RETURNING ledger_entries.id");

    POSTPONE = ("WITH failed (id, next_attempt_at, error) AS (VALUES",
        "(CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT))",
        ") UPDATE ledger_entries SET next_attempt_at = failed.next_attempt_at, \
            last_error = failed.error, attempts = ledger_entries.attempts + 1 FROM failed \
            WHERE ledger_entries.id = failed.id AND ledger_entries.state = 'owed' \
            RETURNING ledger_entries.id");
}

/// An entry that is owed, with the number of tries so far.
#[derive(Debug, Clone)]
pub struct Owed {
    /// The entry.
    pub entry: LedgerEntry,
    /// Tries so far.
    pub attempts: i64,
}

/// How an entry left the outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closing {
    /// The ledger has it.
    Delivered,
    /// The ledger has another one under its id.
    Conflict,
    /// The ledger does not want it.
    Refused,
}

impl Closing {
    fn as_str(self) -> &'static str {
        match self {
            Closing::Delivered => "delivered",
            Closing::Conflict => "conflict",
            Closing::Refused => "refused",
        }
    }
}

/// What became of one try.
#[derive(Debug, Clone)]
pub enum Attempt {
    /// It left the outbox.
    Closed {
        /// Which entry.
        id: EntryId,
        /// How.
        closing: Closing,
        /// What the ledger said, when it was not taken.
        error: Option<String>,
    },
    /// It stays owed.
    Failed {
        /// Which entry.
        id: EntryId,
        /// Not before this instant again.
        next_attempt_at: Instant,
        /// What went wrong.
        error: String,
    },
}

/// Writes down entries that are owed from `now` on.
///
/// # Errors
/// The database failed.
pub async fn insert(
    conn: &mut Conn,
    entries: &[LedgerEntry],
    now: Instant,
) -> Result<(), StoreError> {
    let now = now.to_string();
    for (sql, rows) in INSERT.pieces(entries) {
        let mut query = sqlx::query(sql);
        for entry in rows {
            query = query
                .bind(entry.id.as_str())
                .bind(entry.payment.as_str())
                .bind(entry.creditor.as_str())
                .bind(entry.child.as_str())
                .bind(entry.service.as_str())
                .bind(entry.kind.as_str())
                .bind(entry.amount.get())
                .bind(entry.channel.as_str())
                .bind(entry.reference.as_str())
                .bind(entry.notice.as_str())
                .bind(entry.paid_at.to_string())
                .bind(entry.payer.as_str())
                .bind(now.as_str())
                .bind(now.as_str());
        }
        query.execute(&mut *conn).await?;
    }
    Ok(())
}

/// Entries to deliver now, oldest first, at most `limit`.
///
/// # Errors
/// The database failed.
pub async fn due(conn: &mut Conn, now: Instant, limit: i64) -> Result<Vec<Owed>, StoreError> {
    let rows = sqlx::query(DUE)
        .bind(now.to_string())
        .bind(limit)
        .fetch_all(conn)
        .await?;
    rows.iter()
        .map(|row| {
            let columns = Columns {
                table: "ledger_entries",
                row,
            };
            Ok(Owed {
                attempts: columns.integer("attempts")?,
                entry: LedgerEntry {
                    id: EntryId::new(columns.text("id")?),
                    payment: PaymentId::new(columns.text("payment")?),
                    creditor: columns.parsed("creditor", CreditorCode::parse)?,
                    child: columns.text("child")?,
                    service: columns.text("service")?,
                    kind: columns.parsed("kind", |text| match text {
                        "credit" => Ok(EntryKind::Credit),
                        _ => Err(()),
                    })?,
                    amount: columns.cents("amount_cents")?,
                    channel: columns.parsed("channel", |text| Channel::parse(text).ok_or(()))?,
                    reference: columns.text("reference")?,
                    notice: columns.parsed("notice_number", NoticeNumber::parse)?,
                    paid_at: columns.instant("paid_at")?,
                    payer: columns.parsed("payer_fiscal_code", FiscalCode::parse)?,
                },
            })
        })
        .collect()
}

/// When the next owed entry is due, if anything is owed at all.
///
/// # Errors
/// The database failed.
pub async fn next_due(conn: &mut Conn) -> Result<Option<Instant>, StoreError> {
    let row = sqlx::query(NEXT_DUE).fetch_optional(conn).await?;
    row.map(|row| {
        Columns {
            table: "ledger_entries",
            row: &row,
        }
        .instant("next_attempt_at")
    })
    .transpose()
}

/// How many entries are owed.
///
/// # Errors
/// The database failed.
pub async fn owed(conn: &mut Conn) -> Result<i64, StoreError> {
    Ok(sqlx::query(OWED).fetch_one(conn).await?.try_get("owed")?)
}

/// Writes down what became of tries. An entry that is not owed any more is left as it is.
///
/// # Errors
/// The database failed.
pub async fn record(conn: &mut Conn, attempts: &[Attempt], now: Instant) -> Result<(), StoreError> {
    let now = now.to_string();
    let mut closed = vec![];
    let mut failed = vec![];
    for attempt in attempts {
        match attempt {
            Attempt::Closed { id, closing, error } => closed.push((id, *closing, error)),
            Attempt::Failed {
                id,
                next_attempt_at,
                error,
            } => failed.push((id, *next_attempt_at, error)),
        }
    }
    for (sql, rows) in CLOSE.pieces(&closed) {
        let mut query = sqlx::query(sql);
        for (id, closing, error) in rows {
            query = query
                .bind(id.as_str())
                .bind(closing.as_str())
                .bind(now.as_str())
                .bind(error.as_deref());
        }
        query.fetch_all(&mut *conn).await?;
    }
    for (sql, rows) in POSTPONE.pieces(&failed) {
        let mut query = sqlx::query(sql);
        for (id, next_attempt_at, error) in rows {
            query = query
                .bind(id.as_str())
                .bind(next_attempt_at.to_string())
                .bind(error.as_str());
        }
        query.fetch_all(&mut *conn).await?;
    }
    Ok(())
}
