//! Opening, reading, withdrawing and closing debts.

use super::once::{Done, Repeat, claim, remember};
use super::{Desk, DeskError, events as told, retry};
use crate::domain::creditor::Creditor;
use crate::domain::day::{Day, Instant};
use crate::domain::debt::{Change, Debt, DebtState, Elsewhere, Order};
use crate::domain::event::EventKind;
use crate::domain::ids::DebtId;
use crate::domain::notice::{NoticeError, NoticeNumber};
use crate::domain::party::CreditorCode;
use crate::point;
use crate::store::debts::{Filter, Listed};
use crate::store::{Conn, StoreError, debts, events, positions, sequences};

/// Numbers that are tried before the creditor is told that there are none.
const COLLISIONS: u32 = 1_000;

/// Whether the caller chose the due day or our default did; a default may differ from one day to
/// the next without the order being another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DueDay {
    /// It stands in the order.
    Chosen,
    /// It was left out.
    Default,
}

/// A debt that was opened, or had been.
#[derive(Debug, Clone)]
pub struct Opening {
    /// The debt.
    pub debt: Debt,
    /// Whether it existed already, with the same content under the same external id.
    pub existed: bool,
}

impl Desk {
    /// Opens a debt: a number from the creditor's sequence, the debt and the first answer to an
    /// Idempotency-Key, in one transaction.
    ///
    /// # Errors
    /// [`DeskError::ExternalIdTaken`], [`DeskError::KeyReused`], [`DeskError::Numbers`], or the
    /// store failed.
    pub async fn open_debt(
        &self,
        creditor: &Creditor,
        order: Order,
        due: DueDay,
        repeat: Option<Repeat<'_, Opening>>,
        now: Instant,
    ) -> Result<Done<Opening>, DeskError> {
        retry(|| Box::pin(self.try_open(creditor, &order, due, repeat.as_ref(), now))).await
    }

    async fn try_open(
        &self,
        creditor: &Creditor,
        order: &Order,
        due: DueDay,
        repeat: Option<&Repeat<'_, Opening>>,
        now: Instant,
    ) -> Result<Done<Opening>, DeskError> {
        let mut tx = self.store.write().await?;
        if let Some(answer) = claim(&mut tx, &creditor.code, repeat, now).await? {
            return Ok(Done::Again(answer));
        }
        let existing = match &order.external_id {
            Some(id) => debts::by_external_id(&mut tx, &creditor.code, id).await?,
            None => None,
        };
        let opening = match existing {
            Some(debt) if is_same(&debt.order, order, due) => Opening {
                debt,
                existed: true,
            },
            Some(_) => return Err(DeskError::ExternalIdTaken),
            None => {
                let debt = self.number_and_store(&mut tx, creditor, order, now).await?;
                positions::mark(&mut tx, &debt.id, now).await?;
                self.tell(&mut tx, EventKind::NoticeCreated, &debt, now)
                    .await?;
                Opening {
                    debt,
                    existed: false,
                }
            }
        };
        remember(&mut tx, &creditor.code, repeat, &opening).await?;
        point::reach("debt.before_commit");
        tx.commit().await.map_err(StoreError::from)?;
        point::reach("debt.after_commit");
        self.rang();
        Ok(Done::First(opening))
    }

    /// Takes numbers until one is free: after a change of the aux digit a number of the new series
    /// may hold an IUV of the old one, and an IUV is never used twice.
    pub(super) async fn number_and_store(
        &self,
        conn: &mut Conn,
        creditor: &Creditor,
        order: &Order,
        now: Instant,
    ) -> Result<Debt, DeskError> {
        let series = creditor.numbering.series();
        for _ in 0..COLLISIONS {
            let first = creditor.first_number;
            let place = sequences::next(conn, &creditor.code, &series, first).await?;
            let number = creditor.numbering.number(place);
            let debt = Debt {
                id: DebtId::new(self.ids.next(now)),
                creditor: creditor.code.clone(),
                order: order.clone(),
                notice: number.map_err(DeskError::Numbers)?,
                created_at: now,
                state: DebtState::Open,
            };
            if debts::insert(conn, &debt).await? {
                return Ok(debt);
            }
            if let Some(id) = &order.external_id
                && debts::by_external_id(conn, &creditor.code, id)
                    .await?
                    .is_some()
            {
                return Err(StoreError::Contended.into());
            }
        }
        Err(DeskError::Numbers(NoticeError::Exhausted))
    }

    /// The debt with this id.
    ///
    /// # Errors
    /// [`DeskError::NotFound`], also when it is another creditor's.
    pub async fn debt(&self, creditor: &CreditorCode, id: &DebtId) -> Result<Debt, DeskError> {
        let mut conn = self.store.read().await?;
        debts::by_id(&mut conn, creditor, id)
            .await?
            .ok_or(DeskError::NotFound)
    }

    /// The debt with this notice number, for a quote. Nothing is written.
    ///
    /// # Errors
    /// The store failed.
    pub async fn debt_of_notice(
        &self,
        creditor: &CreditorCode,
        notice: &NoticeNumber,
    ) -> Result<Option<Debt>, DeskError> {
        Ok(self.store.debt_of_notice(creditor, notice).await?)
    }

    /// The debt with the portal's own id.
    ///
    /// # Errors
    /// The store failed.
    pub async fn debt_of_external_id(
        &self,
        creditor: &CreditorCode,
        external_id: &str,
    ) -> Result<Option<Debt>, DeskError> {
        let mut conn = self.store.read().await?;
        Ok(debts::by_external_id(&mut conn, creditor, external_id).await?)
    }

    /// A page of debts, newest first; one whose row cannot be read has its place without its content,
    /// and is counted among the failures of the store.
    ///
    /// # Errors
    /// The store failed.
    pub async fn debts(
        &self,
        creditor: &CreditorCode,
        filter: &Filter,
        today: Day,
    ) -> Result<Vec<Listed>, DeskError> {
        let mut conn = self.store.read().await?;
        let page = debts::list(&mut conn, creditor, filter, today).await?;
        for _ in page.iter().filter(|listed| listed.debt.is_none()) {
            self.metrics.store_error("list");
        }
        Ok(page)
    }

    /// Withdraws a debt. Withdrawing it again changes nothing.
    ///
    /// # Errors
    /// [`DeskError::NotFound`], [`DeskError::Refused`] when it is paid, [`DeskError::KeyReused`],
    /// or the store failed.
    pub async fn cancel_debt(
        &self,
        creditor: &CreditorCode,
        id: &DebtId,
        repeat: Option<Repeat<'_, Debt>>,
        now: Instant,
    ) -> Result<Done<Debt>, DeskError> {
        retry(|| Box::pin(self.try_cancel(creditor, id, repeat.as_ref(), now))).await
    }

    async fn try_cancel(
        &self,
        creditor: &CreditorCode,
        id: &DebtId,
        repeat: Option<&Repeat<'_, Debt>>,
        now: Instant,
    ) -> Result<Done<Debt>, DeskError> {
        let mut tx = self.store.write().await?;
        if let Some(answer) = claim(&mut tx, creditor, repeat, now).await? {
            return Ok(Done::Again(answer));
        }
        let mut debt = debts::by_id(&mut tx, creditor, id)
            .await?
            .ok_or(DeskError::NotFound)?;
        debt.cancel()?;
        if !matches!(debt.state, DebtState::Cancelled { .. }) {
            if !debts::cancel(&mut tx, creditor, id, now).await? {
                return Err(StoreError::Contended.into());
            }
            positions::mark(&mut tx, id, now).await?;
            debt.state = DebtState::Cancelled { at: now };
            self.tell(&mut tx, EventKind::NoticeCancelled, &debt, now)
                .await?;
        }
        remember(&mut tx, creditor, repeat, &debt).await?;
        point::reach("cancel.before_commit");
        tx.commit().await.map_err(StoreError::from)?;
        point::reach("cancel.after_commit");
        self.rang();
        Ok(Done::First(debt))
    }

    /// Changes an open debt, which must still be as it was when the change was judged. The same
    /// change again changes nothing.
    ///
    /// # Errors
    /// [`DeskError::Refused`] when it is not open; [`StoreError::Contended`] when somebody else has
    /// changed it meanwhile: the change must then be judged anew; or the store failed.
    pub async fn change_debt(
        &self,
        judged: &Debt,
        change: &Change,
        now: Instant,
    ) -> Result<Debt, DeskError> {
        let id = &judged.id;
        let mut tx = self.store.write().await?;
        let debt = debts::by_id(&mut tx, &judged.creditor, id)
            .await?
            .ok_or(DeskError::NotFound)?;
        let order = debt.change(change.clone(), now.day_in_rome())?;
        if debt != *judged {
            return Err(StoreError::Contended.into());
        }
        if order == debt.order {
            return Ok(debt);
        }
        if !debts::change(&mut tx, &debt, &order).await? {
            return Err(StoreError::Contended.into());
        }
        positions::mark(&mut tx, id, now).await?;
        let debt = Debt { order, ..debt };
        self.tell(&mut tx, EventKind::NoticeChanged, &debt, now)
            .await?;
        tx.commit().await.map_err(StoreError::from)?;
        self.rang();
        Ok(debt)
    }

    /// Takes the creditor's word that a debt was settled off the rails. The same word again changes
    /// nothing.
    ///
    /// # Errors
    /// [`DeskError::NotFound`], [`DeskError::Refused`] when it is paid or cancelled,
    /// [`DeskError::KeyReused`], or the store failed.
    pub async fn settle_debt(
        &self,
        creditor: &CreditorCode,
        id: &DebtId,
        elsewhere: &Elsewhere,
        repeat: Option<Repeat<'_, Debt>>,
        now: Instant,
    ) -> Result<Done<Debt>, DeskError> {
        retry(|| Box::pin(self.try_settle(creditor, id, elsewhere, repeat.as_ref(), now))).await
    }

    async fn try_settle(
        &self,
        creditor: &CreditorCode,
        id: &DebtId,
        elsewhere: &Elsewhere,
        repeat: Option<&Repeat<'_, Debt>>,
        now: Instant,
    ) -> Result<Done<Debt>, DeskError> {
        let mut tx = self.store.write().await?;
        if let Some(answer) = claim(&mut tx, creditor, repeat, now).await? {
            return Ok(Done::Again(answer));
        }
        let mut debt = debts::by_id(&mut tx, creditor, id)
            .await?
            .ok_or(DeskError::NotFound)?;
        if debt.settle(elsewhere)? {
            if !debts::settle_elsewhere(&mut tx, &debt, elsewhere, now).await? {
                return Err(StoreError::Contended.into());
            }
            positions::mark(&mut tx, id, now).await?;
            debt.state = DebtState::Settled {
                elsewhere: elsewhere.clone(),
                at: now,
            };
            self.tell(&mut tx, EventKind::NoticePaid, &debt, now)
                .await?;
        }
        remember(&mut tx, creditor, repeat, &debt).await?;
        tx.commit().await.map_err(StoreError::from)?;
        self.rang();
        Ok(Done::First(debt))
    }

    /// Closes open debts whose last day has passed, at most `limit`; how many were closed.
    ///
    /// # Errors
    /// The store failed.
    pub async fn close_expired(&self, now: Instant, limit: i64) -> Result<usize, DeskError> {
        let mut tx = self.store.write().await?;
        let closed = debts::expire(&mut tx, now.day_in_rome(), now, limit).await?;
        positions::mark_all(&mut tx, &closed, now).await?;
        let debts = debts::by_ids(&mut tx, &closed).await?;
        let event = |debt| told::of_notice(&self.ids, EventKind::NoticeExpired, debt, now);
        let expired: Vec<_> = debts.iter().map(event).collect();
        events::insert(&mut tx, &expired).await?;
        point::reach("expiry.before_commit");
        tx.commit().await.map_err(StoreError::from)?;
        point::reach("expiry.after_commit");
        self.rang();
        Ok(closed.len())
    }
}

impl Desk {
    /// Tells the portals what became of a debt, in the transaction of it.
    async fn tell(
        &self,
        conn: &mut Conn,
        kind: EventKind,
        debt: &Debt,
        now: Instant,
    ) -> Result<(), StoreError> {
        let event = told::of_notice(&self.ids, kind, debt, now);
        events::insert(conn, &[event]).await
    }

    /// A debt was created or changed, and that is committed: rings for those who must hear of it.
    pub(super) fn rang(&self) {
        self.changed.notify_one();
        self.happened.notify_one();
    }
}

/// Whether an order asks for what a debt already is.
pub(super) fn is_same(existing: &Order, order: &Order, due: DueDay) -> bool {
    match due {
        DueDay::Chosen => existing == order,
        DueDay::Default => {
            *existing
                == Order {
                    due_on: existing.due_on,
                    payable_until: existing.payable_until,
                    ..order.clone()
                }
        }
    }
}
