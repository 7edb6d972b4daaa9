//! A batch of receipts: what must be known to decide it, and everything that it leaves, each read or
//! written at one go.

use std::collections::HashSet;

use sqlx::Row;
use sqlx::any::AnyRow;

use super::cases::{self, OpenCase};
use super::chains::Filled;
use super::documents::{self, Document};
use super::payments::{self, Reference};
use super::sheet::Bundle;
use super::{Conn, StoreError, debts, entries, events};
use crate::domain::day::Instant;
use crate::domain::debt::Debt;
use crate::domain::event::Event;
use crate::domain::ids::{DebtId, DocumentId, PaymentId};
use crate::domain::notice::NoticeNumber;
use crate::domain::party::CreditorCode;
use crate::domain::payment::{self, LedgerEntry, Payment};

/// What is stored of what receipts name.
#[derive(Debug, Default)]
pub struct Known {
    /// Of the references the ones that are recorded.
    pub references: Vec<(Reference, payment::Known)>,
    /// The debts with the notice numbers, in no order; unknown ones are left out.
    pub debts: Vec<Debt>,
    /// Those whose rows cannot be read.
    pub unreadable: Vec<(CreditorCode, NoticeNumber)>,
}

/// What a batch of receipts leaves.
#[derive(Debug, Default)]
pub struct Batch {
    /// Our replies.
    pub replies: Vec<Document>,
    /// The payments, each with the document that proves it.
    pub payments: Vec<(Payment, DocumentId)>,
    /// The debts that are paid, by which payment, since when.
    pub settled: Vec<(DebtId, PaymentId, Instant)>,
    /// The payments whose message we had found and whose own has come now, with its fingerprint.
    pub confirmed: Vec<(PaymentId, String)>,
    /// What is owed to the ledger.
    pub entries: Vec<LedgerEntry>,
    /// What finance must look at; the same thing that happens again is not another case.
    pub cases: Vec<OpenCase>,
    /// What the portals are told.
    pub events: Vec<Event>,
}

/// Stores the messages before anything else, and reads what is known of references and notices.
///
/// # Errors
/// The database failed.
pub async fn open(
    conn: &mut Conn,
    messages: &[Document],
    references: &[Reference],
    notices: &[(&CreditorCode, NoticeNumber)],
) -> Result<Known, StoreError> {
    let bundle = Bundle::of(&documents::INSERT, documents::rows(messages))
        .and(&payments::KNOWN, payments::wanted(references))
        .and(&debts::BY_NOTICES, debts::wanted(notices));
    let mut known = Known::default();
    for (at, rows) in bundle.run(conn).await?.iter().skip(1).enumerate() {
        for row in rows {
            match at {
                0 => known.references.push(payments::known(row)?),
                _ => match debts::found(row)? {
                    Ok(debt) => known.debts.push(debt),
                    Err(notice) => known.unreadable.push(notice),
                },
            }
        }
    }
    Ok(known)
}

/// Writes a batch down, owed to the ledger from `now` on, and its exchanges in their block.
///
/// # Errors
/// [`StoreError::Contended`] when another writer has recorded one of the references, or changed one
/// of the debts or payments, or taken the block's number meanwhile; the transaction must then be
/// undone.
pub async fn write(
    conn: &mut Conn,
    batch: &Batch,
    filled: Filled<'_>,
    now: Instant,
) -> Result<(), StoreError> {
    let bundle = Bundle::of(&payments::INSERT, payments::rows(&batch.payments))
        .and(&debts::SETTLE, debts::paid(&batch.settled))
        .and(
            &payments::CONFIRM,
            payments::confirmed(&batch.confirmed, now),
        )
        .and(&entries::INSERT, entries::rows(&batch.entries, now))
        .and(&cases::INSERT, cases::rows(&batch.cases))
        .and(&events::INSERT, events::rows(&batch.events))
        .and(&documents::INSERT, documents::rows(&batch.replies));
    let results = filled.after(bundle).run(conn).await?;
    let [recorded, settled, confirmed, _, _, _, _, chained @ ..] = results.as_slice() else {
        return Err(StoreError::Contended);
    };
    let (recorded, settled) = (ids(recorded)?, ids(settled)?);
    let is_whole = batch
        .payments
        .iter()
        .all(|(payment, _)| recorded.contains(payment.id.as_str()))
        && batch
            .settled
            .iter()
            .all(|(debt, _, _)| settled.contains(debt.as_str()))
        && confirmed.len() == batch.confirmed.len()
        && filled.is_stored(chained);
    if is_whole {
        Ok(())
    } else {
        Err(StoreError::Contended)
    }
}

/// The ids that a statement gave back.
fn ids(rows: &[AnyRow]) -> Result<HashSet<String>, StoreError> {
    let ids = rows.iter().map(|row| row.try_get("id"));
    Ok(ids.collect::<Result<_, _>>()?)
}
