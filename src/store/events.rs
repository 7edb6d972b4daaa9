//! Events: what has happened, in an order in which nothing can be missed.
//!
//! Ids are made before a commit, and transactions that run side by side end in any order: whoever
//! read by id could pass an event that is committed later. So events are written down without a place
//! (`events_new`), and get one afterwards, under a lock that is held until its own commit
//! ([`number`]). Receipts wait for nobody by this: for them it is one more sheet of rows.

use sqlx::Row as _;

use super::sheet::{Bundle, Rows, sheets};
use super::statement::statements;
use super::{Columns, Conn, StoreError};
use crate::domain::event::{Event, EventKind};
use crate::domain::ids::EventId;
use crate::domain::party::CreditorCode;

statements! {
    /// Whether anything waits for its place.
    FRESH = "SELECT id FROM events_new LIMIT 1";

    /// Whoever holds this row gives places; the next one waits for his commit, and sees it.
    LOCK = "UPDATE event_sequence SET last = last WHERE name = 'events' RETURNING last";

    PLACE = "INSERT INTO events (position, id, creditor, type, created_at, data) \
        SELECT CAST($1 AS BIGINT) + ROW_NUMBER() OVER (ORDER BY id), id, creditor, type, \
        created_at, data FROM events_new ORDER BY id LIMIT $2 \
        RETURNING position, id, creditor, type";

    CLEAR = "DELETE FROM events_new WHERE id IN (SELECT id FROM events WHERE position > $1)";

    ADVANCE = "UPDATE event_sequence SET last = $1 WHERE name = 'events'";

    POSITION = "SELECT position FROM events WHERE creditor = $1 AND id = $2";

    LIST = "SELECT id, creditor, type, created_at, data FROM events \
        WHERE creditor = $1 AND position > $2 ORDER BY position LIMIT $3";
}

sheets! {
    INSERT = ("INSERT INTO events_new (id, creditor, type, created_at, data)",
        "?, ?, ?, ?, ?", "");
}

/// An event that was given its place.
#[derive(Debug, Clone)]
pub struct Placed {
    /// Its place.
    pub position: i64,
    /// Whose.
    pub creditor: CreditorCode,
    /// What.
    pub kind: EventKind,
}

/// Writes events down, in the transaction of what happened.
///
/// # Errors
/// The database failed.
pub async fn insert(conn: &mut Conn, events: &[Event]) -> Result<(), StoreError> {
    Bundle::of(&INSERT, rows(events)).run(conn).await?;
    Ok(())
}

/// The rows of events, for [`INSERT`].
pub(super) fn rows(events: &[Event]) -> Rows {
    Rows::of(events, |row, event| {
        row.bind(event.id.as_str())
            .bind(event.creditor.as_str())
            .bind(event.kind.as_str())
            .bind(event.created_at.to_string())
            .bind(event.data.as_str());
    })
}

/// Whether events wait for their place.
///
/// # Errors
/// The database failed.
pub async fn is_waiting(conn: &mut Conn) -> Result<bool, StoreError> {
    Ok(sqlx::query(FRESH).fetch_optional(conn).await?.is_some())
}

/// Gives events their place, at most `limit`; those that have got one. Until the caller's commit
/// nobody else can.
///
/// # Errors
/// The database failed.
pub async fn number(conn: &mut Conn, limit: i64) -> Result<Vec<Placed>, StoreError> {
    let last: i64 = sqlx::query(LOCK)
        .fetch_one(&mut *conn)
        .await?
        .try_get("last")?;
    let rows = sqlx::query(PLACE)
        .bind(last)
        .bind(limit)
        .fetch_all(&mut *conn)
        .await?;
    let mut placed = vec![];
    for row in &rows {
        let columns = Columns {
            table: "events",
            row,
        };
        placed.push(Placed {
            position: columns.integer("position")?,
            creditor: columns.parsed("creditor", CreditorCode::parse)?,
            kind: columns.parsed("type", |text| EventKind::parse(text).ok_or(()))?,
        });
    }
    if let Some(highest) = placed.iter().map(|placed| placed.position).max() {
        sqlx::query(CLEAR).bind(last).execute(&mut *conn).await?;
        sqlx::query(ADVANCE).bind(highest).execute(conn).await?;
    }
    Ok(placed)
}

/// The place of a creditor's event.
///
/// # Errors
/// The database failed.
pub async fn position(
    conn: &mut Conn,
    creditor: &CreditorCode,
    id: &EventId,
) -> Result<Option<i64>, StoreError> {
    let row = sqlx::query(POSITION)
        .bind(creditor.as_str())
        .bind(id.as_str())
        .fetch_optional(conn)
        .await?;
    Ok(row.map(|row| row.try_get("position")).transpose()?)
}

/// A creditor's events after a place, in their order.
///
/// # Errors
/// The database failed.
pub async fn after(
    conn: &mut Conn,
    creditor: &CreditorCode,
    position: i64,
    limit: i64,
) -> Result<Vec<Event>, StoreError> {
    let rows = sqlx::query(LIST)
        .bind(creditor.as_str())
        .bind(position)
        .bind(limit)
        .fetch_all(conn)
        .await?;
    let event = |row| {
        event(&Columns {
            table: "events",
            row,
        })
    };
    rows.iter().map(event).collect()
}

/// Reads an event.
pub(super) fn event(columns: &Columns<'_>) -> Result<Event, StoreError> {
    Ok(Event {
        id: EventId::new(columns.text("id")?),
        creditor: columns.parsed("creditor", CreditorCode::parse)?,
        kind: columns.parsed("type", |text| EventKind::parse(text).ok_or(()))?,
        created_at: columns.instant("created_at")?,
        data: columns.text("data")?,
    })
}
