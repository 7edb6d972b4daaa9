//! Exchanges: every call at a door with its reply, for the journal of events.

use super::statement::bulks;
use super::{Conn, StoreError};
use crate::domain::day::Instant;
use crate::domain::ids::{DocumentId, ExchangeId};

/// A call and its reply.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// Our id.
    pub id: ExchangeId,
    /// When the call came in.
    pub started_at: Instant,
    /// The root element of the message, or `unreadable`.
    pub operation: String,
    /// The subject of the client's certificate, when there was one.
    pub peer: Option<String>,
    /// `idPA`, when it could be read.
    pub creditor: Option<String>,
    /// The notice number, when it could be read.
    pub notice: Option<String>,
    /// The receipt's id, when it could be read.
    pub reference: Option<String>,
    /// `OK`, a fault code, or why there was no reply of the protocol.
    pub outcome: String,
    /// The status of the HTTP answer.
    pub http_status: u16,
    /// From the head of the call to the reply being ready, in microseconds.
    pub duration_us: i64,
    /// The call.
    pub request: Option<DocumentId>,
    /// The reply.
    pub reply: Option<DocumentId>,
}

bulks! {
    /// Stored once, as the documents are.
    INSERT = ("INSERT INTO exchanges (id, started_at, operation, peer, creditor, notice_number, \
        reference, outcome, http_status, duration_us, request_document, reply_document) VALUES",
        "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", "ON CONFLICT (id) DO NOTHING");
}

/// Stores exchanges.
///
/// # Errors
/// The database failed.
pub async fn insert(conn: &mut Conn, exchanges: &[Exchange]) -> Result<(), StoreError> {
    for (sql, rows) in INSERT.pieces(exchanges) {
        let mut query = sqlx::query(sql);
        for exchange in rows {
            query = query
                .bind(exchange.id.as_str())
                .bind(exchange.started_at.to_string())
                .bind(exchange.operation.as_str())
                .bind(exchange.peer.as_deref())
                .bind(exchange.creditor.as_deref())
                .bind(exchange.notice.as_deref())
                .bind(exchange.reference.as_deref())
                .bind(exchange.outcome.as_str())
                .bind(i64::from(exchange.http_status))
                .bind(exchange.duration_us)
                .bind(exchange.request.as_ref().map(DocumentId::as_str))
                .bind(exchange.reply.as_ref().map(DocumentId::as_str));
        }
        query.execute(&mut *conn).await?;
    }
    Ok(())
}
