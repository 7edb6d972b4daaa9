//! `/notices/{id}/pdf`: the notice as parents get it on paper.

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;

use super::common::{Denied, Speaker, WrongQuery};
use super::query::{Fields, Query};
use super::schema::ProblemBody;
use crate::desk::keys::Scope;
use crate::domain::debt::PublicState;
use crate::domain::ids::DebtId;
use crate::domain::print::Language;
use crate::domain::refusal::Refusal;
use crate::web::Web;
use crate::web::print::print;
use crate::web::problem::Problem;

/// Print a notice that can be paid
#[utoipa::path(
    get,
    path = "/notices/{id}/pdf",
    tag = "notices",
    params(
        ("id" = String, Path, description = "The notice's id"),
        ("lang" = Option<String>, Query, description = "it, it-de (Italian and German) or it-en (Italian and English); it when left out"),
        Speaker,
    ),
    responses(
        (status = 200, description = "The notice of pagoPA on A4, tagged (PDF/A-2a, PDF/UA-1)", body = Vec<u8>, content_type = "application/pdf"),
        (status = 304, description = "It is still the one named in If-None-Match"),
        Denied,
        WrongQuery,
        (status = 404, description = "No such notice of this creditor", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "It cannot be paid any more: it is paid, cancelled or expired", body = ProblemBody, content_type = "application/problem+json"),
        (status = 500, description = "The notice cannot be read from the database", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn notice(
    State(web): State<Web>,
    Path(id): Path<String>,
    fields: Fields,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let creditor = web.caller(&headers, Scope::NoticesRead).await?;
    let id = DebtId::parse(&id).ok_or_else(Problem::not_found)?;
    let mut query = Query::read(fields)?;
    let language = query.word("lang", Language::parse).unwrap_or_default();
    query.finish()?;
    let debt = web.desk.debt(&creditor.code, &id).await?;
    // A paper that nobody can pay with would only send a parent to a counter in vain.
    match debt.public_state(web.clock.now().day_in_rome()) {
        PublicState::Open => {}
        PublicState::Paid => return Err(Refusal::AlreadyPaid.into()),
        PublicState::Cancelled => return Err(Refusal::Cancelled.into()),
        PublicState::Expired => return Err(Refusal::Expired.into()),
    }
    let name = format!("avviso-{}", debt.notice);
    print(&web.printer, &headers, &name, move |printer| {
        printer.notice(&creditor, &debt, language)
    })
    .await
}
