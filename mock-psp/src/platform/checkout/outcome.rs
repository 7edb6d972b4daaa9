//! How a payment at Checkout ends, and where the browser goes then.

use super::request::{Cart, Version};
use super::store::CartState;
use crate::psp::{self, Skip};
use crate::town::Shared;

/// How it ends, by the numbers of Checkout's front end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// 0: paid.
    Paid,
    /// 17: taken in charge, and not decided.
    Charged,
    /// The payer turned back.
    Cancelled,
    /// Anything else.
    Failed,
}

impl Outcome {
    /// Where the browser goes. The first version has no address for what is not decided.
    pub(super) fn address(self, cart: &Cart) -> &str {
        let urls = &cart.urls;
        match self {
            Outcome::Paid => &urls.ok,
            Outcome::Cancelled => &urls.cancel,
            Outcome::Charged => match cart.version {
                Version::V1 => &urls.error,
                Version::V2 => urls.waiting.as_deref().unwrap_or(&urls.error),
            },
            Outcome::Failed => &urls.error,
        }
    }

    /// How the cart stands afterwards.
    pub(super) fn state(self) -> CartState {
        match self {
            Outcome::Paid => CartState::Paid,
            Outcome::Charged => CartState::Charged,
            Outcome::Cancelled => CartState::Cancelled,
            Outcome::Failed => CartState::Failed,
        }
    }
}

/// Pays all notices of a cart, or none: every creditor is asked first.
pub(super) async fn pay(town: &Shared, cart: &Cart) -> Outcome {
    for notice in &cart.notices {
        if psp::verify(town, notice.order(cart)).await.fault.is_some() {
            return Outcome::Failed;
        }
    }
    let mut outcome = Outcome::Paid;
    for notice in &cart.notices {
        // The money is there before the receipt arrives, and whether or not it does.
        if !Box::pin(psp::pay(town, notice.order(cart))).await.paid {
            outcome = Outcome::Failed;
        }
    }
    outcome
}

/// Begins the payment of all notices and leaves it undecided.
pub(super) async fn charge(town: &Shared, cart: &Cart) -> Outcome {
    for notice in &cart.notices {
        if psp::activate(town, notice.order(cart))
            .await
            .fault
            .is_some()
        {
            return Outcome::Failed;
        }
    }
    Outcome::Charged
}

/// Ends a payment that was in charge: the money has moved, so nobody is asked any more.
pub(super) async fn conclude(town: &Shared, cart: &Cart) -> Outcome {
    let mut outcome = Outcome::Paid;
    for notice in &cart.notices {
        let order = notice.order(cart);
        let order = order.without(&[Skip::Verify, Skip::Get], i64::from(notice.amount));
        if !Box::pin(psp::pay(town, order)).await.paid {
            outcome = Outcome::Failed;
        }
    }
    outcome
}
