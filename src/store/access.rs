//! A connection to read with, and a transaction to write in.
//!
//! On PostgreSQL both are the driver's. On SQLite the transaction is three statements of ours: to the
//! driver's own begin and commit its thread answers, and then waits to hear that the answer was
//! heard, which takes as long again (`docs/benchmarks.md`).

use std::ops::{Deref, DerefMut};

use sqlx::any::Any;
use sqlx::pool::PoolConnection;
use sqlx::{AnyPool, Transaction};

use super::lender::{Lender, Lent};
use super::{Conn, StoreError, code, is_lost_sync};

/// A plain BEGIN would take the lock at the first write and fail at once, without waiting, when
/// another connection has written since the first read.
const BEGIN: &str = "BEGIN IMMEDIATE";
const COMMIT: &str = "COMMIT";
const ROLLBACK: &str = "ROLLBACK";

/// Where connections come from; cheap to clone.
#[derive(Debug, Clone)]
pub(super) enum Source {
    /// The driver's pool.
    Pool(AnyPool),
    /// Our own connections to a file.
    Own(Lender),
}

/// A connection to read with, until it is dropped.
#[derive(Debug)]
pub struct Reader(Held);

#[derive(Debug)]
enum Held {
    Pool(PoolConnection<Any>),
    Own(Lent),
}

/// A transaction that may write. Dropping it undoes it.
#[derive(Debug)]
pub struct Write(Begun);

#[derive(Debug)]
enum Begun {
    Pool(Transaction<'static, Any>),
    Own(Open),
}

/// An open transaction on a connection of ours, and who has lent it.
#[derive(Debug)]
struct Open {
    lent: Lent,
    lender: Lender,
}

impl Source {
    /// A connection to read with.
    ///
    /// # Errors
    /// None in time.
    pub(super) async fn read(&self) -> Result<Reader, StoreError> {
        Ok(Reader(match self {
            Source::Pool(pool) => Held::Pool(pool.acquire().await?),
            Source::Own(lender) => Held::Own(lender.lend().await?),
        }))
    }

    /// A transaction that may write.
    ///
    /// # Errors
    /// No connection in time.
    pub(super) async fn write(&self) -> Result<Write, StoreError> {
        Ok(Write(match self {
            Source::Pool(pool) => Begun::Pool(pool.begin().await?),
            Source::Own(lender) => Begun::Own(Open::begin(lender).await?),
        }))
    }

    /// Closes all connections, waiting for those in use.
    pub(super) async fn close(&self) {
        match self {
            Source::Pool(pool) => pool.close().await,
            Source::Own(lender) => lender.close().await,
        }
    }
}

impl Reader {
    /// Gives the connection up instead of back, with whatever it was told; one to a file goes back.
    ///
    /// # Errors
    /// It could not be closed.
    pub(super) async fn retire(self) -> Result<(), sqlx::Error> {
        match self.0 {
            Held::Pool(connection) => connection.close().await,
            Held::Own(_) => Ok(()),
        }
    }
}

impl Deref for Reader {
    type Target = Conn;

    fn deref(&self) -> &Conn {
        match &self.0 {
            Held::Pool(connection) => connection,
            Held::Own(connection) => connection,
        }
    }
}

impl DerefMut for Reader {
    fn deref_mut(&mut self) -> &mut Conn {
        match &mut self.0 {
            Held::Pool(connection) => connection,
            Held::Own(connection) => connection,
        }
    }
}

impl Open {
    async fn begin(lender: &Lender) -> Result<Open, sqlx::Error> {
        let mut lent = lender.lend().await?;
        undo(&mut lent).await?;
        // Open before it is begun: who does not wait for the end of this undoes it all the same.
        lent.set_open(true);
        let lender = lender.clone();
        let mut open = Open { lent, lender };
        sqlx::query(BEGIN).execute(&mut *open.lent).await?;
        Ok(open)
    }

    async fn commit(mut self) -> Result<(), sqlx::Error> {
        sqlx::query(COMMIT).execute(&mut *self.lent).await?;
        self.lent.set_open(false);
        Ok(())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        // Whoever writes next undoes what is open first; if nobody does, it must not hold the file.
        if self.lent.is_open()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let lender = self.lender.clone();
            runtime.spawn(async move {
                let undone = match lender.lend().await {
                    Ok(mut lent) => undo(&mut lent).await,
                    Err(error) => Err(error),
                };
                if let Err(error) = undone {
                    tracing::warn!(%error, "a transaction waits to be undone");
                }
            });
        }
    }
}

/// Undoes the transaction before, if that was left open. When SQLite has done so by itself, as it
/// does when the disk is full, there is none any more.
async fn undo(lent: &mut Lent) -> Result<(), sqlx::Error> {
    if lent.is_open() {
        match sqlx::query(ROLLBACK).execute(&mut **lent).await {
            Err(error) if code(&error).as_deref() != Some("1") => return Err(error),
            _ => lent.set_open(false),
        }
    }
    Ok(())
}

impl Write {
    /// Makes everything that was written lasting, and returns when it has reached the disk.
    ///
    /// When SQLite reports that the disk failed to take it, the process ends: the kernel may have
    /// thrown the pages away and will call the next attempt a success, so nobody could say any more
    /// what is on the disk. Whoever watches the process starts it anew, and it reads back what is
    /// there. (PostgreSQL does the same for itself.)
    ///
    /// # Errors
    /// The database failed, or refuses what was written.
    pub async fn commit(self) -> Result<(), sqlx::Error> {
        let committed = match self.0 {
            Begun::Pool(transaction) => transaction.commit().await,
            Begun::Own(open) => open.commit().await,
        };
        if let Err(error) = &committed
            && is_lost_sync(error)
        {
            tracing::error!(
                error = error as &dyn std::error::Error,
                "the disk has failed to keep what was written: nothing more can be acknowledged, \
                 and the process ends"
            );
            std::process::abort();
        }
        committed
    }
}

impl Deref for Write {
    type Target = Conn;

    fn deref(&self) -> &Conn {
        match &self.0 {
            Begun::Pool(transaction) => transaction,
            Begun::Own(open) => &open.lent,
        }
    }
}

impl DerefMut for Write {
    fn deref_mut(&mut self) -> &mut Conn {
        match &mut self.0 {
            Begun::Pool(transaction) => transaction,
            Begun::Own(open) => &mut open.lent,
        }
    }
}
