//! A receipt as BizEvents tells it (`CtReceiptModelResponse`), turned into the element `receipt` of
//! the node, so that it is read by the same rules.
//!
//! BizEvents tells less than the node: no stand-in mark and no payment note, and `paymentDateTime`
//! is only the day, beside which `paymentDateTimeFormatted` is the moment. Amounts are numbers; they
//! are taken as the text they are written in. What we do not know is passed over: the answer is kept
//! byte for byte.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::domain::money::Cents;
use crate::domain::text::is_xml_char;
use crate::wire::xml::Element;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Receipt {
    receipt_id: Option<String>,
    notice_number: Option<String>,
    fiscal_code: Option<String>,
    outcome: Option<String>,
    creditor_reference_id: Option<String>,
    payment_amount: Option<Box<RawValue>>,
    description: Option<String>,
    company_name: Option<String>,
    office_name: Option<String>,
    debtor: Option<Person>,
    transfer_list: Option<Vec<Transfer>>,
    #[serde(rename = "idPSP")]
    id_psp: Option<String>,
    psp_fiscal_code: Option<String>,
    #[serde(rename = "pspPartitaIVA")]
    psp_partita_iva: Option<String>,
    psp_company_name: Option<String>,
    id_channel: Option<String>,
    channel_description: Option<String>,
    payer: Option<Person>,
    payment_method: Option<String>,
    fee: Option<Box<RawValue>>,
    primary_ci_incurred_fee: Option<Box<RawValue>>,
    id_bundle: Option<String>,
    id_ci_bundle: Option<String>,
    payment_date_time: Option<String>,
    payment_date_time_formatted: Option<String>,
    application_date: Option<String>,
    transfer_date: Option<String>,
    metadata: Option<Vec<Entry>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Person {
    entity_unique_identifier_type: Option<String>,
    entity_unique_identifier_value: Option<String>,
    full_name: Option<String>,
    street_name: Option<String>,
    civic_number: Option<String>,
    postal_code: Option<String>,
    city: Option<String>,
    state_province_region: Option<String>,
    country: Option<String>,
    email: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Transfer {
    id_transfer: Option<i64>,
    transfer_amount: Option<Box<RawValue>>,
    #[serde(rename = "fiscalCodePA")]
    fiscal_code_pa: Option<String>,
    iban: Option<String>,
    mbd_attachment: Option<String>,
    remittance_information: Option<String>,
    transfer_category: Option<String>,
    metadata: Option<Vec<Entry>>,
}

#[derive(Deserialize)]
struct Entry {
    key: Option<String>,
    value: Option<String>,
}

/// An answer that is no receipt.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoReceipt {
    /// It is not JSON of this shape.
    #[error("not the JSON of a receipt")]
    Shape(#[from] serde_json::Error),
    /// It has a text that XML does not allow.
    #[error("a text that XML does not allow")]
    Unsayable,
}

/// The element `receipt` that says what this answer says.
///
/// # Errors
/// It is not JSON of this shape, or says something that XML (and so the node) cannot say.
pub(super) fn receipt(bytes: &[u8]) -> Result<Element, NoReceipt> {
    let receipt = element(serde_json::from_slice(bytes)?);
    match is_sayable(&receipt) {
        true => Ok(receipt),
        false => Err(NoReceipt::Unsayable),
    }
}

/// Whether XML allows every text in it: JSON can say NUL, which no database of ours should meet.
fn is_sayable(element: &Element) -> bool {
    element.text.chars().all(is_xml_char) && element.children.iter().all(is_sayable)
}

fn element(receipt: Receipt) -> Element {
    let moment = receipt.payment_date_time_formatted.or_else(|| {
        receipt
            .payment_date_time
            .map(|day| format!("{day}T00:00:00"))
    });
    let transfers = receipt.transfer_list.unwrap_or_default();
    parent(
        "receipt",
        [
            leaf("receiptId", receipt.receipt_id),
            leaf("noticeNumber", receipt.notice_number),
            leaf("fiscalCode", receipt.fiscal_code),
            leaf("outcome", receipt.outcome),
            leaf("creditorReferenceId", receipt.creditor_reference_id),
            leaf("paymentAmount", amount(receipt.payment_amount)),
            leaf("description", receipt.description),
            leaf("companyName", receipt.company_name),
            leaf("officeName", receipt.office_name),
            receipt.debtor.map(|debtor| person("debtor", debtor)),
            Some(parent(
                "transferList",
                transfers.into_iter().map(|part| Some(transfer(part))),
            )),
            leaf("idPSP", receipt.id_psp),
            leaf("pspFiscalCode", receipt.psp_fiscal_code),
            leaf("pspPartitaIVA", receipt.psp_partita_iva),
            leaf("PSPCompanyName", receipt.psp_company_name),
            leaf("idChannel", receipt.id_channel),
            leaf("channelDescription", receipt.channel_description),
            receipt.payer.map(|payer| person("payer", payer)),
            leaf("paymentMethod", receipt.payment_method),
            leaf("fee", amount(receipt.fee)),
            leaf(
                "primaryCiIncurredFee",
                amount(receipt.primary_ci_incurred_fee),
            ),
            leaf("idBundle", receipt.id_bundle),
            leaf("idCiBundle", receipt.id_ci_bundle),
            leaf("paymentDateTime", moment),
            leaf("applicationDate", receipt.application_date),
            leaf("transferDate", receipt.transfer_date),
            metadata(receipt.metadata),
        ],
    )
}

fn person(name: &str, person: Person) -> Element {
    let (kind, code) = (
        person.entity_unique_identifier_type,
        person.entity_unique_identifier_value,
    );
    let id = parent(
        "uniqueIdentifier",
        [
            leaf("entityUniqueIdentifierType", kind),
            leaf("entityUniqueIdentifierValue", code),
        ],
    );
    parent(
        name,
        [
            Some(id),
            leaf("fullName", person.full_name),
            leaf("streetName", person.street_name),
            leaf("civicNumber", person.civic_number),
            leaf("postalCode", person.postal_code),
            leaf("city", person.city),
            leaf("stateProvinceRegion", person.state_province_region),
            leaf("country", person.country),
            leaf("e-mail", person.email),
        ],
    )
}

fn transfer(transfer: Transfer) -> Element {
    parent(
        "transfer",
        [
            leaf("idTransfer", transfer.id_transfer.map(|id| id.to_string())),
            leaf("transferAmount", amount(transfer.transfer_amount)),
            leaf("fiscalCodePA", transfer.fiscal_code_pa),
            leaf("IBAN", transfer.iban),
            leaf("MBDAttachment", transfer.mbd_attachment),
            leaf("remittanceInformation", transfer.remittance_information),
            leaf("transferCategory", transfer.transfer_category),
            metadata(transfer.metadata),
        ],
    )
}

fn metadata(entries: Option<Vec<Entry>>) -> Option<Element> {
    let entries = entries?.into_iter();
    Some(parent(
        "metadata",
        entries.map(|entry| {
            let pair = [leaf("key", entry.key), leaf("value", entry.value)];
            Some(parent("mapEntry", pair))
        }),
    ))
}

/// An amount as the node writes it; what is no amount is handed on as it is, for the reader to
/// refuse.
fn amount(number: Option<Box<RawValue>>) -> Option<String> {
    let text = number?.get().to_owned();
    Some(Cents::parse_json(&text).map_or(text, |cents| cents.to_string()))
}

fn leaf(name: &str, text: Option<String>) -> Option<Element> {
    Some(Element {
        name: name.to_owned(),
        text: text?,
        ..Element::default()
    })
}

fn parent(name: &str, children: impl IntoIterator<Item = Option<Element>>) -> Element {
    Element {
        name: name.to_owned(),
        children: children.into_iter().flatten().collect(),
        ..Element::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn amounts_keep_every_cent_and_nulls_are_absent() {
        let text = r#"{"receiptId": "r", "paymentAmount": 1234567.1, "fee": null, "new": [1],
            "paymentDateTime": "2026-11-20", "paymentDateTimeFormatted": null,
            "transferList": [{"idTransfer": 1, "transferAmount": 1234567.10, "iban": null}]}"#;
        let receipt = receipt(text.as_bytes()).unwrap();
        let text = |name: &str| receipt.child(name).map(|child| child.text.as_str());
        assert_eq!(text("paymentAmount"), Some("1234567.10"));
        assert_eq!(text("fee"), None);
        assert_eq!(text("paymentDateTime"), Some("2026-11-20T00:00:00"));
        let transfer = receipt
            .child("transferList")
            .and_then(|list| list.child("transfer"))
            .unwrap();
        assert_eq!(transfer.child("transferAmount").unwrap().text, "1234567.10");
        assert!(transfer.child("IBAN").is_none());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = receipt(&bytes);
        }

        #[test]
        fn any_cents_come_through_as_they_are(cents in 0_i64..=99_999_999_999) {
            let cents = Cents::new(cents);
            let text = format!("{{\"paymentAmount\": {cents}}}");
            let receipt = receipt(text.as_bytes()).unwrap();
            prop_assert_eq!(&receipt.child("paymentAmount").unwrap().text, &cents.to_string());
        }
    }
}
