//! The node's SOAP client: the timeouts of the service levels, its own certificate, one trusted
//! authority.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use openssl::pkey::PKey;
use reqwest::{Certificate, Identity};
use serde::{Deserialize, Serialize};

use crate::WorldError;
use crate::config::{NodeIdentity, NodeTls};
use crate::outbound::{self, CallError, Reply};
use crate::problem::FieldError;
use crate::verdict::Operation;

/// Name of the setting that holds the timeouts.
pub(crate) const TIMEOUTS: &str = "timeouts";
/// Longest timeout that can be set: a minute.
const TIMEOUT_MAX_MS: u64 = 60_000;

/// How long the node waits, in milliseconds. The defaults are those of the service levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Timeouts {
    /// For verify, get and demand.
    pub(crate) query_ms: u64,
    /// For the answer to a receipt.
    pub(crate) receipt_ms: u64,
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts {
            query_ms: 7_000,
            receipt_ms: 15_000,
        }
    }
}

impl Timeouts {
    pub(crate) fn errors(&self) -> Vec<FieldError> {
        let message = format!("must be 1 to {TIMEOUT_MAX_MS}");
        [("query_ms", self.query_ms), ("receipt_ms", self.receipt_ms)]
            .into_iter()
            .filter(|(_, ms)| !(1..=TIMEOUT_MAX_MS).contains(ms))
            .map(|(field, _)| FieldError::new(field, "out_of_range", message.as_str()))
            .collect()
    }
}

/// Name of the setting that holds the certificate in use.
pub(crate) const CERTIFICATE: &str = "certificate";

/// The node, as the gateway's caller.
pub(crate) struct Node {
    url: String,
    tls: Option<NodeTls>,
    current: Mutex<Current>,
    timeouts: Mutex<Timeouts>,
}

/// The client with the certificate it shows.
#[derive(Clone)]
struct Current {
    http: reqwest::Client,
    identity: Option<String>,
}

impl Node {
    /// A node that shows its first certificate, where it has any.
    pub(crate) async fn new(url: &str, tls: Option<&NodeTls>) -> Result<Self, WorldError> {
        let first = tls.and_then(|tls| tls.identities().into_iter().next());
        Ok(Node {
            url: url.to_owned(),
            current: Mutex::new(current(tls, first.as_ref()).await?),
            tls: tls.cloned(),
            timeouts: Mutex::default(),
        })
    }

    /// The certificates it has, in their order; none where it calls in plain HTTP.
    pub(crate) fn identities(&self) -> Vec<NodeIdentity> {
        self.tls
            .as_ref()
            .map(NodeTls::identities)
            .unwrap_or_default()
    }

    /// The name of the certificate it shows.
    pub(crate) fn identity(&self) -> Option<String> {
        self.current().identity
    }

    /// Shows another certificate, or the same one read anew, from the next connection on. Connections
    /// that are open are not used again.
    pub(crate) async fn show(&self, identity: &NodeIdentity) -> Result<(), WorldError> {
        let new = current(self.tls.as_ref(), Some(identity)).await?;
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    fn current(&self) -> Current {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        current.clone()
    }

    /// How long it waits.
    pub(crate) fn timeouts(&self) -> Timeouts {
        *self.timeouts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes how long it waits.
    pub(crate) fn set_timeouts(&self, timeouts: Timeouts) {
        *self.timeouts.lock().unwrap_or_else(PoisonError::into_inner) = timeouts;
    }

    /// Sends one message and reads the reply.
    pub(crate) async fn call(
        &self,
        operation: Operation,
        message: String,
    ) -> Result<Reply, CallError> {
        let timeouts = self.timeouts();
        let timeout_ms = match operation {
            Operation::SendRt | Operation::SendRtV2 => timeouts.receipt_ms,
            Operation::VerifyPaymentNotice
            | Operation::GetPayment
            | Operation::GetPaymentV2
            | Operation::DemandPaymentNotice => timeouts.query_ms,
        };
        let current = self.current();
        let request = current
            .http
            .post(&self.url)
            .timeout(Duration::from_millis(timeout_ms))
            .header(reqwest::header::CONTENT_TYPE, "text/xml; charset=utf-8")
            .header("SOAPAction", format!("\"{}\"", operation.name()))
            .body(message);
        outbound::send(request).await
    }
}

/// A client that trusts the one authority and shows a certificate, where there are any.
async fn current(
    tls: Option<&NodeTls>,
    shown: Option<&NodeIdentity>,
) -> Result<Current, WorldError> {
    let mut client = outbound::client();
    if let Some((tls, shown)) = tls.zip(shown) {
        let ca = Certificate::from_pem_bundle(&read(&tls.ca).await?);
        client = client
            .tls_certs_only(ca.map_err(WorldError::Client)?)
            .identity(identity(shown).await?);
    }
    Ok(Current {
        http: client.build().map_err(WorldError::Client)?,
        identity: shown.map(|shown| shown.name.clone()),
    })
}

/// The client certificate with its key, which is brought into the one form the client reads.
async fn identity(shown: &NodeIdentity) -> Result<Identity, WorldError> {
    let key = read(&shown.client_key).await?;
    let key = PKey::private_key_from_pem(&key)
        .and_then(|key| key.private_key_to_pem_pkcs8())
        .map_err(|source| WorldError::Key {
            path: shown.client_key.clone(),
            source,
        })?;
    let certificate = read(&shown.client_cert).await?;
    Identity::from_pkcs8_pem(&certificate, &key).map_err(WorldError::Client)
}

async fn read(path: &Path) -> Result<Vec<u8>, WorldError> {
    tokio::fs::read(path)
        .await
        .map_err(|source| WorldError::File {
            path: path.to_owned(),
            source,
        })
}
