//! Reminders: when a payer hears again of a notice that is not paid.

use super::day::Day;
use super::debt::{Debt, PublicState};

/// Days for which a reminder may be late, when we did not run: later it would say what is not so any
/// more.
pub const LATE_DAYS: i32 = 2;

/// Days from the due day at which a payer is reminded, at most so far before and after.
pub const FARTHEST: i32 = 90;

/// Whether the payer of a debt is to be reminded today, for the moment so many days after the due day
/// (before it when negative). Nobody hears of what is paid, withdrawn, expired or not yet published,
/// before its due day of what is past it, or of a moment that was over when the notice was created.
pub fn is_due(debt: &Debt, moment: i32, today: Day) -> bool {
    let on = debt.order.due_on.plus_days(moment);
    let published = debt
        .order
        .publish_on
        .unwrap_or(debt.created_at.day_in_rome());
    let is_open = debt.public_state(today) == PublicState::Open;
    let is_before = moment >= 0 || today <= debt.order.due_on;
    is_open
        && is_before
        && published < on
        && debt.created_at.day_in_rome() < on
        && (on..=on.plus_days(LATE_DAYS)).contains(&today)
}

#[cfg(test)]
mod tests {
    use super::super::debt::tests::debt;
    use super::*;

    /// state, published on, moment, today → whether the payer is reminded; due on 2026-12-31
    #[test]
    fn reminders() {
        let table = [
            ("open", None, -3, "2026-12-27", false),
            ("open", None, -3, "2026-12-28", true),
            ("open", None, -3, "2026-12-30", true),
            ("open", None, -3, "2026-12-31", false),
            ("open", None, -1, "2026-12-31", true),
            ("open", None, -1, "2027-01-01", false),
            ("open", None, 7, "2027-01-07", true),
            ("open", None, 7, "2027-01-10", false),
            ("paid", None, -3, "2026-12-28", false),
            ("cancelled", None, -3, "2026-12-28", false),
            ("expired", None, -3, "2026-12-28", false),
            ("open", Some("2026-12-28"), -3, "2026-12-28", false),
            ("open", Some("2026-12-27"), -3, "2026-12-28", true),
        ];
        for (state, publish_on, moment, today, expected) in table {
            let mut debt = debt(state, publish_on);
            debt.order.payable_until = Day::NEVER;
            let today = Day::parse(today).unwrap();
            assert_eq!(
                is_due(&debt, moment, today),
                expected,
                "{state} {moment} {today}"
            );
        }
        // What cannot be paid any more is not asked for.
        let debt = debt("open", None);
        assert!(!is_due(&debt, 7, Day::parse("2027-01-07").unwrap()));
    }
}
