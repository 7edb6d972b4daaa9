//! The node's JSON doors: the queue, the clock, the probe and the node's patience.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::queue;
use super::store::{Delivery, Filter};
use crate::problem::{FieldError, Problem};
use crate::psp::{self, Exchange, Timeouts};
use crate::town::{Shared, Town};
use crate::web::extract::{JsonBody, Params};

/// Most receipts one list shows.
const RECEIPTS_MAX: i64 = 10_000;
/// Furthest the clock moves at once, in seconds: a year.
pub(super) const ADVANCE_MAX_S: i64 = 366 * 86_400;
pub(super) const STATES: [&str; 3] = ["PENDING", "NOTIFIED", "SUSPENDED"];

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ReceiptsQuery {
    pub(super) state: String,
    notice_number: String,
    receipt_id: String,
    recipient: String,
}

impl ReceiptsQuery {
    /// The filter, or the state that does not exist.
    pub(super) fn filter(&self) -> Result<Filter, Problem> {
        if !self.state.is_empty() && !STATES.contains(&self.state.as_str()) {
            let message = "must be PENDING, NOTIFIED or SUSPENDED";
            let error = FieldError::new("state", "invalid", message);
            return Err(Problem::fields(vec![error]));
        }
        Ok(Filter {
            state: self.state.clone(),
            notice_number: self.notice_number.clone(),
            receipt_id: self.receipt_id.clone(),
            recipient: self.recipient.clone(),
        })
    }
}

#[derive(Serialize)]
struct List {
    data: Vec<Delivery>,
}

/// `GET /node/receipts?state=&notice_number=&receipt_id=&recipient=`
pub(super) async fn receipts(
    State(town): State<Shared>,
    Params(query): Params<ReceiptsQuery>,
) -> Result<Response, Problem> {
    let filter = query.filter()?;
    let data = town.database.deliveries(&filter, RECEIPTS_MAX).await?;
    Ok(Json(List { data }).into_response())
}

#[derive(Serialize)]
struct Whole {
    #[serde(flatten)]
    delivery: Delivery,
    message: String,
}

/// `GET /node/receipts/{id}`: with its message.
pub(super) async fn receipt(
    State(town): State<Shared>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let delivery = find(&town, &id).await?;
    let message = delivery.message.clone();
    Ok(Json(Whole { delivery, message }).into_response())
}

/// `POST /node/receipts/{id}/requeue`: tried at once, then hourly as at the beginning.
pub(super) async fn requeue(
    State(town): State<Shared>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let known = find(&town, &id).await?;
    if !queue::requeue(&town, known.id).await? {
        let detail = "the creditor has this receipt; it is never sent again";
        return Err(Problem::new(StatusCode::CONFLICT, "notified", detail));
    }
    Ok(Json(find(&town, &id).await?).into_response())
}

async fn find(town: &Town, id: &str) -> Result<Delivery, Problem> {
    let id: i64 = id.parse().map_err(|_| Problem::not_found())?;
    let found = town.database.delivery(id).await?;
    found.ok_or_else(Problem::not_found)
}

#[derive(Serialize)]
struct ClockView {
    /// The world's time.
    now: String,
    /// How far it is ahead of the machine's, in seconds.
    ahead_s: i64,
    /// Tries that came due while it moved.
    #[serde(skip_serializing_if = "Option::is_none")]
    tried: Option<u64>,
}

fn clock_view(town: &Town, tried: Option<u64>) -> Response {
    Json(ClockView {
        now: town.clock.instant().to_string(),
        ahead_s: town.clock.ahead_s(),
        tried,
    })
    .into_response()
}

/// `GET /clock`
pub(super) async fn clock(State(town): State<Shared>) -> Response {
    clock_view(&town, None)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Advance {
    advance_s: i64,
}

/// `POST /clock`: answers when everything that came due on the way has been tried.
pub(super) async fn advance(
    State(town): State<Shared>,
    JsonBody(request): JsonBody<Advance>,
) -> Result<Response, Problem> {
    if !(0..=ADVANCE_MAX_S).contains(&request.advance_s) {
        let message = format!("must be 0 to {ADVANCE_MAX_S}: time does not go back");
        let error = FieldError::new("advance_s", "out_of_range", message);
        return Err(Problem::fields(vec![error]));
    }
    let tried = queue::advance(&town, request.advance_s).await?;
    Ok(clock_view(&town, Some(tried)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Probe {
    fiscal_code: String,
}

/// `POST /node/probe`: is the station of a creditor back? Asked with the notice nobody has.
pub(super) async fn probe(
    State(town): State<Shared>,
    JsonBody(request): JsonBody<Probe>,
) -> Result<Json<Value>, Problem> {
    let Some(creditor) = town.config.creditor(&request.fiscal_code) else {
        let message = "no creditor of the world has this fiscal code";
        let error = FieldError::new("fiscal_code", "unknown", message);
        return Err(Problem::fields(vec![error]));
    };
    let exchange = psp::probe(&town, creditor).await;
    let is_well = is_available(&exchange);
    Ok(Json(json!({"available": is_well, "exchange": exchange})))
}

/// A station is there where it says, well-formed, that it does not know the notice.
pub(super) fn is_available(probed: &Exchange) -> bool {
    probed.fault_code.as_deref() == Some("PAA_PAGAMENTO_SCONOSCIUTO") && probed.verdict.legal
}

/// `GET /node/timeouts`
pub(super) async fn timeouts(State(town): State<Shared>) -> Json<Timeouts> {
    Json(town.node.timeouts())
}

/// `POST /node/timeouts`: what is missing gets the contract's figure.
pub(super) async fn set_timeouts(
    State(town): State<Shared>,
    JsonBody(timeouts): JsonBody<Timeouts>,
) -> Result<Json<Timeouts>, Problem> {
    let errors = timeouts.errors();
    if !errors.is_empty() {
        return Err(Problem::fields(errors));
    }
    town.database.keep_setting(psp::TIMEOUTS, &timeouts).await?;
    town.node.set_timeouts(timeouts);
    Ok(Json(timeouts))
}
