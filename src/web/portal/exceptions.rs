//! `/exceptions`: what waits for a person of the finance office.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;

use super::common::{Denied, Paging, Speaker, WrongQuery};
use super::page::Page;
use super::query::{Fields, Query};
use super::schema::{Exception, ExceptionPage};
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
        Paging,
        Speaker,
    ),
    responses(
        (status = 200, description = "A page", body = ExceptionPage),
        Denied,
        WrongQuery,
    )
)]
pub(super) async fn list(
    State(web): State<Web>,
    fields: Fields,
    headers: HeaderMap,
) -> Result<Json<ExceptionPage>, Problem> {
    let creditor = web.caller(&headers, Scope::ExceptionsRead).await?;
    let mut query = Query::read(fields)?;
    query.word("state", |text| (text == "open").then_some(()));
    let cursor = query.cursor();
    let limit = query.limit();
    query.finish()?;
    let cases = web
        .desk
        .open_cases(&creditor.code, cursor.as_deref(), limit.and_one())
        .await?;
    let page = Page::of(cases, limit, |case| case.id.to_string(), Exception::of);
    Ok(Json(page))
}
