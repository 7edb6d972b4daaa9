//! A chain: what one writer adds to the journal, block by block.
//!
//! Each writer has a chain of its own, so no two commits ever wait for each other to hash. A block is
//! written in the transaction of its exchanges. Its number and the hash before it come from memory,
//! as long as every commit has answered; after one that has not (an error, a time-out) the head is
//! read from the store first, because the commit may have arrived all the same. Should it arrive
//! later still, the two blocks want the same number: the store takes one, and the other transaction
//! is undone and tried again.
//!
//! The first block of a chain vouches for the heads of all other chains that nothing vouches for yet,
//! and so does every seal. So a chain cannot be taken out without a trace in one that came after it.

use std::sync::{Mutex, PoisonError};

use super::hash::{self, GENESIS};
use crate::clock::Ids;
use crate::domain::day::Instant;
use crate::store::chains::{self, Block, Head};
use crate::store::exchanges::{self, Chained, Exchange, Kind};
use crate::store::{Conn, StoreError};

/// The kinds of writers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::desk) enum Lane {
    /// Receipts, with their bookings.
    Till,
    /// Everything else that is exchanged.
    Journal,
    /// Seals: blocks without exchanges over the heads of the other chains.
    Seal,
    /// What operators do to the journal.
    Audit,
}

impl Lane {
    fn as_str(self) -> &'static str {
        match self {
            Lane::Till => "till",
            Lane::Journal => "journal",
            Lane::Seal => "seal",
            Lane::Audit => "audit",
        }
    }
}

/// Whether a chain holds seals.
pub(super) fn is_seal(chain: &str) -> bool {
    chain.ends_with(Lane::Seal.as_str())
}

/// One writer's chain.
#[derive(Debug)]
pub(in crate::desk) struct Chain {
    ids: Ids,
    lane: Lane,
    state: Mutex<State>,
}

#[derive(Debug, Clone)]
struct State {
    name: String,
    /// The last block of which it is known that it was committed.
    head: Option<Head>,
    /// Blocks that were tried since, of which it is not known.
    tried: Vec<Head>,
}

impl Chain {
    /// A chain of this process. Nothing is written before its first block.
    pub(in crate::desk) fn new(ids: Ids, lane: Lane, process: &str) -> Chain {
        Chain {
            ids,
            lane,
            state: Mutex::new(State {
                name: format!("{process}.{}", lane.as_str()),
                head: None,
                tried: vec![],
            }),
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes exchanges and the block that holds them, in the caller's transaction. After its commit
    /// the block is to be [settled](Chain::settle).
    ///
    /// # Errors
    /// [`StoreError::Contended`] when an earlier commit of this chain has arrived after all, or the
    /// database failed. The transaction must then be undone.
    pub(in crate::desk) async fn append(
        &self,
        conn: &mut Conn,
        exchanges: &[Exchange],
        now: Instant,
    ) -> Result<Head, StoreError> {
        let (name, head) = self.place(conn, now).await?;
        let links = match head {
            Some(_) => vec![],
            None => chains::tips(conn, &name).await?,
        };
        self.write(conn, (name, head), exchanges, &links, now).await
    }

    /// Writes a block over all heads that nothing vouches for yet; nothing when there is none but
    /// those of other seals.
    ///
    /// # Errors
    /// As [`Chain::append`].
    pub(super) async fn seal(
        &self,
        conn: &mut Conn,
        now: Instant,
    ) -> Result<Option<(Head, usize)>, StoreError> {
        let (name, head) = self.place(conn, now).await?;
        let links = chains::tips(conn, &name).await?;
        if links.iter().all(|link| is_seal(&link.chain)) {
            return Ok(None);
        }
        let sealed = self.write(conn, (name, head), &[], &links, now).await?;
        Ok(Some((sealed, links.len())))
    }

    /// Says that the commit of this block has answered.
    pub(in crate::desk) fn settle(&self, head: Head) {
        let mut state = self.state();
        state.tried.clear();
        state.head = Some(head);
    }

    /// The chain and its head: from memory when it is certain, else from the store.
    async fn place(
        &self,
        conn: &mut Conn,
        now: Instant,
    ) -> Result<(String, Option<Head>), StoreError> {
        let State { name, head, tried } = self.state().clone();
        if tried.is_empty() {
            return Ok((name, head));
        }
        let stored = chains::head(conn, &name).await?;
        if stored == head || stored.as_ref().is_some_and(|head| tried.contains(head)) {
            return Ok((name, stored));
        }
        tracing::error!(
            chain = name,
            "the journal's chain is not as this process left it: a new one begins"
        );
        let name = format!("{}.{}", self.ids.next(now), self.lane.as_str());
        *self.state() = State {
            name: name.clone(),
            head: None,
            tried: vec![],
        };
        Ok((name, None))
    }

    async fn write(
        &self,
        conn: &mut Conn,
        (name, head): (String, Option<Head>),
        exchanges: &[Exchange],
        links: &[Head],
        now: Instant,
    ) -> Result<Head, StoreError> {
        let (number, previous) = match head {
            Some(head) => (head.number + 1, head.hash),
            None => (1, GENESIS.to_owned()),
        };
        let hashes: Vec<String> = (0..)
            .zip(exchanges)
            .map(|(place, exchange)| hash::exchange(&name, number, place, exchange))
            .collect();
        let mut block = Block {
            chain: name,
            number,
            previous,
            hash: String::new(),
            kinds: kinds(exchanges),
            exchanges: count(exchanges.len()),
            exchanges_digest: hash::exchanges(hashes.iter().map(String::as_str)),
            links: count(links.len()),
            links_digest: hash::links(links),
            written_at: now,
            pruned_at: None,
        };
        block.hash = hash::block(&block);
        let head = Head {
            chain: block.chain.clone(),
            number,
            hash: block.hash.clone(),
        };
        self.state().tried.push(head.clone());
        chains::insert(conn, &block, links).await?;
        let lines: Vec<Chained<'_>> = (0..)
            .zip(exchanges.iter().zip(&hashes))
            .map(|(place, (exchange, hash))| Chained {
                exchange,
                chain: &block.chain,
                block: number,
                place,
                hash,
            })
            .collect();
        exchanges::insert(conn, &lines).await?;
        Ok(head)
    }
}

fn count(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

/// The kinds of these exchanges, in the order of their words.
fn kinds(exchanges: &[Exchange]) -> String {
    spell(|kind| exchanges.iter().any(|exchange| exchange.kind == kind))
}

/// A set of kinds as a block tells it.
pub(super) fn spell(is_in: impl Fn(Kind) -> bool) -> String {
    let words: Vec<&str> = Kind::ALL
        .into_iter()
        .filter(|kind| is_in(*kind))
        .map(Kind::as_str)
        .collect();
    words.join("+")
}
