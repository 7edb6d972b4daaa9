//! The doors of the world: one router, the same limits and headers on every answer.

pub(crate) mod extract;
pub(crate) mod page;
#[cfg(test)]
mod tests;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::problem::Problem;
use crate::town::Shared;
use crate::{chaos, ledger, mail, node, platform, portal, psp};
use page::Failure;

/// Largest body any door reads.
const BODY_MAX: usize = 1 << 20;

const STYLE: &str = include_str!("../../assets/world.css");
const ICON: &str = include_str!("../../assets/world.svg");

/// Pages load nothing but our own style and picture, and no script at all.
const CONTENT_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; \
    form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Every address of the world.
pub(crate) fn router(town: Shared) -> Router {
    Router::new()
        .route("/", get(page::home))
        .route(
            "/health",
            get(|| async { axum::Json(serde_json::json!({ "status": "ok" })) }),
        )
        .route(
            "/assets/world.css",
            get(|| asset("text/css; charset=utf-8", STYLE)),
        )
        .route("/assets/world.svg", get(|| asset("image/svg+xml", ICON)))
        .merge(portal::router())
        .merge(psp::router())
        .merge(node::router())
        .merge(platform::router())
        .merge(ledger::router())
        .merge(mail::router())
        .merge(chaos::router())
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(middleware::map_response(with_headers))
        .with_state(town)
}

async fn asset(media: &'static str, content: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, media),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, content).into_response()
}

async fn with_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    let nosniff = HeaderValue::from_static("nosniff");
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static(CONTENT_POLICY));
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("same-origin"),
    );
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

async fn not_found(headers: HeaderMap) -> Response {
    if wants_page(&headers) {
        Failure::not_found().into_response()
    } else {
        Problem::not_found().into_response()
    }
}

async fn method_not_allowed(headers: HeaderMap) -> Response {
    let status = StatusCode::METHOD_NOT_ALLOWED;
    if wants_page(&headers) {
        let text = "Questa pagina non si può chiedere in questo modo.";
        Failure::new(status, "Richiesta non prevista", text).into_response()
    } else {
        let detail = "this address does not know that method";
        Problem::new(status, "method_not_allowed", detail).into_response()
    }
}

/// Whether the caller is a browser that shows pages.
fn wants_page(headers: &HeaderMap) -> bool {
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
}
