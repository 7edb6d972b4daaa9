//! The journal of exchanges (*giornale degli eventi*): what came in at a door and what went out, and
//! what we asked of others.
//!
//! A receipt's exchange is written in the receipt's own transaction. All others change nothing, so
//! they wait a moment in memory and are written together: a verify does not pay for a commit. While
//! the database answers, what waits is hardly older than `flush_ms`; a power cut loses those lines,
//! and no payment.
//!
//! Every transaction that writes exchanges adds a block to a chain of hashes (`chain`); [`audit`]
//! proves that nothing was altered or taken out. Lines leave when their time has passed
//! ([`retention`]); the bytes of a message can be taken out before ([`erasure`]). Both leave the chain
//! whole.

pub mod audit;
pub(in crate::desk) mod chain;
pub mod erasure;
mod hash;
mod outbound;
mod pages;
mod proof;
pub mod retention;
pub mod search;
mod writer;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::supervise;
use crate::clock::{Clock, Ids, Stopwatch};
use crate::config::Config;
use crate::domain::day::Instant;
use crate::domain::ids::{DocumentId, ExchangeId};
use crate::domain::notice::NoticeNumber;
use crate::domain::text::cut;
use crate::metrics::Metrics;
use crate::point;
use crate::store::documents::Document;
use crate::store::exchanges::{Direction, Exchange, Kind, Paper};
use crate::store::{Store, StoreError};
use crate::wire::digest::sha256;

use chain::{Chain, Lane};
pub use outbound::Outbound;

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
    /// What they are, as a document: `soap_request`, …
    pub kind: &'static str,
    /// Who calls at this door: `pagopa-node`, …
    pub party: &'static str,
    /// Method and path, when they are not those of the door.
    pub address: Option<String>,
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

/// The IUV inside a notice number, when it is one.
fn iuv(notice: Option<&str>) -> Option<String> {
    let notice = NoticeNumber::parse(notice?).ok()?;
    Some(notice.iuv().as_str().to_owned())
}

impl Document {
    /// The document as its exchange names it.
    fn paper(&self) -> Paper {
        Paper {
            id: self.id.clone(),
            sha256: self.sha256.clone(),
        }
    }
}

impl Call {
    /// The bytes that came in, as a document.
    pub fn request(&self) -> Document {
        Document {
            id: self.document.clone(),
            kind: self.kind,
            sha256: sha256(&self.bytes),
            bytes: self.bytes.clone(),
            stored_at: self.started_at,
        }
    }

    /// The exchange of a receipt that this reply ends, and the reply as a document; `request` is the
    /// receipt.
    pub fn exchange(&self, ids: &Ids, request: &Document, reply: &Reply) -> (Exchange, Document) {
        self.line(ids, Kind::Receipt, request, reply)
    }

    fn line(
        &self,
        ids: &Ids,
        kind: Kind,
        request: &Document,
        reply: &Reply,
    ) -> (Exchange, Document) {
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
            direction: Direction::In,
            party: self.party.to_owned(),
            kind,
            operation: self.subject.operation.clone(),
            address: self.address.as_ref().map(|text| cut(text, 200).to_owned()),
            peer: self.peer.clone(),
            creditor: self.subject.creditor.clone(),
            iuv: iuv(self.subject.notice.as_deref()),
            notice: self.subject.notice.clone(),
            reference: self.subject.reference.clone(),
            outcome: reply.outcome.clone(),
            http_status: reply.http_status,
            duration_us: self.stopwatch.micros(),
            request: Some(request.paper()),
            reply: Some(document.paper()),
        };
        (exchange, document)
    }

    /// The exchange that this reply ends, with the bytes of both sides; not for a receipt that was
    /// recorded.
    pub fn close(&self, ids: &Ids, reply: &Reply) -> Entry {
        // A copy of its own: a receipt whose commit was late may still be written under the first
        // id, and a document belongs to one exchange.
        let request = Document {
            id: DocumentId::new(ids.next(self.started_at)),
            ..self.request()
        };
        // Whatever the protocol has an answer for is HTTP 200, a KO too.
        let kind = match reply.http_status {
            200 => Kind::Read,
            _ => Kind::Refused,
        };
        let (exchange, reply) = self.line(ids, kind, &request, reply);
        Entry {
            exchange,
            request,
            reply,
        }
    }
}

/// Takes exchanges and writes them together.
#[derive(Debug, Clone)]
pub struct Journal {
    sender: mpsc::Sender<Note>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    store: Store,
    ids: Ids,
    clock: Clock,
    lines: Chain,
    seals: Chain,
    given_up: AtomicU64,
    metrics: Metrics,
    /// Whether anybody looks for the receipts of the notices that the node gets.
    hunts: bool,
}

#[derive(Debug)]
enum Note {
    Entry(Box<Entry>),
    Flush(oneshot::Sender<()>),
}

/// How long a door waits for room in the journal before it goes on without.
const PATIENCE: Duration = Duration::from_secs(1);

impl Journal {
    pub(super) fn start(
        store: Store,
        ids: Ids,
        clock: Clock,
        process: &str,
        metrics: Metrics,
        config: &Config,
    ) -> (Journal, JoinHandle<()>) {
        let (sender, receiver) = mpsc::channel(config.journal.queue_limit);
        let shared = Arc::new(Shared {
            store,
            lines: Chain::new(ids.clone(), Lane::Journal, process),
            seals: Chain::new(ids.clone(), Lane::Seal, process),
            ids,
            clock,
            given_up: AtomicU64::new(0),
            metrics,
            hunts: config.receipt_search.enabled,
        });
        let flush = Duration::from_millis(config.journal.flush_ms);
        let task = supervise("journal", shared.clone().write_all(receiver, flush));
        (Journal { sender, shared }, task)
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
            self.shared.give_up(1);
            tracing::error!(exchange = %id, "the journal is full: an exchange is not written down");
        }
    }

    /// The same for a call of ours, once it has ended.
    pub async fn note_out(&self, call: Outbound) {
        self.note(call.close(&self.shared.ids)).await;
    }

    /// Waits until everything noted before is written.
    pub async fn flush(&self) {
        let (sender, receiver) = oneshot::channel();
        if self.sender.send(Note::Flush(sender)).await.is_ok() {
            // An error here means that the journal has ended, and with it everything was written.
            let _ = receiver.await;
        }
    }

    /// How many lines were given up since the start, because the journal was full or the database
    /// would not take them.
    pub fn given_up(&self) -> u64 {
        self.shared.given_up.load(Ordering::Relaxed)
    }

    /// How many lines wait in memory.
    pub fn waiting(&self) -> usize {
        self.sender.max_capacity() - self.sender.capacity()
    }

    /// Seals the journal: one block over the heads of all chains that nothing vouches for yet, whose
    /// hash goes to the log. Its hash, when something was to be sealed.
    ///
    /// # Errors
    /// The store failed.
    pub async fn seal(&self) -> Result<Option<String>, StoreError> {
        let Shared {
            store,
            clock,
            seals,
            ..
        } = &*self.shared;
        let mut tx = store.write().await?;
        let Some((head, heads)) = seals.seal(&mut tx, clock.now()).await? else {
            return Ok(None);
        };
        point::reach("seal.before_commit");
        tx.commit().await?;
        point::reach("seal.after_commit");
        tracing::info!(
            seal = head.hash,
            chain = head.chain,
            number = head.number,
            heads,
            "the journal is sealed: kept elsewhere, this hash proves what it held"
        );
        let hash = head.hash.clone();
        seals.settle(head);
        Ok(Some(hash))
    }
}

impl Shared {
    fn give_up(&self, lines: usize) {
        self.metrics.given_up(lines);
        let lines = u64::try_from(lines).unwrap_or(u64::MAX);
        self.given_up.fetch_add(lines, Ordering::Relaxed);
    }
}
