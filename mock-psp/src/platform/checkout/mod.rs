//! Checkout: the cart API (versions 1 and 2), and the pages on which a payer decides what happens.
//!
//! Read from the published OpenAPI documents, and from what the service answers beside them: 422 for
//! too many notices, for one that stands twice and for what the node does not let be paid; 502 when
//! the node cannot ask. A cart is kept for ten minutes. The addresses to return to get nothing added
//! and nothing signed: outcome 0 leads to the OK address, 17 to the waiting address (in version 1 to
//! the error address), turning back to the cancel address, anything else to the error address.

mod outcome;
mod page;
mod request;
mod store;

use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use uuid::Uuid;

use super::rate::Service;
use super::refusal::Refusal;
use crate::chaos::When;
use crate::psp;
use crate::town::{Shared, Town};
use request::{Cart, Version};

/// `/checkout`
pub(super) fn router() -> Router<Shared> {
    Router::new()
        .route("/checkout/ec/{version}/carts", post(create))
        .route("/checkout/carts/{id}/redirect", get(page::redirect))
        .route("/checkout/carts/{id}", get(page::show).post(page::act))
}

/// `POST /checkout/ec/v1/carts`, `POST /checkout/ec/v2/carts`: no key, but a rate.
async fn create(
    State(town): State<Shared>,
    Path(version): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, axum::extract::rejection::BytesRejection>,
) -> Response {
    let Some(version) = Version::parse(&version) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    if let Err(wait_s) = town.meter.admit(Service::Checkout, town.clock.instant()) {
        return Refusal::too_often(wait_s).into_response();
    }
    let body = body.unwrap_or_default();
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or("127.0.0.1");
    let Some(fault) = town.chaos.next_checkout_fault().await else {
        return answer(keep(&town, version, &body, host).await);
    };
    let right = match fault.when {
        When::BeforeBooking if !fault.is_only_slow() => None,
        When::BeforeBooking | When::AfterBooking => {
            Some(answer(keep(&town, version, &body, host).await))
        }
    };
    tokio::time::sleep(Duration::from_millis(fault.delay_ms)).await;
    match right {
        Some(right) if fault.is_only_slow() => right,
        _ => fault.reply(),
    }
}

fn answer(kept: Result<String, Refusal>) -> Response {
    match kept {
        Ok(page) => (StatusCode::FOUND, [(header::LOCATION, page)]).into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

/// Keeps a cart: the address of its page.
async fn keep(town: &Shared, version: Version, body: &[u8], host: &str) -> Result<String, Refusal> {
    let cart = Cart::read(body, version).map_err(|reason| {
        tracing::info!(reason, "a cart is not valid");
        Refusal::problem(
            StatusCode::BAD_REQUEST,
            "Request validation error",
            "The input request is invalid",
        )
    })?;
    let unprocessable = |title: &str, detail: &str| {
        Refusal::problem(StatusCode::UNPROCESSABLE_ENTITY, title, detail)
    };
    if cart.notices.len() > request::NOTICES_MAX {
        return Err(unprocessable(
            "Multiple payment notices not processable",
            "Too many payment notices, expected max 5",
        ));
    }
    if cart.has_one_twice() {
        let detail = "Duplicate payment notice values found.";
        return Err(unprocessable("Invalid payment info", detail));
    }
    match check_position(town, &cart).await? {
        Position::Payable => {}
        Position::NotPayable => {
            let detail = "Invalid payment notice data";
            return Err(unprocessable("Invalid payment info", detail));
        }
        Position::NotAsked => {
            let title = "Node error";
            let detail = "The node has not answered";
            return Err(Refusal::problem(StatusCode::BAD_GATEWAY, title, detail));
        }
    }
    let id = Uuid::now_v7().to_string();
    town.database.keep_cart(&id, &cart, &town.clock).await?;
    Ok(format!(
        "http://{host}/checkout/carts/{id}/redirect?clientId=CHECKOUT_CART"
    ))
}

/// What the node knows of the notices of a cart.
enum Position {
    Payable,
    NotPayable,
    NotAsked,
}

/// `checkPosition`: no notice may be paid already, or be in the middle of a payment; and its creditor
/// must want it to be paid.
async fn check_position(town: &Shared, cart: &Cart) -> Result<Position, sqlx::Error> {
    if is_taken(town, cart, "").await? {
        return Ok(Position::NotPayable);
    }
    for notice in &cart.notices {
        let verified = psp::verify(town, notice.order(cart)).await;
        match verified.fault {
            None => {}
            Some(fault)
                if fault.code.starts_with("PAA_") || fault.code == "PPT_DOMINIO_SCONOSCIUTO" =>
            {
                return Ok(Position::NotPayable);
            }
            Some(_) => return Ok(Position::NotAsked),
        }
    }
    Ok(Position::Payable)
}

/// Whether the node has a payment of any of these notices, made or in charge, beside the one of the
/// cart with that id.
async fn is_taken(town: &Town, cart: &Cart, own: &str) -> Result<bool, sqlx::Error> {
    let (database, clock) = (&town.database, &town.clock);
    for notice in &cart.notices {
        let (creditor, number) = (&notice.fiscal_code, &notice.notice_number);
        if database.is_paid(creditor, number).await?
            || database.is_in_charge(creditor, number, own, clock).await?
        {
            return Ok(true);
        }
    }
    Ok(false)
}
