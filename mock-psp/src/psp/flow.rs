//! The reporting flow of the simulated PSP: which payments of a day the credit to a creditor's account
//! is made of (FlussoRiversamento 1.0).
//!
//! A flow tells of money, so it knows every payment that was made, whatever became of its receipt. Of
//! a notice with several beneficiaries each gets a flow with its own transfers. Stamps are never in
//! a flow. Asked for again, a day's flow has the same name and a later moment: it takes the place of
//! the one before, as with real PSPs.

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::civil::{Date, DateTime};
use serde::Deserialize;

use super::messages;
use super::payments::Paid;
use super::receipt::{PSP_ID, PSP_NAME};
use crate::config::Creditor;
use crate::money::decimal;
use crate::problem::{FieldError, Problem};
use crate::town::Shared;
use crate::verdict::cents;
use crate::verdict::xml::Node;
use crate::web::extract::Params;

const NAMESPACE: &str = "http://www.digitpa.gov.it/schemas/2011/Pagamenti/";
/// The bank the money comes from.
const BANK: &str = "UNCRITMMXXX";
/// `codiceEsitoSingoloPagamento`: paid, and paid in stand-in.
const EXECUTED: &str = "0";
const STAND_IN: &str = "4";

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct FlowQuery {
    /// Day of the payments, in Rome; today where it is missing.
    day: Option<String>,
}

/// One transfer that was paid.
struct Row {
    iuv: String,
    receipt_id: String,
    index: String,
    cents: i64,
    code: &'static str,
    day: String,
}

/// `GET /fdr/flows/{fiscal_code}?day=2026-11-20`
pub(super) async fn flow(
    State(town): State<Shared>,
    Path(creditor): Path<String>,
    query: Result<Params<FlowQuery>, Problem>,
) -> Result<Response, Problem> {
    let Params(query) = query?;
    let day = match query.day.as_deref().map(str::parse::<Date>) {
        None => town.clock.today(),
        Some(Ok(day)) => day,
        Some(Err(_)) => {
            let error = FieldError::new("day", "invalid", "must be a day like 2026-11-20");
            return Err(Problem::fields(vec![error]));
        }
    };
    let creditor = town
        .config
        .creditor(&creditor)
        .ok_or_else(Problem::not_found)?;
    let mut rows = Vec::new();
    for paid in town.database.payments_of_day(day).await? {
        rows.extend(rows_of(&paid, &creditor.fiscal_code)?);
    }
    if rows.is_empty() {
        let detail = format!("nothing was paid to {} on {day}", creditor.fiscal_code);
        return Err(Problem::new(StatusCode::NOT_FOUND, "not_found", detail));
    }
    let xml = document(creditor, day, town.clock.now(), &rows);
    Ok(([(header::CONTENT_TYPE, "application/xml")], xml).into_response())
}

/// What of a payment goes to a creditor's account.
fn rows_of(paid: &Paid, creditor: &str) -> Result<Vec<Row>, sqlx::Error> {
    let receipt = paid.tree()?;
    let transfers = receipt.child("transferList");
    let transfers = transfers.map_or(&[][..], |list| &list.children);
    let text = |node: &Node, name: &str| node.text_of(name).unwrap_or_default().to_owned();
    Ok(transfers
        .iter()
        .filter(|transfer| transfer.text_of("fiscalCodePA") == Some(creditor))
        .filter(|transfer| transfer.child("MBDAttachment").is_none())
        .map(|transfer| Row {
            iuv: text(&receipt, "creditorReferenceId"),
            // pagoPA's ids have 32 characters, and the flow has room for 35.
            receipt_id: paid.receipt_id.chars().take(35).collect(),
            index: text(transfer, "idTransfer"),
            cents: cents(&text(transfer, "transferAmount")).unwrap_or_default(),
            code: if paid.stand_in { STAND_IN } else { EXECUTED },
            day: paid.paid_at.get(..10).unwrap_or_default().to_owned(),
        })
        .collect())
}

/// The document. The money is sent on the day after the payments, as the receipts promise.
fn document(creditor: &Creditor, day: Date, now: DateTime, rows: &[Row]) -> String {
    let settled = day.tomorrow().unwrap_or(day);
    let total = rows
        .iter()
        .fold(0_i64, |sum, row| sum.saturating_add(row.cents));
    let id = |role: &str, kind: &str, code: &str| {
        Node::branch(
            &format!("identificativoUnivoco{role}"),
            vec![
                Node::leaf("tipoIdentificativoUnivoco", kind),
                Node::leaf("codiceIdentificativoUnivoco", code),
            ],
        )
    };
    let code = &creditor.fiscal_code;
    let name: String = creditor.name.chars().take(140).collect();
    let mut content = vec![
        Node::leaf("versioneOggetto", "1.0"),
        Node::leaf("identificativoFlusso", format!("{settled}{PSP_ID}-{code}")),
        Node::leaf(
            "dataOraFlusso",
            now.strftime("%Y-%m-%dT%H:%M:%S").to_string(),
        ),
        Node::leaf(
            "identificativoUnivocoRegolamento",
            format!("SIM{}{code}", settled.strftime("%Y%m%d")),
        ),
        Node::leaf("dataRegolamento", settled.to_string()),
        Node::branch(
            "istitutoMittente",
            vec![
                id("Mittente", "B", BANK),
                Node::leaf("denominazioneMittente", PSP_NAME),
            ],
        ),
        Node::leaf("codiceBicBancaDiRiversamento", BANK),
        Node::branch(
            "istitutoRicevente",
            vec![
                id("Ricevente", "G", code),
                Node::leaf("denominazioneRicevente", name),
            ],
        ),
        Node::leaf("numeroTotalePagamenti", rows.len().to_string()),
        Node::leaf("importoTotalePagamenti", decimal(total)),
    ];
    content.extend(rows.iter().map(|row| {
        Node::branch(
            "datiSingoliPagamenti",
            vec![
                Node::leaf("identificativoUnivocoVersamento", &row.iuv),
                Node::leaf("identificativoUnivocoRiscossione", &row.receipt_id),
                Node::leaf("indiceDatiSingoloPagamento", &row.index),
                Node::leaf("singoloImportoPagato", decimal(row.cents)),
                Node::leaf("codiceEsitoSingoloPagamento", row.code),
                Node::leaf("dataEsitoSingoloPagamento", &row.day),
            ],
        )
    }));
    let inside = messages::document(&Node::branch("FlussoRiversamento", content));
    let root = format!("<FlussoRiversamento xmlns=\"{NAMESPACE}\">");
    let inside = inside.replacen("<FlussoRiversamento>", &root, 1);
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{inside}")
}
