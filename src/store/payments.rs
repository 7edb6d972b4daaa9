//! Payments: one row for each reference of a rail, written once.

use std::collections::HashSet;

use sqlx::Row;

use super::statement::bulks;
use super::{Columns, Conn, StoreError};
use crate::domain::ids::{DebtId, DocumentId};
use crate::domain::party::{CreditorCode, FiscalCode};
use crate::domain::payment::{Channel, Outcome, Payment};

bulks! {
    INSERT = ("INSERT INTO payments (id, creditor, channel, reference, debt, notice_number, \
        notice_creditor, outcome, amount_cents, paid_at, payer_fiscal_code, psp, fingerprint, \
        document, recorded_at, own_cents, mode) VALUES",
        "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        "ON CONFLICT (creditor, channel, reference) DO NOTHING RETURNING id");

    KNOWN = ("WITH wanted (creditor, channel, reference) AS (VALUES",
        "(CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT))",
        ") SELECT payments.creditor, payments.channel, payments.reference, payments.fingerprint \
            FROM wanted JOIN payments ON payments.creditor = wanted.creditor \
            AND payments.channel = wanted.channel AND payments.reference = wanted.reference");
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

/// Of these references the ones that are recorded, each with the fingerprint of its message.
///
/// # Errors
/// The database failed.
pub async fn known(
    conn: &mut Conn,
    references: &[Reference],
) -> Result<Vec<(Reference, String)>, StoreError> {
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
            known.push((reference, columns.text("fingerprint")?));
        }
    }
    Ok(known)
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
                .bind(collection.mode.as_str());
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
