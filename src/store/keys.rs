//! Keys of the REST API: only a hash is kept.

use super::statement::statements;
use super::{Columns, Conn, StoreError};
use crate::domain::day::Instant;
use crate::domain::ids::KeyId;
use crate::domain::party::CreditorCode;

statements! {
    INSERT = "INSERT INTO api_keys (id, creditor, name, prefix, hash, scopes, created_at, role) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";

    BY_PREFIX = "SELECT id, creditor, name, prefix, hash, scopes, created_at, revoked_at, role \
        FROM api_keys WHERE prefix = $1";

    LIST = "SELECT id, creditor, name, prefix, hash, scopes, created_at, revoked_at, role \
        FROM api_keys ORDER BY id";

    REVOKE = "UPDATE api_keys SET revoked_at = $2 WHERE prefix = $1 AND revoked_at IS NULL \
        RETURNING id";
}

/// Whose a key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A creditor's: it opens that creditor's data.
    Creditor,
    /// An operator's: it opens the data of every creditor that it works for.
    Operator,
}

impl Role {
    /// The word in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Creditor => "creditor",
            Role::Operator => "operator",
        }
    }

    /// The role written as [`Role::as_str`] writes it.
    pub fn parse(text: &str) -> Option<Role> {
        [Role::Creditor, Role::Operator]
            .into_iter()
            .find(|role| role.as_str() == text)
    }
}

/// A key's row.
#[derive(Debug, Clone)]
pub struct KeyRow {
    /// Our id.
    pub id: KeyId,
    /// Whose it is: a creditor's, or an operator's.
    pub creditor: CreditorCode,
    /// Which of the two.
    pub role: Role,
    /// What it is for, for people.
    pub name: String,
    /// The public part of the key.
    pub prefix: String,
    /// SHA-256 of the whole key, in hexadecimal.
    pub hash: String,
    /// What it may do, separated by blanks.
    pub scopes: String,
    /// When it was made.
    pub created_at: Instant,
    /// When it was revoked, if it was.
    pub revoked_at: Option<Instant>,
}

/// Stores a key.
///
/// # Errors
/// The database failed.
pub async fn insert(conn: &mut Conn, key: &KeyRow) -> Result<(), StoreError> {
    sqlx::query(INSERT)
        .bind(key.id.as_str())
        .bind(key.creditor.as_str())
        .bind(key.name.as_str())
        .bind(key.prefix.as_str())
        .bind(key.hash.as_str())
        .bind(key.scopes.as_str())
        .bind(key.created_at.to_string())
        .bind(key.role.as_str())
        .execute(conn)
        .await?;
    Ok(())
}

/// The key with this public part.
///
/// # Errors
/// The database failed.
pub async fn by_prefix(conn: &mut Conn, prefix: &str) -> Result<Option<KeyRow>, StoreError> {
    let row = sqlx::query(BY_PREFIX)
        .bind(prefix)
        .fetch_optional(conn)
        .await?;
    row.as_ref().map(key).transpose()
}

/// All keys, oldest first.
///
/// # Errors
/// The database failed.
pub async fn list(conn: &mut Conn) -> Result<Vec<KeyRow>, StoreError> {
    let rows = sqlx::query(LIST).fetch_all(conn).await?;
    rows.iter().map(key).collect()
}

/// Revokes a key; false when there is none with this public part, or it is revoked already.
///
/// # Errors
/// The database failed.
pub async fn revoke(conn: &mut Conn, prefix: &str, now: Instant) -> Result<bool, StoreError> {
    let row = sqlx::query(REVOKE)
        .bind(prefix)
        .bind(now.to_string())
        .fetch_optional(conn)
        .await?;
    Ok(row.is_some())
}

fn key(row: &sqlx::any::AnyRow) -> Result<KeyRow, StoreError> {
    let columns = Columns {
        table: "api_keys",
        row,
    };
    Ok(KeyRow {
        id: KeyId::new(columns.text("id")?),
        creditor: columns.parsed("creditor", CreditorCode::parse)?,
        role: columns.parsed("role", |text| Role::parse(text).ok_or(()))?,
        name: columns.text("name")?,
        prefix: columns.text("prefix")?,
        hash: columns.text("hash")?,
        scopes: columns.text("scopes")?,
        created_at: columns.instant("created_at")?,
        revoked_at: columns.optional("revoked_at", Instant::parse)?,
    })
}
