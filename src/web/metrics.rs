//! `/metrics`: what is counted and measured, for whoever watches the service.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::Web;
use crate::config;
use crate::metrics::{Outbox, Present};
use crate::store::{StoreError, entries, hunts, mails, positions};

/// What the page needs beside the rest.
#[derive(Clone)]
struct Page {
    web: Web,
    config: config::Metrics,
}

/// The route, or none when the page is turned off.
pub(super) fn router(web: Web, config: config::Metrics) -> Router {
    match config.enabled {
        true => Router::new()
            .route("/metrics", get(show))
            .with_state(Page { web, config }),
        false => Router::new(),
    }
}

async fn show(State(page): State<Page>, request: Request) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let is_known = peer.is_some_and(|ConnectInfo(peer)| {
        let addresses = &page.config.addresses;
        addresses.iter().any(|known| known.contains(peer.ip()))
    });
    if !is_known || is_forwarded(request.headers()) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let desk = &page.web.desk;
    let owed = match services(&page.web).await {
        Ok(()) => outbox(&page.web).await,
        Err(error) => Err(error),
    };
    if let Err(error) = &owed {
        desk.metrics().store_error("metrics");
        tracing::warn!(
            error = error as &dyn std::error::Error,
            "the metrics are shown without what the store holds"
        );
    }
    let present = Present {
        now: page.web.clock.now(),
        till_waiting: desk.waiting(),
        journal_waiting: desk.journal().waiting(),
        owed: owed.ok(),
    };
    match desk.metrics().print(&present) {
        Ok(text) => {
            let format = "text/plain; version=0.0.4; charset=utf-8";
            ([(header::CONTENT_TYPE, format)], text).into_response()
        }
        Err(error) => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "the metrics cannot be printed"
            );
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// Whether a proxy says that it speaks for somebody else: then the address is the proxy's.
fn is_forwarded(headers: &HeaderMap) -> bool {
    ["forwarded", "x-forwarded-for", "x-real-ip", "via"]
        .iter()
        .any(|name| headers.contains_key(*name))
}

/// Looks up what is owed to pagoPA's services and looked for there.
async fn services(web: &Web) -> Result<(), StoreError> {
    let mut conn = web.desk.store().read().await?;
    let notices = positions::owed(&mut conn).await?;
    let searching = hunts::searching(&mut conn).await?;
    let mut missing = 0;
    for creditor in web.desk.register().iter() {
        missing += hunts::missing(&mut conn, &creditor.code).await?;
    }
    let metrics = web.desk.metrics();
    metrics.services(notices, searching, missing);
    metrics.mails_owed(mails::owed(&mut conn).await?);
    Ok(())
}

/// What the ledger is owed.
pub(super) async fn outbox(web: &Web) -> Result<Outbox, StoreError> {
    let mut conn = web.desk.store().read().await?;
    let (entries, since) = entries::outbox(&mut conn).await?;
    Ok(Outbox { entries, since })
}
