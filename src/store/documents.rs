//! Documents: every message and file, in and out, byte for byte, with its SHA-256.

use sqlx::Row;
use sqlx::any::AnyRow;

use super::sheet::{Bundle, Rows, sheets};
use super::statement::statements;
use super::{Columns, Conn, StoreError};
use crate::domain::day::Instant;
use crate::domain::ids::{DocumentId, ExchangeId};
use crate::domain::notice::NoticeNumber;
use crate::domain::party::CreditorCode;
use crate::store::exchanges::Kind;

/// Bytes to keep.
#[derive(Debug, Clone)]
pub struct Document {
    /// Our id.
    pub id: DocumentId,
    /// What it is: `soap_request`, `soap_reply`, `http_request`, `http_reply`, `biz_receipt`,
    /// `gpd_receipt`, `erasure`, `mail_attachment`, `notice_batch`.
    pub kind: &'static str,
    /// SHA-256 of the bytes, in hexadecimal.
    pub sha256: String,
    /// The bytes as they came or went.
    pub bytes: Vec<u8>,
    /// When they were stored.
    pub stored_at: Instant,
}

statements! {
    READ = "SELECT bytes FROM documents WHERE id = $1";

    PAPER = "SELECT id, kind, sha256, bytes, erased_at, erasure FROM documents WHERE id = $1";

    OF_NOTICE = "SELECT d.id, d.kind, d.sha256, d.stored_at, d.erased_at, e.kind AS line, \
        (SELECT MIN(p.id) FROM payments p WHERE p.document = d.id) AS payment FROM exchanges e \
        JOIN documents d ON d.id = e.request_document OR d.id = e.reply_document \
        WHERE e.iuv = $1 AND e.notice_number = $2 AND e.creditor = $3 ORDER BY d.id";

    OF_ID = "SELECT d.id, d.kind, d.sha256, d.stored_at, d.erased_at, \
        (SELECT MIN(e.kind) FROM exchanges e WHERE e.started_at = d.stored_at \
        AND (e.request_document = d.id OR e.reply_document = d.id)) AS line, \
        (SELECT MIN(p.id) FROM payments p WHERE p.document = d.id) AS payment \
        FROM documents d WHERE d.id = $1";

    /// The hash stays: it is what the chain vouches for.
    ERASE = "UPDATE documents SET bytes = $2, erased_at = $3, erasure = $4 \
        WHERE id = $1 AND erased_at IS NULL";
}

sheets! {
    /// Stored once: after a commit whose answer was lost the same document may come again.
    INSERT = ("INSERT INTO documents (id, kind, sha256, bytes, stored_at)",
        "?, ?, ?, substr(CAST($bytes AS blob), CAST(? AS INTEGER), CAST(? AS INTEGER)), ?",
        " ON CONFLICT (id) DO NOTHING");
}

/// A document that may be erased.
#[derive(Debug, Clone)]
pub struct Erasable {
    /// Its id.
    pub id: DocumentId,
    /// SHA-256 of its bytes.
    pub sha256: String,
    /// When it was stored.
    pub stored_at: Instant,
    /// Whether it was erased before.
    pub is_erased: bool,
    /// What the line of the journal that it belongs to is, when there is one.
    pub line: Option<Kind>,
    /// Whether a payment stands on it.
    pub is_proof: bool,
}

/// A document as it lies there.
#[derive(Debug, Clone)]
pub struct Kept {
    /// Its id.
    pub id: DocumentId,
    /// What it is.
    pub kind: String,
    /// SHA-256 of the bytes as they came.
    pub sha256: String,
    /// The bytes; none when they were erased.
    pub bytes: Vec<u8>,
    /// When they were erased.
    pub erased_at: Option<Instant>,
    /// The exchange that says by whom and why.
    pub erasure: Option<ExchangeId>,
}

/// The rows of documents, for [`INSERT`].
pub(super) fn rows(documents: &[Document]) -> Rows {
    Rows::of(documents, |row, document| {
        row.bind(document.id.as_str())
            .bind(document.kind)
            .bind(document.sha256.as_str())
            .bytes(&document.bytes)
            .bind(document.stored_at.to_string());
    })
}

/// Stores documents that belong to no exchange; one that is there already stays as it is.
///
/// # Errors
/// The database failed.
pub async fn insert(conn: &mut Conn, documents: &[Document]) -> Result<(), StoreError> {
    Bundle::of(&INSERT, rows(documents)).run(conn).await?;
    Ok(())
}

/// The bytes of a document.
///
/// # Errors
/// The database failed.
pub async fn read(conn: &mut Conn, id: &DocumentId) -> Result<Option<Vec<u8>>, StoreError> {
    let row = sqlx::query(READ)
        .bind(id.as_str())
        .fetch_optional(conn)
        .await?;
    Ok(row.map(|row| row.try_get("bytes")).transpose()?)
}

/// A document with what is known of it.
///
/// # Errors
/// The database failed.
pub async fn kept(conn: &mut Conn, id: &DocumentId) -> Result<Option<Kept>, StoreError> {
    let row = sqlx::query(PAPER)
        .bind(id.as_str())
        .fetch_optional(conn)
        .await?;
    row.map(|row| {
        let columns = Columns {
            table: "documents",
            row: &row,
        };
        Ok(Kept {
            id: DocumentId::new(columns.text("id")?),
            kind: columns.text("kind")?,
            sha256: columns.text("sha256")?,
            bytes: columns.optional_bytes("bytes")?.unwrap_or_default(),
            erased_at: columns.optional("erased_at", Instant::parse)?,
            erasure: columns.optional_text("erasure")?.map(ExchangeId::new),
        })
    })
    .transpose()
}

/// The document with this id, to be erased.
///
/// # Errors
/// The database failed.
pub async fn erasable(conn: &mut Conn, id: &DocumentId) -> Result<Option<Erasable>, StoreError> {
    let row = sqlx::query(OF_ID)
        .bind(id.as_str())
        .fetch_optional(conn)
        .await?;
    row.as_ref().map(read_erasable).transpose()
}

/// The messages of every exchange about a creditor's notice, to be erased: another creditor may have
/// the same number.
///
/// # Errors
/// The database failed.
pub async fn of_notice(
    conn: &mut Conn,
    creditor: &CreditorCode,
    notice: &NoticeNumber,
) -> Result<Vec<Erasable>, StoreError> {
    let rows = sqlx::query(OF_NOTICE)
        .bind(notice.iuv().as_str())
        .bind(notice.as_str())
        .bind(creditor.as_str())
        .fetch_all(conn)
        .await?;
    rows.iter().map(read_erasable).collect()
}

/// Takes the bytes of a document out, and names the exchange that says by whom and why. False when
/// that was done before.
///
/// # Errors
/// The database failed.
pub async fn erase(
    conn: &mut Conn,
    id: &DocumentId,
    erasure: &ExchangeId,
    now: Instant,
) -> Result<bool, StoreError> {
    let nothing: &[u8] = &[];
    let erased = sqlx::query(ERASE)
        .bind(id.as_str())
        .bind(nothing)
        .bind(now.to_string())
        .bind(erasure.as_str())
        .execute(conn)
        .await?;
    Ok(erased.rows_affected() > 0)
}

fn read_erasable(row: &AnyRow) -> Result<Erasable, StoreError> {
    let columns = Columns {
        table: "documents",
        row,
    };
    Ok(Erasable {
        id: DocumentId::new(columns.text("id")?),
        sha256: columns.text("sha256")?,
        stored_at: columns.instant("stored_at")?,
        is_erased: columns.optional_text("erased_at")?.is_some(),
        line: columns.optional("line", |text| Kind::parse(text).ok_or(()))?,
        is_proof: columns.optional_text("payment")?.is_some(),
    })
}
