//! What waits for the finance office.

use super::{Desk, DeskError};
use crate::domain::party::CreditorCode;
use crate::store::cases::{self, OpenCase};

impl Desk {
    /// A page of a creditor's open cases, newest first.
    ///
    /// # Errors
    /// The store failed.
    pub async fn open_cases(
        &self,
        creditor: &CreditorCode,
        before: Option<&str>,
        limit: i64,
    ) -> Result<Vec<OpenCase>, DeskError> {
        let mut conn = self.store.read().await?;
        Ok(cases::open(&mut conn, creditor, before, limit).await?)
    }
}
