//! Receipts (*ricevute telematiche*): read leniently, recorded always.
//!
//! What a receipt must have to be booked: its id, notice number, creditor, outcome and amount.
//! Everything else may be missing, unknown or in another order; then the payment is recorded all the
//! same, and finance is told. Only a receipt that is provably not ours (another broker, another
//! creditor) or that cannot be read is answered KO, because a KO makes the node give it up.

mod known;

use self::known::{MESSAGE, has_unknown};
use super::fault::Fault;
use super::wire::{Head, Operation, PA_FOR_NODE, Version, limited};
use super::{Door, Spoken, refuse, reply};
use crate::desk::collect::{Collected, Content, Deposit};
use crate::desk::journal::Call;
use crate::domain::creditor::{Creditor, ReceiptPolicy, Register, Repeated};
use crate::domain::day::{Day, Instant};
use crate::domain::money::Cents;
use crate::domain::notice::NoticeNumber;
use crate::domain::party::{CreditorCode, FiscalCode};
use crate::domain::payment::{Case, CaseCode, Channel, Collection, Mode, Origin, Outcome};
use crate::domain::refusal::Refusal;
use crate::domain::transfer::Split;
use crate::point;
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
                (
                    Content::Foreign(self.misdirected(element, &call, &fault)),
                    Some(fault),
                )
            }
        };
        let policy = self.policy(&content);
        let repeated = policy.repeated;
        let guard = self.guard.clone();
        let deposit = Deposit {
            call,
            content,
            policy,
            print: Box::new(move |collected, subject| {
                let answer = answer(collected, repeated, fault.as_ref());
                let reply = reply::receipt(version, answer, subject);
                match guard.check(&reply.bytes, &Register::default()) {
                    Ok(()) => reply,
                    Err(why) => {
                        tracing::error!(
                            why,
                            "ALARM: a reply that the node would refuse was stopped"
                        );
                        reply::system_error(Operation::Receipt(version), subject)
                    }
                }
            }),
        };
        point::reach("receipt.parsed");
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

    /// What the creditor of a receipt wants of those that are not as they should be.
    fn policy(&self, content: &Content) -> ReceiptPolicy {
        let creditor = match content {
            Content::Collection(collection) => self.desk.register().get(&collection.creditor),
            Content::Unbookable(_) | Content::Foreign(_) => None,
        };
        creditor.map_or_else(ReceiptPolicy::default, |creditor| creditor.receipts.clone())
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

    /// The case of a receipt that is refused although the creditor it names is served here: the
    /// station has moved, and the configuration has not.
    fn misdirected(&self, element: &Element, call: &Call, fault: &Fault) -> Option<Case> {
        let creditor = self.presumed(element)?;
        Some(Case {
            code: CaseCode::MisdirectedReceipt,
            creditor: creditor.code.clone(),
            identity: sha256(&call.bytes),
            subject: call.document.to_string(),
            detail: fault.code.to_owned(),
        })
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
fn answer(collected: &Collected, repeated: Repeated, foreign: Option<&Fault>) -> Result<(), Fault> {
    match collected {
        Collected::Recorded => Ok(()),
        Collected::Repeated => match repeated {
            Repeated::Accepted => Ok(()),
            Repeated::Refused => Err(Fault::from(Refusal::Repeated)),
        },
        Collected::Refused(code) => Err(Fault::from(match code {
            CaseCode::OtherStation => Refusal::WrongStation,
            CaseCode::UnknownElements => Refusal::UnknownElements,
            _ => Refusal::Inconsistent,
        })),
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
    let split = split(receipt);
    let sums_up = split.as_ref().and_then(sum) == Some(amount);
    if !sums_up || !agrees(receipt, &notice) || has_repeated(receipt) || lacks_proof(receipt) {
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
        split: split.unwrap_or_default(),
        mode: mode(receipt),
        paid_at: paid_at(receipt).unwrap_or(received_at),
        payer: payer(receipt),
        psp: receipt
            .child("idPSP")
            .map_or("", |psp| psp.text.trim())
            .to_owned(),
        doubts,
        // The receipt alone: the same one sent to another station is still the same.
        fingerprint: sha256(receipt.canonical().as_bytes()),
        origin: Origin::Node,
    })
}

/// What a receipt says that the node has not delivered: somebody has looked it up for this creditor,
/// and gives its element `receipt`. It is read by the same rules; there is no station to doubt.
///
/// # Errors
/// It lacks what booking needs.
pub fn read_found(
    receipt: &Element,
    creditor: &Creditor,
    origin: Origin,
    received_at: Instant,
) -> Result<Collection, Malformed> {
    let head = Head {
        pa: creditor.code.to_string(),
        broker: creditor.broker.clone(),
        station: creditor.stations.first().cloned().unwrap_or_default(),
    };
    let message = Element {
        name: "receipt found".to_owned(),
        children: vec![receipt.clone()],
        ..Element::default()
    };
    let collection = collection(&message, &head, creditor, received_at)?;
    Ok(Collection {
        origin,
        ..collection
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

/// Whether the IUV is that of the notice number.
fn agrees(receipt: &Element, notice: &NoticeNumber) -> bool {
    receipt
        .child("creditorReferenceId")
        .is_some_and(|field| field.text.trim() == notice.iuv().as_str())
}

/// Who receives how much; nothing when a transfer cannot be read or there is none.
fn split(receipt: &Element) -> Option<Split> {
    let list = receipt.child("transferList")?;
    let transfers = list.children.iter().filter(|c| c.name == "transfer");
    let split = transfers.map(|transfer| {
        let text = |name| transfer.child(name).map(|field| field.text.trim());
        let beneficiary = CreditorCode::parse(text("fiscalCodePA")?).ok()?;
        Some((
            beneficiary,
            Cents::parse_point(text("transferAmount")?).ok()?,
        ))
    });
    split
        .collect::<Option<Split>>()
        .filter(|split| !split.is_empty())
}

fn sum(split: &Split) -> Option<Cents> {
    split
        .iter()
        .try_fold(Cents::new(0), |sum, (_, part)| sum.checked_add(*part))
}

/// Whether the node took the payment while it could not ask us (`standIn`).
fn mode(receipt: &Element) -> Mode {
    let flag = receipt.child("standIn").map(|flag| flag.text.trim());
    match flag {
        Some("true" | "1") => Mode::StandIn,
        _ => Mode::Ordinary,
    }
}
