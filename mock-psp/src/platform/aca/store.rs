//! The archive's SQL and the life of a position: VALID, then EXPIRED, INVALID (closed) or PAID.

use jiff::Timestamp;
use jiff::civil::DateTime;
use serde::Serialize;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::request::PositionRequest;
use crate::clock::Clock;
use crate::database::Database;

const FIND: &str = "SELECT * FROM positions WHERE creditor = $1 AND iuv = $2";
const FIND_NAV: &str = "SELECT * FROM positions WHERE creditor = $1 AND nav = $2";
const INSERT: &str = "INSERT INTO positions (creditor, iuv, nav, entity_type, entity_fiscal_code, \
    entity_full_name, amount_cents, description, expires_at, iban, postal_iban, switch_to_expired, \
    pay_stand_in, state, calls, created_at, updated_at) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 'VALID', 1, $14, $14)";
const UPDATE: &str = "UPDATE positions SET entity_type = $3, entity_fiscal_code = $4, \
    entity_full_name = $5, amount_cents = $6, description = $7, expires_at = $8, iban = $9, \
    pay_stand_in = $10, state = 'VALID', calls = calls + 1, updated_at = $11 \
    WHERE creditor = $1 AND iuv = $2";
const CLOSE: &str = "UPDATE positions SET state = 'INVALID', calls = calls + 1, updated_at = $3 \
    WHERE creditor = $1 AND iuv = $2";
const PAY: &str = "UPDATE positions SET state = 'PAID', updated_at = $3 \
    WHERE creditor = $1 AND iuv = $2 AND state = 'VALID' AND pay_stand_in = 1";
const PAY_NAV: &str = "UPDATE positions SET state = 'PAID', updated_at = $3 \
    WHERE creditor = $1 AND nav = $2 AND state = 'VALID'";
const LIST: &str = "SELECT * FROM positions WHERE ($1 = '' OR creditor = $1) \
    AND ($2 = '' OR nav = $2) ORDER BY updated_at DESC, creditor, nav LIMIT $3";

/// Where a position stands. DRAFT and PUBLISHED do not occur: a position is valid at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum AcaState {
    /// Can be paid in stand-in, changed and closed.
    Valid,
    /// Its day is over and `switchToExpired` was asked for; it can still be changed.
    Expired,
    /// Closed with amount 0.
    Invalid,
    /// Paid through the node, in stand-in or not.
    Paid,
}

impl AcaState {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            AcaState::Valid => "VALID",
            AcaState::Expired => "EXPIRED",
            AcaState::Invalid => "INVALID",
            AcaState::Paid => "PAID",
        }
    }

    fn from_name(name: &str) -> Self {
        match name {
            "EXPIRED" => AcaState::Expired,
            "INVALID" => AcaState::Invalid,
            "PAID" => AcaState::Paid,
            _ => AcaState::Valid,
        }
    }
}

/// A position as the archive holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Position {
    pub(crate) creditor: String,
    pub(crate) iuv: String,
    pub(crate) nav: String,
    pub(crate) state: AcaState,
    pub(crate) amount_cents: i64,
    pub(crate) entity_type: String,
    pub(crate) entity_fiscal_code: String,
    pub(crate) entity_full_name: String,
    pub(crate) description: String,
    /// Wall clock in Rome, without offset, as the archive answers it.
    pub(crate) expires_at: String,
    pub(crate) iban: Option<String>,
    pub(crate) postal_iban: Option<String>,
    pub(crate) switch_to_expired: bool,
    pub(crate) pay_stand_in: bool,
    /// How many calls made it what it is.
    pub(crate) calls: i64,
    pub(crate) created_at: String,
    pub(crate) updated_at: String,
}

/// What became of a call.
#[derive(Debug)]
pub(super) enum Filed {
    /// Created, changed or closed.
    Kept(Box<Position>),
    /// Amount 0 and no such position.
    Unknown,
    /// Another position of the creditor has the notice number.
    NavTaken,
    /// Expired: it can be changed and not closed.
    NotClosable,
    /// Closed or paid.
    WrongState,
}

impl Database {
    /// Creates, changes or closes a position; when this returns, the outcome is on disk.
    pub(super) async fn file_position(
        &self,
        request: &PositionRequest,
        clock: &Clock,
    ) -> Result<Filed, sqlx::Error> {
        let (today, now) = (clock.now(), clock.instant().to_string());
        let expires_at = clock.local(request.expires_at);
        let expires_at = expires_at.strftime("%Y-%m-%dT%H:%M:%S").to_string();
        let mut transaction = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        let (creditor, iuv) = (&request.creditor, &request.iuv);
        let known = sqlx::query(FIND).bind(creditor).bind(iuv);
        let known = known.fetch_optional(&mut *transaction).await?;
        let state = match &known {
            Some(row) => Some(position(row, today)?.state),
            None => None,
        };
        match (state, request.amount_cents) {
            (None, 0) => return Ok(Filed::Unknown),
            (Some(AcaState::Invalid | AcaState::Paid), _) => return Ok(Filed::WrongState),
            (Some(AcaState::Expired), 0) => return Ok(Filed::NotClosable),
            (Some(AcaState::Valid), 0) => {
                let close = sqlx::query(CLOSE).bind(creditor).bind(iuv).bind(&now);
                close.execute(&mut *transaction).await?;
            }
            (Some(AcaState::Valid | AcaState::Expired), _) => {
                let update = sqlx::query(UPDATE)
                    .bind(creditor)
                    .bind(iuv)
                    .bind(&request.entity_type)
                    .bind(&request.entity_fiscal_code)
                    .bind(&request.entity_full_name)
                    .bind(request.amount_cents)
                    .bind(&request.description)
                    .bind(&expires_at)
                    .bind(&request.iban)
                    .bind(request.pay_stand_in)
                    .bind(&now);
                update.execute(&mut *transaction).await?;
            }
            (None, _) => {
                let taken = sqlx::query(FIND_NAV).bind(creditor).bind(&request.nav);
                if taken.fetch_optional(&mut *transaction).await?.is_some() {
                    return Ok(Filed::NavTaken);
                }
                let insert = sqlx::query(INSERT)
                    .bind(creditor)
                    .bind(iuv)
                    .bind(&request.nav)
                    .bind(&request.entity_type)
                    .bind(&request.entity_fiscal_code)
                    .bind(&request.entity_full_name)
                    .bind(request.amount_cents)
                    .bind(&request.description)
                    .bind(&expires_at)
                    .bind(&request.iban)
                    .bind(&request.postal_iban)
                    .bind(request.switch_to_expired)
                    .bind(request.pay_stand_in)
                    .bind(&now);
                insert.execute(&mut *transaction).await?;
            }
        }
        let row = sqlx::query(FIND).bind(creditor).bind(iuv);
        let row = row.fetch_one(&mut *transaction).await?;
        let kept = position(&row, today)?;
        transaction.commit().await?;
        Ok(Filed::Kept(Box::new(kept)))
    }

    /// Positions, the last changed first. Empty filters match all.
    pub(crate) async fn positions(
        &self,
        creditor: &str,
        nav: &str,
        today: DateTime,
        limit: i64,
    ) -> Result<Vec<Position>, sqlx::Error> {
        let list = sqlx::query(LIST).bind(creditor).bind(nav).bind(limit);
        let rows = list.fetch_all(&self.readers).await?;
        rows.iter().map(|row| position(row, today)).collect()
    }

    /// The position a notice can be paid from in stand-in.
    pub(crate) async fn payable_position(
        &self,
        creditor: &str,
        nav: &str,
        today: DateTime,
    ) -> Result<Option<Position>, sqlx::Error> {
        let found = self.positions(creditor, nav, today, 1).await?;
        let is_payable =
            |position: &Position| position.state == AcaState::Valid && position.pay_stand_in;
        Ok(found.into_iter().find(is_payable))
    }
}

/// Marks a position as paid in stand-in, inside the transaction of its payment; says whether it could
/// still be paid.
pub(crate) async fn pay_position(
    transaction: &mut SqliteConnection,
    position: &Position,
    now: Timestamp,
) -> Result<bool, sqlx::Error> {
    let pay = sqlx::query(PAY)
        .bind(&position.creditor)
        .bind(&position.iuv)
        .bind(now.to_string());
    Ok(pay.execute(transaction).await?.rows_affected() == 1)
}

/// Marks what the archive holds of a notice, if anything, as paid, inside the transaction of its
/// payment at the creditor: what was paid through the node cannot be paid again in stand-in.
pub(crate) async fn pay_notice(
    transaction: &mut SqliteConnection,
    creditor: &str,
    nav: &str,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let pay = sqlx::query(PAY_NAV).bind(creditor).bind(nav);
    pay.bind(now.to_string()).execute(transaction).await?;
    Ok(())
}

/// A row as a position; that it expired follows from the clock.
fn position(row: &SqliteRow, today: DateTime) -> Result<Position, sqlx::Error> {
    let expires_at: String = row.try_get("expires_at")?;
    let switch_to_expired: bool = row.try_get("switch_to_expired")?;
    let mut state = AcaState::from_name(row.try_get("state")?);
    let is_over = expires_at.parse::<DateTime>().is_ok_and(|at| at < today);
    if state == AcaState::Valid && switch_to_expired && is_over {
        state = AcaState::Expired;
    }
    Ok(Position {
        creditor: row.try_get("creditor")?,
        iuv: row.try_get("iuv")?,
        nav: row.try_get("nav")?,
        state,
        amount_cents: row.try_get("amount_cents")?,
        entity_type: row.try_get("entity_type")?,
        entity_fiscal_code: row.try_get("entity_fiscal_code")?,
        entity_full_name: row.try_get("entity_full_name")?,
        description: row.try_get("description")?,
        expires_at,
        iban: row.try_get("iban")?,
        postal_iban: row.try_get("postal_iban")?,
        switch_to_expired,
        pay_stand_in: row.try_get("pay_stand_in")?,
        calls: row.try_get("calls")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
    })
}
