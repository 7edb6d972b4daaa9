//! pagoPA's REST services for a creditor with a station of its own: the archive of notices (ACA),
//! the receipts of BizEvents, and the receipts of stand-in payments kept by GPD; and Checkout, the
//! payment page.
//!
//! Read from the published OpenAPI documents: ACA 0.0.1, BizEvents 0.1.89, GPD payments 0.12.52,
//! Checkout EC 1.0.0 and 2.0.0. In front of the first three stands an API manager, as in reality: a subscription key, a rate for each
//! service, and its own two error bodies. What the services know comes from the creditors (ACA) and
//! from the payments made at the counter (BizEvents, GPD).

mod aca;
mod checkout;
mod events;
mod gpd;
mod guard;
mod rate;
mod refusal;
#[cfg(test)]
mod tests;

use axum::Router;
use axum::routing::{get, post};

pub(crate) use aca::{Position, pay_notice, pay_position};
pub(crate) use rate::{Meter, SETTING as RATES};

use crate::town::Shared;

/// `/aca`, `/bizevents`, `/gpd`, `/checkout` and `/rates`.
pub(crate) fn router() -> Router<Shared> {
    let events = "/bizevents/service/v1/organizations/{fiscal_code}/receipts/{iur}";
    let receipts = "/gpd/payments-receipts-service/v1/payments/{fiscal_code}/receipts";
    Router::new()
        .route("/aca", get(aca::page::show))
        .route("/aca/positions", get(aca::positions))
        .route("/aca/v1/paCreatePosition", post(aca::create_position))
        .route(events, get(events::by_iur))
        .route(
            &format!("{events}/paymentoptions/{{iuv}}"),
            get(events::by_iur_and_iuv),
        )
        .route(receipts, get(gpd::list))
        .route(&format!("{receipts}/{{iuv}}"), get(gpd::document))
        .route("/rates", get(rate::show).post(rate::set))
        .merge(checkout::router())
}
