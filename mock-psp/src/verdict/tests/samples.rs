//! The fullest legal reply of every operation, and how a table of mutations is checked.

use super::super::*;

pub(super) const TEXT_XML: Option<&str> = Some("text/xml; charset=utf-8");

pub(super) const KO: &str = "<outcome>KO</outcome><fault><faultCode>PAA_SEMANTICA</faultCode>\
    <faultString>Errore semantico</faultString><id>77777777777</id>\
    <description>perché no</description><serial>1</serial>\
    <originalFaultCode>A</originalFaultCode><originalFaultString>B</originalFaultString>\
    <originalDescription>C</originalDescription></fault>";

pub(super) const OPTION: &str = "<paymentList><paymentOptionDescription><amount>52.80</amount>\
    <options>EQ</options><dueDate>2026-12-31</dueDate><detailDescription>Refezione</detailDescription>\
    <allCCP>false</allCCP></paymentOptionDescription></paymentList>\
    <paymentDescription>Ricarica mensa 50004</paymentDescription>\
    <fiscalCodePA>77777777777</fiscalCodePA><companyName>Comune di Esempio</companyName>\
    <officeName>Ufficio scuola</officeName>";

pub(super) const DEBTOR: &str = "<debtor><uniqueIdentifier>\
    <entityUniqueIdentifierType>F</entityUniqueIdentifierType>\
    <entityUniqueIdentifierValue>RSSMRA80A01H501U</entityUniqueIdentifierValue></uniqueIdentifier>\
    <fullName>Mario Rossi</fullName><streetName>Via Roma</streetName><civicNumber>1/A</civicNumber>\
    <postalCode>20100</postalCode><city>Milano</city><stateProvinceRegion>MI</stateProvinceRegion>\
    <country>IT</country><e-mail>mario@example.org</e-mail></debtor>";

pub(super) const METADATA: &str =
    "<metadata><mapEntry><key>k</key><value>v</value></mapEntry></metadata>";

/// A transfer of 26.40 euro; two of them make the sample's amount.
pub(super) fn transfer(number: u8, operation: Operation) -> String {
    let name = match operation {
        Operation::GetPaymentV2 => "<companyName>Comune di Esempio</companyName>",
        _ => "",
    };
    format!(
        "<transfer><idTransfer>{number}</idTransfer><transferAmount>26.40</transferAmount>\
         <fiscalCodePA>77777777777</fiscalCodePA>{name}<IBAN>IT60X0542811101000000123456</IBAN>\
         <remittanceInformation>/RFB/02202600001234518/26.40</remittanceInformation>\
         <transferCategory>9/0107101TS/</transferCategory>{METADATA}</transfer>"
    )
}

pub(super) fn data(operation: Operation) -> String {
    let (first, second) = (transfer(1, operation), transfer(2, operation));
    format!(
        "<data><creditorReferenceId>02202600001234518</creditorReferenceId>\
         <paymentAmount>52.80</paymentAmount><dueDate>2026-12-31</dueDate>\
         <retentionDate>2026-12-31T23:59:59</retentionDate><lastPayment>1</lastPayment>\
         <description>Ricarica mensa 50004</description><companyName>Comune di Esempio</companyName>\
         <officeName>Ufficio scuola</officeName>{DEBTOR}\
         <transferList>{first}{second}</transferList>{METADATA}</data>"
    )
}

pub(super) fn envelope(root: &str, inside: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns:paf=\"{PAF}\"><soapenv:Header/><soapenv:Body>\
         <paf:{root}>{inside}</paf:{root}></soapenv:Body></soapenv:Envelope>"
    )
}

/// The fullest positive reply of an operation.
pub(super) fn full(operation: Operation) -> String {
    let root = schema::reply(operation).root;
    let inside = match operation {
        Operation::VerifyPaymentNotice => OPTION.to_owned(),
        Operation::GetPayment | Operation::GetPaymentV2 => data(operation),
        Operation::SendRt | Operation::SendRtV2 => String::new(),
        Operation::DemandPaymentNotice => format!(
            "<qrCode><fiscalCode>77777777777</fiscalCode>\
             <noticeNumber>302202600001234518</noticeNumber></qrCode>{OPTION}"
        ),
    };
    envelope(root, &format!("<outcome>OK</outcome>{inside}"))
}

pub(super) fn problems(operation: Operation, body: &str) -> Vec<String> {
    let verdict = judge(operation, 200, TEXT_XML, body.as_bytes());
    assert_eq!(verdict.legal, verdict.problems.is_empty());
    verdict.problems
}

pub(super) const STAMP: &str = "<richiestaMarcaDaBollo><hashDocumento>wHpFSLCGZjIvNSXxqtGbxg==</hashDocumento>\
    <tipoBollo>01</tipoBollo><provinciaResidenza>MI</provinciaResidenza></richiestaMarcaDaBollo>";

/// In the full reply of the operation, replace this with that and hear this problem.
pub(super) type Mutation<'a> = (Operation, &'a str, &'a str, &'a str);

pub(super) fn check(mutations: &[Mutation<'_>]) {
    for (operation, from, to, expected) in mutations {
        let body = full(*operation);
        assert!(body.contains(from), "{operation:?} holds no {from}");
        let found = problems(*operation, &body.replace(from, to));
        assert!(
            found.iter().any(|problem| problem.contains(expected)),
            "{operation:?}: {from} -> {to}: expected {expected:?} in {found:?}"
        );
    }
}
