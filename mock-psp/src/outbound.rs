//! What the two HTTP clients of the world share: reading within a limit, and errors in one line.

use std::error::Error;
use std::time::Duration;

use thiserror::Error as ThisError;

/// Largest reply the world reads.
const REPLY_MAX: usize = 1 << 20;
/// How long a connection may take to open.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long an unused connection is kept: shorter than any server's patience.
pub(crate) const IDLE_TIMEOUT: Duration = Duration::from_secs(2);

/// Why there is no reply.
#[derive(Debug, ThisError)]
pub(crate) enum CallError {
    /// The time was over.
    #[error("no reply in time")]
    Timeout,
    /// No connection, or one that broke.
    #[error("no reply: {0}")]
    Unreachable(String),
    /// More than [`REPLY_MAX`].
    #[error("the reply is larger than 1 MiB")]
    TooLarge,
}

impl From<reqwest::Error> for CallError {
    fn from(error: reqwest::Error) -> Self {
        if error.is_timeout() {
            return CallError::Timeout;
        }
        let error = error.without_url();
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        CallError::Unreachable(text)
    }
}

/// A reply, read to its end.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) content_type: Option<String>,
    pub(crate) body: Vec<u8>,
}

/// Sends a request and reads the reply within the limit.
pub(crate) async fn send(request: reqwest::RequestBuilder) -> Result<Reply, CallError> {
    let mut response = request.send().await?;
    let content_type = response.headers().get(reqwest::header::CONTENT_TYPE);
    let content_type =
        content_type.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let status = response.status().as_u16();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > REPLY_MAX {
            return Err(CallError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Reply {
        status,
        content_type,
        body,
    })
}

/// A client with the settings both share: no redirects, no proxy, no waiting for ever to connect.
pub(crate) fn client() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(IDLE_TIMEOUT)
}
