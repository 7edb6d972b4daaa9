//! Health checks for whoever runs the service.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::Web;
use crate::store::{StoreError, entries};

pub(super) fn router(web: Web) -> Router {
    Router::new()
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .with_state(web)
}

/// The process runs.
async fn live() -> Json<Value> {
    Json(json!({ "status": "live" }))
}

/// The store answers; with what is owed to the ledger.
async fn ready(State(web): State<Web>) -> (StatusCode, Json<Value>) {
    match owed(&web).await {
        Ok(owed) => (
            StatusCode::OK,
            Json(json!({ "status": "ready", "ledger_entries_owed": owed })),
        ),
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "not ready");
            (
                StatusCode::SERVICE_UNAVAILABLE,
                Json(json!({ "status": "unavailable", "component": "database" })),
            )
        }
    }
}

async fn owed(web: &Web) -> Result<i64, StoreError> {
    let store = web.desk.store();
    store.ping().await?;
    let mut conn = store.read().await?;
    entries::owed(&mut conn).await
}
