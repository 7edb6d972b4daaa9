//! Trouble on demand: a plan of faults for the ledger, the archive of notices and the node, set over
//! HTTP and used up in its order. Without a plan everything works.
//!
//! `POST /chaos` sets a plan, `GET` shows what is left of it, `DELETE` takes it away; people find the
//! same at `/chaos/guide`. The lists `ledger`, `aca`, `checkout` and `receipts` are each used up one fault per
//! posted entry, call or delivery; with `shuffle` their order is drawn from `seed` once, when the plan
//! is set. Nothing else is random, so the same seed and the same calls meet the same faults, also over
//! a restart.

mod fault;
mod page;
mod plan;
mod receipt;
#[cfg(test)]
mod tests;

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use tokio::sync::Mutex;

use plan::Plan;
pub(crate) use plan::{LedgerFault, ReceiptFate, When};
pub(crate) use receipt::ReceiptTrouble;

use crate::database::Database;
use crate::problem::Problem;
use crate::town::{Shared, Town};
use crate::web::extract::JsonBody;

/// Name of the setting that holds what is left of the plan.
const SETTING: &str = "chaos";

/// The plan that is in force, kept in `world.db` so that a restart goes on where it was.
#[derive(Debug)]
pub(crate) struct Chaos {
    plan: Mutex<Plan>,
    database: Database,
}

impl Chaos {
    /// Goes on with the plan that was in force.
    pub(crate) async fn open(database: Database) -> Result<Self, sqlx::Error> {
        let plan = database.setting(SETTING).await?.unwrap_or_default();
        Ok(Chaos {
            plan: Mutex::new(plan),
            database,
        })
    }

    /// Takes the fault the next posted entry meets.
    pub(crate) async fn next_ledger_fault(&self) -> Option<LedgerFault> {
        self.take(Plan::next_ledger_fault).await
    }

    /// Takes the fault the next call to the archive of notices meets.
    pub(crate) async fn next_aca_fault(&self) -> Option<LedgerFault> {
        self.take(Plan::next_aca_fault).await
    }

    /// Takes the fault the next call to Checkout's cart API meets.
    pub(crate) async fn next_checkout_fault(&self) -> Option<LedgerFault> {
        self.take(Plan::next_checkout_fault).await
    }

    /// Takes what the next receipt at the counter meets.
    pub(crate) async fn next_receipt_fate(&self) -> ReceiptFate {
        self.take(Plan::next_receipt_fate).await.unwrap_or_default()
    }

    /// Takes what the next delivery of a receipt meets.
    pub(crate) async fn next_receipt_trouble(&self) -> Option<ReceiptTrouble> {
        let fault = self.take(Plan::next_receipt_fault).await?;
        fault.trouble()
    }

    /// The pause before each call to the gateway's SOAP door.
    pub(crate) async fn node_delay(&self) -> Duration {
        Duration::from_millis(self.plan.lock().await.node.delay_ms)
    }

    /// Takes something from the plan; what is left is on disk before it strikes.
    async fn take<T>(&self, next: impl Fn(&mut Plan) -> Option<T>) -> Option<T> {
        let mut plan = self.plan.lock().await;
        let taken = next(&mut plan)?;
        if let Err(error) = self.database.keep_setting(SETTING, &*plan).await {
            tracing::error!(%error, "the plan of faults could not be kept");
        }
        Some(taken)
    }

    async fn set(&self, new: Plan) -> Result<(), sqlx::Error> {
        let mut plan = self.plan.lock().await;
        self.database.keep_setting(SETTING, &new).await?;
        *plan = new;
        Ok(())
    }
}

/// `/chaos`
pub(crate) fn router() -> Router<Shared> {
    Router::new()
        .route("/chaos", get(show).post(set).delete(clear))
        .route("/chaos/guide", get(page::show).post(page::apply))
}

async fn show(State(town): State<Shared>) -> Json<Plan> {
    let plan = town.chaos.plan.lock().await.clone();
    Json(plan)
}

async fn set(
    State(town): State<Shared>,
    JsonBody(plan): JsonBody<Plan>,
) -> Result<Json<Plan>, Problem> {
    adopt(&town, plan).await.map(Json)
}

/// Puts a plan into force, as it will be used; a plan that makes no sense changes nothing.
async fn adopt(town: &Town, plan: Plan) -> Result<Plan, Problem> {
    let errors = plan.errors();
    if !errors.is_empty() {
        return Err(Problem::fields(errors));
    }
    let plan = plan.ready();
    town.chaos.set(plan.clone()).await?;
    Ok(plan)
}

async fn clear(State(town): State<Shared>) -> Result<StatusCode, Problem> {
    town.chaos.set(Plan::default()).await?;
    Ok(StatusCode::NO_CONTENT)
}
