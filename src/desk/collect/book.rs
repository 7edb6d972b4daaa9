//! Deciding a batch: what each deposit becomes, given the store and the deposits before it.

use std::collections::{HashMap, HashSet};

use super::{Collected, Content, Deposit};
use crate::clock::Ids;
use crate::desk::events;
use crate::desk::journal::chain::Chain;
use crate::domain::day::Instant;
use crate::domain::debt::{Booking, Debt, DebtState, book};
use crate::domain::event::EventKind;
use crate::domain::ids::{CaseId, DocumentId, EntryId, PaymentId};
use crate::domain::notice::NoticeNumber;
use crate::domain::party::CreditorCode;
use crate::domain::payment::{
    Case, CaseCode, Collection, EntryKind, Known, LedgerEntry, Mode, Outcome, Payment, Sameness,
};
use crate::metrics::Metrics;
use crate::store::cases::OpenCase;
use crate::store::chains::Head;
use crate::store::documents::Document;
use crate::store::exchanges::Exchange;
use crate::store::payments::Reference;
use crate::store::receipts::{self, Batch};
use crate::store::{Conn, StoreError};

/// What a batch will write.
pub(super) struct Writes {
    batch: Batch,
    exchanges: Vec<Exchange>,
}

/// What is known while a batch is decided: the rows of the store, and what the earlier deposits of
/// the same batch have made of them.
pub(super) struct Book<'a> {
    ids: &'a Ids,
    now: Instant,
    known: HashMap<Reference, Known>,
    debts: HashMap<(CreditorCode, NoticeNumber), Debt>,
    unreadable: HashSet<(CreditorCode, NoticeNumber)>,
    writes: Writes,
}

impl Writes {
    /// Writes everything; the block of the journal that ends it, to be settled after the commit.
    ///
    /// # Errors
    /// [`StoreError::Contended`] when another process has recorded one of the payments, or changed
    /// one of the debts, meanwhile: the transaction must then be undone and decided anew.
    pub(super) async fn apply(
        &self,
        conn: &mut Conn,
        chain: &Chain,
        now: Instant,
    ) -> Result<Head, StoreError> {
        let draft = chain.next(conn, &self.exchanges, now).await?;
        let lines = draft.lines(&self.exchanges);
        receipts::write(conn, &self.batch, draft.filled(&lines), now).await?;
        Ok(draft.head())
    }

    /// Whether the ledger is owed something new.
    pub(super) fn is_owed(&self) -> bool {
        !self.batch.entries.is_empty()
    }

    /// Tells the log and the metrics what finance must look at, once it is written.
    pub(super) fn log(&self, metrics: &Metrics) {
        for OpenCase { case, .. } in &self.batch.cases {
            metrics.case(case.code.as_str());
            tracing::warn!(
                case = case.code.as_str(),
                creditor = %case.creditor,
                subject = %case.subject,
                "a case was opened for the finance office"
            );
        }
    }
}

impl<'a> Book<'a> {
    /// Keeps the messages of these deposits, whatever is decided, and reads what is known of the
    /// payments and debts that they name.
    ///
    /// # Errors
    /// The database failed.
    pub(super) async fn open(
        conn: &mut Conn,
        ids: &'a Ids,
        deposits: &[Deposit],
        papers: &[Document],
        now: Instant,
    ) -> Result<Book<'a>, StoreError> {
        let collections: Vec<&Collection> = deposits
            .iter()
            .filter_map(|deposit| match &deposit.content {
                Content::Collection(collection) => Some(&**collection),
                Content::Unbookable(_) | Content::Foreign(_) => None,
            })
            .collect();
        let references: Vec<Reference> = unique(collections.iter().map(|c| reference(c)));
        let notices: Vec<(&CreditorCode, NoticeNumber)> =
            unique(collections.iter().map(|c| (&c.notice_creditor, c.notice)));
        let known = receipts::open(conn, papers, &references, &notices).await?;
        Ok(Book {
            ids,
            now,
            known: known.references.into_iter().collect(),
            unreadable: known.unreadable.into_iter().collect(),
            debts: known
                .debts
                .into_iter()
                .map(|debt| ((debt.creditor.clone(), debt.notice), debt))
                .collect(),
            writes: Writes {
                batch: Batch::default(),
                exchanges: vec![],
            },
        })
    }

    /// Notes the exchange of a deposit that was decided.
    pub(super) fn note(&mut self, (exchange, reply): (Exchange, Document)) {
        self.writes.exchanges.push(exchange);
        self.writes.batch.replies.push(reply);
    }

    /// What is to be written.
    pub(super) fn close(self) -> Writes {
        self.writes
    }

    /// Decides one deposit.
    pub(super) fn decide(&mut self, deposit: &Deposit) -> Collected {
        match &deposit.content {
            Content::Foreign(case) => {
                if let Some(case) = case {
                    self.open_case(case.clone());
                }
                Collected::Foreign
            }
            Content::Unbookable(case) => {
                self.open_case(case.clone());
                Collected::Kept(case.detail.clone())
            }
            Content::Collection(collection) => {
                let reference = reference(collection);
                let known = self.known.get(&reference);
                match known.map(|known| known.compare(collection)) {
                    Some(Sameness::Same) => Collected::Repeated,
                    Some(Sameness::Confirms) => {
                        self.confirm(&reference, collection);
                        Collected::Repeated
                    }
                    Some(Sameness::Conflict) => {
                        self.open_case(Case {
                            code: CaseCode::ReferenceConflict,
                            creditor: collection.creditor.clone(),
                            identity: collection.fingerprint.clone(),
                            subject: deposit.call.document.to_string(),
                            detail: collection.reference.clone(),
                        });
                        Collected::Conflict
                    }
                    None => {
                        let mut booking = book(self.debt_of(collection), collection);
                        if self.is_unreadable(collection) {
                            booking
                                .cases
                                .retain(|code| *code != CaseCode::UnknownNotice);
                            booking.cases.push(CaseCode::UnreadableDebt);
                        }
                        if let Some(code) = deposit.policy.refused(&booking.cases) {
                            // Evidence, and no payment: should it come again, it is refused again.
                            self.open_case(Case {
                                code,
                                creditor: collection.creditor.clone(),
                                identity: collection.fingerprint.clone(),
                                subject: deposit.call.document.to_string(),
                                detail: format!("{} (respinta)", detail(collection)),
                            });
                            return Collected::Refused(code);
                        }
                        let payment = self.record(collection, booking, &deposit.call.document);
                        self.known.insert(reference, known_by(payment, collection));
                        Collected::Recorded
                    }
                }
            }
        }
    }

    /// The debt that a payment is for. The debt of another creditor is not ours to link to: there we
    /// are a secondary beneficiary.
    fn debt_of(&self, collection: &Collection) -> Option<&Debt> {
        let place = (collection.notice_creditor.clone(), collection.notice);
        (collection.notice_creditor == collection.creditor)
            .then(|| self.debts.get(&place))
            .flatten()
    }

    /// The rail's own message has come for a payment whose message we had found: it is the measure
    /// from now on, and what it gives to doubt is shown as with any other.
    fn confirm(&mut self, reference: &Reference, collection: &Collection) {
        let Some(known) = self.known.get_mut(reference) else {
            return;
        };
        known.fingerprint.clone_from(&collection.fingerprint);
        known.is_confirmed = true;
        let payment = known.payment.clone();
        self.doubt(&payment, doubts(collection), collection);
        self.writes
            .batch
            .confirmed
            .push((payment, collection.fingerprint.clone()));
    }

    fn is_unreadable(&self, collection: &Collection) -> bool {
        let place = (collection.notice_creditor.clone(), collection.notice);
        collection.notice_creditor == collection.creditor && self.unreadable.contains(&place)
    }

    fn record(
        &mut self,
        collection: &Collection,
        booking: Booking,
        document: &DocumentId,
    ) -> PaymentId {
        let place = (collection.notice_creditor.clone(), collection.notice);
        let debt = match collection.notice_creditor == collection.creditor {
            true => self.debts.get_mut(&place),
            false => None,
        };
        let payment = Payment {
            id: PaymentId::new(self.ids.next(self.now)),
            debt: debt.as_ref().map(|debt| debt.id.clone()),
            collection: collection.clone(),
            recorded_at: self.now,
        };
        if let Some(debt) = debt {
            if let Some(amount) = booking.credit {
                self.writes.batch.entries.push(LedgerEntry {
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
                    payer: collection.payer.clone(),
                });
            }
            if booking.closes {
                self.writes
                    .batch
                    .settled
                    .push((debt.id.clone(), payment.id.clone(), self.now));
                debt.state = DebtState::Paid {
                    payment: payment.id.clone(),
                    at: self.now,
                };
            }
        }
        self.tell(&payment, booking.closes);
        let id = payment.id.clone();
        self.doubt(&id, booking.cases, collection);
        self.writes.batch.payments.push((payment, document.clone()));
        id
    }

    /// Tells the portals of a payment, when money has moved, and of the notice that it closes.
    fn tell(&mut self, payment: &Payment, closes: bool) {
        let collection = &payment.collection;
        if collection.outcome == Outcome::Failed {
            return;
        }
        let debt = self.debt_of(collection);
        let (ids, now) = (self.ids, self.now);
        let confirmed = events::of_payment(ids, EventKind::PaymentConfirmed, payment, debt, now);
        let closed = debt.filter(|_| closes);
        let paid = closed.map(|debt| events::of_paid_notice(ids, debt, payment, now));
        let told = &mut self.writes.batch.events;
        told.push(confirmed);
        told.extend(paid);
    }

    /// Opens the cases of a payment.
    fn doubt(&mut self, payment: &PaymentId, codes: Vec<CaseCode>, collection: &Collection) {
        for code in codes {
            self.open_case(Case {
                code,
                creditor: collection.creditor.clone(),
                identity: payment.to_string(),
                subject: payment.to_string(),
                detail: detail(collection),
            });
        }
    }

    fn open_case(&mut self, case: Case) {
        self.writes.batch.cases.push(OpenCase {
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
    let own = match collection.own() {
        own if own == collection.amount => String::new(),
        own => format!(" (di cui propri {} €)", own.in_italian()),
    };
    format!(
        "avviso {}, importo {} €{own}, ricevuta {}, esito {outcome}",
        collection.notice,
        collection.amount.in_italian(),
        collection.reference
    )
}

/// What a message gives to doubt by itself, whatever it pays.
fn doubts(collection: &Collection) -> Vec<CaseCode> {
    let stand_in = (collection.mode == Mode::StandIn).then_some(CaseCode::StandIn);
    let mut codes: Vec<CaseCode> = collection.doubts.iter().copied().chain(stand_in).collect();
    codes.sort_unstable();
    codes.dedup();
    codes
}

/// A payment of this batch, for the deposits after it.
fn known_by(payment: PaymentId, collection: &Collection) -> Known {
    Known {
        payment,
        fingerprint: collection.fingerprint.clone(),
        origin: collection.origin,
        is_confirmed: false,
        notice: collection.notice,
        notice_creditor: collection.notice_creditor.clone(),
        outcome: collection.outcome,
        amount: collection.amount,
    }
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
