//! What the portals are told of what has happened: made at the desk, with what happened, and read in
//! an order in which nothing can be missed.

use serde_json::{Value, json};

use super::{Desk, DeskError, webhooks};
use crate::clock::Ids;
use crate::domain::day::Instant;
use crate::domain::debt::{Debt, DebtState, PublicState};
use crate::domain::event::{Event, EventKind};
use crate::domain::ids::{EventId, PaymentId};
use crate::domain::party::CreditorCode;
use crate::domain::payment::{Collection, Payment};
use crate::point;
use crate::store::{StoreError, events};

/// Events that are given their place in one transaction: receipts wait for no longer than that takes.
const BATCH: i64 = 500;

/// An event about a notice, as it is after what happened.
pub(super) fn of_notice(ids: &Ids, kind: EventKind, debt: &Debt, now: Instant) -> Event {
    event(ids, kind, &debt.creditor, now, &notice(debt, now), None)
}

/// An event about a notice and the payment that brought it.
pub(super) fn of_paid_notice(ids: &Ids, debt: &Debt, payment: &Payment, now: Instant) -> Event {
    let paid = paid(&payment.id, &payment.collection);
    let kind = EventKind::NoticePaid;
    event(
        ids,
        kind,
        &debt.creditor,
        now,
        &notice(debt, now),
        Some(paid),
    )
}

/// An event about a payment, and the notice that it is for when it is one of the creditor's.
pub(super) fn of_payment(
    ids: &Ids,
    kind: EventKind,
    payment: &Payment,
    debt: Option<&Debt>,
    now: Instant,
) -> Event {
    let notice = debt.map_or(Value::Null, |debt| notice(debt, now));
    let paid = paid(&payment.id, &payment.collection);
    event(
        ids,
        kind,
        &payment.collection.creditor,
        now,
        &notice,
        Some(paid),
    )
}

fn event(
    ids: &Ids,
    kind: EventKind,
    creditor: &CreditorCode,
    now: Instant,
    notice: &Value,
    payment: Option<Value>,
) -> Event {
    Event {
        id: EventId::new(ids.next(now)),
        creditor: creditor.clone(),
        kind,
        created_at: now,
        data: json!({ "notice": notice, "payment": payment }).to_string(),
    }
}

/// A notice without anything of a person but the child's code.
fn notice(debt: &Debt, now: Instant) -> Value {
    let order = &debt.order;
    let elsewhere = match &debt.state {
        DebtState::Settled { elsewhere, .. } => json!({
            "means": elsewhere.means.as_str(),
            "reference": elsewhere.reference,
            "paid_at": elsewhere.paid_at.to_string(),
        }),
        _ => Value::Null,
    };
    let state: PublicState = debt.public_state(now.day_in_rome());
    json!({
        "id": debt.id.as_str(),
        "notice_number": debt.notice.as_str(),
        "external_id": order.external_id,
        "kind": order.kind.as_str(),
        "service": order.service,
        "child_code": order.child.code,
        "state": state.as_str(),
        "amount_cents": order.amount.get(),
        "due_on": order.due_on.to_string(),
        "paid_elsewhere": elsewhere,
    })
}

fn paid(id: &PaymentId, collection: &Collection) -> Value {
    json!({
        "id": id.as_str(),
        "notice_number": collection.notice.as_str(),
        "channel": collection.channel.as_str(),
        "receipt_id": collection.reference,
        "amount_cents": collection.amount.get(),
        "own_cents": collection.own().get(),
        "paid_at": collection.paid_at.to_string(),
        "psp": collection.psp,
    })
}

impl Desk {
    /// Gives events their place, at most a batch, and owes them to the endpoints that want to hear of
    /// them; whether there may be more.
    ///
    /// # Errors
    /// The store failed.
    pub async fn number_events(&self, now: Instant) -> Result<bool, DeskError> {
        if !events::is_waiting(&mut *self.store.read().await?).await? {
            return Ok(false);
        }
        let mut tx = self.store.write().await?;
        let placed = events::number(&mut tx, BATCH).await?;
        let is_owed = webhooks::owe(&mut tx, &self.ids, &placed, now).await?;
        point::reach("events.before_commit");
        tx.commit().await.map_err(StoreError::from)?;
        if is_owed {
            self.happened.notify_one();
        }
        Ok(i64::try_from(placed.len()).is_ok_and(|count| count == BATCH))
    }

    /// A creditor's events after the one with this id, or from the beginning; nothing when there is
    /// no such event of this creditor.
    ///
    /// # Errors
    /// The store failed.
    pub async fn events(
        &self,
        creditor: &CreditorCode,
        after: Option<&EventId>,
        limit: i64,
        now: Instant,
    ) -> Result<Option<Vec<Event>>, DeskError> {
        // Whoever has just done something finds it here, without waiting for the job.
        self.number_events(now).await?;
        let mut conn = self.store.read().await?;
        let position = match after {
            None => 0,
            Some(id) => match events::position(&mut conn, creditor, id).await? {
                Some(position) => position,
                None => return Ok(None),
            },
        };
        Ok(Some(
            events::after(&mut conn, creditor, position, limit).await?,
        ))
    }
}
