//! The schema of the requests the world sends, to check its own messages in tests.

use super::schema::{
    FISCAL_CODE, IBAN, METADATA, Message, OUTCOME, Particle, QR_CODE, STAMP_ATTACHMENT, SUBJECT,
    TEXT_35, TEXT_70, TEXT_140, TRANSFER, group, one, opt, opt_group, some,
};
use super::types::Type;
use super::{Operation, PAF, envelope, walk, xml};

const ID_PA: Particle = one("idPA", TEXT_35);
const ID_BROKER: Particle = one("idBrokerPA", TEXT_35);
const ID_STATION: Particle = one("idStation", TEXT_35);

const VERIFY: Message = Message {
    root: "paVerifyPaymentNoticeReq",
    content: &[ID_PA, ID_BROKER, ID_STATION, group("qrCode", QR_CODE)],
    required_when_ok: &[],
};

const GET_CONTENT: &[Particle] = &[
    ID_PA,
    ID_BROKER,
    ID_STATION,
    group("qrCode", QR_CODE),
    opt("amount", Type::Amount),
    opt("paymentNote", Type::Text(210)),
    opt("transferType", Type::OneOf(&["POSTAL", "PAGOPA"])),
    opt("dueDate", Type::Date),
];

const GET: Message = Message {
    root: "paGetPaymentReq",
    content: GET_CONTENT,
    required_when_ok: &[],
};

const GET_V2: Message = Message {
    root: "paGetPaymentV2Request",
    content: GET_CONTENT,
    required_when_ok: &[],
};

const RECEIPT_V1: &[Particle] = &[
    one("receiptId", Type::AnyText),
    one("noticeNumber", Type::Digits(18)),
    one("fiscalCode", FISCAL_CODE),
    OUTCOME,
    one("creditorReferenceId", TEXT_35),
    one("paymentAmount", Type::Amount),
    one("description", TEXT_140),
    one("companyName", TEXT_140),
    opt("officeName", TEXT_140),
    group("debtor", SUBJECT),
    group("transferList", &[some("transfer", 5, TRANSFER)]),
    one("idPSP", TEXT_35),
    opt("pspFiscalCode", TEXT_70),
    opt("pspPartitaIVA", Type::Text(20)),
    one("PSPCompanyName", TEXT_70),
    one("idChannel", TEXT_35),
    one("channelDescription", TEXT_35),
    opt_group("payer", SUBJECT),
    opt("paymentMethod", TEXT_35),
    opt("fee", Type::Amount),
    opt("paymentDateTime", Type::DateTime),
    opt("applicationDate", Type::Date),
    opt("transferDate", Type::Date),
    METADATA,
    opt("standIn", Type::Boolean),
];

const SEND: Message = Message {
    root: "paSendRTReq",
    content: &[ID_PA, ID_BROKER, ID_STATION, group("receipt", RECEIPT_V1)],
    required_when_ok: &[],
};

const RECEIPT_TRANSFER: &[Particle] = &[
    one("idTransfer", Type::TransferNumber),
    one("transferAmount", Type::AmountNotZero),
    one("fiscalCodePA", FISCAL_CODE),
    opt("companyName", TEXT_140),
    Particle::Choice(&[IBAN, STAMP_ATTACHMENT]),
    one("remittanceInformation", TEXT_140),
    one("transferCategory", TEXT_140),
    METADATA,
];

const RECEIPT: &[Particle] = &[
    one("receiptId", Type::AnyText),
    one("noticeNumber", Type::Digits(18)),
    one("fiscalCode", FISCAL_CODE),
    OUTCOME,
    one("creditorReferenceId", TEXT_35),
    one("paymentAmount", Type::Amount),
    one("description", TEXT_140),
    one("companyName", TEXT_140),
    opt("officeName", TEXT_140),
    group("debtor", SUBJECT),
    group("transferList", &[some("transfer", 5, RECEIPT_TRANSFER)]),
    one("idPSP", TEXT_35),
    opt("pspFiscalCode", TEXT_70),
    opt("pspPartitaIVA", Type::Text(20)),
    one("PSPCompanyName", TEXT_70),
    one("idChannel", TEXT_35),
    one("channelDescription", TEXT_35),
    opt_group("payer", SUBJECT),
    opt("paymentMethod", TEXT_35),
    opt("paymentNote", Type::Text(210)),
    opt("fee", Type::Amount),
    opt("primaryCiIncurredFee", Type::Amount),
    opt("idBundle", TEXT_70),
    opt("idCiBundle", TEXT_70),
    opt("paymentDateTime", Type::DateTime),
    opt("applicationDate", Type::Date),
    opt("transferDate", Type::Date),
    METADATA,
    opt("standIn", Type::Boolean),
];

const SEND_V2: Message = Message {
    root: "paSendRTV2Request",
    content: &[ID_PA, ID_BROKER, ID_STATION, group("receipt", RECEIPT)],
    required_when_ok: &[],
};

const DEMAND: Message = Message {
    root: "paDemandPaymentNoticeRequest",
    content: &[
        ID_PA,
        ID_BROKER,
        ID_STATION,
        one("idServizio", Type::FiveCharacters),
        one("idSoggettoServizio", Type::FiveCharacters),
        one("datiSpecificiServizioRequest", Type::Base64),
    ],
    required_when_ok: &[],
};

/// What is wrong with a request of ours; the root element comes back with it.
pub(crate) fn check(operation: Operation, request: &str) -> (xml::Node, Vec<String>) {
    let message = match operation {
        Operation::VerifyPaymentNotice => &VERIFY,
        Operation::GetPaymentV2 => &GET_V2,
        Operation::SendRtV2 => &SEND_V2,
        Operation::DemandPaymentNotice => &DEMAND,
        Operation::GetPayment => &GET,
        Operation::SendRt => &SEND,
    };
    let root = xml::parse(request.as_bytes())
        .and_then(envelope::open)
        .unwrap();
    assert!(root.is(PAF, message.root), "{root:?}");
    let mut problems = Vec::new();
    walk::walk(&root, message, &mut problems);
    (root, problems)
}
