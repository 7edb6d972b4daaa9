//! The outbox to the meal ledger.

use sqlx::Row;

use super::sheet::{Rows, sheets};
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

    /// Counted up to a bound: whoever asks wants to know whether much is owed, not how much.
    OWED = "SELECT COUNT(*) AS owed FROM (SELECT id FROM ledger_entries WHERE state = 'owed' \
        LIMIT 1001) AS first_ones";

    /// The same with the age of the oldest among those that are due first.
    OUTBOX = "SELECT COUNT(*) AS owed, MIN(created_at) AS since FROM (SELECT created_at \
        FROM ledger_entries WHERE state = 'owed' ORDER BY next_attempt_at LIMIT 1001) \
        AS first_ones";
}

sheets! {
    INSERT = ("INSERT INTO ledger_entries (id, payment, creditor, child, service, kind, \
        amount_cents, channel, reference, notice_number, paid_at, payer_fiscal_code, state, \
        attempts, next_attempt_at, created_at)",
        "?, ?, ?, ?, ?, ?, CAST(? AS BIGINT), ?, ?, ?, ?, ?, 'owed', 0, ?, ?", "");
}

bulks! {
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

    /// The rest of the account waits with its first entry, so that it is not looked at again and
    /// again meanwhile.
    HOLD = ("WITH held (creditor, child, until) AS (VALUES",
        "(CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT))",
        ") UPDATE ledger_entries SET next_attempt_at = held.until FROM held \
            WHERE ledger_entries.creditor = held.creditor AND ledger_entries.child = held.child \
            AND ledger_entries.state = 'owed' AND ledger_entries.next_attempt_at < held.until \
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

/// The account of a child at a creditor.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Account {
    /// The creditor.
    pub creditor: CreditorCode,
    /// The child's code.
    pub child: String,
}

/// What is due.
#[derive(Debug, Default)]
pub struct Due {
    /// Entries to deliver, oldest first.
    pub entries: Vec<Owed>,
    /// Rows that cannot be turned into an entry any more.
    pub unreadable: Vec<Unreadable>,
    /// Whether there may be more.
    pub is_full: bool,
}

/// A row that cannot be turned into an entry.
#[derive(Debug)]
pub struct Unreadable {
    /// Which.
    pub id: EntryId,
    /// Whose, when that can be read.
    pub creditor: Option<CreditorCode>,
    /// What is wrong with it.
    pub error: StoreError,
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
        /// Whose account waits with it.
        account: Account,
        /// Not before this instant again.
        next_attempt_at: Instant,
        /// What went wrong.
        error: String,
    },
}

/// The rows of entries that are owed from `now` on, for [`INSERT`].
pub(super) fn rows(entries: &[LedgerEntry], now: Instant) -> Rows {
    let now = now.to_string();
    Rows::of(entries, |row, entry| {
        row.bind(entry.id.as_str())
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
            .bind(entry.payer.as_ref().map(FiscalCode::as_str))
            .bind(now.as_str())
            .bind(now.as_str());
    })
}

/// What is to be delivered now, at most `limit` entries. A row that cannot be read is given apart,
/// so that it does not keep all others from the ledger.
///
/// # Errors
/// The database failed.
pub async fn due(conn: &mut Conn, now: Instant, limit: i64) -> Result<Due, StoreError> {
    let rows = sqlx::query(DUE)
        .bind(now.to_string())
        .bind(limit)
        .fetch_all(conn)
        .await?;
    let mut due = Due {
        is_full: i64::try_from(rows.len()).is_ok_and(|count| count == limit),
        ..Due::default()
    };
    for row in &rows {
        let columns = Columns {
            table: "ledger_entries",
            row,
        };
        match owed_entry(&columns) {
            Ok(owed) => due.entries.push(owed),
            Err(error) => due.unreadable.push(Unreadable {
                id: EntryId::new(columns.text("id")?),
                creditor: columns.parsed("creditor", CreditorCode::parse).ok(),
                error,
            }),
        }
    }
    Ok(due)
}

fn owed_entry(columns: &Columns<'_>) -> Result<Owed, StoreError> {
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
            payer: columns.optional("payer_fiscal_code", FiscalCode::parse)?,
        },
    })
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

/// How many entries are owed; 1001 when there are more than a thousand.
///
/// # Errors
/// The database failed.
pub async fn owed(conn: &mut Conn) -> Result<i64, StoreError> {
    Ok(sqlx::query(OWED).fetch_one(conn).await?.try_get("owed")?)
}

/// The same, and since when the oldest of them is owed.
///
/// # Errors
/// The database failed.
pub async fn outbox(conn: &mut Conn) -> Result<(i64, Option<Instant>), StoreError> {
    let row = sqlx::query(OUTBOX).fetch_one(conn).await?;
    let columns = Columns {
        table: "ledger_entries",
        row: &row,
    };
    let since = columns.optional("since", Instant::parse)?;
    Ok((row.try_get("owed")?, since))
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
                account,
                next_attempt_at,
                error,
            } => failed.push((id, account, *next_attempt_at, error)),
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
        for (id, _, next_attempt_at, error) in rows {
            query = query
                .bind(id.as_str())
                .bind(next_attempt_at.to_string())
                .bind(error.as_str());
        }
        query.fetch_all(&mut *conn).await?;
    }
    for (sql, rows) in HOLD.pieces(&failed) {
        let mut query = sqlx::query(sql);
        for (_, account, until, _) in rows {
            query = query
                .bind(account.creditor.as_str())
                .bind(account.child.as_str())
                .bind(until.to_string());
        }
        query.fetch_all(&mut *conn).await?;
    }
    Ok(())
}
