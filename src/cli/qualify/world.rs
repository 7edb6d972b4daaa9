//! The simulated world as the PSP: it verifies, pays and reports when it is told.

use reqwest::Url;
use serde::Deserialize;
use serde_json::{Value, json};

use super::cases::Case;
use super::http::{self, CallError};
use crate::channel::fdr::wire;
use crate::wire::soap;

/// Largest answer, in bytes: it repeats every message.
const ANSWER: usize = 32 << 20;

/// The simulated world.
#[derive(Debug)]
pub(super) struct World {
    client: reqwest::Client,
    base: Url,
}

/// The world did not do as it was told.
#[derive(Debug, thiserror::Error)]
pub(super) enum WorldError {
    /// There was no answer.
    #[error("the simulated world at {base} cannot be reached")]
    Call {
        base: String,
        #[source]
        source: CallError,
    },
    /// It is somebody else, or refused.
    #[error(
        "{what} at {base} answers {status}: is the simulated world there, and does it know the creditor?"
    )]
    Stranger {
        base: String,
        what: String,
        status: u16,
    },
}

/// What the PSP heard.
#[derive(Debug, Deserialize)]
pub(super) struct Played {
    fault: Option<Fault>,
    exchanges: Vec<Heard>,
}

#[derive(Debug, Deserialize)]
struct Fault {
    code: String,
    string: String,
    description: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Heard {
    http_status: Option<u16>,
    request: String,
    outcome: Option<String>,
    verdict: NodesVerdict,
}

/// Whether the node would take the reply.
#[derive(Debug, Deserialize)]
struct NodesVerdict {
    legal: bool,
}

impl Heard {
    fn is_for(&self, creditor: &str) -> bool {
        let message = soap::body(self.request.as_bytes()).ok();
        let addressee = message.as_ref().and_then(|message| message.child("idPA"));
        addressee.is_some_and(|found| found.text == creditor)
    }

    fn is_good(&self) -> bool {
        self.verdict.legal && self.outcome.as_deref() == Some("OK")
    }
}

impl Played {
    /// Why it did not go through for a body: nothing when that body answered as it must, and another
    /// one did not.
    pub(super) fn fault_with(&self, creditor: &str) -> Option<String> {
        let fault = self.fault.as_ref()?;
        let mut own = self
            .exchanges
            .iter()
            .filter(|heard| heard.is_for(creditor))
            .peekable();
        if own.peek().is_some() && own.all(Heard::is_good) {
            return None;
        }
        let more = fault
            .description
            .as_deref()
            .map(|text| format!(" ({text})"));
        Some(format!(
            "{} {}{}",
            fault.code,
            fault.string,
            more.unwrap_or_default()
        ))
    }

    /// How many messages a body answered, and so how many lines its journal must get.
    pub(super) fn answered_by(&self, creditor: &str) -> usize {
        self.exchanges
            .iter()
            .filter(|heard| heard.http_status.is_some() && heard.is_for(creditor))
            .count()
    }
}

impl World {
    /// The world at this address.
    ///
    /// # Errors
    /// The client cannot be built.
    pub(super) fn new(base: &Url) -> Result<World, CallError> {
        Ok(World {
            client: http::client()?,
            base: base.clone(),
        })
    }

    /// Lets the PSP do what a case asks of it.
    ///
    /// # Errors
    /// The world could not be told.
    pub(super) async fn play(
        &self,
        case: Case,
        creditor: &str,
        notice: &str,
    ) -> Result<Played, WorldError> {
        let path = match case {
            Case::Verify => "psp/verify",
            _ => "psp/pay",
        };
        let order = json!({ "notice_number": notice, "fiscal_code": creditor });
        let request = self.client.post(http::join(&self.base, path)).json(&order);
        let (status, body) = self.send(request).await?;
        let stranger = || self.stranger(path, status.as_u16());
        if !status.is_success() {
            return Err(stranger());
        }
        serde_json::from_slice(&body).map_err(|_| stranger())
    }

    /// The flow of a day's payments to a body; nothing when there were none.
    ///
    /// # Errors
    /// The world could not be asked.
    pub(super) async fn flow(
        &self,
        creditor: &str,
        day: &str,
    ) -> Result<Option<Vec<u8>>, WorldError> {
        let path = format!("fdr/flows/{creditor}");
        let mut url = http::join(&self.base, &path);
        url.query_pairs_mut().append_pair("day", day);
        let (status, body) = self.send(self.client.get(url)).await?;
        match status.as_u16() {
            200 if body.len() <= wire::LARGEST => Ok(Some(body)),
            404 => Ok(None),
            status => Err(self.stranger(&path, status)),
        }
    }

    /// Whether it is there at all.
    ///
    /// # Errors
    /// It is not.
    pub(super) async fn probe(&self) -> Result<(), WorldError> {
        let (status, body) = self
            .send(self.client.get(http::join(&self.base, "health")))
            .await?;
        let value: Value = serde_json::from_slice(&body).unwrap_or_default();
        match value.get("status").and_then(Value::as_str) {
            Some("ok") => Ok(()),
            _ => Err(self.stranger("health", status.as_u16())),
        }
    }

    async fn send(
        &self,
        request: reqwest::RequestBuilder,
    ) -> Result<(reqwest::StatusCode, Vec<u8>), WorldError> {
        http::send(request, ANSWER)
            .await
            .map_err(|source| WorldError::Call {
                base: self.base.to_string(),
                source,
            })
    }

    fn stranger(&self, what: &str, status: u16) -> WorldError {
        WorldError::Stranger {
            base: self.base.to_string(),
            what: format!("/{what}"),
            status,
        }
    }
}
