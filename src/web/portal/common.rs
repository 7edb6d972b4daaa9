//! What requests and answers of many routes have in common, for the OpenAPI document.
//!
//! Nothing is ever made of these types: the handlers read and write what they describe.

use utoipa::{IntoParams, IntoResponses};

use super::schema::ProblemBody;

/// For whom a request speaks.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "a description")]
pub(super) struct Speaker {
    /// The creditor's fiscal code; needed with an operator's key
    #[param(rename = "Pagomensa-Creditor")]
    creditor: Option<String>,
}

/// A request that may be sent again.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "a description")]
pub(super) struct Repeatable {
    /// 1 to 255 visible characters
    #[param(rename = "Idempotency-Key")]
    key: Option<String>,
}

/// Which page of a list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "a description")]
pub(super) struct Paging {
    /// next_cursor of the page before
    cursor: Option<String>,
    /// Rows on a page, 1 to 200; 50 when left out
    limit: Option<u32>,
}

/// What every route may answer.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "a description")]
pub(super) enum Denied {
    /// No good key
    #[response(status = 401, content_type = "application/problem+json")]
    NoKey(ProblemBody),
    /// The key may not do this
    #[response(status = 403, content_type = "application/problem+json")]
    NotAllowed(ProblemBody),
    /// Too many requests with this key, or wrong keys from this address: try again after
    /// `Retry-After` seconds
    #[response(status = 429, content_type = "application/problem+json")]
    TooMany(ProblemBody),
    /// Try again shortly
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(ProblemBody),
}

/// What a list may answer besides.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "a description")]
pub(super) enum WrongQuery {
    /// The query cannot be read, or an operator names no creditor
    #[response(status = 400, content_type = "application/problem+json")]
    Unreadable(ProblemBody),
    /// A field of the query is wrong
    #[response(status = 422, content_type = "application/problem+json")]
    Field(ProblemBody),
}

/// What a route with a JSON body may answer besides.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "a description")]
pub(super) enum WrongBody {
    /// Not JSON, or an operator names no creditor
    #[response(status = 400, content_type = "application/problem+json")]
    NotJson(ProblemBody),
    /// The body is too large
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(ProblemBody),
    /// The body is not application/json
    #[response(status = 415, content_type = "application/problem+json")]
    OtherMedia(ProblemBody),
}
