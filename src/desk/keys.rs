//! Keys of the REST API.
//!
//! A key is `pm_` + 16 hexadecimal digits that find its row + `_` + 64 that prove it. Only the
//! SHA-256 of the whole is kept: the secret has 256 bits of chance, so no slow hash is needed.

use super::{Desk, DeskError};
use crate::domain::day::Instant;
use crate::domain::ids::KeyId;
use crate::domain::party::CreditorCode;
pub use crate::store::keys::Role;
use crate::store::keys::{self, KeyRow};
use crate::store::{Store, StoreError};
use crate::wire::digest::{hex, sha256};

/// What a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Read notices.
    NoticesRead,
    /// Create and cancel notices.
    NoticesWrite,
    /// Read payments and their receipts.
    PaymentsRead,
    /// Read the exceptions.
    ExceptionsRead,
    /// Read events.
    EventsRead,
    /// Register endpoints for webhooks, and send deliveries again.
    WebhooksWrite,
    /// Read statements of account.
    StatementsRead,
    /// Read the journal of exchanges with its messages. Never given unless it is asked for: the
    /// messages hold personal data.
    Audit,
}

impl Scope {
    /// All scopes.
    pub const ALL: [Scope; 8] = [
        Scope::NoticesRead,
        Scope::NoticesWrite,
        Scope::PaymentsRead,
        Scope::ExceptionsRead,
        Scope::EventsRead,
        Scope::WebhooksWrite,
        Scope::StatementsRead,
        Scope::Audit,
    ];

    /// What a portal needs: the scopes of a key for which none are named.
    pub const USUAL: [Scope; 7] = [
        Scope::NoticesRead,
        Scope::NoticesWrite,
        Scope::PaymentsRead,
        Scope::ExceptionsRead,
        Scope::EventsRead,
        Scope::WebhooksWrite,
        Scope::StatementsRead,
    ];

    /// The word on the command line and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Scope::NoticesRead => "notices:read",
            Scope::NoticesWrite => "notices:write",
            Scope::PaymentsRead => "payments:read",
            Scope::ExceptionsRead => "exceptions:read",
            Scope::EventsRead => "events:read",
            Scope::WebhooksWrite => "webhooks:write",
            Scope::StatementsRead => "statements:read",
            Scope::Audit => "audit",
        }
    }

    /// The scope written as [`Scope::as_str`] writes it.
    pub fn parse(text: &str) -> Option<Scope> {
        Scope::ALL.into_iter().find(|scope| scope.as_str() == text)
    }
}

/// A key that was recognised.
#[derive(Debug, Clone)]
pub struct Access {
    /// Whose it is.
    pub owner: CreditorCode,
    /// Whether that is a creditor, or an operator that works for several.
    pub role: Role,
    /// What it may do.
    pub scopes: Vec<Scope>,
}

/// What a new key is for.
#[derive(Debug, Clone)]
pub struct NewKey<'a> {
    /// Whose it is: a creditor, or an operator.
    pub creditor: &'a CreditorCode,
    /// What it is for, for people.
    pub name: &'a str,
    /// What it may do.
    pub scopes: &'a [Scope],
}

/// Makes a creditor's key and keeps its hash. The key itself is given once and never again.
///
/// # Errors
/// The store failed.
pub async fn create(
    store: &Store,
    ids: &crate::clock::Ids,
    new: &NewKey<'_>,
    now: Instant,
) -> Result<String, StoreError> {
    create_as(Role::Creditor, store, ids, new, now).await
}

/// The same for a creditor or an operator.
///
/// # Errors
/// The store failed.
pub async fn create_as(
    role: Role,
    store: &Store,
    ids: &crate::clock::Ids,
    new: &NewKey<'_>,
    now: Instant,
) -> Result<String, StoreError> {
    let prefix = hex(&ids.secret::<8>());
    let key = format!("pm_{prefix}_{}", hex(&ids.secret::<32>()));
    let scopes: Vec<&str> = new.scopes.iter().map(|scope| scope.as_str()).collect();
    let row = KeyRow {
        id: KeyId::new(ids.next(now)),
        creditor: new.creditor.clone(),
        role,
        name: new.name.to_owned(),
        prefix,
        hash: sha256(key.as_bytes()),
        scopes: scopes.join(" "),
        created_at: now,
        revoked_at: None,
    };
    let mut tx = store.write().await?;
    keys::insert(&mut tx, &row).await?;
    tx.commit().await?;
    Ok(key)
}

impl Desk {
    /// What this key opens; nothing when it is unknown, wrong or revoked.
    ///
    /// # Errors
    /// The store failed.
    pub async fn access(&self, key: &str) -> Result<Option<Access>, DeskError> {
        let Some(prefix) = key
            .strip_prefix("pm_")
            .and_then(|rest| rest.split_once('_'))
            .map(|(prefix, _)| prefix)
            .filter(|prefix| prefix.len() == 16)
        else {
            return Ok(None);
        };
        let mut conn = self.store.read().await?;
        let Some(row) = keys::by_prefix(&mut conn, prefix).await? else {
            return Ok(None);
        };
        let given = sha256(key.as_bytes());
        let matches = given.len() == row.hash.len()
            && openssl::memcmp::eq(given.as_bytes(), row.hash.as_bytes());
        if !matches || row.revoked_at.is_some() {
            return Ok(None);
        }
        Ok(Some(Access {
            scopes: row.scopes.split(' ').filter_map(Scope::parse).collect(),
            owner: row.creditor,
            role: row.role,
        }))
    }
}
