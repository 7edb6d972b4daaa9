//! The node and a PSP's counter: where a notice is paid, for people (`/psp`) and for tests
//! (`/psp/pay`, `/psp/verify`), and what the PSP reports of it afterwards (`/fdr/flows`).

pub(crate) mod client;
mod demand;
mod exchange;
mod flow;
mod layout;
mod messages;
mod order;
mod page;
mod pay;
mod payments;
mod receipt;
#[cfg(test)]
pub(crate) mod scenes;
#[cfg(test)]
pub(crate) mod tests;

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};

use crate::problem::Problem;
use crate::town::Shared;
use crate::web::extract::JsonBody;
pub(crate) use client::{CERTIFICATE, TIMEOUTS, Timeouts};
pub(crate) use demand::probe;
pub(crate) use exchange::{Exchange, Fault, Mischief, exchange};
pub(crate) use messages::{Head, send_document};
use order::PayRequest;
pub(crate) use order::{Order, Skip, Version};
pub(crate) use page::grouped;
use pay::Payment;
pub(crate) use pay::{activate, pay, verify};
pub(crate) use payments::Paid;

/// `/psp` and what is below it.
pub(crate) fn router() -> Router<Shared> {
    Router::new()
        .route("/psp", get(page::form).post(page::pay))
        .route("/psp/pay", post(pay_json))
        .route("/psp/verify", post(verify_json))
        .route("/fdr/flows/{fiscal_code}", get(flow::flow))
        .route("/psp/demand", get(demand::form).post(demand::demand_json))
        .route("/psp/spontaneous", post(demand::demand_form))
}

/// `POST /psp/pay`
async fn pay_json(
    State(town): State<Shared>,
    JsonBody(request): JsonBody<PayRequest>,
) -> Result<Json<Payment>, Problem> {
    let order = Order::read(request).map_err(Problem::fields)?;
    Ok(Json(pay::pay(&town, order).await))
}

/// `POST /psp/verify`: asks what is due, and goes no further. Of an order it takes whom to ask.
async fn verify_json(
    State(town): State<Shared>,
    JsonBody(request): JsonBody<PayRequest>,
) -> Result<Json<Payment>, Problem> {
    let order = Order::read(request).map_err(Problem::fields)?;
    Ok(Json(pay::verify(&town, order).await))
}
