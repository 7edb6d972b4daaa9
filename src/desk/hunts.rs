//! Receipts that are looked for, as the finance office sees them.

use super::{Desk, DeskError};
use crate::domain::day::Instant;
use crate::domain::party::CreditorCode;
use crate::store::hunts::{self, By, Hunt, State};
use crate::store::rates;

impl Desk {
    /// A page of a creditor's hunts, newest first. The next try of each is not before the service
    /// that it asks may be called again.
    ///
    /// # Errors
    /// The store failed.
    pub async fn receipt_hunts(
        &self,
        creditor: &CreditorCode,
        state: Option<State>,
        before: Option<&str>,
        limit: i64,
        now: Instant,
    ) -> Result<Vec<Hunt>, DeskError> {
        let mut conn = self.store.read().await?;
        let mut hunts = hunts::list(&mut conn, creditor, state, before, limit).await?;
        for by in [By::ReceiptId, By::Iuv] {
            let pace = rates::read(&mut conn, by.service()).await?;
            let held = pace.and_then(|pace| pace.held_until);
            let Some(held) = held.filter(|until| *until > now) else {
                continue;
            };
            for hunt in &mut hunts {
                if hunt.state == State::Searching && hunt.ask.by() == by {
                    hunt.next_try_at = hunt.next_try_at.max(held);
                }
            }
        }
        Ok(hunts)
    }
}
