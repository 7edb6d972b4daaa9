//! What a payer sees after the redirect, and what can be tried there.

use askama::Template;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::is_taken;
use super::outcome::{self, Outcome};
use super::request::Cart;
use super::store::CartState;
use crate::money::euro;
use crate::psp::grouped;
use crate::town::{Shared, Town};
use crate::web::extract;
use crate::web::page::{Failure, Step, render};

/// As for the other pages; only a form may lead elsewhere, because its answer sends the browser back
/// to whoever made the cart.
const CONTENT_POLICY: &str =
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What the payer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Act {
    /// Pays and comes back.
    Pay,
    /// Pays and closes the browser.
    Close,
    /// Pays, and the bank takes its time: outcome 17.
    Charge,
    /// Turns back.
    Cancel,
    /// Waits until the session is over.
    Expire,
    /// The bank has decided: paid.
    Conclude,
    /// The bank has decided: not paid.
    Fail,
}

#[derive(Deserialize)]
struct Choice {
    act: Act,
}

#[derive(Template)]
#[template(path = "checkout.html")]
struct CartPage<'a> {
    step: Step,
    cart: &'a Cart,
    total: String,
    state: CartState,
    is_closed: bool,
}

impl CartPage<'_> {
    fn digits(number: &str) -> String {
        grouped(number)
    }

    fn amount(cents: i32) -> String {
        euro(i64::from(cents))
    }
}

fn page(cart: &Cart, state: CartState, is_closed: bool) -> Response {
    let page = CartPage {
        step: Step::Pay,
        total: euro(cart.total_cents()),
        cart,
        state,
        is_closed,
    };
    let mut response = render(StatusCode::OK, &page);
    response.headers_mut().insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(CONTENT_POLICY),
    );
    response
}

/// `GET /checkout/carts/{id}/redirect`: where the cart API sends the browser.
pub(super) async fn redirect(Path(id): Path<String>) -> Redirect {
    Redirect::to(&format!("/checkout/carts/{id}"))
}

/// `GET /checkout/carts/{id}`
pub(super) async fn show(
    State(town): State<Shared>,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let kept = town.database.cart(&id, &town.clock).await?;
    let kept = kept.ok_or_else(Failure::not_found)?;
    Ok(page(&kept.cart, kept.state, false))
}

/// `POST /checkout/carts/{id}`: what the payer has chosen.
pub(super) async fn act(
    State(town): State<Shared>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Failure> {
    let Choice { act } = extract::form(request, &town).await?;
    let kept = town.database.cart(&id, &town.clock).await?;
    let kept = kept.ok_or_else(Failure::not_found)?;
    let from = match act {
        Act::Conclude | Act::Fail => CartState::Charged,
        Act::Pay | Act::Close | Act::Charge | Act::Cancel | Act::Expire => CartState::Open,
    };
    let cart = &kept.cart;
    if kept.state == CartState::Expired {
        return Ok(back(Outcome::Failed, cart));
    }
    // Whoever comes second, with a second click, finds the page as it is then.
    let is_ours = kept.state == from && step(&town, &id, from, CartState::Paying).await?;
    if !is_ours {
        return Ok(page(cart, kept.state, false));
    }
    let outcome = match act {
        // The node lets nobody begin while another payment is in charge, or when it is over.
        Act::Pay | Act::Close | Act::Charge if is_taken(&town, cart, &id).await? => Outcome::Failed,
        Act::Pay | Act::Close => outcome::pay(&town, cart).await,
        Act::Charge => outcome::charge(&town, cart).await,
        Act::Cancel => Outcome::Cancelled,
        Act::Expire | Act::Fail => Outcome::Failed,
        Act::Conclude => outcome::conclude(&town, cart).await,
    };
    let state = match act {
        Act::Expire => CartState::Expired,
        _ => outcome.state(),
    };
    step(&town, &id, CartState::Paying, state).await?;
    Ok(match act {
        Act::Close | Act::Conclude | Act::Fail => page(cart, state, act == Act::Close),
        Act::Pay | Act::Charge | Act::Cancel | Act::Expire => back(outcome, cart),
    })
}

async fn step(town: &Town, id: &str, from: CartState, to: CartState) -> Result<bool, sqlx::Error> {
    town.database.move_cart(id, from, to, &town.clock).await
}

/// Sends the browser back; nothing is added to the address.
fn back(outcome: Outcome, cart: &Cart) -> Response {
    Redirect::to(outcome.address(cart)).into_response()
}
