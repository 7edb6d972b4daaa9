//! `/webhook-endpoints` and `/webhook-deliveries`: where a portal wants to be called, and what became
//! of the calls.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use secrecy::ExposeSecret;
use utoipa::ToSchema;

use serde::Serialize;

use super::common::{Denied, Paging, Repeatable, Speaker, WrongBody, WrongQuery};
use super::notices::respond;
use super::page::{Page, Row};
use super::query::{Fields, Query};
use super::schema::ProblemBody;
use crate::desk::keys::Scope;
use crate::desk::once::{Answer, Repeat};
use crate::desk::webhooks::{EndpointChange, UrlError, read_url};
use crate::domain::event::EventKind;
use crate::domain::ids::{DeliveryId, EndpointId};
use crate::store::webhooks::{self, State as DeliveryState};
use crate::web::Web;
use crate::web::body::idempotency_key;
use crate::web::fields::{Form, Object};
use crate::web::problem::Problem;
use crate::web::wrong::Wrong;
use crate::wire::digest::sha256;

/// Longest address.
const URL: usize = 500;

/// A request for an endpoint.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"url": "https://portale.example/pagomensa", "types": ["notice.paid"]}))]
pub(super) struct NewWebhookEndpoint {
    /// https, at an address of the public internet.
    #[schema(max_length = 500)]
    url: String,
    /// The types of events to hear of; all when left out.
    types: Option<Vec<String>>,
}

/// What is changed of an endpoint; what is left out stays.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"types": ["notice.paid", "notice.cancelled"], "enabled": true}))]
pub(super) struct WebhookEndpointChange {
    /// https, at an address of the public internet.
    #[schema(max_length = 500)]
    url: Option<String>,
    /// The types of events to hear of; an empty list for all.
    types: Option<Vec<String>>,
    /// Whether it is called. One that is switched off loses what it is owed; the feed of events
    /// still has it.
    enabled: Option<bool>,
}

/// Where a portal wants to be called.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "id": "019d2f0e-5a00-7000-8d10-6b5f0f6f2c77", "url": "https://portale.example/pagomensa",
    "types": ["notice.paid"], "enabled": true, "disabled_for": null, "failing_since": null,
    "created_at": "2026-11-20T11:00:00.000Z",
    "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
}))]
pub(super) struct WebhookEndpoint {
    id: String,
    url: String,
    /// The types of events that it hears of; empty for all.
    types: Vec<&'static str>,
    /// Whether it is called.
    enabled: bool,
    /// Why it is not: `by_owner`, `gone` (it has answered 410) or `failing` (for days).
    disabled_for: Option<String>,
    /// Since when every call has failed: an instant in UTC.
    #[schema(format = DateTime)]
    failing_since: Option<String>,
    /// An instant in UTC.
    #[schema(format = DateTime)]
    created_at: String,
    /// What signs, as Standard Webhooks writes it. In the answers to its creation and to its
    /// exchange, and never again.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

impl WebhookEndpoint {
    fn of(endpoint: &webhooks::Endpoint) -> WebhookEndpoint {
        WebhookEndpoint {
            id: endpoint.id.to_string(),
            url: endpoint.url.clone(),
            types: endpoint.kinds.iter().map(|kind| kind.as_str()).collect(),
            enabled: endpoint.disabled.is_none(),
            disabled_for: endpoint.disabled.as_ref().map(|(_, why)| why.clone()),
            failing_since: endpoint.failing_since.map(|at| at.to_string()),
            created_at: endpoint.created_at.to_string(),
            secret: None,
        }
    }

    /// With its secret, as JSON.
    fn print(endpoint: &webhooks::Endpoint) -> String {
        let shown = WebhookEndpoint {
            secret: Some(endpoint.secret.expose_secret().to_owned()),
            ..WebhookEndpoint::of(endpoint)
        };
        serde_json::to_string(&shown).unwrap_or_default()
    }
}

impl Row for WebhookEndpoint {
    const PAGE: &'static str = "A page of endpoints.";
}

/// A page of endpoints.
pub(super) type WebhookEndpointPage = Page<WebhookEndpoint>;

/// An event on its way to an endpoint.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "id": "019d2f0e-7c60-7000-8e2f-90a6d3b0c412",
    "endpoint_id": "019d2f0e-5a00-7000-8d10-6b5f0f6f2c77",
    "url": "https://portale.example/pagomensa",
    "event_id": "019d2f0e-7c51-7000-8a3e-0c5e5f2b9d10", "type": "notice.paid", "state": "owed",
    "attempts": 1, "last_status": 503, "last_error": "HTTP 503",
    "created_at": "2026-11-20T11:00:00.250Z", "next_attempt_at": "2026-11-20T11:00:05.100Z",
    "closed_at": null
}))]
pub(super) struct WebhookDelivery {
    id: String,
    endpoint_id: String,
    url: String,
    /// The event, and the `webhook-id` of every try.
    event_id: String,
    r#type: &'static str,
    /// `owed`, `delivered` or `failed`.
    state: &'static str,
    /// Tries so far.
    attempts: i64,
    /// The HTTP status of the last answer; 0 when there was none.
    last_status: Option<i64>,
    /// What was wrong with it.
    last_error: Option<String>,
    /// An instant in UTC.
    #[schema(format = DateTime)]
    created_at: String,
    /// Not before this instant again; nothing when it is over.
    #[schema(format = DateTime)]
    next_attempt_at: Option<String>,
    /// When it was over: an instant in UTC.
    #[schema(format = DateTime)]
    closed_at: Option<String>,
}

impl WebhookDelivery {
    fn of(delivery: &webhooks::Delivery) -> WebhookDelivery {
        let is_owed = delivery.state == DeliveryState::Owed;
        WebhookDelivery {
            id: delivery.id.to_string(),
            endpoint_id: delivery.endpoint.to_string(),
            url: delivery.url.clone(),
            event_id: delivery.event.to_string(),
            r#type: delivery.kind.as_str(),
            state: delivery.state.as_str(),
            attempts: delivery.attempts,
            last_status: delivery.last_status,
            last_error: delivery.last_error.clone(),
            created_at: delivery.created_at.to_string(),
            next_attempt_at: is_owed.then(|| delivery.next_attempt_at.to_string()),
            closed_at: delivery.closed_at.map(|at| at.to_string()),
        }
    }
}

impl Row for WebhookDelivery {
    const PAGE: &'static str = "A page of deliveries.";
}

/// A page of deliveries.
pub(super) type WebhookDeliveryPage = Page<WebhookDelivery>;

fn url(form: &mut Form, root: &mut Object<'_>, allows_private: bool) -> Option<String> {
    root.optional_parsed(form, "url", URL, |text| {
        match read_url(text, allows_private) {
            Ok(url) => Ok(url.into()),
            Err(UrlError::Form) => Err(Wrong::Url),
            Err(UrlError::Bare) => Err(Wrong::UrlBare),
            Err(UrlError::Private) => Err(Wrong::UrlPrivate),
        }
    })
}

fn types(form: &mut Form, root: &mut Object<'_>) -> Option<Vec<EventKind>> {
    let values = root.list(form, "types")?;
    let mut kinds = vec![];
    for (index, value) in values.iter().enumerate() {
        match value.as_str().map(EventKind::parse) {
            Some(Some(kind)) if !kinds.contains(&kind) => kinds.push(kind),
            Some(Some(_)) => {}
            Some(None) => form.wrong(format!("types[{index}]"), Wrong::NotOffered),
            None => form.wrong(format!("types[{index}]"), Wrong::NotText),
        }
    }
    Some(kinds)
}

/// Register an endpoint
///
/// From now on every event of these types is sent there as a POST, signed as
/// https://www.standardwebhooks.com says. The secret is in this answer, and never again.
#[utoipa::path(
    post,
    path = "/webhook-endpoints",
    tag = "webhooks",
    params(Repeatable, Speaker),
    request_body = NewWebhookEndpoint,
    responses(
        (status = 201, description = "The endpoint, with its secret", body = WebhookEndpoint),
        Denied,
        WrongBody,
        (status = 409, description = "There are ten already", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "Fields are wrong, or the key was used for another request", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn create(
    State(web): State<Web>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let creditor = web.caller(&headers, Scope::WebhooksWrite).await?;
    let key = idempotency_key(&headers)?;
    let json = web.json(&headers, body).await?;
    let mut form = Form::default();
    let mut root = form.root(&json.value);
    let url = url(&mut form, &mut root, web.private_addresses);
    if !root.has("url") {
        form.wrong("url".to_owned(), Wrong::Required);
    }
    let kinds = types(&mut form, &mut root).unwrap_or_default();
    root.end(&mut form);
    form.finish()?;
    let url = url.ok_or_else(|| Problem::invalid_fields(vec![]))?;
    let print = |endpoint: &webhooks::Endpoint| Answer {
        http_status: 201,
        body: WebhookEndpoint::print(endpoint),
    };
    let request_sha256 = sha256(format!("POST /webhook-endpoints {}", json.sha256).as_bytes());
    let repeat = key.as_deref().map(|key| Repeat {
        key,
        request_sha256: &request_sha256,
        print: &print,
    });
    let now = web.clock.now();
    let done = web
        .desk
        .open_endpoint(&creditor.code, &url, &kinds, repeat, now)
        .await?;
    Ok(respond(done.answer(print)))
}

/// List endpoints, newest first
#[utoipa::path(
    get,
    path = "/webhook-endpoints",
    tag = "webhooks",
    params(Paging, Speaker),
    responses(
        (status = 200, description = "A page", body = WebhookEndpointPage),
        Denied,
        WrongQuery,
    )
)]
pub(super) async fn list(
    State(web): State<Web>,
    fields: Fields,
    headers: HeaderMap,
) -> Result<Json<WebhookEndpointPage>, Problem> {
    let creditor = web.caller(&headers, Scope::WebhooksWrite).await?;
    let mut query = Query::read(fields)?;
    let cursor = query.cursor();
    let limit = query.limit();
    query.finish()?;
    let found = web
        .desk
        .endpoints(&creditor.code, cursor.as_deref(), limit.and_one())
        .await?;
    let tell = |endpoint: webhooks::Endpoint| WebhookEndpoint::of(&endpoint);
    Ok(Json(Page::of(found, limit, |one| one.id.to_string(), tell)))
}

/// Read an endpoint
#[utoipa::path(
    get,
    path = "/webhook-endpoints/{id}",
    tag = "webhooks",
    params(("id" = String, Path, description = "The endpoint's id"), Speaker),
    responses(
        (status = 200, description = "The endpoint", body = WebhookEndpoint),
        Denied,
        (status = 404, description = "No such endpoint of this creditor", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn read(
    State(web): State<Web>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<WebhookEndpoint>, Problem> {
    let creditor = web.caller(&headers, Scope::WebhooksWrite).await?;
    let id = EndpointId::parse(&id).ok_or_else(Problem::not_found)?;
    let endpoint = web.desk.endpoint(&creditor.code, &id).await?;
    Ok(Json(WebhookEndpoint::of(&endpoint)))
}

/// Change an endpoint
#[utoipa::path(
    patch,
    path = "/webhook-endpoints/{id}",
    tag = "webhooks",
    params(("id" = String, Path, description = "The endpoint's id"), Speaker),
    request_body = WebhookEndpointChange,
    responses(
        (status = 200, description = "The endpoint, changed", body = WebhookEndpoint),
        Denied,
        WrongBody,
        (status = 404, description = "No such endpoint of this creditor", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "Fields are wrong", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn change(
    State(web): State<Web>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<WebhookEndpoint>, Problem> {
    let creditor = web.caller(&headers, Scope::WebhooksWrite).await?;
    let id = EndpointId::parse(&id).ok_or_else(Problem::not_found)?;
    let json = web.json(&headers, body).await?;
    let mut form = Form::default();
    let mut root = form.root(&json.value);
    let change = EndpointChange {
        url: url(&mut form, &mut root, web.private_addresses),
        kinds: types(&mut form, &mut root),
        is_enabled: root.flag(&mut form, "enabled"),
    };
    root.end(&mut form);
    form.finish()?;
    let now = web.clock.now();
    let endpoint = web
        .desk
        .change_endpoint(&creditor.code, &id, &change, now)
        .await?;
    Ok(Json(WebhookEndpoint::of(&endpoint)))
}

/// Delete an endpoint with its secret
#[utoipa::path(
    delete,
    path = "/webhook-endpoints/{id}",
    tag = "webhooks",
    params(("id" = String, Path, description = "The endpoint's id"), Speaker),
    responses(
        (status = 204, description = "It is gone"),
        Denied,
        (status = 404, description = "No such endpoint of this creditor", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn delete(
    State(web): State<Web>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let creditor = web.caller(&headers, Scope::WebhooksWrite).await?;
    let id = EndpointId::parse(&id).ok_or_else(Problem::not_found)?;
    let now = web.clock.now();
    web.desk.delete_endpoint(&creditor.code, &id, now).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Exchange the secret of an endpoint
///
/// For 24 hours each call is signed with both secrets, so that none is lost meanwhile.
#[utoipa::path(
    post,
    path = "/webhook-endpoints/{id}/rotate-secret",
    tag = "webhooks",
    params(("id" = String, Path, description = "The endpoint's id"), Repeatable, Speaker),
    responses(
        (status = 200, description = "The endpoint, with its new secret", body = WebhookEndpoint),
        Denied,
        (status = 400, description = "The Idempotency-Key cannot be used, or an operator names no creditor", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such endpoint of this creditor", body = ProblemBody, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "The key was used for another request", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn rotate(
    State(web): State<Web>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let creditor = web.caller(&headers, Scope::WebhooksWrite).await?;
    let id = EndpointId::parse(&id).ok_or_else(Problem::not_found)?;
    let key = idempotency_key(&headers)?;
    let bytes = web.bytes(body).await?;
    let print = |endpoint: &webhooks::Endpoint| Answer {
        http_status: 200,
        body: WebhookEndpoint::print(endpoint),
    };
    let request = format!(
        "POST /webhook-endpoints/{id}/rotate-secret {}",
        sha256(&bytes)
    );
    let request_sha256 = sha256(request.as_bytes());
    let repeat = key.as_deref().map(|key| Repeat {
        key,
        request_sha256: &request_sha256,
        print: &print,
    });
    let now = web.clock.now();
    let done = web
        .desk
        .rotate_secret(&creditor.code, &id, repeat, now)
        .await?;
    Ok(respond(done.answer(print)))
}

/// List deliveries, newest first
#[utoipa::path(
    get,
    path = "/webhook-deliveries",
    tag = "webhooks",
    params(
        ("state" = Option<String>, Query, description = "Only those in this state: owed, delivered or failed"),
        Paging,
        Speaker,
    ),
    responses(
        (status = 200, description = "A page", body = WebhookDeliveryPage),
        Denied,
        WrongQuery,
    )
)]
pub(super) async fn deliveries(
    State(web): State<Web>,
    fields: Fields,
    headers: HeaderMap,
) -> Result<Json<WebhookDeliveryPage>, Problem> {
    let creditor = web.caller(&headers, Scope::WebhooksWrite).await?;
    let mut query = Query::read(fields)?;
    let state = query.word("state", DeliveryState::parse);
    let cursor = query.cursor();
    let limit = query.limit();
    query.finish()?;
    let found = web
        .desk
        .deliveries(&creditor.code, state, cursor.as_deref(), limit.and_one())
        .await?;
    let tell = |delivery: webhooks::Delivery| WebhookDelivery::of(&delivery);
    Ok(Json(Page::of(found, limit, |one| one.id.to_string(), tell)))
}

/// Send a delivery again
///
/// Whatever became of it: at once, and then again until it is taken, under the same `webhook-id`.
#[utoipa::path(
    post,
    path = "/webhook-deliveries/{id}/resend",
    tag = "webhooks",
    params(("id" = String, Path, description = "The delivery's id"), Repeatable, Speaker),
    responses(
        (status = 200, description = "The delivery, owed", body = WebhookDelivery),
        Denied,
        (status = 400, description = "The Idempotency-Key cannot be used, or an operator names no creditor", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such delivery of this creditor", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The endpoint is disabled or deleted", body = ProblemBody, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "The key was used for another request", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn resend(
    State(web): State<Web>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let creditor = web.caller(&headers, Scope::WebhooksWrite).await?;
    let id = DeliveryId::parse(&id).ok_or_else(Problem::not_found)?;
    let key = idempotency_key(&headers)?;
    let bytes = web.bytes(body).await?;
    let print = |delivery: &webhooks::Delivery| Answer {
        http_status: 200,
        body: serde_json::to_string(&WebhookDelivery::of(delivery)).unwrap_or_default(),
    };
    let request = format!("POST /webhook-deliveries/{id}/resend {}", sha256(&bytes));
    let request_sha256 = sha256(request.as_bytes());
    let repeat = key.as_deref().map(|key| Repeat {
        key,
        request_sha256: &request_sha256,
        print: &print,
    });
    let now = web.clock.now();
    let done = web.desk.resend(&creditor.code, &id, repeat, now).await?;
    Ok(respond(done.answer(print)))
}
