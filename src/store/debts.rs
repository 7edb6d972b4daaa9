//! Debts with their notices.

mod extras;

use std::collections::BTreeMap;

use sqlx::Row;
use sqlx::any::AnyRow;

use super::sheet::{Bundle, Rows, sheets};
use super::statement::{bulks, statements};
use super::{Columns, Conn, StoreError};
use crate::domain::day::{Day, Instant};
use crate::domain::debt::{Debt, DebtKind, DebtState, Elsewhere, Means, Order, PublicState};
use crate::domain::ids::{DebtId, PaymentId};
use crate::domain::notice::NoticeNumber;
use crate::domain::party::{Child, CreditorCode, Email, FiscalCode, Payer};
use crate::domain::transfer::Shares;

/// The columns of a debt, in one place for all statements that read one.
macro_rules! columns {
    () => {
        "debts.id, debts.creditor, debts.kind, debts.service, debts.external_id, \
         debts.child_code, debts.child_name, debts.child_fiscal_code, debts.payer_name, \
         debts.payer_fiscal_code, debts.payer_email, debts.amount_cents, debts.description, \
         debts.due_on, debts.publish_on, debts.payable_until, debts.notice_number, debts.state, \
         debts.created_at, debts.closed_at, debts.payment, debts.shares, debts.metadata, \
         debts.payer_address, debts.period, debts.lines, \
         debts.settled_means, debts.settled_reference, debts.settled_paid_at"
    };
}

statements! {
    INSERT = "INSERT INTO debts (id, creditor, kind, service, external_id, child_code, child_name, \
        child_fiscal_code, payer_name, payer_fiscal_code, payer_email, amount_cents, description, \
        due_on, publish_on, payable_until, notice_number, iuv, shares, metadata, \
        payer_address, period, lines, state, created_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, \
        $19, $20, $21, $22, $23, 'open', $24) ON CONFLICT DO NOTHING RETURNING id";

    BY_ID = concat!("SELECT ", columns!(), " FROM debts WHERE creditor = $1 AND id = $2");

    BY_EXTERNAL_ID = concat!("SELECT ", columns!(),
        " FROM debts WHERE creditor = $1 AND external_id = $2");

    BY_NOTICE = concat!("SELECT ", columns!(),
        " FROM debts WHERE creditor = $1 AND iuv = $2 AND notice_number = $3");

    /// An open debt whose last day has passed counts as expired, also before it is closed.
    LIST_BY_CHILD = concat!("SELECT ", columns!(), " FROM debts \
        WHERE creditor = $1 AND child_code = $2 AND id < $3 AND ($4 = '' OR kind = $4) \
        AND ($5 = '' OR $5 = CASE WHEN state = 'open' AND payable_until < $6 THEN 'expired' \
        ELSE state END) ORDER BY id DESC LIMIT $7");

    LIST_BY_STATE = concat!("SELECT ", columns!(), " FROM debts \
        WHERE creditor = $1 AND state = $2 AND id < $3 AND ($4 = '' OR kind = $4) \
        AND (state <> 'open' OR payable_until >= $5) ORDER BY id DESC LIMIT $6");

    LIST = concat!("SELECT ", columns!(), " FROM debts \
        WHERE creditor = $1 AND id < $2 AND ($3 = '' OR kind = $3) ORDER BY id DESC LIMIT $4");

    /// Open ones of a due day for which no such mail was written.
    UNREMINDED = concat!("SELECT ", columns!(), " FROM debts \
        WHERE creditor = $1 AND due_on = $2 AND state = 'open' AND NOT EXISTS \
        (SELECT 1 FROM mails WHERE mails.creditor = debts.creditor AND mails.kind = 'reminder' \
        AND mails.identity = debts.id || CAST($3 AS TEXT)) ORDER BY id LIMIT $4");

    CANCEL = "UPDATE debts SET state = 'cancelled', closed_at = $3 \
        WHERE creditor = $1 AND id = $2 AND state IN ('open', 'expired') RETURNING id";

    /// Only where it is still as it was read: whoever changed it meanwhile decides first.
    CHANGE = "UPDATE debts SET amount_cents = $3, shares = $4, description = $5, due_on = $6, \
        payable_until = $7 WHERE creditor = $1 AND id = $2 AND state = 'open' \
        AND amount_cents = $8 AND description = $9 AND due_on = $10 \
        AND COALESCE(shares, '') = $11 RETURNING id";

    SETTLE_ELSEWHERE = "UPDATE debts SET state = 'paid', closed_at = $3, settled_means = $4, \
        settled_reference = $5, settled_paid_at = $6 \
        WHERE creditor = $1 AND id = $2 AND state IN ('open', 'expired') RETURNING id";

    EXPIRE = "UPDATE debts SET state = 'expired', closed_at = $1 WHERE state = 'open' AND id IN \
        (SELECT id FROM debts WHERE state = 'open' AND payable_until < $2 \
        ORDER BY payable_until LIMIT $3) RETURNING id";
}

bulks! {
    BY_IDS = ("WITH wanted (id) AS (VALUES", "(CAST(? AS TEXT))",
        concat!(") SELECT ", columns!(), " FROM wanted JOIN debts ON debts.id = wanted.id"));
}

sheets! {
    BY_NOTICES = ("WITH wanted (creditor, iuv, notice_number) AS (",
        "?, ?, ?",
        concat!(") SELECT ", columns!(), " FROM wanted JOIN debts \
            ON debts.creditor = wanted.creditor AND debts.iuv = wanted.iuv \
            AND debts.notice_number = wanted.notice_number"));

    INSERT_MANY = ("INSERT INTO debts (id, creditor, kind, service, external_id, child_code, \
        child_name, child_fiscal_code, payer_name, payer_fiscal_code, payer_email, amount_cents, \
        description, due_on, publish_on, payable_until, notice_number, iuv, shares, metadata, \
        payer_address, period, lines, state, created_at)",
        "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, CAST(? AS BIGINT), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, \
        'open', ?", " ON CONFLICT DO NOTHING RETURNING id");

    BY_EXTERNAL_IDS = ("WITH wanted (creditor, external_id) AS (",
        "?, ?",
        concat!(") SELECT ", columns!(), " FROM wanted JOIN debts \
            ON debts.creditor = wanted.creditor AND debts.external_id = wanted.external_id"));

    SETTLE = ("WITH paid (id, payment, at) AS (",
        "?, ?, ?",
        ") UPDATE debts SET state = 'paid', payment = paid.payment, closed_at = paid.at FROM paid \
            WHERE debts.id = paid.id AND debts.state IN ('open', 'expired') RETURNING debts.id");
}

/// After every id: where the first page of a list begins.
const TOP: &str = "z";

/// Which debts to list, newest first.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only those of this child.
    pub child: Option<String>,
    /// Only those in this state.
    pub state: Option<PublicState>,
    /// Only those of this kind.
    pub kind: Option<DebtKind>,
    /// Only those older than this one.
    pub before: Option<String>,
    /// At most so many.
    pub limit: i64,
}

/// A row of a list.
#[derive(Debug, Clone)]
pub struct Listed {
    /// Which debt.
    pub id: DebtId,
    /// The debt; nothing when its row cannot be read.
    pub debt: Option<Debt>,
}

/// Stores a debt; false when its external id or its IUV is taken already, and then nothing is
/// stored.
///
/// # Errors
/// The database failed.
pub async fn insert(conn: &mut Conn, debt: &Debt) -> Result<bool, StoreError> {
    let order = &debt.order;
    let row = sqlx::query(INSERT)
        .bind(debt.id.as_str())
        .bind(debt.creditor.as_str())
        .bind(order.kind.as_str())
        .bind(order.service.as_str())
        .bind(order.external_id.as_deref())
        .bind(order.child.code.as_str())
        .bind(order.child.name.as_str())
        .bind(order.child.fiscal_code.as_str())
        .bind(order.payer.name.as_str())
        .bind(order.payer.fiscal_code.as_str())
        .bind(order.payer.email.as_str())
        .bind(order.amount.get())
        .bind(order.description.as_str())
        .bind(order.due_on.to_string())
        .bind(order.publish_on.map(|day| day.to_string()))
        .bind(order.payable_until.to_string())
        .bind(debt.notice.as_str())
        .bind(debt.notice.iuv().as_str())
        .bind(extras::shares(&order.shares))
        .bind(extras::metadata(&order.metadata))
        .bind(extras::address(order.payer.address.as_ref()))
        .bind(
            order
                .invoice
                .as_ref()
                .map(|invoice| invoice.period.to_string()),
        )
        .bind(order.invoice.as_ref().map(extras::lines))
        .bind(debt.created_at.to_string())
        .fetch_optional(conn)
        .await?;
    Ok(row.is_some())
}

/// Stores many debts; those whose external id or IUV is taken already are not stored. The ids of the
/// others.
///
/// # Errors
/// The database failed.
pub async fn insert_many(conn: &mut Conn, debts: &[Debt]) -> Result<Vec<DebtId>, StoreError> {
    let rows = Rows::of(debts, |row, debt| {
        let order = &debt.order;
        row.bind(debt.id.as_str())
            .bind(debt.creditor.as_str())
            .bind(order.kind.as_str())
            .bind(order.service.as_str())
            .bind(order.external_id.as_deref())
            .bind(order.child.code.as_str())
            .bind(order.child.name.as_str())
            .bind(order.child.fiscal_code.as_str())
            .bind(order.payer.name.as_str())
            .bind(order.payer.fiscal_code.as_str())
            .bind(order.payer.email.as_str())
            .bind(order.amount.get())
            .bind(order.description.as_str())
            .bind(order.due_on.to_string())
            .bind(order.publish_on.map(|day| day.to_string()))
            .bind(order.payable_until.to_string())
            .bind(debt.notice.as_str())
            .bind(debt.notice.iuv().as_str())
            .bind(extras::shares(&order.shares))
            .bind(extras::metadata(&order.metadata))
            .bind(extras::address(order.payer.address.as_ref()))
            .bind(
                order
                    .invoice
                    .as_ref()
                    .map(|invoice| invoice.period.to_string()),
            )
            .bind(order.invoice.as_ref().map(extras::lines))
            .bind(debt.created_at.to_string());
    });
    let results = Bundle::of(&INSERT_MANY, rows).run(conn).await?;
    results
        .iter()
        .flatten()
        .map(|row| Ok(DebtId::new(row.try_get::<String, _>("id")?)))
        .collect()
}

/// A creditor's debts with these external ids, in no order. One that cannot be read is an error: to
/// take it for missing would open a second one.
///
/// # Errors
/// The database failed, or a row cannot be read.
pub async fn by_external_ids(
    conn: &mut Conn,
    creditor: &CreditorCode,
    wanted: &[&str],
) -> Result<Vec<Debt>, StoreError> {
    let rows = Rows::of(wanted, |row, id| {
        row.bind(creditor.as_str()).bind(id);
    });
    let results = Bundle::of(&BY_EXTERNAL_IDS, rows).run(conn).await?;
    results.iter().flatten().map(debt).collect()
}

/// The debt with this id, if it is this creditor's.
///
/// # Errors
/// The database failed.
pub async fn by_id(
    conn: &mut Conn,
    creditor: &CreditorCode,
    id: &DebtId,
) -> Result<Option<Debt>, StoreError> {
    let row = sqlx::query(BY_ID)
        .bind(creditor.as_str())
        .bind(id.as_str())
        .fetch_optional(conn)
        .await?;
    row.as_ref().map(debt).transpose()
}

/// A creditor's open debts with this due day for which no reminder of this moment was written, oldest
/// first. One that cannot be read is left out.
///
/// # Errors
/// The database failed.
pub async fn unreminded(
    conn: &mut Conn,
    creditor: &CreditorCode,
    due_on: Day,
    moment: i32,
    limit: i64,
) -> Result<Vec<Debt>, StoreError> {
    let rows = sqlx::query(UNREMINDED)
        .bind(creditor.as_str())
        .bind(due_on.to_string())
        .bind(format!("{moment:+}"))
        .bind(limit)
        .fetch_all(conn)
        .await?;
    Ok(rows.iter().filter_map(|row| debt(row).ok()).collect())
}

/// The debts with these ids, whosever they are, in no order. One that cannot be read is left out, so
/// that it does not stop the others.
///
/// # Errors
/// The database failed.
pub async fn by_ids(conn: &mut Conn, wanted: &[DebtId]) -> Result<Vec<Debt>, StoreError> {
    let mut debts = vec![];
    for (sql, rows) in BY_IDS.pieces(wanted) {
        let mut query = sqlx::query(sql);
        for id in rows {
            query = query.bind(id.as_str());
        }
        for row in query.fetch_all(&mut *conn).await? {
            debts.extend(debt(&row).ok());
        }
    }
    Ok(debts)
}

/// The debt with the portal's own id.
///
/// # Errors
/// The database failed.
pub async fn by_external_id(
    conn: &mut Conn,
    creditor: &CreditorCode,
    external_id: &str,
) -> Result<Option<Debt>, StoreError> {
    let row = sqlx::query(BY_EXTERNAL_ID)
        .bind(creditor.as_str())
        .bind(external_id)
        .fetch_optional(conn)
        .await?;
    row.as_ref().map(debt).transpose()
}

/// The debt with this notice number.
///
/// # Errors
/// The database failed.
pub async fn by_notice(
    conn: &mut Conn,
    creditor: &CreditorCode,
    notice: &NoticeNumber,
) -> Result<Option<Debt>, StoreError> {
    let row = sqlx::query(BY_NOTICE)
        .bind(creditor.as_str())
        .bind(notice.iuv().as_str())
        .bind(notice.as_str())
        .fetch_optional(conn)
        .await?;
    row.as_ref().map(debt).transpose()
}

/// The debts with these notice numbers, in no order; unknown ones are left out. Of one whose row cannot
/// be read, whose it is.
///
/// # Errors
/// The database failed.
pub(super) async fn by_notices(
    conn: &mut Conn,
    notices: &[(&CreditorCode, NoticeNumber)],
) -> Result<Vec<Result<Debt, (CreditorCode, NoticeNumber)>>, StoreError> {
    let results = Bundle::of(&BY_NOTICES, wanted(notices)).run(conn).await?;
    results.iter().flatten().map(found).collect()
}

/// The notices to look for in [`BY_NOTICES`].
pub(super) fn wanted(notices: &[(&CreditorCode, NoticeNumber)]) -> Rows {
    Rows::of(notices, |row, (creditor, notice)| {
        row.bind(creditor.as_str())
            .bind(notice.iuv().as_str())
            .bind(notice.as_str());
    })
}

/// Reads one of the debts of [`BY_NOTICES`], or which it is when its row cannot be read: a payment of
/// such a debt is recorded all the same.
pub(super) fn found(
    row: &AnyRow,
) -> Result<Result<Debt, (CreditorCode, NoticeNumber)>, StoreError> {
    match debt(row) {
        Ok(debt) => Ok(Ok(debt)),
        Err(error @ StoreError::Corrupt { .. }) => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "a debt cannot be read"
            );
            let columns = Columns {
                table: "debts",
                row,
            };
            Ok(Err((
                columns.parsed("creditor", CreditorCode::parse)?,
                columns.parsed("notice_number", NoticeNumber::parse)?,
            )))
        }
        Err(error) => Err(error),
    }
}

/// A page of a creditor's debts, newest first. A debt that is past its last day but not yet closed
/// counts as expired in the list of a child; in the list of all expired ones it appears when the
/// closing job has passed. One that cannot be read has its place all the same, with an error in the log:
/// it must not keep the others.
///
/// # Errors
/// The database failed.
pub async fn list(
    conn: &mut Conn,
    creditor: &CreditorCode,
    filter: &Filter,
    today: Day,
) -> Result<Vec<Listed>, StoreError> {
    let kind = filter.kind.map_or("", DebtKind::as_str);
    let state = filter.state.map_or("", PublicState::as_str);
    let before = filter.before.as_deref().unwrap_or(TOP);
    let today = today.to_string();
    let query = if let Some(child) = &filter.child {
        sqlx::query(LIST_BY_CHILD)
            .bind(creditor.as_str())
            .bind(child.as_str())
            .bind(before)
            .bind(kind)
            .bind(state)
            .bind(today)
    } else if filter.state.is_some() {
        sqlx::query(LIST_BY_STATE)
            .bind(creditor.as_str())
            .bind(state)
            .bind(before)
            .bind(kind)
            .bind(today)
    } else {
        sqlx::query(LIST)
            .bind(creditor.as_str())
            .bind(before)
            .bind(kind)
    };
    let rows = query.bind(filter.limit).fetch_all(conn).await?;
    rows.iter().map(listed).collect()
}

fn listed(row: &AnyRow) -> Result<Listed, StoreError> {
    let id = DebtId::new(row.try_get::<String, _>("id")?);
    let debt = debt(row).inspect_err(|error| {
        tracing::error!(
            debt = %id,
            error = error as &dyn std::error::Error,
            "a debt cannot be read, and is left out of a list"
        );
    });
    let debt = debt.ok();
    Ok(Listed { id, debt })
}

/// Withdraws a debt where it can still be withdrawn; false when it cannot (or is withdrawn
/// already).
///
/// # Errors
/// The database failed.
pub async fn cancel(
    conn: &mut Conn,
    creditor: &CreditorCode,
    id: &DebtId,
    now: Instant,
) -> Result<bool, StoreError> {
    let row = sqlx::query(CANCEL)
        .bind(creditor.as_str())
        .bind(id.as_str())
        .bind(now.to_string())
        .fetch_optional(conn)
        .await?;
    Ok(row.is_some())
}

/// Changes what is owed, where it is still open and as it was when it was read; false when it is not.
///
/// # Errors
/// The database failed.
pub async fn change(conn: &mut Conn, debt: &Debt, to: &Order) -> Result<bool, StoreError> {
    let row = sqlx::query(CHANGE)
        .bind(debt.creditor.as_str())
        .bind(debt.id.as_str())
        .bind(to.amount.get())
        .bind(extras::shares(&to.shares))
        .bind(to.description.as_str())
        .bind(to.due_on.to_string())
        .bind(to.payable_until.to_string())
        .bind(debt.order.amount.get())
        .bind(debt.order.description.as_str())
        .bind(debt.order.due_on.to_string())
        .bind(extras::shares(&debt.order.shares).unwrap_or_default())
        .fetch_optional(conn)
        .await?;
    Ok(row.is_some())
}

/// Marks a debt as settled off the rails, where it can still be; false when it cannot.
///
/// # Errors
/// The database failed.
pub async fn settle_elsewhere(
    conn: &mut Conn,
    debt: &Debt,
    elsewhere: &Elsewhere,
    now: Instant,
) -> Result<bool, StoreError> {
    let row = sqlx::query(SETTLE_ELSEWHERE)
        .bind(debt.creditor.as_str())
        .bind(debt.id.as_str())
        .bind(now.to_string())
        .bind(elsewhere.means.as_str())
        .bind(elsewhere.reference.as_deref())
        .bind(elsewhere.paid_at.to_string())
        .fetch_optional(conn)
        .await?;
    Ok(row.is_some())
}

/// The debts to be marked as paid by [`SETTLE`], which gives back those that still could be.
pub(super) fn paid(paid: &[(DebtId, PaymentId, Instant)]) -> Rows {
    Rows::of(paid, |row, (debt, payment, at)| {
        row.bind(debt.as_str())
            .bind(payment.as_str())
            .bind(at.to_string());
    })
}

/// Closes open debts whose last day was before `today`, at most `limit`; the ones that were closed.
///
/// # Errors
/// The database failed.
pub async fn expire(
    conn: &mut Conn,
    today: Day,
    now: Instant,
    limit: i64,
) -> Result<Vec<DebtId>, StoreError> {
    let rows = sqlx::query(EXPIRE)
        .bind(now.to_string())
        .bind(today.to_string())
        .bind(limit)
        .fetch_all(conn)
        .await?;
    rows.iter()
        .map(|row| Ok(DebtId::new(row.try_get::<String, _>("id")?)))
        .collect()
}

fn debt(row: &AnyRow) -> Result<Debt, StoreError> {
    let columns = Columns {
        table: "debts",
        row,
    };
    let state = match columns.text("state")?.as_str() {
        "open" => DebtState::Open,
        "paid" => match columns.optional_text("payment")? {
            Some(payment) => DebtState::Paid {
                payment: PaymentId::new(payment),
                at: columns.instant("closed_at")?,
            },
            None => DebtState::Settled {
                elsewhere: Elsewhere {
                    means: columns.parsed("settled_means", |t| Means::parse(t).ok_or(()))?,
                    reference: columns.optional_text("settled_reference")?,
                    paid_at: columns.instant("settled_paid_at")?,
                },
                at: columns.instant("closed_at")?,
            },
        },
        "cancelled" => DebtState::Cancelled {
            at: columns.instant("closed_at")?,
        },
        "expired" => DebtState::Expired {
            at: columns.instant("closed_at")?,
        },
        _ => return Err(columns.corrupt("state")),
    };
    Ok(Debt {
        id: DebtId::new(columns.text("id")?),
        creditor: columns.parsed("creditor", CreditorCode::parse)?,
        notice: columns.parsed("notice_number", NoticeNumber::parse)?,
        created_at: columns.instant("created_at")?,
        state,
        order: Order {
            kind: columns.parsed("kind", |text| DebtKind::parse(text).ok_or(()))?,
            service: columns.text("service")?,
            external_id: columns.optional_text("external_id")?,
            child: Child {
                code: columns.text("child_code")?,
                name: columns.text("child_name")?,
                fiscal_code: columns.parsed("child_fiscal_code", FiscalCode::parse)?,
            },
            payer: Payer {
                name: columns.text("payer_name")?,
                fiscal_code: columns.parsed("payer_fiscal_code", FiscalCode::parse)?,
                email: columns.parsed("payer_email", Email::parse)?,
                address: columns
                    .optional("payer_address", |text| extras::read_address(text).ok_or(()))?,
            },
            amount: columns.cents("amount_cents")?,
            shares: match columns.optional_text("shares")? {
                Some(text) => extras::read_shares(&text, columns.cents("amount_cents")?)
                    .ok_or_else(|| columns.corrupt("shares"))?,
                None => Shares::whole(),
            },
            metadata: match columns.optional_text("metadata")? {
                Some(text) => {
                    extras::read_metadata(&text).ok_or_else(|| columns.corrupt("metadata"))?
                }
                None => BTreeMap::new(),
            },
            invoice: match columns.optional_text("period")? {
                Some(period) => extras::read_invoice(
                    &period,
                    &columns.text("lines")?,
                    columns.cents("amount_cents")?,
                )
                .map(Some)
                .ok_or_else(|| columns.corrupt("lines"))?,
                None => None,
            },
            description: columns.text("description")?,
            due_on: columns.day("due_on")?,
            publish_on: columns.optional("publish_on", Day::parse)?,
            payable_until: columns.day("payable_until")?,
        },
    })
}
