//! Connections to a file, lent to one at a time.
//!
//! The driver's pool asks a connection how it is whenever it is given back. To PostgreSQL that is
//! worth a message: a server can be gone. A connection to a file is there as long as we are, and to
//! ask its thread takes as long as the read itself: with the pool a verify costs nearly twice the
//! processor time (`docs/benchmarks.md`). So those are lent here, and never asked.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use sqlx::Connection;
use tokio::sync::{Mutex, OwnedMappedMutexGuard, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

use super::Conn;

/// A few connections, each lent to one at a time; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Lender {
    slots: Arc<[Arc<Mutex<Option<Slot>>>]>,
    free: Arc<Semaphore>,
    wait: Duration,
}

/// A connection, and whether a transaction was begun on it whose end we have not seen.
#[derive(Debug)]
struct Slot {
    conn: Conn,
    is_open: bool,
}

/// A connection that is lent until it is dropped.
#[derive(Debug)]
pub(super) struct Lent {
    // In this order: the connection is free before anybody hears that one is.
    slot: OwnedMappedMutexGuard<Option<Slot>, Slot>,
    _permit: OwnedSemaphorePermit,
}

impl Lender {
    /// Lends these connections; who asks waits no longer than `wait`.
    pub(super) fn new(connections: Vec<Conn>, wait: Duration) -> Lender {
        let slots: Vec<_> = connections
            .into_iter()
            .map(|conn| {
                Arc::new(Mutex::new(Some(Slot {
                    conn,
                    is_open: false,
                })))
            })
            .collect();
        Lender {
            free: Arc::new(Semaphore::new(slots.len())),
            slots: slots.into(),
            wait,
        }
    }

    /// A connection, in the order of those who ask.
    ///
    /// # Errors
    /// None in time, or all are closed.
    pub(super) async fn lend(&self) -> Result<Lent, sqlx::Error> {
        let permit = tokio::time::timeout(self.wait, self.free.clone().acquire_owned())
            .await
            .map_err(|_| sqlx::Error::PoolTimedOut)?
            .map_err(|_| sqlx::Error::PoolClosed)?;
        self.slots
            .iter()
            .filter_map(|slot| slot.clone().try_lock_owned().ok())
            .find_map(|slot| OwnedMutexGuard::try_map(slot, Option::as_mut).ok())
            .map(|slot| Lent {
                slot,
                _permit: permit,
            })
            .ok_or(sqlx::Error::PoolClosed)
    }

    /// Closes all connections, waiting for those in use.
    pub(super) async fn close(&self) {
        self.free.close();
        for slot in &*self.slots {
            if let Some(Slot { conn, .. }) = slot.lock().await.take()
                && let Err(error) = conn.close().await
            {
                tracing::warn!(%error, "a connection could not be closed");
            }
        }
    }
}

impl Lent {
    /// Whether a transaction may be open on it.
    pub(super) fn is_open(&self) -> bool {
        self.slot.is_open
    }

    /// Says so.
    pub(super) fn set_open(&mut self, is_open: bool) {
        self.slot.is_open = is_open;
    }
}

impl Deref for Lent {
    type Target = Conn;

    fn deref(&self) -> &Conn {
        &self.slot.conn
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut Conn {
        &mut self.slot.conn
    }
}
