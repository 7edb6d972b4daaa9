//! A chain: what one writer adds to the journal, block by block.
//!
//! Each writer has a chain of its own, so no two commits ever wait for each other to hash. A block is
//! written in the transaction of its exchanges. Its number and the hash before it come from memory,
//! as long as every commit has answered; after one that has not (an error, a time-out) the head is
//! read from the store first, because the commit may have arrived all the same. Should it arrive
//! later still, the two blocks want the same number: the store takes one, and the other transaction
//! is undone and tried again. The till, which never writes the same line twice, begins a new chain
//! instead after a commit that did not answer: nothing that the server still holds can stop it.
//!
//! The first block of a chain vouches for the heads of all other chains that nothing vouches for yet,
//! and so does every seal. So a chain cannot be taken out without a trace in one that came after it.

use std::sync::{Mutex, PoisonError};

use super::hash::{self, GENESIS};
use crate::clock::Ids;
use crate::domain::day::Instant;
use crate::store::chains::{self, Block, Filled, Head};
use crate::store::documents::Document;
use crate::store::exchanges::{Chained, Exchange, Kind};
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

    /// Writes exchanges, their messages and the block that holds them, in the caller's transaction.
    /// After its commit the block is to be [settled](Chain::settle).
    ///
    /// # Errors
    /// [`StoreError::Contended`] when an earlier commit of this chain has arrived after all, or the
    /// database failed. The transaction must then be undone.
    pub(in crate::desk) async fn append(
        &self,
        conn: &mut Conn,
        exchanges: &[Exchange],
        papers: &[Document],
        now: Instant,
    ) -> Result<Head, StoreError> {
        let draft = self.next(conn, exchanges, now).await?;
        draft.write(conn, exchanges, papers).await
    }

    /// The block that will hold these exchanges, to be written by the caller.
    ///
    /// # Errors
    /// The database failed.
    pub(in crate::desk) async fn next(
        &self,
        conn: &mut Conn,
        exchanges: &[Exchange],
        now: Instant,
    ) -> Result<Draft, StoreError> {
        let (name, head) = self.place(conn, now).await?;
        let links = match head {
            Some(_) => vec![],
            None => chains::tips(conn, &name).await?,
        };
        Ok(self.draft((name, head), exchanges, links, now))
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
        let count = links.len();
        let draft = self.draft((name, head), &[], links, now);
        let sealed = draft.write(conn, &[], &[]).await?;
        Ok(Some((sealed, count)))
    }

    /// Says that the commit of this block has answered.
    pub(in crate::desk) fn settle(&self, head: Head) {
        let mut state = self.state();
        state.tried.clear();
        state.head = Some(head);
    }

    /// Leaves the chain where it is and begins another one. For a writer that does not write the same
    /// lines again: a transaction that the server still holds, and that nobody can end, would else
    /// keep the next number from everybody who comes after it.
    pub(in crate::desk) fn renew(&self, now: Instant) {
        *self.state() = State {
            name: format!("{}.{}", self.ids.next(now), self.lane.as_str()),
            head: None,
            tried: vec![],
        };
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
        self.renew(now);
        let State { name, .. } = self.state().clone();
        Ok((name, None))
    }

    /// The next block over these exchanges and links. Nothing is written yet, but from now on the head
    /// is not certain.
    fn draft(
        &self,
        (name, head): (String, Option<Head>),
        exchanges: &[Exchange],
        links: Vec<Head>,
        now: Instant,
    ) -> Draft {
        let (number, previous) = match head {
            Some(head) => (head.number + 1, head.hash),
            None => (1, GENESIS.to_owned()),
        };
        let hashes: Vec<String> = (0..)
            .zip(exchanges)
            .map(|(place, exchange)| hash::exchange(&name, number, place, exchange))
            .collect();
        let links: Vec<(i64, Head)> = (0..).zip(links).collect();
        let mut block = Block {
            chain: name,
            number,
            previous,
            hash: String::new(),
            kinds: kinds(exchanges),
            exchanges: count(exchanges.len()),
            exchanges_digest: hash::exchanges(hashes.iter().map(String::as_str)),
            links: count(links.len()),
            links_digest: hash::links(&links),
            written_at: now,
            pruned_at: None,
            pruned_months: None,
        };
        block.hash = hash::block(&block);
        self.state().tried.push(block.head());
        Draft {
            block,
            links,
            hashes,
        }
    }
}

/// A block, ready to be written with its exchanges.
#[derive(Debug)]
pub(in crate::desk) struct Draft {
    block: Block,
    links: Vec<(i64, Head)>,
    /// Of each exchange, in their order.
    hashes: Vec<String>,
}

impl Draft {
    /// The exchanges in their places.
    pub(in crate::desk) fn lines<'a>(&'a self, exchanges: &'a [Exchange]) -> Vec<Chained<'a>> {
        (0..)
            .zip(exchanges.iter().zip(&self.hashes))
            .map(|(place, (exchange, hash))| Chained {
                exchange,
                chain: &self.block.chain,
                block: self.block.number,
                place,
                hash,
            })
            .collect()
    }

    /// The block with these lines.
    pub(in crate::desk) fn filled<'a>(&'a self, lines: &'a [Chained<'a>]) -> Filled<'a> {
        Filled {
            block: &self.block,
            links: &self.links,
            lines,
        }
    }

    /// The block, to be settled once it is committed.
    pub(in crate::desk) fn head(&self) -> Head {
        self.block.head()
    }

    /// Writes the messages, the block, then the exchanges in it.
    ///
    /// # Errors
    /// [`StoreError::Contended`] when there is another block of this number, or the database failed.
    async fn write(
        &self,
        conn: &mut Conn,
        exchanges: &[Exchange],
        papers: &[Document],
    ) -> Result<Head, StoreError> {
        let lines = self.lines(exchanges);
        chains::insert(conn, papers, self.filled(&lines)).await?;
        Ok(self.head())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    fn now() -> Instant {
        Instant::from_millis(0)
    }

    /// A store, and the folder that goes with it.
    async fn store() -> (Store, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let mut config = crate::config::Config::with("").unwrap().database;
        config.url = format!("sqlite://{}/test.db", folder.path().display()).into();
        let store = Store::open(&config).await.unwrap();
        store.migrate().await.unwrap();
        (store, folder)
    }

    fn chain(lane: Lane) -> Chain {
        Chain::new(Ids::counting(), lane, "process")
    }

    /// Writes an empty block and commits it; the chain does not hear of it when it is `lost`.
    async fn write(store: &Store, chain: &Chain, is_lost: bool) -> Head {
        let mut tx = store.write().await.unwrap();
        let head = chain.append(&mut tx, &[], &[], now()).await.unwrap();
        tx.commit().await.unwrap();
        if !is_lost {
            chain.settle(head.clone());
        }
        head
    }

    async fn numbers(store: &Store, chain: &str) -> Vec<i64> {
        let mut conn = store.read().await.unwrap();
        let blocks = chains::blocks(&mut conn, chain, 0, 100).await.unwrap();
        blocks.into_iter().map(|(number, _)| number).collect()
    }

    #[tokio::test]
    async fn a_commit_that_was_undone_leaves_no_gap() {
        let (store, _folder) = store().await;
        let till = chain(Lane::Till);
        // Undone before the first block, and after it.
        for _ in 0..2 {
            let mut tx = store.write().await.unwrap();
            till.append(&mut tx, &[], &[], now()).await.unwrap();
            drop(tx);
            let written = write(&store, &till, false).await;
            let mut conn = store.read().await.unwrap();
            let head = chains::head(&mut conn, "process.till").await.unwrap();
            assert_eq!(head, Some(written));
        }
        assert_eq!(numbers(&store, "process.till").await, [1, 2]);
    }

    #[tokio::test]
    async fn a_commit_whose_answer_was_lost_is_followed() {
        let (store, _folder) = store().await;
        let till = chain(Lane::Till);
        for is_lost in [true, false, true, true, false] {
            let head = write(&store, &till, is_lost).await;
            assert_eq!(head.chain, "process.till");
        }
        assert_eq!(numbers(&store, "process.till").await, [1, 2, 3, 4, 5]);
    }

    /// A commit of ours that arrives only after the head was read again.
    #[tokio::test]
    async fn two_blocks_of_one_number_contend() {
        let (store, _folder) = store().await;
        let (one, two) = (chain(Lane::Till), chain(Lane::Till));
        write(&store, &one, false).await;
        let mut tx = store.write().await.unwrap();
        let contended = two.append(&mut tx, &[], &[], now()).await;
        assert!(contended.unwrap_err().is_contention());
    }

    /// The store has lost blocks: going on with the next number would hide it.
    #[tokio::test]
    async fn a_chain_that_is_not_as_it_was_left_is_not_continued() {
        let (first, _first) = store().await;
        let (second, _second) = store().await;
        let till = chain(Lane::Till);
        write(&first, &till, false).await;
        write(&first, &till, true).await;
        let head = write(&second, &till, false).await;
        assert_ne!(head.chain, "process.till");
        assert!(head.chain.ends_with(".till"));
        assert_eq!(head.number, 1);
    }

    /// A transaction that nobody can end holds the next number: the writer goes on in a chain of its
    /// own, and both are whole when it ends after all.
    #[tokio::test]
    async fn a_chain_that_is_left_is_vouched_for_by_the_next() {
        let (store, _folder) = store().await;
        let till = chain(Lane::Till);
        write(&store, &till, false).await;
        let left = write(&store, &till, true).await;
        till.renew(now());
        let next = write(&store, &till, false).await;
        assert_ne!(next.chain, left.chain);
        let mut conn = store.read().await.unwrap();
        let links = chains::links(&mut conn, &next.chain, 1).await.unwrap();
        assert_eq!(links, [(0, left)]);
    }

    #[tokio::test]
    async fn the_first_block_and_every_seal_vouch_for_the_others() {
        let (store, _folder) = store().await;
        let (till, lines, seals) = (chain(Lane::Till), chain(Lane::Journal), chain(Lane::Seal));
        let first = write(&store, &till, false).await;
        let second = write(&store, &lines, false).await;
        let mut conn = store.read().await.unwrap();
        let links = chains::links(&mut conn, &second.chain, 1).await.unwrap();
        assert_eq!(links, [(0, first.clone())]);
        let third = write(&store, &till, false).await;
        let mut tx = store.write().await.unwrap();
        let (sealed, count) = seals.seal(&mut tx, now()).await.unwrap().unwrap();
        tx.commit().await.unwrap();
        let links = chains::links(&mut conn, &sealed.chain, 1).await.unwrap();
        assert_eq!((links, count), (vec![(0, second), (1, third)], 2));
    }
}
