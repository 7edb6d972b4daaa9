//! Statements of account of a child or a payer, and what a payer can deduct from income tax.

use super::{Desk, DeskError};
use crate::domain::day::{Day, Instant};
use crate::domain::money::Cents;
use crate::domain::party::CreditorCode;
use crate::store::accounts::{self, Line, Subject};

/// Lines of one statement, at most: a family has some tens in a year.
pub const MOST: usize = 5_000;

/// A statement of account. Sums are exact.
#[derive(Debug, Clone)]
pub struct Statement {
    /// Notices that were created or paid within the days, and those that are open now, oldest first.
    pub lines: Vec<Line>,
    /// What was asked for within the days, without what was withdrawn or has expired unpaid.
    pub issued: Cents,
    /// What was paid within the days, over our rails or elsewhere.
    pub paid: Cents,
    /// What can be paid today, whenever it was asked for.
    pub due: Cents,
}

/// What was paid, within days.
fn paid_within(line: &Line, (from, until): (Instant, Instant)) -> Option<Cents> {
    let is_within = |at: Instant| from <= at && at < until;
    match (&line.payment, &line.elsewhere) {
        (Some(paid), _) => is_within(paid.paid_at).then_some(paid.amount),
        (None, Some((_, at))) => is_within(*at).then_some(line.amount),
        (None, None) => None,
    }
}

fn sum(amounts: impl Iterator<Item = Cents>) -> Cents {
    amounts.fold(Cents::new(0), |sum, amount| {
        sum.checked_add(amount).unwrap_or(Cents::new(i64::MAX))
    })
}

/// Whether it can be paid today.
pub fn is_due(line: &Line, today: Day) -> bool {
    line.state == "open" && today <= line.payable_until
}

impl Desk {
    /// The statement of a child or a payer for some days, both included.
    ///
    /// # Errors
    /// [`DeskError::TooMany`] lines, or the store failed.
    pub async fn statement(
        &self,
        creditor: &CreditorCode,
        subject: Subject<'_>,
        (from, to): (Day, Day),
        today: Day,
    ) -> Result<Statement, DeskError> {
        let days = (from.begins(), to.plus_days(1).begins());
        let limit = i64::try_from(MOST + 1).unwrap_or(i64::MAX);
        let mut conn = self.store.read().await?;
        let lines = accounts::lines(&mut conn, creditor, subject, days, limit).await?;
        if lines.len() > MOST {
            return Err(DeskError::TooMany(MOST));
        }
        let is_issued = |line: &&Line| {
            let is_closed = match line.state.as_str() {
                "cancelled" | "expired" => true,
                "open" => !is_due(line, today),
                _ => false,
            };
            days.0 <= line.created_at && line.created_at < days.1 && !is_closed
        };
        Ok(Statement {
            issued: sum(lines.iter().filter(is_issued).map(|line| line.amount)),
            paid: sum(lines.iter().filter_map(|line| paid_within(line, days))),
            due: sum(lines
                .iter()
                .filter(|line| is_due(line, today))
                .map(|line| line.amount)),
            lines,
        })
    }

    /// What a payer has paid in a year (by the day of the payment, in Italy) by a traceable means, as
    /// the law wants it of what is deducted (law 160/2019 art. 1 c. 679): payments that closed a notice
    /// and whose receipt names this payer, or nobody when the notice is his. A second payment, which is to be given back, is none of them, and what was
    /// settled off the rails neither: nobody here has seen how.
    ///
    /// # Errors
    /// [`DeskError::TooMany`] lines, or the store failed.
    pub async fn paid_in_year(
        &self,
        creditor: &CreditorCode,
        payer: &str,
        (from, to): (Day, Day),
    ) -> Result<Vec<Line>, DeskError> {
        let payer = Subject::Paid(payer);
        let mut lines = self.statement(creditor, payer, (from, to), to).await?.lines;
        let is_traceable = |line: &Line| {
            line.payment
                .as_ref()
                .map(|paid| paid.channel.is_traceable())
        };
        lines.retain(|line| is_traceable(line) == Some(true));
        Ok(lines)
    }
}
