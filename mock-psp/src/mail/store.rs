//! What the mail server keeps.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::database::Database;

const KEEP: &str =
    "INSERT INTO mails (sender, recipient, raw, received_at) VALUES ($1, $2, $3, $4)";
const LIST: &str = "SELECT id, sender, recipient, raw, received_at FROM mails \
    WHERE ($1 = '' OR recipient = $1) ORDER BY id DESC LIMIT $2";
const READ: &str = "SELECT id, sender, recipient, raw, received_at FROM mails WHERE id = $1";
const FORGET: &str = "DELETE FROM mails";

/// A message as it came.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) id: i64,
    pub(super) sender: String,
    pub(super) recipient: String,
    pub(super) raw: Vec<u8>,
    pub(super) received_at: String,
}

impl Database {
    pub(super) async fn keep_mail(
        &self,
        sender: &str,
        recipient: &str,
        raw: &[u8],
        received_at: &str,
    ) -> Result<(), sqlx::Error> {
        sqlx::query(KEEP)
            .bind(sender)
            .bind(recipient)
            .bind(raw)
            .bind(received_at)
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// Messages to this address, or all of them, newest first.
    pub(super) async fn mails(&self, to: &str, limit: i64) -> Result<Vec<Kept>, sqlx::Error> {
        let rows = sqlx::query(LIST).bind(to).bind(limit);
        rows.fetch_all(&self.readers)
            .await?
            .iter()
            .map(kept)
            .collect()
    }

    pub(super) async fn mail(&self, id: i64) -> Result<Option<Kept>, sqlx::Error> {
        let row = sqlx::query(READ)
            .bind(id)
            .fetch_optional(&self.readers)
            .await?;
        row.as_ref().map(kept).transpose()
    }

    pub(super) async fn forget_mails(&self) -> Result<(), sqlx::Error> {
        sqlx::query(FORGET).execute(&self.writer).await?;
        Ok(())
    }
}

fn kept(row: &SqliteRow) -> Result<Kept, sqlx::Error> {
    Ok(Kept {
        id: row.try_get("id")?,
        sender: row.try_get("sender")?,
        recipient: row.try_get("recipient")?,
        raw: row.try_get("raw")?,
        received_at: row.try_get("received_at")?,
    })
}
