//! The proof that the journal is as it was written: every hash is taken again, every link is
//! followed, every message is hashed.
//!
//! The store is read page by page, so memory does not grow with the journal, and while the gateway
//! goes on writing: each chain is read up to the head that it had when its turn came.

use std::collections::BTreeSet;

use super::proof::Proof;
use crate::domain::day::{Day, Instant};
use crate::store::chains::Head;
use crate::store::{Store, StoreError, chains, exchanges};

/// What to prove.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// Lines and messages of older blocks are not read; their blocks and links are.
    pub since: Option<Day>,
    /// Hashes of blocks that must be there: seals that were kept outside the database.
    pub anchors: BTreeSet<String>,
}

/// Something that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// A stable code, such as `line_altered`.
    pub code: &'static str,
    /// The chain.
    pub chain: Option<String>,
    /// The block.
    pub block: Option<i64>,
    /// The exchange.
    pub exchange: Option<String>,
    /// What is wrong.
    pub detail: String,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code)?;
        if let Some(chain) = &self.chain {
            write!(f, "  chain {chain}")?;
        }
        if let Some(block) = self.block {
            write!(f, "  block {block}")?;
        }
        if let Some(exchange) = &self.exchange {
            write!(f, "  exchange {exchange}")?;
        }
        write!(f, "  {}", self.detail)
    }
}

/// What was read and found.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Chains.
    pub chains: u64,
    /// Blocks.
    pub blocks: u64,
    /// Lines whose hash was taken again.
    pub exchanges: u64,
    /// Messages whose bytes were hashed.
    pub documents: u64,
    /// Messages whose bytes were erased, with an account of it.
    pub erased: u64,
    /// Blocks whose lines have had their time.
    pub pruned: u64,
    /// Lines from before the chains: nothing can be proved of them.
    pub before_the_chain: i64,
    /// How many things are not as they were written.
    pub violations: u64,
    /// The heads, in the order of the chains.
    pub heads: Vec<Head>,
}

/// What the proof tells on its way.
#[derive(Debug)]
pub enum Event<'a> {
    /// Something is not as it was written.
    Violation(Violation),
    /// So much has been read.
    Progress(&'a Report),
}

/// Whoever listens.
pub type Listener<'a> = &'a mut (dyn FnMut(Event<'_>) + Send);

/// Reads the whole journal and tells everything that is not as it was written.
///
/// # Errors
/// The store failed; then nothing is proved.
pub async fn verify(
    store: &Store,
    wish: Wish,
    now: Instant,
    listener: Listener<'_>,
) -> Result<Report, StoreError> {
    let mut proof = Proof::new(store.read().await?, &wish, now, listener);
    proof.report.before_the_chain = exchanges::unchained(&mut proof.conn).await?;
    proof.outside().await?;
    let mut chain = String::new();
    while let Some(next) = chains::next_chain(&mut proof.conn, &chain).await? {
        proof.chain(&next).await?;
        chain = next;
    }
    Ok(proof.finish())
}
