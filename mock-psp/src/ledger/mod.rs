//! The meal ledger: what children have to spend. The gateway posts to it and proves against it.

mod api;
mod entry;
mod page;
mod store;
#[cfg(test)]
mod tests;

use axum::Router;
use axum::routing::get;

use crate::town::Shared;

/// `/ledger` and what is below it.
pub(crate) fn router() -> Router<Shared> {
    Router::new()
        .route("/ledger", get(page::show))
        .route("/ledger/entries", get(api::entries).post(api::post_entry))
        .route("/ledger/totals", get(api::totals))
        .route("/ledger/balances", get(api::balances))
}
