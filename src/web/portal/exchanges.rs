//! `/exchanges`: the journal of events, for whoever must show what was asked and answered.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use serde::Serialize;
use utoipa::ToSchema;

use super::common::{Denied, Paging, Speaker, WrongQuery};
use super::page::{Page, Row};
use super::query::{Fields, Query};
use super::schema::ProblemBody;
use crate::desk::journal::search::{Cursor, Detail, RECEIPT_ID, Wanted};
use crate::desk::keys::Scope;
use crate::domain::ids::ExchangeId;
use crate::domain::notice::NoticeNumber;
use crate::store::documents::Kept;
use crate::store::exchanges::Found;
use crate::web::Web;
use crate::web::problem::Problem;

/// A call and its reply.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Exchange {
    id: String,
    /// When the call began; an instant in UTC.
    #[schema(format = DateTime)]
    started_at: String,
    /// `in`: we were called; `out`: we called.
    direction: &'static str,
    /// Whom we spoke with, such as `pagopa-node` or `ledger`.
    party: String,
    /// `read`, `receipt`, `outbound`, `refused` or `erasure`: how long it is kept depends on it.
    kind: &'static str,
    operation: String,
    /// Method and address, where they say more than the operation.
    address: Option<String>,
    /// The subject of the client's certificate.
    peer: Option<String>,
    notice_number: Option<String>,
    iuv: Option<String>,
    receipt_id: Option<String>,
    /// `OK`, a fault code, or why there was no reply.
    outcome: String,
    /// 0 when there was no answer.
    http_status: u16,
    duration_us: i64,
    /// Its place in a chain of hashes; nothing for older lines.
    place: Option<Place>,
}

/// A place in a chain of hashes.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Place {
    chain: String,
    block: i64,
    place: i64,
}

impl Row for Exchange {
    const PAGE: &'static str = "A page of exchanges.";
}

/// A page of exchanges.
pub(super) type ExchangePage = Page<Exchange>;

/// A call and its reply, with what was said.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ExchangeDetail {
    #[serde(flatten)]
    exchange: Exchange,
    request: Option<Message>,
    reply: Option<Message>,
}

/// What was said.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Message {
    /// The document's id.
    id: String,
    /// SHA-256 of the bytes as they came or went, in hexadecimal.
    sha256: String,
    /// The text; bytes that are not UTF-8 are replaced. Empty when it was erased.
    text: String,
    /// When the bytes were erased; an instant in UTC.
    #[schema(format = DateTime)]
    erased_at: Option<String>,
    /// The exchange that says who erased them, and why.
    erasure: Option<String>,
}

impl Exchange {
    fn of(found: Found) -> Exchange {
        let exchange = found.exchange;
        Exchange {
            id: exchange.id.to_string(),
            started_at: exchange.started_at.to_string(),
            direction: exchange.direction.as_str(),
            party: exchange.party,
            kind: exchange.kind.as_str(),
            operation: exchange.operation,
            address: exchange.address,
            peer: exchange.peer,
            notice_number: exchange.notice,
            iuv: exchange.iuv,
            receipt_id: exchange.reference,
            outcome: exchange.outcome,
            http_status: exchange.http_status,
            duration_us: exchange.duration_us,
            place: found.place.map(|(chain, block, place)| Place {
                chain,
                block,
                place,
            }),
        }
    }
}

impl Message {
    fn of(kept: Kept) -> Message {
        Message {
            id: kept.id.to_string(),
            sha256: kept.sha256,
            text: String::from_utf8_lossy(&kept.bytes).into_owned(),
            erased_at: kept.erased_at.map(|at| at.to_string()),
            erasure: kept.erasure.map(|id| id.to_string()),
        }
    }
}

/// Search the journal of exchanges, newest first
#[utoipa::path(
    get,
    path = "/exchanges",
    tag = "exchanges",
    params(
        ("notice_number" = Option<String>, Query, description = "Only those about this notice: 18 digits"),
        ("iuv" = Option<String>, Query, description = "Only those about this IUV"),
        ("receipt_id" = Option<String>, Query, description = "Only those about this receipt"),
        ("day" = Option<String>, Query, description = "Only those begun on this day in Rome: YYYY-MM-DD"),
        Paging,
        Speaker,
    ),
    responses(
        (status = 200, description = "A page", body = ExchangePage),
        Denied,
        WrongQuery,
    )
)]
pub(super) async fn list(
    State(web): State<Web>,
    fields: Fields,
    headers: HeaderMap,
) -> Result<Json<ExchangePage>, Problem> {
    let creditor = web.caller(&headers, Scope::Audit).await?;
    let mut query = Query::read(fields)?;
    let wanted = Wanted {
        creditor: Some(creditor.code.clone()),
        notice: query.word("notice_number", |text| NoticeNumber::parse(text).ok()),
        iuv: query.text("iuv", 35),
        receipt: query.text("receipt_id", RECEIPT_ID),
        day: query.day("day"),
        before: query.word("cursor", Cursor::parse),
    };
    let limit = query.limit();
    query.finish()?;
    let found = web.desk.exchanges(wanted, limit.and_one()).await?;
    let cursor = |found: &Found| Cursor::of(found).to_string();
    Ok(Json(Page::of(found, limit, cursor, Exchange::of)))
}

/// Read an exchange with both messages
#[utoipa::path(
    get,
    path = "/exchanges/{id}",
    tag = "exchanges",
    params(
        ("id" = String, Path, description = "The exchange's id"),
        Speaker,
    ),
    responses(
        (status = 200, description = "The exchange", body = ExchangeDetail),
        Denied,
        (status = 400, description = "An operator names no creditor", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such exchange of this creditor", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn read(
    State(web): State<Web>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<ExchangeDetail>, Problem> {
    let creditor = web.caller(&headers, Scope::Audit).await?;
    let id = ExchangeId::parse(&id).ok_or_else(Problem::not_found)?;
    let Detail {
        found,
        request,
        reply,
    } = web.desk.exchange(&creditor.code, &id).await?;
    Ok(Json(ExchangeDetail {
        exchange: Exchange::of(found),
        request: request.map(Message::of),
        reply: reply.map(Message::of),
    }))
}
