//! Proving one chain after the other.

use std::collections::BTreeSet;

use super::audit::{Event, Listener, Report, Violation, Wish};
use super::erasure;
use super::hash::{self, GENESIS};
use super::pages::Lines;
use crate::config::Retention;
use crate::domain::day::{Day, Instant};
use crate::domain::ids::ExchangeId;
use crate::store::chains::{self, Block, Head};
use crate::store::exchanges::Kind;
use crate::store::lines::{Line, Stored};
use crate::store::{Reader, StoreError, exchanges};
use crate::wire::digest::sha256;

/// Blocks on a page.
const BLOCKS: i64 = 500;
/// Lines outside the chains that are told, at most.
const STRAYS: i64 = 1_000;

/// A proof on its way.
pub(super) struct Proof<'a> {
    pub(super) conn: Reader,
    pub(super) report: Report,
    since: Option<Instant>,
    anchors: BTreeSet<String>,
    now: Instant,
    listener: Listener<'a>,
    /// The erasure that was asked for last, and what it accounts for.
    account: Option<(String, BTreeSet<(String, String)>)>,
}

impl<'a> Proof<'a> {
    pub(super) fn new(
        conn: Reader,
        wish: &Wish,
        now: Instant,
        listener: Listener<'a>,
    ) -> Proof<'a> {
        Proof {
            conn,
            report: Report::default(),
            since: wish.since.map(Day::start_in_rome),
            anchors: wish.anchors.clone(),
            now,
            listener,
            account: None,
        }
    }

    pub(super) fn finish(mut self) -> Report {
        for anchor in std::mem::take(&mut self.anchors) {
            self.tell(Violation {
                code: "anchor_missing",
                chain: None,
                block: None,
                exchange: None,
                detail: format!("no block has the hash {anchor}"),
            });
        }
        self.report
    }

    fn tell(&mut self, violation: Violation) {
        self.report.violations += 1;
        (self.listener)(Event::Violation(violation));
    }

    fn block_fault(&mut self, code: &'static str, chain: &str, block: i64, detail: &str) {
        self.tell(Violation {
            code,
            chain: Some(chain.to_owned()),
            block: Some(block),
            exchange: None,
            detail: detail.to_owned(),
        });
    }

    fn line_fault(&mut self, code: &'static str, chain: &str, line: &Line, detail: &str) {
        self.tell(Violation {
            code,
            chain: Some(chain.to_owned()),
            block: Some(line.block),
            exchange: Some(line.id.clone()),
            detail: detail.to_owned(),
        });
    }

    /// Tells the lines that are in no chain although they cannot be older than the chains.
    ///
    /// # Errors
    /// The store failed.
    pub(super) async fn outside(&mut self) -> Result<(), StoreError> {
        for id in exchanges::outside(&mut self.conn, STRAYS).await? {
            self.tell(Violation {
                code: "line_outside_chain",
                chain: None,
                block: None,
                exchange: Some(id),
                detail: "it is in no chain, and its moment is not one of those before the chains"
                    .to_owned(),
            });
        }
        Ok(())
    }

    /// Tells the lines of a chain that name no block or no place in it.
    async fn unplaced(&mut self, chain: &str) -> Result<(), StoreError> {
        for id in exchanges::unplaced(&mut self.conn, chain, STRAYS).await? {
            self.tell(Violation {
                code: "line_unreadable",
                chain: Some(chain.to_owned()),
                block: None,
                exchange: Some(id),
                detail: "it names no block, or no place in it".to_owned(),
            });
        }
        Ok(())
    }

    /// Proves a chain up to the head that it has now.
    ///
    /// # Errors
    /// The store failed.
    pub(super) async fn chain(&mut self, chain: &str) -> Result<(), StoreError> {
        let head = chains::head(&mut self.conn, chain).await?;
        let upto = head.as_ref().map_or(0, |head| head.number);
        self.report.chains += 1;
        self.report.heads.extend(head);
        self.unplaced(chain).await?;
        let mut lines = Lines::of(chain);
        let mut is_reading = self.since.is_none();
        let mut previous = Some(GENESIS.to_owned());
        let mut last = 0;
        while last < upto {
            let page = chains::blocks(&mut self.conn, chain, last, BLOCKS).await?;
            if page.is_empty() {
                break;
            }
            for (number, block) in page {
                if number != last + 1 {
                    let gap = format!("blocks {} to {} are not there", last + 1, number - 1);
                    self.block_fault("blocks_missing", chain, number, &gap);
                    previous = None;
                }
                last = number;
                self.report.blocks += 1;
                let block = match block {
                    Ok(block) => block,
                    Err(error) => {
                        self.block_fault("block_unreadable", chain, number, &error.to_string());
                        previous = None;
                        continue;
                    }
                };
                self.block(&block, previous.as_deref()).await?;
                previous = Some(block.hash.clone());
                if !is_reading && self.since.is_some_and(|since| block.written_at >= since) {
                    is_reading = true;
                    lines.start_after(number - 1);
                }
                if is_reading {
                    self.lines(&block, &mut lines).await?;
                }
                if number == upto {
                    break;
                }
            }
        }
        if !is_reading {
            lines.start_after(upto);
        }
        self.stray(&mut lines).await
    }

    /// Proves a block without its lines.
    async fn block(&mut self, block: &Block, previous: Option<&str>) -> Result<(), StoreError> {
        let Block { chain, number, .. } = block;
        let mut fault = |code, detail: &str| self.block_fault(code, chain, *number, detail);
        if hash::block(block) != block.hash {
            fault("block_altered", "its hash is not that of its columns");
        }
        if previous.is_some_and(|previous| previous != block.previous) {
            fault("block_unlinked", "it does not follow the block before it");
        }
        self.anchors.remove(&block.hash);
        if block.links > 0 || *number == 1 {
            self.links(block).await?;
        }
        if block.pruned_at.is_none() && block.pruned_months.is_some() {
            let detail = "it is marked as emptied without a moment";
            self.block_fault("block_altered", chain, *number, detail);
        }
        if let Some(pruned_at) = block.pruned_at {
            self.report.pruned += 1;
            // By the months of then: a retention that is raised later does not bring lines back.
            let least = i64::from(Retention::LEGAL_MINIMUM);
            let months = block.pruned_months.unwrap_or(least).max(least);
            let months = i32::try_from(months).unwrap_or(i32::MAX / 2);
            let due = block.written_at.plus_months(months);
            if due > pruned_at || due > self.now {
                let detail = format!("its lines were to be kept until {due}");
                self.block_fault("pruned_too_early", chain, *number, &detail);
            }
        }
        Ok(())
    }

    /// Proves what a block vouches for.
    async fn links(&mut self, block: &Block) -> Result<(), StoreError> {
        let Block { chain, number, .. } = block;
        let links = chains::links(&mut self.conn, chain, *number).await?;
        let count = i64::try_from(links.len()).unwrap_or(i64::MAX);
        if count != block.links || hash::links(&links) != block.links_digest {
            let detail = "the heads it vouches for are not those it was written with";
            self.block_fault("links_altered", chain, *number, detail);
        }
        for (_, link) in &links {
            let there = chains::block(&mut self.conn, &link.chain, link.number).await?;
            let Head {
                chain: to, number, ..
            } = link;
            match there {
                Some(there) if there.hash == link.hash => {}
                Some(_) => {
                    let detail =
                        format!("block {} of {chain} vouches for another one", block.number);
                    self.block_fault("linked_block_altered", to, *number, &detail);
                }
                None => {
                    let detail = format!("block {} of {chain} vouches for it", block.number);
                    self.block_fault("linked_block_missing", to, *number, &detail);
                }
            }
        }
        Ok(())
    }

    /// Proves the lines of a block.
    async fn lines(&mut self, block: &Block, lines: &mut Lines<'_>) -> Result<(), StoreError> {
        let Block { chain, number, .. } = block;
        let mut hashes = vec![];
        let mut expected = 0;
        let mut gaps = vec![];
        while let Some(line) = lines.up_to(&mut self.conn, *number).await? {
            if line.block < *number {
                self.line_fault(
                    "line_without_block",
                    chain,
                    &line,
                    "its block does not exist",
                );
                continue;
            }
            if block.pruned_at.is_some() {
                let detail = "the lines of its block have been removed";
                self.line_fault("line_in_pruned_block", chain, &line, detail);
            }
            if line.place < expected {
                self.line_fault("line_twice", chain, &line, "its place is taken twice");
            }
            gaps.extend(expected..line.place.min(block.exchanges));
            expected = line.place.saturating_add(1);
            self.line(chain, &line).await?;
            hashes.push(line.hash);
        }
        (self.listener)(Event::Progress(&self.report));
        if block.pruned_at.is_some() {
            return Ok(());
        }
        gaps.extend(expected..block.exchanges);
        let digest = hash::exchanges(hashes.iter().map(String::as_str));
        if gaps.is_empty() && digest == block.exchanges_digest {
            return Ok(());
        }
        // Their time may have ended between the two looks.
        let again = chains::blocks(&mut self.conn, chain, number - 1, 1).await?;
        let is_pruned_now = again.iter().any(|(again, found)| {
            again == number && found.as_ref().is_ok_and(|found| found.pruned_at.is_some())
        });
        if hashes.is_empty() && is_pruned_now {
            return Ok(());
        }
        for place in &gaps {
            let detail = format!("the line at place {place} is not there");
            self.block_fault("line_missing", chain, *number, &detail);
        }
        if gaps.is_empty() {
            let detail = "its lines are not those it was written with";
            self.block_fault("lines_altered", chain, *number, detail);
        }
        Ok(())
    }

    /// Proves a line and its messages.
    async fn line(&mut self, chain: &str, line: &Line) -> Result<(), StoreError> {
        self.report.exchanges += 1;
        let mut has_all = true;
        for (side, paper) in [(0, &line.request), (1, &line.reply)] {
            let Some(paper) = paper else {
                continue;
            };
            match &paper.sha256 {
                Some(sha256) => {
                    self.label(chain, line, paper, side);
                    self.paper(chain, line, paper, sha256).await?;
                }
                None => {
                    has_all = false;
                    let detail = format!("the message {} is not there", paper.id);
                    self.line_fault("document_missing", chain, line, &detail);
                }
            }
        }
        match &line.exchange {
            Err(error) => {
                self.line_fault("line_unreadable", chain, line, &error.to_string());
            }
            // Without a message its hash is not known, and so the line's is not.
            Ok(exchange) if has_all => {
                if hash::exchange(chain, line.block, line.place, exchange) != line.hash {
                    let detail = "its hash is not that of its columns";
                    self.line_fault("line_altered", chain, line, detail);
                }
            }
            Ok(_) => {}
        }
        Ok(())
    }

    /// Proves what a message is said to be, and since when: both follow from its line.
    fn label(&mut self, chain: &str, line: &Line, paper: &Stored, side: usize) {
        let Ok(exchange) = &line.exchange else {
            return;
        };
        let kinds = match exchange.kind {
            // A receipt that we found is labelled by where it was found.
            Kind::Receipt if exchange.party == "bizevents" => ["biz_receipt", "soap_reply"],
            Kind::Receipt if exchange.party == "gpd" => ["gpd_receipt", "soap_reply"],
            Kind::Read | Kind::Receipt | Kind::Refused => ["soap_request", "soap_reply"],
            Kind::Outbound => ["http_request", "http_reply"],
            Kind::Erasure => ["erasure", ""],
        };
        let is_kind = paper.kind.as_deref() == kinds.get(side).copied();
        if !is_kind || paper.stored_at != Some(exchange.started_at.to_string()) {
            let detail = format!("the message {} is not labelled as it was", paper.id);
            self.line_fault("document_altered", chain, line, &detail);
        }
    }

    /// Proves the bytes of a message, or that they were erased by somebody for a reason.
    async fn paper(
        &mut self,
        chain: &str,
        line: &Line,
        paper: &Stored,
        expected: &str,
    ) -> Result<(), StoreError> {
        let Stored { id, bytes, .. } = paper;
        match (&paper.erased_at, &paper.erasure) {
            (None, None) => {
                self.report.documents += 1;
                if sha256(bytes) != expected {
                    let detail =
                        format!("the bytes of the message {id} are not those it came with");
                    self.line_fault("document_altered", chain, line, &detail);
                }
            }
            (Some(_), Some(erasure)) if bytes.is_empty() => {
                let key = (id.clone(), expected.to_owned());
                if self.accounted(erasure).await?.contains(&key) {
                    self.report.erased += 1;
                } else {
                    let detail = format!("no line accounts for the erasure of the message {id}");
                    self.line_fault("erasure_unaccounted", chain, line, &detail);
                }
            }
            _ => {
                let detail = format!("the message {id} is half erased");
                self.line_fault("document_altered", chain, line, &detail);
            }
        }
        Ok(())
    }

    /// What an erasure accounts for; that of the last one is remembered.
    async fn accounted(&mut self, line: &str) -> Result<&BTreeSet<(String, String)>, StoreError> {
        let known = self.account.take().filter(|(known, _)| known == line);
        let account = match known {
            Some((_, account)) => account,
            None => erasure::accounted(&mut self.conn, &ExchangeId::new(line)).await?,
        };
        Ok(&self.account.insert((line.to_owned(), account)).1)
    }

    /// What is left after the last block: written meanwhile, or of a block that does not exist.
    async fn stray(&mut self, lines: &mut Lines<'_>) -> Result<(), StoreError> {
        while let Some(line) = lines.up_to(&mut self.conn, i64::MAX).await? {
            let block = chains::block(&mut self.conn, lines.chain(), line.block).await?;
            if block.is_some() && line.place >= 0 {
                return Ok(());
            }
            let detail = "its block does not exist";
            self.line_fault("line_without_block", lines.chain(), &line, detail);
        }
        Ok(())
    }
}
