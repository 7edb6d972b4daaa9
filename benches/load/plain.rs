//! A handler that does nothing, behind the same server, router and layer as the node's door: what is
//! left when the gateway's own work is taken away.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::http::header;
use axum::routing::post;
use axum_server::Handle;
use tower_http::catch_panic::CatchPanicLayer;

use crate::lab::gateway::listen;

/// Bytes of its answer: as many as the answer to a verify has.
const ANSWER: usize = 712;

/// The handler in a process of its own.
pub(crate) struct Plain {
    child: Child,
    pub address: SocketAddr,
}

impl Plain {
    pub(crate) fn start() -> Plain {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .arg("plain")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = child.stdout.take().unwrap();
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line).unwrap();
        Plain {
            child,
            address: line.trim().parse().unwrap(),
        }
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Answers until the standard input ends, with whoever started this.
pub(crate) fn serve() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let text: Arc<str> = "x".repeat(ANSWER).into();
    let router = Router::new()
        .route(
            "/node",
            post(async move |_: Bytes| {
                let head = [(header::CONTENT_TYPE, "text/xml; charset=utf-8")];
                (head, text.to_string())
            }),
        )
        .layer(CatchPanicLayer::new());
    let _guard = runtime.enter();
    let (address, _server) = listen(router, &Handle::new());
    println!("{address}");
    std::io::stdin().read_to_end(&mut vec![]).unwrap();
}
