//! `/notices`: created, read, listed and cancelled by the portal.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query as QueryOf, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::query::{self, Query};
use super::request;
use super::schema::{Notice, NoticePage, NoticeRequest, ProblemBody};
use crate::desk::debts::Opening;
use crate::desk::keys::Scope;
use crate::desk::once::{Answer, Done, Repeat};
use crate::domain::day::Day;
use crate::domain::debt::{Debt, DebtKind, PublicState};
use crate::domain::ids::DebtId;
use crate::domain::text::is_one_line;
use crate::store::debts::Filter;
use crate::web::Web;
use crate::web::body::idempotency_key;
use crate::web::problem::Problem;
use crate::wire::digest::sha256;

/// Create a notice for a top-up
#[utoipa::path(
    post,
    path = "/notices",
    tag = "notices",
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible characters"),
        ("Pagomensa-Creditor" = Option<String>, Header, description = "The creditor's fiscal code; needed with an operator's key"),
    ),
    request_body = NoticeRequest,
    responses(
        (status = 201, description = "The notice", body = Notice),
        (status = 200, description = "The notice that exists under this external_id", body = Notice),
        (status = 400, description = "Not JSON, or an operator names no creditor", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No good key", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The key may not do this", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "external_id belongs to another notice", body = ProblemBody, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = ProblemBody, content_type = "application/problem+json"),
        (status = 415, description = "The body is not application/json", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "Fields are missing or wrong, or the key was used for another request", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Try again shortly", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn create(
    State(web): State<Web>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let creditor = web.caller(&headers, Scope::NoticesWrite).await?;
    let key = idempotency_key(&headers)?;
    let json = web.json(&headers, body).await?;
    let now = web.clock.now();
    let today = now.day_in_rome();
    let request_sha256 = sha256(format!("POST /notices {}", json.sha256).as_bytes());
    // What was answered before is answered again, whatever has changed since: the day, the limits.
    if let Some(key) = &key
        && let Some(first) = web
            .desk
            .first_answer(&creditor.code, key, &request_sha256)
            .await?
    {
        return Ok(created(first));
    }
    let existing = match json.value.get("external_id").and_then(Value::as_str) {
        Some(id) if id.len() <= 4 * request::EXTERNAL_ID && is_one_line(id) => {
            web.desk
                .debt_of_external_id(&creditor.code, id.trim())
                .await?
        }
        _ => None,
    };
    let asked = request::read(
        &json.value,
        &creditor,
        web.desk.register(),
        existing.as_ref(),
        today,
    )?;
    let url = web.config.public_url.clone();
    let print = |opening: &Opening| Answer {
        http_status: if opening.existed { 200 } else { 201 },
        body: print(&opening.debt, today, &url),
    };
    let repeat = key.as_deref().map(|key| Repeat {
        key,
        request_sha256: &request_sha256,
        print: &print,
    });
    let done = web
        .desk
        .open_debt(&creditor, asked.order, asked.due, repeat, now)
        .await?;
    Ok(created(match done {
        Done::First(opening) => print(&opening),
        Done::Again(answer) => answer,
    }))
}

/// The answer with the address of the notice that is in it.
fn created(answer: Answer) -> Response {
    let notice: Value = serde_json::from_str(&answer.body).unwrap_or_default();
    let location = notice
        .get("id")
        .and_then(Value::as_str)
        .and_then(|id| format!("/api/v1/notices/{id}").parse().ok());
    let mut response = respond(answer);
    if let Some(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// Read a notice
#[utoipa::path(
    get,
    path = "/notices/{id}",
    tag = "notices",
    params(
        ("id" = String, Path, description = "The notice's id"),
        ("Pagomensa-Creditor" = Option<String>, Header, description = "The creditor's fiscal code; needed with an operator's key"),
    ),
    responses(
        (status = 200, description = "The notice", body = Notice),
        (status = 400, description = "An operator names no creditor", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No good key", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The key may not do this", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such notice of this creditor", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Try again shortly", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn read(
    State(web): State<Web>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let creditor = web.caller(&headers, Scope::NoticesRead).await?;
    let id = DebtId::parse(&id).ok_or_else(Problem::not_found)?;
    let debt = web.desk.debt(&creditor.code, &id).await?;
    let today = web.clock.now().day_in_rome();
    Ok(respond(Answer {
        http_status: 200,
        body: print(&debt, today, &web.config.public_url),
    }))
}

/// List notices, newest first
#[utoipa::path(
    get,
    path = "/notices",
    tag = "notices",
    params(
        ("child" = Option<String>, Query, description = "Only those of the child with this code"),
        ("state" = Option<String>, Query, description = "Only those in this state: open, paid, cancelled or expired"),
        ("kind" = Option<String>, Query, description = "Only those of this kind: top_up"),
        ("external_id" = Option<String>, Query, description = "Only the one with your own id"),
        ("cursor" = Option<String>, Query, description = "next_cursor of the page before"),
        ("limit" = Option<u32>, Query, description = "Rows on a page, 1 to 200; 50 when left out"),
        ("Pagomensa-Creditor" = Option<String>, Header, description = "The creditor's fiscal code; needed with an operator's key"),
    ),
    responses(
        (status = 200, description = "A page", body = NoticePage),
        (status = 400, description = "The query cannot be read, or an operator names no creditor", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No good key", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The key may not do this", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "A field of the query is wrong", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Try again shortly", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(
    State(web): State<Web>,
    fields: Result<QueryOf<BTreeMap<String, String>>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let creditor = web.caller(&headers, Scope::NoticesRead).await?;
    let QueryOf(fields) = fields.map_err(|_| Problem::malformed_query())?;
    let mut query = Query::new(fields);
    let filter = Filter {
        child: query.text("child", request::CODE),
        state: query.word("state", PublicState::parse),
        kind: query.word("kind", DebtKind::parse),
        before: query.cursor(),
        limit: query.limit(),
    };
    let external_id = query.text("external_id", request::EXTERNAL_ID);
    query.finish()?;
    let today = web.clock.now().day_in_rome();
    let (debts, next_cursor) = match external_id {
        Some(id) => {
            let found = web.desk.debt_of_external_id(&creditor.code, &id).await?;
            (
                found
                    .into_iter()
                    .filter(|debt| is_within(debt, &filter, today))
                    .collect(),
                None,
            )
        }
        None => {
            let limit = filter.limit;
            let one_more = Filter {
                limit: limit + 1,
                ..filter
            };
            let debts = web.desk.debts(&creditor.code, &one_more, today).await?;
            query::page(debts, limit, |debt| debt.id.to_string())
        }
    };
    let url = &web.config.public_url;
    let page = NoticePage {
        data: debts
            .iter()
            .map(|debt| Notice::of(debt, today, url))
            .collect(),
        next_cursor,
    };
    Ok(axum::Json(page).into_response())
}

/// Cancel a notice that is not paid
#[utoipa::path(
    post,
    path = "/notices/{id}/cancel",
    tag = "notices",
    params(
        ("id" = String, Path, description = "The notice's id"),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible characters"),
        ("Pagomensa-Creditor" = Option<String>, Header, description = "The creditor's fiscal code; needed with an operator's key"),
    ),
    responses(
        (status = 200, description = "The notice, cancelled", body = Notice),
        (status = 400, description = "The Idempotency-Key cannot be used, the body broke off, or an operator names no creditor", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No good key", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The key may not do this", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such notice of this creditor", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "It is paid", body = ProblemBody, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "The key was used for another request", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Try again shortly", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn cancel(
    State(web): State<Web>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let creditor = web.caller(&headers, Scope::NoticesWrite).await?;
    let id = DebtId::parse(&id).ok_or_else(Problem::not_found)?;
    let key = idempotency_key(&headers)?;
    let bytes = web.bytes(body).await?;
    let now = web.clock.now();
    let today = now.day_in_rome();
    let url = web.config.public_url.clone();
    let print = |debt: &Debt| Answer {
        http_status: 200,
        body: print(debt, today, &url),
    };
    let request_sha256 = sha256(format!("POST /notices/{id}/cancel {}", sha256(&bytes)).as_bytes());
    let repeat = key.as_deref().map(|key| Repeat {
        key,
        request_sha256: &request_sha256,
        print: &print,
    });
    let done = web
        .desk
        .cancel_debt(&creditor.code, &id, repeat, now)
        .await?;
    Ok(respond(match done {
        Done::First(debt) => print(&debt),
        Done::Again(answer) => answer,
    }))
}

fn is_within(debt: &Debt, filter: &Filter, today: Day) -> bool {
    filter
        .child
        .as_ref()
        .is_none_or(|code| *code == debt.order.child.code)
        && filter
            .state
            .is_none_or(|state| state == debt.public_state(today))
        && filter.kind.is_none_or(|kind| kind == debt.order.kind)
}

/// A notice as JSON.
pub(super) fn print(debt: &Debt, today: Day, public_url: &str) -> String {
    serde_json::to_string(&Notice::of(debt, today, public_url)).unwrap_or_default()
}

/// An answer as a response.
pub(super) fn respond(answer: Answer) -> Response {
    (
        StatusCode::from_u16(answer.http_status).unwrap_or(StatusCode::OK),
        [(header::CONTENT_TYPE, "application/json")],
        answer.body,
    )
        .into_response()
}
