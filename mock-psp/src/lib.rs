//! The simulated world around the gateway, and a second reading of the same contracts.
//!
//! * [`verdict`]: would pagoPA's node accept this reply?
//! * `psp`: a PSP's counter and the node's messages: verify, get, receipt, over SOAP.
//! * `portal`: a sample portal where a parent asks for a top-up over the gateway's REST door.
//! * `node`: the node's queue of receipts, with its retries, its clock and its staff's tools.
//! * `platform`: pagoPA's REST services: archive of notices, BizEvents, GPD receipts.
//! * `ledger`: the meal ledger, durable, as the gateway's internal contract describes it.
//! * `mail`: a mail server that keeps what it is sent.
//! * `chaos`: faults on demand. `web`: the router and what pages share.
//! * `town`: what all of them hold in common; `database`, `outbound`, `clock`, `money`, `problem`:
//!   the floor they stand on.
//!
//! Nothing here may depend on the gateway.

mod chaos;
mod clock;
mod config;
mod database;
mod ledger;
mod mail;
mod money;
mod node;
mod outbound;
mod platform;
mod portal;
mod problem;
mod psp;
#[cfg(test)]
mod testing;
mod town;
pub mod verdict;
mod web;

use std::fmt;
use std::future::IntoFuture;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

pub use config::{Creditor, NodeIdentity, NodeTls, WorldConfig};
use town::{Shared, Town};

/// How long requests in flight may take to finish once the world is asked to stop.
const SERVER_STOP_TIMEOUT: Duration = Duration::from_millis(1_500);
/// How often the node looks for receipts that are due.
const QUEUE_PAUSE: Duration = Duration::from_millis(500);
/// How long the database may take to close after that.
const DATABASE_STOP_TIMEOUT: Duration = Duration::from_millis(500);

/// Why the world could not start.
#[derive(Debug, Error)]
pub enum WorldError {
    /// The listener does not say where it listens.
    #[error("the listener has no address")]
    Listener(#[source] io::Error),
    /// A file or folder cannot be used.
    #[error("{path}: cannot be used", path = .path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// `world.db` cannot be opened.
    #[error("world.db cannot be opened")]
    Database(#[source] sqlx::Error),
    /// A private key cannot be read.
    #[error("{path}: no private key in PEM form", path = .path.display())]
    Key {
        /// Of which file.
        path: PathBuf,
        /// Why.
        source: openssl::error::ErrorStack,
    },
    /// An HTTP client cannot be built, mostly for a wrong certificate.
    #[error("an HTTP client cannot be built")]
    Client(#[source] reqwest::Error),
    /// The built-in time zone database lacks Rome.
    #[error("the time zone of Rome is missing")]
    TimeZone(#[source] jiff::Error),
}

/// The running world. Dropping it stops it as well, only without waiting.
pub struct World {
    addr: SocketAddr,
    town: Shared,
    stop: watch::Sender<()>,
    server: JoinHandle<io::Result<()>>,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World")
            .field("addr", &self.addr)
            .finish_non_exhaustive()
    }
}

impl World {
    /// Serves the world on a listener that is already bound, until [`World::stop`].
    pub async fn start(listener: TcpListener, config: WorldConfig) -> Result<World, WorldError> {
        let addr = listener.local_addr().map_err(WorldError::Listener)?;
        let town = Town::open(config).await?;
        let router = web::router(town.clone());
        let (stop, mut stopped) = watch::channel(());
        tokio::spawn(work_off(town.clone(), stopped.clone()));
        let until_stopped = async move {
            // An error means that the sender is gone, which is a reason to stop as well.
            stopped.changed().await.unwrap_or_default();
        };
        let server = axum::serve(listener, router).with_graceful_shutdown(until_stopped);
        Ok(World {
            addr,
            town,
            stop,
            server: tokio::spawn(server.into_future()),
        })
    }

    /// Takes mail (SMTP) on a listener that is already bound, until the world stops.
    pub fn serve_mail(&self, listener: TcpListener) {
        let stopped = self.stop.subscribe();
        tokio::spawn(mail::serve(self.town.clone(), listener, stopped));
    }

    /// Where the world listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Stops listening, lets requests in flight finish and closes the database: two seconds at most.
    pub async fn stop(self) {
        let World {
            town,
            stop,
            mut server,
            ..
        } = self;
        // The server may have gone already; then there is nobody to tell.
        stop.send(()).unwrap_or_default();
        if timeout(SERVER_STOP_TIMEOUT, &mut server).await.is_err() {
            tracing::warn!("requests were cut when the simulated world stopped");
            server.abort();
        }
        if timeout(DATABASE_STOP_TIMEOUT, town.database.close())
            .await
            .is_err()
        {
            tracing::warn!("the world's database was still busy when the world stopped");
        }
    }
}

/// Tries the receipts that are due until the world stops. A try that is cut short is repeated when its
/// hour has come, like any other.
async fn work_off(town: Shared, mut stopped: watch::Receiver<()>) {
    let work = async {
        loop {
            tokio::time::sleep(QUEUE_PAUSE).await;
            if let Err(error) = node::queue::run_due(&town).await {
                tracing::error!(%error, "the node's queue cannot be worked off");
            }
        }
    };
    tokio::select! {
        // An error means that the sender is gone, which is a reason to stop as well.
        _ = stopped.changed() => {}
        () = work => {}
    }
}
