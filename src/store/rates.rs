//! How fast a service of pagoPA may be called: when its next call is free, and until when it is
//! left alone. In the store, so that a restart does not begin to count anew.

use super::statement::statements;
use super::{Columns, Conn, StoreError};
use crate::domain::day::Instant;

statements! {
    READ = "SELECT free_at, held_until, held_for FROM call_rates WHERE service = $1";

    BEGIN_WITH = "INSERT INTO call_rates (service, free_at) VALUES ($1, $2) \
        ON CONFLICT (service) DO NOTHING RETURNING service";

    ADVANCE = "UPDATE call_rates SET free_at = $3 WHERE service = $1 AND free_at = $2 \
        RETURNING service";

    /// Of several answers that come together the one that asks for the longest pause stays.
    HOLD = "UPDATE call_rates SET held_until = $2, held_for = $3 WHERE service = $1 \
        AND (held_until IS NULL OR held_until < $2 OR held_until >= $4) RETURNING service";
}

/// How far the calls of a service have come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pace {
    /// When every call that was allowed so far has had its share of time.
    pub free_at: Instant,
    /// Not called before this instant.
    pub held_until: Option<Instant>,
    /// Why not.
    pub held_for: Option<String>,
}

/// How far a service's calls have come; nothing when it was never called.
///
/// # Errors
/// The database failed.
pub async fn read(conn: &mut Conn, service: &str) -> Result<Option<Pace>, StoreError> {
    let row = sqlx::query(READ).bind(service).fetch_optional(conn).await?;
    row.map(|row| {
        let columns = Columns {
            table: "call_rates",
            row: &row,
        };
        Ok(Pace {
            free_at: columns.instant("free_at")?,
            held_until: columns.optional("held_until", Instant::parse)?,
            held_for: columns.optional_text("held_for")?,
        })
    })
    .transpose()
}

/// Moves a service on from what was read.
///
/// # Errors
/// [`StoreError::Contended`] when another process has moved it meanwhile; the transaction must then
/// be undone.
pub async fn advance(
    conn: &mut Conn,
    service: &str,
    from: Option<Instant>,
    to: Instant,
) -> Result<(), StoreError> {
    let query = match from {
        Some(from) => sqlx::query(ADVANCE).bind(service).bind(from.to_string()),
        None => sqlx::query(BEGIN_WITH).bind(service),
    };
    match query.bind(to.to_string()).fetch_optional(conn).await? {
        Some(_) => Ok(()),
        None => Err(StoreError::Contended),
    }
}

/// Leaves a service alone until an instant, and says why. Nothing changes when it is left
/// alone until a later one already, unless that is not before `absurd`.
///
/// # Errors
/// The database failed.
pub async fn hold(
    conn: &mut Conn,
    service: &str,
    until: Instant,
    absurd: Instant,
    why: &str,
) -> Result<(), StoreError> {
    sqlx::query(HOLD)
        .bind(service)
        .bind(until.to_string())
        .bind(why)
        .bind(absurd.to_string())
        .execute(conn)
        .await?;
    Ok(())
}
