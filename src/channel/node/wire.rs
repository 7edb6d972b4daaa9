//! The node's messages: read strictly by the schema for verify and get, leniently for receipts.
//!
//! Field names keep the spelling of pagoPA here and nowhere else. Source: `wsdl/paForNode.xsd`.

use crate::desk::journal::Subject;
use crate::desk::journal::search::RECEIPT_ID;
use crate::domain::creditor::{Addressee, TransferType};
use crate::domain::day::Day;
use crate::domain::money::Cents;
use crate::domain::notice::NoticeNumber;
use crate::domain::party::CreditorCode;
use crate::domain::text::cut;
use crate::wire::Malformed;
use crate::wire::xml::Element;

/// The namespace of the messages. Only their root elements are in it.
pub(super) const PA_FOR_NODE: &str = "http://pagopa-api.pagopa.gov.it/pa/paForNode.xsd";

/// What the node can ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    /// `paVerifyPaymentNotice`
    Verify,
    /// `paGetPayment`, `paGetPaymentV2`
    Get(Version),
    /// `paSendRT`, `paSendRTV2`
    Receipt(Version),
    /// `paDemandPaymentNotice`
    Demand,
}

/// Two generations of the same message. The node may mix them: a V1 get can be closed by a V2
/// receipt, and the other way round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// The first.
    V1,
    /// The second: names of the beneficiaries, stamps, `IBANAPPOGGIO`.
    V2,
}

impl Operation {
    /// Its name in pagoPA's words.
    pub(super) fn name(self) -> &'static str {
        match self {
            Operation::Verify => "paVerifyPaymentNotice",
            Operation::Get(Version::V1) => "paGetPayment",
            Operation::Get(Version::V2) => "paGetPaymentV2",
            Operation::Receipt(Version::V1) => "paSendRT",
            Operation::Receipt(Version::V2) => "paSendRTV2",
            Operation::Demand => "paDemandPaymentNotice",
        }
    }

    /// The root element of its reply.
    pub(super) fn reply(self) -> &'static str {
        match self {
            Operation::Verify => "paVerifyPaymentNoticeRes",
            Operation::Get(Version::V1) => "paGetPaymentRes",
            Operation::Get(Version::V2) => "paGetPaymentV2Response",
            Operation::Receipt(Version::V1) => "paSendRTRes",
            Operation::Receipt(Version::V2) => "paSendRTV2Response",
            Operation::Demand => "paDemandPaymentNoticeResponse",
        }
    }

    /// The operation of a root element, by its local name: a wrong namespace is a syntax error *of
    /// that operation*.
    pub(super) fn of(element: &Element) -> Option<Operation> {
        match element.name.as_str() {
            "paVerifyPaymentNoticeReq" => Some(Operation::Verify),
            "paGetPaymentReq" => Some(Operation::Get(Version::V1)),
            "paGetPaymentV2Request" => Some(Operation::Get(Version::V2)),
            "paSendRTReq" => Some(Operation::Receipt(Version::V1)),
            "paSendRTV2Request" => Some(Operation::Receipt(Version::V2)),
            "paDemandPaymentNoticeRequest" => Some(Operation::Demand),
            _ => None,
        }
    }
}

/// `idPA`, `idBrokerPA`, `idStation`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub pa: String,
    pub broker: String,
    pub station: String,
}

/// `paVerifyPaymentNoticeReq`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verify {
    pub head: Head,
    pub creditor: CreditorCode,
    pub notice: NoticeNumber,
}

/// `paGetPaymentReq`, `paGetPaymentV2Request`. The amount, note and due date that the node repeats are checked and
/// not used: the answer is always what is due now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Get {
    pub verify: Verify,
    pub transfer_type: Option<TransferType>,
}

/// `paDemandPaymentNoticeRequest`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Demand {
    pub head: Head,
    /// `idServizio`
    pub service: String,
    /// `idSoggettoServizio`
    pub subject: String,
    /// `datiSpecificiServizioRequest`, out of its base64.
    pub data: Vec<u8>,
}

impl Head {
    /// Whom the message is addressed to, when `idPA` can be a creditor at all.
    pub(super) fn addressee<'a>(&'a self, creditor: &'a CreditorCode) -> Addressee<'a> {
        Addressee {
            broker: &self.broker,
            station: &self.station,
            creditor,
        }
    }
}

/// What a message is about, as far as it can be told without reading it strictly; for the journal.
pub(super) fn subject(element: &Element) -> Subject {
    let limited = |parent: Option<&Element>, name: &str, limit| {
        parent
            .and_then(|parent| parent.child(name))
            .map(|found| cut(found.text.trim(), limit).to_owned())
            .filter(|text| !text.is_empty())
    };
    let text = |parent, name| limited(parent, name, 35);
    let (qr, receipt) = (element.child("qrCode"), element.child("receipt"));
    Subject {
        operation: cut(&element.name, 35).to_owned(),
        creditor: text(Some(element), "idPA"),
        notice: text(qr, "noticeNumber").or_else(|| text(receipt, "noticeNumber")),
        reference: limited(receipt, "receiptId", RECEIPT_ID),
    }
}

/// Reads a verify.
///
/// # Errors
/// [`Malformed`] at the first departure from the schema.
pub(super) fn verify(element: &Element) -> Result<Verify, Malformed> {
    let mut fields = Fields::root(element)?;
    let verify = head_and_qr(&mut fields)?;
    fields.end()?;
    Ok(verify)
}

/// Reads a get.
///
/// # Errors
/// [`Malformed`] at the first departure from the schema.
pub(super) fn get(element: &Element) -> Result<Get, Malformed> {
    let mut fields = Fields::root(element)?;
    let verify = head_and_qr(&mut fields)?;
    // White space around numbers and dates collapses (xsd:decimal, xsd:date); around texts it counts.
    fields.optional("amount", "an amount such as 10.00", |t| {
        Cents::parse_point(t.trim())
    })?;
    fields.optional("paymentNote", "1 to 210 characters", |t| limited(t, 210))?;
    let transfer_type = fields.optional("transferType", "POSTAL or PAGOPA", |text| match text {
        "POSTAL" => Ok(TransferType::Postal),
        "PAGOPA" => Ok(TransferType::PagoPa),
        _ => Err(()),
    })?;
    fields.optional("dueDate", "a date", |t| Day::parse_xsd(t.trim()))?;
    fields.end()?;
    Ok(Get {
        verify,
        transfer_type,
    })
}

/// Reads a demand.
///
/// # Errors
/// [`Malformed`] at the first departure from the schema.
pub(super) fn demand(element: &Element) -> Result<Demand, Malformed> {
    let mut fields = Fields::root(element)?;
    let code = |text: &str| match text.chars().count() {
        5 => Ok(text.to_owned()),
        _ => Err(()),
    };
    let demand = Demand {
        head: head(&mut fields)?,
        service: fields.required("idServizio", "five characters", code)?,
        subject: fields.required("idSoggettoServizio", "five characters", code)?,
        data: fields.required("datiSpecificiServizioRequest", "base64", |text| {
            // White space inside base64 means nothing (xsd:base64Binary).
            let packed: String = text.split_ascii_whitespace().collect();
            openssl::base64::decode_block(&packed)
        })?,
    };
    fields.end()?;
    Ok(demand)
}

fn head(fields: &mut Fields<'_>) -> Result<Head, Malformed> {
    Ok(Head {
        pa: fields.required("idPA", "1 to 35 characters", |t| limited(t, 35))?,
        broker: fields.required("idBrokerPA", "1 to 35 characters", |t| limited(t, 35))?,
        station: fields.required("idStation", "1 to 35 characters", |t| limited(t, 35))?,
    })
}

fn head_and_qr(fields: &mut Fields<'_>) -> Result<Verify, Malformed> {
    let head = head(fields)?;
    let mut qr = fields.nested("qrCode")?;
    let creditor = qr.required("fiscalCode", "eleven digits", CreditorCode::parse)?;
    let notice = qr.required("noticeNumber", "eighteen digits", NoticeNumber::parse)?;
    qr.end()?;
    Ok(Verify {
        head,
        creditor,
        notice,
    })
}

/// A text of 1 to `limit` characters, blanks counted.
pub(super) fn limited(text: &str, limit: usize) -> Result<String, ()> {
    match text.chars().count() {
        count if (1..=limit).contains(&count) => Ok(text.to_owned()),
        _ => Err(()),
    }
}

/// Reads the children of an element in the order of the schema.
struct Fields<'e> {
    path: String,
    offset: u64,
    rest: std::slice::Iter<'e, Element>,
}

impl<'e> Fields<'e> {
    /// The fields of a root element, which must be in the namespace of the messages.
    fn root(element: &'e Element) -> Result<Fields<'e>, Malformed> {
        if element.namespace.as_deref() != Some(PA_FOR_NODE) {
            return Err(Malformed {
                path: element.name.clone(),
                offset: element.offset,
                expected: format!("the namespace {PA_FOR_NODE}"),
                found: "another one or none".to_owned(),
            });
        }
        Fields::of(element, element.name.clone())
    }

    fn of(element: &'e Element, path: String) -> Result<Fields<'e>, Malformed> {
        let fields = Fields {
            path,
            offset: element.offset,
            rest: element.children.iter(),
        };
        if !element.text.trim().is_empty() {
            return Err(fields.wrong("only elements", "text"));
        }
        if element.has_attributes {
            return Err(fields.wrong("no attribute", "one"));
        }
        Ok(fields)
    }

    fn wrong(&self, expected: &str, found: &str) -> Malformed {
        Malformed {
            path: self.path.clone(),
            offset: self.offset,
            expected: expected.to_owned(),
            found: found.to_owned(),
        }
    }

    /// The next child when it has this name and, as the schema wants it, no namespace.
    fn take(&mut self, name: &str) -> Option<&'e Element> {
        let next = self.rest.as_slice().first()?;
        (next.name == name && next.namespace.is_none()).then(|| {
            self.rest.next();
            next
        })
    }

    fn read<T, E>(
        &self,
        element: &Element,
        expected: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, Malformed> {
        let wrong = |found: &str| Malformed {
            path: format!("{}/{}", self.path, element.name),
            offset: element.offset,
            expected: expected.to_owned(),
            found: found.to_owned(),
        };
        if !element.children.is_empty() || element.has_attributes {
            return Err(wrong("elements or attributes"));
        }
        parse(&element.text).map_err(|_| {
            wrong(if element.text.is_empty() {
                "nothing"
            } else {
                "another value"
            })
        })
    }

    fn required<T, E>(
        &mut self,
        name: &str,
        expected: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, Malformed> {
        match self.take(name) {
            Some(element) => self.read(element, expected, parse),
            None => Err(self.missing(name)),
        }
    }

    fn optional<T, E>(
        &mut self,
        name: &str,
        expected: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, Malformed> {
        self.take(name)
            .map(|element| self.read(element, expected, parse))
            .transpose()
    }

    fn nested(&mut self, name: &str) -> Result<Fields<'e>, Malformed> {
        match self.take(name) {
            Some(element) => Fields::of(element, format!("{}/{name}", self.path)),
            None => Err(self.missing(name)),
        }
    }

    fn missing(&self, name: &str) -> Malformed {
        match self.rest.as_slice().first() {
            Some(next) => Malformed {
                offset: next.offset,
                ..self.wrong(
                    &format!("the element {name} in no namespace"),
                    "another element",
                )
            },
            None => self.wrong(&format!("the element {name}"), "the end"),
        }
    }

    fn end(self) -> Result<(), Malformed> {
        match self.rest.as_slice().first() {
            None => Ok(()),
            Some(next) => Err(Malformed {
                offset: next.offset,
                ..self.wrong("the end of the element", "another element")
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::xml;

    const GOOD: &str = "<idPA>77777777777</idPA><idBrokerPA>77777777777</idBrokerPA>\
        <idStation>77777777777_01</idStation><qrCode><fiscalCode>77777777777</fiscalCode>\
        <noticeNumber>302000000000000153</noticeNumber></qrCode>";

    fn root(inside: &str) -> Element {
        let text = format!(
            "<p:paGetPaymentV2Request xmlns:p=\"{PA_FOR_NODE}\">{inside}</p:paGetPaymentV2Request>"
        );
        xml::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn optional_fields_are_read_in_their_order() {
        let all = format!(
            "{GOOD}<amount>10.00</amount><paymentNote>x</paymentNote>\
             <transferType>POSTAL</transferType><dueDate>2025-05-13+02:00</dueDate>"
        );
        assert_eq!(
            get(&root(&all)).unwrap().transfer_type,
            Some(TransferType::Postal)
        );
        assert_eq!(get(&root(GOOD)).unwrap().transfer_type, None);
    }

    #[test]
    fn departures_from_the_schema() {
        let table = [
            (GOOD.replace("<idPA>77777777777</idPA>", ""), "idPA"),
            (
                GOOD.replace("302000000000000153", "30200000000000015"),
                "eighteen digits",
            ),
            (
                GOOD.replace("302000000000000153", " 302000000000000153"),
                "eighteen digits",
            ),
            (
                GOOD.replace("302000000000000153", "3020000000000001AB"),
                "eighteen digits",
            ),
            (
                GOOD.replace("<fiscalCode>77777777777", "<fiscalCode>7777777777"),
                "eleven digits",
            ),
            (GOOD.replace("77777777777_01", ""), "1 to 35 characters"),
            (format!("{GOOD}<amount>10.0</amount>"), "an amount"),
            (format!("{GOOD}<amount>1e3</amount>"), "an amount"),
            (format!("{GOOD}<transferType>BANK</transferType>"), "POSTAL"),
            (
                format!("{GOOD}<transferType>POSTAL</transferType><amount>1.00</amount>"),
                "the end",
            ),
            (format!("{GOOD}<dueDate>tomorrow</dueDate>"), "a date"),
            (
                format!("{GOOD}<paymentNote>{}</paymentNote>", "x".repeat(211)),
                "210",
            ),
            (format!("{GOOD}<surprise/>"), "the end of the element"),
            (format!("text{GOOD}"), "only elements"),
            (GOOD.replace("<idPA>", "<idPA a=\"b\">"), "idPA"),
            (
                GOOD.replace("<qrCode>", "<qrCode xmlns=\"urn:x\">"),
                "no namespace",
            ),
        ];
        for (inside, expected) in table {
            let message = get(&root(&inside)).unwrap_err().to_string();
            assert!(message.contains(expected), "{message} for {expected}");
        }
    }

    #[test]
    fn the_root_must_be_in_its_namespace() {
        for open in ["<r>", "<r xmlns=\"urn:x\">"] {
            let element = xml::parse(format!("{open}{GOOD}</r>").as_bytes()).unwrap();
            assert!(verify(&element).is_err(), "{open}");
        }
    }
}
