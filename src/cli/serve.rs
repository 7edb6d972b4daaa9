//! `pagomensa serve`: the two listeners, the jobs, and a clean end.

use std::error::Error;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::process::ExitCode;
use std::time::Duration;

use axum::Router;
use axum_server::accept::NoDelayAcceptor;
use axum_server::{Handle, Server};
use hyper_util::rt::TokioTimer;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;

use super::Outcome;
use super::capped::Capped;
use crate::app::App;
use crate::channel::node::tls::{PeerAcceptor, TlsError};
use crate::clock::{Clock, Ids};
use crate::config::Config;
use crate::desk::Tasks;
use crate::job::Runner;
use crate::log;

/// Open connections may finish for so long when we stop.
const DRAIN: Duration = Duration::from_secs(10);
/// Longest time for the head of a request.
const HEAD: Duration = Duration::from_secs(10);

/// The listeners of a gateway, bound.
#[derive(Debug)]
pub(super) struct Listeners {
    pub web: TcpListener,
    pub node: Option<TcpListener>,
}

/// A gateway that runs.
#[derive(Debug)]
pub(super) struct Gateway {
    app: App,
    tasks: Tasks,
    runner: Runner,
    handle: Handle<SocketAddr>,
    servers: Vec<JoinHandle<std::io::Result<()>>>,
}

/// A listener cannot be bound.
#[derive(Debug, thiserror::Error)]
#[error("{key} = \"{address}\" cannot be listened on{hint}")]
pub(super) struct ListenError {
    key: &'static str,
    address: String,
    hint: &'static str,
    #[source]
    source: std::io::Error,
}

/// Runs the gateway of the configuration until it is told to stop.
pub(super) async fn command(config: &Config) -> Outcome {
    log::start(&config.log);
    let listeners = Listeners {
        web: bind("web.listen", &config.web.listen)?,
        node: match config.node.enabled {
            true => Some(bind("node.listen", &config.node.listen)?),
            false => None,
        },
    };
    let gateway = Gateway::start(config.clone(), listeners).await?;
    tracing::info!(
        web = config.web.listen,
        node = config.node.listen,
        "the gateway is ready"
    );
    stop_signal().await?;
    tracing::info!("the gateway is stopping");
    gateway.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// Binds an address, with the key it came from in the error.
pub(super) fn bind(key: &'static str, address: &str) -> Result<TcpListener, ListenError> {
    let bound = TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    bound.map_err(|source| ListenError {
        key,
        address: address.to_owned(),
        hint: match source.kind() {
            std::io::ErrorKind::AddrInUse => ": another program listens there already",
            _ => "",
        },
        source,
    })
}

impl Gateway {
    /// Builds the gateway and opens its doors.
    pub(super) async fn start(
        config: Config,
        listeners: Listeners,
    ) -> Result<Gateway, Box<dyn Error>> {
        let acceptor = tls(&config)?;
        let (app, tasks) = App::build(config, Clock::System, Ids::default()).await?;
        let handle = Handle::new();
        let mut servers = vec![listen(listeners.web, app.web(), &handle)?];
        if let Some(listener) = listeners.node {
            servers.push(match acceptor {
                Some(acceptor) => listen_tls(listener, app.node(), acceptor, &handle)?,
                None => listen(listener, app.node(), &handle)?,
            });
        }
        let runner = Runner::start(app.jobs().to_vec(), &app.holder());
        Ok(Gateway {
            app,
            tasks,
            runner,
            handle,
            servers,
        })
    }

    /// The desk of the running gateway.
    #[cfg(feature = "demo")]
    pub(super) fn desk(&self) -> &crate::desk::Desk {
        self.app.desk()
    }

    /// Lets open requests finish, writes what waits, and closes the store.
    pub(super) async fn stop(self) {
        self.handle.graceful_shutdown(Some(DRAIN));
        for server in self.servers {
            match server.await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(%error, "a listener ended badly"),
                Err(error) => tracing::error!(%error, "a listener ended badly"),
            }
        }
        self.runner.stop().await;
        let store = self.app.desk().store().clone();
        drop(self.app);
        self.tasks.finish().await;
        store.close().await;
    }
}

fn tls(config: &Config) -> Result<Option<PeerAcceptor>, Box<dyn Error>> {
    if !config.node.enabled {
        return Ok(None);
    }
    if config.node.tls.enabled {
        return Ok(Some(PeerAcceptor::new(&config.node.tls)?));
    }
    let address: Option<SocketAddr> = config.node.listen.parse().ok();
    if address.is_none_or(|address| !is_loopback(address.ip())) {
        tracing::warn!(
            "the node's door speaks without TLS on an address that others can reach: \
             put a proxy that ends mutual TLS before it"
        );
    }
    Ok(None)
}

fn is_loopback(ip: IpAddr) -> bool {
    ip.is_loopback()
}

fn listen(
    listener: TcpListener,
    router: Router,
    handle: &Handle<SocketAddr>,
) -> std::io::Result<JoinHandle<std::io::Result<()>>> {
    let mut server = axum_server::from_tcp(listener)?
        .acceptor(Capped::new(NoDelayAcceptor::new()))
        .handle(handle.clone());
    set_limits(&mut server);
    Ok(tokio::spawn(
        server.http1_only().serve(router.into_make_service()),
    ))
}

fn listen_tls(
    listener: TcpListener,
    router: Router,
    acceptor: PeerAcceptor,
    handle: &Handle<SocketAddr>,
) -> std::io::Result<JoinHandle<std::io::Result<()>>> {
    let mut server = axum_server::from_tcp(listener)?
        .acceptor(Capped::new(acceptor))
        .handle(handle.clone());
    set_limits(&mut server);
    Ok(tokio::spawn(
        server.http1_only().serve(router.into_make_service()),
    ))
}

/// A client that says nothing, or sends the head of its request drop by drop, is turned away. HTTP/1
/// only: while hyper waits to see which version is spoken, no time limit counts.
fn set_limits<A>(server: &mut Server<SocketAddr, A>) {
    server
        .http_builder()
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD);
}

/// Waits for SIGTERM or Ctrl-C.
pub(super) async fn stop_signal() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// Whether the settings of TLS can be used; for `check`.
pub(super) fn try_tls(config: &Config) -> Result<(), TlsError> {
    if config.node.enabled && config.node.tls.enabled {
        PeerAcceptor::new(&config.node.tls)?;
    }
    Ok(())
}
