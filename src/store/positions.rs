//! The outbox to pagoPA's archive of notices: one row for each notice, and the last state wins.

use std::collections::HashMap;

use sqlx::Row;

use super::statement::{bulks, statements};
use super::{Columns, Conn, StoreError, debts};
use crate::domain::day::Instant;
use crate::domain::debt::Debt;
use crate::domain::ids::DebtId;

statements! {
    DUE = "SELECT debt, revision, attempts, offered_at, taken FROM aca_positions \
        WHERE state = 'owed' AND next_attempt_at <= $1 ORDER BY next_attempt_at, debt LIMIT $2";

    NEXT_DUE = "SELECT next_attempt_at FROM aca_positions WHERE state = 'owed' \
        ORDER BY next_attempt_at LIMIT 1";

    /// Counted up to a bound: whoever asks wants to know whether much is owed, not how much.
    OWED = "SELECT COUNT(*) AS owed FROM (SELECT debt FROM aca_positions WHERE state = 'owed' \
        LIMIT 1001) AS first_ones";

    READ = "SELECT revision, state, attempts, next_attempt_at, last_error FROM aca_positions \
        WHERE debt = $1";
}

bulks! {
    MARK = ("INSERT INTO aca_positions (debt, revision, state, attempts, next_attempt_at, taken) \
        VALUES", "(?, 1, 'owed', 0, ?, '')",
        "ON CONFLICT (debt) DO UPDATE SET revision = aca_positions.revision + 1, state = 'owed', \
        attempts = 0, next_attempt_at = excluded.next_attempt_at, last_error = NULL");

    /// What the archive holds is not known from here until an answer is written down.
    OFFER = ("WITH sent (debt, at) AS (VALUES", "(CAST(? AS TEXT), CAST(? AS TEXT))",
        ") UPDATE aca_positions SET taken = '', \
            offered_at = COALESCE(aca_positions.offered_at, sent.at) FROM sent \
            WHERE aca_positions.debt = sent.debt RETURNING aca_positions.debt");

    CLOSE = ("WITH sent (debt, revision, state, at, taken, error) AS (VALUES",
        "(CAST(? AS TEXT), CAST(? AS BIGINT), CAST(? AS TEXT), CAST(? AS TEXT), \
        CAST(? AS TEXT), CAST(? AS TEXT))",
        ") UPDATE aca_positions SET state = sent.state, done_at = sent.at, taken = sent.taken, \
            last_error = sent.error, attempts = aca_positions.attempts + 1 FROM sent \
            WHERE aca_positions.debt = sent.debt AND aca_positions.revision = sent.revision \
            AND aca_positions.state = 'owed' RETURNING aca_positions.debt");

    POSTPONE = ("WITH failed (debt, revision, until, tries, error) AS (VALUES",
        "(CAST(? AS TEXT), CAST(? AS BIGINT), CAST(? AS TEXT), CAST(? AS BIGINT), \
        CAST(? AS TEXT))",
        ") UPDATE aca_positions SET next_attempt_at = failed.until, last_error = failed.error, \
            attempts = aca_positions.attempts + failed.tries FROM failed \
            WHERE aca_positions.debt = failed.debt AND aca_positions.revision = failed.revision \
            AND aca_positions.state = 'owed' RETURNING aca_positions.debt");
}

/// A notice that the archive may not know as it is now.
#[derive(Debug, Clone)]
pub struct Position {
    /// The debt, read fresh.
    pub debt: Debt,
    /// Which change of it this is.
    pub revision: i64,
    /// Tries so far for this change.
    pub attempts: i64,
    /// Whether the archive was ever told of it.
    pub is_offered: bool,
    /// SHA-256 of what the archive has taken last; empty while that is not known.
    pub taken: String,
}

/// What is to be told.
#[derive(Debug, Default)]
pub struct Due {
    /// Notices, oldest first.
    pub positions: Vec<Position>,
    /// Debts that cannot be read any more, each with its revision.
    pub unreadable: Vec<(DebtId, i64)>,
}

/// What became of one position; it counts only for the revision it was decided for.
#[derive(Debug, Clone)]
pub struct Step {
    /// Whose notice.
    pub debt: DebtId,
    /// Which change of it.
    pub revision: i64,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of one position.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// The archive need not hear more of it.
    Done {
        /// SHA-256 of what it has taken; empty when that is not known.
        taken: String,
        /// Something worth remembering.
        note: Option<String>,
    },
    /// The archive does not want it; parked until the debt changes again.
    Refused {
        /// What it said.
        error: String,
    },
    /// A try failed; not before this instant again.
    Failed {
        /// When again.
        until: Instant,
        /// What went wrong.
        error: String,
    },
    /// Nothing was tried: its time has not come.
    NotYet {
        /// When it will.
        until: Instant,
        /// What it waits for.
        why: String,
    },
}

/// Where a notice stands in the outbox; for whoever looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Which change of it.
    pub revision: i64,
    /// `owed`, `done` or `refused`.
    pub state: String,
    /// Tries so far for this change.
    pub attempts: i64,
    /// Not before this instant.
    pub next_attempt_at: Instant,
    /// What went wrong, or was worth remembering.
    pub last_error: Option<String>,
}

/// Says that a debt was created or changed: the archive must hear of it. Called in the transaction
/// of the change.
///
/// # Errors
/// The database failed.
pub async fn mark(conn: &mut Conn, debt: &DebtId, now: Instant) -> Result<(), StoreError> {
    mark_all(conn, std::slice::from_ref(debt), now).await
}

/// The same for many debts, each given once.
///
/// # Errors
/// The database failed.
pub async fn mark_all(conn: &mut Conn, debts: &[DebtId], now: Instant) -> Result<(), StoreError> {
    let now = now.to_string();
    for (sql, rows) in MARK.pieces(debts) {
        let mut query = sqlx::query(sql);
        for debt in rows {
            query = query.bind(debt.as_str()).bind(now.as_str());
        }
        query.execute(&mut *conn).await?;
    }
    Ok(())
}

/// What is to be told now, oldest first, at most `limit`.
///
/// # Errors
/// The database failed.
pub async fn due(conn: &mut Conn, now: Instant, limit: i64) -> Result<Due, StoreError> {
    let rows = sqlx::query(DUE)
        .bind(now.to_string())
        .bind(limit)
        .fetch_all(&mut *conn)
        .await?;
    let ids: Vec<DebtId> = rows
        .iter()
        .map(|row| row.try_get::<String, _>("debt").map(DebtId::new))
        .collect::<Result<_, _>>()?;
    let mut known: HashMap<DebtId, Debt> = debts::by_ids(conn, &ids)
        .await?
        .into_iter()
        .map(|debt| (debt.id.clone(), debt))
        .collect();
    let mut due = Due::default();
    for (row, id) in rows.iter().zip(&ids) {
        let columns = Columns {
            table: "aca_positions",
            row,
        };
        let revision = columns.integer("revision")?;
        let Some(debt) = known.remove(id) else {
            due.unreadable.push((id.clone(), revision));
            continue;
        };
        due.positions.push(Position {
            debt,
            revision,
            attempts: columns.integer("attempts")?,
            is_offered: columns.optional_text("offered_at")?.is_some(),
            taken: columns.text("taken")?,
        });
    }
    Ok(due)
}

/// When the next position is due, if anything is owed at all.
///
/// # Errors
/// The database failed.
pub async fn next_due(conn: &mut Conn) -> Result<Option<Instant>, StoreError> {
    let row = sqlx::query(NEXT_DUE).fetch_optional(conn).await?;
    row.map(|row| {
        Columns {
            table: "aca_positions",
            row: &row,
        }
        .instant("next_attempt_at")
    })
    .transpose()
}

/// How many positions are owed; 1001 when there are more than a thousand.
///
/// # Errors
/// The database failed.
pub async fn owed(conn: &mut Conn) -> Result<i64, StoreError> {
    Ok(sqlx::query(OWED).fetch_one(conn).await?.try_get("owed")?)
}

/// Where a notice stands.
///
/// # Errors
/// The database failed.
pub async fn standing(conn: &mut Conn, debt: &DebtId) -> Result<Option<Standing>, StoreError> {
    let row = sqlx::query(READ)
        .bind(debt.as_str())
        .fetch_optional(conn)
        .await?;
    row.map(|row| {
        let columns = Columns {
            table: "aca_positions",
            row: &row,
        };
        Ok(Standing {
            revision: columns.integer("revision")?,
            state: columns.text("state")?,
            attempts: columns.integer("attempts")?,
            next_attempt_at: columns.instant("next_attempt_at")?,
            last_error: columns.optional_text("last_error")?,
        })
    })
    .transpose()
}

/// Writes down that these are about to be sent: should we stop before the answer, the archive may
/// have them all the same.
///
/// # Errors
/// The database failed.
pub async fn offer(conn: &mut Conn, debts: &[DebtId], now: Instant) -> Result<(), StoreError> {
    let now = now.to_string();
    for (sql, rows) in OFFER.pieces(debts) {
        let mut query = sqlx::query(sql);
        for debt in rows {
            query = query.bind(debt.as_str()).bind(now.as_str());
        }
        query.fetch_all(&mut *conn).await?;
    }
    Ok(())
}

/// Writes down what became of positions. One that has changed meanwhile is left as it is: it is
/// owed anew.
///
/// # Errors
/// The database failed.
pub async fn record(conn: &mut Conn, steps: &[Step], now: Instant) -> Result<(), StoreError> {
    let now = now.to_string();
    let mut closed = vec![];
    let mut postponed = vec![];
    for step in steps {
        match &step.outcome {
            Outcome::Done { taken, note } => {
                closed.push((step, "done", taken.as_str(), note.as_deref()));
            }
            Outcome::Refused { error } => closed.push((step, "refused", "", Some(error))),
            Outcome::Failed { until, error } => postponed.push((step, *until, 1_i64, error)),
            Outcome::NotYet { until, why } => postponed.push((step, *until, 0, why)),
        }
    }
    for (sql, rows) in CLOSE.pieces(&closed) {
        let mut query = sqlx::query(sql);
        for (step, state, taken, error) in rows {
            query = query
                .bind(step.debt.as_str())
                .bind(step.revision)
                .bind(*state)
                .bind(now.as_str())
                .bind(*taken)
                .bind(*error);
        }
        query.fetch_all(&mut *conn).await?;
    }
    for (sql, rows) in POSTPONE.pieces(&postponed) {
        let mut query = sqlx::query(sql);
        for (step, until, tries, error) in rows {
            query = query
                .bind(step.debt.as_str())
                .bind(step.revision)
                .bind(until.to_string())
                .bind(*tries)
                .bind(error.as_str());
        }
        query.fetch_all(&mut *conn).await?;
    }
    Ok(())
}
