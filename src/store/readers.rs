//! Connections to read with.
//!
//! The driver's pool asks a connection how it is whenever it is given back. To PostgreSQL that is
//! worth a message: a server can be gone. A connection to a file is there as long as we are, and to
//! ask its thread takes as long as the read itself; so those are lent here, and never asked.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use sqlx::any::Any;
use sqlx::pool::PoolConnection;
use sqlx::{AnyPool, Connection};
use tokio::sync::{Mutex, OwnedMappedMutexGuard, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

use super::{Conn, StoreError};

/// The readers of a store; cheap to clone.
#[derive(Debug, Clone)]
pub(super) enum Readers {
    /// Of the driver's pool.
    Pool(AnyPool),
    /// Our own.
    Own(Lender),
}

/// A few connections, each lent to one at a time.
#[derive(Debug, Clone)]
pub(super) struct Lender {
    slots: Arc<[Arc<Mutex<Option<Conn>>>]>,
    free: Arc<Semaphore>,
    wait: Duration,
}

/// A connection to read with, until it is dropped.
#[derive(Debug)]
pub struct Reader(Lent);

#[derive(Debug)]
enum Lent {
    Pool(PoolConnection<Any>),
    // The connection is free before anybody hears that one is.
    Own(
        OwnedMappedMutexGuard<Option<Conn>, Conn>,
        #[expect(dead_code, reason = "held while the connection is lent")] OwnedSemaphorePermit,
    ),
}

impl Lender {
    /// Lends these connections; who asks waits no longer than `wait`.
    pub(super) fn new(connections: Vec<Conn>, wait: Duration) -> Lender {
        let slots: Vec<_> = connections
            .into_iter()
            .map(|connection| Arc::new(Mutex::new(Some(connection))))
            .collect();
        Lender {
            free: Arc::new(Semaphore::new(slots.len())),
            slots: slots.into(),
            wait,
        }
    }

    async fn lend(&self) -> Result<Lent, sqlx::Error> {
        let permit = tokio::time::timeout(self.wait, self.free.clone().acquire_owned())
            .await
            .map_err(|_| sqlx::Error::PoolTimedOut)?
            .map_err(|_| sqlx::Error::PoolClosed)?;
        self.slots
            .iter()
            .filter_map(|slot| slot.clone().try_lock_owned().ok())
            .find_map(|slot| OwnedMutexGuard::try_map(slot, Option::as_mut).ok())
            .map(|connection| Lent::Own(connection, permit))
            .ok_or(sqlx::Error::PoolClosed)
    }

    async fn close(&self) {
        self.free.close();
        for slot in &*self.slots {
            if let Some(connection) = slot.lock().await.take()
                && let Err(error) = connection.close().await
            {
                tracing::warn!(%error, "a connection could not be closed");
            }
        }
    }
}

impl Readers {
    /// A connection to read with.
    ///
    /// # Errors
    /// None in time.
    pub(super) async fn lend(&self) -> Result<Reader, StoreError> {
        Ok(Reader(match self {
            Readers::Pool(pool) => Lent::Pool(pool.acquire().await?),
            Readers::Own(lender) => lender.lend().await?,
        }))
    }

    /// Closes all connections, waiting for those in use.
    pub(super) async fn close(&self) {
        match self {
            Readers::Pool(pool) => pool.close().await,
            Readers::Own(lender) => lender.close().await,
        }
    }
}

impl Deref for Reader {
    type Target = Conn;

    fn deref(&self) -> &Conn {
        match &self.0 {
            Lent::Pool(connection) => connection,
            Lent::Own(connection, _) => connection,
        }
    }
}

impl DerefMut for Reader {
    fn deref_mut(&mut self) -> &mut Conn {
        match &mut self.0 {
            Lent::Pool(connection) => connection,
            Lent::Own(connection, _) => connection,
        }
    }
}
