//! The portal's REST client towards the gateway.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::config::Creditor;
use crate::outbound::{self, CallError};

/// How long the portal lets a parent wait.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The gateway's REST door.
pub(crate) struct Gateway {
    http: reqwest::Client,
    base: String,
}

/// What the gateway said.
#[derive(Debug)]
pub(crate) enum Answer {
    /// 200 or 201, with its JSON.
    Done(Value),
    /// Any other status, with its problem where it sent one.
    Refused(u16, Refusal),
}

/// A problem as RFC 9457 and the gateway's contract write it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Refusal {
    pub(crate) code: String,
    pub(crate) title: String,
    pub(crate) detail: String,
    pub(crate) errors: Vec<FieldRefusal>,
}

/// One field the gateway does not like.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct FieldRefusal {
    pub(crate) field: String,
    pub(crate) message: String,
}

impl Gateway {
    pub(crate) fn new(web: &str) -> Result<Self, reqwest::Error> {
        let http = outbound::client().timeout(TIMEOUT).build()?;
        Ok(Gateway {
            http,
            base: format!("{}/api/v1", web.trim_end_matches('/')),
        })
    }

    /// `POST /api/v1/notices`
    pub(crate) async fn create_notice(
        &self,
        creditor: &Creditor,
        idempotency_key: &str,
        notice: &Value,
    ) -> Result<Answer, CallError> {
        let url = format!("{}/notices", self.base);
        let request = self
            .http
            .post(url)
            .header("Idempotency-Key", idempotency_key)
            .json(notice);
        answer(request, creditor).await
    }

    /// `GET /api/v1/notices/{id}`
    pub(crate) async fn notice(&self, creditor: &Creditor, id: &str) -> Result<Answer, CallError> {
        answer(
            self.http.get(format!("{}/notices/{id}", self.base)),
            creditor,
        )
        .await
    }
}

async fn answer(
    request: reqwest::RequestBuilder,
    creditor: &Creditor,
) -> Result<Answer, CallError> {
    let request = request
        .bearer_auth(&creditor.portal_key)
        .header(
            reqwest::header::ACCEPT,
            "application/json, application/problem+json",
        )
        .header(reqwest::header::ACCEPT_LANGUAGE, "it");
    let reply = outbound::send(request).await?;
    if matches!(reply.status, 200 | 201) {
        return serde_json::from_slice(&reply.body)
            .map(Answer::Done)
            .map_err(|error| CallError::Unreachable(format!("the reply is no JSON: {error}")));
    }
    // A proxy's page is a refusal as well, only without a reason.
    let refusal = serde_json::from_slice(&reply.body).unwrap_or_default();
    Ok(Answer::Refused(reply.status, refusal))
}
