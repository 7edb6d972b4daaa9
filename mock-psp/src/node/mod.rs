//! The node's other half: the queue of receipts, its clock, and what its staff can do.
//!
//! A receipt whose delivery times out, is answered with another status than 200, a SOAP Fault or no
//! legal outcome is PENDING and tried again once an hour, 48 times; then it is SUSPENDED until
//! somebody requeues it. A well-formed OK or KO makes it NOTIFIED for good. Everything is on disk
//! before a message leaves, so a world that dies in the middle of a try repeats it an hour later.

mod api;
mod certificate;
mod page;
pub(crate) mod queue;
mod store;
#[cfg(test)]
mod tests;

use axum::Router;
use axum::routing::{get, post};

pub(crate) use store::{Delivery, NewDelivery, insert};

use crate::town::Shared;

/// Name of the setting that holds how far the world's clock is ahead.
pub(crate) const CLOCK: &str = "clock_ahead_s";

/// `/node`, what is below it, and `/clock`.
pub(crate) fn router() -> Router<Shared> {
    Router::new()
        .route("/node", get(page::show).post(page::act))
        .route("/node/receipts", get(api::receipts))
        .route("/node/receipts/{id}", get(api::receipt))
        .route("/node/receipts/{id}/requeue", post(api::requeue))
        .route(
            "/node/certificate",
            get(certificate::list).post(certificate::change),
        )
        .route("/node/probe", post(api::probe))
        .route("/node/timeouts", get(api::timeouts).post(api::set_timeouts))
        .route("/clock", get(api::clock).post(api::advance))
}
