//! `/checkouts`: the portal sends a payer to Checkout, and asks what became of it.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::common::{Denied, Repeatable, Speaker, WrongBody};
use super::notices::respond;
use super::schema::{ProblemBody, State as NoticeState};
use crate::desk::checkouts::{Back, Checkout, CheckoutError};
use crate::desk::keys::Scope;
use crate::desk::once::{Answer, Repeat};
use crate::domain::checkout::{MOST, Standing};
use crate::domain::creditor::Creditor;
use crate::domain::day::Instant;
use crate::domain::ids::{CheckoutId, DebtId};
use crate::domain::link::Prefix;
use crate::domain::refusal::Refusal;
use crate::web::Web;
use crate::web::body::idempotency_key;
use crate::web::fields::Form;
use crate::web::problem::Problem;
use crate::web::wrong::{FieldError, Wrong};
use crate::wire::digest::sha256;

/// Longest `return_url`.
const ADDRESS: usize = 1_000;

/// A request to send a payer to Checkout.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "notices": ["01a0e0b1-3f3c-7000-8000-0123456789ab"],
    "return_url": "https://portale.example.org/mensa/esito"
}))]
pub(super) struct CheckoutRequest {
    /// Ids of notices of one creditor, one to five, each once. All must be open.
    #[schema(min_items = 1, max_items = 5)]
    notices: Vec<String>,
    /// Where the browser goes afterwards, below one of the addresses that are registered for the
    /// creditor (`return_urls`). It gets `checkout` (the id) and `state=waiting` in its query, always,
    /// whatever happened: ask for the state with `GET /checkouts/{id}`.
    #[schema(max_length = 1000)]
    return_url: String,
}

/// Where an attempt to pay stands.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum CheckoutState {
    /// Its page can be opened.
    Open,
    /// All of its notices are paid, in this attempt or elsewhere.
    Paid,
    /// Its page cannot be opened any more; a payment begun there may still arrive.
    Expired,
    /// No page came of it.
    Failed,
}

/// A notice of an attempt.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CheckoutNotice {
    id: String,
    notice_number: String,
    state: NoticeState,
    amount_cents: i64,
}

/// An attempt to pay at Checkout.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CheckoutBody {
    id: String,
    state: CheckoutState,
    /// Send the browser there, with 303. Nothing when there is no such page any more.
    redirect_url: Option<String>,
    /// An instant in UTC.
    #[schema(format = DateTime)]
    created_at: String,
    /// Until when the page can be opened: an instant in UTC.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    /// Its notices, in the order of the request.
    notices: Vec<CheckoutNotice>,
}

impl CheckoutBody {
    fn of(checkout: &Checkout, now: Instant) -> CheckoutBody {
        let attempt = &checkout.attempt;
        let standing = checkout.standing(now);
        let today = now.day_in_rome();
        CheckoutBody {
            id: attempt.id.to_string(),
            state: match standing {
                Standing::Open => CheckoutState::Open,
                Standing::Paid => CheckoutState::Paid,
                Standing::Expired => CheckoutState::Expired,
                Standing::Failed => CheckoutState::Failed,
            },
            redirect_url: attempt
                .redirect_url
                .clone()
                .filter(|_| standing == Standing::Open),
            created_at: attempt.created_at.to_string(),
            expires_at: attempt.expires_at.map(|at| at.to_string()),
            notices: checkout
                .debts
                .iter()
                .map(|debt| CheckoutNotice {
                    id: debt.id.to_string(),
                    notice_number: debt.notice.to_string(),
                    state: debt.public_state(today).into(),
                    amount_cents: debt.order.amount.get(),
                })
                .collect(),
        }
    }
}

/// Send a payer to Checkout
///
/// Nothing is reserved: an attempt that was left can be made again at once. Whether it was paid says
/// the state of the notices alone, and never the browser's return.
#[utoipa::path(
    post,
    path = "/checkouts",
    tag = "checkouts",
    params(Repeatable, Speaker),
    request_body = CheckoutRequest,
    responses(
        (status = 201, description = "Send the browser to redirect_url", body = CheckoutBody),
        Denied,
        WrongBody,
        (status = 409, description = "Some notices cannot be paid now (`not_payable`, with the reason of each), or the node says that a payment is running or was just made (`payment_in_progress`): wait for its receipt", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "Fields are wrong, or the key was used for another request", body = ProblemBody, content_type = "application/problem+json"),
        (status = 500, description = "A notice cannot be read from the database", body = ProblemBody, content_type = "application/problem+json"),
        (status = 501, description = "Checkout is not enabled here", body = ProblemBody, content_type = "application/problem+json"),
        (status = 502, description = "Checkout has not taken the request, or its answer cannot be used: trying again does not help", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn open(
    State(web): State<Web>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let creditor = web.caller(&headers, Scope::NoticesWrite).await?;
    let key = idempotency_key(&headers)?;
    let json = web.json(&headers, body).await?;
    let request_sha256 = sha256(format!("POST /checkouts {}", json.sha256).as_bytes());
    if let Some(key) = &key
        && let Some(first) = web
            .desk
            .first_answer(&creditor.code, key, &request_sha256)
            .await?
    {
        return Ok(created(first));
    }
    let (notices, back) = read_request(&json.value, &creditor)?;
    let now = web.clock.now();
    let print = |checkout: &Checkout| Answer {
        http_status: 201,
        body: print(checkout, now),
    };
    let repeat = key.as_deref().map(|key| Repeat {
        key,
        request_sha256: &request_sha256,
        print: &print,
    });
    let done = web
        .checkouts
        .open_once(&creditor, &notices, back, repeat)
        .await?;
    Ok(created(done.answer(print)))
}

/// Read what became of an attempt
#[utoipa::path(
    get,
    path = "/checkouts/{id}",
    tag = "checkouts",
    params(
        ("id" = String, Path, description = "The attempt's id"),
        Speaker,
    ),
    responses(
        (status = 200, description = "The attempt, with its notices", body = CheckoutBody),
        Denied,
        (status = 400, description = "An operator names no creditor", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such attempt of this creditor", body = ProblemBody, content_type = "application/problem+json"),
        (status = 500, description = "A notice cannot be read from the database", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn read(
    State(web): State<Web>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let creditor = web.caller(&headers, Scope::NoticesRead).await?;
    let id = CheckoutId::parse(&id).ok_or_else(Problem::not_found)?;
    let checkout = web.checkouts.find(&creditor.code, &id).await?;
    Ok(respond(Answer {
        http_status: 200,
        body: print(&checkout, web.clock.now()),
    }))
}

fn read_request(value: &Value, creditor: &Creditor) -> Result<(Vec<DebtId>, Back), Problem> {
    let mut form = Form::default();
    let mut root = form.root(value);
    let mut notices: Vec<DebtId> = vec![];
    if !root.has("notices") {
        form.wrong(root.name("notices"), Wrong::Required);
    }
    if let Some(values) = root.list(&mut form, "notices") {
        if !(1..=MOST).contains(&values.len()) {
            form.wrong(root.name("notices"), Wrong::NotANumberOf(MOST));
        }
        for (index, value) in values.iter().enumerate().take(MOST) {
            let place = format!("notices[{index}]");
            match value.as_str().map(DebtId::parse) {
                None => form.wrong(place, Wrong::NotText),
                Some(None) => form.wrong(place, Wrong::UnknownNotice),
                Some(Some(id)) if notices.contains(&id) => form.wrong(place, Wrong::Twice),
                Some(Some(id)) => notices.push(id),
            }
        }
    }
    let back = root.parsed(&mut form, "return_url", ADDRESS, |text| {
        Prefix::admit(&creditor.return_urls, text).ok_or(Wrong::NotAReturnUrl)
    });
    root.end(&mut form);
    form.finish()?;
    // Reported by finish already when it is missing.
    let back = back.ok_or_else(|| Problem::invalid_fields(vec![]))?;
    Ok((notices, Back::Portal(back)))
}

fn print(checkout: &Checkout, now: Instant) -> String {
    serde_json::to_string(&CheckoutBody::of(checkout, now)).unwrap_or_default()
}

/// The answer with the address of the attempt that is in it.
fn created(answer: Answer) -> Response {
    let checkout: Value = serde_json::from_str(&answer.body).unwrap_or_default();
    let location = checkout
        .get("id")
        .and_then(Value::as_str)
        .and_then(|id| format!("/api/v1/checkouts/{id}").parse().ok());
    let mut response = respond(answer);
    if let Some(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

impl From<CheckoutError> for Problem {
    fn from(error: CheckoutError) -> Problem {
        let place = |index: usize| format!("notices[{index}]");
        let field = |field: String, wrong: Wrong| FieldError { field, wrong };
        match error {
            CheckoutError::Disabled => Problem::checkout_disabled(),
            CheckoutError::Number => {
                let wrong = Wrong::NotANumberOf(MOST);
                Problem::invalid_fields(vec![field("notices".to_owned(), wrong)])
            }
            CheckoutError::Unknown(places) => {
                let wrong = |index| field(place(index), Wrong::UnknownNotice);
                Problem::invalid_fields(places.into_iter().map(wrong).collect())
            }
            CheckoutError::NotPayable(places) => {
                let wrong = |(index, refusal)| field(place(index), reason(refusal));
                Problem::not_payable(places.into_iter().map(wrong).collect())
            }
            CheckoutError::Running => Problem::payment_in_progress(),
            CheckoutError::Refused => Problem::checkout_refused(),
            CheckoutError::Down => Problem::checkout_unavailable(),
            CheckoutError::Desk(error) => Problem::from(error),
        }
    }
}

/// Why a notice cannot be paid now.
fn reason(refusal: Refusal) -> Wrong {
    match refusal {
        Refusal::AlreadyPaid => Wrong::AlreadyPaid,
        Refusal::Cancelled => Wrong::Cancelled,
        Refusal::Expired => Wrong::Expired,
        Refusal::Unknown => Wrong::NotPublished,
        Refusal::WrongBroker
        | Refusal::WrongStation
        | Refusal::WrongCreditor
        | Refusal::Conflict
        | Refusal::Repeated
        | Refusal::Inconsistent
        | Refusal::UnknownElements => Wrong::UnknownNotice,
    }
}
