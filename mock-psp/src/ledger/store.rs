//! The ledger's SQL.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::entry::Entry;
use crate::database::Database;

const INSERT: &str = "INSERT INTO entries (entry_id, creditor, child, service, channel, \
    amount_cents, notice_number, paid_on, content, received_at) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (entry_id) DO NOTHING";
const CONTENT_OF: &str = "SELECT content FROM entries WHERE entry_id = $1";
const PAGE: &str = "SELECT seq, content, received_at FROM entries \
    WHERE ($1 = '' OR child = $1) AND ($2 = '' OR creditor = $2) AND seq > $3 \
    ORDER BY seq LIMIT $4";
const LATEST: &str = "SELECT seq, content, received_at FROM entries \
    WHERE ($1 = '' OR child = $1) ORDER BY seq DESC LIMIT $2";
const TOTALS: &str = "SELECT paid_on, channel, COUNT(*) AS entries, \
    CAST(SUM(amount_cents) AS INTEGER) AS cents FROM entries \
    WHERE creditor = $1 AND paid_on >= $2 AND paid_on <= $3 \
    GROUP BY paid_on, channel ORDER BY paid_on, channel";
const BALANCES: &str = "SELECT creditor, child, service, COUNT(*) AS entries, \
    CAST(SUM(amount_cents) AS INTEGER) AS cents FROM entries \
    WHERE ($1 = '' OR child = $1) GROUP BY creditor, child, service \
    ORDER BY creditor, child, service LIMIT $2";
const CHILD_OF_NOTICE: &str =
    "SELECT child FROM entries WHERE notice_number = $1 AND creditor = $2 ORDER BY seq LIMIT 1";

/// What became of an entry that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Booking {
    /// It is new and on disk.
    New,
    /// It was there already, equal in every field.
    Same,
    /// Another entry has its id.
    Conflict,
}

/// An entry with its place in the ledger.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Booked {
    #[serde(flatten)]
    pub(crate) entry: Entry,
    pub(crate) received_at: String,
    #[serde(skip)]
    pub(crate) seq: i64,
}

/// One day and channel of the nightly proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Total {
    pub(crate) day: String,
    pub(crate) channel: String,
    pub(crate) count: i64,
    pub(crate) amount_cents: i64,
}

/// What a child has left with one creditor for one service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Balance {
    pub(crate) creditor: String,
    pub(crate) child: String,
    pub(crate) service: String,
    pub(crate) balance_cents: i64,
    pub(crate) entries: i64,
}

impl Database {
    /// Books an entry; when this returns, the outcome is on disk.
    pub(crate) async fn book(
        &self,
        entry: &Entry,
        paid_on: Date,
        now: Timestamp,
    ) -> Result<Booking, sqlx::Error> {
        let content = serde_json::to_string(entry).map_err(|e| sqlx::Error::Encode(Box::new(e)))?;
        let mut transaction = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        let inserted = sqlx::query(INSERT)
            .bind(&entry.entry_id)
            .bind(&entry.creditor)
            .bind(&entry.child)
            .bind(&entry.service)
            .bind(&entry.channel)
            .bind(entry.amount_cents)
            .bind(entry.notice_number.as_deref().unwrap_or_default())
            .bind(paid_on.to_string())
            .bind(&content)
            .bind(now.to_string())
            .execute(&mut *transaction)
            .await?
            .rows_affected();
        let booking = if inserted == 1 {
            Booking::New
        } else {
            let row = sqlx::query(CONTENT_OF)
                .bind(&entry.entry_id)
                .fetch_one(&mut *transaction)
                .await?;
            let known: String = row.try_get("content")?;
            if known == content {
                Booking::Same
            } else {
                Booking::Conflict
            }
        };
        transaction.commit().await?;
        Ok(booking)
    }

    /// Entries in the order they came, after a place in the ledger. Empty filters match all.
    pub(crate) async fn entries(
        &self,
        child: &str,
        creditor: &str,
        after: i64,
        limit: i64,
    ) -> Result<Vec<Booked>, sqlx::Error> {
        let rows = sqlx::query(PAGE)
            .bind(child)
            .bind(creditor)
            .bind(after)
            .bind(limit)
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(booked).collect()
    }

    /// The last entries, newest first.
    pub(crate) async fn latest(&self, child: &str, limit: i64) -> Result<Vec<Booked>, sqlx::Error> {
        let rows = sqlx::query(LATEST)
            .bind(child)
            .bind(limit)
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(booked).collect()
    }

    /// Per day and channel, both days included.
    pub(crate) async fn totals(
        &self,
        creditor: &str,
        from: Date,
        to: Date,
    ) -> Result<Vec<Total>, sqlx::Error> {
        let rows = sqlx::query(TOTALS)
            .bind(creditor)
            .bind(from.to_string())
            .bind(to.to_string())
            .fetch_all(&self.readers)
            .await?;
        rows.iter()
            .map(|row| {
                Ok(Total {
                    day: row.try_get("paid_on")?,
                    channel: row.try_get("channel")?,
                    count: row.try_get("entries")?,
                    amount_cents: row.try_get("cents")?,
                })
            })
            .collect()
    }

    /// Per creditor, child and service.
    pub(crate) async fn balances(
        &self,
        child: &str,
        limit: i64,
    ) -> Result<Vec<Balance>, sqlx::Error> {
        let rows = sqlx::query(BALANCES)
            .bind(child)
            .bind(limit)
            .fetch_all(&self.readers)
            .await?;
        rows.iter()
            .map(|row| {
                Ok(Balance {
                    creditor: row.try_get("creditor")?,
                    child: row.try_get("child")?,
                    service: row.try_get("service")?,
                    balance_cents: row.try_get("cents")?,
                    entries: row.try_get("entries")?,
                })
            })
            .collect()
    }

    /// The child a notice was credited to.
    pub(crate) async fn child_of_entry(
        &self,
        notice_number: &str,
        creditor: &str,
    ) -> Result<Option<String>, sqlx::Error> {
        let row = sqlx::query(CHILD_OF_NOTICE)
            .bind(notice_number)
            .bind(creditor)
            .fetch_optional(&self.readers)
            .await?;
        row.map(|row| row.try_get("child")).transpose()
    }
}

fn booked(row: &SqliteRow) -> Result<Booked, sqlx::Error> {
    let content: &str = row.try_get("content")?;
    let unreadable = |error: serde_json::Error| sqlx::Error::Decode(Box::new(error));
    Ok(Booked {
        entry: serde_json::from_str(content).map_err(unreadable)?,
        received_at: row.try_get("received_at")?,
        seq: row.try_get("seq")?,
    })
}
