//! `/exceptions`: what waits for a person of the finance office.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query as QueryOf, State};
use axum::http::HeaderMap;

use super::query::{self, Query};
use super::schema::{Exception, ExceptionPage, ProblemBody};
use crate::desk::keys::Scope;
use crate::web::Web;
use crate::web::problem::Problem;

/// List open exceptions, newest first
#[utoipa::path(
    get,
    path = "/exceptions",
    tag = "exceptions",
    params(
        ("state" = Option<String>, Query, description = "open"),
        ("cursor" = Option<String>, Query, description = "next_cursor of the page before"),
        ("limit" = Option<u32>, Query, description = "Rows on a page, 1 to 200; 50 when left out"),
        ("Pagomensa-Creditor" = Option<String>, Header, description = "The creditor's fiscal code; needed with an operator's key"),
    ),
    responses(
        (status = 200, description = "A page", body = ExceptionPage),
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
) -> Result<Json<ExceptionPage>, Problem> {
    let creditor = web.caller(&headers, Scope::ExceptionsRead).await?;
    let QueryOf(fields) = fields.map_err(|_| Problem::malformed_query())?;
    let mut query = Query::new(fields);
    query.word("state", |text| (text == "open").then_some(()));
    let cursor = query.cursor();
    let limit = query.limit();
    query.finish()?;
    let cases = web
        .desk
        .open_cases(&creditor.code, cursor.as_deref(), limit + 1)
        .await?;
    let (cases, next_cursor) = query::page(cases, limit, |case| case.id.to_string());
    Ok(Json(ExceptionPage {
        data: cases.iter().map(Exception::of).collect(),
        next_cursor,
    }))
}
