//! How pagoPA's services say no: the two bodies of the API manager, and the services' own problems.
//! Both come as `application/json`, as the published documents say.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// A call that was not served.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    body: Value,
    retry_after_s: Option<i64>,
}

impl Refusal {
    /// 401: no key, or a wrong one.
    pub(super) fn no_subscription(is_missing: bool) -> Self {
        let message = if is_missing {
            "Access denied due to missing subscription key. Make sure to include subscription key \
             when making requests to an API."
        } else {
            "Access denied due to invalid subscription key. Make sure to provide a valid key for an \
             active subscription."
        };
        Refusal {
            status: StatusCode::UNAUTHORIZED,
            body: json!({"statusCode": 401, "message": message}),
            retry_after_s: None,
        }
    }

    /// 429 with the seconds to wait.
    pub(super) fn too_often(wait_s: i64) -> Self {
        let message = format!("Rate limit is exceeded. Try again in {wait_s} seconds.");
        Refusal {
            status: StatusCode::TOO_MANY_REQUESTS,
            body: json!({"statusCode": 429, "message": message}),
            retry_after_s: Some(wait_s),
        }
    }

    /// A problem of the service itself.
    pub(super) fn problem(status: StatusCode, title: &str, detail: impl Into<String>) -> Self {
        let detail: String = detail.into();
        Refusal {
            status,
            body: json!({"title": title, "status": status.as_u16(), "detail": detail}),
            retry_after_s: None,
        }
    }

    /// The same with a code of the service, or with the address that names the kind of problem.
    pub(super) fn with(mut self, member: &str, value: &str) -> Self {
        if let Some(body) = self.body.as_object_mut() {
            body.insert(member.to_owned(), value.into());
        }
        self
    }
}

impl From<sqlx::Error> for Refusal {
    fn from(error: sqlx::Error) -> Self {
        tracing::error!(%error, "the world's database failed");
        let title = "Internal server error";
        Refusal::problem(StatusCode::INTERNAL_SERVER_ERROR, title, title)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body)).into_response();
        if let Some(wait) = self.retry_after_s {
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait));
        }
        response
    }
}
