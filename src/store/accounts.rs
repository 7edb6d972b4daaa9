//! Statements of account: what was asked for and what was paid, of a child or a payer.

use sqlx::any::AnyRow;

use super::statement::statements;
use super::{Columns, Conn, StoreError};
use crate::domain::day::{Day, Instant};
use crate::domain::money::Cents;
use crate::domain::party::CreditorCode;
use crate::domain::payment::Channel;

macro_rules! columns {
    () => {
        "SELECT d.id, d.notice_number, d.service, d.description, d.child_code, d.child_name, \
         d.child_fiscal_code, d.amount_cents, d.due_on, d.payable_until, d.state, \
         d.created_at, d.settled_means, d.settled_paid_at, p.id AS payment_id, p.channel, \
         p.reference, p.amount_cents AS paid_cents, p.paid_at FROM "
    };
}

/// A notice with the payment that closed it, if one did.
macro_rules! lines {
    ($subject:literal) => {
        concat!(
            columns!(),
            "debts d LEFT JOIN payments p ON p.id = d.payment WHERE d.creditor = $1 AND d.",
            $subject,
            " = $2 AND ((d.created_at >= $3 AND d.created_at < $4) \
             OR (p.paid_at >= $3 AND p.paid_at < $4) \
             OR (d.settled_paid_at >= $3 AND d.settled_paid_at < $4) OR d.state = 'open') \
             ORDER BY d.id LIMIT $5"
        )
    };
}

statements! {
    OF_CHILD = lines!("child_code");
    OF_PAYER = lines!("payer_fiscal_code");

    /// What somebody has paid: whoever the receipt names has, whosever the notice is; where it names
    /// nobody, the debtor.
    PAID_BY = concat!(columns!(), "payments p JOIN debts d ON d.payment = p.id \
        WHERE p.creditor = $1 AND p.payer_fiscal_code = $2 AND p.paid_at >= $3 AND p.paid_at < $4 \
        UNION ALL ", columns!(), "debts d JOIN payments p ON p.id = d.payment \
        WHERE d.creditor = $1 AND d.payer_fiscal_code = $2 AND p.payer_fiscal_code IS NULL \
        AND p.paid_at >= $3 AND p.paid_at < $4 ORDER BY 1 LIMIT $5");
}

/// Whose statement.
#[derive(Debug, Clone, Copy)]
pub enum Subject<'a> {
    /// A child, by its code.
    Child(&'a str),
    /// A payer, by fiscal code.
    Payer(&'a str),
    /// Who has paid, by fiscal code: only what closed a notice within the days.
    Paid(&'a str),
}

/// A notice, and what became of it.
#[derive(Debug, Clone)]
pub struct Line {
    /// The notice's id.
    pub notice: String,
    /// Its number.
    pub number: String,
    /// The service's code.
    pub service: String,
    /// The text for people.
    pub description: String,
    /// The child's code.
    pub child_code: String,
    /// The child's name.
    pub child_name: String,
    /// The child's fiscal code.
    pub child_fiscal_code: String,
    /// What was asked for.
    pub amount: Cents,
    /// By when.
    pub due_on: Day,
    /// The last day on which it can be paid.
    pub payable_until: Day,
    /// The state in the store.
    pub state: String,
    /// When it was created.
    pub created_at: Instant,
    /// By what means, and when, it was settled off the rails.
    pub elsewhere: Option<(String, Instant)>,
    /// The payment that closed it.
    pub payment: Option<Paid>,
}

/// A payment that closed a notice.
#[derive(Debug, Clone)]
pub struct Paid {
    /// Its id.
    pub id: String,
    /// The rail.
    pub channel: Channel,
    /// The rail's name for it.
    pub reference: String,
    /// How much.
    pub amount: Cents,
    /// When.
    pub paid_at: Instant,
}

/// What was created or paid from one instant to another, and whatever is open now, oldest first.
///
/// # Errors
/// The database failed.
pub async fn lines(
    conn: &mut Conn,
    creditor: &CreditorCode,
    subject: Subject<'_>,
    (from, until): (Instant, Instant),
    limit: i64,
) -> Result<Vec<Line>, StoreError> {
    let (sql, subject) = match subject {
        Subject::Child(code) => (OF_CHILD, code),
        Subject::Payer(code) => (OF_PAYER, code),
        Subject::Paid(code) => (PAID_BY, code),
    };
    let rows = sqlx::query(sql)
        .bind(creditor.as_str())
        .bind(subject)
        .bind(from.to_string())
        .bind(until.to_string())
        .bind(limit)
        .fetch_all(conn)
        .await?;
    rows.iter().map(line).collect()
}

fn line(row: &AnyRow) -> Result<Line, StoreError> {
    let columns = Columns {
        table: "debts",
        row,
    };
    let means = columns.optional_text("settled_means")?;
    let settled_at = columns.optional("settled_paid_at", Instant::parse)?;
    let payment = match columns.optional_text("payment_id")? {
        None => None,
        Some(id) => Some(Paid {
            id,
            channel: columns.parsed("channel", |text| Channel::parse(text).ok_or(()))?,
            reference: columns.text("reference")?,
            amount: columns.cents("paid_cents")?,
            paid_at: columns.instant("paid_at")?,
        }),
    };
    Ok(Line {
        notice: columns.text("id")?,
        number: columns.text("notice_number")?,
        service: columns.text("service")?,
        description: columns.text("description")?,
        child_code: columns.text("child_code")?,
        child_name: columns.text("child_name")?,
        child_fiscal_code: columns.text("child_fiscal_code")?,
        amount: columns.cents("amount_cents")?,
        due_on: columns.day("due_on")?,
        payable_until: columns.day("payable_until")?,
        state: columns.text("state")?,
        created_at: columns.instant("created_at")?,
        elsewhere: means.zip(settled_at),
        payment,
    })
}
