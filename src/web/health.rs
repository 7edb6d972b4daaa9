//! Health checks for whoever runs the service.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::Web;
use super::metrics::outbox;
use crate::metrics::Outbox;
use crate::store::{StoreError, positions};

/// A credit that waits for longer, in seconds, is worth a look.
const LATE_S: i64 = 300;
/// A certificate that ends within so many days is worth a look.
const DAYS: i64 = 7;

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

/// Whether requests can be answered: the store answers. With what is owed, and what needs a look, although taking
/// requests away from this process would not mend it.
async fn ready(State(web): State<Web>) -> Response {
    match look(&web).await {
        Ok((owed, notices)) => {
            let warnings = warnings(&web, &owed);
            let status = match warnings.is_empty() {
                true => "ready",
                false => "degraded",
            };
            let body = json!({
                "status": status,
                "ledger_entries_owed": owed.entries,
                "aca_notices_owed": notices,
                "warnings": warnings,
            });
            Json(body).into_response()
        }
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "not ready");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

/// What is owed to the ledger and to pagoPA's archive of notices.
async fn look(web: &Web) -> Result<(Outbox, i64), StoreError> {
    web.desk.store().ping().await?;
    let entries = outbox(web).await?;
    let mut conn = web.desk.store().read().await?;
    Ok((entries, positions::owed(&mut conn).await?))
}

/// What needs a look, in stable words.
fn warnings(web: &Web, owed: &Outbox) -> Vec<String> {
    let now = web.clock.now();
    let metrics = web.desk.metrics();
    let mut warnings = vec![];
    let late = owed.since.is_some_and(|at| at.plus_seconds(LATE_S) < now);
    if late {
        warnings.push("ledger_late".to_owned());
    }
    let failing = metrics.failing_jobs();
    warnings.extend(failing.iter().map(|job| format!("job_failing:{job}")));
    if metrics.is_reload_broken() {
        warnings.push("certificates_cannot_be_reloaded".to_owned());
    }
    let credentials = metrics.credentials();
    let ending = credentials.iter().filter(|c| c.days_left(now) < DAYS);
    warnings.extend(ending.map(|c| format!("certificate_ends:{}", c.role)));
    warnings.dedup();
    warnings
}
