//! Debts (*posizioni debitorie*): their states, and what each event does to them.

use std::collections::{BTreeMap, HashMap};

use super::day::{Day, Instant};
use super::ids::{DebtId, PaymentId};
use super::money::Cents;
use super::notice::NoticeNumber;
use super::party::{Child, CreditorCode, Payer};
use super::payment::{CaseCode, Collection, Mode, Outcome};
use super::refusal::Refusal;
use super::transfer::Shares;

/// What the money is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DebtKind {
    /// Credit bought before the meals are eaten.
    TopUp,
}

impl DebtKind {
    /// The word in the API and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            DebtKind::TopUp => "top_up",
        }
    }

    /// The kind written as [`DebtKind::as_str`] writes it.
    pub fn parse(text: &str) -> Option<DebtKind> {
        match text {
            "top_up" => Some(DebtKind::TopUp),
            _ => None,
        }
    }
}

/// Where a debt stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DebtState {
    /// It can be paid, as long as its last day has not passed.
    Open,
    /// It was paid.
    Paid {
        /// By which payment.
        payment: PaymentId,
        /// When that payment was recorded.
        at: Instant,
    },
    /// The creditor says that it was settled off the rails.
    Settled {
        /// How.
        elsewhere: Elsewhere,
        /// When we were told.
        at: Instant,
    },
    /// The creditor withdrew it.
    Cancelled {
        /// When.
        at: Instant,
    },
    /// Its last day passed and it was closed.
    Expired {
        /// When it was closed.
        at: Instant,
    },
}

/// How a debt was settled off the rails, as its creditor says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elsewhere {
    /// By what means.
    pub means: Means,
    /// The creditor's own reference, such as the number of a receipt; 1–70 characters.
    pub reference: Option<String>,
    /// When it was paid.
    pub paid_at: Instant,
}

/// Means of payment that are not ours to follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Means {
    /// Notes and coins.
    Cash,
    /// A card at a terminal of the creditor.
    Pos,
    /// A bank transfer to the creditor.
    BankTransfer,
    /// Anything else.
    Other,
}

impl Means {
    /// All means.
    pub const ALL: [Means; 4] = [Means::Cash, Means::Pos, Means::BankTransfer, Means::Other];

    /// The word in the API and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Means::Cash => "cash",
            Means::Pos => "pos",
            Means::BankTransfer => "bank_transfer",
            Means::Other => "other",
        }
    }

    /// The means written as [`Means::as_str`] writes it.
    pub fn parse(text: &str) -> Option<Means> {
        Means::ALL.into_iter().find(|means| means.as_str() == text)
    }
}

/// The state the portal sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublicState {
    /// Can be paid.
    Open,
    /// Was paid.
    Paid,
    /// Withdrawn.
    Cancelled,
    /// Its last day has passed.
    Expired,
}

impl PublicState {
    /// The word in the API and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            PublicState::Open => "open",
            PublicState::Paid => "paid",
            PublicState::Cancelled => "cancelled",
            PublicState::Expired => "expired",
        }
    }

    /// The state written as [`PublicState::as_str`] writes it.
    pub fn parse(text: &str) -> Option<PublicState> {
        [
            PublicState::Open,
            PublicState::Paid,
            PublicState::Cancelled,
            PublicState::Expired,
        ]
        .into_iter()
        .find(|state| state.as_str() == text)
    }
}

/// What is asked for when a debt is opened, checked field by field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// What for.
    pub kind: DebtKind,
    /// The service's code.
    pub service: String,
    /// The portal's own id, unique within the creditor.
    pub external_id: Option<String>,
    /// The child.
    pub child: Child,
    /// Who owes it.
    pub payer: Payer,
    /// How much.
    pub amount: Cents,
    /// Who receives it.
    pub shares: Shares,
    /// Data of the portal that the node carries along: up to [`MOST_METADATA`] keys and values of
    /// 1–140 characters.
    pub metadata: BTreeMap<String, String>,
    /// The text for people, 1–140 characters, without personal data.
    pub description: String,
    /// The day by which it should be paid.
    pub due_on: Day,
    /// The day before which nobody may see it; from the beginning when absent.
    pub publish_on: Option<Day>,
    /// The last day on which it can be paid.
    pub payable_until: Day,
}

/// Most entries of an order's metadata (`ctMetadata`).
pub const MOST_METADATA: usize = 15;

/// What is changed of an open debt; nothing means that it stays.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// How much.
    pub amount: Option<Cents>,
    /// Who receives it; needed with a new amount when the debt has shares.
    pub shares: Option<Shares>,
    /// The day by which it should be paid.
    pub due_on: Option<Day>,
    /// The text for people.
    pub description: Option<String>,
}

/// A debt with its notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Debt {
    /// Our id.
    pub id: DebtId,
    /// To whom it is owed.
    pub creditor: CreditorCode,
    /// What was asked for.
    pub order: Order,
    /// The number on its notice.
    pub notice: NoticeNumber,
    /// When it was opened.
    pub created_at: Instant,
    /// Where it stands.
    pub state: DebtState,
}

/// What is due now, for a verify or a get; nothing is reserved by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quote<'a> {
    /// The debt.
    pub debt: &'a Debt,
    /// How much is due today.
    pub amount: Cents,
}

/// What a payment does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Booking {
    /// Whether the debt becomes paid.
    pub closes: bool,
    /// What the child is credited with.
    pub credit: Option<Cents>,
    /// What finance must look at.
    pub cases: Vec<CaseCode>,
}

impl Debt {
    /// The state the portal sees on this day: an open debt whose last day has passed is expired,
    /// whether or not it has been closed yet.
    pub fn public_state(&self, today: Day) -> PublicState {
        match self.state {
            DebtState::Open if today > self.order.payable_until => PublicState::Expired,
            DebtState::Open => PublicState::Open,
            DebtState::Paid { .. } | DebtState::Settled { .. } => PublicState::Paid,
            DebtState::Cancelled { .. } => PublicState::Cancelled,
            DebtState::Expired { .. } => PublicState::Expired,
        }
    }

    /// What is due today.
    ///
    /// # Errors
    /// [`Refusal::Unknown`] before the day of publication, else by state
    /// [`Refusal::AlreadyPaid`], [`Refusal::Cancelled`] or [`Refusal::Expired`].
    pub fn quote(&self, today: Day) -> Result<Quote<'_>, Refusal> {
        match self.public_state(today) {
            PublicState::Paid => Err(Refusal::AlreadyPaid),
            _ if self.order.publish_on.is_some_and(|day| today < day) => Err(Refusal::Unknown),
            PublicState::Cancelled => Err(Refusal::Cancelled),
            PublicState::Expired => Err(Refusal::Expired),
            PublicState::Open => Ok(Quote {
                debt: self,
                amount: self.order.amount,
            }),
        }
    }

    /// Whether the creditor may withdraw it. Cancelling twice is the same as once.
    ///
    /// # Errors
    /// [`Refusal::AlreadyPaid`]; an expired debt may be cancelled.
    pub fn cancel(&self) -> Result<(), Refusal> {
        match self.state {
            DebtState::Paid { .. } | DebtState::Settled { .. } => Err(Refusal::AlreadyPaid),
            DebtState::Open | DebtState::Cancelled { .. } | DebtState::Expired { .. } => Ok(()),
        }
    }

    /// What is owed after a change, which only an open debt takes.
    ///
    /// # Errors
    /// [`Refusal::AlreadyPaid`], [`Refusal::Cancelled`] or [`Refusal::Expired`].
    pub fn change(&self, change: Change, today: Day) -> Result<Order, Refusal> {
        match self.public_state(today) {
            PublicState::Paid => return Err(Refusal::AlreadyPaid),
            PublicState::Cancelled => return Err(Refusal::Cancelled),
            PublicState::Expired => return Err(Refusal::Expired),
            PublicState::Open => {}
        }
        let order = self.order.clone();
        let due_on = change.due_on.unwrap_or(order.due_on);
        Ok(Order {
            amount: change.amount.unwrap_or(order.amount),
            shares: change.shares.unwrap_or(order.shares),
            description: change.description.unwrap_or(order.description),
            due_on,
            payable_until: match order.payable_until {
                Day::NEVER => Day::NEVER,
                _ => due_on,
            },
            ..order
        })
    }

    /// Whether the creditor's word that it was settled elsewhere is news. Saying it twice is the
    /// same as once.
    ///
    /// # Errors
    /// [`Refusal::AlreadyPaid`] when it was paid, or settled in another way;
    /// [`Refusal::Cancelled`].
    pub fn settle(&self, elsewhere: &Elsewhere) -> Result<bool, Refusal> {
        match &self.state {
            DebtState::Open | DebtState::Expired { .. } => Ok(true),
            DebtState::Settled {
                elsewhere: known, ..
            } if known == elsewhere => Ok(false),
            DebtState::Paid { .. } | DebtState::Settled { .. } => Err(Refusal::AlreadyPaid),
            DebtState::Cancelled { .. } => Err(Refusal::Cancelled),
        }
    }
}

/// What a payment does to the debt it names. Money that has moved is always recorded; this decides
/// only what else happens.
pub fn book(debt: Option<&Debt>, collection: &Collection) -> Booking {
    let mut booking = decide(debt, collection);
    booking.cases.extend(&collection.doubts);
    if collection.mode == Mode::StandIn {
        booking.cases.push(CaseCode::StandIn);
    }
    booking.cases.sort_unstable();
    booking.cases.dedup();
    booking
}

fn decide(debt: Option<&Debt>, collection: &Collection) -> Booking {
    let only = |case| Booking {
        closes: false,
        credit: None,
        cases: vec![case],
    };
    if collection.outcome == Outcome::Failed {
        return only(CaseCode::FailedOutcome);
    }
    if collection.notice_creditor != collection.creditor {
        let mut booking = only(CaseCode::SecondaryBeneficiary);
        if collection.own() <= Cents::new(0) {
            booking.cases.push(CaseCode::Inconsistent);
        }
        return booking;
    }
    if collection.amount <= Cents::new(0) {
        return only(CaseCode::NothingPaid);
    }
    let Some(debt) = debt else {
        return only(CaseCode::UnknownNotice);
    };
    match debt.state {
        DebtState::Paid { .. } | DebtState::Settled { .. } => only(CaseCode::SecondPayment),
        DebtState::Cancelled { .. } => only(CaseCode::CancelledNotice),
        DebtState::Open | DebtState::Expired { .. } => {
            let mut cases = vec![];
            if collection.amount != debt.order.amount {
                cases.push(CaseCode::AmountDiffers);
            } else if !is_same_split(&collection.split, &debt.split()) {
                cases.push(CaseCode::Inconsistent);
            }
            Booking {
                closes: true,
                credit: Some(collection.amount),
                cases,
            }
        }
    }
}

/// Whether everybody receives what was ordered, in whatever order and number of transfers. A split
/// that cannot be read is a doubt of its own already.
fn is_same_split(paid: &[(CreditorCode, Cents)], ordered: &[(CreditorCode, Cents)]) -> bool {
    fn sums(split: &[(CreditorCode, Cents)]) -> HashMap<&CreditorCode, i64> {
        let mut sums = HashMap::new();
        for (creditor, part) in split {
            let sum: &mut i64 = sums.entry(creditor).or_default();
            *sum = sum.saturating_add(part.get());
        }
        sums
    }
    paid.is_empty() || sums(paid) == sums(ordered)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::party::{Email, FiscalCode};
    use crate::domain::payment::Channel;

    fn day(text: &str) -> Day {
        Day::parse(text).unwrap()
    }

    fn debt(state: &str, publish_on: Option<&str>) -> Debt {
        let at = Instant::from_millis(0);
        let code = FiscalCode::parse("RSSMRA55S17H501W").unwrap();
        Debt {
            id: DebtId::new("d1"),
            creditor: CreditorCode::parse("77777777777").unwrap(),
            notice: NoticeNumber::parse("302000000000000153").unwrap(),
            created_at: at,
            state: match state {
                "open" => DebtState::Open,
                "paid" => DebtState::Paid {
                    payment: PaymentId::new("p1"),
                    at,
                },
                "cancelled" => DebtState::Cancelled { at },
                "expired" => DebtState::Expired { at },
                other => panic!("{other}"),
            },
            order: Order {
                kind: DebtKind::TopUp,
                service: "refezione".to_owned(),
                external_id: None,
                child: Child {
                    code: "50004".to_owned(),
                    name: "G".to_owned(),
                    fiscal_code: code.clone(),
                },
                payer: Payer {
                    name: "M".to_owned(),
                    fiscal_code: code,
                    email: Email::parse("m@example.org").unwrap(),
                    address: None,
                },
                amount: Cents::new(5_000),
                shares: Shares::whole(),
                metadata: BTreeMap::new(),
                description: "Ricarica".to_owned(),
                due_on: day("2026-12-31"),
                publish_on: publish_on.map(day),
                payable_until: day("2026-12-31"),
            },
        }
    }

    /// state, published on, today → what a verify hears
    #[test]
    fn quotes() {
        let table = [
            ("open", None, "2026-12-01", Ok(5_000)),
            ("open", None, "2026-12-31", Ok(5_000)),
            ("open", None, "2027-01-01", Err(Refusal::Expired)),
            (
                "open",
                Some("2026-12-05"),
                "2026-12-04",
                Err(Refusal::Unknown),
            ),
            ("open", Some("2026-12-05"), "2026-12-05", Ok(5_000)),
            ("paid", None, "2026-12-01", Err(Refusal::AlreadyPaid)),
            (
                "paid",
                Some("2026-12-05"),
                "2026-12-01",
                Err(Refusal::AlreadyPaid),
            ),
            ("paid", None, "2027-12-01", Err(Refusal::AlreadyPaid)),
            ("cancelled", None, "2026-12-01", Err(Refusal::Cancelled)),
            ("cancelled", None, "2027-12-01", Err(Refusal::Cancelled)),
            (
                "cancelled",
                Some("2026-12-05"),
                "2026-12-01",
                Err(Refusal::Unknown),
            ),
            ("expired", None, "2026-12-01", Err(Refusal::Expired)),
        ];
        for (state, publish_on, today, expected) in table {
            let quoted = debt(state, publish_on)
                .quote(day(today))
                .map(|quote| quote.amount.get());
            assert_eq!(quoted, expected, "{state} {publish_on:?} {today}");
        }
    }

    /// state → whether it may be cancelled
    #[test]
    fn cancelling() {
        for (state, expected) in [
            ("open", Ok(())),
            ("cancelled", Ok(())),
            ("expired", Ok(())),
            ("paid", Err(Refusal::AlreadyPaid)),
        ] {
            assert_eq!(debt(state, None).cancel(), expected, "{state}");
        }
    }

    /// state, cents paid, outcome, for whom → closes, cents credited, case
    #[test]
    fn bookings() {
        use CaseCode::{
            AmountDiffers, CancelledNotice, FailedOutcome, NothingPaid, SecondPayment,
            SecondaryBeneficiary, UnknownNotice,
        };
        use Outcome::{Failed, Paid};
        let table = [
            ("open", 5_000, Paid, "77777777777", true, Some(5_000), None),
            (
                "open",
                4_999,
                Paid,
                "77777777777",
                true,
                Some(4_999),
                Some(AmountDiffers),
            ),
            (
                "expired",
                5_000,
                Paid,
                "77777777777",
                true,
                Some(5_000),
                None,
            ),
            (
                "expired",
                1,
                Paid,
                "77777777777",
                true,
                Some(1),
                Some(AmountDiffers),
            ),
            (
                "paid",
                5_000,
                Paid,
                "77777777777",
                false,
                None,
                Some(SecondPayment),
            ),
            (
                "cancelled",
                5_000,
                Paid,
                "77777777777",
                false,
                None,
                Some(CancelledNotice),
            ),
            (
                "none",
                5_000,
                Paid,
                "77777777777",
                false,
                None,
                Some(UnknownNotice),
            ),
            (
                "open",
                5_000,
                Failed,
                "77777777777",
                false,
                None,
                Some(FailedOutcome),
            ),
            (
                "none",
                5_000,
                Failed,
                "77777777777",
                false,
                None,
                Some(FailedOutcome),
            ),
            (
                "open",
                0,
                Paid,
                "77777777777",
                false,
                None,
                Some(NothingPaid),
            ),
            (
                "none",
                5_000,
                Paid,
                "11111111111",
                false,
                None,
                Some(SecondaryBeneficiary),
            ),
        ];
        for (state, cents, outcome, owner, closes, credit, case) in table {
            let debt = (state != "none").then(|| debt(state, None));
            let collection = Collection {
                creditor: CreditorCode::parse("77777777777").unwrap(),
                channel: Channel::PagoPa,
                reference: "r1".to_owned(),
                notice: NoticeNumber::parse("302000000000000153").unwrap(),
                notice_creditor: CreditorCode::parse(owner).unwrap(),
                outcome,
                amount: Cents::new(cents),
                split: vec![],
                mode: Mode::Ordinary,
                paid_at: Instant::from_millis(0),
                payer: None,
                psp: "PSP".to_owned(),
                doubts: vec![],
                fingerprint: String::new(),
                origin: crate::domain::payment::Origin::Node,
            };
            let expected = Booking {
                closes,
                credit: credit.map(Cents::new),
                cases: case.into_iter().collect(),
            };
            assert_eq!(
                book(debt.as_ref(), &collection),
                expected,
                "{state} {cents} {owner}"
            );
        }
    }
}
