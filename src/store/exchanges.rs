//! Exchanges: every call in and out with its reply, for the journal of events.

use sqlx::Row;
use sqlx::any::AnyRow;

use super::sheet::{Rows, sheets};
use super::statement::statements;
use super::{Columns, Conn, StoreError};
use crate::domain::day::Instant;
use crate::domain::ids::{DocumentId, ExchangeId};

/// Which way a call went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Somebody called us.
    In,
    /// We called somebody.
    Out,
}

/// What a line is, and so how long it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A question that was answered and changed nothing: verify, get.
    Read,
    /// A message about money.
    Receipt,
    /// A call of ours.
    Outbound,
    /// A call that could not be read, was not for us, or was not let in.
    Refused,
    /// The taking out of messages' bytes: who, when, why.
    Erasure,
}

impl Direction {
    /// The word in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Direction::In => "in",
            Direction::Out => "out",
        }
    }

    fn parse(text: &str) -> Result<Direction, ()> {
        match text {
            "in" => Ok(Direction::In),
            "out" => Ok(Direction::Out),
            _ => Err(()),
        }
    }
}

impl Kind {
    /// All kinds, in the order of their words.
    pub const ALL: [Kind; 5] = [
        Kind::Erasure,
        Kind::Outbound,
        Kind::Read,
        Kind::Receipt,
        Kind::Refused,
    ];

    /// The word in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Read => "read",
            Kind::Receipt => "receipt",
            Kind::Outbound => "outbound",
            Kind::Refused => "refused",
            Kind::Erasure => "erasure",
        }
    }

    /// The kind written as [`Kind::as_str`] writes it.
    pub fn parse(text: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// A message of an exchange: where its bytes are, and their SHA-256.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paper {
    /// The document.
    pub id: DocumentId,
    /// SHA-256 of the bytes as they came or went, in hexadecimal.
    pub sha256: String,
}

/// A call and its reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// Our id.
    pub id: ExchangeId,
    /// When the call began.
    pub started_at: Instant,
    /// Which way it went.
    pub direction: Direction,
    /// Whom we spoke with: `pagopa-node`, `ledger`, …
    pub party: String,
    /// What it is.
    pub kind: Kind,
    /// The root element of the message, the name of the operation, or `unreadable`.
    pub operation: String,
    /// Method and address of HTTP, when they say more than the operation.
    pub address: Option<String>,
    /// The subject of the client's certificate, when there was one.
    pub peer: Option<String>,
    /// `idPA`, when it could be read.
    pub creditor: Option<String>,
    /// The notice number, when it could be read.
    pub notice: Option<String>,
    /// The IUV, when it is known.
    pub iuv: Option<String>,
    /// The receipt's id, when it could be read.
    pub reference: Option<String>,
    /// `OK`, a fault code, or why there was no reply of the protocol.
    pub outcome: String,
    /// The status of the HTTP answer; 0 when there was none.
    pub http_status: u16,
    /// From the head of the call to the reply being ready, in microseconds.
    pub duration_us: i64,
    /// The call.
    pub request: Option<Paper>,
    /// The reply.
    pub reply: Option<Paper>,
}

/// An exchange with its place in a chain.
#[derive(Debug, Clone, Copy)]
pub struct Chained<'a> {
    /// What is written.
    pub exchange: &'a Exchange,
    /// The chain.
    pub chain: &'a str,
    /// The block's number in the chain.
    pub block: i64,
    /// The place in the block, from 0.
    pub place: i64,
    /// The hash of all this.
    pub hash: &'a str,
}

/// An exchange as it was written down, with its place, if it has one.
#[derive(Debug, Clone)]
pub struct Found {
    /// The line.
    pub exchange: Exchange,
    /// Chain, block and place; nothing for lines that are older than the chains.
    pub place: Option<(String, i64, i64)>,
}

/// What to look for; what is left out matches everything.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// The creditor's fiscal code.
    pub creditor: Option<String>,
    /// The notice number, of eighteen digits.
    pub notice: Option<String>,
    /// The IUV; that of the notice, when there is one.
    pub iuv: Option<String>,
    /// The receipt's id, as far as it was kept.
    pub reference: Option<String>,
    /// Begun not before this instant.
    pub from: Option<Instant>,
    /// Begun before this instant.
    pub until: Option<Instant>,
    /// Older than this line: its moment and id.
    pub before: Option<(Instant, String)>,
}

/// The columns that [`exchange`] reads, of `exchanges` as `e`, its request as `q`, its reply as `r`.
macro_rules! columns {
    () => {
        "e.id, e.started_at, e.direction, e.party, e.kind, e.operation, e.address, e.peer, \
         e.creditor, e.notice_number, e.iuv, e.reference, e.outcome, e.http_status, \
         e.duration_us, e.request_document, q.sha256 AS request_sha256, e.reply_document, \
         r.sha256 AS reply_sha256, e.chain, e.block, e.place"
    };
}

macro_rules! joins {
    () => {
        "exchanges e LEFT JOIN documents q ON q.id = e.request_document \
         LEFT JOIN documents r ON r.id = e.reply_document"
    };
}

macro_rules! search {
    ($key:literal, $order:literal) => {
        concat!(
            "SELECT ",
            columns!(),
            " FROM ",
            joins!(),
            " WHERE ",
            $key,
            " AND ($2 = '' OR e.creditor = $2) AND ($3 = '' OR e.notice_number = $3) \
             AND ($4 = '' OR e.reference = $4) AND e.started_at >= $5 AND e.started_at < $6 ",
            $order,
        )
    };
}

pub(super) use {columns, joins};

/// When a migration was applied, as an instant without its fractions of a second, in UTC on both
/// engines: the table is the migrator's own.
macro_rules! applied {
    ($version:literal) => {
        concat!(
            "(SELECT replace(substr(CAST(installed_on AS TEXT), 1, 19), ' ', 'T') \
             FROM _sqlx_migrations WHERE version = ",
            $version,
            ")"
        )
    };
}

/// A line from before the chains: it began after the journal was made (migration 1), before there were
/// chains (migration 3), and before the first block. Where both were made at once there is none.
macro_rules! is_older {
    () => {
        concat!(
            "chain IS NULL AND started_at >= ",
            applied!("1"),
            " AND started_at < ",
            applied!("3"),
            " AND started_at < COALESCE((SELECT MIN(written_at) FROM journal_blocks \
             WHERE number = 1), 'z')"
        )
    };
}

statements! {
    /// By notice too: the notice contains its IUV, so one index serves both.
    BY_IUV = search!("e.iuv = $1", "AND e.id < $8 AND $7 <> '' ORDER BY e.id DESC LIMIT $9");

    BY_REFERENCE = search!(
        "e.reference = $4 AND $1 = ''",
        "AND e.id < $8 AND $7 <> '' ORDER BY e.id DESC LIMIT $9"
    );

    /// Everything is compared behind the creditor, so that no engine prefers the index by time, in
    /// which the lines of all others stand too.
    BY_CREDITOR = concat!(
        "SELECT ",
        columns!(),
        " FROM ",
        joins!(),
        " WHERE e.creditor = $2 AND $1 = '' AND ($3 = '' OR e.notice_number = $3) \
         AND ($4 = '' OR e.reference = $4) AND (e.creditor, e.started_at) >= ($2, $5) \
         AND (e.creditor, e.started_at) < ($2, $6) \
         AND (e.creditor, e.started_at, e.id) < ($2, $7, $8) \
         ORDER BY e.creditor DESC, e.started_at DESC, e.id DESC LIMIT $9"
    );

    BY_TIME = search!(
        "$1 = ''",
        "AND (e.started_at, e.id) < ($7, $8) ORDER BY e.started_at DESC, e.id DESC LIMIT $9"
    );

    BY_ID = concat!("SELECT ", columns!(), " FROM ", joins!(), " WHERE e.id = $1");

    EXISTS = "SELECT id FROM exchanges WHERE id = $1";

    /// Lines that are older than the chains.
    UNCHAINED = concat!("SELECT COUNT(*) AS n FROM exchanges WHERE ", is_older!());

    /// Lines in no chain that cannot be older than the chains, or in a chain without a name.
    OUTSIDE = concat!("SELECT id FROM exchanges WHERE chain IS NULL AND NOT (", is_older!(), ") \
        UNION ALL SELECT id FROM exchanges WHERE chain = '' LIMIT $1");

    /// Lines of a chain that name no block or no place in it.
    UNPLACED = "SELECT id FROM exchanges WHERE chain = $1 AND (block IS NULL OR place IS NULL) \
        LIMIT $2";
}

sheets! {
    /// Stored once, as the documents are.
    INSERT = ("INSERT INTO exchanges (id, started_at, operation, peer, creditor, notice_number, \
        reference, outcome, http_status, duration_us, request_document, reply_document, \
        direction, party, kind, address, iuv, chain, block, place, hash)",
        "?, ?, ?, ?, ?, ?, ?, ?, CAST(? AS BIGINT), CAST(? AS BIGINT), ?, ?, ?, ?, ?, ?, ?, ?, \
        CAST(? AS BIGINT), CAST(? AS BIGINT), ?",
        " ON CONFLICT (id) DO NOTHING RETURNING id");
}

/// The rows of exchanges in their places, for [`INSERT`], which gives back those that were not
/// stored before.
pub(super) fn rows(lines: &[Chained<'_>]) -> Rows {
    Rows::of(lines, |row, line| {
        let exchange = line.exchange;
        row.bind(exchange.id.as_str())
            .bind(exchange.started_at.to_string())
            .bind(exchange.operation.as_str())
            .bind(exchange.peer.as_deref())
            .bind(exchange.creditor.as_deref())
            .bind(exchange.notice.as_deref())
            .bind(exchange.reference.as_deref())
            .bind(exchange.outcome.as_str())
            .bind(exchange.http_status)
            .bind(exchange.duration_us)
            .bind(exchange.request.as_ref().map(|paper| paper.id.as_str()))
            .bind(exchange.reply.as_ref().map(|paper| paper.id.as_str()))
            .bind(exchange.direction.as_str())
            .bind(exchange.party.as_str())
            .bind(exchange.kind.as_str())
            .bind(exchange.address.as_deref())
            .bind(exchange.iuv.as_deref())
            .bind(line.chain)
            .bind(line.block)
            .bind(line.place)
            .bind(line.hash);
    })
}

/// Before and after every instant.
const EVER: (&str, &str) = ("0", "z");

fn length<T>(rows: &[T]) -> i64 {
    i64::try_from(rows.len()).unwrap_or(i64::MAX)
}

/// A page of what matches, newest first. A line that cannot be read is left out, with an error in the
/// log: it must not hide all others.
///
/// # Errors
/// The database failed.
pub async fn search(
    conn: &mut Conn,
    search: &Search,
    limit: i64,
) -> Result<Vec<Found>, StoreError> {
    let sql = match (&search.iuv, &search.reference) {
        (Some(_), _) => BY_IUV,
        (None, Some(_)) => BY_REFERENCE,
        (None, None) if search.creditor.is_some() => BY_CREDITOR,
        (None, None) => BY_TIME,
    };
    let instant = |at: Option<Instant>, ever: &str| at.map_or(ever.to_owned(), |at| at.to_string());
    let (mut before_at, mut before_id) = match &search.before {
        Some((at, id)) => (at.to_string(), id.clone()),
        None => (EVER.1.to_owned(), EVER.1.to_owned()),
    };
    let mut page = vec![];
    loop {
        let wanted = limit.saturating_sub(length(&page));
        let rows = sqlx::query(sql)
            .bind(search.iuv.as_deref().unwrap_or_default())
            .bind(search.creditor.as_deref().unwrap_or_default())
            .bind(search.notice.as_deref().unwrap_or_default())
            .bind(search.reference.as_deref().unwrap_or_default())
            .bind(instant(search.from, EVER.0))
            .bind(instant(search.until, EVER.1))
            .bind(before_at)
            .bind(before_id)
            .bind(wanted)
            .fetch_all(&mut *conn)
            .await?;
        page.extend(rows.iter().filter_map(|row| match found(row) {
            Ok(line) => Some(line),
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    exchange = row.try_get::<String, _>("id").ok(),
                    "a line of the journal cannot be read and is left out"
                );
                None
            }
        }));
        // A short page would seem the last one: what was left out is made up for.
        let Some(last) = rows.last().filter(|_| length(&rows) == wanted) else {
            return Ok(page);
        };
        if length(&page) >= limit {
            return Ok(page);
        }
        (before_at, before_id) = (last.try_get("started_at")?, last.try_get("id")?);
    }
}

/// The exchange with this id.
///
/// # Errors
/// The database failed, or holds a line that cannot be read.
pub async fn by_id(conn: &mut Conn, id: &ExchangeId) -> Result<Option<Found>, StoreError> {
    let row = sqlx::query(BY_ID)
        .bind(id.as_str())
        .fetch_optional(conn)
        .await?;
    row.as_ref().map(found).transpose()
}

/// Whether an exchange is written down.
///
/// # Errors
/// The database failed.
pub async fn exists(conn: &mut Conn, id: &ExchangeId) -> Result<bool, StoreError> {
    let row = sqlx::query(EXISTS)
        .bind(id.as_str())
        .fetch_optional(conn)
        .await?;
    Ok(row.is_some())
}

/// How many lines are older than the chains.
///
/// # Errors
/// The database failed.
pub async fn unchained(conn: &mut Conn) -> Result<i64, StoreError> {
    Ok(sqlx::query(UNCHAINED).fetch_one(conn).await?.try_get("n")?)
}

/// Lines that are in no chain although they did not begin between the making of the journal and that of
/// the chains, or in one without a name.
///
/// # Errors
/// The database failed.
pub async fn outside(conn: &mut Conn, limit: i64) -> Result<Vec<String>, StoreError> {
    let rows = sqlx::query(OUTSIDE).bind(limit).fetch_all(conn).await?;
    rows.iter().map(|row| Ok(row.try_get("id")?)).collect()
}

/// Lines of a chain that name no block or no place in it.
///
/// # Errors
/// The database failed.
pub async fn unplaced(conn: &mut Conn, chain: &str, limit: i64) -> Result<Vec<String>, StoreError> {
    let rows = sqlx::query(UNPLACED)
        .bind(chain)
        .bind(limit)
        .fetch_all(conn)
        .await?;
    rows.iter().map(|row| Ok(row.try_get("id")?)).collect()
}

fn found(row: &AnyRow) -> Result<Found, StoreError> {
    let columns = Columns {
        table: "exchanges",
        row,
    };
    let place = match columns.optional_text("chain")? {
        Some(chain) => Some((chain, columns.integer("block")?, columns.integer("place")?)),
        None => None,
    };
    Ok(Found {
        exchange: exchange(&columns)?,
        place,
    })
}

/// Reads an exchange so strictly that it would be written again in the very same way: its hash is
/// taken over what is read.
///
/// # Errors
/// A column holds what we would never write.
pub(super) fn exchange(columns: &Columns<'_>) -> Result<Exchange, StoreError> {
    let paper = |id: &'static str, sha256: &'static str| -> Result<_, StoreError> {
        Ok(columns.optional_text(id)?.map(|id| Paper {
            id: DocumentId::new(id),
            // Empty when the document is missing; then nothing else will agree either.
            sha256: columns
                .optional_text(sha256)
                .ok()
                .flatten()
                .unwrap_or_default(),
        }))
    };
    Ok(Exchange {
        id: ExchangeId::new(columns.text("id")?),
        started_at: columns.exact_instant("started_at")?,
        direction: columns.parsed("direction", Direction::parse)?,
        party: columns.text("party")?,
        kind: columns.parsed("kind", |text| Kind::parse(text).ok_or(()))?,
        operation: columns.text("operation")?,
        address: columns.optional_text("address")?,
        peer: columns.optional_text("peer")?,
        creditor: columns.optional_text("creditor")?,
        notice: columns.optional_text("notice_number")?,
        iuv: columns.optional_text("iuv")?,
        reference: columns.optional_text("reference")?,
        outcome: columns.text("outcome")?,
        http_status: u16::try_from(columns.integer("http_status")?)
            .map_err(|_| columns.corrupt("http_status"))?,
        duration_us: columns.integer("duration_us")?,
        request: paper("request_document", "request_sha256")?,
        reply: paper("reply_document", "reply_sha256")?,
    })
}
