//! Payments as they stand in the books: what a portal may read of them.

use sqlx::any::AnyRow;

use crate::domain::day::Instant;
use crate::domain::ids::{DebtId, DocumentId, PaymentId};
use crate::domain::money::Cents;
use crate::domain::notice::NoticeNumber;
use crate::domain::party::{CreditorCode, FiscalCode};
use crate::domain::payment::{Channel, Outcome};
use crate::store::statement::statements;
use crate::store::{Columns, Conn, StoreError};

/// The columns of a payment with those of its debt, in one place. A creditor that has only a share
/// of another's debt learns nothing of the child.
macro_rules! columns {
    () => {
        "payments.id, payments.channel, payments.reference, payments.notice_number, \
         payments.notice_creditor, payments.outcome, payments.amount_cents, payments.own_cents, \
         payments.paid_at, payments.payer_fiscal_code, payments.psp, payments.mode, \
         payments.document, payments.recorded_at, debts.id AS debt, debts.child_code, \
         debts.service"
    };
}

statements! {
    BY_ID = concat!("SELECT ", columns!(), " FROM payments LEFT JOIN debts \
        ON debts.id = payments.debt AND debts.creditor = payments.creditor \
        WHERE payments.creditor = $1 AND payments.id = $2");

    LIST = concat!("SELECT ", columns!(), " FROM payments LEFT JOIN debts \
        ON debts.id = payments.debt AND debts.creditor = payments.creditor \
        WHERE payments.creditor = $1 AND payments.id < $2 AND payments.paid_at >= $3 \
        AND payments.paid_at < $4 ORDER BY payments.id DESC LIMIT $5");

    LIST_BY_CHILD = concat!("SELECT ", columns!(), " FROM debts JOIN payments \
        ON payments.debt = debts.id AND payments.creditor = debts.creditor \
        WHERE debts.creditor = $1 AND debts.child_code = $2 AND ($3 = '' OR debts.id = $3) \
        AND payments.id < $4 AND payments.paid_at >= $5 AND payments.paid_at < $6 \
        ORDER BY payments.id DESC LIMIT $7");

    LIST_BY_NOTICE = concat!("SELECT ", columns!(), " FROM debts JOIN payments \
        ON payments.debt = debts.id AND payments.creditor = debts.creditor \
        WHERE debts.creditor = $1 AND debts.id = $2 AND payments.id < $3 \
        AND payments.paid_at >= $4 AND payments.paid_at < $5 \
        ORDER BY payments.id DESC LIMIT $6");
}

/// After every id: where the first page of a list begins.
const TOP: &str = "z";

/// A payment with what its debt says of it.
#[derive(Debug, Clone)]
pub struct BookedPayment {
    /// Our id.
    pub id: PaymentId,
    /// The rail.
    pub channel: Channel,
    /// The rail's name for it: pagoPA's receipt id.
    pub reference: String,
    /// The notice that was paid.
    pub notice: NoticeNumber,
    /// Whose notice.
    pub notice_creditor: CreditorCode,
    /// Whether the money was taken.
    pub outcome: Outcome,
    /// What was paid, all beneficiaries together.
    pub amount: Cents,
    /// What of it is this creditor's.
    pub own: Cents,
    /// When.
    pub paid_at: Instant,
    /// Who paid, when the receipt says it.
    pub payer: Option<FiscalCode>,
    /// Through whom: the PSP's identifier.
    pub psp: String,
    /// `ordinary` or `stand_in`.
    pub mode: String,
    /// The message that proves it.
    pub document: DocumentId,
    /// When we recorded it.
    pub recorded_at: Instant,
    /// The debt it settled, when there is one of this creditor.
    pub debt: Option<BookedDebt>,
}

/// What a payment's debt says of it.
#[derive(Debug, Clone)]
pub struct BookedDebt {
    /// The debt.
    pub id: DebtId,
    /// The child's code in the meal system.
    pub child: String,
    /// The service's code.
    pub service: String,
}

/// Which payments to list, newest first.
#[derive(Debug, Clone)]
pub struct PaymentFilter {
    /// Only those for this child.
    pub child: Option<String>,
    /// Only those of this notice.
    pub debt: Option<DebtId>,
    /// Only those paid at this moment or later.
    pub from: Instant,
    /// Only those paid before this moment.
    pub before: Instant,
    /// Only those recorded before this one.
    pub cursor: Option<String>,
    /// At most so many.
    pub limit: i64,
}

/// A creditor's payment; nothing when it has none with this id.
///
/// # Errors
/// The database failed, or the row cannot be read.
pub async fn by_id(
    conn: &mut Conn,
    creditor: &CreditorCode,
    id: &PaymentId,
) -> Result<Option<BookedPayment>, StoreError> {
    let row = sqlx::query(BY_ID)
        .bind(creditor.as_str())
        .bind(id.as_str())
        .fetch_optional(conn)
        .await?;
    row.as_ref().map(booked).transpose()
}

/// A page of a creditor's payments, newest first.
///
/// # Errors
/// The database failed, or a row cannot be read.
pub async fn list(
    conn: &mut Conn,
    creditor: &CreditorCode,
    filter: &PaymentFilter,
) -> Result<Vec<BookedPayment>, StoreError> {
    let cursor = filter.cursor.as_deref().unwrap_or(TOP);
    let query = match (&filter.child, &filter.debt) {
        (Some(child), debt) => sqlx::query(LIST_BY_CHILD)
            .bind(creditor.as_str())
            .bind(child.as_str())
            .bind(debt.as_ref().map_or("", DebtId::as_str)),
        (None, Some(debt)) => sqlx::query(LIST_BY_NOTICE)
            .bind(creditor.as_str())
            .bind(debt.as_str()),
        (None, None) => sqlx::query(LIST).bind(creditor.as_str()),
    };
    let rows = query
        .bind(cursor)
        .bind(filter.from.to_string())
        .bind(filter.before.to_string())
        .bind(filter.limit)
        .fetch_all(conn)
        .await?;
    rows.iter().map(booked).collect()
}

fn booked(row: &AnyRow) -> Result<BookedPayment, StoreError> {
    let columns = Columns {
        table: "payments",
        row,
    };
    let debt = match columns.optional_text("debt")? {
        Some(id) => Some(BookedDebt {
            id: DebtId::new(id),
            child: columns.text("child_code")?,
            service: columns.text("service")?,
        }),
        None => None,
    };
    Ok(BookedPayment {
        id: PaymentId::new(columns.text("id")?),
        channel: columns.parsed("channel", |text| Channel::parse(text).ok_or(()))?,
        reference: columns.text("reference")?,
        notice: columns.parsed("notice_number", NoticeNumber::parse)?,
        notice_creditor: columns.parsed("notice_creditor", CreditorCode::parse)?,
        outcome: columns.parsed("outcome", super::payments::outcome)?,
        amount: columns.cents("amount_cents")?,
        own: columns.cents("own_cents")?,
        paid_at: columns.instant("paid_at")?,
        payer: columns.optional("payer_fiscal_code", FiscalCode::parse)?,
        psp: columns.text("psp")?,
        mode: columns.text("mode")?,
        document: DocumentId::new(columns.text("document")?),
        recorded_at: columns.instant("recorded_at")?,
        debt,
    })
}
