//! Files of many notices: kept first, then brought in by a job, some rows in each transaction, so
//! that receipts never wait long. A row is settled once: the batch says how far it has come, and
//! whoever settles more rows must find it there.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Notify;

use super::debts::{DueDay, is_same};
use super::events::of_notice;
use super::once::{Done, Repeat, claim, remember};
use super::{Desk, DeskError, retry};
use crate::clock::Clock;
use crate::domain::creditor::{Creditor, Register};
use crate::domain::day::{Day, Instant};
use crate::domain::debt::{Debt, DebtState, Order};
use crate::domain::event::EventKind;
use crate::domain::ids::{BatchId, DebtId, DocumentId};
use crate::domain::party::CreditorCode;
use crate::point;
use crate::store::batches::{Batch, Counts, RowState, Settled, State};
use crate::store::documents::Document;
use crate::store::{Conn, StoreError, batches, debts, documents, events, positions, sequences};
use crate::wire::digest::sha256;

/// Rows in one file, at most.
pub const MOST_ROWS: usize = 10_000;
/// Rows in one transaction: receipts wait for no longer than that takes.
const CHUNK: usize = 200;

/// One thing that is wrong with a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowError {
    /// The field, as in the request for one notice.
    pub field: String,
    /// The column of a table that it stands in.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub column: Option<String>,
    /// A stable code.
    pub code: String,
    /// A sentence for a person.
    pub message: String,
}

/// A row of a file.
#[derive(Debug, Clone)]
pub struct Row {
    /// The line of the file on which it begins, from 1.
    pub line: i64,
    /// The portal's own id, as far as it can be read.
    pub external_id: Option<String>,
    /// A request for a notice.
    pub request: Value,
    /// What could not even be made a request.
    pub errors: Vec<RowError>,
    /// In which columns of a table the fields stand.
    pub columns: Arc<HashMap<&'static str, String>>,
}

/// What a row asks for.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The order.
    pub order: Order,
    /// Whether the row says when it is due.
    pub due: DueDay,
}

/// What a row is read against.
#[derive(Debug, Clone, Copy)]
pub struct Reading<'a> {
    /// For whom.
    pub creditor: &'a Creditor,
    /// All creditors.
    pub register: &'a Register,
    /// The debt that is there already under the same external id.
    pub existing: Option<&'a Debt>,
    /// The day.
    pub today: Day,
    /// The language of the reasons: `it` or `en`.
    pub language: &'a str,
}

/// Who reads files and rows: the same rules as for one notice, which stand at the portals' door.
#[derive(Debug, Clone, Copy)]
pub struct Clerk {
    /// The rows of a file of this format; nothing when it is none.
    pub rows: fn(&[u8], &str) -> Option<Vec<Row>>,
    /// What a row asks for, or what is wrong with it.
    pub read: fn(&Row, Reading<'_>) -> Result<Asked, Vec<RowError>>,
    /// That the external id belongs to another content, in a language.
    pub taken: fn(&Row, &str) -> RowError,
}

/// A file that was sent.
#[derive(Debug, Clone)]
pub struct File {
    /// The name that the sender gave it.
    pub name: Option<String>,
    /// `json`, `ndjson` or `csv`.
    pub format: &'static str,
    /// `it` or `en`.
    pub language: &'static str,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// How many rows it has.
    pub total: usize,
}

/// A batch that was opened, or had been.
#[derive(Debug, Clone)]
pub struct Filed {
    /// The batch.
    pub batch: Batch,
    /// Whether the file had been sent before.
    pub existed: bool,
}

/// What would become of a row.
#[derive(Debug, Clone)]
enum Verdict {
    Create(Box<Order>),
    Unchanged(Option<DebtId>),
    Refused(Vec<RowError>),
}

impl Verdict {
    fn state(&self) -> RowState {
        match self {
            Verdict::Create(_) => RowState::Created,
            Verdict::Unchanged(_) => RowState::Unchanged,
            Verdict::Refused(_) => RowState::Refused,
        }
    }
}

impl Desk {
    /// Keeps a file of notices, to be brought in by the job. The same file again is the same batch.
    ///
    /// # Errors
    /// [`DeskError::KeyReused`], or the store failed.
    pub async fn file_notices(
        &self,
        creditor: &CreditorCode,
        file: &File,
        repeat: Option<Repeat<'_, Filed>>,
        now: Instant,
    ) -> Result<Done<Filed>, DeskError> {
        let done = retry(|| Box::pin(self.try_file(creditor, file, repeat.as_ref(), now))).await?;
        self.filed.notify_one();
        Ok(done)
    }

    async fn try_file(
        &self,
        creditor: &CreditorCode,
        file: &File,
        repeat: Option<&Repeat<'_, Filed>>,
        now: Instant,
    ) -> Result<Done<Filed>, DeskError> {
        let hash = sha256(&file.bytes);
        let mut tx = self.store.write().await?;
        if let Some(answer) = claim(&mut tx, creditor, repeat, now).await? {
            return Ok(Done::Again(answer));
        }
        let filed = match batches::by_file(&mut tx, creditor, &hash).await? {
            Some(batch) => Filed {
                batch,
                existed: true,
            },
            None => {
                let batch = Batch {
                    id: BatchId::new(self.ids.next(now)),
                    creditor: creditor.clone(),
                    sha256: hash.clone(),
                    name: file.name.clone(),
                    format: file.format.to_owned(),
                    language: file.language.to_owned(),
                    document: DocumentId::new(self.ids.next(now)),
                    state: State::Working,
                    total: i64::try_from(file.total).unwrap_or(i64::MAX),
                    counts: Counts::default(),
                    created_at: now,
                    finished_at: None,
                };
                let paper = Document {
                    id: batch.document.clone(),
                    kind: "notice_batch",
                    sha256: hash,
                    bytes: file.bytes.clone(),
                    stored_at: now,
                };
                documents::insert(&mut tx, &[paper]).await?;
                if !batches::insert(&mut tx, &batch).await? {
                    return Err(StoreError::Contended.into());
                }
                Filed {
                    batch,
                    existed: false,
                }
            }
        };
        remember(&mut tx, creditor, repeat, &filed).await?;
        tx.commit().await.map_err(StoreError::from)?;
        Ok(Done::First(filed))
    }

    /// What would become of the rows of a file; nothing is written.
    ///
    /// # Errors
    /// The store failed.
    pub async fn try_notices(
        &self,
        creditor: &Creditor,
        rows: &[Row],
        clerk: &Clerk,
        language: &str,
        today: Day,
    ) -> Result<(Counts, Vec<Settled>), DeskError> {
        let mut seen = HashMap::new();
        let mut counts = Counts::default();
        let mut report = vec![];
        for (chunk, place) in chunks(rows, 0) {
            let mut conn = self.store.read().await?;
            let verdicts = self
                .weigh(
                    &mut conn, creditor, chunk, clerk, language, today, &mut seen,
                )
                .await?;
            drop(conn);
            for (index, (row, verdict)) in chunk.iter().zip(verdicts).enumerate() {
                let settled = settled(row, place + index, &verdict, None);
                counts.add(settled.state);
                report.push(settled);
            }
        }
        Ok((counts, report))
    }

    /// Brings the oldest batch in, to its end; false when there is none.
    ///
    /// # Errors
    /// The store failed, or no notice number is left; what is settled stays settled.
    pub async fn bring_in(&self, clerk: &Clerk, clock: &Clock) -> Result<bool, DeskError> {
        let (mut batch, bytes) = {
            let mut conn = self.store.read().await?;
            let Some(batch) = batches::oldest(&mut conn).await? else {
                return Ok(false);
            };
            let bytes = documents::read(&mut conn, &batch.document).await?;
            (batch, bytes.unwrap_or_default())
        };
        let (read, format) = (clerk.rows, batch.format.clone());
        let rows = tokio::task::spawn_blocking(move || read(&bytes, &format)).await;
        let creditor = self.register.get(&batch.creditor).cloned();
        let (Ok(Some(rows)), Some(creditor)) = (rows, creditor) else {
            tracing::error!(batch = %batch.id, "a file of notices cannot be brought in any more");
            let mut tx = self.store.write().await?;
            batches::fail(&mut tx, &batch.id, clock.now()).await?;
            tx.commit().await.map_err(StoreError::from)?;
            return Ok(true);
        };
        let done = usize::try_from(batch.counts.settled).unwrap_or(usize::MAX);
        for (chunk, place) in chunks(&rows, done) {
            let now = clock.now();
            let once = || Box::pin(self.settle(&batch, &creditor, chunk, place, clerk, now)) as _;
            batch.counts = retry(once).await?;
            self.rang();
        }
        tracing::info!(
            batch = %batch.id,
            created = batch.counts.created,
            unchanged = batch.counts.unchanged,
            refused = batch.counts.refused,
            "a file of notices was brought in"
        );
        Ok(true)
    }

    /// Settles some rows, in one transaction.
    async fn settle(
        &self,
        batch: &Batch,
        creditor: &Creditor,
        rows: &[Row],
        place: usize,
        clerk: &Clerk,
        now: Instant,
    ) -> Result<Counts, DeskError> {
        let mut conn = self.store.read().await?;
        let language = batch.language.as_str();
        let today = now.day_in_rome();
        let verdicts = self
            .weigh(
                &mut conn,
                creditor,
                rows,
                clerk,
                language,
                today,
                &mut HashMap::new(),
            )
            .await?;
        drop(conn);
        let mut tx = self.store.write().await?;
        let orders = verdicts.iter().filter_map(|verdict| match verdict {
            Verdict::Create(order) => Some(order.as_ref()),
            Verdict::Unchanged(_) | Verdict::Refused(_) => None,
        });
        let orders: Vec<&Order> = orders.collect();
        let mut opened = self
            .open_many(&mut tx, creditor, &orders, now)
            .await?
            .into_iter();
        let mut counts = batch.counts;
        let mut report = vec![];
        let mut created = vec![];
        let mut told = vec![];
        let mut ids: HashMap<&str, DebtId> = HashMap::new();
        for (index, (row, verdict)) in rows.iter().zip(&verdicts).enumerate() {
            let verdict = match verdict {
                Verdict::Create(_) => match opened.next() {
                    Some(Some(debt)) => {
                        let id = debt.id.clone();
                        told.push(of_notice(&self.ids, EventKind::NoticeCreated, &debt, now));
                        created.push(id.clone());
                        if let Some(external_id) = &row.external_id {
                            ids.insert(external_id, id.clone());
                        }
                        report.push(settled(row, place + index, verdict, Some(id)));
                        counts.add(RowState::Created);
                        continue;
                    }
                    // Somebody else was faster with this external id: judged anew.
                    _ => return Err(StoreError::Contended.into()),
                },
                other => other.clone(),
            };
            let known = row
                .external_id
                .as_deref()
                .and_then(|id| ids.get(id))
                .cloned();
            let row = settled(row, place + index, &verdict, known);
            counts.add(row.state);
            report.push(row);
        }
        positions::mark_all(&mut tx, &created, now).await?;
        events::insert(&mut tx, &told).await?;
        if !batches::advance(&mut tx, batch, counts, &report, now).await? {
            return Err(StoreError::Contended.into());
        }
        point::reach("batch.before_commit");
        tx.commit().await.map_err(StoreError::from)?;
        point::reach("batch.after_commit");
        Ok(counts)
    }

    /// Opens debts for orders, with numbers in a row; nothing for one whose external id is taken.
    async fn open_many(
        &self,
        conn: &mut Conn,
        creditor: &Creditor,
        orders: &[&Order],
        now: Instant,
    ) -> Result<Vec<Option<Debt>>, DeskError> {
        if orders.is_empty() {
            return Ok(vec![]);
        }
        let series = creditor.numbering.series();
        let count = u64::try_from(orders.len()).unwrap_or(u64::MAX);
        let first = creditor.first_number;
        let first = sequences::take(conn, &creditor.code, &series, first, count).await?;
        let mut fresh = vec![];
        for (place, order) in (first..).zip(orders) {
            fresh.push(Debt {
                id: DebtId::new(self.ids.next(now)),
                creditor: creditor.code.clone(),
                order: (*order).clone(),
                notice: creditor
                    .numbering
                    .number(place)
                    .map_err(DeskError::Numbers)?,
                created_at: now,
                state: DebtState::Open,
            });
        }
        let stored = debts::insert_many(conn, &fresh).await?;
        let stored: std::collections::HashSet<&str> = stored.iter().map(DebtId::as_str).collect();
        let mut opened = vec![];
        for debt in fresh {
            opened.push(if stored.contains(debt.id.as_str()) {
                Some(debt)
            } else if let Some(id) = &debt.order.external_id
                && debts::by_external_id(conn, &creditor.code, id)
                    .await?
                    .is_some()
            {
                None
            } else {
                // The number holds an IUV of an earlier series.
                let debt = self
                    .number_and_store(conn, creditor, &debt.order, now)
                    .await?;
                Some(debt)
            });
        }
        Ok(opened)
    }

    /// What is to become of rows. `seen` holds the orders of rows before them.
    #[expect(clippy::too_many_arguments, reason = "the facts of one decision")]
    async fn weigh(
        &self,
        conn: &mut Conn,
        creditor: &Creditor,
        rows: &[Row],
        clerk: &Clerk,
        language: &str,
        today: Day,
        seen: &mut HashMap<String, Order>,
    ) -> Result<Vec<Verdict>, DeskError> {
        let wanted: Vec<&str> = rows
            .iter()
            .filter_map(|r| r.external_id.as_deref())
            .collect();
        let existing = debts::by_external_ids(conn, &creditor.code, &wanted).await?;
        let existing: HashMap<&str, &Debt> = existing
            .iter()
            .filter_map(|debt| Some((debt.order.external_id.as_deref()?, debt)))
            .collect();
        let verdicts = rows.iter().map(|row| {
            let known = row
                .external_id
                .as_deref()
                .and_then(|id| existing.get(id))
                .copied();
            let reading = Reading {
                creditor,
                register: &self.register,
                existing: known,
                today,
                language,
            };
            let asked = match (clerk.read)(row, reading) {
                Ok(asked) => asked,
                Err(errors) => return Verdict::Refused(errors),
            };
            let before = row.external_id.as_ref().and_then(|id| seen.get(id));
            match (known, before) {
                (Some(debt), _) if is_same(&debt.order, &asked.order, asked.due) => {
                    Verdict::Unchanged(Some(debt.id.clone()))
                }
                (None, Some(order)) if is_same(order, &asked.order, asked.due) => {
                    Verdict::Unchanged(None)
                }
                (None, None) => {
                    if let Some(id) = &row.external_id {
                        seen.insert(id.clone(), asked.order.clone());
                    }
                    Verdict::Create(Box::new(asked.order))
                }
                _ => Verdict::Refused(vec![(clerk.taken)(row, language)]),
            }
        });
        Ok(verdicts.collect())
    }

    /// A batch of this creditor.
    ///
    /// # Errors
    /// [`DeskError::NotFound`], also when it is another creditor's; or the store failed.
    pub async fn batch(&self, creditor: &CreditorCode, id: &BatchId) -> Result<Batch, DeskError> {
        let mut conn = self.store.read().await?;
        batches::by_id(&mut conn, creditor, id)
            .await?
            .ok_or(DeskError::NotFound)
    }

    /// Rows of a batch's report after a place, in their order.
    ///
    /// # Errors
    /// The store failed.
    pub async fn batch_rows(
        &self,
        id: &BatchId,
        state: Option<RowState>,
        after: i64,
        limit: i64,
    ) -> Result<Vec<Settled>, DeskError> {
        let mut conn = self.store.read().await?;
        Ok(batches::rows(&mut conn, id, state, after, limit).await?)
    }

    /// Rings when a file of notices has come.
    pub fn filed(&self) -> &Arc<Notify> {
        &self.filed
    }
}

impl Counts {
    fn add(&mut self, state: RowState) {
        self.settled += 1;
        match state {
            RowState::Created => self.created += 1,
            RowState::Unchanged => self.unchanged += 1,
            RowState::Refused => self.refused += 1,
        }
    }
}

/// Rows from this place on, cut up, each piece with its place.
fn chunks(rows: &[Row], done: usize) -> impl Iterator<Item = (&[Row], usize)> {
    let rest = rows.get(done..).unwrap_or_default();
    rest.chunks(CHUNK)
        .enumerate()
        .map(move |(index, chunk)| (chunk, done + index * CHUNK))
}

/// The line of the report for a row; `place` counts from 0.
fn settled(row: &Row, place: usize, verdict: &Verdict, debt: Option<DebtId>) -> Settled {
    Settled {
        place: i64::try_from(place + 1).unwrap_or(i64::MAX),
        line: row.line,
        external_id: row.external_id.clone(),
        state: verdict.state(),
        debt: match verdict {
            Verdict::Unchanged(Some(id)) => Some(id.clone()),
            Verdict::Refused(_) => None,
            Verdict::Create(_) | Verdict::Unchanged(None) => debt,
        },
        errors: match verdict {
            Verdict::Refused(errors) => serde_json::to_string(errors).ok(),
            Verdict::Create(_) | Verdict::Unchanged(_) => None,
        },
    }
}
