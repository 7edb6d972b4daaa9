//! The real gateway over a database, its doors open on loopback as `serve` opens them, without TLS.
//!
//! Its log is on and goes to a file. The meal ledger is left out: entries are written down and wait.
//! No job runs.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use axum::Router;
use axum_server::Handle;
use axum_server::accept::NoDelayAcceptor;
use hyper_util::rt::TokioTimer;
use pagomensa::app::App;
use pagomensa::clock::{Clock, Ids};
use pagomensa::config::Config;
use pagomensa::desk::Tasks;
use pagomensa::desk::keys::{NewKey, Scope, create};
use pagomensa::domain::party::CreditorCode;
use pagomensa::store::Store;
use tokio::task::JoinHandle;
use tracing_subscriber::EnvFilter;

use super::TOWN;
use super::database::Database;
use super::notices::Fill;

/// A gateway that answers.
pub(crate) struct Gateway {
    pub node: SocketAddr,
    pub web: SocketAddr,
    /// A key of the town for everything.
    pub key: String,
    app: App,
    tasks: Tasks,
    handle: Handle<SocketAddr>,
    servers: Vec<JoinHandle<std::io::Result<()>>>,
}

/// The settings of the demo's town over this database.
pub(crate) fn config(database: &Database) -> Config {
    let mut config = Config::with(include_str!("../../config/demo.toml")).unwrap();
    config.database.url = database.url.clone().into();
    config.node.tls.enabled = false;
    config.ledger.enabled = false;
    config
}

/// Starts the log, as detailed as it is by default, into a file of this folder.
pub(crate) fn log_into(folder: &std::path::Path) {
    let file = std::fs::File::create(folder.join("log")).unwrap();
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new("info"))
        .with_ansi(false)
        .with_writer(file)
        .init();
}

/// Makes the tables and fills them.
pub(crate) async fn prepare(database: &Database, fill: Fill) {
    let store = Store::open(&config(database).database).await.unwrap();
    store.migrate().await.unwrap();
    store.close().await;
    fill.run(database).await;
    database.sync();
}

/// Builds the application and ends it again; for the time it takes.
pub(crate) async fn build(database: &Database) -> Duration {
    let start = std::time::Instant::now();
    let (app, tasks) = App::build(config(database), Clock::System, Ids::default())
        .await
        .unwrap();
    let ready = start.elapsed();
    let store = app.desk().store().clone();
    drop(app);
    tasks.finish().await;
    store.close().await;
    ready
}

impl Gateway {
    /// Builds the application and opens its doors.
    pub(crate) async fn start(database: &Database) -> Gateway {
        let (app, tasks) = App::build(config(database), Clock::System, Ids::default())
            .await
            .unwrap();
        let new = NewKey {
            creditor: &CreditorCode::parse(TOWN).unwrap(),
            name: "bench",
            scopes: &Scope::ALL,
        };
        let now = Clock::System.now();
        let key = create(app.desk().store(), app.desk().ids(), &new, now)
            .await
            .unwrap();
        let handle = Handle::new();
        let (node, node_server) = listen(app.node(), &handle);
        let (web, web_server) = listen(app.web(), &handle);
        Gateway {
            node,
            web,
            key,
            app,
            tasks,
            handle,
            servers: vec![node_server, web_server],
        }
    }

    /// Sends a file of notices through the portals' door.
    pub(crate) async fn file(&self, media: &str, bytes: Vec<u8>) {
        let request = axum::http::Request::post("/api/v1/notices/batch")
            .header("authorization", format!("Bearer {}", self.key))
            .header("content-type", media)
            .body(axum::body::Body::from(bytes))
            .unwrap();
        let response = tower::ServiceExt::oneshot(self.app.web(), request);
        assert_eq!(response.await.unwrap().status().as_u16(), 201);
    }

    /// Runs a job until it has nothing more to do.
    pub(crate) async fn work_off(&self, job: &str) {
        let job = self.app.jobs().iter().find(|known| known.name == job);
        let job = job.unwrap();
        while (job.run)().await.unwrap() == pagomensa::job::Progress::More {}
    }

    /// Waits until everything that waits in memory is written.
    pub(crate) async fn settle(&self) {
        self.app.desk().journal().flush().await;
    }

    /// Closes the doors and the store.
    pub(crate) async fn stop(self) {
        self.handle
            .graceful_shutdown(Some(Duration::from_millis(100)));
        for server in self.servers {
            server.await.unwrap().unwrap();
        }
        let store = self.app.desk().store().clone();
        drop(self.app);
        self.tasks.finish().await;
        store.close().await;
    }
}

/// Opens a door as the gateway does.
pub(crate) fn listen(
    router: Router,
    handle: &Handle<SocketAddr>,
) -> (SocketAddr, JoinHandle<std::io::Result<()>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let mut server = axum_server::from_tcp(listener)
        .unwrap()
        .acceptor(NoDelayAcceptor::new())
        .handle(handle.clone());
    server
        .http_builder()
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(10));
    (
        address,
        tokio::spawn(server.serve(router.into_make_service())),
    )
}
