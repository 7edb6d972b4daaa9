//! `/notices`: created, read, listed and cancelled by the portal.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::common::{Denied, Paging, Repeatable, Speaker, WrongBody, WrongQuery};
use super::page::Page;
use super::query::{Fields, Query};
use super::request;
use super::schema::{Notice, NoticePage, NoticeRequest, ProblemBody};
use crate::desk::debts::Opening;
use crate::desk::keys::Scope;
use crate::desk::once::{Answer, Repeat};
use crate::domain::day::Day;
use crate::domain::debt::{Debt, DebtKind, PublicState};
use crate::domain::ids::DebtId;
use crate::domain::text::is_one_line;
use crate::store::debts::{Filter, Listed};
use crate::web::Web;
use crate::web::body::idempotency_key;
use crate::web::problem::Problem;
use crate::wire::digest::sha256;
use crate::wire::links::Links;

/// Create a notice for a top-up or an invoice
#[utoipa::path(
    post,
    path = "/notices",
    tag = "notices",
    params(Repeatable, Speaker),
    request_body = NoticeRequest,
    responses(
        (status = 201, description = "The notice", body = Notice),
        (status = 200, description = "The notice that exists under this external_id", body = Notice),
        Denied,
        WrongBody,
        (status = 409, description = "external_id belongs to another notice", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "Fields are missing or wrong, or the key was used for another request", body = ProblemBody, content_type = "application/problem+json"),
        (status = 500, description = "The notice cannot be read from the database", body = ProblemBody, content_type = "application/problem+json"),
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
    let links = web.links.clone();
    let print = |opening: &Opening| Answer {
        http_status: if opening.existed { 200 } else { 201 },
        body: print(&opening.debt, today, &links),
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
    Ok(created(done.answer(print)))
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
        Speaker,
    ),
    responses(
        (status = 200, description = "The notice", body = Notice),
        Denied,
        (status = 400, description = "An operator names no creditor", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such notice of this creditor", body = ProblemBody, content_type = "application/problem+json"),
        (status = 500, description = "The notice cannot be read from the database", body = ProblemBody, content_type = "application/problem+json"),
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
        body: print(&debt, today, &web.links),
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
        ("kind" = Option<String>, Query, description = "Only those of this kind: top_up or invoice"),
        ("external_id" = Option<String>, Query, description = "Only the one with your own id; 500 when it cannot be read"),
        Paging,
        Speaker,
    ),
    responses(
        (status = 200, description = "A page, without notices that cannot be read from the database", body = NoticePage),
        Denied,
        WrongQuery,
        (status = 500, description = "The notice cannot be read from the database", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(
    State(web): State<Web>,
    fields: Fields,
    headers: HeaderMap,
) -> Result<Json<NoticePage>, Problem> {
    let creditor = web.caller(&headers, Scope::NoticesRead).await?;
    let mut query = Query::read(fields)?;
    let child = query.text("child", request::CODE);
    let state = query.word("state", PublicState::parse);
    let kind = query.word("kind", DebtKind::parse);
    let before = query.cursor();
    let limit = query.limit();
    let external_id = query.text("external_id", request::EXTERNAL_ID);
    query.finish()?;
    let filter = Filter {
        child,
        state,
        kind,
        before,
        limit: limit.and_one(),
    };
    let today = web.clock.now().day_in_rome();
    let rows = match external_id {
        Some(id) => {
            let found = web.desk.debt_of_external_id(&creditor.code, &id).await?;
            found
                .into_iter()
                .filter(|debt| is_within(debt, &filter, today))
                .map(|debt| Listed {
                    id: debt.id.clone(),
                    debt: Some(debt),
                })
                .collect()
        }
        None => web.desk.debts(&creditor.code, &filter, today).await?,
    };
    let links = &web.links;
    let tell = |row: Listed| Some(Notice::of(&row.debt?, today, links));
    let page = Page::of_some(rows, limit, |row| row.id.to_string(), tell);
    Ok(Json(page))
}

/// Cancel a notice that is not paid
#[utoipa::path(
    post,
    path = "/notices/{id}/cancel",
    tag = "notices",
    params(
        ("id" = String, Path, description = "The notice's id"),
        Repeatable,
        Speaker,
    ),
    responses(
        (status = 200, description = "The notice, cancelled", body = Notice),
        Denied,
        (status = 400, description = "The Idempotency-Key cannot be used, the body broke off, or an operator names no creditor", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such notice of this creditor", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "It is paid", body = ProblemBody, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "The key was used for another request", body = ProblemBody, content_type = "application/problem+json"),
        (status = 500, description = "The notice cannot be read from the database", body = ProblemBody, content_type = "application/problem+json"),
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
    let links = web.links.clone();
    let print = |debt: &Debt| Answer {
        http_status: 200,
        body: print(debt, today, &links),
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
    Ok(respond(done.answer(print)))
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
pub(super) fn print(debt: &Debt, today: Day, links: &Links) -> String {
    serde_json::to_string(&Notice::of(debt, today, links)).unwrap_or_default()
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
