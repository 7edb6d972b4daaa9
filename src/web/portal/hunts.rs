//! `/receipt-hunts`: payments whose receipt is looked for, with the next try of each.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query as QueryOf, State};
use axum::http::HeaderMap;

use super::query::{self, Query};
use super::schema::{ProblemBody, ReceiptHunt, ReceiptHuntPage};
use crate::desk::keys::Scope;
use crate::store::hunts;
use crate::web::Web;
use crate::web::problem::Problem;

/// List receipts that are looked for, newest first
#[utoipa::path(
    get,
    path = "/receipt-hunts",
    tag = "exceptions",
    params(
        ("state" = Option<String>, Query, description = "searching, found, ended or missing"),
        ("cursor" = Option<String>, Query, description = "next_cursor of the page before"),
        ("limit" = Option<u32>, Query, description = "Rows on a page, 1 to 200; 50 when left out"),
        ("Pagomensa-Creditor" = Option<String>, Header, description = "The creditor's fiscal code; needed with an operator's key"),
    ),
    responses(
        (status = 200, description = "A page", body = ReceiptHuntPage),
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
) -> Result<Json<ReceiptHuntPage>, Problem> {
    let creditor = web.caller(&headers, Scope::ExceptionsRead).await?;
    let QueryOf(fields) = fields.map_err(|_| Problem::malformed_query())?;
    let mut query = Query::new(fields);
    let state = query.word("state", hunts::State::parse);
    let cursor = query.cursor();
    let limit = query.limit();
    query.finish()?;
    let now = web.clock.now();
    let found = web
        .desk
        .receipt_hunts(&creditor.code, state, cursor.as_deref(), limit + 1, now)
        .await?;
    let (found, next_cursor) = query::page(found, limit, |hunt| hunt.id.to_string());
    Ok(Json(ReceiptHuntPage {
        data: found.iter().map(ReceiptHunt::of).collect(),
        next_cursor,
    }))
}
