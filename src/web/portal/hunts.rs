//! `/receipt-hunts`: payments whose receipt is looked for, with the next try of each.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;

use super::common::{Denied, Paging, Speaker, WrongQuery};
use super::page::Page;
use super::query::{Fields, Query};
use super::schema::{ReceiptHunt, ReceiptHuntPage};
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
        Paging,
        Speaker,
    ),
    responses(
        (status = 200, description = "A page", body = ReceiptHuntPage),
        Denied,
        WrongQuery,
    )
)]
pub(super) async fn list(
    State(web): State<Web>,
    fields: Fields,
    headers: HeaderMap,
) -> Result<Json<ReceiptHuntPage>, Problem> {
    let creditor = web.caller(&headers, Scope::ExceptionsRead).await?;
    let mut query = Query::read(fields)?;
    let state = query.word("state", hunts::State::parse);
    let cursor = query.cursor();
    let limit = query.limit();
    query.finish()?;
    let now = web.clock.now();
    let found = web
        .desk
        .receipt_hunts(
            &creditor.code,
            state,
            cursor.as_deref(),
            limit.and_one(),
            now,
        )
        .await?;
    let page = Page::of(found, limit, |hunt| hunt.id.to_string(), ReceiptHunt::of);
    Ok(Json(page))
}
