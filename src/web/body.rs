//! Bodies and the Idempotency-Key of requests.

use axum::body::Body;
use axum::http::{HeaderMap, header};
use serde_json::Value;

use super::Web;
use super::json;
use super::problem::Problem;
use crate::wire::digest::sha256;
use crate::wire::intake::{self, Intake};

/// A body that was JSON, with its bytes for the fingerprint of the request.
pub(super) struct Json {
    pub value: Value,
    pub sha256: String,
}

impl Web {
    /// Reads a JSON body within its limit.
    ///
    /// # Errors
    /// 415 for another media type, 413 over the limit, 400 for what is not JSON.
    pub(super) async fn json(&self, headers: &HeaderMap, body: Body) -> Result<Json, Problem> {
        let is_json = headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split(';').next())
            .is_some_and(|media| media.trim().eq_ignore_ascii_case("application/json"));
        if !is_json {
            return Err(Problem::not_json());
        }
        let bytes = self.bytes(body).await?;
        let value = json::parse(&bytes).map_err(|error| {
            Problem::malformed_json(format!("line {}, column {}", error.line(), error.column()))
        })?;
        Ok(Json {
            value,
            sha256: sha256(&bytes),
        })
    }

    /// Reads a body within its limit.
    ///
    /// # Errors
    /// 413 over the limit, 400 when it breaks off.
    pub(super) async fn bytes(&self, body: Body) -> Result<Vec<u8>, Problem> {
        within(body, self.config.body_limit_kib).await
    }

    /// Reads a file of many notices within its limit.
    ///
    /// # Errors
    /// 413 over the limit, 400 when it breaks off.
    pub(super) async fn file(&self, body: Body) -> Result<Vec<u8>, Problem> {
        within(body, self.config.batch_limit_kib).await
    }
}

async fn within(body: Body, limit: usize) -> Result<Vec<u8>, Problem> {
    match intake::take(body, limit * 1024).await {
        Intake::Whole(bytes) => Ok(bytes),
        Intake::TooLarge(_) => Err(Problem::too_large(limit)),
        Intake::Interrupted(_) => Err(Problem::interrupted()),
    }
}

/// The Idempotency-Key, when there is one; bare or as a quoted string.
///
/// # Errors
/// 400 when it is empty, too long or not visible ASCII.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    let text = value.to_str().map_err(|_| Problem::invalid_key())?.trim();
    let bare = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .unwrap_or(text);
    if (1..=255).contains(&bare.len()) && bare.bytes().all(|b| b.is_ascii_graphic()) {
        Ok(Some(bare.to_owned()))
    } else {
        Err(Problem::invalid_key())
    }
}
