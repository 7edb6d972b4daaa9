//! The last look at a reply before it leaves: would the node take it?
//!
//! The node treats a reply that breaks the schema, or one of the rules beyond it, as no answer at
//! all: the payer is turned away, and enough of them make the station be taken out of service. So
//! every reply is read back and judged by our own contract in `wsdl/` and by those rules; one that
//! would be refused becomes a system error and an alarm.
//!
//! Source of the rules: SANP, best practice for the synchronous integration; pagoPA's integration
//! tests of the node (`paGetPaymentV2`, `paGetPaymentRes`, `paVerifyPaymentNoticeRes`).

use crate::domain::creditor::Register;
use crate::domain::iban::Iban;
use crate::domain::money::Cents;
use crate::domain::party::CreditorCode;
use crate::wire::soap;
use crate::wire::xml::Element;
use crate::wire::xsd::Schema;
pub use crate::wire::xsd::SchemaError;

/// The contracts, compiled in.
const CONTRACTS: [&str; 2] = [
    include_str!("../../../wsdl/common-types.xsd"),
    include_str!("../../../wsdl/paForNode.xsd"),
];

/// Judges replies.
#[derive(Debug)]
pub struct Guard {
    schema: Schema,
}

impl Guard {
    /// Compiles our contracts.
    ///
    /// # Errors
    /// [`SchemaError`]: a contract uses what we cannot judge.
    pub fn new() -> Result<Guard, SchemaError> {
        Ok(Guard {
            schema: Schema::compile(&CONTRACTS)?,
        })
    }

    /// Whether the node would take this envelope from us.
    ///
    /// # Errors
    /// Why it would not.
    pub(super) fn check(&self, bytes: &[u8], register: &Register) -> Result<(), String> {
        let element = soap::body(bytes).map_err(|malformed| malformed.to_string())?;
        self.schema
            .check(&element)
            .map_err(|malformed| malformed.to_string())?;
        verdict(&element)?;
        match element.child("data") {
            Some(data) => payment(data, register),
            None => Ok(()),
        }
    }
}

/// An OK has all its data and no fault; a KO has a fault.
fn verdict(element: &Element) -> Result<(), String> {
    let has_fault = element.child("fault").is_some();
    let is_ok = element.child("outcome").is_some_and(|o| o.text == "OK");
    if is_ok == has_fault {
        return Err(format!(
            "{}: an OK with a fault, or a KO without one",
            element.name
        ));
    }
    let offer = [
        "paymentList",
        "paymentDescription",
        "fiscalCodePA",
        "companyName",
    ];
    let wanted: &[&str] = match element.name.as_str() {
        _ if !is_ok => &[],
        "paVerifyPaymentNoticeRes" => &offer,
        "paDemandPaymentNoticeResponse" => &[
            "qrCode",
            "paymentList",
            "paymentDescription",
            "fiscalCodePA",
            "companyName",
        ],
        "paGetPaymentRes" | "paGetPaymentV2Response" => &["data"],
        _ => &[],
    };
    match wanted.iter().find(|name| element.child(name).is_none()) {
        Some(name) => Err(format!("{}: an OK without {name}", element.name)),
        None => Ok(()),
    }
}

/// The transfers are numbered from 1 without a gap, add up to the amount, and go to accounts that
/// their bodies have registered, as far as we know those.
fn payment(data: &Element, register: &Register) -> Result<(), String> {
    let text = |element: &Element, name: &str| {
        element
            .child(name)
            .map(|field| field.text.trim().to_owned())
            .unwrap_or_default()
    };
    let cents = |element: &Element, name: &str| Cents::parse_point(&text(element, name)).ok();
    let transfers = data
        .child("transferList")
        .map_or(&[][..], |list| list.children.as_slice());
    let mut sum = Some(Cents::new(0));
    for (index, transfer) in transfers.iter().enumerate() {
        let id = text(transfer, "idTransfer");
        if id != (index + 1).to_string() {
            return Err(format!("transfer {id} stands at place {}", index + 1));
        }
        sum = sum
            .zip(cents(transfer, "transferAmount"))
            .and_then(|(sum, part)| sum.checked_add(part));
        let receiver = CreditorCode::parse(&text(transfer, "fiscalCodePA"))
            .ok()
            .and_then(|code| register.get(&code));
        if let (Some(receiver), Some(iban)) = (receiver, transfer.child("IBAN")) {
            let iban = Iban::parse(&iban.text);
            if !iban.is_ok_and(|iban| receiver.has_account(&iban)) {
                return Err(format!(
                    "transfer {id} goes to an account that is not registered"
                ));
            }
        }
    }
    if sum == cents(data, "paymentAmount") {
        Ok(())
    } else {
        Err("the transfers do not add up to the amount".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NS: &str = "http://pagopa-api.pagopa.gov.it/pa/paForNode.xsd";

    fn check(root: &str, inside: &str) -> Result<(), String> {
        let text = format!(
            "<e:Envelope xmlns:e=\"{}\"><e:Body><p:{root} xmlns:p=\"{NS}\">{inside}</p:{root}>\
             </e:Body></e:Envelope>",
            soap::SOAP
        );
        let guard = Guard::new().unwrap();
        guard.check(text.as_bytes(), &Register::default())
    }

    const TRANSFER: &str = "<transfer><idTransfer>1</idTransfer>\
        <transferAmount>10.00</transferAmount><fiscalCodePA>77777777777</fiscalCodePA>\
        <IBAN>IT60X0542811101000000123456</IBAN><remittanceInformation>x</remittanceInformation>\
        <transferCategory>9/0107101TS/</transferCategory></transfer>";

    fn get(transfers: &str) -> String {
        format!(
            "<outcome>OK</outcome><data><creditorReferenceId>02000000000000153</creditorReferenceId>\
             <paymentAmount>10.00</paymentAmount><dueDate>2026-12-31</dueDate>\
             <description>Mensa</description><companyName>Comune</companyName><debtor>\
             <uniqueIdentifier><entityUniqueIdentifierType>F</entityUniqueIdentifierType>\
             <entityUniqueIdentifierValue>RSSMRA80A01H501U</entityUniqueIdentifierValue>\
             </uniqueIdentifier><fullName>M</fullName></debtor>\
             <transferList>{transfers}</transferList></data>"
        )
    }

    #[test]
    fn what_the_node_takes_passes() {
        assert_eq!(check("paGetPaymentV2Response", &get(TRANSFER)), Ok(()));
        assert_eq!(check("paSendRTV2Response", "<outcome>OK</outcome>"), Ok(()));
    }

    /// What the node refuses beyond and within the schema.
    #[test]
    fn what_the_node_refuses_does_not_leave() {
        let fault = "<fault><faultCode>PAA_SEMANTICA</faultCode><faultString>x</faultString>\
            <id>77777777777</id></fault>";
        let get_table = [
            get(""),
            get(&TRANSFER.repeat(2)),
            get(&TRANSFER.replace("<idTransfer>1", "<idTransfer>2")),
            get(&TRANSFER.replace("10.00", "9.99")),
            get(&TRANSFER.replace("10.00", "0.00")),
            get(&TRANSFER.repeat(6)),
            get(&TRANSFER.replace("</transferCategory>", "</transferCategory><metadata/>")),
            get(&TRANSFER.replace(">x<", "><")),
            get(&TRANSFER.replace(">x<", &format!(">{}<", "x".repeat(141)))),
            get(TRANSFER).replace("10.00", "10.0"),
            get(TRANSFER).replace("<dueDate>2026-12-31</dueDate>", ""),
            get(TRANSFER).replace("<outcome>OK</outcome>", ""),
            get(TRANSFER).replace("<data>", &format!("{fault}<data>")),
            get(TRANSFER).replace("<companyName>", "<officeName></officeName><companyName>"),
            "<outcome>OK</outcome>".to_owned(),
            "<outcome>KO</outcome>".to_owned(),
        ];
        for inside in get_table {
            assert!(
                check("paGetPaymentV2Response", &inside).is_err(),
                "{inside}"
            );
        }
        for root in ["paVerifyPaymentNoticeRes", "paDemandPaymentNoticeResponse"] {
            assert!(check(root, "<outcome>OK</outcome>").is_err());
            assert_eq!(
                check(root, &format!("<outcome>KO</outcome>{fault}")),
                Ok(())
            );
        }
        assert!(check("somethingElse", "<outcome>OK</outcome>").is_err());
    }
}
