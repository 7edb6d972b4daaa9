//! Order, occurrence, names and namespaces.

use super::samples::*;
use crate::verdict::*;

#[test]
fn order_occurrence_and_names_are_checked() {
    use Operation::*;
    let iban = "<IBAN>IT60X0542811101000000123456</IBAN>";
    let both = format!("{iban}{STAMP}");
    let end = "</transferList>";
    let sixth: String = (3..=6)
        .map(|number| transfer(number, GetPaymentV2))
        .collect();
    let sixth = format!("{sixth}{end}");
    let entries = format!(
        "{}</metadata>",
        "<mapEntry><key>k</key><value>v</value></mapEntry>".repeat(15)
    );
    check(&[
        (SendRtV2, "<outcome>OK</outcome>", "", "outcome is missing"),
        (
            SendRt,
            "<outcome>OK</outcome>",
            "<outcome>OK</outcome><outcome>OK</outcome>",
            "at most 1",
        ),
        (
            SendRt,
            "<outcome>OK</outcome>",
            "<outcome>OK</outcome>text",
            "holds text",
        ),
        (
            SendRt,
            "<outcome>OK</outcome>",
            "<Outcome>OK</Outcome>",
            "unknown element Outcome",
        ),
        (
            SendRt,
            "<outcome>OK</outcome>",
            "<outcome><b/></outcome>",
            "must hold text, holds elements",
        ),
        (
            SendRt,
            "<outcome>",
            "<outcome note='x'>",
            "attribute note is not allowed",
        ),
        (
            SendRt,
            "<outcome>",
            "<outcome xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' xsi:nil='true'>",
            "attribute nil is not allowed",
        ),
        (
            VerifyPaymentNotice,
            "<options>EQ</options>",
            "",
            "options is missing",
        ),
        (
            VerifyPaymentNotice,
            "<allCCP>false</allCCP>",
            "",
            "allCCP is missing",
        ),
        (
            VerifyPaymentNotice,
            "</paymentOptionDescription>",
            "</paymentOptionDescription><paymentOptionDescription/>",
            "at most 1",
        ),
        (
            VerifyPaymentNotice,
            "<dueDate>2026-12-31</dueDate>",
            "<extra>1</extra>",
            "unknown element extra",
        ),
        (
            VerifyPaymentNotice,
            "<amount>52.80</amount><options>EQ</options>",
            "<options>EQ</options><amount>52.80</amount>",
            "amount is out of place",
        ),
        (
            VerifyPaymentNotice,
            "<officeName>Ufficio scuola</officeName>",
            "<officeName>Ufficio scuola</officeName><companyName>X</companyName>",
            "companyName is out of place",
        ),
        (
            GetPaymentV2,
            "<dueDate>2026-12-31</dueDate>",
            "",
            "dueDate is missing",
        ),
        (
            GetPaymentV2,
            "<description>Ricarica mensa 50004</description><companyName>Comune di Esempio</companyName>",
            "<description>x</description>",
            "companyName is missing",
        ),
        (GetPaymentV2, DEBTOR, "", "debtor is missing"),
        (
            GetPaymentV2,
            "<fullName>Mario Rossi</fullName>",
            "",
            "fullName is missing",
        ),
        (
            GetPaymentV2,
            iban,
            "",
            "IBAN or richiestaMarcaDaBollo is missing",
        ),
        (GetPaymentV2, iban, &both, "at most 1"),
        (GetPaymentV2, end, &sixth, "transfer[6]: at most 5"),
        (
            GetPaymentV2,
            "</metadata>",
            &entries,
            "mapEntry[16]: at most 15",
        ),
        (GetPaymentV2, "<key>k</key>", "", "key is missing"),
        (
            GetPayment,
            "<IBAN>",
            "<companyName>X</companyName><IBAN>",
            "unknown element companyName",
        ),
        (
            GetPayment,
            iban,
            STAMP,
            "unknown element richiestaMarcaDaBollo",
        ),
        (GetPayment, iban, "", "IBAN is missing"),
        (
            DemandPaymentNotice,
            "<noticeNumber>302202600001234518</noticeNumber>",
            "",
            "noticeNumber is missing",
        ),
    ]);
}

#[test]
fn namespaces_are_checked() {
    use Operation::*;
    check(&[
        (
            SendRt,
            "<outcome>OK</outcome>",
            "<paf:outcome>OK</paf:outcome>",
            "must be in no namespace",
        ),
        (
            GetPayment,
            PAF,
            "http://pagopa-api.pagopa.gov.it/pa/other.xsd",
            "must hold paGetPaymentRes",
        ),
        (
            SendRtV2,
            "paf:paSendRTV2Response",
            "paSendRTV2Response",
            "in no namespace, must hold",
        ),
        (
            SendRtV2,
            "paSendRTV2Response",
            "paSendRTRes",
            "holds paSendRTRes",
        ),
        (
            SendRtV2,
            "schemas.xmlsoap.org/soap/envelope/",
            "www.w3.org/2003/05/soap-envelope",
            "SOAP 1.1",
        ),
        (
            VerifyPaymentNotice,
            "<amount>",
            "<amount xmlns='urn:x'>",
            "is in urn:x",
        ),
    ]);
}
