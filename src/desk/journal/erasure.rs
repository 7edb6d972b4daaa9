//! Taking personal data out of the journal before its time: the bytes of messages go, their hashes
//! stay, and a line of the journal says who did it, when and why.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::chain::{Chain, Lane};
use super::retention::months;
use crate::clock::{Ids, Stopwatch};
use crate::config::Retention;
use crate::domain::day::Instant;
use crate::domain::ids::{DocumentId, ExchangeId};
use crate::domain::notice::NoticeNumber;
use crate::domain::party::CreditorCode;
use crate::store::documents::{Document, Erasable};
use crate::store::exchanges::{Direction, Exchange, Kind};
use crate::store::{Conn, Store, StoreError, documents, exchanges};
use crate::wire::digest::sha256;

/// Which messages.
#[derive(Debug, Clone)]
pub enum What {
    /// One.
    Document(DocumentId),
    /// Those of every exchange about this creditor's notice. A number alone is not enough: it is
    /// unique only within its creditor.
    Notice(CreditorCode, NoticeNumber),
}

/// A wish to erase.
#[derive(Debug, Clone)]
pub struct Erasure {
    /// Which messages.
    pub what: What,
    /// Who wants it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Whether receipts go although the law still asks for them.
    pub force: bool,
}

/// What was erased.
#[derive(Debug, Clone)]
pub struct Erased {
    /// The line of the journal that tells it.
    pub exchange: ExchangeId,
    /// The documents without bytes now.
    pub documents: Vec<DocumentId>,
}

/// Nothing was erased.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    /// There is no such message, or its bytes are gone already.
    #[error("there is no such message, or its bytes were erased before")]
    Nothing,
    /// Some are receipts that must still be kept.
    #[error(
        "nothing was erased: {} must still be kept as proof of payments (--force erases them all \
         the same)",
        .0.iter().map(DocumentId::as_str).collect::<Vec<_>>().join(", ")
    )]
    Proof(Vec<DocumentId>),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

/// What the document of an erasure says.
#[derive(Debug, Serialize, Deserialize)]
struct Account {
    by: String,
    reason: String,
    forced: bool,
    documents: Vec<Accounted>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Accounted {
    id: String,
    sha256: String,
}

/// Erases the bytes of messages, and writes down who wanted it and why, in one transaction.
///
/// # Errors
/// [`EraseError`]; then nothing is changed.
pub async fn erase(
    store: &Store,
    ids: &Ids,
    wish: &Erasure,
    retention: &Retention,
    now: Instant,
) -> Result<Erased, EraseError> {
    let stopwatch = Stopwatch::start();
    let chain = Chain::new(ids.clone(), Lane::Audit, &ids.next(now));
    let mut tx = store.write().await?;
    let found: Vec<Erasable> = match &wish.what {
        What::Document(id) => documents::erasable(&mut tx, id)
            .await?
            .into_iter()
            .collect(),
        What::Notice(creditor, notice) => documents::of_notice(&mut tx, creditor, notice).await?,
    };
    // What an erasure says of itself is never erased: the chain would have no account of it.
    let found: Vec<Erasable> = found
        .into_iter()
        .filter(|paper| !paper.is_erased && paper.line != Some(Kind::Erasure))
        .collect();
    if found.is_empty() {
        return Err(EraseError::Nothing);
    }
    let proofs: Vec<DocumentId> = found
        .iter()
        .filter(|paper| is_proof(paper, retention, now))
        .map(|paper| paper.id.clone())
        .collect();
    if !proofs.is_empty() && !wish.force {
        return Err(EraseError::Proof(proofs));
    }
    let account = account(ids, wish, &found, now)?;
    let exchange = line(ids, wish, &account, stopwatch, now);
    for paper in &found {
        if !documents::erase(&mut tx, &paper.id, &exchange.id, now).await? {
            return Err(StoreError::Contended.into());
        }
    }
    let head = chain
        .append(
            &mut tx,
            std::slice::from_ref(&exchange),
            std::slice::from_ref(&account),
            now,
        )
        .await?;
    tx.commit().await.map_err(StoreError::from)?;
    chain.settle(head);
    Ok(Erased {
        exchange: exchange.id,
        documents: found.into_iter().map(|paper| paper.id).collect(),
    })
}

/// Whether the law still asks for a message: it is about money, and its time has not passed.
fn is_proof(paper: &Erasable, retention: &Retention, now: Instant) -> bool {
    let is_receipt = paper.is_proof || paper.line == Some(Kind::Receipt);
    let end = paper
        .stored_at
        .plus_months(months(retention, Kind::Receipt));
    is_receipt && end > now
}

/// The document that says what was erased, by whom and why.
fn account(
    ids: &Ids,
    wish: &Erasure,
    found: &[Erasable],
    now: Instant,
) -> Result<Document, StoreError> {
    let account = Account {
        by: wish.by.clone(),
        reason: wish.reason.clone(),
        forced: wish.force,
        documents: found
            .iter()
            .map(|paper| Accounted {
                id: paper.id.to_string(),
                sha256: paper.sha256.clone(),
            })
            .collect(),
    };
    // Texts and lists of texts always become JSON.
    let bytes = serde_json::to_vec(&account).map_err(|_| StoreError::Corrupt {
        table: "documents",
        column: "id",
    })?;
    Ok(Document {
        id: DocumentId::new(ids.next(now)),
        kind: "erasure",
        sha256: sha256(&bytes),
        bytes,
        stored_at: now,
    })
}

fn line(
    ids: &Ids,
    wish: &Erasure,
    account: &Document,
    stopwatch: Stopwatch,
    now: Instant,
) -> Exchange {
    let (creditor, notice) = match &wish.what {
        What::Notice(creditor, notice) => (Some(creditor), Some(notice)),
        What::Document(_) => (None, None),
    };
    Exchange {
        id: ExchangeId::new(ids.next(now)),
        started_at: now,
        direction: Direction::In,
        party: "operator".to_owned(),
        kind: Kind::Erasure,
        operation: "erase".to_owned(),
        address: None,
        peer: Some(wish.by.clone()),
        creditor: creditor.map(ToString::to_string),
        notice: notice.map(ToString::to_string),
        iuv: notice.map(|notice| notice.iuv().to_string()),
        reference: None,
        outcome: "OK".to_owned(),
        http_status: 0,
        duration_us: stopwatch.micros(),
        request: Some(account.paper()),
        reply: None,
    }
}

/// The documents that a line of the journal accounts for, with their hashes; none when it is not the
/// line of an erasure.
///
/// # Errors
/// The store failed.
pub(super) async fn accounted(
    conn: &mut Conn,
    line: &ExchangeId,
) -> Result<BTreeSet<(String, String)>, StoreError> {
    let found = match exchanges::by_id(conn, line).await {
        Ok(found) => found,
        // A line that cannot be read is reported where it stands.
        Err(StoreError::Corrupt { .. }) => None,
        Err(error) => return Err(error),
    };
    let paper = found
        .filter(|found| found.exchange.kind == Kind::Erasure && found.place.is_some())
        .and_then(|found| found.exchange.request);
    let Some(paper) = paper else {
        return Ok(BTreeSet::new());
    };
    let bytes = documents::read(conn, &paper.id).await?.unwrap_or_default();
    let account: Option<Account> = serde_json::from_slice(&bytes).ok();
    let documents = account.map(|account| account.documents).unwrap_or_default();
    Ok(documents
        .into_iter()
        .map(|document| (document.id, document.sha256))
        .collect())
}
