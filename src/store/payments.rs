//! Payments: one row for each reference of a rail, written once.

use std::collections::HashSet;

use sqlx::Row;

use super::statement::bulks;
use super::{Columns, Conn, StoreError};
use crate::domain::day::Instant;
use crate::domain::ids::{DebtId, DocumentId, PaymentId};
use crate::domain::notice::NoticeNumber;
use crate::domain::party::{CreditorCode, FiscalCode};
use crate::domain::payment::{Channel, Known, Origin, Outcome, Payment};

bulks! {
    INSERT = ("INSERT INTO payments (id, creditor, channel, reference, debt, notice_number, \
        notice_creditor, outcome, amount_cents, paid_at, payer_fiscal_code, psp, fingerprint, \
        document, recorded_at, own_cents, mode, origin) VALUES",
        "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        "ON CONFLICT (creditor, channel, reference) DO NOTHING RETURNING id");

    KNOWN = ("WITH wanted (creditor, channel, reference) AS (VALUES",
        "(CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT))",
        ") SELECT payments.id, payments.creditor, payments.channel, payments.reference, \
            payments.fingerprint, payments.origin, payments.confirmed_at, payments.notice_number, \
            payments.notice_creditor, payments.outcome, payments.amount_cents FROM wanted JOIN payments ON payments.creditor = wanted.creditor \
            AND payments.channel = wanted.channel AND payments.reference = wanted.reference");

    CONFIRM = ("WITH come (id, fingerprint, at) AS (VALUES",
        "(CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT))",
        ") UPDATE payments SET fingerprint = come.fingerprint, confirmed_at = come.at FROM come \
            WHERE payments.id = come.id AND payments.origin <> 'node' \
            AND payments.confirmed_at IS NULL RETURNING payments.id");
}

/// The name of a payment on its rail.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reference {
    /// Whose payment.
    pub creditor: CreditorCode,
    /// The rail.
    pub channel: Channel,
    /// The rail's name for it.
    pub text: String,
}

/// Of these references the ones that are recorded.
///
/// # Errors
/// The database failed.
pub async fn known(
    conn: &mut Conn,
    references: &[Reference],
) -> Result<Vec<(Reference, Known)>, StoreError> {
    let mut known = vec![];
    for (sql, rows) in KNOWN.pieces(references) {
        let mut query = sqlx::query(sql);
        for reference in rows {
            query = query
                .bind(reference.creditor.as_str())
                .bind(reference.channel.as_str())
                .bind(reference.text.as_str());
        }
        for row in query.fetch_all(&mut *conn).await? {
            let columns = Columns {
                table: "payments",
                row: &row,
            };
            let reference = Reference {
                creditor: columns.parsed("creditor", CreditorCode::parse)?,
                channel: columns.parsed("channel", |text| Channel::parse(text).ok_or(()))?,
                text: columns.text("reference")?,
            };
            let payment = Known {
                payment: PaymentId::new(columns.text("id")?),
                fingerprint: columns.text("fingerprint")?,
                origin: columns.parsed("origin", |text| Origin::parse(text).ok_or(()))?,
                is_confirmed: columns.optional_text("confirmed_at")?.is_some(),
                notice: columns.parsed("notice_number", NoticeNumber::parse)?,
                notice_creditor: columns.parsed("notice_creditor", CreditorCode::parse)?,
                outcome: columns.parsed("outcome", |text| match text {
                    "paid" => Ok(Outcome::Paid),
                    "failed" => Ok(Outcome::Failed),
                    _ => Err(()),
                })?,
                amount: columns.cents("amount_cents")?,
            };
            known.push((reference, payment));
        }
    }
    Ok(known)
}

/// Takes the rail's own message as the measure of payments whose message we had found: its
/// fingerprint from now on. The number that were: when it is smaller than the number given, somebody
/// else was faster.
///
/// # Errors
/// The database failed.
pub async fn confirm(
    conn: &mut Conn,
    come: &[(PaymentId, String)],
    now: Instant,
) -> Result<usize, StoreError> {
    let now = now.to_string();
    let mut confirmed = 0;
    for (sql, rows) in CONFIRM.pieces(come) {
        let mut query = sqlx::query(sql);
        for (payment, fingerprint) in rows {
            query = query
                .bind(payment.as_str())
                .bind(fingerprint.as_str())
                .bind(now.as_str());
        }
        confirmed += query.fetch_all(&mut *conn).await?.len();
    }
    Ok(confirmed)
}

/// Records payments, each with the document that proves it.
///
/// # Errors
/// [`StoreError::Contended`] when another writer has recorded one of the references meanwhile; the
/// transaction must then be undone.
pub async fn insert(conn: &mut Conn, payments: &[(Payment, DocumentId)]) -> Result<(), StoreError> {
    for (sql, rows) in INSERT.pieces(payments) {
        let mut query = sqlx::query(sql);
        for (payment, document) in rows {
            let collection = &payment.collection;
            query = query
                .bind(payment.id.as_str())
                .bind(collection.creditor.as_str())
                .bind(collection.channel.as_str())
                .bind(collection.reference.as_str())
                .bind(payment.debt.as_ref().map(DebtId::as_str))
                .bind(collection.notice.as_str())
                .bind(collection.notice_creditor.as_str())
                .bind(match collection.outcome {
                    Outcome::Paid => "paid",
                    Outcome::Failed => "failed",
                })
                .bind(collection.amount.get())
                .bind(collection.paid_at.to_string())
                .bind(collection.payer.as_ref().map(FiscalCode::as_str))
                .bind(collection.psp.as_str())
                .bind(collection.fingerprint.as_str())
                .bind(document.as_str())
                .bind(payment.recorded_at.to_string())
                .bind(collection.own().get())
                .bind(collection.mode.as_str())
                .bind(collection.origin.as_str());
        }
        let stored = query.fetch_all(&mut *conn).await?;
        let ids: HashSet<String> = stored
            .iter()
            .map(|row| row.try_get("id"))
            .collect::<Result<_, _>>()?;
        if !rows
            .iter()
            .all(|(payment, _)| ids.contains(payment.id.as_str()))
        {
            return Err(StoreError::Contended);
        }
    }
    Ok(())
}
