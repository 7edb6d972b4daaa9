//! The desk: the only place where money moves.
//!
//! Every use case reads, asks the domain, writes and commits, in one transaction. What must reach
//! others afterwards (the meal ledger) is written down in the same transaction and delivered by a
//! job, so that no payment is ever refused because our own follow-up failed.

pub mod accounts;
pub mod batches;
pub mod cases;
pub mod checkouts;
pub mod collect;
pub mod debts;
pub mod events;
pub mod hunts;
pub mod journal;
pub mod keys;
pub mod mails;
pub mod once;
pub mod payments;
pub mod reminders;
pub mod top_ups;
pub mod webhooks;

use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::clock::Ids;
use crate::config;
use crate::domain::creditor::Register;
use crate::domain::refusal::Refusal;
use crate::metrics::Metrics;
use crate::store::{Store, StoreError};

use collect::Till;
use journal::Journal;

/// The desk; cheap to clone, shared by all doors.
#[derive(Debug, Clone)]
pub struct Desk {
    store: Store,
    register: Arc<Register>,
    ids: Ids,
    till: Till,
    journal: Journal,
    owed: Arc<Notify>,
    metrics: Metrics,
    changed: Arc<Notify>,
    mail: Arc<Notify>,
    happened: Arc<Notify>,
    filed: Arc<Notify>,
}

/// The tasks behind a desk: they end when every clone of the desk is gone and all that waited is
/// written.
#[derive(Debug)]
pub struct Tasks(Vec<JoinHandle<()>>);

/// Why a use case did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// The business says no.
    #[error("refused")]
    Refused(Refusal),
    /// There is no such thing, or it is another creditor's.
    #[error("not found")]
    NotFound,
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// The portal's own id is taken by a notice with other content.
    #[error("the external id is taken by another notice")]
    ExternalIdTaken,
    /// No notice number is left, or the next one may not be used.
    #[error("no notice number can be given")]
    Numbers(#[source] crate::domain::notice::NoticeError),
    /// More is waiting than we take.
    #[error("too much is waiting")]
    Overloaded,
    /// There are as many as there may be.
    #[error("there are {0} already")]
    TooMany(usize),
    /// The endpoint is not called any more.
    #[error("the endpoint is not called any more")]
    Silent,
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

impl From<Refusal> for DeskError {
    fn from(refusal: Refusal) -> DeskError {
        DeskError::Refused(refusal)
    }
}

/// How often a transaction is tried again when another one was faster.
const TRIES: u32 = 5;

/// Runs a task that nothing works without. Should it ever panic, the process ends, so that whoever
/// watches it starts it anew: standing still in silence would be worse.
fn supervise(
    name: &'static str,
    task: impl Future<Output = ()> + Send + 'static,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        if let Err(error) = tokio::spawn(task).await
            && error.is_panic()
        {
            tracing::error!(task = name, %error, "a task died; the process ends");
            std::process::abort();
        }
    })
}

/// What a use case gives, when it is written out for [`retry`].
type Doing<'a, T> = Pin<Box<dyn Future<Output = Result<T, DeskError>> + Send + 'a>>;

/// Does something again while another transaction was faster, a few times.
async fn retry<'a, T>(once: impl Fn() -> Doing<'a, T>) -> Result<T, DeskError> {
    for _ in 1..TRIES {
        match once().await {
            Err(DeskError::Store(error)) if error.is_contention() => {}
            done => return done,
        }
    }
    once().await
}

impl Desk {
    /// Opens the desk over a store and starts its tasks.
    pub fn open(
        store: Store,
        register: Arc<Register>,
        ids: Ids,
        clock: crate::clock::Clock,
        metrics: Metrics,
        config: &config::Config,
    ) -> (Desk, Tasks) {
        let owed = Arc::new(Notify::new());
        let happened = Arc::new(Notify::new());
        let process = ids.next(clock.now());
        let (till, till_task) = Till::start(
            store.clone(),
            ids.clone(),
            clock.clone(),
            [owed.clone(), happened.clone()],
            &process,
            metrics.clone(),
            &config.desk,
        );
        let (journal, journal_task) = Journal::start(
            store.clone(),
            ids.clone(),
            clock,
            &process,
            metrics.clone(),
            config,
        );
        let desk = Desk {
            store,
            register,
            ids,
            till,
            journal,
            owed,
            metrics,
            changed: Arc::new(Notify::new()),
            mail: Arc::new(Notify::new()),
            happened,
            filed: Arc::new(Notify::new()),
        };
        (desk, Tasks(vec![till_task, journal_task]))
    }

    /// The creditors.
    pub fn register(&self) -> &Register {
        &self.register
    }

    /// The store, for reads that decide nothing.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The source of ids.
    pub fn ids(&self) -> &Ids {
        &self.ids
    }

    /// Where exchanges are written down.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// What is counted.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Receipts that wait for the till.
    pub fn waiting(&self) -> usize {
        self.till.waiting()
    }

    /// The creditors, for who keeps them.
    pub fn shared_register(&self) -> &Arc<Register> {
        &self.register
    }

    /// Rings when a debt was created or changed, so that pagoPA's archive must hear of it.
    pub fn changed(&self) -> &Arc<Notify> {
        &self.changed
    }

    /// Rings when something has happened that the portals are told.
    pub fn happened(&self) -> &Arc<Notify> {
        &self.happened
    }

    /// Rings when something new is owed to the ledger.
    pub fn owed(&self) -> &Arc<Notify> {
        &self.owed
    }
}

impl Tasks {
    /// Waits until everything that waited is written.
    pub async fn finish(self) {
        for task in self.0 {
            if let Err(error) = task.await {
                tracing::error!(%error, "a task of the desk ended badly");
            }
        }
    }
}
