//! A sample portal, as the canteen's parents would see it: it asks the gateway for a notice over
//! the public REST door and shows how to pay it.

mod form;
pub(crate) mod gateway;
mod notice;
mod page;
mod store;
#[cfg(test)]
mod tests;

use axum::Router;
use axum::routing::{get, post};

use crate::town::Shared;

/// `/portal` and what is below it.
pub(crate) fn router() -> Router<Shared> {
    Router::new()
        .route("/portal", get(page::form))
        .route("/portal/top-ups", post(page::create))
        .route("/portal/notices/{creditor}/{id}", get(page::notice))
}
