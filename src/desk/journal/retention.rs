//! The end of the journal's lines: each kind is kept for its time, then whole blocks are emptied.
//!
//! The block itself stays and is marked, so the chain still holds. It names the kinds of its lines
//! and is hashed with them: whoever verifies knows how long they should have been there.

use super::chain::spell;
use crate::config::Retention;
use crate::domain::day::Instant;
use crate::store::exchanges::Kind;
use crate::store::{Store, StoreError, chains};

/// Blocks that are emptied in one transaction: receipts wait for no longer than that takes.
const BLOCKS: i64 = 16;
/// Lines from before the chains that are removed in one transaction.
const LINES: i64 = 256;

/// For how many months a line of this kind is kept.
pub fn months(retention: &Retention, kind: Kind) -> i32 {
    match kind {
        Kind::Read => retention.reads_months,
        Kind::Receipt => retention.receipts_months,
        Kind::Outbound => retention.outbound_months,
        Kind::Refused => retention.refused_months,
        // As long as any message that it may account for.
        Kind::Erasure => retention
            .spans()
            .into_iter()
            .map(|(_, months)| months)
            .max()
            .unwrap_or(i32::MAX),
    }
}

/// For how many months a block of these kinds is kept: as long as its longest line. A word that we
/// do not know is kept longest.
pub(super) fn months_of(retention: &Retention, kinds: &str) -> i32 {
    kinds
        .split('+')
        .map(|word| months(retention, Kind::parse(word).unwrap_or(Kind::Erasure)))
        .max()
        .unwrap_or(i32::MAX)
}

/// Every set of kinds that a block can hold, as it tells it.
fn sets() -> impl Iterator<Item = String> {
    (1_u32..1 << Kind::ALL.len()).map(|set| {
        let members: Vec<Kind> = (0_u32..)
            .zip(Kind::ALL)
            .filter(|(bit, _)| set & (1 << bit) != 0)
            .map(|(_, kind)| kind)
            .collect();
        spell(|kind| members.contains(&kind))
    })
}

/// Empties some blocks whose lines have all had their time; whether there may be more.
///
/// # Errors
/// The store failed.
pub async fn prune(store: &Store, retention: &Retention, now: Instant) -> Result<bool, StoreError> {
    for kinds in sets() {
        let months = months_of(retention, &kinds);
        let before = now.plus_months(-months);
        let blocks = {
            let mut conn = store.read().await?;
            chains::to_prune(&mut conn, &kinds, before, BLOCKS).await?
        };
        if blocks.is_empty() {
            continue;
        }
        let mut tx = store.write().await?;
        let mut lines = 0;
        for block in &blocks {
            if chains::prune(&mut tx, block, months, now).await? {
                lines += block.exchanges;
            }
        }
        tx.commit().await?;
        tracing::info!(
            kinds,
            blocks = blocks.len(),
            lines,
            "lines of the journal have had their time and are removed"
        );
        return Ok(true);
    }
    prune_old(store, retention, now).await
}

/// The same for lines from before the chains, which are in no block.
async fn prune_old(store: &Store, retention: &Retention, now: Instant) -> Result<bool, StoreError> {
    for kind in Kind::ALL {
        let before = now.plus_months(-months(retention, kind));
        let mut tx = store.write().await?;
        let lines = chains::prune_old(&mut tx, kind, before, LINES).await?;
        tx.commit().await?;
        if lines > 0 {
            tracing::info!(
                kind = kind.as_str(),
                lines,
                "lines from before the journal's chains have had their time and are removed"
            );
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const RETENTION: Retention = Retention {
        reads_months: 24,
        receipts_months: 120,
        outbound_months: 36,
        refused_months: 25,
        every_s: 1,
    };

    #[test]
    fn a_block_is_kept_as_long_as_its_longest_line() {
        for (kinds, months) in [
            ("read", 24),
            ("read+refused", 25),
            ("outbound+read+refused", 36),
            ("receipt", 120),
            ("erasure", 120),
            ("read+something", 120),
        ] {
            assert_eq!(months_of(&RETENTION, kinds), months, "{kinds}");
        }
    }

    #[test]
    fn every_set_of_kinds_is_looked_for() {
        let sets: BTreeSet<String> = sets().collect();
        assert_eq!(sets.len(), 31);
        assert!(sets.contains("outbound+read+refused"));
        assert!(!sets.contains(""));
    }
}
