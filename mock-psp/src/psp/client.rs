//! The node's SOAP client: the timeouts of the service levels, its own certificate, one trusted
//! authority.

use std::path::Path;
use std::time::Duration;

use openssl::pkey::PKey;
use reqwest::{Certificate, Identity};

use crate::WorldError;
use crate::config::NodeTls;
use crate::outbound::{self, CallError, Reply};
use crate::verdict::Operation;

/// The node waits this long for verify, get and demand.
const QUERY_TIMEOUT: Duration = Duration::from_secs(7);
/// The node waits this long for the answer to a receipt.
const RECEIPT_TIMEOUT: Duration = Duration::from_secs(15);

/// The node, as the gateway's caller.
pub(crate) struct Node {
    http: reqwest::Client,
    url: String,
}

impl Node {
    pub(crate) async fn new(url: &str, tls: Option<&NodeTls>) -> Result<Self, WorldError> {
        let mut client = outbound::client();
        if let Some(tls) = tls {
            let ca = Certificate::from_pem_bundle(&read(&tls.ca).await?);
            client = client
                .tls_certs_only(ca.map_err(WorldError::Client)?)
                .identity(identity(tls).await?);
        }
        let http = client.build().map_err(WorldError::Client)?;
        Ok(Node {
            http,
            url: url.to_owned(),
        })
    }

    /// Sends one message and reads the reply.
    pub(crate) async fn call(
        &self,
        operation: Operation,
        message: String,
    ) -> Result<Reply, CallError> {
        let timeout = match operation {
            Operation::SendRt | Operation::SendRtV2 => RECEIPT_TIMEOUT,
            Operation::VerifyPaymentNotice
            | Operation::GetPayment
            | Operation::GetPaymentV2
            | Operation::DemandPaymentNotice => QUERY_TIMEOUT,
        };
        let request = self
            .http
            .post(&self.url)
            .timeout(timeout)
            .header(reqwest::header::CONTENT_TYPE, "text/xml; charset=utf-8")
            .header("SOAPAction", format!("\"{}\"", operation.name()))
            .body(message);
        outbound::send(request).await
    }
}

/// The client certificate with its key, which is brought into the one form the client reads.
async fn identity(tls: &NodeTls) -> Result<Identity, WorldError> {
    let key = read(&tls.client_key).await?;
    let key = PKey::private_key_from_pem(&key)
        .and_then(|key| key.private_key_to_pem_pkcs8())
        .map_err(|source| WorldError::Key {
            path: tls.client_key.clone(),
            source,
        })?;
    let certificate = read(&tls.client_cert).await?;
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
