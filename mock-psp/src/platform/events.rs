//! BizEvents: the receipt of a payment, for the creditor that missed it.
//!
//! By receipt id alone any beneficiary finds it; with the IUV only the creditor of the notice does.
//! Two payments with one receipt id are a 422, as with the platform. Absent optional members are
//! null, `paymentDateTime` is a day, amounts are numbers without needless zeros, and neither stand-in
//! nor payment note is told.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::guard::Caller;
use super::rate::Service;
use super::refusal::Refusal;
use crate::psp::Paid;
use crate::town::{Shared, Town};
use crate::verdict::xml::Node;

/// `GET …/organizations/{cf}/receipts/{iur}`
pub(super) async fn by_iur(
    State(town): State<Shared>,
    caller: Caller,
    Path((creditor, iur)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    caller.admit(&town, Service::BizEvents)?;
    let mut found = Vec::new();
    for paid in town.database.payments_of_receipt(&iur).await? {
        let receipt = paid.tree()?;
        if beneficiaries(&receipt).any(|code| code == creditor) {
            found.push(receipt);
        }
    }
    let whose = format!("Organization Fiscal Code {creditor} and IUR {iur}");
    the_only(found, &whose, ["BZ_404_002", "BZ_422_002"])
}

/// `GET …/organizations/{cf}/receipts/{iur}/paymentoptions/{iuv}`
pub(super) async fn by_iur_and_iuv(
    State(town): State<Shared>,
    caller: Caller,
    Path((creditor, iur, iuv)): Path<(String, String, String)>,
) -> Result<Response, Refusal> {
    caller.admit(&town, Service::BizEvents)?;
    let found = of_creditor(&town, &creditor, &iur, &iuv).await?;
    let whose = format!("Organization Fiscal Code {creditor} and IUR {iur} and IUV {iuv}");
    the_only(found, &whose, ["BZ_404_001", "BZ_422_001"])
}

async fn of_creditor(
    town: &Town,
    creditor: &str,
    iur: &str,
    iuv: &str,
) -> Result<Vec<Node>, sqlx::Error> {
    let paid = town.database.payments_of_receipt(iur).await?;
    paid.iter()
        .filter(|paid| paid.creditor == creditor && paid.iuv == iuv)
        .map(Paid::tree)
        .collect()
}

fn the_only(found: Vec<Node>, whose: &str, codes: [&str; 2]) -> Result<Response, Refusal> {
    let [not_found, not_unique] = codes;
    let mut found = found.into_iter();
    match (found.next(), found.next()) {
        (Some(receipt), None) => Ok(Json(model(&receipt)).into_response()),
        (None, _) => {
            let detail = format!("Not found a biz event for the {whose}");
            let title = "Biz Event not found with the query params";
            Err(Refusal::problem(StatusCode::NOT_FOUND, title, detail).with("code", not_found))
        }
        (Some(_), Some(_)) => {
            let detail = format!("More than one biz event was found for the {whose}");
            let title = "Biz Event not unique with the query params";
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            Err(Refusal::problem(status, title, detail).with("code", not_unique))
        }
    }
}

fn beneficiaries(receipt: &Node) -> impl Iterator<Item = &str> {
    receipt
        .child("transferList")
        .into_iter()
        .flat_map(|list| &list.children)
        .filter_map(|transfer| transfer.text_of("fiscalCodePA"))
}

/// `CtReceiptModelResponse`, from the element `receipt`.
fn model(receipt: &Node) -> Value {
    let text = |name: &str| receipt.text_of(name);
    let day = |name: &str| text(name).and_then(|moment| moment.get(..10));
    let transfers = receipt.child("transferList");
    let transfers = transfers.map_or(&[][..], |list| &list.children);
    json!({
        "receiptId": text("receiptId"),
        "noticeNumber": text("noticeNumber"),
        "fiscalCode": text("fiscalCode"),
        "outcome": text("outcome"),
        "creditorReferenceId": text("creditorReferenceId"),
        "paymentAmount": number(text("paymentAmount")),
        "description": text("description"),
        "companyName": text("companyName"),
        "officeName": text("officeName"),
        "debtor": receipt.child("debtor").map(subject),
        "transferList": transfers.iter().map(transfer).collect::<Vec<_>>(),
        "idPSP": text("idPSP"),
        "pspFiscalCode": text("pspFiscalCode"),
        "pspPartitaIVA": text("pspPartitaIVA"),
        "pspCompanyName": text("PSPCompanyName"),
        "idChannel": text("idChannel"),
        "channelDescription": text("channelDescription"),
        "payer": receipt.child("payer").map(subject),
        "paymentMethod": text("paymentMethod"),
        "fee": number(text("fee")),
        "primaryCiIncurredFee": number(text("primaryCiIncurredFee")),
        "idBundle": text("idBundle"),
        "idCiBundle": text("idCiBundle"),
        "paymentDateTime": day("paymentDateTime"),
        "paymentDateTimeFormatted": text("paymentDateTime"),
        "applicationDate": day("applicationDate"),
        "transferDate": day("transferDate"),
        "metadata": receipt.child("metadata").map(metadata),
    })
}

fn transfer(transfer: &Node) -> Value {
    let text = |name: &str| transfer.text_of(name);
    json!({
        "idTransfer": text("idTransfer").and_then(|number| number.parse::<i32>().ok()),
        "transferAmount": number(text("transferAmount")),
        "fiscalCodePA": text("fiscalCodePA"),
        "iban": text("IBAN"),
        "mbdAttachment": text("MBDAttachment"),
        "remittanceInformation": text("remittanceInformation"),
        "transferCategory": text("transferCategory"),
        "metadata": transfer.child("metadata").map(metadata),
    })
}

fn subject(subject: &Node) -> Value {
    let id = subject.child("uniqueIdentifier");
    let id = |name: &str| id.and_then(|id| id.text_of(name));
    let text = |name: &str| subject.text_of(name);
    json!({
        "entityUniqueIdentifierType": id("entityUniqueIdentifierType"),
        "entityUniqueIdentifierValue": id("entityUniqueIdentifierValue"),
        "fullName": text("fullName"),
        "streetName": text("streetName"),
        "civicNumber": text("civicNumber"),
        "postalCode": text("postalCode"),
        "city": text("city"),
        "stateProvinceRegion": text("stateProvinceRegion"),
        "country": text("country"),
        "email": text("e-mail"),
    })
}

fn metadata(metadata: &Node) -> Value {
    let entries = metadata.children.iter();
    entries
        .map(|entry| json!({"key": entry.text_of("key"), "value": entry.text_of("value")}))
        .collect()
}

/// An amount as the platform writes it: a number without needless zeros, `52.8` for `52.80`.
fn number(amount: Option<&str>) -> Option<Value> {
    serde_json::from_str(amount?).ok()
}
