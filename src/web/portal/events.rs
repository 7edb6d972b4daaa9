//! `/events`: what has happened, in an order in which nothing is missed.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::common::{Denied, Speaker, WrongQuery};
use super::page::{Page, Row};
use super::query::{Fields, Query};
use super::schema::SettledElsewhere;
use crate::desk::keys::Scope;
use crate::domain::event;
use crate::domain::ids::EventId;
use crate::web::Web;
use crate::web::problem::Problem;
use crate::web::wrong::{FieldError, Wrong};

/// Something that has happened. A webhook has the same as its body.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "id": "019d2f0e-7c51-7000-8a3e-0c5e5f2b9d10",
    "type": "notice.paid",
    "created_at": "2026-11-20T11:00:00.000Z",
    "data": {
        "notice": {
            "id": "019d2f0e-6d11-7000-9a01-d9b21c6f3a55", "notice_number": "302000000000000153",
            "external_id": "TU-50004-17", "kind": "top_up", "service": "refezione",
            "child_code": "50004", "state": "paid", "amount_cents": 5000,
            "due_on": "2026-12-31", "paid_elsewhere": null
        },
        "payment": {
            "id": "019d2f0e-7c50-7000-8b2a-4f1d0c9e7a31", "notice_number": "302000000000000153",
            "channel": "pagopa", "receipt_id": "c110729d258c4ab1b765fe902aae41d6",
            "amount_cents": 5000, "own_cents": 5000, "paid_at": "2026-11-20T10:59:30.000Z",
            "psp": "ABI99999"
        }
    }
}))]
pub(super) struct Event {
    /// Its id; the `webhook-id` of every delivery. Pass the last one you have as `after`.
    id: String,
    /// `notice.created`, `notice.changed`, `notice.paid`, `notice.cancelled`, `notice.expired`,
    /// `notice.overdue`, `payment.confirmed` or `payment.reversed`; others may be added.
    #[schema(value_type = String)]
    r#type: &'static str,
    /// An instant in UTC.
    #[schema(format = DateTime)]
    created_at: String,
    /// What it was about, as it then was.
    #[schema(value_type = EventData)]
    data: Value,
}

/// What an event was about.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EventData {
    /// The notice; null for a payment of a notice that is not one of yours.
    notice: Option<EventNotice>,
    /// The payment that brought it.
    payment: Option<EventPayment>,
}

/// A notice, as it was when something happened to it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EventNotice {
    id: String,
    notice_number: String,
    external_id: Option<String>,
    kind: String,
    service: String,
    child_code: String,
    /// `open`, `paid`, `cancelled` or `expired`.
    state: String,
    amount_cents: i64,
    /// A day.
    #[schema(format = Date)]
    due_on: String,
    /// How it was paid off pagoPA, when it was.
    paid_elsewhere: Option<SettledElsewhere>,
}

/// A payment.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EventPayment {
    id: String,
    notice_number: String,
    /// The rail: `pagopa`.
    channel: String,
    /// The rail's name for it.
    receipt_id: String,
    amount_cents: i64,
    /// What of it is yours; the rest went to other beneficiaries.
    own_cents: i64,
    /// An instant in UTC.
    #[schema(format = DateTime)]
    paid_at: String,
    /// The PSP's identifier.
    psp: String,
}

impl Event {
    fn of(event: event::Event) -> Event {
        Event {
            id: event.id.to_string(),
            r#type: event.kind.as_str(),
            created_at: event.created_at.to_string(),
            data: serde_json::from_str(&event.data).unwrap_or_default(),
        }
    }
}

impl Row for Event {
    const PAGE: &'static str = "A page of events.";
}

/// A page of events.
pub(super) type EventPage = Page<Event>;

/// List events in the order in which they became final
///
/// Keep the id of the last event that you have dealt with and pass it as `after`: whatever happens at
/// the same time, no event is ever missed, and none comes twice. The order is that of the feed, which
/// may differ by moments from that of the ids and of `created_at`.
#[utoipa::path(
    get,
    path = "/events",
    tag = "events",
    params(
        ("after" = Option<String>, Query, description = "The id of the last event you have; from the beginning when left out"),
        ("limit" = Option<u32>, Query, description = "Rows on a page, 1 to 200; 50 when left out"),
        Speaker,
    ),
    responses(
        (status = 200, description = "A page, oldest first; next_cursor is the next `after` while there is more", body = EventPage),
        Denied,
        WrongQuery,
    )
)]
pub(super) async fn list(
    State(web): State<Web>,
    fields: Fields,
    headers: HeaderMap,
) -> Result<Json<EventPage>, Problem> {
    let creditor = web.caller(&headers, Scope::EventsRead).await?;
    let mut query = Query::read(fields)?;
    let after = query.word("after", EventId::parse);
    let limit = query.limit();
    query.finish()?;
    let now = web.clock.now();
    let found = web
        .desk
        .events(&creditor.code, after.as_ref(), limit.and_one(), now)
        .await?;
    let found = found.ok_or_else(|| {
        Problem::invalid_fields(vec![FieldError {
            field: "after".to_owned(),
            wrong: Wrong::NotOffered,
        }])
    })?;
    let page = Page::of(found, limit, |event| event.id.to_string(), Event::of);
    Ok(Json(page))
}
