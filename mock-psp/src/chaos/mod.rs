//! Trouble on demand: a plan of faults for the ledger, the archive of notices and the node, set over HTTP and used up in
//! its order. Without a plan everything works.

mod fault;
mod plan;
#[cfg(test)]
mod tests;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};

use plan::Plan;
pub(crate) use plan::{LedgerFault, ReceiptFate, When};

use crate::problem::Problem;
use crate::town::Shared;
use crate::web::extract::JsonBody;

/// The plan that is in force.
#[derive(Debug, Default)]
pub(crate) struct Chaos {
    plan: Mutex<Plan>,
}

impl Chaos {
    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the fault the next posted entry meets.
    pub(crate) fn next_ledger_fault(&self) -> Option<LedgerFault> {
        self.plan().next_ledger_fault()
    }

    /// Takes the fault the next call to the archive of notices meets.
    pub(crate) fn next_aca_fault(&self) -> Option<LedgerFault> {
        self.plan().next_aca_fault()
    }

    /// Takes what the next receipt meets.
    pub(crate) fn next_receipt_fate(&self) -> ReceiptFate {
        self.plan().next_receipt_fate()
    }

    /// The pause before each call to the gateway's SOAP door.
    pub(crate) fn node_delay(&self) -> Duration {
        Duration::from_millis(self.plan().node.delay_ms)
    }
}

/// `/chaos`
pub(crate) fn router() -> Router<Shared> {
    Router::new().route("/chaos", get(show).post(set).delete(clear))
}

async fn show(State(town): State<Shared>) -> Json<Plan> {
    let plan = town.chaos.plan().clone();
    Json(plan)
}

async fn set(State(town): State<Shared>, JsonBody(plan): JsonBody<Plan>) -> Response {
    let errors = plan.errors();
    if !errors.is_empty() {
        return Problem::fields(errors).into_response();
    }
    let plan = plan.ready();
    *town.chaos.plan() = plan.clone();
    Json(plan).into_response()
}

async fn clear(State(town): State<Shared>) -> StatusCode {
    *town.chaos.plan() = Plan::default();
    StatusCode::NO_CONTENT
}
