//! Collecting: the moment in which money becomes ours to account for.
//!
//! One task, the till, takes what waits and writes it in one transaction: the message first, then
//! the payment, the debt, the entry owed to the meal ledger and the exchange. Receipts that arrive
//! while a commit is on its way share the next one. Each is answered only after its commit, so an
//! answer OK survives a power cut.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;

use super::journal::{Call, Entry, Reply, Subject};
use super::{Desk, DeskError, TRIES};
use crate::clock::{Clock, Ids};
use crate::config;
use crate::domain::day::Instant;
use crate::domain::debt::{Debt, DebtState, book};
use crate::domain::ids::{CaseId, DebtId, DocumentId, EntryId, PaymentId};
use crate::domain::notice::NoticeNumber;
use crate::domain::party::CreditorCode;
use crate::domain::payment::{
    Case, CaseCode, Collection, EntryKind, LedgerEntry, Outcome, Payment,
};
use crate::store::cases::OpenCase;
use crate::store::documents::Document;
use crate::store::exchanges::Exchange;
use crate::store::payments::Reference;
use crate::store::{Store, StoreError, cases, debts, documents, entries, exchanges, payments};

/// A message about money, to be recorded whatever it says.
#[derive(Debug)]
pub struct Deposit {
    /// The message as it came.
    pub call: Call,
    /// What it says, or why that cannot be booked.
    pub content: Content,
    /// The reply to it, once it is recorded.
    pub print: fn(&Collected, &Subject) -> Reply,
}

/// What a message about money says.
#[derive(Debug)]
pub enum Content {
    /// A payment.
    Collection(Box<Collection>),
    /// Nothing that can be booked; it is kept and shown to finance.
    Unbookable(Case),
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
    /// Kept and shown to finance, nothing booked, for this reason.
    Kept(String),
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
        owed: Arc<Notify>,
        config: &config::Desk,
    ) -> (Till, JoinHandle<()>) {
        let (sender, receiver) = mpsc::channel(config.queue_limit);
        let writer = Writer {
            store,
            ids,
            clock,
            owed,
        };
        let task = tokio::spawn(writer.run(receiver, config.batch_limit));
        (Till { sender }, task)
    }
}

struct Writer {
    store: Store,
    ids: Ids,
    clock: Clock,
    owed: Arc<Notify>,
}

impl Writer {
    async fn run(self, mut queue: mpsc::Receiver<Waiting>, limit: usize) {
        let mut waiting = vec![];
        while queue.recv_many(&mut waiting, limit).await > 0 {
            let (deposits, senders): (Vec<Deposit>, Vec<_>) =
                waiting.drain(..).map(|w| (w.deposit, w.sender)).unzip();
            let replies = self.record(&deposits).await;
            for (sender, reply) in senders.into_iter().zip(replies) {
                // A caller whose deadline has passed is gone; the node will send again.
                let _ = sender.send(reply);
            }
        }
    }

    /// Records deposits together; when that fails one by one, so that a single one that the
    /// database will not take does not stop the others.
    async fn record(&self, deposits: &[Deposit]) -> Vec<Option<Reply>> {
        match self.record_together(deposits).await {
            Ok(replies) => replies.into_iter().map(Some).collect(),
            Err(error) if deposits.len() == 1 => {
                log_failure(&error);
                vec![None]
            }
            Err(error) => {
                log_failure(&error);
                let mut replies = vec![];
                for deposit in deposits {
                    let alone = self.record_together(std::slice::from_ref(deposit)).await;
                    if let Err(error) = &alone {
                        log_failure(error);
                    }
                    replies.push(alone.ok().and_then(|mut replies| replies.pop()));
                }
                replies
            }
        }
    }

    async fn record_together(&self, deposits: &[Deposit]) -> Result<Vec<Reply>, StoreError> {
        let mut tries = 1;
        loop {
            match self.try_record(deposits).await {
                Err(StoreError::Contended) if tries < TRIES => tries += 1,
                Ok((replies, is_owed)) => {
                    if is_owed {
                        self.owed.notify_one();
                    }
                    return Ok(replies);
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn try_record(&self, deposits: &[Deposit]) -> Result<(Vec<Reply>, bool), StoreError> {
        let now = self.clock.now();
        let mut tx = self.store.write().await?;
        // The messages before anything else: whatever is decided, they are kept as they came.
        let papers: Vec<Document> = deposits.iter().map(|d| d.call.request()).collect();
        documents::insert(&mut tx, &papers).await?;
        let collections: Vec<&Collection> =
            deposits.iter().filter_map(Deposit::collection).collect();
        let references: Vec<Reference> = unique(collections.iter().map(|c| reference(c)));
        let notices: Vec<(&CreditorCode, NoticeNumber)> =
            unique(collections.iter().map(|c| (&c.notice_creditor, c.notice)));
        let mut ledger = Book {
            ids: &self.ids,
            now,
            known: payments::known(&mut tx, &references)
                .await?
                .into_iter()
                .collect(),
            debts: debts::by_notices(&mut tx, &notices)
                .await?
                .into_iter()
                .map(|debt| ((debt.creditor.clone(), debt.notice), debt))
                .collect(),
            writes: Writes::default(),
        };
        let mut replies = vec![];
        for deposit in deposits {
            let collected = ledger.decide(deposit);
            let reply = (deposit.print)(&collected, &deposit.call.subject);
            let Entry {
                exchange,
                reply: paper,
                ..
            } = deposit.call.close(&self.ids, &reply);
            ledger.writes.exchanges.push(exchange);
            ledger.writes.papers.push(paper);
            replies.push(reply);
        }
        let writes = ledger.writes;
        payments::insert(&mut tx, &writes.payments).await?;
        if debts::settle(&mut tx, &writes.settled).await? != writes.settled.len() {
            return Err(StoreError::Contended);
        }
        entries::insert(&mut tx, &writes.entries, now).await?;
        cases::insert(&mut tx, &writes.cases).await?;
        documents::insert(&mut tx, &writes.papers).await?;
        exchanges::insert(&mut tx, &writes.exchanges).await?;
        tx.commit().await?;
        Ok((replies, !writes.entries.is_empty()))
    }
}

impl Deposit {
    fn collection(&self) -> Option<&Collection> {
        match &self.content {
            Content::Collection(collection) => Some(collection),
            Content::Unbookable(_) => None,
        }
    }
}

/// What a batch will write.
#[derive(Default)]
struct Writes {
    payments: Vec<(Payment, DocumentId)>,
    settled: Vec<(DebtId, PaymentId, Instant)>,
    entries: Vec<LedgerEntry>,
    cases: Vec<OpenCase>,
    papers: Vec<Document>,
    exchanges: Vec<Exchange>,
}

/// What is known while a batch is decided: the rows of the store, and what the earlier deposits of
/// the same batch have made of them.
struct Book<'a> {
    ids: &'a Ids,
    now: Instant,
    known: HashMap<Reference, String>,
    debts: HashMap<(CreditorCode, NoticeNumber), Debt>,
    writes: Writes,
}

impl Book<'_> {
    fn decide(&mut self, deposit: &Deposit) -> Collected {
        match &deposit.content {
            Content::Unbookable(case) => {
                self.open_case(case.clone());
                Collected::Kept(case.detail.clone())
            }
            Content::Collection(collection) => {
                let reference = reference(collection);
                match self.known.get(&reference) {
                    Some(fingerprint) if *fingerprint == collection.fingerprint => {
                        Collected::Repeated
                    }
                    Some(_) => {
                        self.open_case(Case {
                            code: CaseCode::ReferenceConflict,
                            creditor: collection.creditor.clone(),
                            subject: deposit.call.document.to_string(),
                            detail: collection.reference.clone(),
                        });
                        Collected::Conflict
                    }
                    None => {
                        self.record(collection, &deposit.call.document);
                        self.known.insert(reference, collection.fingerprint.clone());
                        Collected::Recorded
                    }
                }
            }
        }
    }

    fn record(&mut self, collection: &Collection, document: &DocumentId) {
        let place = (collection.notice_creditor.clone(), collection.notice);
        let debt = self.debts.get_mut(&place);
        let booking = book(debt.as_deref(), collection);
        let payment = Payment {
            id: PaymentId::new(self.ids.next(self.now)),
            debt: debt.as_ref().map(|debt| debt.id.clone()),
            collection: collection.clone(),
            recorded_at: self.now,
        };
        if let Some(debt) = debt {
            if let Some(amount) = booking.credit {
                self.writes.entries.push(LedgerEntry {
                    id: EntryId::new(self.ids.next(self.now)),
                    payment: payment.id.clone(),
                    creditor: collection.creditor.clone(),
                    child: debt.order.child.code.clone(),
                    service: debt.order.service.clone(),
                    kind: EntryKind::Credit,
                    amount,
                    channel: collection.channel,
                    reference: collection.reference.clone(),
                    notice: collection.notice,
                    paid_at: collection.paid_at,
                    payer: collection
                        .payer
                        .clone()
                        .unwrap_or_else(|| debt.order.payer.fiscal_code.clone()),
                });
            }
            if booking.closes {
                self.writes
                    .settled
                    .push((debt.id.clone(), payment.id.clone(), self.now));
                debt.state = DebtState::Paid {
                    payment: payment.id.clone(),
                    at: self.now,
                };
            }
        }
        let codes: Vec<CaseCode> = unique(
            booking
                .case
                .into_iter()
                .chain(collection.doubts.iter().copied()),
        );
        for code in codes {
            self.open_case(Case {
                code,
                creditor: collection.creditor.clone(),
                subject: payment.id.to_string(),
                detail: detail(collection),
            });
        }
        self.writes.payments.push((payment, document.clone()));
    }

    fn open_case(&mut self, case: Case) {
        tracing::warn!(
            case = case.code.as_str(),
            creditor = %case.creditor,
            subject = %case.subject,
            "a case was opened for the finance office"
        );
        self.writes.cases.push(OpenCase {
            id: CaseId::new(self.ids.next(self.now)),
            opened_at: self.now,
            case,
        });
    }
}

/// The facts of a payment beside the sentence of its case, without personal data.
fn detail(collection: &Collection) -> String {
    let outcome = match collection.outcome {
        Outcome::Paid => "OK",
        Outcome::Failed => "KO",
    };
    format!(
        "avviso {}, importo {}, ricevuta {}, esito {outcome}",
        collection.notice, collection.amount, collection.reference
    )
}

fn reference(collection: &Collection) -> Reference {
    Reference {
        creditor: collection.creditor.clone(),
        channel: collection.channel,
        text: collection.reference.clone(),
    }
}

/// Each thing once, in the order of their first appearance.
fn unique<T: Clone + Eq + std::hash::Hash>(things: impl Iterator<Item = T>) -> Vec<T> {
    let mut seen = HashSet::new();
    things.filter(|thing| seen.insert(thing.clone())).collect()
}

fn log_failure(error: &StoreError) {
    tracing::error!(
        error = error as &dyn std::error::Error,
        "receipts could not be recorded"
    );
}
