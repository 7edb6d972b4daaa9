//! `/payments`: money that has come, and the receipt for the parent.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::common::{Denied, Paging, Speaker, WrongQuery};
use super::page::{Page, Row};
use super::query::{Fields, Query};
use super::request;
use super::schema::ProblemBody;
use crate::desk::keys::Scope;
use crate::domain::day::{Day, Instant};
use crate::domain::ids::{DebtId, PaymentId};
use crate::domain::payment::Outcome;
use crate::store::books::{BookedPayment, PaymentFilter};
use crate::web::Web;
use crate::web::print::print;
use crate::web::problem::Problem;

/// Money that has come.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Payment)]
pub(super) struct Payment {
    id: String,
    /// The id of the notice; nothing when no notice of this creditor has that number.
    notice: Option<String>,
    /// 18 digits.
    notice_number: String,
    iuv: String,
    /// The code of the child whose meals were paid.
    child: Option<String>,
    /// The code of the service.
    service: Option<String>,
    /// What was paid, for all beneficiaries together.
    amount_cents: i64,
    /// What of it is this creditor's.
    own_cents: i64,
    /// pagopa.
    channel: &'static str,
    /// The rail's name for the payment: pagoPA's receipt id (IUR).
    reference: String,
    /// Who took the money: the PSP's identifier.
    psp: String,
    /// Who paid; nothing when the receipt does not say it.
    payer_fiscal_code: Option<String>,
    /// An instant in UTC.
    #[schema(format = DateTime)]
    paid_at: String,
    /// When it was recorded here, an instant in UTC.
    #[schema(format = DateTime)]
    recorded_at: String,
    /// ordinary, or stand_in when pagoPA could not ask what is due.
    mode: String,
    /// Whether the means can be traced, as a deduction from income tax demands.
    traceable: bool,
    links: PaymentLinks,
}

impl Row for Payment {
    const PAGE: &'static str = "A page of payments.";
}

pub(super) type PaymentPage = Page<Payment>;

/// Where to go from a payment.
#[derive(Debug, Serialize, ToSchema)]
struct PaymentLinks {
    /// This payment.
    #[serde(rename = "self")]
    this: String,
    /// The notice.
    notice: Option<String>,
    /// The receipt for the parent, a PDF.
    receipt: String,
}

impl Payment {
    fn of(payment: BookedPayment, public_url: &str) -> Payment {
        let base = format!("{}/api/v1", public_url.trim_end_matches('/'));
        let this = format!("{base}/payments/{}", payment.id);
        let (notice, child, service) = match payment.debt {
            Some(debt) => (
                Some(debt.id.to_string()),
                Some(debt.child),
                Some(debt.service),
            ),
            None => (None, None, None),
        };
        Payment {
            id: payment.id.to_string(),
            links: PaymentLinks {
                notice: notice.as_ref().map(|id| format!("{base}/notices/{id}")),
                receipt: format!("{this}/receipt.pdf"),
                this,
            },
            notice,
            notice_number: payment.notice.to_string(),
            iuv: payment.notice.iuv().as_str().to_owned(),
            child,
            service,
            amount_cents: payment.amount.get(),
            own_cents: payment.own.get(),
            channel: payment.channel.as_str(),
            reference: payment.reference,
            psp: payment.psp,
            payer_fiscal_code: payment.payer.map(|code| code.as_str().to_owned()),
            paid_at: payment.paid_at.to_string(),
            recorded_at: payment.recorded_at.to_string(),
            mode: payment.mode,
            traceable: payment.channel.is_traceable(),
        }
    }
}

/// List payments, newest first
#[utoipa::path(
    get,
    path = "/payments",
    tag = "payments",
    params(
        ("child" = Option<String>, Query, description = "Only those for the child with this code"),
        ("notice" = Option<String>, Query, description = "Only those of the notice with this id"),
        ("from" = Option<String>, Query, description = "Only those paid on this day or later (YYYY-MM-DD, in Italy)"),
        ("to" = Option<String>, Query, description = "Only those paid on this day or earlier"),
        Paging,
        Speaker,
    ),
    responses(
        (status = 200, description = "A page", body = PaymentPage),
        Denied,
        WrongQuery,
        (status = 500, description = "A payment cannot be read from the database", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(
    State(web): State<Web>,
    fields: Fields,
    headers: HeaderMap,
) -> Result<Json<PaymentPage>, Problem> {
    let creditor = web.caller(&headers, Scope::PaymentsRead).await?;
    let mut query = Query::read(fields)?;
    let child = query.text("child", request::CODE);
    let debt = query.word("notice", DebtId::parse);
    let from = query.day("from").map(Day::begins);
    let to = query.day("to").map(|day| day.plus_days(1).begins());
    let cursor = query.cursor();
    let limit = query.limit();
    query.finish()?;
    let filter = PaymentFilter {
        child,
        debt,
        from: from.unwrap_or(Instant::from_millis(i64::MIN)),
        before: to.unwrap_or(Instant::from_millis(i64::MAX)),
        cursor,
        limit: limit.and_one(),
    };
    let found = web.desk.payments(&creditor.code, &filter).await?;
    let url = &web.config.public_url;
    let page = Page::of(
        found,
        limit,
        |payment| payment.id.to_string(),
        |payment| Payment::of(payment, url),
    );
    Ok(Json(page))
}

/// Read a payment
#[utoipa::path(
    get,
    path = "/payments/{id}",
    tag = "payments",
    params(
        ("id" = String, Path, description = "The payment's id"),
        Speaker,
    ),
    responses(
        (status = 200, description = "The payment", body = Payment),
        Denied,
        (status = 400, description = "An operator names no creditor", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such payment of this creditor", body = ProblemBody, content_type = "application/problem+json"),
        (status = 500, description = "The payment cannot be read from the database", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn read(
    State(web): State<Web>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Payment>, Problem> {
    let creditor = web.caller(&headers, Scope::PaymentsRead).await?;
    let id = PaymentId::parse(&id).ok_or_else(Problem::not_found)?;
    let payment = web.desk.payment(&creditor.code, &id).await?;
    Ok(Json(Payment::of(payment, &web.config.public_url)))
}

/// Print the receipt of a payment for the parent
#[utoipa::path(
    get,
    path = "/payments/{id}/receipt.pdf",
    tag = "payments",
    params(
        ("id" = String, Path, description = "The payment's id"),
        Speaker,
    ),
    responses(
        (status = 200, description = "The receipt on A4, in Italian, tagged (PDF/A-2a, PDF/UA-1)", body = Vec<u8>, content_type = "application/pdf"),
        (status = 304, description = "It is still the one named in If-None-Match"),
        Denied,
        (status = 400, description = "An operator names no creditor", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such payment of this creditor", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The money was not taken", body = ProblemBody, content_type = "application/problem+json"),
        (status = 500, description = "The payment cannot be read from the database", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn receipt(
    State(web): State<Web>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let creditor = web.caller(&headers, Scope::PaymentsRead).await?;
    let id = PaymentId::parse(&id).ok_or_else(Problem::not_found)?;
    let proof = web.desk.proof(&creditor, &id).await?;
    match proof.payment.outcome {
        Outcome::Paid => {}
        Outcome::Failed => return Err(Problem::not_taken()),
    }
    let name = format!("ricevuta-{}", proof.payment.notice);
    print(&web.printer, &headers, &name, move |printer| {
        printer.receipt(&creditor, &proof)
    })
    .await
}
