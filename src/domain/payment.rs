//! Payments: money that has moved, on whatever rail, and what it becomes in the meal ledger.

use std::fmt;

pub use super::case::{Case, CaseCode};
use super::day::Instant;
use super::ids::{DebtId, EntryId, PaymentId};
use super::money::Cents;
use super::notice::NoticeNumber;
use super::party::{CreditorCode, FiscalCode};
use super::transfer::Split;

/// The rail a payment came over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Channel {
    /// pagoPA, online or with a printed notice.
    PagoPa,
}

impl Channel {
    /// The word in the ledger's API and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Channel::PagoPa => "pagopa",
        }
    }

    /// The channel written as [`Channel::as_str`] writes it.
    pub fn parse(text: &str) -> Option<Channel> {
        match text {
            "pagopa" => Some(Channel::PagoPa),
            _ => None,
        }
    }

    /// Whether a payment over this rail can be deducted from income tax (a traceable means,
    /// law 160/2019 art. 1 c. 679).
    pub fn is_traceable(self) -> bool {
        match self {
            Channel::PagoPa => true,
        }
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the other side says of the payment it reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The money was taken.
    Paid,
    /// It was not. Nothing of the kind is expected from pagoPA, which sends only good receipts.
    Failed,
}

/// How the node came to a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// It asked us what is due.
    Ordinary,
    /// It could not ask us, and took what pagoPA's archive of notices holds.
    StandIn,
}

impl Mode {
    /// The word in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Ordinary => "ordinary",
            Mode::StandIn => "stand_in",
        }
    }
}

/// Where the message about a payment came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The rail itself delivered it: the measure of all others.
    Node,
    /// We looked it up at BizEvents, which tells the same in other words and less of it.
    BizEvents,
    /// We looked it up among the receipts of GPD.
    Gpd,
}

impl Origin {
    /// The word in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Origin::Node => "node",
            Origin::BizEvents => "bizevents",
            Origin::Gpd => "gpd",
        }
    }

    /// The origin written as [`Origin::as_str`] writes it.
    pub fn parse(text: &str) -> Option<Origin> {
        [Origin::Node, Origin::BizEvents, Origin::Gpd]
            .into_iter()
            .find(|origin| origin.as_str() == text)
    }

    /// Whether we looked for it, so that its spelling proves nothing.
    pub fn is_found(self) -> bool {
        match self {
            Origin::Node => false,
            Origin::BizEvents | Origin::Gpd => true,
        }
    }
}

/// A payment that is recorded, as far as another message under its reference must agree with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Our id of the payment.
    pub payment: PaymentId,
    /// The fingerprint of its message.
    pub fingerprint: String,
    /// Where that message came from.
    pub origin: Origin,
    /// Whether the rail has delivered its own message since.
    pub is_confirmed: bool,
    /// The notice.
    pub notice: NoticeNumber,
    /// Whose notice.
    pub notice_creditor: CreditorCode,
    /// The outcome.
    pub outcome: Outcome,
    /// The amount.
    pub amount: Cents,
}

/// What a message is to a payment that is recorded under the same reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sameness {
    /// The same again.
    Same,
    /// The rail's own message, where we had one that we found: they agree in what both must say.
    Confirms,
    /// Another payment under the same reference.
    Conflict,
}

impl Known {
    /// What this message is. Two messages of the rail are the same when their fingerprints are; one
    /// that was found tells the same in other words, so there notice, outcome and amount decide.
    pub fn compare(&self, collection: &Collection) -> Sameness {
        let agrees = self.notice == collection.notice
            && self.notice_creditor == collection.notice_creditor
            && self.outcome == collection.outcome
            && self.amount == collection.amount;
        let measures = !self.origin.is_found() || self.is_confirmed;
        match (agrees, collection.origin.is_found()) {
            (true, true) => Sameness::Same,
            (true, false) if !measures => Sameness::Confirms,
            (true, false) if self.fingerprint == collection.fingerprint => Sameness::Same,
            _ => Sameness::Conflict,
        }
    }
}

/// A payment as a rail hands it to the desk, whatever the rail.
#[derive(Debug, Clone)]
pub struct Collection {
    /// Whom the money is for.
    pub creditor: CreditorCode,
    /// The rail.
    pub channel: Channel,
    /// The rail's own name for the payment, unique within creditor and channel (`receiptId`).
    pub reference: String,
    /// The notice it pays.
    pub notice: NoticeNumber,
    /// The creditor the notice belongs to; another one when we are only a secondary beneficiary.
    pub notice_creditor: CreditorCode,
    /// Whether the money was taken.
    pub outcome: Outcome,
    /// How much was paid in all.
    pub amount: Cents,
    /// Who received how much of it, as far as it is told; empty when it cannot be read.
    pub split: Split,
    /// How the node came to it.
    pub mode: Mode,
    /// When, as the PSP says.
    pub paid_at: Instant,
    /// Who paid, when the rail says so and the code is a good one.
    pub payer: Option<FiscalCode>,
    /// The PSP's identifier, for finance.
    pub psp: String,
    /// Doubts of the rail itself, to be shown to finance whatever becomes of the payment.
    pub doubts: Vec<CaseCode>,
    /// The fingerprint of what the message says, free of its spelling: two messages with one
    /// reference and one fingerprint are the same message.
    pub fingerprint: String,
    /// Where the message came from.
    pub origin: Origin,
}

impl Collection {
    /// What of it is the creditor's: its own transfers, or all of it when they cannot be read.
    pub fn own(&self) -> Cents {
        if self.split.is_empty() {
            return self.amount;
        }
        self.split
            .iter()
            .filter(|(beneficiary, _)| *beneficiary == self.creditor)
            .try_fold(Cents::new(0), |sum, (_, part)| sum.checked_add(*part))
            .unwrap_or(self.amount)
    }
}

/// A payment that is recorded.
#[derive(Debug, Clone)]
pub struct Payment {
    /// Our id.
    pub id: PaymentId,
    /// The debt it belongs to, when there is one.
    pub debt: Option<DebtId>,
    /// As it was reported.
    pub collection: Collection,
    /// When we recorded it.
    pub recorded_at: Instant,
}

/// What an entry does to a child's balance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// Raises it.
    Credit,
}

impl EntryKind {
    /// The word in the ledger's API and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            EntryKind::Credit => "credit",
        }
    }
}

/// A line owed to the meal ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerEntry {
    /// Our id, and the idempotency key at the ledger.
    pub id: EntryId,
    /// The payment it comes from.
    pub payment: PaymentId,
    /// The creditor.
    pub creditor: CreditorCode,
    /// The child's code in the meal system.
    pub child: String,
    /// The service's code.
    pub service: String,
    /// What it does.
    pub kind: EntryKind,
    /// How much; signed.
    pub amount: Cents,
    /// The rail.
    pub channel: Channel,
    /// The rail's name for the payment.
    pub reference: String,
    /// The notice that was paid.
    pub notice: NoticeNumber,
    /// When it was paid.
    pub paid_at: Instant,
    /// Who paid, for the tax return; nothing when the receipt does not say it.
    pub payer: Option<FiscalCode>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_is_compared_by_what_it_must_say() {
        use Origin::{BizEvents, Gpd, Node};
        use Sameness::{Confirms, Conflict, Same};
        let known = |origin, is_confirmed| Known {
            payment: PaymentId::new("p"),
            fingerprint: "f1".to_owned(),
            origin,
            is_confirmed,
            notice: NoticeNumber::parse("302000000000000153").unwrap(),
            notice_creditor: CreditorCode::parse("77777777777").unwrap(),
            outcome: Outcome::Paid,
            amount: Cents::new(5_000),
        };
        let message = |origin, fingerprint: &str, cents| Collection {
            creditor: CreditorCode::parse("77777777777").unwrap(),
            channel: Channel::PagoPa,
            reference: "r".to_owned(),
            notice: NoticeNumber::parse("302000000000000153").unwrap(),
            notice_creditor: CreditorCode::parse("77777777777").unwrap(),
            outcome: Outcome::Paid,
            amount: Cents::new(cents),
            paid_at: Instant::from_millis(0),
            payer: None,
            psp: String::new(),
            doubts: vec![],
            fingerprint: fingerprint.to_owned(),
            split: vec![],
            mode: Mode::Ordinary,
            origin,
        };
        let table = [
            (known(Node, false), Node, "f1", 5_000, Same),
            (known(Node, false), Node, "f2", 5_000, Conflict),
            (known(Node, false), BizEvents, "f2", 5_000, Same),
            (known(Node, false), BizEvents, "f2", 4_999, Conflict),
            (known(BizEvents, false), Node, "f2", 5_000, Confirms),
            (known(BizEvents, false), Node, "f2", 4_999, Conflict),
            (known(BizEvents, false), Gpd, "f2", 5_000, Same),
            (known(BizEvents, true), Node, "f1", 5_000, Same),
            (known(BizEvents, true), Node, "f2", 5_000, Conflict),
            (known(BizEvents, true), BizEvents, "f3", 5_000, Same),
        ];
        for (known, origin, fingerprint, cents, expected) in table {
            let message = message(origin, fingerprint, cents);
            assert_eq!(known.compare(&message), expected, "{known:?} {message:?}");
        }
    }

    #[test]
    fn channels_are_read_back() {
        assert_eq!(
            Channel::parse(Channel::PagoPa.as_str()),
            Some(Channel::PagoPa)
        );
    }
}
