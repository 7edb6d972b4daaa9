//! Pages about what cannot be shown. They tell nothing of what a token might have opened.

use askama::Template;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::frame::{Frame, LeadsAway, page};
use super::visit::Visit;
use crate::desk::DeskError;
use crate::store::StoreError;
use crate::web::problem::ForPeople;
use crate::wire::token::TokenError;

/// Why there is no page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// No such thing, or a token that is not ours: the two look the same.
    NotFound,
    /// The token's time has passed.
    LinkExpired,
    /// The way back is not the portal's.
    WrongReturn,
    /// The request came from another site.
    Forbidden,
    /// It cannot be read.
    BadRequest,
    /// Nothing can be topped up by this link any more.
    NoService,
    /// Our fault, or too much at once.
    Unavailable,
}

#[derive(Template)]
#[template(path = "pay/failure.html")]
struct FailurePage {
    frame: Frame,
    heading: &'static str,
    hint: &'static str,
}

impl Failure {
    fn status(self) -> StatusCode {
        match self {
            Failure::NotFound => StatusCode::NOT_FOUND,
            Failure::LinkExpired | Failure::NoService => StatusCode::GONE,
            Failure::WrongReturn => StatusCode::UNPROCESSABLE_ENTITY,
            Failure::Forbidden => StatusCode::FORBIDDEN,
            Failure::BadRequest => StatusCode::BAD_REQUEST,
            Failure::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn of_status(status: StatusCode) -> Failure {
        match status {
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => Failure::NotFound,
            StatusCode::FORBIDDEN => Failure::Forbidden,
            status if status.is_client_error() => Failure::BadRequest,
            _ => Failure::Unavailable,
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<TokenError> for Failure {
    fn from(error: TokenError) -> Failure {
        match error {
            TokenError::Forged => Failure::NotFound,
            TokenError::Expired => Failure::LinkExpired,
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "a page has no data"
        );
        Failure::Unavailable
    }
}

impl From<DeskError> for Failure {
    fn from(error: DeskError) -> Failure {
        match error {
            DeskError::NotFound => Failure::NotFound,
            error => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "a page has no data"
                );
                Failure::Unavailable
            }
        }
    }
}

/// The rules that browsers are given: nothing from elsewhere, no frame, no address told to others.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; \
    font-src 'self' data:; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'";
/// The same where a form leads on to Checkout: browsers hold a redirect after a form against the rule.
const POLICY_AWAY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; \
    font-src 'self' data:; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'; \
    form-action 'self' https: http://127.0.0.1:* http://localhost:*";

/// Gives every failure its page, and every answer the rules for browsers.
pub(super) async fn dress(request: Request, next: Next) -> Response {
    let visit = Visit::of(request.uri(), request.headers());
    let mut response = next.run(request).await;
    let status = response.status();
    let is_page = response.extensions().get::<ForPeople>().is_some();
    if !is_page && (status.is_client_error() || status.is_server_error()) {
        let failure = response.extensions_mut().remove::<Failure>();
        let failure = failure.unwrap_or_else(|| Failure::of_status(status));
        let status = match failure {
            Failure::NotFound if status == StatusCode::METHOD_NOT_ALLOWED => status,
            failure => failure.status(),
        };
        response = draw(failure, status, &visit);
    }
    let policy = match response.extensions().get::<LeadsAway>() {
        Some(_) => POLICY_AWAY,
        None => POLICY,
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, policy),
        // Not no-referrer: then browsers would hide from us, too, where a form comes from.
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(
        "x-robots-tag",
        HeaderValue::from_static("noindex, nofollow"),
    );
    response
}

fn draw(failure: Failure, status: StatusCode, visit: &Visit) -> Response {
    let frame = Frame::new(visit, "");
    let words = frame.words;
    let (heading, hint) = match failure {
        Failure::NotFound => (words.not_found, words.not_found_hint),
        Failure::LinkExpired => (words.link_expired, words.link_expired_hint),
        Failure::WrongReturn => (words.wrong_return, words.wrong_return_hint),
        Failure::Forbidden => (words.forbidden, words.forbidden_hint),
        Failure::BadRequest => (words.bad_request, words.bad_request_hint),
        Failure::NoService => (words.no_service, words.no_service_hint),
        Failure::Unavailable => (words.unavailable, words.unavailable_hint),
    };
    let template = FailurePage {
        frame,
        heading,
        hint,
    };
    match template.render() {
        Ok(_) => page(status, visit.tongue, &template),
        // Drawing it again would fail again.
        Err(_) => status.into_response(),
    }
}
