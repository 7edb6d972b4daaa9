//! The notices made in this portal, so that it can list them and the counter knows the child.

use jiff::Timestamp;
use sqlx::Row;

use super::notice::Notice;
use crate::database::Database;

const REMEMBER: &str = "INSERT INTO notices \
    (creditor, id, notice_number, child, child_name, amount_cents, created_at) \
    VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (creditor, id) DO NOTHING";
const RECENT: &str = "SELECT creditor, id, notice_number, child_name, amount_cents FROM notices \
    ORDER BY created_at DESC, id DESC LIMIT $1";
const CHILD_OF_NOTICE: &str =
    "SELECT child FROM notices WHERE notice_number = $1 AND creditor = $2 LIMIT 1";

/// A notice made here before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Made {
    pub(super) creditor: String,
    pub(super) id: String,
    pub(super) notice_number: String,
    pub(super) child_name: String,
    pub(super) amount_cents: i64,
}

impl Database {
    /// Keeps a notice; one that is known already stays as it is.
    pub(super) async fn remember_notice(
        &self,
        creditor: &str,
        notice: &Notice,
        now: Timestamp,
    ) -> Result<(), sqlx::Error> {
        sqlx::query(REMEMBER)
            .bind(creditor)
            .bind(&notice.id)
            .bind(&notice.notice_number)
            .bind(&notice.child_code)
            .bind(&notice.child_name)
            .bind(notice.amount_cents)
            .bind(now.to_string())
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// The last notices made here, newest first.
    pub(super) async fn recent_notices(&self, limit: i64) -> Result<Vec<Made>, sqlx::Error> {
        let rows = sqlx::query(RECENT)
            .bind(limit)
            .fetch_all(&self.readers)
            .await?;
        rows.iter()
            .map(|row| {
                Ok(Made {
                    creditor: row.try_get("creditor")?,
                    id: row.try_get("id")?,
                    notice_number: row.try_get("notice_number")?,
                    child_name: row.try_get("child_name")?,
                    amount_cents: row.try_get("amount_cents")?,
                })
            })
            .collect()
    }

    /// The child a notice is for, where this portal made it or the ledger was credited for it.
    pub(crate) async fn child_of_notice(
        &self,
        notice_number: &str,
        creditor: &str,
    ) -> Result<Option<String>, sqlx::Error> {
        let row = sqlx::query(CHILD_OF_NOTICE)
            .bind(notice_number)
            .bind(creditor)
            .fetch_optional(&self.readers)
            .await?;
        match row {
            Some(row) => row.try_get("child").map(Some),
            None => self.child_of_entry(notice_number, creditor).await,
        }
    }
}
