//! What waits for the finance office.

use super::{Desk, DeskError};
use crate::domain::day::Instant;
use crate::domain::ids::CaseId;
use crate::domain::party::CreditorCode;
use crate::domain::payment::Case;
use crate::store::StoreError;
use crate::store::cases::{self, OpenCase};

impl Desk {
    /// Opens a case that no payment brought; the same thing again is not another case. It is a
    /// follow-up: when it cannot be written the log has it, and whatever led to it goes on.
    pub async fn open_case(&self, case: Case, now: Instant) {
        let open = OpenCase {
            id: CaseId::new(self.ids.next(now)),
            opened_at: now,
            case,
        };
        let written = async {
            let mut tx = self.store.write().await?;
            cases::insert(&mut tx, std::slice::from_ref(&open)).await?;
            tx.commit().await.map_err(StoreError::from)
        };
        self.metrics().case(open.case.code.as_str());
        if let Err(error) = written.await {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                case = open.case.code.as_str(),
                creditor = %open.case.creditor,
                subject = %open.case.subject,
                "a case could not be written"
            );
        }
    }

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
