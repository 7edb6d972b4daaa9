//! Invoices: meals that were eaten and are paid afterwards, month by month.

use std::fmt;

use crate::domain::day::Day;
use crate::domain::money::Cents;

/// Most lines of an invoice: a child has some twenty meals in a month, a family some hundred.
pub const MOST_LINES: usize = 200;
/// Longest text of a line, in characters.
pub const LINE_TEXT: usize = 70;
/// Most pieces on one line.
pub const MOST_PIECES: i64 = 10_000;
/// Largest price of one piece, in cents, above and below nothing: 1,000,000 euro.
pub const LARGEST_UNIT: i64 = 100_000_000;

/// A month of the calendar, written `2026-10`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period {
    year: u16,
    month: u8,
}

impl Period {
    /// Reads `YYYY-MM`, of the years 2000 to 2999.
    ///
    /// ```
    /// use pagomensa::domain::debt::Period;
    /// assert_eq!(Period::parse("2026-10").unwrap().to_string(), "2026-10");
    /// assert!(Period::parse("2026-13").is_none());
    /// assert!(Period::parse("10/2026").is_none());
    /// ```
    pub fn parse(text: &str) -> Option<Period> {
        let (year, month) = text.split_once('-')?;
        let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if year.len() != 4 || month.len() != 2 || !digits(year) || !digits(month) {
            return None;
        }
        let (year, month) = (year.parse().ok()?, month.parse().ok()?);
        ((2_000..3_000).contains(&year) && (1..=12).contains(&month))
            .then_some(Period { year, month })
    }

    /// As Italians write it: `10/2026`.
    pub fn in_italian(self) -> String {
        format!("{:02}/{}", self.month, self.year)
    }

    /// Its last day.
    pub fn last_day(self) -> Option<Day> {
        let (year, month) = match self.month {
            12 => (self.year + 1, 1),
            month => (self.year, month + 1),
        };
        let next = Day::parse(&format!("{year:04}-{month:02}-01")).ok()?;
        Some(next.plus_days(-1))
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

/// A line of an invoice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The day of the meal.
    pub on: Day,
    /// What it was, 1 to [`LINE_TEXT`] characters.
    pub description: String,
    /// How many, 1 to [`MOST_PIECES`].
    pub quantity: i64,
    /// The price of one, in cents, at most [`LARGEST_UNIT`] either way; negative for what is given
    /// back.
    pub unit: Cents,
}

impl Line {
    /// Quantity times price; nothing when that does not fit.
    pub fn total(&self) -> Option<Cents> {
        self.quantity.checked_mul(self.unit.get()).map(Cents::new)
    }
}

/// What an invoice is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invoice {
    /// The month.
    pub period: Period,
    /// The meals; they add up to the amount.
    pub lines: Vec<Line>,
}

/// Lines that make no invoice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvoiceError {
    /// None, or more than [`MOST_LINES`].
    #[error("an invoice has 1 to {MOST_LINES} lines")]
    Number,
    /// They are not the amount.
    #[error("the lines do not add up to the amount")]
    Sum,
}

impl Invoice {
    /// An invoice of these lines over this amount.
    ///
    /// # Errors
    /// [`InvoiceError`]: too few or too many lines, or another sum.
    pub fn of(period: Period, lines: Vec<Line>, amount: Cents) -> Result<Invoice, InvoiceError> {
        if !(1..=MOST_LINES).contains(&lines.len()) {
            return Err(InvoiceError::Number);
        }
        let sum = lines
            .iter()
            .try_fold(Cents::new(0), |sum, line| sum.checked_add(line.total()?));
        match sum {
            Some(sum) if sum == amount => Ok(Invoice { period, lines }),
            _ => Err(InvoiceError::Sum),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(quantity: i64, unit: i64) -> Line {
        Line {
            on: Day::parse("2026-10-01").unwrap(),
            description: "Pranzo".to_owned(),
            quantity,
            unit: Cents::new(unit),
        }
    }

    /// quantities and prices, amount → whether it is an invoice
    #[test]
    fn lines_add_up_to_the_cent() {
        type Case<'c> = (&'c [(i64, i64)], i64, Result<(), InvoiceError>);
        let table: &[Case<'_>] = &[
            (&[(20, 450)], 9_000, Ok(())),
            (&[(20, 450)], 9_001, Err(InvoiceError::Sum)),
            (&[(1, 450), (1, -50)], 400, Ok(())),
            (&[(i64::MAX, 2)], -2, Err(InvoiceError::Sum)),
            (&[(1, i64::MAX), (1, 1)], i64::MIN, Err(InvoiceError::Sum)),
            (&[], 0, Err(InvoiceError::Number)),
        ];
        let period = Period::parse("2026-10").unwrap();
        for (lines, amount, expected) in table {
            let lines = lines.iter().map(|(q, u)| line(*q, *u)).collect();
            let made = Invoice::of(period, lines, Cents::new(*amount)).map(drop);
            assert_eq!(made, *expected, "{amount}");
        }
        let many = vec![line(1, 1); MOST_LINES + 1];
        let amount = Cents::new(201);
        assert_eq!(Invoice::of(period, many, amount), Err(InvoiceError::Number));
    }

    #[test]
    fn months_end() {
        for (period, day) in [
            ("2026-10", "2026-10-31"),
            ("2026-12", "2026-12-31"),
            ("2028-02", "2028-02-29"),
        ] {
            let last = Period::parse(period).unwrap().last_day().unwrap();
            assert_eq!(last.to_string(), day);
        }
        for wrong in [
            "",
            "2026",
            "2026-1",
            "2026-00",
            "1999-10",
            "2026-10-01",
            "+026-10",
        ] {
            assert_eq!(Period::parse(wrong), None, "{wrong}");
        }
    }
}
