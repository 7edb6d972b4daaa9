//! The journal of exchanges: what came in at a door and what went out.
//!
//! A receipt's exchange is written in the receipt's own transaction. All others change nothing, so
//! they wait a moment in memory and are written together: a verify does not pay for a commit. While
//! the database answers, what waits is hardly older than `flush_ms`; a power cut loses those lines,
//! and no payment.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::supervise;
use crate::clock::{Ids, Stopwatch};
use crate::config;
use crate::domain::day::Instant;
use crate::domain::ids::{DocumentId, ExchangeId};
use crate::store::documents::Document;
use crate::store::exchanges::Exchange;
use crate::store::{Store, StoreError, documents, exchanges};
use crate::wire::digest::sha256;

/// A call that came in, while it is being answered.
#[derive(Debug, Clone)]
pub struct Call {
    /// When it came.
    pub started_at: Instant,
    /// Measures the answer.
    pub stopwatch: Stopwatch,
    /// The id under which its bytes are kept.
    pub document: DocumentId,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The subject of the client's certificate.
    pub peer: Option<String>,
    /// What it asks for, as far as it could be read.
    pub subject: Subject,
}

/// What a call is about, as far as it could be read.
#[derive(Debug, Clone, Default)]
pub struct Subject {
    /// The root element, or `unreadable`.
    pub operation: String,
    /// `idPA`.
    pub creditor: Option<String>,
    /// The notice number.
    pub notice: Option<String>,
    /// The receipt's id.
    pub reference: Option<String>,
}

/// What went out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The status of the HTTP answer.
    pub http_status: u16,
    /// `OK`, a fault code, or why there was no reply of the protocol.
    pub outcome: String,
    /// The body.
    pub bytes: Vec<u8>,
}

/// An exchange with the bytes of both sides.
#[derive(Debug)]
pub struct Entry {
    /// The row.
    pub exchange: Exchange,
    /// What came in.
    pub request: Document,
    /// What went out.
    pub reply: Document,
}

impl Call {
    /// The bytes that came in, as a document.
    pub fn request(&self) -> Document {
        Document {
            id: self.document.clone(),
            kind: "soap_request",
            sha256: sha256(&self.bytes),
            bytes: self.bytes.clone(),
            stored_at: self.started_at,
        }
    }

    /// The exchange that this reply ends, and the reply as a document.
    pub fn exchange(&self, ids: &Ids, reply: &Reply) -> (Exchange, Document) {
        let document = Document {
            id: DocumentId::new(ids.next(self.started_at)),
            kind: "soap_reply",
            sha256: sha256(&reply.bytes),
            bytes: reply.bytes.clone(),
            stored_at: self.started_at,
        };
        let exchange = Exchange {
            id: ExchangeId::new(ids.next(self.started_at)),
            started_at: self.started_at,
            operation: self.subject.operation.clone(),
            peer: self.peer.clone(),
            creditor: self.subject.creditor.clone(),
            notice: self.subject.notice.clone(),
            reference: self.subject.reference.clone(),
            outcome: reply.outcome.clone(),
            http_status: reply.http_status,
            duration_us: self.stopwatch.micros(),
            request: Some(self.document.clone()),
            reply: Some(document.id.clone()),
        };
        (exchange, document)
    }

    /// The exchange that this reply ends, with the bytes of both sides.
    pub fn close(&self, ids: &Ids, reply: &Reply) -> Entry {
        let (exchange, document) = self.exchange(ids, reply);
        Entry {
            exchange,
            request: self.request(),
            reply: document,
        }
    }
}

/// Takes exchanges and writes them together.
#[derive(Debug, Clone)]
pub struct Journal {
    sender: mpsc::Sender<Note>,
}

#[derive(Debug)]
enum Note {
    Entry(Box<Entry>),
    Flush(oneshot::Sender<()>),
}

/// Exchanges written in one transaction, at most.
const BATCH: usize = 128;
/// How long a door waits for room in the journal before it goes on without.
const PATIENCE: Duration = Duration::from_secs(1);
/// Pause after a failed write.
const PAUSE: Duration = Duration::from_millis(500);

impl Journal {
    pub(super) fn start(store: Store, config: &config::Journal) -> (Journal, JoinHandle<()>) {
        let (sender, receiver) = mpsc::channel(config.queue_limit);
        let flush = Duration::from_millis(config.flush_ms);
        let task = supervise("journal", write_all(store, receiver, flush));
        (Journal { sender }, task)
    }

    /// Writes down an exchange soon. When the journal has been full for a second the line is given
    /// up, with an error in the log: answering the node comes first.
    pub async fn note(&self, entry: Entry) {
        let id = entry.exchange.id.clone();
        if self
            .sender
            .send_timeout(Note::Entry(Box::new(entry)), PATIENCE)
            .await
            .is_err()
        {
            tracing::error!(exchange = %id, "the journal is full: an exchange is not written down");
        }
    }

    /// Waits until everything noted before is written.
    pub async fn flush(&self) {
        let (sender, receiver) = oneshot::channel();
        if self.sender.send(Note::Flush(sender)).await.is_ok() {
            // An error here means that the journal has ended, and with it everything was written.
            let _ = receiver.await;
        }
    }
}

async fn write_all(store: Store, mut notes: mpsc::Receiver<Note>, flush: Duration) {
    while let Some(first) = notes.recv().await {
        let mut entries = vec![];
        let mut waiting = vec![];
        let deadline = tokio::time::sleep(flush);
        tokio::pin!(deadline);
        let mut next = Some(first);
        loop {
            match next.take() {
                Some(Note::Entry(entry)) => entries.push(*entry),
                Some(Note::Flush(sender)) => waiting.push(sender),
                None => {}
            }
            if entries.len() >= BATCH || !waiting.is_empty() {
                break;
            }
            tokio::select! {
                note = notes.recv() => match note {
                    Some(note) => next = Some(note),
                    None => break,
                },
                () = &mut deadline => break,
            }
        }
        write(&store, &entries, &notes).await;
        for sender in waiting {
            // Whoever waited may have gone away meanwhile.
            let _ = sender.send(());
        }
    }
}

/// Writes entries, again and again until the database takes them; when we are about to stop, three
/// times. Entries that the database will not take are tried alone, and given up with an
/// error in the log: one that can never be written must not keep all others from it.
async fn write(store: &Store, entries: &[Entry], notes: &mpsc::Receiver<Note>) {
    let mut tries = 0;
    while let Err(error) = try_write(store, entries).await {
        tries += 1;
        tracing::error!(
            error = &error as &dyn std::error::Error,
            exchanges = entries.len(),
            "the journal cannot be written"
        );
        if error.is_refusal() {
            return write_alone(store, entries).await;
        }
        if notes.is_closed() && tries >= 3 {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn write_alone(store: &Store, entries: &[Entry]) {
    for entry in entries {
        if let Err(error) = try_write(store, std::slice::from_ref(entry)).await {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                exchange = %entry.exchange.id,
                "an exchange cannot be written and is given up"
            );
        }
    }
}

async fn try_write(store: &Store, entries: &[Entry]) -> Result<(), StoreError> {
    if entries.is_empty() {
        return Ok(());
    }
    let mut tx = store.write_receipts().await?;
    let papers: Vec<Document> = entries
        .iter()
        .flat_map(|entry| [entry.request.clone(), entry.reply.clone()])
        .collect();
    let rows: Vec<Exchange> = entries.iter().map(|entry| entry.exchange.clone()).collect();
    documents::insert(&mut tx, &papers).await?;
    exchanges::insert(&mut tx, &rows).await?;
    tx.commit().await?;
    Ok(())
}
