//! What a payment does to the debt it names.

use std::collections::HashMap;

use super::{Debt, DebtState};
use crate::domain::money::Cents;
use crate::domain::party::CreditorCode;
use crate::domain::payment::{CaseCode, Collection, Mode, Outcome};

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
    use super::super::tests::debt;
    use super::*;
    use crate::domain::day::Instant;
    use crate::domain::notice::NoticeNumber;
    use crate::domain::payment::Channel;

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
