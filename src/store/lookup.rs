//! Looking notices up together.
//!
//! Verify and get ask for one notice each, many at the same time, and to hand a statement to the
//! thread of an SQLite connection and wait for its end takes longer than the statement. So one task
//! reads for all who wait; who comes meanwhile is read for next. PostgreSQL has no such thread, and
//! everybody reads for himself.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::access::Source;
use super::{StoreError, debts};
use crate::domain::debt::Debt;
use crate::domain::notice::NoticeNumber;
use crate::domain::party::CreditorCode;

/// The most notices of one statement.
const MOST: usize = 64;
/// How many may wait: more connections than the node's door has.
const QUEUE: usize = 4096;

type Key = (CreditorCode, NoticeNumber);
type Found = Result<Option<Debt>, StoreError>;

/// The queue in front of the task that reads; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Lookup(mpsc::Sender<Wanted>);

#[derive(Debug)]
struct Wanted {
    key: Key,
    sender: oneshot::Sender<Found>,
}

impl Lookup {
    /// Starts the task; it ends with the last clone of this.
    pub(super) fn start(readers: Source) -> Lookup {
        let (sender, receiver) = mpsc::channel(QUEUE);
        tokio::spawn(serve(readers, receiver));
        Lookup(sender)
    }

    /// The debt with this notice number.
    ///
    /// # Errors
    /// The database failed.
    pub(super) async fn debt(&self, creditor: &CreditorCode, notice: &NoticeNumber) -> Found {
        let (sender, receiver) = oneshot::channel();
        let key = (creditor.clone(), *notice);
        let wanted = Wanted { key, sender };
        self.0
            .send(wanted)
            .await
            .map_err(|_| sqlx::Error::PoolClosed)?;
        receiver.await.map_err(|_| sqlx::Error::PoolClosed)?
    }
}

async fn serve(readers: Source, mut queue: mpsc::Receiver<Wanted>) {
    let mut waiting = vec![];
    while queue.recv_many(&mut waiting, MOST).await > 0 {
        waiting.retain(|wanted| !wanted.sender.is_closed());
        let mut asked: HashMap<Key, Vec<oneshot::Sender<Found>>> = HashMap::new();
        for Wanted { key, sender } in waiting.drain(..) {
            asked.entry(key).or_default().push(sender);
        }
        let keys: Vec<(&CreditorCode, NoticeNumber)> = asked.keys().map(|(c, n)| (c, *n)).collect();
        match read(&readers, &keys).await {
            Ok(found) => {
                for (key, debt) in found {
                    answer(asked.remove(&key).unwrap_or_default(), debt.map(Some));
                }
                for senders in asked.into_values() {
                    answer(senders, Ok(None));
                }
            }
            Err(error) => answer(asked.into_values().flatten().collect(), Err(error)),
        }
    }
}

/// Gives all of them the same answer; who is gone does not hear it.
fn answer(senders: Vec<oneshot::Sender<Found>>, found: Found) {
    let found = found.map_err(Arc::new);
    for sender in senders {
        let _ = sender.send(found.clone().map_err(StoreError::Shared));
    }
}

/// What is found of these notices, in no order; unknown ones are left out. A row that cannot be read
/// does not keep the others from being found.
async fn read(
    readers: &Source,
    keys: &[(&CreditorCode, NoticeNumber)],
) -> Result<Vec<(Key, Result<Debt, StoreError>)>, StoreError> {
    let mut conn = readers.read().await?;
    let mut found = vec![];
    for row in debts::by_notices(&mut conn, keys).await? {
        found.push(match row {
            Ok(debt) => ((debt.creditor.clone(), debt.notice), Ok(debt)),
            Err(key) => {
                let debt = debts::by_notice(&mut conn, &key.0, &key.1).await;
                let debt = debt.and_then(|debt| debt.ok_or(StoreError::Contended));
                (key, debt)
            }
        });
    }
    Ok(found)
}
