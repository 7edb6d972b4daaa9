//! Calls over HTTP under limits, for the gateway and the simulated world.

use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{RequestBuilder, StatusCode, Url};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a call may take; the node itself waits 15 s for a receipt.
const CALL: Duration = Duration::from_secs(60);

/// Why there was no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    /// The connection failed, or was too slow.
    #[error("the call failed")]
    Call(#[source] reqwest::Error),
    /// The answer is longer than what is read.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
}

/// A client that follows nobody elsewhere: a key must not travel.
pub(super) fn client() -> Result<reqwest::Client, CallError> {
    reqwest::Client::builder()
        .redirect(Policy::none())
        .connect_timeout(CONNECT)
        .timeout(CALL)
        .build()
        .map_err(CallError::Call)
}

/// An address below another one.
pub(super) fn join(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    let before = base.path().trim_end_matches('/');
    url.set_path(&format!("{before}/{path}"));
    url
}

/// Sends a request and reads at most so many bytes of its answer.
pub(super) async fn send(
    request: RequestBuilder,
    limit: usize,
) -> Result<(StatusCode, Vec<u8>), CallError> {
    let mut response = request.send().await.map_err(CallError::Call)?;
    let status = response.status();
    let mut body = vec![];
    while let Some(chunk) = response.chunk().await.map_err(CallError::Call)? {
        if body.len() + chunk.len() > limit {
            return Err(CallError::TooLarge(limit));
        }
        body.extend_from_slice(&chunk);
    }
    Ok((status, body))
}
