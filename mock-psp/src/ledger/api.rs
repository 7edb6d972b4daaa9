//! The ledger's JSON door: posting needs the token, and so does the nightly proof; looking does
//! not, because tests and people look.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::entry::{self, Entry};
use super::store::{Balance, Booked, Booking, Total};
use crate::chaos::{LedgerFault, When};
use crate::problem::{FieldError, Problem};
use crate::town::{Shared, Town};
use crate::web::extract::{self, Params};

/// Most entries in one page of the list, and how many come unasked.
const ENTRIES_MAX: i64 = 10_000;

#[derive(Serialize)]
pub(super) struct List<T> {
    data: Vec<T>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

impl<T> List<T> {
    fn whole(data: Vec<T>) -> Json<Self> {
        Json(List {
            data,
            next_cursor: None,
        })
    }
}

/// `POST /ledger/entries`
pub(super) async fn post_entry(State(town): State<Shared>, request: Request) -> Response {
    let headers = request.headers().clone();
    if let Err(problem) = authorise(&town, &headers) {
        return problem.into_response();
    }
    let body = match extract::body(request, &town).await {
        Ok(body) => body,
        Err(problem) => return problem.into_response(),
    };
    let Some(fault) = town.chaos.next_ledger_fault().await else {
        return answer(book(&town, &headers, &body).await);
    };
    let right = match fault.when {
        When::BeforeBooking if !fault.is_only_slow() => None,
        When::BeforeBooking | When::AfterBooking => Some(book(&town, &headers, &body).await),
    };
    tokio::time::sleep(std::time::Duration::from_millis(fault.delay_ms)).await;
    misbehave(&fault, right)
}

fn misbehave(fault: &LedgerFault, right: Option<Result<Booking, Problem>>) -> Response {
    match right {
        Some(right) if fault.is_only_slow() => answer(right),
        _ => fault.reply(),
    }
}

fn answer(booking: Result<Booking, Problem>) -> Response {
    match booking {
        Ok(Booking::New) => (StatusCode::CREATED, Json(Taken { taken: true })).into_response(),
        Ok(Booking::Same) => (StatusCode::OK, Json(Taken { taken: true })).into_response(),
        Ok(Booking::Conflict) => {
            let detail = "another entry with this entry_id is in the ledger";
            Problem::new(StatusCode::CONFLICT, "entry_conflict", detail).into_response()
        }
        Err(problem) => problem.into_response(),
    }
}

#[derive(Serialize)]
struct Taken {
    taken: bool,
}

async fn book(town: &Town, headers: &HeaderMap, body: &[u8]) -> Result<Booking, Problem> {
    let media = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let media = media
        .and_then(|media| media.split(';').next())
        .unwrap_or_default()
        .trim();
    if !media.eq_ignore_ascii_case("application/json") {
        let detail = "the content type must be application/json";
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            detail,
        ));
    }
    let object: Map<String, Value> = extract::json(body)?;
    let entry = Entry::read(&object).map_err(Problem::fields)?;
    let key = headers
        .get("idempotency-key")
        .and_then(|value| value.to_str().ok());
    if key != Some(entry.entry_id.as_str()) {
        let message = "must equal entry_id";
        let error = FieldError::new("Idempotency-Key", "idempotency_key_mismatch", message);
        return Err(Problem::fields(vec![error]));
    }
    let paid_at = entry::instant(&entry.paid_at)
        .ok_or_else(|| Problem::invalid("paid_at is no RFC 3339 instant"))?;
    let paid_on = town.clock.local(paid_at).date();
    Ok(town
        .database
        .book(&entry, paid_on, town.clock.instant())
        .await?)
}

/// Compares the bearer token without telling by its timing how much of it was right.
fn authorise(town: &Town, headers: &HeaderMap) -> Result<(), Problem> {
    let given = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .unwrap_or_default();
    let expected = town.config.ledger_token.as_bytes();
    let is_right = given.len() == expected.len()
        && !expected.is_empty()
        && openssl::memcmp::eq(given.as_bytes(), expected);
    if is_right {
        Ok(())
    } else {
        let detail = "the bearer token is missing or wrong";
        Err(Problem::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            detail,
        ))
    }
}

#[derive(Deserialize)]
pub(super) struct EntriesQuery {
    #[serde(default)]
    child: String,
    #[serde(default)]
    creditor: String,
    #[serde(default)]
    cursor: i64,
    limit: Option<i64>,
}

/// `GET /ledger/entries?child=&creditor=&cursor=&limit=`
pub(super) async fn entries(
    State(town): State<Shared>,
    Params(query): Params<EntriesQuery>,
) -> Result<Json<List<Booked>>, Problem> {
    let limit = query.limit.unwrap_or(ENTRIES_MAX).clamp(1, ENTRIES_MAX);
    let mut data = town
        .database
        .entries(&query.child, &query.creditor, query.cursor, limit + 1)
        .await?;
    let is_more = i64::try_from(data.len()).unwrap_or(i64::MAX) > limit;
    if is_more {
        data.pop();
    }
    let next_cursor = data
        .last()
        .filter(|_| is_more)
        .map(|last| last.seq.to_string());
    Ok(Json(List { data, next_cursor }))
}

#[derive(Deserialize)]
pub(super) struct TotalsQuery {
    creditor: String,
    from: Option<String>,
    to: Option<String>,
}

/// `GET /ledger/totals?creditor=&from=&to=`: days of Rome, both included.
pub(super) async fn totals(
    State(town): State<Shared>,
    headers: HeaderMap,
    Params(query): Params<TotalsQuery>,
) -> Result<Json<List<Total>>, Problem> {
    authorise(&town, &headers)?;
    let day = |field, text: Option<String>, open: Date| match text {
        None => Ok(open),
        Some(text) => Date::strptime("%Y-%m-%d", &text)
            .map_err(|_| FieldError::new(field, "invalid", "must be a day like 2026-11-20")),
    };
    let wrong = |error| Problem::fields(vec![error]);
    let from = day("from", query.from, Date::MIN).map_err(wrong)?;
    let to = day("to", query.to, Date::MAX).map_err(wrong)?;
    Ok(List::whole(
        town.database.totals(&query.creditor, from, to).await?,
    ))
}

#[derive(Deserialize)]
pub(super) struct ChildQuery {
    #[serde(default)]
    pub(super) child: String,
}

/// `GET /ledger/balances?child=`
pub(super) async fn balances(
    State(town): State<Shared>,
    Params(query): Params<ChildQuery>,
) -> Result<Json<List<Balance>>, Problem> {
    Ok(List::whole(
        town.database.balances(&query.child, ENTRIES_MAX).await?,
    ))
}
