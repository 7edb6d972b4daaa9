//! The archive of notices: `paCreatePosition`, and a list for tests and people.
//!
//! One call creates, changes or closes a position: amount 0 closes. Known by creditor and IUV. As
//! the platform does it, a change leaves the notice number, the postal account and
//! `switchToExpired` as they were created.

pub(super) mod page;
mod request;
mod store;

use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::guard::Caller;
use super::rate::Service;
use super::refusal::Refusal;
use crate::chaos::When;
use crate::problem::Problem;
use crate::town::{Shared, Town};
use crate::web::extract::Params;
use request::PositionRequest;
use store::Filed;
pub(crate) use store::{Position, pay_notice, pay_position};

/// Most positions one list shows.
const POSITIONS_MAX: i64 = 10_000;
const PROBLEM_TYPE: &str = "https://example.com/problem/";

/// `POST /aca/v1/paCreatePosition`
pub(super) async fn create_position(
    State(town): State<Shared>,
    caller: Caller,
    body: Result<Bytes, axum::extract::rejection::BytesRejection>,
) -> Response {
    if let Err(refusal) = caller.admit(&town, Service::Aca) {
        return refusal.into_response();
    }
    let Ok(body) = body else {
        return formally_invalid("the body cannot be read").into_response();
    };
    let Some(fault) = town.chaos.next_aca_fault().await else {
        return answer(file(&town, &body).await);
    };
    let right = match fault.when {
        When::BeforeBooking if !fault.is_only_slow() => None,
        When::BeforeBooking | When::AfterBooking => Some(answer(file(&town, &body).await)),
    };
    tokio::time::sleep(Duration::from_millis(fault.delay_ms)).await;
    match right {
        Some(right) if fault.is_only_slow() => right,
        _ => fault.reply(),
    }
}

fn answer(filed: Result<Json<Value>, Refusal>) -> Response {
    match filed {
        Ok(position) => position.into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

async fn file(town: &Town, body: &[u8]) -> Result<Json<Value>, Refusal> {
    let request = PositionRequest::read(body).map_err(|reason| formally_invalid(&reason))?;
    let Some(creditor) = town.config.creditor(&request.creditor) else {
        let detail = format!(
            "No debt position found with Creditor institution code {} and {}",
            request.creditor,
            request.iupd()
        );
        return Err(problem(
            StatusCode::NOT_FOUND,
            "Invocation exception",
            &detail,
        ));
    };
    let conflict = |title, detail: &str| problem(StatusCode::CONFLICT, title, detail);
    match town.database.file_position(&request, &town.clock).await? {
        Filed::Kept(position) => Ok(Json(position_json(&position, &creditor.name))),
        Filed::Unknown => Err(problem(
            StatusCode::UNPROCESSABLE_ENTITY,
            "Unprocessable request",
            "Can not perform the requested action on debit position",
        )),
        Filed::NavTaken => Err(conflict(
            "Invocation exception",
            "Error while create new debit position conflict into request",
        )),
        Filed::NotClosable => Err(conflict(
            "Invocation exception",
            "Error while invalidate debit position conflict into request",
        )),
        Filed::WrongState => Err(conflict(
            "Unauthorized action",
            &format!(
                "Unauthorized action on debt position with iuv {}",
                request.iuv
            ),
        )),
    }
}

fn problem(status: StatusCode, title: &str, detail: &str) -> Refusal {
    Refusal::problem(status, title, detail).with("type", PROBLEM_TYPE)
}

fn formally_invalid(reason: &str) -> Refusal {
    let detail = format!("Formally invalid input: {reason}");
    problem(StatusCode::BAD_REQUEST, "Bad request", &detail)
}

/// `DebtPositionResponse`
fn position_json(position: &Position, company: &str) -> Value {
    json!({
        "paFiscalCode": position.creditor,
        "companyName": company,
        "entityType": position.entity_type,
        "entityFiscalCode": position.entity_fiscal_code,
        "entityFullName": position.entity_full_name,
        "iuv": position.iuv,
        "nav": position.nav,
        "amount": position.amount_cents,
        "description": position.description,
        "expirationDate": position.expires_at,
        "iban": position.iban,
        "postalIban": position.postal_iban,
        "switchToExpired": position.switch_to_expired,
        "status": position.state.name(),
    })
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct PositionsQuery {
    fiscal_code: String,
    nav: String,
}

#[derive(Serialize)]
struct List {
    data: Vec<Position>,
}

/// `GET /aca/positions?fiscal_code=&nav=`: looking needs no key, because tests and people look.
pub(super) async fn positions(
    State(town): State<Shared>,
    Params(query): Params<PositionsQuery>,
) -> Result<Response, Problem> {
    let now = town.clock.now();
    let found = town
        .database
        .positions(&query.fiscal_code, &query.nav, now, POSITIONS_MAX);
    Ok(Json(List { data: found.await? }).into_response())
}
