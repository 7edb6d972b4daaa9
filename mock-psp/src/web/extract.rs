//! Readers of requests whose refusals are problems and not bare text.

use axum::body::Bytes;
use axum::extract::{Form, FromRequest, FromRequestParts, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use crate::problem::Problem;
use crate::town::Shared;

/// The body as JSON, whatever its content type says. Not JSON: 400; JSON of another shape: 422.
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Shared> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &Shared) -> Result<Self, Problem> {
        json(&body(request, state).await?).map(JsonBody)
    }
}

/// The query string.
pub(crate) struct Params<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequestParts<Shared> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &Shared) -> Result<Self, Problem> {
        Query::<T>::from_request_parts(parts, state)
            .await
            .map(|Query(value)| Params(value))
            .map_err(|rejection| Problem::unreadable(rejection.body_text()))
    }
}

/// The whole body, within the limit of the router.
pub(crate) async fn body(request: Request, state: &Shared) -> Result<Bytes, Problem> {
    Bytes::from_request(request, state)
        .await
        .map_err(|rejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too_large",
                "the body is larger than 1 MiB",
            ),
            _ => Problem::unreadable(rejection.body_text()),
        })
}

/// Reads JSON. The error never repeats the content.
pub(crate) fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(bytes).map_err(|error| match error.classify() {
        Category::Data => Problem::invalid(error.to_string()),
        Category::Io | Category::Syntax | Category::Eof => Problem::unreadable(error.to_string()),
    })
}

/// The body as the fields of a form.
pub(crate) async fn form<T: DeserializeOwned>(
    request: Request,
    state: &Shared,
) -> Result<T, Problem> {
    Form::<T>::from_request(request, state)
        .await
        .map(|Form(fields)| fields)
        .map_err(|rejection| {
            Problem::new(
                rejection.status(),
                "unreadable_request",
                rejection.body_text(),
            )
        })
}
