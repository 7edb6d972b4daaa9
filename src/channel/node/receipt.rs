//! Receipts (*ricevute telematiche*): read leniently, recorded always.
//!
//! What a receipt must have to be booked: its id, notice number, creditor, outcome and amount.
//! Everything else may be missing, unknown or in another order; then the payment is recorded all the
//! same, and finance is told. Only a receipt that is provably not ours (another broker, another
//! creditor) or that cannot be read is answered KO, because a KO makes the node give it up.

use super::fault::Fault;
use super::wire::{Head, PA_FOR_NODE, Version, limited};
use super::{Door, Spoken, refuse, reply};
use crate::desk::collect::{Collected, Content, Deposit};
use crate::desk::journal::Call;
use crate::domain::creditor::Creditor;
use crate::domain::day::{Day, Instant};
use crate::domain::money::Cents;
use crate::domain::notice::NoticeNumber;
use crate::domain::party::{CreditorCode, FiscalCode};
use crate::domain::payment::{Case, CaseCode, Channel, Collection, Outcome};
use crate::domain::refusal::Refusal;
use crate::wire::Malformed;
use crate::wire::digest::sha256;
use crate::wire::xml::Element;

impl Door {
    /// Records a receipt and answers it.
    pub(super) async fn receipt(&self, version: Version, element: &Element, call: Call) -> Spoken {
        let (content, fault) = match self.content(element, &call) {
            Ok(content) => (content, None),
            Err(fault) => {
                tracing::error!(
                    fault = fault.code,
                    document = %call.document,
                    "a receipt is refused for ever: it is kept, and is not for any creditor here"
                );
                (Content::Foreign, Some(fault))
            }
        };
        let deposit = Deposit {
            call,
            content,
            print: Box::new(move |collected, subject| {
                reply::receipt(version, answer(collected, fault.as_ref()), subject)
            }),
        };
        match self.desk.collect(deposit).await {
            Ok(reply) => Spoken::Recorded(reply),
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "a receipt could not be recorded; the node is asked to send it again"
                );
                Spoken::Now(refuse(503, "the receipt could not be recorded"))
            }
        }
    }

    /// What the receipt says.
    ///
    /// # Errors
    /// The fault to answer with when it is provably not ours, or cannot be told to be.
    fn content(&self, element: &Element, call: &Call) -> Result<Content, Fault> {
        let unreadable = |creditor: &Creditor, malformed: Malformed| {
            Content::Unbookable(Case {
                code: CaseCode::UnreadableReceipt,
                creditor: creditor.code.clone(),
                identity: sha256(&call.bytes),
                subject: call.document.to_string(),
                detail: malformed.to_string(),
            })
        };
        let head = match head(element) {
            Ok(head) => head,
            Err(malformed) => {
                return match self.presumed(element) {
                    Some(creditor) => Ok(unreadable(creditor, malformed)),
                    None => Err(Fault::from(malformed)),
                };
            }
        };
        let pa = CreditorCode::parse(&head.pa).map_err(|_| Refusal::WrongCreditor);
        let creditor = match &pa {
            Ok(pa) => self.desk.register().recipient(head.addressee(pa))?,
            Err(refusal) => return Err(Fault::from(*refusal)),
        };
        Ok(
            match collection(element, &head, creditor, call.started_at) {
                Ok(collection) => Content::Collection(Box::new(collection)),
                Err(malformed) => unreadable(creditor, malformed),
            },
        )
    }

    /// The creditor that a receipt with an unreadable head seems to be for, so that its finance
    /// office hears of it.
    fn presumed(&self, element: &Element) -> Option<&Creditor> {
        let receipt = element.child("receipt");
        [
            element.child("idPA"),
            receipt.and_then(|r| r.child("fiscalCode")),
        ]
        .into_iter()
        .flatten()
        .filter_map(|field| CreditorCode::parse(field.text.trim()).ok())
        .find_map(|code| self.desk.register().get(&code))
        .map(|creditor| &**creditor)
    }
}

/// The answer to what became of a receipt.
fn answer(collected: &Collected, foreign: Option<&Fault>) -> Result<(), Fault> {
    match collected {
        Collected::Recorded | Collected::Repeated => Ok(()),
        Collected::Conflict => Err(Fault::from(Refusal::Conflict)),
        Collected::Foreign => Err(foreign
            .cloned()
            .unwrap_or_else(|| Fault::from(Refusal::WrongCreditor))),
        Collected::Kept(detail) => Err(Fault {
            code: "PAA_SINTASSI_EXTRAXSD",
            string: "Errore di sintassi extra XSD",
            description: Some(detail.clone()),
        }),
    }
}

fn wrong(element: &Element, name: &str, expected: &str, found: &str) -> Malformed {
    Malformed {
        path: format!("{}/{name}", element.name),
        offset: element.offset,
        expected: expected.to_owned(),
        found: found.to_owned(),
    }
}

/// A field that must be there, wherever it stands.
fn required<T, E>(
    element: &Element,
    name: &str,
    expected: &str,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T, Malformed> {
    let field = element
        .child(name)
        .ok_or_else(|| wrong(element, name, expected, "nothing"))?;
    parse(field.text.trim()).map_err(|_| Malformed {
        offset: field.offset,
        ..wrong(element, name, expected, "another value")
    })
}

fn head(element: &Element) -> Result<Head, Malformed> {
    if element.namespace.as_deref() != Some(PA_FOR_NODE) {
        return Err(wrong(
            element,
            "",
            &format!("the namespace {PA_FOR_NODE}"),
            "another one or none",
        ));
    }
    let text = |name| required(element, name, "1 to 35 characters", |t| limited(t, 35));
    Ok(Head {
        pa: text("idPA")?,
        broker: text("idBrokerPA")?,
        station: text("idStation")?,
    })
}

/// The longest receipt id that is taken; the schema sets no limit, practice is 32 to 36.
const RECEIPT_ID_LIMIT: usize = 140;

fn collection(
    element: &Element,
    head: &Head,
    creditor: &Creditor,
    received_at: Instant,
) -> Result<Collection, Malformed> {
    let mut receipts = element.children.iter().filter(|c| c.name == "receipt");
    let receipt = match (receipts.next(), receipts.next()) {
        (Some(receipt), None) => receipt,
        (None, _) => return Err(wrong(element, "receipt", "one receipt", "none")),
        (Some(_), Some(_)) => return Err(wrong(element, "receipt", "one receipt", "several")),
    };
    let notice = required(
        receipt,
        "noticeNumber",
        "eighteen digits",
        NoticeNumber::parse,
    )?;
    let amount = required(receipt, "paymentAmount", "an amount", Cents::parse_point)?;
    let mut doubts = vec![];
    if !creditor.stations.contains(&head.station) {
        doubts.push(CaseCode::OtherStation);
    }
    if has_unknown(element, MESSAGE) {
        doubts.push(CaseCode::UnknownElements);
    }
    if !agrees(receipt, &notice, amount) || has_repeated(receipt) || lacks_proof(receipt) {
        doubts.push(CaseCode::Inconsistent);
    }
    Ok(Collection {
        creditor: creditor.code.clone(),
        channel: Channel::PagoPa,
        reference: required(receipt, "receiptId", "1 to 140 characters", |t| {
            limited(t, RECEIPT_ID_LIMIT)
        })?,
        notice,
        notice_creditor: required(receipt, "fiscalCode", "eleven digits", CreditorCode::parse)?,
        outcome: required(receipt, "outcome", "OK or KO", |text| match text {
            "OK" => Ok(Outcome::Paid),
            "KO" => Ok(Outcome::Failed),
            _ => Err(()),
        })?,
        amount,
        paid_at: paid_at(receipt).unwrap_or(received_at),
        payer: payer(receipt),
        psp: receipt
            .child("idPSP")
            .map_or("", |psp| psp.text.trim())
            .to_owned(),
        doubts,
        // The receipt alone: the same one sent to another station is still the same.
        fingerprint: sha256(receipt.canonical().as_bytes()),
    })
}

/// When it was paid: `paymentDateTime`, which is the legal proof for the payer (SACI, fund
/// transfers), else the day the PSP applied it.
fn paid_at(receipt: &Element) -> Option<Instant> {
    let field = |name: &str| receipt.child(name).map(|field| field.text.trim());
    field("paymentDateTime")
        .and_then(|text| Instant::parse_xsd_in_rome(text).ok())
        .or_else(|| {
            let day = Day::parse_xsd(field("applicationDate")?).ok()?;
            Instant::parse_xsd_in_rome(&format!("{day}T00:00:00")).ok()
        })
}

/// Who paid, when the receipt says so with a good fiscal code.
fn payer(receipt: &Element) -> Option<FiscalCode> {
    receipt
        .child("payer")?
        .child("uniqueIdentifier")?
        .child("entityUniqueIdentifierValue")
        .and_then(|value| FiscalCode::parse(value.text.trim()).ok())
}

/// Whether what proves the payment is missing or cannot be read: the PSP, and the moment when one
/// is given.
fn lacks_proof(receipt: &Element) -> bool {
    let psp = receipt.child("idPSP").map_or("", |psp| psp.text.trim());
    let is_wrong_moment = receipt
        .child("paymentDateTime")
        .is_some_and(|field| Instant::parse_xsd_in_rome(field.text.trim()).is_err());
    psp.is_empty() || is_wrong_moment
}

/// Whether an element that may stand only once stands several times anywhere inside.
fn has_repeated(element: &Element) -> bool {
    let is_list = |name: &str| matches!(name, "transfer" | "mapEntry");
    element.children.iter().enumerate().any(|(index, child)| {
        let earlier = element.children.iter().take(index);
        (!is_list(&child.name) && earlier.into_iter().any(|other| other.name == child.name))
            || has_repeated(child)
    })
}

/// Whether the IUV is that of the notice number and the transfers add up to the amount.
fn agrees(receipt: &Element, notice: &NoticeNumber, amount: Cents) -> bool {
    let iuv = receipt
        .child("creditorReferenceId")
        .is_some_and(|field| field.text.trim() == notice.iuv().as_str());
    let sum = receipt.child("transferList").and_then(|list| {
        list.children
            .iter()
            .filter(|child| child.name == "transfer")
            .try_fold(Cents::new(0), |sum, transfer| {
                // All of it is for the creditor of the notice.
                let beneficiary = transfer.child("fiscalCodePA")?.text.trim();
                let owner = receipt.child("fiscalCode")?.text.trim();
                let part = transfer.child("transferAmount")?;
                if beneficiary != owner {
                    return None;
                }
                sum.checked_add(Cents::parse_point(part.text.trim()).ok()?)
            })
    });
    iuv && sum == Some(amount)
}

/// The elements that a receipt may have, V1 and V2 together: a name, and what may stand inside.
struct Known(&'static str, &'static [Known]);

const METADATA: Known = Known(
    "metadata",
    &[Known("mapEntry", &[Known("key", &[]), Known("value", &[])])],
);

const PERSON: &[Known] = &[
    Known(
        "uniqueIdentifier",
        &[
            Known("entityUniqueIdentifierType", &[]),
            Known("entityUniqueIdentifierValue", &[]),
        ],
    ),
    Known("fullName", &[]),
    Known("streetName", &[]),
    Known("civicNumber", &[]),
    Known("postalCode", &[]),
    Known("city", &[]),
    Known("stateProvinceRegion", &[]),
    Known("country", &[]),
    Known("e-mail", &[]),
];

const TRANSFER: &[Known] = &[
    Known("idTransfer", &[]),
    Known("transferAmount", &[]),
    Known("fiscalCodePA", &[]),
    Known("companyName", &[]),
    Known("IBAN", &[]),
    Known("MBDAttachment", &[]),
    Known("remittanceInformation", &[]),
    Known("transferCategory", &[]),
    METADATA,
];

const RECEIPT: &[Known] = &[
    Known("receiptId", &[]),
    Known("noticeNumber", &[]),
    Known("fiscalCode", &[]),
    Known("outcome", &[]),
    Known("creditorReferenceId", &[]),
    Known("paymentAmount", &[]),
    Known("description", &[]),
    Known("companyName", &[]),
    Known("officeName", &[]),
    Known("debtor", PERSON),
    Known("transferList", &[Known("transfer", TRANSFER)]),
    Known("idPSP", &[]),
    Known("pspFiscalCode", &[]),
    Known("pspPartitaIVA", &[]),
    Known("PSPCompanyName", &[]),
    Known("idChannel", &[]),
    Known("channelDescription", &[]),
    Known("payer", PERSON),
    Known("paymentMethod", &[]),
    Known("paymentNote", &[]),
    Known("fee", &[]),
    Known("primaryCiIncurredFee", &[]),
    Known("idBundle", &[]),
    Known("idCiBundle", &[]),
    Known("paymentDateTime", &[]),
    Known("applicationDate", &[]),
    Known("transferDate", &[]),
    METADATA,
    Known("standIn", &[]),
];

const MESSAGE: &[Known] = &[
    Known("idPA", &[]),
    Known("idBrokerPA", &[]),
    Known("idStation", &[]),
    Known("receipt", RECEIPT),
];

/// Whether an element that we do not know stands anywhere inside.
fn has_unknown(element: &Element, known: &[Known]) -> bool {
    element.children.iter().any(|child| {
        known
            .iter()
            .find(|Known(name, _)| *name == child.name)
            .is_none_or(|Known(_, inside)| has_unknown(child, inside))
    })
}
