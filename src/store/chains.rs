//! The chains of the journal: a block for each transaction that wrote exchanges, and the links
//! between chains.

use sqlx::any::AnyRow;

use super::documents::{self, Document};
use super::exchanges::{self, Chained, Kind};
use super::sheet::{Bundle, Rows, sheets};
use super::statement::statements;
use super::{Columns, Conn, StoreError};
use crate::domain::day::Instant;

/// A block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The chain it belongs to.
    pub chain: String,
    /// Its number in the chain, from 1.
    pub number: i64,
    /// The hash of the block before.
    pub previous: String,
    /// The hash of everything here but what tells of the removal.
    pub hash: String,
    /// The kinds of its exchanges, in the order of their words, joined by `+`.
    pub kinds: String,
    /// How many exchanges it holds.
    pub exchanges: i64,
    /// The hash over their hashes.
    pub exchanges_digest: String,
    /// How many heads of other chains it vouches for.
    pub links: i64,
    /// The hash over them.
    pub links_digest: String,
    /// When it was written.
    pub written_at: Instant,
    /// When its exchanges were removed because their time had passed.
    pub pruned_at: Option<Instant>,
    /// For how many months they were to be kept then; nothing for marks that are older than this.
    pub pruned_months: Option<i64>,
}

impl Block {
    /// The block as the head of its chain.
    pub fn head(&self) -> Head {
        Head {
            chain: self.chain.clone(),
            number: self.number,
            hash: self.hash.clone(),
        }
    }
}

/// The last block of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The chain.
    pub chain: String,
    /// The block's number.
    pub number: i64,
    /// Its hash.
    pub hash: String,
}

statements! {
    HEAD = "SELECT chain, number, hash FROM journal_blocks WHERE chain = $1 \
        ORDER BY number DESC LIMIT 1";

    /// The heads of all other chains that no block vouches for yet.
    TIPS = "SELECT b.chain, b.number, b.hash FROM journal_blocks f JOIN journal_blocks b \
        ON b.chain = f.chain AND b.number = (SELECT MAX(m.number) FROM journal_blocks m \
        WHERE m.chain = f.chain) WHERE f.number = 1 AND f.chain <> $1 AND NOT EXISTS \
        (SELECT 1 FROM journal_links l WHERE l.to_chain = b.chain AND l.to_number = b.number) \
        ORDER BY b.chain";

    /// The chains are found from both sides, so that one whose blocks are all gone is seen by its
    /// lines.
    NEXT_CHAIN = "SELECT MIN(first_ones.chain) AS chain FROM (SELECT MIN(chain) AS chain \
        FROM journal_blocks WHERE chain > $1 UNION ALL SELECT MIN(chain) AS chain \
        FROM exchanges WHERE chain > $1) AS first_ones";

    BLOCKS = "SELECT chain, number, previous, hash, kinds, exchanges, exchanges_digest, links, \
        links_digest, written_at, pruned_at, pruned_months FROM journal_blocks WHERE chain = $1 AND number > $2 \
        ORDER BY number LIMIT $3";

    BLOCK = "SELECT chain, number, hash FROM journal_blocks WHERE chain = $1 AND number = $2";

    LINKS = "SELECT place, to_chain AS chain, to_number AS number, to_hash AS hash FROM journal_links \
        WHERE chain = $1 AND number = $2 ORDER BY place";

    TO_PRUNE = "SELECT chain, number, previous, hash, kinds, exchanges, exchanges_digest, links, \
        links_digest, written_at, pruned_at, pruned_months FROM journal_blocks WHERE pruned_at IS NULL \
        AND exchanges > 0 AND kinds = $1 AND written_at < $2 ORDER BY written_at LIMIT $3";

    MARK = "UPDATE journal_blocks SET pruned_at = $3, pruned_months = $4 WHERE chain = $1 AND number = $2 \
        AND pruned_at IS NULL";

    /// What a payment stands on stays as long as the payment.
    REMOVE_PAPERS = "DELETE FROM documents WHERE id IN (SELECT request_document FROM exchanges \
        WHERE chain = $1 AND block = $2 UNION SELECT reply_document FROM exchanges \
        WHERE chain = $1 AND block = $2) AND NOT EXISTS (SELECT 1 FROM payments \
        WHERE payments.document = documents.id)";

    REMOVE_LINES = "DELETE FROM exchanges WHERE chain = $1 AND block = $2";

    /// The end of a page of lines from before the chains. Those that began when there were chains are
    /// none of them, and stay for whoever looks.
    OLD_UPTO = "SELECT MAX(started_at) AS upto FROM (SELECT started_at FROM exchanges \
        WHERE chain IS NULL AND kind = $1 AND started_at < $2 AND started_at < COALESCE( \
        (SELECT MIN(written_at) FROM journal_blocks WHERE number = 1), 'z') \
        ORDER BY started_at LIMIT $3) AS oldest";

    REMOVE_OLD_PAPERS = "DELETE FROM documents WHERE id IN (SELECT request_document FROM exchanges \
        WHERE chain IS NULL AND kind = $1 AND started_at <= $2 UNION SELECT reply_document \
        FROM exchanges WHERE chain IS NULL AND kind = $1 AND started_at <= $2) AND NOT EXISTS \
        (SELECT 1 FROM payments WHERE payments.document = documents.id)";

    REMOVE_OLD_LINES = "DELETE FROM exchanges WHERE chain IS NULL AND kind = $1 \
        AND started_at <= $2";
}

sheets! {
    /// Taken by whoever is first: another process, or our own commit that was given up too early.
    INSERT = ("INSERT INTO journal_blocks (chain, number, previous, hash, kinds, exchanges, \
        exchanges_digest, links, links_digest, written_at)",
        "?, CAST(? AS BIGINT), ?, ?, ?, CAST(? AS BIGINT), ?, CAST(? AS BIGINT), ?, ?",
        " ON CONFLICT (chain, number) DO NOTHING RETURNING number");

    LINK = ("INSERT INTO journal_links (chain, number, place, to_chain, to_number, to_hash)",
        "?, CAST(? AS BIGINT), CAST(? AS BIGINT), ?, CAST(? AS BIGINT), ?", "");
}

/// The last block of a chain, when it has any.
///
/// # Errors
/// The database failed.
pub async fn head(conn: &mut Conn, chain: &str) -> Result<Option<Head>, StoreError> {
    let row = sqlx::query(HEAD).bind(chain).fetch_optional(conn).await?;
    row.as_ref().map(read_head).transpose()
}

/// The heads of all chains but this one that no block vouches for yet.
///
/// # Errors
/// The database failed.
pub async fn tips(conn: &mut Conn, but: &str) -> Result<Vec<Head>, StoreError> {
    let rows = sqlx::query(TIPS).bind(but).fetch_all(conn).await?;
    rows.iter().map(read_head).collect()
}

/// A block with its links and the exchanges in it, ready to be stored.
#[derive(Debug, Clone, Copy)]
pub struct Filled<'a> {
    /// The block.
    pub block: &'a Block,
    /// What it vouches for, each in its place.
    pub links: &'a [(i64, Head)],
    /// The exchanges.
    pub lines: &'a [Chained<'a>],
}

impl Filled<'_> {
    /// Stores it after other things: the block, its links, its exchanges.
    pub(super) fn after(self, bundle: Bundle) -> Bundle {
        let Filled {
            block,
            links,
            lines,
        } = self;
        let blocks = Rows::of([block], |row, block| {
            row.bind(block.chain.as_str())
                .bind(block.number)
                .bind(block.previous.as_str())
                .bind(block.hash.as_str())
                .bind(block.kinds.as_str())
                .bind(block.exchanges)
                .bind(block.exchanges_digest.as_str())
                .bind(block.links)
                .bind(block.links_digest.as_str())
                .bind(block.written_at.to_string());
        });
        let links = Rows::of(links, |row, (place, link)| {
            row.bind(block.chain.as_str())
                .bind(block.number)
                .bind(*place)
                .bind(link.chain.as_str())
                .bind(link.number)
                .bind(link.hash.as_str());
        });
        bundle
            .and(&INSERT, blocks)
            .and(&LINK, links)
            .and(&exchanges::INSERT, exchanges::rows(lines))
    }

    /// Whether the block was free and none of its lines was stored before, given what the statements
    /// of [`Filled::after`] gave back.
    pub(super) fn is_stored(self, results: &[Vec<AnyRow>]) -> bool {
        matches!(results, [block, _, lines]
            if block.len() == 1 && lines.len() == self.lines.len())
    }
}

/// Stores documents, and after them a block with its exchanges.
///
/// # Errors
/// [`StoreError::Contended`] when the chain has a block of this number already, or one of the
/// exchanges is stored already, in another block: the transaction must then be undone. Or the
/// database failed.
pub async fn insert(
    conn: &mut Conn,
    papers: &[Document],
    filled: Filled<'_>,
) -> Result<(), StoreError> {
    let papers = Bundle::of(&documents::INSERT, documents::rows(papers));
    let results = filled.after(papers).run(conn).await?;
    match results.split_first() {
        Some((_, results)) if filled.is_stored(results) => Ok(()),
        _ => Err(StoreError::Contended),
    }
}

/// The first chain after this one, in the order of their names.
///
/// # Errors
/// The database failed.
pub async fn next_chain(conn: &mut Conn, after: &str) -> Result<Option<String>, StoreError> {
    let row = sqlx::query(NEXT_CHAIN).bind(after).fetch_one(conn).await?;
    Columns {
        table: "journal_blocks",
        row: &row,
    }
    .optional_text("chain")
}

/// Blocks of a chain after this number, in order; one that cannot be read is an error of its own.
///
/// # Errors
/// The database failed.
pub async fn blocks(
    conn: &mut Conn,
    chain: &str,
    after: i64,
    limit: i64,
) -> Result<Vec<(i64, Result<Block, StoreError>)>, StoreError> {
    let rows = sqlx::query(BLOCKS)
        .bind(chain)
        .bind(after)
        .bind(limit)
        .fetch_all(conn)
        .await?;
    rows.iter()
        .map(|row| {
            let columns = Columns {
                table: "journal_blocks",
                row,
            };
            Ok((columns.integer("number")?, read_block(&columns)))
        })
        .collect()
}

/// The hash of a block, when it exists.
///
/// # Errors
/// The database failed.
pub async fn block(conn: &mut Conn, chain: &str, number: i64) -> Result<Option<Head>, StoreError> {
    let row = sqlx::query(BLOCK)
        .bind(chain)
        .bind(number)
        .fetch_optional(conn)
        .await?;
    row.as_ref().map(read_head).transpose()
}

/// What a block vouches for, each with its place, in that order.
///
/// # Errors
/// The database failed.
pub async fn links(
    conn: &mut Conn,
    chain: &str,
    number: i64,
) -> Result<Vec<(i64, Head)>, StoreError> {
    let rows = sqlx::query(LINKS)
        .bind(chain)
        .bind(number)
        .fetch_all(conn)
        .await?;
    rows.iter()
        .map(|row| {
            let columns = Columns {
                table: "journal_links",
                row,
            };
            Ok((columns.integer("place")?, read_head(row)?))
        })
        .collect()
}

/// Blocks of exactly these kinds, written before an instant, whose exchanges are still there. One that
/// cannot be read is left out, with an error in the log: it must not keep the others.
///
/// # Errors
/// The database failed.
pub async fn to_prune(
    conn: &mut Conn,
    kinds: &str,
    before: Instant,
    limit: i64,
) -> Result<Vec<Block>, StoreError> {
    let rows = sqlx::query(TO_PRUNE)
        .bind(kinds)
        .bind(before.to_string())
        .bind(limit)
        .fetch_all(conn)
        .await?;
    let blocks = rows.iter().filter_map(|row| {
        let columns = Columns {
            table: "journal_blocks",
            row,
        };
        match read_block(&columns) {
            Ok(block) => Some(block),
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    chain = columns.text("chain").ok(),
                    block = columns.integer("number").ok(),
                    "a block of the journal cannot be read: its lines stay"
                );
                None
            }
        }
    });
    Ok(blocks.collect())
}

/// Removes the exchanges of a block and their messages, but what a payment stands on, and marks the
/// block with the months for which they were to be kept. False, and nothing is done, when that was done before.
///
/// # Errors
/// The database failed.
pub async fn prune(
    conn: &mut Conn,
    block: &Block,
    months: i32,
    now: Instant,
) -> Result<bool, StoreError> {
    let marked = sqlx::query(MARK)
        .bind(block.chain.as_str())
        .bind(block.number)
        .bind(now.to_string())
        .bind(i64::from(months))
        .execute(&mut *conn)
        .await?
        .rows_affected();
    if marked == 0 {
        return Ok(false);
    }
    for sql in [REMOVE_PAPERS, REMOVE_LINES] {
        sqlx::query(sql)
            .bind(block.chain.as_str())
            .bind(block.number)
            .execute(&mut *conn)
            .await?;
    }
    Ok(true)
}

/// Removes about so many lines of a kind from before the chains that began before an instant, the
/// oldest first, and their messages, but what a payment stands on; how many lines there were.
///
/// # Errors
/// The database failed.
pub async fn prune_old(
    conn: &mut Conn,
    kind: Kind,
    before: Instant,
    limit: i64,
) -> Result<u64, StoreError> {
    let row = sqlx::query(OLD_UPTO)
        .bind(kind.as_str())
        .bind(before.to_string())
        .bind(limit)
        .fetch_one(&mut *conn)
        .await?;
    let columns = Columns {
        table: "exchanges",
        row: &row,
    };
    let Some(upto) = columns.optional_text("upto")? else {
        return Ok(0);
    };
    let mut removed = 0;
    for sql in [REMOVE_OLD_PAPERS, REMOVE_OLD_LINES] {
        removed = sqlx::query(sql)
            .bind(kind.as_str())
            .bind(upto.as_str())
            .execute(&mut *conn)
            .await?
            .rows_affected();
    }
    Ok(removed)
}

fn read_head(row: &AnyRow) -> Result<Head, StoreError> {
    let columns = Columns {
        table: "journal_blocks",
        row,
    };
    Ok(Head {
        chain: columns.text("chain")?,
        number: columns.integer("number")?,
        hash: columns.text("hash")?,
    })
}

fn read_block(columns: &Columns<'_>) -> Result<Block, StoreError> {
    Ok(Block {
        chain: columns.text("chain")?,
        number: columns.integer("number")?,
        previous: columns.text("previous")?,
        hash: columns.text("hash")?,
        kinds: columns.text("kinds")?,
        exchanges: columns.integer("exchanges")?,
        exchanges_digest: columns.text("exchanges_digest")?,
        links: columns.integer("links")?,
        links_digest: columns.text("links_digest")?,
        written_at: columns.exact_instant("written_at")?,
        pruned_at: columns.optional("pruned_at", Instant::parse)?,
        pruned_months: columns.optional_integer("pruned_months")?,
    })
}
