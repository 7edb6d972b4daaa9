//! The carts' SQL.

use jiff::Timestamp;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::request::Cart;
use crate::clock::Clock;
use crate::database::Database;

/// How long a cart is kept, in milliseconds.
const KEPT_MS: i64 = 600_000;
/// How long a payment in charge keeps others from beginning, in milliseconds: the life of its token.
const TOKEN_MS: i64 = 1_800_000;

const KEEP: &str = "INSERT INTO carts (id, content, state, created_ms) VALUES ($1, $2, 'OPEN', $3)";
const FIND: &str = "SELECT content, state, created_ms FROM carts WHERE id = $1";
const MOVE: &str = "UPDATE carts SET state = $3, changed_ms = $4 WHERE id = $1 AND state = $2";
const CHARGED: &str = "SELECT content FROM carts WHERE state IN ('PAYING', 'CHARGED') \
    AND changed_ms > $1 AND id <> $2";
const PAID: &str = "SELECT 1 FROM payments WHERE creditor = $1 AND notice_number = $2 LIMIT 1";

/// Where a cart stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CartState {
    /// The payer has not decided yet.
    Open,
    /// The payment runs.
    Paying,
    /// Paid.
    Paid,
    /// Taken in charge, and not decided: outcome 17.
    Charged,
    /// The payer turned back.
    Cancelled,
    /// It did not work.
    Failed,
    /// Nobody came in time.
    Expired,
}

impl CartState {
    const ALL: [CartState; 7] = [
        CartState::Open,
        CartState::Paying,
        CartState::Paid,
        CartState::Charged,
        CartState::Cancelled,
        CartState::Failed,
        CartState::Expired,
    ];

    fn name(self) -> &'static str {
        match self {
            CartState::Open => "OPEN",
            CartState::Paying => "PAYING",
            CartState::Paid => "PAID",
            CartState::Charged => "CHARGED",
            CartState::Cancelled => "CANCELLED",
            CartState::Failed => "FAILED",
            CartState::Expired => "EXPIRED",
        }
    }
}

/// A cart as it was kept.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    pub(super) cart: Cart,
    pub(super) state: CartState,
}

fn now_ms(clock: &Clock) -> i64 {
    Timestamp::as_millisecond(clock.instant())
}

impl Database {
    /// Keeps a new cart.
    pub(super) async fn keep_cart(
        &self,
        id: &str,
        cart: &Cart,
        clock: &Clock,
    ) -> Result<(), sqlx::Error> {
        let content = serde_json::to_string(cart).map_err(|e| sqlx::Error::Encode(e.into()))?;
        let keep = sqlx::query(KEEP).bind(id).bind(content).bind(now_ms(clock));
        keep.execute(&self.writer).await.map(drop)
    }

    /// The cart with that id. One that nobody came for in time has expired.
    pub(super) async fn cart(&self, id: &str, clock: &Clock) -> Result<Option<Kept>, sqlx::Error> {
        let row = sqlx::query(FIND).bind(id);
        let Some(row) = row.fetch_optional(&self.readers).await? else {
            return Ok(None);
        };
        let name: String = row.try_get("state")?;
        let state = CartState::ALL
            .into_iter()
            .find(|state| state.name() == name);
        let created_ms: i64 = row.try_get("created_ms")?;
        let state = match state.unwrap_or(CartState::Failed) {
            CartState::Open if now_ms(clock) >= created_ms + KEPT_MS => CartState::Expired,
            state => state,
        };
        Ok(Some(Kept {
            cart: content(&row)?,
            state,
        }))
    }

    /// Moves a cart on, if it still stands where it is thought to.
    pub(super) async fn move_cart(
        &self,
        id: &str,
        from: CartState,
        to: CartState,
        clock: &Clock,
    ) -> Result<bool, sqlx::Error> {
        let step = sqlx::query(MOVE)
            .bind(id)
            .bind(from.name())
            .bind(to.name())
            .bind(now_ms(clock));
        Ok(step.execute(&self.writer).await?.rows_affected() == 1)
    }

    /// Whether a payment of that notice is in charge, of another cart than this one, so that the node
    /// lets no other begin.
    pub(super) async fn is_in_charge(
        &self,
        creditor: &str,
        number: &str,
        own: &str,
        clock: &Clock,
    ) -> Result<bool, sqlx::Error> {
        let rows = sqlx::query(CHARGED)
            .bind(now_ms(clock) - TOKEN_MS)
            .bind(own);
        for row in rows.fetch_all(&self.readers).await? {
            let cart = content(&row)?;
            let mut notices = cart.notices.iter();
            if notices.any(|n| n.fiscal_code == creditor && n.notice_number == number) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether the node knows a payment of that notice.
    pub(super) async fn is_paid(&self, creditor: &str, number: &str) -> Result<bool, sqlx::Error> {
        let found = sqlx::query(PAID).bind(creditor).bind(number);
        Ok(found.fetch_optional(&self.readers).await?.is_some())
    }
}

fn content(row: &SqliteRow) -> Result<Cart, sqlx::Error> {
    let content: String = row.try_get("content")?;
    serde_json::from_str(&content).map_err(|error| sqlx::Error::Decode(error.into()))
}
