//! What an answer of BizEvents or GPD means for a hunt.

use super::bizevents;
use crate::domain::payment::Collection;
use crate::platform::Answer;
use crate::store::hunts::{Ask, Hunt};
use crate::wire::xml::{self, Element};
use crate::wire::{Malformed, soap};

/// What was found.
pub(super) enum Found {
    /// A receipt that can be booked.
    Receipt(Box<Collection>),
    /// The receipt of this payment, which lacks what booking needs.
    Unreadable(Malformed),
}

/// What an answer means.
pub(super) enum Weighed {
    /// The receipt.
    Found(Found),
    /// The service has several under the receipt's id, and wants the IUV too.
    Several,
    /// It does not know it (yet), and says so.
    NotThere(String),
    /// It wants no calls; it is left alone, and the same question comes again.
    LeaveAlone,
    /// No answer that could be used, and why.
    Failed(String),
}

/// What this answer means, with the rules of the node's door to read a receipt.
pub(super) fn weigh(
    answer: &Answer,
    hunt: &Hunt,
    read: impl Fn(&Element) -> Result<Collection, Malformed>,
) -> Weighed {
    let Answer::Came { status, bytes, .. } = answer else {
        return Weighed::Failed(answer.outcome());
    };
    match status {
        200 => match receipt(bytes, hunt.ask) {
            Some(receipt) => match read(&receipt) {
                Ok(collection) => compare(hunt, collection),
                Err(malformed) => Weighed::Found(Found::Unreadable(malformed)),
            },
            None => Weighed::Failed("an answer that is no receipt".to_owned()),
        },
        401 | 403 | 429 => Weighed::LeaveAlone,
        422 if hunt.ask == Ask::Iur => Weighed::Several,
        400 | 404 | 422 => Weighed::NotThere(answer.outcome()),
        _ => Weighed::Failed(answer.outcome()),
    }
}

/// Whether it is the receipt of this payment. Under one receipt id there may be several, one for
/// each notice of a cart.
fn compare(hunt: &Hunt, collection: Collection) -> Weighed {
    let is_ours = hunt.iur.is_empty() || collection.reference == hunt.iur;
    let is_this = collection.notice.iuv().as_str() == hunt.iuv;
    match (is_ours && is_this, hunt.ask) {
        (true, _) => Weighed::Found(Found::Receipt(Box::new(collection))),
        (false, Ask::Iur) => Weighed::Several,
        (false, _) => Weighed::NotThere("the receipt of another payment".to_owned()),
    }
}

/// The element `receipt` of an answer, when there is one in it.
fn receipt(bytes: &[u8], ask: Ask) -> Option<Element> {
    match ask {
        // An answer without a receipt's id is not about a receipt, whatever else it is.
        Ask::Iur | Ask::IurAndIuv => bizevents::receipt(bytes)
            .ok()
            .filter(|receipt| receipt.child("receiptId").is_some()),
        Ask::Iuv => {
            // GPD keeps the message that went to pagoPA's own station, with or without its envelope.
            let message = soap::body(bytes).or_else(|_| xml::parse(bytes)).ok()?;
            match message.name.as_str() {
                "receipt" => Some(message),
                _ => message.child("receipt").cloned(),
            }
        }
    }
}
