//! Debts (*posizioni debitorie*): their states, and what each event does to them.

mod booking;
mod invoice;
mod state;

use std::collections::BTreeMap;

pub use booking::{Booking, book};
pub use invoice::{
    Invoice, InvoiceError, LARGEST_UNIT, LINE_TEXT, Line, MOST_LINES, MOST_PIECES, Period,
};
pub use state::{DebtKind, DebtState, Elsewhere, Means, PublicState};

use super::day::{Day, Instant};
use super::ids::DebtId;
use super::money::Cents;
use super::notice::NoticeNumber;
use super::party::{Child, CreditorCode, Payer};
use super::refusal::Refusal;
use super::transfer::Shares;

/// What is asked for when a debt is opened, checked field by field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// What for.
    pub kind: DebtKind,
    /// The month and its meals, of an invoice.
    pub invoice: Option<Invoice>,
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
    /// [`Refusal::AlreadyPaid`], [`Refusal::Cancelled`] or [`Refusal::Expired`];
    /// [`Refusal::Inconsistent`] when the shares would not add up any more.
    pub fn change(&self, change: Change, today: Day) -> Result<Order, Refusal> {
        match self.public_state(today) {
            PublicState::Paid => return Err(Refusal::AlreadyPaid),
            PublicState::Cancelled => return Err(Refusal::Cancelled),
            PublicState::Expired => return Err(Refusal::Expired),
            PublicState::Open => {}
        }
        let order = self.order.clone();
        let due_on = change.due_on.unwrap_or(order.due_on);
        let amount = change.amount.unwrap_or(order.amount);
        let shares = change.shares.unwrap_or(order.shares);
        // The amount of an invoice is that of its lines.
        if order.invoice.is_some() && amount != order.amount {
            return Err(Refusal::Inconsistent);
        }
        if !shares.make_up(amount) {
            return Err(Refusal::Inconsistent);
        }
        Ok(Order {
            amount,
            shares,
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::domain::ids::PaymentId;
    use crate::domain::party::{Email, FiscalCode};

    fn day(text: &str) -> Day {
        Day::parse(text).unwrap()
    }

    pub(in crate::domain) fn debt(state: &str, publish_on: Option<&str>) -> Debt {
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
                invoice: None,
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
}
