//! Collecting: the moment in which money becomes ours to account for.
//!
//! One task, the till, takes what waits and writes it in one transaction: the message first, then
//! the payment, the debt, the entry owed to the meal ledger and the exchange. Receipts that arrive
//! while a commit is on its way share the next one. Each is answered only after its commit, so an
//! answer OK survives a power cut.

mod book;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;

use self::book::Book;
use super::journal::chain::{Chain, Lane};
use super::journal::{Call, Reply, Subject};
use super::{Desk, DeskError, TRIES, supervise};
use crate::clock::{Clock, Ids};
use crate::config;
use crate::domain::creditor::ReceiptPolicy;
use crate::domain::payment::{Case, CaseCode, Collection};
use crate::metrics::Metrics;
use crate::point;
use crate::store::documents::Document;
use crate::store::{Store, StoreError};

/// Longest time for one batch: a database that is silent for longer is not waited for.
const PATIENCE: Duration = Duration::from_secs(8);
/// Receipts of one batch that wait for a lock alone, at most: behind a table that is locked each
/// would wait as long as the first.
const LOCKED: usize = 2;

/// A message about money, to be recorded whatever it says.
pub struct Deposit {
    /// The message as it came.
    pub call: Call,
    /// What it says, or why that cannot be booked.
    pub content: Content,
    /// What the creditor wants of receipts that are not as they should be.
    pub policy: ReceiptPolicy,
    /// The reply to it, once it is recorded.
    pub print: Print,
}

/// Prints the reply to what became of a deposit.
pub type Print = Box<dyn Fn(&Collected, &Subject) -> Reply + Send + Sync>;

impl std::fmt::Debug for Deposit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deposit")
            .field("subject", &self.call.subject)
            .finish_non_exhaustive()
    }
}

/// What a message about money says.
#[derive(Debug)]
pub enum Content {
    /// A payment.
    Collection(Box<Collection>),
    /// Nothing that can be booked; it is kept and shown to finance.
    Unbookable(Case),
    /// Nothing of ours; it is kept before it is refused, since it will not come again. With a case
    /// when it names a creditor that is served here.
    Foreign(Option<Case>),
}

/// What became of a deposit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Collected {
    /// Recorded now.
    Recorded,
    /// The same message was recorded before; nothing changed.
    Repeated,
    /// Another message was recorded under this reference; kept as evidence, nothing booked.
    Conflict,
    /// Kept as evidence and shown to finance, nothing booked: the creditor wants it refused.
    Refused(CaseCode),
    /// Kept and shown to finance, nothing booked, for this reason.
    Kept(String),
    /// Kept, and nothing of ours.
    Foreign,
}

impl Collected {
    /// The word for it in the metrics.
    fn word(&self) -> &'static str {
        match self {
            Collected::Recorded => "recorded",
            Collected::Repeated => "repeated",
            Collected::Conflict => "conflict",
            Collected::Kept(_) => "kept",
            Collected::Refused(_) => "refused",
            Collected::Foreign => "foreign",
        }
    }
}

impl Desk {
    /// Records a message about money and gives the reply to it, after the commit.
    ///
    /// # Errors
    /// [`DeskError::Overloaded`] or the store failed: then nothing is recorded, and the sender must
    /// be told to come again.
    pub async fn collect(&self, deposit: Deposit) -> Result<Reply, DeskError> {
        let (sender, receiver) = oneshot::channel();
        self.till
            .sender
            .try_send(Waiting { deposit, sender })
            .map_err(|_| DeskError::Overloaded)?;
        match receiver.await {
            Ok(Some(reply)) => Ok(reply),
            Ok(None) | Err(_) => Err(StoreError::Contended.into()),
        }
    }
}

/// The queue in front of the task that writes.
#[derive(Debug, Clone)]
pub(super) struct Till {
    sender: mpsc::Sender<Waiting>,
}

struct Waiting {
    deposit: Deposit,
    sender: oneshot::Sender<Option<Reply>>,
}

impl Till {
    pub(super) fn start(
        store: Store,
        ids: Ids,
        clock: Clock,
        [owed, happened]: [Arc<Notify>; 2],
        process: &str,
        metrics: Metrics,
        config: &config::Desk,
    ) -> (Till, JoinHandle<()>) {
        let (sender, receiver) = mpsc::channel(config.queue_limit);
        let writer = Writer {
            store,
            chain: Chain::new(ids.clone(), Lane::Till, process),
            ids,
            clock,
            owed,
            happened,
            metrics,
        };
        let task = supervise("till", writer.run(receiver, config.batch_limit));
        (Till { sender }, task)
    }

    /// Receipts that wait.
    pub(super) fn waiting(&self) -> usize {
        self.sender.max_capacity() - self.sender.capacity()
    }
}

struct Writer {
    store: Store,
    ids: Ids,
    clock: Clock,
    owed: Arc<Notify>,
    happened: Arc<Notify>,
    chain: Chain,
    metrics: Metrics,
}

impl Writer {
    async fn run(self, mut queue: mpsc::Receiver<Waiting>, limit: usize) {
        let mut waiting = vec![];
        while queue.recv_many(&mut waiting, limit).await > 0 {
            // Who waits no longer has been told to come again, and will.
            waiting.retain(|waiting| !waiting.sender.is_closed());
            let (deposits, senders): (Vec<Deposit>, Vec<_>) =
                waiting.drain(..).map(|w| (w.deposit, w.sender)).unzip();
            let replies = self.record(&deposits).await;
            for (sender, reply) in senders.into_iter().zip(replies) {
                // A caller whose deadline has passed is gone; the node will send again.
                let _ = sender.send(reply);
            }
        }
    }

    /// Records deposits together; when the database refuses them one by one, so that a single one
    /// that it will not take does not stop the others. A database that cannot be reached, or does not
    /// come to an end, is not asked again for each.
    async fn record(&self, deposits: &[Deposit]) -> Vec<Option<Reply>> {
        if deposits.is_empty() {
            return vec![];
        }
        match self.record_together(deposits).await {
            Ok(replies) => replies.into_iter().map(Some).collect(),
            Err(error) if deposits.len() == 1 || is_hopeless(&error) => {
                self.log_failure(&error);
                deposits.iter().map(|_| None).collect()
            }
            Err(error) => {
                self.log_failure(&error);
                self.record_each(deposits).await
            }
        }
    }

    /// Records deposits one by one, for as long as that leads anywhere. A row that somebody has locked
    /// holds up its own receipt and no other; a table that is locked holds up two, and the senders of
    /// the others are told at once to come again.
    async fn record_each(&self, deposits: &[Deposit]) -> Vec<Option<Reply>> {
        let mut locked = 0;
        let mut is_over = false;
        let mut replies = vec![];
        for deposit in deposits {
            if is_over {
                replies.push(None);
                continue;
            }
            let alone = self.record_together(std::slice::from_ref(deposit)).await;
            if let Err(error) = &alone {
                self.log_failure(error);
                locked += usize::from(error.is_locked());
                is_over = is_hopeless(error) || locked >= LOCKED;
            }
            replies.push(alone.ok().and_then(|mut replies| replies.pop()));
        }
        replies
    }

    async fn record_together(&self, deposits: &[Deposit]) -> Result<Vec<Reply>, StoreError> {
        let mut tries = 1;
        loop {
            let recorded = tokio::time::timeout(PATIENCE, self.try_record(deposits)).await;
            match recorded.unwrap_or(Err(StoreError::Late)) {
                Err(error) if error.is_contention() && tries < TRIES => tries += 1,
                Ok((replies, is_owed)) => {
                    if is_owed {
                        self.owed.notify_one();
                    }
                    self.happened.notify_one();
                    return Ok(replies);
                }
                Err(error) => {
                    if error.is_outage() {
                        // What became of this commit is not known, and may not be for a while.
                        self.chain.renew(self.clock.now());
                    }
                    return Err(error);
                }
            }
        }
    }

    async fn try_record(&self, deposits: &[Deposit]) -> Result<(Vec<Reply>, bool), StoreError> {
        let now = self.clock.now();
        let mut tx = self.store.write_receipts().await?;
        point::reach("till.begun");
        // The messages before anything else: whatever is decided, they are kept as they came.
        let papers: Vec<Document> = deposits.iter().map(|d| d.call.request()).collect();
        let mut book = Book::open(&mut tx, &self.ids, deposits, &papers, now).await?;
        point::reach("till.documents_stored");
        let mut replies = vec![];
        let mut results = vec![];
        for (deposit, paper) in deposits.iter().zip(&papers) {
            let collected = book.decide(deposit);
            let reply = (deposit.print)(&collected, &deposit.call.subject);
            book.note(deposit.call.exchange(&self.ids, paper, &reply));
            results.push(collected.word());
            replies.push(reply);
        }
        let writes = book.close();
        point::reach("till.decided");
        let head = writes.apply(&mut tx, &self.chain, now).await?;
        point::reach("till.before_commit");
        tx.commit().await?;
        point::reach("till.after_commit");
        self.chain.settle(head);
        writes.log(&self.metrics);
        for result in results {
            self.metrics.receipt(result);
        }
        Ok((replies, writes.is_owed()))
    }

    fn log_failure(&self, error: &StoreError) {
        self.metrics.store_error("till");
        tracing::error!(
            error = error as &dyn std::error::Error,
            "receipts could not be recorded"
        );
    }
}

/// Whether what comes next would fail for the same reason.
fn is_hopeless(error: &StoreError) -> bool {
    error.is_outage() || error.is_stalled()
}
