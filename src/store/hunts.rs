//! Receipts that have not come: what is looked for, and when it is looked next.

use std::collections::HashMap;

use sqlx::Row;

use super::exchanges::Exchange;
use super::statement::{bulks, statements};
use super::{Columns, Conn, StoreError};
use crate::domain::day::Instant;
use crate::domain::ids::HuntId;
use crate::domain::notice::NoticeNumber;
use crate::domain::party::CreditorCode;

/// The columns of a hunt, in one place for all statements that read one.
macro_rules! columns {
    () => {
        "id, creditor, iuv, iur, notice_number, reason, state, ask, attempts, wanted_at, \
         next_try_at, last_error"
    };
}

statements! {
    /// Payments that a reporting flow proves come before those that perhaps never were made.
    DUE_BY_RECEIPT_ID = concat!("SELECT ", columns!(), " FROM receipt_hunts \
        WHERE state = 'searching' AND ask <> 'iuv' AND next_try_at <= $1 \
        ORDER BY CASE reason WHEN 'flow_row' THEN 0 ELSE 1 END, next_try_at, id LIMIT $2");

    DUE_BY_IUV = concat!("SELECT ", columns!(), " FROM receipt_hunts \
        WHERE state = 'searching' AND ask = 'iuv' AND next_try_at <= $1 \
        ORDER BY CASE reason WHEN 'flow_row' THEN 0 ELSE 1 END, next_try_at, id LIMIT $2");

    NEXT_BY_RECEIPT_ID = "SELECT next_try_at FROM receipt_hunts \
        WHERE state = 'searching' AND ask <> 'iuv' ORDER BY next_try_at LIMIT 1";

    NEXT_BY_IUV = "SELECT next_try_at FROM receipt_hunts \
        WHERE state = 'searching' AND ask = 'iuv' ORDER BY next_try_at LIMIT 1";

    LIST = concat!("SELECT ", columns!(), " FROM receipt_hunts \
        WHERE creditor = $1 AND id < $2 ORDER BY id DESC LIMIT $3");

    LIST_BY_STATE = concat!("SELECT ", columns!(), " FROM receipt_hunts \
        WHERE creditor = $1 AND state = $2 AND id < $3 ORDER BY id DESC LIMIT $4");

    /// Activations whose notice is paid meanwhile: the receipt has come by itself.
    END_PAID = "UPDATE receipt_hunts SET state = 'ended', closed_at = $1, last_error = NULL \
        WHERE state = 'searching' AND id IN (SELECT h.id FROM receipt_hunts h JOIN debts d \
        ON d.creditor = h.creditor AND d.iuv = h.iuv WHERE h.state = 'searching' \
        AND h.reason = 'activated' AND d.state = 'paid' LIMIT $2) RETURNING id";

    /// Rows of reporting flows whose receipt has come by itself. A notice number ends with its IUV.
    END_COME = "UPDATE receipt_hunts SET state = 'found', closed_at = $1, last_error = NULL \
        WHERE state = 'searching' AND id IN (SELECT h.id FROM receipt_hunts h JOIN payments p \
        ON p.creditor = h.creditor AND p.channel = 'pagopa' AND p.reference = h.iur \
        AND substr(p.notice_number, 19 - length(h.iuv)) = h.iuv WHERE h.state = 'searching' AND h.reason = 'flow_row' LIMIT $2) RETURNING id";

    /// Counted up to a bound, like the next one.
    SEARCHING = "SELECT COUNT(*) AS hunts FROM (SELECT id FROM receipt_hunts \
        WHERE state = 'searching' LIMIT 1001) AS first_ones";

    MISSING = "SELECT COUNT(*) AS hunts FROM (SELECT id FROM receipt_hunts \
        WHERE creditor = $1 AND state = 'missing' LIMIT 1001) AS first_ones";

    FORGET = "DELETE FROM receipt_hunts WHERE id IN (SELECT id FROM receipt_hunts \
        WHERE wanted_at < $1 AND (reason = 'activated' OR state IN ('found', 'ended')) \
        LIMIT $2) RETURNING id";
}

bulks! {
    /// A notice that is activated anew is looked for anew, unless its receipt was found.
    ACTIVATED = ("INSERT INTO receipt_hunts (id, creditor, iuv, iur, notice_number, reason, state, \
        ask, attempts, wanted_at, next_try_at) VALUES",
        "(?, ?, ?, '', ?, 'activated', 'searching', 'iuv', 0, ?, ?)",
        "ON CONFLICT (creditor, iuv, iur) DO UPDATE SET state = 'searching', attempts = 0, \
        wanted_at = excluded.wanted_at, next_try_at = excluded.next_try_at, closed_at = NULL, \
        last_error = NULL WHERE receipt_hunts.state IN ('searching', 'ended') \
        AND receipt_hunts.wanted_at < excluded.wanted_at");

    WANTED = ("INSERT INTO receipt_hunts (id, creditor, iuv, iur, notice_number, reason, state, \
        ask, attempts, wanted_at, next_try_at) VALUES",
        "(?, ?, ?, ?, (SELECT notice_number FROM debts WHERE creditor = ? AND iuv = ?), \
        'flow_row', 'searching', 'iur', 0, ?, ?)",
        "ON CONFLICT (creditor, iuv, iur) DO NOTHING RETURNING id");

    /// The flow names the receipt, so that it is no longer looked for by IUV alone.
    SUPERSEDE = ("WITH named (creditor, iuv, at) AS (VALUES",
        "(CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT))",
        ") UPDATE receipt_hunts SET state = 'ended', closed_at = named.at, \
            last_error = 'a reporting flow names the receipt' FROM named \
            WHERE receipt_hunts.creditor = named.creditor AND receipt_hunts.iuv = named.iuv \
            AND receipt_hunts.iur = '' AND receipt_hunts.state = 'searching' \
            RETURNING receipt_hunts.id");

    RECORD = ("WITH tried (id, due_at, asked, state, ask, next_try_at, tries, closed_at, error) \
        AS (VALUES",
        "(CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT), \
        CAST(? AS TEXT), CAST(? AS BIGINT), CAST(? AS TEXT), CAST(? AS TEXT))",
        ") UPDATE receipt_hunts SET state = tried.state, ask = tried.ask, \
            next_try_at = tried.next_try_at, attempts = receipt_hunts.attempts + tried.tries, \
            closed_at = tried.closed_at, last_error = tried.error FROM tried \
            WHERE receipt_hunts.id = tried.id AND receipt_hunts.state = 'searching' \
            AND receipt_hunts.next_try_at = tried.due_at AND receipt_hunts.ask = tried.asked \
            RETURNING receipt_hunts.id");
}

/// After every id: where the first page of a list begins.
const TOP: &str = "z";
/// How long a payment token lives, in seconds: until then nobody else can pay, and the receipt may
/// well be on its way.
pub const TOKEN_LIFE_S: i64 = 30 * 60;

/// Why a receipt is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The node has got the notice for a payer, who may have paid it or gone away.
    Activated,
    /// A reporting flow has a row for it: it was paid.
    FlowRow,
}

impl Reason {
    /// The word in the store and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Activated => "activated",
            Reason::FlowRow => "flow_row",
        }
    }

    fn parse(text: &str) -> Option<Reason> {
        [Reason::Activated, Reason::FlowRow]
            .into_iter()
            .find(|reason| reason.as_str() == text)
    }
}

/// Where a hunt stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It goes on.
    Searching,
    /// The receipt is recorded.
    Found,
    /// Nothing more to look for: it was paid with a receipt of the node, or never.
    Ended,
    /// It was paid, and the receipt is nowhere: finance has a case.
    Missing,
}

impl State {
    /// The word in the store and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Searching => "searching",
            State::Found => "found",
            State::Ended => "ended",
            State::Missing => "missing",
        }
    }

    /// The state written as [`State::as_str`] writes it.
    pub fn parse(text: &str) -> Option<State> {
        [State::Searching, State::Found, State::Ended, State::Missing]
            .into_iter()
            .find(|state| state.as_str() == text)
    }
}

/// The next question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// By receipt id.
    Iur,
    /// By receipt id and IUV: there are several under the id.
    IurAndIuv,
    /// By IUV.
    Iuv,
}

impl Ask {
    fn as_str(self) -> &'static str {
        match self {
            Ask::Iur => "iur",
            Ask::IurAndIuv => "iur_iuv",
            Ask::Iuv => "iuv",
        }
    }

    /// What is asked by it.
    pub fn by(self) -> By {
        match self {
            Ask::Iur | Ask::IurAndIuv => By::ReceiptId,
            Ask::Iuv => By::Iuv,
        }
    }

    fn parse(text: &str) -> Option<Ask> {
        [Ask::Iur, Ask::IurAndIuv, Ask::Iuv]
            .into_iter()
            .find(|ask| ask.as_str() == text)
    }
}

/// What a service can be asked by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The receipt's id.
    ReceiptId,
    /// The IUV alone.
    Iuv,
}

impl By {
    /// The service that can be asked so, as its pace is kept.
    pub fn service(self) -> &'static str {
        match self {
            By::ReceiptId => "bizevents",
            By::Iuv => "gpd",
        }
    }
}

/// A receipt that is looked for.
#[derive(Debug, Clone)]
pub struct Hunt {
    /// Our id.
    pub id: HuntId,
    /// Whose.
    pub creditor: CreditorCode,
    /// The payment reference.
    pub iuv: String,
    /// The receipt's id; empty while nobody has named it.
    pub iur: String,
    /// The notice, when it is one of ours.
    pub notice: Option<NoticeNumber>,
    /// Why it is looked for.
    pub reason: Reason,
    /// Where it stands.
    pub state: State,
    /// The next question.
    pub ask: Ask,
    /// Questions so far.
    pub attempts: i64,
    /// Since when.
    pub wanted_at: Instant,
    /// Not before this instant again.
    pub next_try_at: Instant,
    /// What came of the last question.
    pub last_error: Option<String>,
}

/// A row of a reporting flow whose receipt is not recorded.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Our id for it.
    pub id: HuntId,
    /// Whose money.
    pub creditor: CreditorCode,
    /// `identificativoUnivocoVersamento`.
    pub iuv: String,
    /// `identificativoUnivocoRiscossione`: the receipt's id.
    pub iur: String,
}

/// What came of a question.
#[derive(Debug, Clone)]
pub struct Step {
    /// Of which hunt, as it was read.
    pub hunt: Hunt,
    /// Where it stands now.
    pub state: State,
    /// What is asked next.
    pub ask: Ask,
    /// When.
    pub next_try_at: Instant,
    /// Whether anything was asked.
    pub is_try: bool,
    /// What came of it.
    pub error: Option<String>,
}

/// Remembers the notices that the node has got for a payer, out of exchanges that are written to
/// the journal: a get itself writes nothing, so this may lag like the journal. Other exchanges are
/// passed over.
///
/// # Errors
/// The database failed.
pub async fn activated(conn: &mut Conn, exchanges: &[Exchange]) -> Result<(), StoreError> {
    // The last get of each notice: a statement may touch a row only once.
    let mut last: HashMap<(&str, NoticeNumber), &Exchange> = HashMap::new();
    for exchange in exchanges {
        let is_get = exchange.operation.starts_with("paGetPayment") && exchange.outcome == "OK";
        if let (true, Some(creditor), Some(notice)) = (is_get, &exchange.creditor, &exchange.notice)
            && let Ok(notice) = NoticeNumber::parse(notice)
        {
            let place = last.entry((creditor.as_str(), notice)).or_insert(exchange);
            if place.started_at < exchange.started_at {
                *place = exchange;
            }
        }
    }
    let mut rows: Vec<_> = last.into_iter().collect();
    // In one order for everybody, so that two processes never wait for each other.
    rows.sort_by_key(|(place, _)| *place);
    for (sql, piece) in ACTIVATED.pieces(&rows) {
        let mut query = sqlx::query(sql);
        for ((creditor, notice), exchange) in piece {
            query = query
                .bind(exchange.id.as_str())
                .bind(*creditor)
                .bind(notice.iuv().as_str().to_owned())
                .bind(notice.as_str().to_owned())
                .bind(exchange.started_at.to_string())
                .bind(exchange.started_at.plus_seconds(TOKEN_LIFE_S).to_string());
        }
        query.execute(&mut *conn).await?;
    }
    Ok(())
}

/// Adds rows of a reporting flow without a receipt, looked for from now on; how many were new. One
/// that is known already is left as it is. Each is given once.
///
/// # Errors
/// The database failed.
pub async fn wanted(conn: &mut Conn, rows: &[Wanted], now: Instant) -> Result<usize, StoreError> {
    let now = now.to_string();
    let mut added = 0;
    for (sql, piece) in WANTED.pieces(rows) {
        let mut query = sqlx::query(sql);
        for row in piece {
            query = query
                .bind(row.id.as_str())
                .bind(row.creditor.as_str())
                .bind(row.iuv.as_str())
                .bind(row.iur.as_str())
                .bind(row.creditor.as_str())
                .bind(row.iuv.as_str())
                .bind(now.as_str())
                .bind(now.as_str());
        }
        added += query.fetch_all(&mut *conn).await?.len();
    }
    for (sql, piece) in SUPERSEDE.pieces(rows) {
        let mut query = sqlx::query(sql);
        for row in piece {
            query = query
                .bind(row.creditor.as_str())
                .bind(row.iuv.as_str())
                .bind(now.as_str());
        }
        query.fetch_all(&mut *conn).await?;
    }
    Ok(added)
}

/// Ends hunts whose receipt has come by itself, at most `limit` of each reason; how many.
///
/// # Errors
/// The database failed.
pub async fn sweep(conn: &mut Conn, now: Instant, limit: i64) -> Result<usize, StoreError> {
    let mut ended = 0;
    for sql in [END_PAID, END_COME] {
        let query = sqlx::query(sql).bind(now.to_string()).bind(limit);
        ended += query.fetch_all(&mut *conn).await?.len();
    }
    Ok(ended)
}

/// What can be asked now, at most `limit`.
///
/// # Errors
/// The database failed.
pub async fn due(
    conn: &mut Conn,
    by: By,
    now: Instant,
    limit: i64,
) -> Result<Vec<Hunt>, StoreError> {
    let sql = match by {
        By::ReceiptId => DUE_BY_RECEIPT_ID,
        By::Iuv => DUE_BY_IUV,
    };
    let query = sqlx::query(sql).bind(now.to_string()).bind(limit);
    query.fetch_all(conn).await?.iter().map(hunt).collect()
}

/// When the next question is due, if anything is looked for at all.
///
/// # Errors
/// The database failed.
pub async fn next_due(conn: &mut Conn, by: By) -> Result<Option<Instant>, StoreError> {
    let sql = match by {
        By::ReceiptId => NEXT_BY_RECEIPT_ID,
        By::Iuv => NEXT_BY_IUV,
    };
    let row = sqlx::query(sql).fetch_optional(conn).await?;
    row.map(|row| {
        Columns {
            table: "receipt_hunts",
            row: &row,
        }
        .instant("next_try_at")
    })
    .transpose()
}

/// Writes down what came of questions; a hunt that has changed meanwhile is left as it is.
///
/// # Errors
/// The database failed.
pub async fn record(conn: &mut Conn, steps: &[Step], now: Instant) -> Result<(), StoreError> {
    for (sql, piece) in RECORD.pieces(steps) {
        let mut query = sqlx::query(sql);
        for step in piece {
            let is_closed = step.state != State::Searching;
            query = query
                .bind(step.hunt.id.as_str())
                .bind(step.hunt.next_try_at.to_string())
                .bind(step.hunt.ask.as_str())
                .bind(step.state.as_str())
                .bind(step.ask.as_str())
                .bind(step.next_try_at.to_string())
                .bind(i64::from(step.is_try))
                .bind(is_closed.then(|| now.to_string()))
                .bind(step.error.as_deref());
        }
        query.fetch_all(&mut *conn).await?;
    }
    Ok(())
}

/// A page of a creditor's hunts, newest first.
///
/// # Errors
/// The database failed.
pub async fn list(
    conn: &mut Conn,
    creditor: &CreditorCode,
    state: Option<State>,
    before: Option<&str>,
    limit: i64,
) -> Result<Vec<Hunt>, StoreError> {
    let query = match state {
        Some(state) => sqlx::query(LIST_BY_STATE)
            .bind(creditor.as_str())
            .bind(state.as_str()),
        None => sqlx::query(LIST).bind(creditor.as_str()),
    };
    let query = query.bind(before.unwrap_or(TOP)).bind(limit);
    query.fetch_all(conn).await?.iter().map(hunt).collect()
}

/// How many receipts are looked for; 1001 when there are more than a thousand.
///
/// # Errors
/// The database failed.
pub async fn searching(conn: &mut Conn) -> Result<i64, StoreError> {
    let row = sqlx::query(SEARCHING).fetch_one(conn).await?;
    Ok(row.try_get("hunts")?)
}

/// How many receipts of a creditor were found nowhere; 1001 when there are more than a thousand.
///
/// # Errors
/// The database failed.
pub async fn missing(conn: &mut Conn, creditor: &CreditorCode) -> Result<i64, StoreError> {
    let query = sqlx::query(MISSING).bind(creditor.as_str());
    Ok(query.fetch_one(conn).await?.try_get("hunts")?)
}

/// Removes hunts that nobody asks for any more: wanted before an instant, and closed or never more
/// than an activation; how many, at most `limit`.
///
/// # Errors
/// The database failed.
pub async fn forget(conn: &mut Conn, before: Instant, limit: i64) -> Result<usize, StoreError> {
    let query = sqlx::query(FORGET).bind(before.to_string()).bind(limit);
    Ok(query.fetch_all(conn).await?.len())
}

fn hunt(row: &sqlx::any::AnyRow) -> Result<Hunt, StoreError> {
    let columns = Columns {
        table: "receipt_hunts",
        row,
    };
    Ok(Hunt {
        id: HuntId::new(columns.text("id")?),
        creditor: columns.parsed("creditor", CreditorCode::parse)?,
        iuv: columns.text("iuv")?,
        iur: columns.text("iur")?,
        notice: columns.optional("notice_number", NoticeNumber::parse)?,
        reason: columns.parsed("reason", |text| Reason::parse(text).ok_or(()))?,
        state: columns.parsed("state", |text| State::parse(text).ok_or(()))?,
        ask: columns.parsed("ask", |text| Ask::parse(text).ok_or(()))?,
        attempts: columns.integer("attempts")?,
        wanted_at: columns.instant("wanted_at")?,
        next_try_at: columns.instant("next_try_at")?,
        last_error: columns.optional_text("last_error")?,
    })
}
