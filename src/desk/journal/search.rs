//! Looking for lines of the journal.

use crate::desk::{Desk, DeskError};
use crate::domain::day::{Day, Instant};
use crate::domain::ids::ExchangeId;
use crate::domain::notice::NoticeNumber;
use crate::domain::party::CreditorCode;
use crate::domain::text::cut;
use crate::store::documents::{self, Kept};
use crate::store::exchanges::{self, Found, Search};
use crate::store::{Store, StoreError};

/// What to look for; what is left out matches everything.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Whose exchanges.
    pub creditor: Option<CreditorCode>,
    /// About which notice.
    pub notice: Option<NoticeNumber>,
    /// About which IUV.
    pub iuv: Option<String>,
    /// About which receipt.
    pub receipt: Option<String>,
    /// Begun on which day in Rome.
    pub day: Option<Day>,
    /// Older than this line.
    pub before: Option<Cursor>,
}

/// Where a page ends: the moment and the id of its last line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    at: Instant,
    id: ExchangeId,
}

impl Cursor {
    /// The end of a page with this last line.
    pub fn of(found: &Found) -> Cursor {
        Cursor {
            at: found.exchange.started_at,
            id: found.exchange.id.clone(),
        }
    }

    /// Reads what `Display` writes.
    pub fn parse(text: &str) -> Option<Cursor> {
        let (at, id) = text.split_once('_')?;
        Some(Cursor {
            at: Instant::parse(at).ok()?,
            id: ExchangeId::parse(id)?,
        })
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}_{}", self.at, self.id)
    }
}

/// Longest receipt id that the journal keeps.
pub const RECEIPT_ID: usize = 140;

impl From<Wanted> for Search {
    fn from(wanted: Wanted) -> Search {
        let iuv = wanted.notice.map(|notice| notice.iuv().to_string());
        Search {
            creditor: wanted.creditor.map(|creditor| creditor.to_string()),
            notice: wanted.notice.map(|notice| notice.to_string()),
            iuv: wanted.iuv.or(iuv),
            reference: wanted
                .receipt
                .map(|receipt| cut(receipt.trim(), RECEIPT_ID).to_owned()),
            from: wanted.day.map(Day::start_in_rome),
            until: wanted.day.map(|day| day.plus_days(1).start_in_rome()),
            before: wanted
                .before
                .map(|cursor| (cursor.at, cursor.id.to_string())),
        }
    }
}

/// A line with both messages.
#[derive(Debug, Clone)]
pub struct Detail {
    /// The line.
    pub found: Found,
    /// The call.
    pub request: Option<Kept>,
    /// The reply.
    pub reply: Option<Kept>,
}

/// A page of what matches, newest first.
///
/// # Errors
/// The store failed.
pub async fn search(store: &Store, wanted: Wanted, limit: i64) -> Result<Vec<Found>, StoreError> {
    let mut conn = store.read().await?;
    exchanges::search(&mut conn, &wanted.into(), limit).await
}

/// The line with this id and its messages.
///
/// # Errors
/// The store failed.
pub async fn detail(store: &Store, id: &ExchangeId) -> Result<Option<Detail>, StoreError> {
    let mut conn = store.read().await?;
    let Some(found) = exchanges::by_id(&mut conn, id).await? else {
        return Ok(None);
    };
    let request = match &found.exchange.request {
        Some(paper) => documents::kept(&mut conn, &paper.id).await?,
        None => None,
    };
    let reply = match &found.exchange.reply {
        Some(paper) => documents::kept(&mut conn, &paper.id).await?,
        None => None,
    };
    Ok(Some(Detail {
        found,
        request,
        reply,
    }))
}

impl Desk {
    /// A page of exchanges, newest first.
    ///
    /// # Errors
    /// The store failed.
    pub async fn exchanges(&self, wanted: Wanted, limit: i64) -> Result<Vec<Found>, DeskError> {
        Ok(search(&self.store, wanted, limit).await?)
    }

    /// A creditor's exchange with both messages.
    ///
    /// # Errors
    /// [`DeskError::NotFound`], also when it is another creditor's.
    pub async fn exchange(
        &self,
        creditor: &CreditorCode,
        id: &ExchangeId,
    ) -> Result<Detail, DeskError> {
        detail(&self.store, id)
            .await?
            .filter(|d| d.found.exchange.creditor.as_deref() == Some(creditor.as_str()))
            .ok_or(DeskError::NotFound)
    }
}
