//! The payments made at the counter, as pagoPA's receipt services know them afterwards: kept before
//! any receipt is delivered, whatever becomes of the delivery.

use jiff::Timestamp;
use jiff::civil::Date;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::messages;
use super::order::Order;
use crate::database::Database;
use crate::node::{self, Delivery, NewDelivery};
use crate::platform::{self, Position};
use crate::verdict::xml::{self, Node};

const KEEP: &str = "INSERT INTO payments (creditor, receipt_id, notice_number, iuv, debtor, \
    amount_cents, stand_in, paid_at, receipt) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
    ON CONFLICT (creditor, receipt_id, receipt) DO NOTHING";
const OF_RECEIPT: &str = "SELECT * FROM payments WHERE receipt_id = $1 ORDER BY seq";
const OF_DAY: &str = "SELECT * FROM payments WHERE paid_at >= $1 AND paid_at < $2 ORDER BY seq";
const STAND_IN: &str = "SELECT * FROM payments WHERE creditor = $1 AND stand_in = 1 ORDER BY seq";

/// A payment and its receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Paid {
    /// The creditor of the notice.
    pub(crate) creditor: String,
    pub(crate) receipt_id: String,
    pub(crate) notice_number: String,
    pub(crate) iuv: String,
    /// Fiscal code of the debtor.
    pub(crate) debtor: String,
    pub(crate) amount_cents: i64,
    pub(crate) stand_in: bool,
    /// Wall clock in Rome, as the receipt says it.
    pub(crate) paid_at: String,
    /// The element `receipt` of the second version.
    pub(crate) receipt: String,
}

impl Paid {
    /// What is kept of a payment whose receipt is ready.
    pub(super) fn of(order: &Order, receipt: &Node, amount_cents: i64) -> Self {
        let text = |name: &str| receipt.text_of(name).unwrap_or_default().to_owned();
        let debtor = receipt
            .child("debtor")
            .and_then(|debtor| debtor.child("uniqueIdentifier"))
            .and_then(|id| id.text_of("entityUniqueIdentifierValue"));
        Paid {
            creditor: order.fiscal_code.clone(),
            receipt_id: order.receipt_id.clone(),
            notice_number: order.notice_number.clone(),
            iuv: text("creditorReferenceId"),
            debtor: debtor.unwrap_or_default().to_owned(),
            amount_cents,
            stand_in: receipt.text_of("standIn") == Some("true"),
            paid_at: text("paymentDateTime"),
            receipt: messages::document(receipt),
        }
    }

    /// The receipt as a tree.
    pub(crate) fn tree(&self) -> Result<Node, sqlx::Error> {
        xml::parse(self.receipt.as_bytes()).map_err(|error| sqlx::Error::Decode(error.into()))
    }
}

impl Database {
    /// Keeps a payment and queues the receipts owed for it; the same payment again is kept once and
    /// its receipts are owed again. Nothing comes back, and nothing is kept, where the position it is
    /// made from has been paid or closed meanwhile.
    pub(super) async fn keep_payment(
        &self,
        paid: &Paid,
        owed: &[NewDelivery],
        position: Option<&Position>,
        now: Timestamp,
    ) -> Result<Option<Vec<Delivery>>, sqlx::Error> {
        let mut transaction = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        if let Some(position) = position
            && !platform::pay_position(&mut transaction, position, now).await?
        {
            return Ok(None);
        }
        platform::pay_notice(&mut transaction, &paid.creditor, &paid.notice_number, now).await?;
        sqlx::query(KEEP)
            .bind(&paid.creditor)
            .bind(&paid.receipt_id)
            .bind(&paid.notice_number)
            .bind(&paid.iuv)
            .bind(&paid.debtor)
            .bind(paid.amount_cents)
            .bind(paid.stand_in)
            .bind(&paid.paid_at)
            .bind(&paid.receipt)
            .execute(&mut *transaction)
            .await?;
        let queued = node::insert(&mut transaction, owed, now).await?;
        transaction.commit().await?;
        Ok(Some(queued))
    }

    /// The payments with that receipt id, of whichever creditor.
    pub(crate) async fn payments_of_receipt(&self, id: &str) -> Result<Vec<Paid>, sqlx::Error> {
        let rows = sqlx::query(OF_RECEIPT).bind(id);
        rows.fetch_all(&self.readers)
            .await?
            .iter()
            .map(paid)
            .collect()
    }

    /// The payments made on that day, of all creditors, in the order they were made.
    pub(super) async fn payments_of_day(&self, day: Date) -> Result<Vec<Paid>, sqlx::Error> {
        let rows = sqlx::query(OF_DAY)
            .bind(day.to_string())
            .bind(day.tomorrow().unwrap_or(day).to_string());
        rows.fetch_all(&self.readers)
            .await?
            .iter()
            .map(paid)
            .collect()
    }

    /// A creditor's stand-in payments in the order they were made.
    pub(crate) async fn stand_in_payments(&self, creditor: &str) -> Result<Vec<Paid>, sqlx::Error> {
        let rows = sqlx::query(STAND_IN).bind(creditor);
        rows.fetch_all(&self.readers)
            .await?
            .iter()
            .map(paid)
            .collect()
    }
}

fn paid(row: &SqliteRow) -> Result<Paid, sqlx::Error> {
    Ok(Paid {
        creditor: row.try_get("creditor")?,
        receipt_id: row.try_get("receipt_id")?,
        notice_number: row.try_get("notice_number")?,
        iuv: row.try_get("iuv")?,
        debtor: row.try_get("debtor")?,
        amount_cents: row.try_get("amount_cents")?,
        stand_in: row.try_get("stand_in")?,
        paid_at: row.try_get("paid_at")?,
        receipt: row.try_get("receipt")?,
    })
}
