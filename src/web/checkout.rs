//! Where Checkout sends the browser back to: on to our own page or to the portal.
//!
//! The way back decides nothing and tells the portal nothing: anybody can type such an address. Only
//! the receipt pays a notice.

use axum::Router;
use axum::extract::{Path, State};
use axum::response::Redirect;
use axum::routing::get;

use super::Web;
use super::problem::Problem;
use crate::desk::checkouts::Back;
use crate::domain::checkout::Returned;
use crate::domain::link::with_fields;

pub(super) fn router(web: Web) -> Router {
    Router::new()
        .route("/checkout/return/{token}/{way}", get(back))
        .with_state(web)
}

/// Sends the browser on. The portal hears which attempt it was, and always the same word besides.
async fn back(
    State(web): State<Web>,
    Path((token, way)): Path<(String, String)>,
) -> Result<Redirect, Problem> {
    let way = Returned::parse(&way).ok_or_else(Problem::not_found)?;
    let attempt = web.checkouts.returned(&token, way).await?;
    Ok(match &attempt.back {
        Back::Page(path) => Redirect::to(path),
        Back::Portal(address) => {
            let fields = [("checkout", attempt.id.as_str()), ("state", "waiting")];
            Redirect::to(&with_fields(address, &fields))
        }
    })
}
