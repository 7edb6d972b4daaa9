//! What the tests of payments stand on: a gateway that answers as it must, and orders to it.

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use crate::testing::{Asked, StandIn, TestWorld, soap};
use crate::verdict::xml::Node;
use crate::verdict::{Operation, check_request};

pub(crate) const NOTICE: &str = "302202600001234518";
pub(crate) const CREDITOR: &str = "77777777777";

pub(crate) const KO: &str = "<outcome>KO</outcome><fault><faultCode>PAA_PAGAMENTO_DUPLICATO</faultCode>\
    <faultString>Pagamento concluso</faultString><id>77777777777</id>\
    <description>pagato ieri</description></fault>";

pub(crate) fn verify_ok() -> Response {
    soap(
        "<p:paVerifyPaymentNoticeRes><outcome>OK</outcome><paymentList><paymentOptionDescription>\
         <amount>52.80</amount><options>EQ</options><allCCP>false</allCCP>\
         </paymentOptionDescription></paymentList><paymentDescription>Ricarica mensa</paymentDescription>\
         <fiscalCodePA>77777777777</fiscalCodePA><companyName>Comune di Esempio</companyName>\
         </p:paVerifyPaymentNoticeRes>",
    )
}

pub(crate) fn get_ok() -> Response {
    let transfer = |number: u8, amount: &str, account: &str| {
        format!(
            "<transfer><idTransfer>{number}</idTransfer><transferAmount>{amount}</transferAmount>\
             <fiscalCodePA>77777777777</fiscalCodePA>{account}\
             <remittanceInformation>/RFB/02202600001234518</remittanceInformation>\
             <transferCategory>9/0107101TS/</transferCategory></transfer>"
        )
    };
    let iban = "<IBAN>IT60X0542811101000000123456</IBAN>";
    let stamp = "<richiestaMarcaDaBollo><hashDocumento>wHpFSLCGZjIvNSXxqtGbxg==</hashDocumento>\
                 <tipoBollo>01</tipoBollo><provinciaResidenza>MI</provinciaResidenza>\
                 </richiestaMarcaDaBollo>";
    soap(&format!(
        "<p:paGetPaymentV2Response><outcome>OK</outcome><data>\
         <creditorReferenceId>02202600001234518</creditorReferenceId>\
         <paymentAmount>52.80</paymentAmount><dueDate>2026-12-31</dueDate>\
         <description>Ricarica mensa &amp; merenda</description>\
         <companyName>Comune di Esempio</companyName><officeName>Ufficio scuola</officeName>\
         <debtor><uniqueIdentifier><entityUniqueIdentifierType>F</entityUniqueIdentifierType>\
         <entityUniqueIdentifierValue>RSSMRA80A01H501U</entityUniqueIdentifierValue>\
         </uniqueIdentifier><fullName>Mario Rossi</fullName></debtor>\
         <transferList>{}{}</transferList>\
         <metadata><mapEntry><key>k</key><value>v</value></mapEntry></metadata>\
         </data></p:paGetPaymentV2Response>",
        transfer(1, "36.80", iban),
        transfer(2, "16.00", stamp)
    ))
}

pub(crate) fn send_ok() -> Response {
    soap("<p:paSendRTV2Response><outcome>OK</outcome></p:paSendRTV2Response>")
}

/// A gateway that answers every operation as it must.
pub(crate) fn good(asked: &Asked) -> Response {
    match asked.header("soapaction") {
        "\"paVerifyPaymentNotice\"" => verify_ok(),
        "\"paGetPaymentV2\"" => get_ok(),
        "\"paSendRTV2\"" => send_ok(),
        "\"paGetPayment\"" => get_v1_ok(),
        "\"paSendRT\"" => soap("<p:paSendRTRes><outcome>OK</outcome></p:paSendRTRes>"),
        other => panic!("the node called {other}"),
    }
}

pub(crate) async fn pay(world: &TestWorld, changes: Value) -> Value {
    let mut order = json!({"notice_number": NOTICE, "fiscal_code": CREDITOR});
    order
        .as_object_mut()
        .unwrap()
        .extend(changes.as_object().unwrap().clone());
    let heard = world.post("/psp/pay", &order).await;
    assert_eq!(heard.status, StatusCode::OK, "{}", heard.text);
    heard.json()
}

/// The receipt the stand-in got last; unless it is meant to be wrong, it is legal.
pub(crate) fn receipt(gateway: &StandIn) -> Node {
    let last = gateway.asked().pop().unwrap();
    let (root, problems) = check_request(Operation::SendRtV2, &last.body);
    assert_eq!(problems, [""; 0], "{}", last.body);
    root.child("receipt").unwrap().clone()
}

pub(crate) fn texts<'a>(node: &'a Node, names: &[&str]) -> Vec<&'a str> {
    names
        .iter()
        .map(|name| node.text_of(name).unwrap_or("missing"))
        .collect()
}

/// The same debt as the first version tells it, shared with a second beneficiary.
pub(crate) fn get_v1_ok() -> Response {
    let transfer = |number: u8, amount: &str, code: &str| {
        format!(
            "<transfer><idTransfer>{number}</idTransfer><transferAmount>{amount}</transferAmount>\
             <fiscalCodePA>{code}</fiscalCodePA><IBAN>IT60X0542811101000000123456</IBAN>\
             <remittanceInformation>/RFB/02202600001234518</remittanceInformation>\
             <transferCategory>9/0107101TS/</transferCategory></transfer>"
        )
    };
    soap(&format!(
        "<p:paGetPaymentRes><outcome>OK</outcome><data>\
         <creditorReferenceId>02202600001234518</creditorReferenceId>\
         <paymentAmount>52.80</paymentAmount><dueDate>2026-12-31</dueDate>\
         <description>Ricarica mensa</description>\
         <debtor><uniqueIdentifier><entityUniqueIdentifierType>F</entityUniqueIdentifierType>\
         <entityUniqueIdentifierValue>RSSMRA80A01H501U</entityUniqueIdentifierValue>\
         </uniqueIdentifier><fullName>Mario Rossi</fullName></debtor>\
         <transferList>{}{}</transferList></data></p:paGetPaymentRes>",
        transfer(1, "36.80", "77777777777"),
        transfer(2, "16.00", "77777777778")
    ))
}

/// The requests of one operation, in the order they came.
pub(crate) fn asked_for(gateway: &StandIn, operation: Operation) -> Vec<Asked> {
    let action = format!("\"{}\"", operation.name());
    let mut asked = gateway.asked();
    asked.retain(|asked| asked.header("soapaction") == action);
    asked
}
