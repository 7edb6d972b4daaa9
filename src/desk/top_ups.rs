//! Links under which a parent chooses a top-up, and the choice.

use super::debts::{DueDay, Opening};
use super::once::{Answer, Done, Repeat, claim, remember};
use super::{Desk, DeskError};
use crate::domain::creditor::Creditor;
use crate::domain::day::Instant;
use crate::domain::debt::Order;
use crate::domain::ids::{DebtId, TopUpLinkId};
use crate::domain::party::CreditorCode;
pub use crate::store::top_ups::TopUpLink;
use crate::store::{StoreError, top_ups};
use crate::wire::digest::sha256;

impl Desk {
    /// Keeps a link.
    ///
    /// # Errors
    /// [`DeskError::KeyReused`], or the store failed.
    pub async fn keep_top_up_link(
        &self,
        link: TopUpLink,
        repeat: Option<Repeat<'_, TopUpLink>>,
        now: Instant,
    ) -> Result<Done<TopUpLink>, DeskError> {
        let mut tx = self.store.write().await?;
        if let Some(answer) = claim(&mut tx, &link.creditor, repeat.as_ref(), now).await? {
            return Ok(Done::Again(answer));
        }
        top_ups::insert(&mut tx, &link).await?;
        remember(&mut tx, &link.creditor, repeat.as_ref(), &link).await?;
        tx.commit().await.map_err(StoreError::from)?;
        Ok(Done::First(link))
    }

    /// The link with this id.
    ///
    /// # Errors
    /// [`DeskError::NotFound`], also when it is another creditor's, or the store failed.
    pub async fn top_up_link(
        &self,
        creditor: &CreditorCode,
        id: &TopUpLinkId,
    ) -> Result<TopUpLink, DeskError> {
        let mut conn = self.store.read().await?;
        top_ups::by_id(&mut conn, creditor, id)
            .await?
            .ok_or(DeskError::NotFound)
    }

    /// Opens the debt that was chosen on a form. Each form has a mark of its own: the same choice sent
    /// again gives the debt that there is, another choice another debt.
    ///
    /// # Errors
    /// As [`Desk::open_debt`].
    pub async fn choose_top_up(
        &self,
        creditor: &Creditor,
        link: &TopUpLinkId,
        mark: &str,
        order: Order,
        now: Instant,
    ) -> Result<DebtId, DeskError> {
        // No portal can take such a key: theirs have no blanks.
        let choice = format!("{} {}", order.service, order.amount.get());
        let key = format!("top-up {link} {mark} {choice}");
        let request_sha256 = sha256(choice.as_bytes());
        let print = |opening: &Opening| Answer {
            http_status: 201,
            body: opening.debt.id.to_string(),
        };
        let repeat = Repeat {
            key: &key,
            request_sha256: &request_sha256,
            print: &print,
        };
        let done = self
            .open_debt(creditor, order, DueDay::Default, Some(repeat), now)
            .await?;
        Ok(match done {
            Done::First(opening) => opening.debt.id,
            Done::Again(answer) => DebtId::new(answer.body),
        })
    }
}
