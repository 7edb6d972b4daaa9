//! The wrong replies of ledger and archive.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use http_body::Frame;

use super::plan::{FaultBody, LedgerFault};
use crate::problem::Problem;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

impl LedgerFault {
    /// The reply that takes the place of the right one.
    pub(crate) fn reply(&self) -> Response {
        if self.drop_connection {
            return dropped();
        }
        let status = self
            .status
            .and_then(|status| StatusCode::from_u16(status).ok());
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        match self.body.unwrap_or(FaultBody::Problem) {
            FaultBody::Problem => {
                Problem::new(status, "chaos", "this fault was asked for").into_response()
            }
            FaultBody::Html => {
                let page = "<!doctype html><title>Errore</title><h1>Errore del proxy</h1>";
                (status, Html(page)).into_response()
            }
            FaultBody::Truncated => (
                status,
                [(header::CONTENT_TYPE, JSON)],
                r#"{"type":"about:blank","tit"#,
            )
                .into_response(),
            FaultBody::Empty => status.into_response(),
        }
    }
}

/// A reply that promises more than it holds and breaks at once, so that the connection is closed.
fn dropped() -> Response {
    let mut response = Response::new(Body::new(Broken));
    let length = HeaderValue::from_static("1024");
    response
        .headers_mut()
        .insert(header::CONTENT_LENGTH, length);
    response.headers_mut().insert(header::CONTENT_TYPE, JSON);
    response
}

/// A body whose first byte never comes.
struct Broken;

impl http_body::Body for Broken {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        Poll::Ready(Some(Err(io::ErrorKind::ConnectionReset.into())))
    }
}
