//! Payments: one row for each reference of a rail, written once.

use sqlx::any::AnyRow;

use super::sheet::{Rows, sheets};
use super::{Columns, StoreError};
use crate::domain::day::Instant;
use crate::domain::ids::{DebtId, DocumentId, PaymentId};
use crate::domain::notice::NoticeNumber;
use crate::domain::party::{CreditorCode, FiscalCode};
use crate::domain::payment::{Channel, Known, Origin, Outcome, Payment};

sheets! {
    INSERT = ("INSERT INTO payments (id, creditor, channel, reference, debt, notice_number, \
        notice_creditor, outcome, amount_cents, paid_at, payer_fiscal_code, psp, fingerprint, \
        document, recorded_at, own_cents, mode, origin)",
        "?, ?, ?, ?, ?, ?, ?, ?, CAST(? AS BIGINT), ?, ?, ?, ?, ?, ?, CAST(? AS BIGINT), ?, ?",
        " ON CONFLICT (creditor, channel, reference) DO NOTHING RETURNING id");

    KNOWN = ("WITH wanted (creditor, channel, reference) AS (",
        "?, ?, ?",
        ") SELECT payments.id, payments.creditor, payments.channel, payments.reference, \
            payments.fingerprint, payments.origin, payments.confirmed_at, payments.notice_number, \
            payments.notice_creditor, payments.outcome, payments.amount_cents FROM wanted \
            JOIN payments ON payments.creditor = wanted.creditor \
            AND payments.channel = wanted.channel AND payments.reference = wanted.reference");

    CONFIRM = ("WITH come (id, fingerprint, at) AS (",
        "?, ?, ?",
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

/// The references to look for in [`KNOWN`].
pub(super) fn wanted(references: &[Reference]) -> Rows {
    Rows::of(references, |row, reference| {
        row.bind(reference.creditor.as_str())
            .bind(reference.channel.as_str())
            .bind(reference.text.as_str());
    })
}

/// Reads what is known of a reference.
pub(super) fn known(row: &AnyRow) -> Result<(Reference, Known), StoreError> {
    let columns = Columns {
        table: "payments",
        row,
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
        outcome: columns.parsed("outcome", outcome)?,
        amount: columns.cents("amount_cents")?,
    };
    Ok((reference, payment))
}

pub(super) fn outcome(text: &str) -> Result<Outcome, ()> {
    match text {
        "paid" => Ok(Outcome::Paid),
        "failed" => Ok(Outcome::Failed),
        _ => Err(()),
    }
}

/// The payments whose message we had found and whose own has come now, for [`CONFIRM`], which gives
/// back those for which nobody else was faster.
pub(super) fn confirmed(come: &[(PaymentId, String)], now: Instant) -> Rows {
    let now = now.to_string();
    Rows::of(come, |row, (payment, fingerprint)| {
        row.bind(payment.as_str())
            .bind(fingerprint.as_str())
            .bind(now.as_str());
    })
}

/// The rows of payments, each with the document that proves it, for [`INSERT`], which gives back
/// those whose reference nobody else has recorded.
pub(super) fn rows(payments: &[(Payment, DocumentId)]) -> Rows {
    Rows::of(payments, |row, (payment, document)| {
        let collection = &payment.collection;
        row.bind(payment.id.as_str())
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
    })
}
