//! The counter for people: a form of two fields, and a page that tells what happened.

use askama::Template;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::exchange::{Exchange, Fault, Mischief};
use super::layout::laid_out;
use super::order::{Order, PayRequest, TransferType, Version, without_blanks};
use super::pay::{self, Outcome, Payment};
use crate::config::Creditor;
use crate::money::euro;
use crate::problem::{FieldError, Problem};
use crate::town::{Shared, Town};
use crate::verdict::Operation;
use crate::web::extract::{self, Params};
use crate::web::page::{Failure, Step, render};

/// The fields of the form: two for everybody, the others for who tries things out.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Fields {
    notice_number: String,
    fiscal_code: String,
    get_version: Version,
    receipt_version: Version,
    /// Empty where the payer does not mind.
    transfer_type: String,
    payment_note: String,
    /// Present where the box is ticked.
    stand_in: Option<String>,
}

impl Fields {
    fn order(&self) -> PayRequest {
        PayRequest {
            notice_number: self.notice_number.clone(),
            fiscal_code: self.fiscal_code.clone(),
            get_version: self.get_version,
            receipt_version: self.receipt_version,
            transfer_type: match self.transfer_type.as_str() {
                "POSTAL" => Some(TransferType::Postal),
                "PAGOPA" => Some(TransferType::Pagopa),
                _ => None,
            },
            payment_note: Some(self.payment_note.clone()).filter(|note| !note.is_empty()),
            stand_in: self.stand_in.is_some(),
            ..PayRequest::default()
        }
    }
}

#[derive(Template)]
#[template(path = "psp.html")]
struct FormPage<'a> {
    step: Step,
    fields: Fields,
    is_ready: bool,
    creditors: &'a [Creditor],
    notice_error: Option<&'static str>,
    creditor_error: Option<&'static str>,
    note_error: Option<&'static str>,
}

impl<'a> FormPage<'a> {
    fn new(town: &'a Town, fields: Fields) -> Self {
        FormPage {
            step: if fields.notice_number.is_empty() {
                Step::Counter
            } else {
                Step::Pay
            },
            is_ready: !fields.notice_number.is_empty() && !fields.fiscal_code.is_empty(),
            fields,
            creditors: &town.config.creditors,
            notice_error: None,
            creditor_error: None,
            note_error: None,
        }
    }
}

/// `GET /psp?notice_number=&fiscal_code=`
pub(super) async fn form(
    State(town): State<Shared>,
    query: Result<Params<Fields>, Problem>,
) -> Result<Response, Failure> {
    let Params(fields) = query?;
    Ok(render(StatusCode::OK, &FormPage::new(&town, fields)))
}

/// `POST /psp`
pub(super) async fn pay(State(town): State<Shared>, request: Request) -> Result<Response, Failure> {
    let fields = scanned(extract::form::<Fields>(request, &town).await?);
    let order = match Order::read(fields.order()) {
        Ok(order) => order,
        Err(errors) => return Ok(refused(&town, fields, &errors)),
    };
    let (notice_number, fiscal_code) = (order.notice_number.clone(), order.fiscal_code.clone());
    let payment = Box::pin(pay::pay(&town, order)).await;
    let child = town
        .database
        .child_of_notice(&notice_number, &fiscal_code)
        .await?;
    let creditor = town
        .config
        .creditor(&fiscal_code)
        .map(|creditor| creditor.name.clone());
    let page = OutcomePage {
        step: if payment.outcome == Outcome::Ok {
            Step::Balance
        } else {
            Step::Pay
        },
        is_paid: payment.outcome == Outcome::Ok,
        is_waiting: payment
            .deliveries
            .iter()
            .any(|owed| owed.state == "PENDING"),
        reason: payment.fault.as_ref().map(reason),
        amount: payment.amount_cents.map(euro),
        notice_number: grouped(&notice_number),
        creditor: creditor.unwrap_or(fiscal_code),
        exchanges: payment.exchanges.iter().map(ExchangeView::of).collect(),
        payment,
        child,
    };
    Ok(render(StatusCode::OK, &page))
}

fn refused(town: &Town, fields: Fields, errors: &[FieldError]) -> Response {
    let is_wrong = |field: &str| errors.iter().any(|error| error.field == field);
    let page = FormPage {
        is_ready: false,
        notice_error: is_wrong("notice_number").then_some("Il codice avviso ha 18 cifre."),
        creditor_error: is_wrong("fiscal_code").then_some("Il codice fiscale ha 11 cifre."),
        note_error: is_wrong("payment_note").then_some("La nota ha al massimo 210 caratteri."),
        ..FormPage::new(town, fields)
    };
    render(StatusCode::UNPROCESSABLE_ENTITY, &page).into_response()
}

/// A scanner types the whole QR code, `PAGOPA|002|notice|creditor|cents`, into the first field.
fn scanned(fields: Fields) -> Fields {
    let parts: Vec<&str> = fields.notice_number.trim().split('|').collect();
    match parts.as_slice() {
        ["PAGOPA", _, notice_number, fiscal_code, _] => Fields {
            notice_number: without_blanks(notice_number),
            fiscal_code: (*fiscal_code).to_owned(),
            ..fields
        },
        _ => fields,
    }
}

/// Digits in groups of four, as on the printed notice.
pub(crate) fn grouped(digits: &str) -> String {
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 4);
    for (index, c) in digits.chars().enumerate() {
        if index > 0 && index.is_multiple_of(4) {
            grouped.push(' ');
        }
        grouped.push(c);
    }
    grouped
}

#[derive(Template)]
#[template(path = "psp_outcome.html")]
struct OutcomePage {
    step: Step,
    is_paid: bool,
    /// Whether a receipt is still on its way.
    is_waiting: bool,
    reason: Option<&'static str>,
    payment: Payment,
    amount: Option<String>,
    notice_number: String,
    creditor: String,
    exchanges: Vec<ExchangeView>,
    child: Option<String>,
}

struct ExchangeView {
    title: &'static str,
    operation: &'static str,
    result: String,
    is_good: bool,
    fault_code: Option<String>,
    duration_ms: u64,
    note: Option<&'static str>,
    problems: Vec<String>,
    request: String,
    response: String,
}

impl ExchangeView {
    fn of(exchange: &Exchange) -> Self {
        let result = match (&exchange.outcome, exchange.http_status) {
            (Some(outcome), _) => outcome.clone(),
            (None, Some(status)) => format!("risposta HTTP {status}"),
            (None, None) => "nessuna risposta".to_owned(),
        };
        ExchangeView {
            title: title(exchange.operation),
            operation: exchange.operation.name(),
            result,
            is_good: exchange.verdict.legal && exchange.outcome.as_deref() == Some("OK"),
            fault_code: exchange.fault_code.clone(),
            duration_ms: exchange.duration_ms,
            note: exchange.chaos.map(|mischief| match mischief {
                Mischief::ReplyDropped => "La risposta è andata persa, come richiesto.",
                Mischief::Duplicate => "Ricevuta inviata due volte, come richiesto.",
                Mischief::Parallel => "Ricevuta inviata più volte insieme, come richiesto.",
                Mischief::NotSent => "La ricevuta non è partita, come richiesto.",
                Mischief::ReplyLost => "La risposta è andata persa, come richiesto.",
                Mischief::ReplyLate => "La risposta è arrivata troppo tardi, come richiesto.",
            }),
            problems: exchange.verdict.problems.clone(),
            request: exchange.request.clone(),
            response: laid_out(exchange.response.as_deref().unwrap_or_default()),
        }
    }
}

fn title(operation: Operation) -> &'static str {
    match operation {
        Operation::VerifyPaymentNotice => "Verifica dell’avviso",
        Operation::GetPayment | Operation::GetPaymentV2 => "Richiesta dei dati di pagamento",
        Operation::SendRt | Operation::SendRtV2 => "Invio della ricevuta",
        Operation::DemandPaymentNotice => "Pagamento spontaneo",
    }
}

/// What a fault means to the person at the counter.
fn reason(fault: &Fault) -> &'static str {
    match fault.code.as_str() {
        "PAA_PAGAMENTO_SCONOSCIUTO" => "L’ente non conosce questo avviso.",
        "PAA_PAGAMENTO_DUPLICATO" => "Questo avviso è già stato pagato.",
        "PAA_PAGAMENTO_SCADUTO" => "Questo avviso è scaduto e l’ente non lo accetta più.",
        "PAA_PAGAMENTO_ANNULLATO" => "L’ente ha annullato questo avviso.",
        "PAA_PAGAMENTO_IN_CORSO" => "Un altro pagamento di questo avviso è in corso.",
        "PAA_RECEIPT_DUPLICATA" => "L’ente ha già ricevuto questa ricevuta.",
        "PAA_SYSTEM_ERROR" => "L’ente ha un problema interno. Riprova più tardi.",
        "PPT_DOMINIO_SCONOSCIUTO" => "Nessun ente conosciuto ha questo codice fiscale.",
        "PPT_STAZIONE_INT_PA_TIMEOUT" => "L’ente non ha risposto in tempo.",
        "PPT_STAZIONE_INT_PA_IRRAGGIUNGIBILE" => "L’ente non è raggiungibile.",
        "PPT_STAZIONE_INT_PA_ERRORE_RESPONSE" => "La risposta dell’ente non rispetta le regole.",
        _ => "L’ente ha rifiutato la richiesta.",
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_scanned_code_fills_both_fields() {
        let typed = |text: &str| Fields {
            notice_number: text.to_owned(),
            fiscal_code: "77777777778".to_owned(),
            ..Fields::default()
        };
        let fields = scanned(typed("PAGOPA|002|302202600001234518|77777777777|5000"));
        assert_eq!(fields.notice_number, "302202600001234518");
        assert_eq!(fields.fiscal_code, "77777777777");
        let fields = scanned(typed("302202600001234518"));
        assert_eq!(fields.fiscal_code, "77777777778");
    }

    #[test]
    fn notice_numbers_are_shown_in_groups_of_four() {
        assert_eq!(grouped("302202600001234518"), "3022 0260 0001 2345 18");
    }
}
