//! The REST API for the portals of municipalities and caterers: `/api/v1`.

pub(crate) mod batch;
mod changes;
mod checkouts;
mod common;
mod events;
mod exceptions;
mod exchanges;
mod hunts;
mod invoice;
mod notices;
mod page;
mod papers;
mod payments;
mod query;
mod request;
mod schema;
mod shares;
mod statements;
mod top_ups;
mod webhooks;

use axum::Router;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Web;

/// The head of the OpenAPI document; the routes add themselves.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "PagoMensa",
        description = "Payments for school meals. Amounts are whole cents, days are YYYY-MM-DD, \
            instants are RFC 3339 in UTC. Every POST honours `Idempotency-Key`: the same key with \
            the same request gives the first answer again, with another request 422. Errors are \
            RFC 9457 problems with a stable `code`. A key belongs to a creditor; an operator's key works \
            for several, and each request names one of them in the header `Pagomensa-Creditor`.",
        license(name = "EUPL-1.2", identifier = "EUPL-1.2")
    ),
    modifiers(&Bearer),
    security(("key" = [])),
    tags(
        (name = "notices", description = "Payment notices and their state"),
        (name = "checkouts", description = "Sending a payer to Checkout, pagoPA's payment page"),
        (name = "events", description = "What has happened, in order"),
        (name = "statements", description = "Statements of account, and what can be deducted from income tax"),
        (name = "webhooks", description = "Being called when something has happened"),
        (name = "payments", description = "Money that has come, and receipts for parents"),
        (name = "exceptions", description = "What waits for the finance office"),
        (name = "exchanges", description = "The journal of events: what was asked and answered")
    )
)]
struct Document;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        document
            .components
            .get_or_insert_default()
            .add_security_scheme(
                "key",
                SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)),
            );
    }
}

/// The routes, and the document that describes them.
pub(super) fn router(web: Web) -> (Router, utoipa::openapi::OpenApi) {
    let routes = OpenApiRouter::new()
        .routes(routes!(notices::create, notices::list))
        .routes(routes!(notices::read, changes::change))
        .routes(routes!(changes::paid_elsewhere))
        .routes(routes!(notices::cancel))
        .routes(routes!(top_ups::create))
        .routes(routes!(papers::notice))
        .routes(routes!(checkouts::open))
        .routes(routes!(checkouts::read))
        .routes(routes!(payments::list))
        .routes(routes!(payments::read))
        .routes(routes!(payments::receipt))
        .routes(routes!(batch::create))
        .routes(routes!(batch::show))
        .routes(routes!(batch::rows))
        .routes(routes!(batch::table))
        .routes(routes!(exceptions::list))
        .routes(routes!(exchanges::list))
        .routes(routes!(exchanges::read))
        .routes(routes!(hunts::list))
        .routes(routes!(events::list))
        .routes(routes!(webhooks::create, webhooks::list))
        .routes(routes!(webhooks::read, webhooks::change, webhooks::delete))
        .routes(routes!(webhooks::rotate))
        .routes(routes!(webhooks::deliveries))
        .routes(routes!(webhooks::resend))
        .routes(routes!(statements::of_child))
        .routes(routes!(statements::of_payer))
        .routes(routes!(statements::of_year));
    OpenApiRouter::with_openapi(Document::openapi())
        .nest("/api/v1", routes)
        .with_state(web)
        .split_for_parts()
}
