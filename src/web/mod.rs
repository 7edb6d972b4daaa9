//! The web listener: the REST API of the portals, the pages for parents, the documentation, the health
//! checks and the metrics.
//!
//! Every error leaves as `application/problem+json`, written in one place, in the caller's
//! language.

mod auth;
mod body;
mod checkout;
mod fields;
mod health;
mod json;
mod language;
mod limits;
mod metrics;
pub mod pay;
mod portal;
mod print;
mod problem;
mod wrong;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state, map_request};
use axum::response::{Redirect, Response};
use axum::routing::get;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::request_id::{
    MakeRequestId, PropagateRequestIdLayer, RequestId, SetRequestIdLayer,
};
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::timeout::TimeoutLayer;
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::clock::{Clock, Ids, Stopwatch};
use crate::config;
use crate::desk::Desk;
use crate::desk::checkouts::Checkouts;
use crate::metrics::Metrics;
use crate::wire::links::Links;

use limits::Limits;
pub(crate) use portal::batch::CLERK;
pub use print::{PrintError, Printer};
use problem::Problem;

/// What the handlers need.
#[derive(Debug, Clone)]
pub struct Web {
    desk: Desk,
    clock: Clock,
    config: Arc<config::Web>,
    printer: Arc<dyn Printer>,
    checkouts: Checkouts,
    links: Arc<Links>,
    pay: Arc<pay::Pay>,
    private_addresses: bool,
}

/// Makes ids for requests that come without one.
#[derive(Clone)]
struct RequestIds {
    ids: Ids,
    clock: Clock,
}

impl MakeRequestId for RequestIds {
    fn make_request_id<B>(&mut self, _: &axum::http::Request<B>) -> Option<RequestId> {
        let id = self.ids.next(self.clock.now());
        HeaderValue::from_str(&id).ok().map(RequestId::new)
    }
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The routes of the web listener.
pub fn router(
    desk: Desk,
    clock: Clock,
    settings: &config::Config,
    printer: Arc<dyn Printer>,
    checkouts: Checkouts,
    links: Links,
    pay: pay::Pay,
) -> Router {
    let (config, metrics) = (settings.web.clone(), settings.metrics.clone());
    let counted = desk.metrics().clone();
    let ids = RequestIds {
        ids: desk.ids().clone(),
        clock: clock.clone(),
    };
    let timeout = Duration::from_secs(config.timeout_s);
    let shared = config.shared_addresses.clone();
    let limits = Limits::new(clock.clone(), &settings.rates, shared);
    let web = Web {
        desk,
        clock,
        config: Arc::new(config),
        printer,
        checkouts,
        links: Arc::new(links),
        pay: Arc::new(pay),
        private_addresses: settings.webhooks.private_addresses,
    };
    let (api, document) = portal::router(web.clone());
    let docs = SwaggerUi::new("/api/docs")
        .url("/api/v1/openapi.json", document)
        .config(Config::default().try_it_out_enabled(true));
    Router::new()
        .route("/", get(|| async { Redirect::to("/api/docs/") }))
        .merge(health::router(web.clone()))
        .merge(checkout::router(web.clone()))
        .merge(metrics::router(web.clone(), metrics))
        .merge(pay::router(web))
        .merge(api.layer(from_fn_with_state(limits, limits::limit)))
        .merge(docs)
        .fallback(|| async { Problem::not_found() })
        .method_not_allowed_fallback(|| async { Problem::method_not_allowed() })
        .layer(TimeoutLayer::with_status_code(
            StatusCode::SERVICE_UNAVAILABLE,
            timeout,
        ))
        .layer(CatchPanicLayer::new())
        .layer(from_fn(problem::render))
        .layer(SetResponseHeaderLayer::overriding(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ))
        .layer(SetResponseHeaderLayer::if_not_present(
            header::CACHE_CONTROL,
            HeaderValue::from_static("no-store"),
        ))
        .layer(from_fn_with_state(counted, log))
        .layer(PropagateRequestIdLayer::new(REQUEST_ID))
        .layer(SetRequestIdLayer::new(REQUEST_ID, ids))
        .layer(map_request(forget_foreign_id))
}

/// The id of a request is ours: one that a client sends could be anything, and would be logged.
async fn forget_foreign_id(mut request: Request) -> Request {
    request.headers_mut().remove(REQUEST_ID);
    request
}

/// One line for each request: the route and not the address, which may name a person's notice.
async fn log(State(metrics): State<Metrics>, request: Request, next: Next) -> Response {
    let stopwatch = Stopwatch::start();
    let method = request.method().clone();
    let route = request
        .extensions()
        .get::<axum::extract::MatchedPath>()
        .map_or_else(|| "unmatched".to_owned(), |path| path.as_str().to_owned());
    let id = request
        .headers()
        .get(REQUEST_ID)
        .and_then(|id| id.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    let response = next.run(request).await;
    metrics.answer("web", response.status().as_u16());
    tracing::info!(
        request_id = id,
        %method,
        route,
        http_status = response.status().as_u16(),
        duration_us = stopwatch.micros(),
        "a request was answered"
    );
    response
}
