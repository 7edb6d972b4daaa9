//! Documents: every message and file, in and out, byte for byte, with its SHA-256.

use sqlx::Row;

use super::statement::{bulks, statements};
use super::{Conn, StoreError};
use crate::domain::day::Instant;
use crate::domain::ids::DocumentId;

/// Bytes to keep.
#[derive(Debug, Clone)]
pub struct Document {
    /// Our id.
    pub id: DocumentId,
    /// What it is: `soap_request`, `soap_reply`.
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
}

bulks! {
    /// Stored once: after a commit whose answer was lost the same document may come again.
    INSERT = ("INSERT INTO documents (id, kind, sha256, bytes, stored_at) VALUES",
        "(?, ?, ?, ?, ?)", "ON CONFLICT (id) DO NOTHING");
}

/// Stores documents.
///
/// # Errors
/// The database failed.
pub async fn insert(conn: &mut Conn, documents: &[Document]) -> Result<(), StoreError> {
    for (sql, rows) in INSERT.pieces(documents) {
        let mut query = sqlx::query(sql);
        for document in rows {
            query = query
                .bind(document.id.as_str())
                .bind(document.kind)
                .bind(document.sha256.as_str())
                .bind(document.bytes.as_slice())
                .bind(document.stored_at.to_string());
        }
        query.execute(&mut *conn).await?;
    }
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
