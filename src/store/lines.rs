//! Lines of a chain with their messages, read to be verified.

use sqlx::any::AnyRow;

use super::exchanges::{Exchange, columns, exchange, joins};
use super::statement::statements;
use super::{Columns, Conn, StoreError};

/// A message as it lies in the store.
#[derive(Debug, Clone)]
pub struct Stored {
    /// Its id.
    pub id: String,
    /// SHA-256 of the bytes as they came; nothing when the document is missing.
    pub sha256: Option<String>,
    /// What it is said to be.
    pub kind: Option<String>,
    /// When it was stored.
    pub stored_at: Option<String>,
    /// The bytes there are.
    pub bytes: Vec<u8>,
    /// When they were taken out.
    pub erased_at: Option<String>,
    /// The exchange that says by whom and why.
    pub erasure: Option<String>,
}

/// A line of a chain with its messages, read to be verified.
#[derive(Debug)]
pub struct Line {
    /// Its id.
    pub id: String,
    /// Its block.
    pub block: i64,
    /// Its place in the block.
    pub place: i64,
    /// Its hash, as it is stored.
    pub hash: String,
    /// What it says, when that can be read.
    pub exchange: Result<Exchange, StoreError>,
    /// The call that it names.
    pub request: Option<Stored>,
    /// The reply that it names.
    pub reply: Option<Stored>,
}

statements! {
    LINES = concat!("SELECT ", columns!(), ", e.hash, q.kind AS request_kind, \
        q.stored_at AS request_stored_at, q.bytes AS request_bytes, \
        q.erased_at AS request_erased_at, q.erasure AS request_erasure, r.kind AS reply_kind, \
        r.stored_at AS reply_stored_at, r.bytes AS reply_bytes, r.erased_at AS reply_erased_at, \
        r.erasure AS reply_erasure FROM ",
        joins!(), " WHERE e.chain = $1 AND e.place IS NOT NULL \
        AND (e.block, e.place) > ($2, $3) \
        ORDER BY e.block, e.place LIMIT $4");
}

/// Lines of a chain after this block and place, in order, with their messages; not those that name no
/// block or no place.
///
/// # Errors
/// The database failed.
pub async fn of_chain(
    conn: &mut Conn,
    chain: &str,
    (block, place): (i64, i64),
    limit: i64,
) -> Result<Vec<Line>, StoreError> {
    let rows = sqlx::query(LINES)
        .bind(chain)
        .bind(block)
        .bind(place)
        .bind(limit)
        .fetch_all(conn)
        .await?;
    rows.iter().map(read_line).collect()
}

fn read_line(row: &AnyRow) -> Result<Line, StoreError> {
    let columns = Columns {
        table: "exchanges",
        row,
    };
    Ok(Line {
        id: columns.text("id")?,
        block: columns.integer("block")?,
        place: columns.integer("place")?,
        hash: columns.optional_text("hash")?.unwrap_or_default(),
        exchange: exchange(&columns),
        request: stored(&columns, REQUEST)?,
        reply: stored(&columns, REPLY)?,
    })
}

/// The names of a message's columns: id, hash, kind, moment, bytes, and those of its erasure.
type Names = [&'static str; 7];

const REQUEST: Names = [
    "request_document",
    "request_sha256",
    "request_kind",
    "request_stored_at",
    "request_bytes",
    "request_erased_at",
    "request_erasure",
];

const REPLY: Names = [
    "reply_document",
    "reply_sha256",
    "reply_kind",
    "reply_stored_at",
    "reply_bytes",
    "reply_erased_at",
    "reply_erasure",
];

fn stored(columns: &Columns<'_>, names: Names) -> Result<Option<Stored>, StoreError> {
    let [id, sha256, kind, stored_at, bytes, erased_at, erasure] = names;
    let Some(id) = columns.optional_text(id)? else {
        return Ok(None);
    };
    Ok(Some(Stored {
        id,
        sha256: columns.optional_text(sha256)?,
        kind: columns.optional_text(kind)?,
        stored_at: columns.optional_text(stored_at)?,
        bytes: columns.optional_bytes(bytes)?.unwrap_or_default(),
        erased_at: columns.optional_text(erased_at)?,
        erasure: columns.optional_text(erasure)?,
    }))
}
