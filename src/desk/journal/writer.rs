//! The task that writes the journal's lines, together and soon.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::{Entry, Note, Shared};
use crate::point;
use crate::store::documents::Document;
use crate::store::exchanges::Exchange;
use crate::store::{StoreError, exchanges, hunts};

/// Exchanges written in one transaction, at most.
const BATCH: usize = 128;
/// Pause after a failed write.
const PAUSE: Duration = Duration::from_millis(500);

/// How the writing of entries has ended.
enum End {
    Written,
    /// The database will never take them as they are.
    Refused,
    /// We are about to stop, and the database does not answer.
    Stopped,
}

impl Shared {
    /// Writes what is noted until every journal is gone and nothing waits any more.
    pub(super) async fn write_all(
        self: Arc<Shared>,
        mut notes: mpsc::Receiver<Note>,
        flush: Duration,
    ) {
        while let Some(first) = notes.recv().await {
            let mut entries = vec![];
            let mut waiting = vec![];
            let deadline = tokio::time::sleep(flush);
            tokio::pin!(deadline);
            let mut next = Some(first);
            loop {
                match next.take() {
                    Some(Note::Entry(entry)) => entries.push(*entry),
                    Some(Note::Flush(sender)) => waiting.push(sender),
                    None => {}
                }
                if entries.len() >= BATCH || !waiting.is_empty() {
                    break;
                }
                tokio::select! {
                    note = notes.recv() => match note {
                        Some(note) => next = Some(note),
                        None => break,
                    },
                    () = &mut deadline => break,
                }
            }
            self.write(&entries, &notes).await;
            for sender in waiting {
                // Whoever waited may have gone away meanwhile.
                let _ = sender.send(());
            }
        }
    }

    /// Writes entries. Those that the database will not take together are tried alone, and what it
    /// will not take alone either is given up with an error in the log: one that can never be written
    /// must not keep all others from it.
    async fn write(&self, entries: &[Entry], notes: &mpsc::Receiver<Note>) {
        match self.insist(entries, false, notes).await {
            End::Written => return,
            End::Stopped => return self.give_up(entries.len()),
            End::Refused => {}
        }
        for (index, entry) in entries.iter().enumerate() {
            match self.insist(std::slice::from_ref(entry), true, notes).await {
                End::Written => {}
                End::Stopped => return self.give_up(entries.len() - index),
                End::Refused => {
                    self.give_up(1);
                    tracing::error!(
                        exchange = %entry.exchange.id,
                        "an exchange cannot be written and is given up"
                    );
                }
            }
        }
    }

    /// Tries to write entries in one transaction, again and again until the database takes or refuses
    /// them; when we are about to stop, three times.
    async fn insist(&self, entries: &[Entry], is_again: bool, notes: &mpsc::Receiver<Note>) -> End {
        let mut tries = 0;
        while let Err(error) = self.try_write(entries, is_again || tries > 0).await {
            tries += 1;
            if error.is_contention() && tries == 1 {
                // Our own commit of before, which had not answered: now it can be seen.
                continue;
            }
            self.metrics.store_error("journal");
            tracing::error!(
                error = &error as &dyn std::error::Error,
                exchanges = entries.len(),
                "the journal cannot be written"
            );
            if error.is_refusal() {
                return End::Refused;
            }
            if notes.is_closed() && tries >= 3 {
                return End::Stopped;
            }
            tokio::time::sleep(PAUSE).await;
        }
        End::Written
    }

    /// Writes entries in one transaction. On a further try they may be written already, by a commit
    /// whose answer was lost.
    async fn try_write(&self, entries: &[Entry], is_again: bool) -> Result<(), StoreError> {
        let Some(first) = entries.first() else {
            return Ok(());
        };
        let mut tx = self.store.write_receipts().await?;
        if is_again && exchanges::exists(&mut tx, &first.exchange.id).await? {
            return Ok(());
        }
        let papers: Vec<Document> = entries
            .iter()
            .flat_map(|entry| [entry.request.clone(), entry.reply.clone()])
            .collect();
        let rows: Vec<Exchange> = entries.iter().map(|entry| entry.exchange.clone()).collect();
        let now = self.clock.now();
        let head = self.lines.append(&mut tx, &rows, &papers, now).await?;
        if self.hunts {
            hunts::activated(&mut tx, &rows).await?;
        }
        point::reach("journal.before_commit");
        tx.commit().await?;
        point::reach("journal.after_commit");
        self.lines.settle(head);
        Ok(())
    }
}
