//! The outbox of mails.

use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::any::AnyRow;

use super::statement::statements;
use super::{Columns, Conn, StoreError};
use crate::domain::day::Instant;
use crate::domain::ids::{DebtId, DocumentId, MailId};
use crate::domain::mail::{Attachment, Language, Mail, MailKind, OwedMail};
use crate::domain::party::{CreditorCode, Email};

statements! {
    OWE = "INSERT INTO mails (id, creditor, kind, identity, debt, recipient, language, subject, \
        plain, html, attachments, state, attempts, next_attempt_at, created_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 'owed', 0, $12, $12) \
        ON CONFLICT (creditor, kind, identity) DO NOTHING RETURNING id";

    DUE = "SELECT id, creditor, kind, identity, debt, recipient, language, subject, plain, html, \
        attachments, attempts, created_at FROM mails WHERE state = 'owed' \
        AND next_attempt_at <= $1 ORDER BY next_attempt_at, id LIMIT $2";

    NEXT_DUE = "SELECT next_attempt_at FROM mails WHERE state = 'owed' \
        ORDER BY next_attempt_at LIMIT 1";

    /// Counted up to a bound: whoever asks wants to know whether much is owed, not how much.
    OWED = "SELECT COUNT(*) AS owed FROM (SELECT id FROM mails WHERE state = 'owed' LIMIT 1001) \
        AS first_ones";

    CLOSE = "UPDATE mails SET state = $2, closed_at = $3, attempts = attempts + 1, \
        last_error = $4 WHERE id = $1 AND state = 'owed'";

    DROP = "DELETE FROM mails WHERE id = $1 AND state = 'owed'";

    POSTPONE = "UPDATE mails SET next_attempt_at = $2, attempts = attempts + 1, last_error = $3 \
        WHERE id = $1 AND state = 'owed'";
}

/// What became of a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// The server has taken it.
    Sent,
    /// The server does not want it, now or later.
    Refused {
        /// What it said.
        error: String,
    },
    /// There is nothing to say any more.
    Dropped,
    /// Not this time.
    Postponed {
        /// When again.
        until: Instant,
        /// What went wrong.
        error: String,
    },
}

/// What is to be delivered.
#[derive(Debug, Default)]
pub struct Due {
    /// Mails, oldest first.
    pub mails: Vec<OwedMail>,
    /// Those whose row cannot be read.
    pub unreadable: Vec<MailId>,
}

#[derive(Serialize, Deserialize)]
struct File {
    document: String,
    name: String,
    media_type: String,
}

/// Writes down a mail; false when the same was written down before.
///
/// # Errors
/// The database failed.
pub async fn owe(
    conn: &mut Conn,
    id: &MailId,
    mail: &Mail,
    now: Instant,
) -> Result<bool, StoreError> {
    let files: Vec<File> = mail
        .attachments
        .iter()
        .map(|file| File {
            document: file.document.to_string(),
            name: file.name.clone(),
            media_type: file.media_type.clone(),
        })
        .collect();
    let files = (!files.is_empty()).then(|| serde_json::to_string(&files).unwrap_or_default());
    let row = sqlx::query(OWE)
        .bind(id.as_str())
        .bind(mail.creditor.as_str())
        .bind(mail.kind.as_str())
        .bind(mail.identity.as_str())
        .bind(mail.debt.as_ref().map(DebtId::as_str))
        .bind(mail.to.as_str())
        .bind(mail.language.as_str())
        .bind(mail.subject.as_str())
        .bind(mail.text.as_str())
        .bind(mail.html.as_str())
        .bind(files)
        .bind(now.to_string())
        .fetch_optional(conn)
        .await?;
    Ok(row.is_some())
}

/// What is to be delivered now, oldest first, at most `limit`.
///
/// # Errors
/// The database failed.
pub async fn due(conn: &mut Conn, now: Instant, limit: i64) -> Result<Due, StoreError> {
    let rows = sqlx::query(DUE)
        .bind(now.to_string())
        .bind(limit)
        .fetch_all(conn)
        .await?;
    let mut due = Due::default();
    for row in &rows {
        match read(row) {
            Ok(mail) => due.mails.push(mail),
            Err(StoreError::Corrupt { .. }) => {
                due.unreadable
                    .push(MailId::new(row.try_get::<String, _>("id")?));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(due)
}

/// When the next mail is due.
///
/// # Errors
/// The database failed.
pub async fn next_due(conn: &mut Conn) -> Result<Option<Instant>, StoreError> {
    let row = sqlx::query(NEXT_DUE).fetch_optional(conn).await?;
    row.map(|row| columns(&row).instant("next_attempt_at"))
        .transpose()
}

/// How many mails are owed, counted up to 1001.
///
/// # Errors
/// The database failed.
pub async fn owed(conn: &mut Conn) -> Result<i64, StoreError> {
    let row = sqlx::query(OWED).fetch_one(conn).await?;
    Ok(row.try_get("owed")?)
}

/// Writes down what became of a mail.
///
/// # Errors
/// The database failed.
pub async fn record(
    conn: &mut Conn,
    id: &MailId,
    fate: &Fate,
    now: Instant,
) -> Result<(), StoreError> {
    let query = match fate {
        Fate::Sent => sqlx::query(CLOSE)
            .bind(id.as_str())
            .bind("sent")
            .bind(now.to_string())
            .bind(None::<&str>),
        Fate::Refused { error } => sqlx::query(CLOSE)
            .bind(id.as_str())
            .bind("refused")
            .bind(now.to_string())
            .bind(Some(error.as_str())),
        Fate::Dropped => sqlx::query(DROP).bind(id.as_str()),
        Fate::Postponed { until, error } => sqlx::query(POSTPONE)
            .bind(id.as_str())
            .bind(until.to_string())
            .bind(error.as_str()),
    };
    query.execute(conn).await?;
    Ok(())
}

fn columns(row: &AnyRow) -> Columns<'_> {
    Columns {
        table: "mails",
        row,
    }
}

fn read(row: &AnyRow) -> Result<OwedMail, StoreError> {
    let columns = columns(row);
    let files: Vec<File> = match columns.optional_text("attachments")? {
        Some(text) => serde_json::from_str(&text).map_err(|_| columns.corrupt("attachments"))?,
        None => vec![],
    };
    Ok(OwedMail {
        id: MailId::new(columns.text("id")?),
        attempts: columns.integer("attempts")?,
        created_at: columns.instant("created_at")?,
        mail: Mail {
            creditor: columns.parsed("creditor", CreditorCode::parse)?,
            kind: columns.parsed("kind", |text| MailKind::parse(text).ok_or(()))?,
            identity: columns.text("identity")?,
            debt: columns.optional_text("debt")?.map(DebtId::new),
            to: columns.parsed("recipient", Email::parse)?,
            language: columns.parsed("language", |text| Language::parse(text).ok_or(()))?,
            subject: columns.text("subject")?,
            text: columns.text("plain")?,
            html: columns.text("html")?,
            attachments: files
                .into_iter()
                .map(|file| Attachment {
                    document: DocumentId::new(file.document),
                    name: file.name,
                    media_type: file.media_type,
                })
                .collect(),
        },
    })
}
