//! Payments that begin at the counter without a notice (`paDemandPaymentNotice`), and the probe of a
//! station that was away.

use std::collections::BTreeMap;

use askama::Template;
use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::{Deserialize, Serialize};

use super::exchange::{Exchange, Fault, exchange};
use super::messages::{self, Notice};
use super::order::{Order, PayRequest, is_digits, is_text, without_blanks};
use super::pay::{self, Outcome, Payment};
use super::receipt::verified_cents;
use crate::config::Creditor;
use crate::problem::{FieldError, Problem};
use crate::town::{Shared, Town};
use crate::verdict::Operation;
use crate::verdict::xml::{self, Node};
use crate::web::extract::{self, JsonBody};
use crate::web::page::{Failure, Step, render};

/// School meals in the catalogue of services, and a body that offers them.
const SERVICE: &str = "00009";
const SUBJECT: &str = "00035";
/// The notice nobody has: a station that says so is alive.
const PROBE_NOTICE: &str = "000000000000000000";
/// A top-up for the portal's family, as the published form of the service wants it.
const EXAMPLE: [(&str, &str); 7] = [
    ("amount", "50.00"),
    ("childCode", "50004"),
    ("childFiscalCode", "RSSGLI16A41F205M"),
    ("childName", "Giulia Rossi"),
    ("payerName", "Mario Rossi"),
    ("payerFiscalCode", "RSSMRA80A01H501U"),
    ("payerEmail", "mario@example.org"),
];
/// Longest document a demand may carry, in characters.
const DATA_MAX: usize = 100_000;

/// The body of `POST /psp/demand`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct DemandRequest {
    /// Of the creditor.
    fiscal_code: String,
    /// The service in the catalogue; school meals where it is missing.
    id_servizio: Option<String>,
    id_soggetto_servizio: Option<String>,
    /// What the payer fills in, as elements of `service`.
    fields: BTreeMap<String, String>,
    /// The whole document instead of the fields.
    data: Option<String>,
    /// Whether the notice is paid at once, and how: an order without notice and creditor.
    pay: Option<PayRequest>,
}

/// How a demand ended.
#[derive(Debug, Serialize)]
pub(super) struct Demanded {
    outcome: Outcome,
    fault: Option<Fault>,
    /// The notice the creditor made for it.
    fiscal_code: Option<String>,
    notice_number: Option<String>,
    amount_cents: Option<i64>,
    exchanges: Vec<Exchange>,
    payment: Option<Payment>,
}

/// A demand whose fields have been checked.
struct Demand {
    fiscal_code: String,
    service: String,
    subject: String,
    data: String,
}

impl Demand {
    fn read(request: &DemandRequest) -> Result<Self, Vec<FieldError>> {
        let mut errors = Vec::new();
        let mut check = |is_right: bool, field: &str, message: &str| {
            if !is_right {
                errors.push(FieldError::new(field, "invalid", message));
            }
        };
        let fiscal_code = without_blanks(&request.fiscal_code);
        let message = "must be 11 digits";
        check(is_digits(&fiscal_code, 11), "fiscal_code", message);
        let or = |given: &Option<String>, usual: &str| given.as_deref().unwrap_or(usual).to_owned();
        let service = or(&request.id_servizio, SERVICE);
        let subject = or(&request.id_soggetto_servizio, SUBJECT);
        let message = "must have 5 characters";
        check(is_text(&service, 5, 5), "id_servizio", message);
        check(is_text(&subject, 5, 5), "id_soggetto_servizio", message);
        let is_name = |name: &String| {
            let is_letter = |b: u8| b.is_ascii_alphabetic() || b == b'_';
            name.bytes().next().is_some_and(is_letter)
                && name.bytes().all(|b| is_letter(b) || b.is_ascii_digit())
        };
        let message = "must be named as XML elements are";
        check(request.fields.keys().all(is_name), "fields", message);
        let data = match &request.data {
            Some(data) => data.clone(),
            None => document(&request.fields),
        };
        let message = "must have 1 to 100000 characters";
        check(
            (1..=DATA_MAX).contains(&data.chars().count()),
            "data",
            message,
        );
        if errors.is_empty() {
            Ok(Demand {
                fiscal_code,
                service,
                subject,
                data,
            })
        } else {
            Err(errors)
        }
    }
}

/// The payer's fields as the catalogue's general service writes them.
fn document(fields: &BTreeMap<String, String>) -> String {
    const NAMESPACE: &str = "http://PuntoAccessoPSP.spcoop.gov.it/GeneralService";
    let fields = fields.iter().map(|(name, value)| Node::leaf(name, value));
    let service = Node::branch("service", fields.collect());
    let named = format!("<service xmlns=\"{NAMESPACE}\"");
    messages::document(&service).replacen("<service", &named, 1)
}

/// `POST /psp/demand`
pub(super) async fn demand_json(
    State(town): State<Shared>,
    JsonBody(request): JsonBody<DemandRequest>,
) -> Result<Json<Demanded>, Problem> {
    let demand = Demand::read(&request).map_err(Problem::fields)?;
    let mut demanded = run(&town, &demand).await;
    if let (Some(order), Some(number)) = (request.pay, &demanded.notice_number) {
        let order = PayRequest {
            notice_number: number.clone(),
            fiscal_code: demanded.fiscal_code.clone().unwrap_or_default(),
            ..order
        };
        let order = Order::read(order).map_err(Problem::fields)?;
        demanded.payment = Some(Box::pin(pay::pay(&town, order)).await);
    }
    Ok(Json(demanded))
}

async fn run(town: &Town, demand: &Demand) -> Demanded {
    let mut exchanges = Vec::new();
    let result = match pay::creditor(town, &demand.fiscal_code) {
        Err(fault) => Err(fault),
        Ok(creditor) => {
            let head = pay::head_of(creditor);
            let request = messages::demand(&head, &demand.service, &demand.subject, &demand.data);
            let operation = Operation::DemandPaymentNotice;
            let (told, result) = exchange(town, operation, request, None).await;
            exchanges.push(told);
            result
        }
    };
    let notice = result.as_ref().ok().and_then(|reply| reply.child("qrCode"));
    let text = |name| notice.and_then(|notice| notice.text_of(name));
    Demanded {
        outcome: if result.is_ok() {
            Outcome::Ok
        } else {
            Outcome::Ko
        },
        fiscal_code: text("fiscalCode").map(str::to_owned),
        notice_number: text("noticeNumber").map(str::to_owned),
        amount_cents: result.as_ref().ok().and_then(verified_cents),
        fault: result.err(),
        exchanges,
        payment: None,
    }
}

/// Asks a station for the notice nobody has, as the node does before it leaves stand-in.
pub(crate) async fn probe(town: &Town, creditor: &Creditor) -> Exchange {
    let notice = Notice {
        fiscal_code: &creditor.fiscal_code,
        number: PROBE_NOTICE,
    };
    let request = messages::verify(&pay::head_of(creditor), notice);
    exchange(town, Operation::VerifyPaymentNotice, request, None)
        .await
        .0
}

#[derive(Template)]
#[template(path = "demand.html")]
struct DemandPage<'a> {
    step: Step,
    creditors: &'a [Creditor],
    data: String,
    error: Option<&'static str>,
    fault: Option<Fault>,
}

impl<'a> DemandPage<'a> {
    fn new(town: &'a Town, data: String) -> Self {
        DemandPage {
            step: Step::Counter,
            creditors: &town.config.creditors,
            data,
            error: None,
            fault: None,
        }
    }
}

/// `GET /psp/demand`
pub(super) async fn form(State(town): State<Shared>) -> Response {
    let example = EXAMPLE.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let page = DemandPage::new(&town, document(&example.into()));
    render(StatusCode::OK, &page)
}

#[derive(Deserialize)]
struct Fields {
    #[serde(default)]
    creditor: String,
    #[serde(default)]
    data: String,
}

/// `POST /psp/spontaneous`: the form; the notice the creditor made is paid at the counter.
pub(super) async fn demand_form(
    State(town): State<Shared>,
    request: Request,
) -> Result<Response, Failure> {
    let fields = extract::form::<Fields>(request, &town).await?;
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    if xml::parse(fields.data.as_bytes()).is_err() {
        let page = DemandPage {
            error: Some("Il documento non è XML ben formato."),
            ..DemandPage::new(&town, fields.data)
        };
        return Ok(render(status, &page));
    }
    let request = DemandRequest {
        fiscal_code: fields.creditor,
        data: Some(fields.data.clone()),
        ..DemandRequest::default()
    };
    let demand = Demand::read(&request).map_err(Problem::fields)?;
    let demanded = run(&town, &demand).await;
    match (demanded.notice_number, demanded.fiscal_code) {
        (Some(number), Some(creditor)) => {
            let address = format!("/psp?notice_number={number}&fiscal_code={creditor}");
            Ok(Redirect::to(&address).into_response())
        }
        _ => {
            let page = DemandPage {
                fault: demanded.fault,
                ..DemandPage::new(&town, fields.data)
            };
            Ok(render(StatusCode::OK, &page))
        }
    }
}
