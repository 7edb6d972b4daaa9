//! Links under which a parent chooses a top-up.

use super::statement::statements;
use super::{Columns, Conn, StoreError};
use crate::domain::day::Instant;
use crate::domain::ids::TopUpLinkId;
use crate::domain::party::{CreditorCode, Email, FiscalCode};

statements! {
    INSERT = "INSERT INTO top_up_links (id, creditor, child_code, child_name, child_fiscal_code, \
        payer_name, payer_fiscal_code, payer_email, services, return_url, created_at, expires_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";

    FIND = "SELECT id, creditor, child_code, child_name, child_fiscal_code, payer_name, \
        payer_fiscal_code, payer_email, services, return_url, created_at, expires_at \
        FROM top_up_links WHERE creditor = $1 AND id = $2";

    FORGET = "DELETE FROM top_up_links WHERE id IN (SELECT id FROM top_up_links \
        WHERE expires_at < $1 LIMIT $2)";
}

/// A link, with what the portal knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopUpLink {
    /// Its id.
    pub id: TopUpLinkId,
    /// Whose it is.
    pub creditor: CreditorCode,
    /// The child's code in the meal system.
    pub child_code: String,
    /// The child's name.
    pub child_name: String,
    /// The child's fiscal code, if it is known.
    pub child_fiscal_code: Option<FiscalCode>,
    /// The payer's name.
    pub payer_name: String,
    /// The payer's fiscal code, if it is known.
    pub payer_fiscal_code: Option<FiscalCode>,
    /// The payer's address, if it is known.
    pub payer_email: Option<Email>,
    /// The services that are offered, by their codes.
    pub services: Vec<String>,
    /// Where the browser goes afterwards: an address that was found to be the portal's.
    pub return_url: Option<String>,
    /// When it was made.
    pub created_at: Instant,
    /// Until when it works.
    pub expires_at: Instant,
}

/// Keeps a link.
///
/// # Errors
/// The database failed.
pub async fn insert(conn: &mut Conn, link: &TopUpLink) -> Result<(), StoreError> {
    sqlx::query(INSERT)
        .bind(link.id.as_str())
        .bind(link.creditor.as_str())
        .bind(link.child_code.as_str())
        .bind(link.child_name.as_str())
        .bind(link.child_fiscal_code.as_ref().map(FiscalCode::as_str))
        .bind(link.payer_name.as_str())
        .bind(link.payer_fiscal_code.as_ref().map(FiscalCode::as_str))
        .bind(link.payer_email.as_ref().map(Email::as_str))
        .bind(link.services.join("\n"))
        .bind(link.return_url.as_deref())
        .bind(link.created_at.to_string())
        .bind(link.expires_at.to_string())
        .execute(conn)
        .await?;
    Ok(())
}

/// The link of this creditor with this id.
///
/// # Errors
/// The database failed.
pub async fn by_id(
    conn: &mut Conn,
    creditor: &CreditorCode,
    id: &TopUpLinkId,
) -> Result<Option<TopUpLink>, StoreError> {
    let row = sqlx::query(FIND)
        .bind(creditor.as_str())
        .bind(id.as_str())
        .fetch_optional(conn)
        .await?;
    let Some(row) = row else {
        return Ok(None);
    };
    let columns = Columns {
        table: "top_up_links",
        row: &row,
    };
    Ok(Some(TopUpLink {
        id: TopUpLinkId::new(columns.text("id")?),
        creditor: columns.parsed("creditor", CreditorCode::parse)?,
        child_code: columns.text("child_code")?,
        child_name: columns.text("child_name")?,
        child_fiscal_code: columns.optional("child_fiscal_code", FiscalCode::parse)?,
        payer_name: columns.text("payer_name")?,
        payer_fiscal_code: columns.optional("payer_fiscal_code", FiscalCode::parse)?,
        payer_email: columns.optional("payer_email", Email::parse)?,
        services: columns
            .text("services")?
            .lines()
            .map(str::to_owned)
            .collect(),
        return_url: columns.optional_text("return_url")?,
        created_at: columns.instant("created_at")?,
        expires_at: columns.instant("expires_at")?,
    }))
}

/// Removes links that have expired, at most `limit`; how many.
///
/// # Errors
/// The database failed.
pub async fn forget(conn: &mut Conn, now: Instant, limit: i64) -> Result<u64, StoreError> {
    Ok(sqlx::query(FORGET)
        .bind(now.to_string())
        .bind(limit)
        .execute(conn)
        .await?
        .rows_affected())
}
