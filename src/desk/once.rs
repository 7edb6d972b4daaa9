//! Doing something once for an Idempotency-Key: the first answer is kept, in the transaction of the
//! work, and given again.

use super::{Desk, DeskError};
use crate::domain::day::Instant;
use crate::domain::party::CreditorCode;
use crate::store::idempotency::First;
use crate::store::{Conn, idempotency};

/// The key of a request, and how its answer is printed.
pub struct Repeat<'a, T> {
    /// The key that the caller chose.
    pub key: &'a str,
    /// SHA-256 of method, path and body.
    pub request_sha256: &'a str,
    /// The answer to what was done.
    pub print: &'a (dyn Fn(&T) -> Answer + Send + Sync),
}

impl<T> std::fmt::Debug for Repeat<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Repeat").finish_non_exhaustive()
    }
}

/// An answer as it went out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub http_status: u16,
    /// Its body.
    pub body: String,
}

/// What became of a request that may be a repetition.
#[derive(Debug)]
pub enum Done<T> {
    /// It was done now.
    First(T),
    /// It was done before; this was the answer.
    Again(Answer),
}

impl<T> Done<T> {
    /// The answer, printed if it is the first.
    pub fn answer(self, print: impl FnOnce(&T) -> Answer) -> Answer {
        match self {
            Done::First(done) => print(&done),
            Done::Again(answer) => answer,
        }
    }
}

impl Desk {
    /// The first answer to a request under this key, when it was answered before.
    ///
    /// # Errors
    /// [`DeskError::KeyReused`] for another request under the key, or the store failed.
    pub async fn first_answer(
        &self,
        creditor: &CreditorCode,
        key: &str,
        request_sha256: &str,
    ) -> Result<Option<Answer>, DeskError> {
        let mut conn = self.store.read().await?;
        let first = idempotency::find(&mut conn, creditor, key).await?;
        first.map(|first| same(first, request_sha256)).transpose()
    }
}

/// The first answer, when it was to this request.
fn same(first: First, request_sha256: &str) -> Result<Answer, DeskError> {
    if first.request_sha256 == request_sha256 {
        Ok(Answer {
            http_status: first.http_status,
            body: first.body,
        })
    } else {
        Err(DeskError::KeyReused)
    }
}

/// Takes the key; the first answer when this is a repetition.
///
/// # Errors
/// [`DeskError::KeyReused`] for another request under the key, or the store failed.
pub(super) async fn claim<T>(
    conn: &mut Conn,
    creditor: &CreditorCode,
    repeat: Option<&Repeat<'_, T>>,
    now: Instant,
) -> Result<Option<Answer>, DeskError> {
    let Some(repeat) = repeat else {
        return Ok(None);
    };
    let first = idempotency::claim(conn, creditor, repeat.key, repeat.request_sha256, now).await?;
    first
        .map(|first| same(first, repeat.request_sha256))
        .transpose()
}

/// Keeps the answer under the key.
///
/// # Errors
/// The store failed.
pub(super) async fn remember<T>(
    conn: &mut Conn,
    creditor: &CreditorCode,
    repeat: Option<&Repeat<'_, T>>,
    done: &T,
) -> Result<(), DeskError> {
    if let Some(repeat) = repeat {
        let answer = (repeat.print)(done);
        idempotency::answer(conn, creditor, repeat.key, answer.http_status, &answer.body).await?;
    }
    Ok(())
}
