//! `pagomensa serve`: the two listeners, the jobs, and a clean end.

use std::error::Error;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::process::ExitCode;
use std::time::Duration;

use axum::Router;
use axum::extract::connect_info::IntoMakeServiceWithConnectInfo;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum_server::accept::NoDelayAcceptor;
use axum_server::{Handle, Server};
use hyper_util::rt::TokioTimer;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::MissedTickBehavior;

use super::Outcome;
use super::capped::{Bounds, Capped};
use super::doorway::{Caller, Doorway};
use crate::app::App;
use crate::channel::node::tls::{self, Certificates, PeerAcceptor};
use crate::clock::{Clock, Ids};
use crate::config::Config;
use crate::desk::Tasks;
use crate::job::Runner;
use crate::log;
use crate::metrics::Metrics;

/// When nobody new comes in any more, whoever is inside may still ask for so long; every answer says
/// that its connection ends with it, so that nothing is sent into one that we are closing.
const FAREWELL: Duration = Duration::from_secs(1);
/// After that, requests that are being answered may finish for so long.
const DRAIN: Duration = Duration::from_secs(6);
/// And what waits in memory may be written for so long.
const REST: Duration = Duration::from_secs(2);
/// Longest head of a request, in bytes: a certificate that a proxy hands on has less than ten thousand.
const HEAD_BYTES: usize = 64 * 1024;
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
    handle: Handle<Caller>,
    is_leaving: watch::Sender<bool>,
    servers: Vec<JoinHandle<std::io::Result<()>>>,
    /// Looks at the files of the certificates.
    watch: JoinSet<()>,
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
        // Before anything is written: what cannot work is said at once.
        let (_, wrong) = tls::inspect(&config.node)?;
        if let Some(wrong) = wrong.into_iter().next() {
            return Err(wrong.into());
        }
        warn_of_plain_door(&config);
        let (app, tasks) = App::build(config, Clock::System, Ids::default()).await?;
        let certificates = app.certificates()?;
        let house = House {
            handle: Handle::new(),
            is_leaving: watch::channel(false).0,
            metrics: app.desk().metrics().clone(),
        };
        let config = app.config();
        let bounds = Bounds {
            listener: "web",
            all: config.web.connections,
            per_address: config.web.connections_per_address,
            shared: config.web.shared_addresses.clone(),
        };
        let mut servers = vec![house.listen(listeners.web, app.web(), bounds)?];
        if let Some(listener) = listeners.node {
            let bounds = Bounds {
                listener: "node",
                all: config.node.connections,
                per_address: config.node.connections_per_address,
                shared: match config.node.proxy.enabled {
                    true => config.node.proxy.addresses.clone(),
                    false => vec![],
                },
            };
            let router = app.node_with(certificates.clone());
            servers.push(match (&certificates, config.node.tls.enabled) {
                (Some(certificates), true) => {
                    let acceptor = PeerAcceptor::new(certificates.clone());
                    house.listen_tls(listener, router, acceptor, bounds)?
                }
                _ => house.listen(listener, router, bounds)?,
            });
        }
        let mut watch = JoinSet::new();
        let every = Duration::from_secs(config.node.tls.reload_every_s.max(1));
        let hangup = signal(SignalKind::hangup())?;
        watch.spawn(look_after(certificates, every, hangup));
        let runner = Runner::start(app.jobs().to_vec(), &app.holder());
        Ok(Gateway {
            app,
            tasks,
            runner,
            handle: house.handle,
            is_leaving: house.is_leaving,
            servers,
            watch,
        })
    }

    /// The desk of the running gateway.
    #[cfg(feature = "demo")]
    pub(super) fn desk(&self) -> &crate::desk::Desk {
        self.app.desk()
    }

    /// Lets open requests and runs finish, writes what waits, and closes the store; in ten seconds
    /// at most. What is cut off then is done again after the next start.
    pub(super) async fn stop(mut self) {
        self.watch.shutdown().await;
        let doors = async {
            self.is_leaving.send_replace(true);
            let all_gone = async {
                // Those whom the kernel has let in are still to be counted.
                tokio::time::sleep(Duration::from_millis(100)).await;
                while self.handle.connection_count() > 0 {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            };
            // Whoever has not gone by then is told by its connection's end.
            let _ = tokio::time::timeout(FAREWELL, all_gone).await;
            self.handle.graceful_shutdown(Some(DRAIN));
            for server in self.servers {
                match server.await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => tracing::error!(%error, "a listener ended badly"),
                    Err(error) => tracing::error!(%error, "a listener ended badly"),
                }
            }
        };
        let runs = tokio::time::timeout(FAREWELL + DRAIN, self.runner.stop());
        let ((), runs) = tokio::join!(doors, runs);
        if runs.is_err() {
            tracing::warn!("a job was cut off; it goes on after the next start");
        }
        let store = self.app.desk().store().clone();
        drop(self.app);
        let rest = async {
            self.tasks.finish().await;
            store.close().await;
        };
        if tokio::time::timeout(REST, rest).await.is_err() {
            tracing::error!("the database does not take what waits; lines of the journal are lost");
        }
    }
}

/// Looks at the certificates now and then, and at once when it is told to by SIGHUP. Without any the
/// signal does nothing, rather than end the process.
async fn look_after(certificates: Option<Certificates>, every: Duration, mut hangup: Signal) {
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            told = hangup.recv() => match told {
                Some(()) => tracing::info!("looking at the certificates, as told by SIGHUP"),
                None => return,
            },
        }
        if let Some(certificates) = certificates.clone()
            && let Err(error) = tokio::task::spawn_blocking(move || certificates.look()).await
        {
            tracing::error!(%error, "the certificates could not be looked at");
        }
    }
}

fn warn_of_plain_door(config: &Config) {
    if !config.node.enabled || config.node.tls.enabled || config.node.proxy.enabled {
        return;
    }
    let address: Option<SocketAddr> = config.node.listen.parse().ok();
    if address.is_none_or(|address| !is_loopback(address.ip())) {
        tracing::warn!(
            "the node's door speaks without TLS on an address that others can reach, and believes \
             everybody: turn on node.tls, or node.proxy with a proxy that ends mutual TLS"
        );
    }
}

fn is_loopback(ip: IpAddr) -> bool {
    ip.is_loopback()
}

/// What the listeners have in common.
struct House {
    handle: Handle<Caller>,
    is_leaving: watch::Sender<bool>,
    metrics: Metrics,
}

impl House {
    fn listen(
        &self,
        listener: TcpListener,
        router: Router,
        bounds: Bounds,
    ) -> std::io::Result<JoinHandle<std::io::Result<()>>> {
        let doorway = Doorway::new(listener, self.is_leaving.subscribe())?;
        let mut server = Server::<Caller>::from_listener(doorway)
            .acceptor(self.capped(NoDelayAcceptor::new(), bounds))
            .handle(self.handle.clone());
        set_limits(&mut server);
        let service = self.service(router);
        Ok(tokio::spawn(server.http1_only().serve(service)))
    }

    fn listen_tls(
        &self,
        listener: TcpListener,
        router: Router,
        acceptor: PeerAcceptor,
        bounds: Bounds,
    ) -> std::io::Result<JoinHandle<std::io::Result<()>>> {
        let doorway = Doorway::new(listener, self.is_leaving.subscribe())?;
        let mut server = Server::<Caller>::from_listener(doorway)
            .acceptor(self.capped(acceptor, bounds))
            .handle(self.handle.clone());
        set_limits(&mut server);
        let service = self.service(router);
        Ok(tokio::spawn(server.http1_only().serve(service)))
    }

    fn capped<A>(&self, acceptor: A, bounds: Bounds) -> Capped<A> {
        Capped::new(acceptor, bounds, self.metrics.clone())
    }

    fn service(&self, router: Router) -> IntoMakeServiceWithConnectInfo<Router, SocketAddr> {
        router
            .layer(from_fn_with_state(
                self.is_leaving.subscribe(),
                say_farewell,
            ))
            .into_make_service_with_connect_info()
    }
}

/// While we are leaving, tells the client that the connection ends with this answer.
async fn say_farewell(
    State(is_leaving): State<watch::Receiver<bool>>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = next.run(request).await;
    if *is_leaving.borrow() {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    response
}

/// A client that says nothing, or sends the head of its request drop by drop, is turned away. HTTP/1
/// only: while hyper waits to see which version is spoken, no time limit counts.
fn set_limits<A>(server: &mut Server<Caller, A>) {
    server
        .http_builder()
        .http1()
        .timer(TokioTimer::new())
        .max_buf_size(HEAD_BYTES)
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
