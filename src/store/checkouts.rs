//! Attempts to pay at Checkout, with their notices.

use sqlx::Row;

use super::statement::{bulks, statements};
use super::{Columns, Conn, StoreError};
use crate::domain::checkout::{Asked, Returned};
use crate::domain::day::Instant;
use crate::domain::ids::{CheckoutId, DebtId};
use crate::domain::party::CreditorCode;

/// The columns of an attempt, in one place for all statements that read one.
macro_rules! columns {
    () => {
        "id, creditor, token, back_kind, back, state, note, redirect_url, created_at, expires_at, \
         returned, returned_at"
    };
}

statements! {
    INSERT = "INSERT INTO checkouts (id, creditor, token, back_kind, back, state, created_at) \
        VALUES ($1, $2, $3, $4, $5, 'asked', $6)";

    ANSWER = "UPDATE checkouts SET state = $2, note = $3, redirect_url = $4, expires_at = $5 \
        WHERE id = $1 AND state = 'asked' RETURNING id";

    BY_ID = concat!("SELECT ", columns!(), " FROM checkouts WHERE creditor = $1 AND id = $2");

    BY_TOKEN = concat!("SELECT ", columns!(), " FROM checkouts WHERE token = $1");

    LATEST = concat!("SELECT ", columns!(), " FROM checkouts WHERE id = \
        (SELECT checkout FROM checkout_notices WHERE debt = $1 ORDER BY checkout DESC LIMIT 1)");

    RETURN = "UPDATE checkouts SET returned = $2, returned_at = $3 WHERE id = $1 RETURNING id";

    NOTICES = "SELECT debt FROM checkout_notices WHERE checkout = $1 ORDER BY place";
}

bulks! {
    ADD = ("INSERT INTO checkout_notices (checkout, place, debt) VALUES", "(?, ?, ?)", "");
}

/// Where a browser goes when it comes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Back {
    /// A path of our own pages, such as `/pay/…`.
    Page(String),
    /// An address of the creditor's portal, which is below one of its prefixes.
    Portal(String),
}

impl Back {
    fn kind(&self) -> &'static str {
        match self {
            Back::Page(_) => "page",
            Back::Portal(_) => "portal",
        }
    }

    /// The path or the address.
    pub fn address(&self) -> &str {
        match self {
            Back::Page(address) | Back::Portal(address) => address,
        }
    }
}

/// An attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Its id, which is Checkout's `idCart`.
    pub id: CheckoutId,
    /// Whose notices.
    pub creditor: CreditorCode,
    /// What stands in its return addresses.
    pub token: String,
    /// Where the browser goes afterwards.
    pub back: Back,
    /// What came of asking for a cart.
    pub asked: Asked,
    /// Why no cart came of it.
    pub note: Option<String>,
    /// Checkout's page for it.
    pub redirect_url: Option<String>,
    /// When it was asked for.
    pub created_at: Instant,
    /// Until when the page can be opened.
    pub expires_at: Option<Instant>,
    /// How the browser came back last, and when; no proof of anything.
    pub returned: Option<(Returned, Instant)>,
}

/// Writes an attempt down, before Checkout is asked.
///
/// # Errors
/// The database failed.
pub async fn insert(
    conn: &mut Conn,
    attempt: &Attempt,
    notices: &[DebtId],
) -> Result<(), StoreError> {
    sqlx::query(INSERT)
        .bind(attempt.id.as_str())
        .bind(attempt.creditor.as_str())
        .bind(&attempt.token)
        .bind(attempt.back.kind())
        .bind(attempt.back.address())
        .bind(attempt.created_at.to_string())
        .execute(&mut *conn)
        .await?;
    let places: Vec<(i64, &DebtId)> = (1..).zip(notices).collect();
    for (sql, rows) in ADD.pieces(&places) {
        let mut query = sqlx::query(sql);
        for (place, debt) in rows {
            query = query
                .bind(attempt.id.as_str())
                .bind(*place)
                .bind(debt.as_str());
        }
        query.execute(&mut *conn).await?;
    }
    Ok(())
}

/// Writes down what came of an attempt; only once.
///
/// # Errors
/// The database failed.
pub async fn answer(conn: &mut Conn, attempt: &Attempt) -> Result<(), StoreError> {
    sqlx::query(ANSWER)
        .bind(attempt.id.as_str())
        .bind(attempt.asked.as_str())
        .bind(attempt.note.as_deref())
        .bind(attempt.redirect_url.as_deref())
        .bind(attempt.expires_at.map(|at| at.to_string()))
        .fetch_optional(conn)
        .await?;
    Ok(())
}

/// The attempt with this id, if it is this creditor's.
///
/// # Errors
/// The database failed.
pub async fn by_id(
    conn: &mut Conn,
    creditor: &CreditorCode,
    id: &CheckoutId,
) -> Result<Option<Attempt>, StoreError> {
    let row = sqlx::query(BY_ID)
        .bind(creditor.as_str())
        .bind(id.as_str())
        .fetch_optional(conn)
        .await?;
    row.as_ref().map(attempt).transpose()
}

/// The attempt with this token in its return addresses.
///
/// # Errors
/// The database failed.
pub async fn by_token(conn: &mut Conn, token: &str) -> Result<Option<Attempt>, StoreError> {
    let row = sqlx::query(BY_TOKEN)
        .bind(token)
        .fetch_optional(conn)
        .await?;
    row.as_ref().map(attempt).transpose()
}

/// The last attempt that held this notice.
///
/// # Errors
/// The database failed.
pub async fn latest(conn: &mut Conn, debt: &DebtId) -> Result<Option<Attempt>, StoreError> {
    let row = sqlx::query(LATEST)
        .bind(debt.as_str())
        .fetch_optional(conn)
        .await?;
    row.as_ref().map(attempt).transpose()
}

/// Notes how the browser came back.
///
/// # Errors
/// The database failed.
pub async fn returned(
    conn: &mut Conn,
    id: &CheckoutId,
    way: Returned,
    now: Instant,
) -> Result<(), StoreError> {
    sqlx::query(RETURN)
        .bind(id.as_str())
        .bind(way.as_str())
        .bind(now.to_string())
        .fetch_optional(conn)
        .await?;
    Ok(())
}

/// The notices of an attempt, in their order.
///
/// # Errors
/// The database failed.
pub async fn notices(conn: &mut Conn, id: &CheckoutId) -> Result<Vec<DebtId>, StoreError> {
    let rows = sqlx::query(NOTICES).bind(id.as_str()).fetch_all(conn);
    rows.await?
        .iter()
        .map(|row| Ok(DebtId::new(row.try_get::<String, _>("debt")?)))
        .collect()
}

fn attempt(row: &sqlx::any::AnyRow) -> Result<Attempt, StoreError> {
    let columns = Columns {
        table: "checkouts",
        row,
    };
    let address = columns.text("back")?;
    let returned = columns.optional("returned", |text| Returned::parse(text).ok_or(()))?;
    let returned_at = columns.optional("returned_at", Instant::parse)?;
    Ok(Attempt {
        id: CheckoutId::new(columns.text("id")?),
        creditor: columns.parsed("creditor", CreditorCode::parse)?,
        token: columns.text("token")?,
        back: match columns.text("back_kind")?.as_str() {
            "page" => Back::Page(address),
            _ => Back::Portal(address),
        },
        asked: columns.parsed("state", |text| Asked::parse(text).ok_or(()))?,
        note: columns.optional_text("note")?,
        redirect_url: columns.optional_text("redirect_url")?,
        created_at: columns.instant("created_at")?,
        expires_at: columns.optional("expires_at", Instant::parse)?,
        returned: returned.zip(returned_at),
    })
}
