//! A listening socket that can be closed before the connections that came through it.
//!
//! When the gateway is told to stop, nobody new comes in, but those who have just come in still get
//! to ask: an HTTP server that is told to end closes a connection on which it has not read yet, and
//! with it a request that is on its way.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::connect_info::Connected;
use axum_server::{AddrListener, Address};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Who has come in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller(SocketAddr);

impl Address for Caller {
    type Stream = TcpStream;
    type Listener = Doorway;
}

impl Connected<Caller> for SocketAddr {
    fn connect_info(caller: Caller) -> SocketAddr {
        caller.0
    }
}

/// A listening socket, until it is closed.
#[derive(Debug)]
pub(super) struct Doorway {
    socket: Mutex<Option<Arc<TcpListener>>>,
    is_leaving: watch::Receiver<bool>,
}

impl Doorway {
    /// Takes who comes until `is_leaving` says true.
    ///
    /// # Errors
    /// The socket cannot be used by the runtime.
    pub(super) fn new(
        socket: std::net::TcpListener,
        is_leaving: watch::Receiver<bool>,
    ) -> std::io::Result<Doorway> {
        Ok(Doorway {
            socket: Mutex::new(Some(Arc::new(TcpListener::from_std(socket)?))),
            is_leaving,
        })
    }

    fn socket(&self) -> std::sync::MutexGuard<'_, Option<Arc<TcpListener>>> {
        // Nobody panics while holding it.
        self.socket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AddrListener<TcpStream, Caller> for Doorway {
    async fn bind_to(caller: Caller) -> std::io::Result<Doorway> {
        // A doorway that nobody tells to close.
        let (_, is_leaving) = watch::channel(false);
        Doorway::new(std::net::TcpListener::bind(caller.0)?, is_leaving)
    }

    async fn accept_stream(&self) -> std::io::Result<(TcpStream, Caller)> {
        let Some(socket) = self.socket().clone() else {
            return std::future::pending().await;
        };
        let mut is_leaving = self.is_leaving.clone();
        let told = async {
            // Whoever would tell has gone: nobody will.
            if is_leaving.wait_for(|leaving| *leaving).await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            // First those who have come in already, so that the kernel turns none of them away.
            biased;
            accepted = socket.accept() => {
                let (stream, address) = accepted?;
                Ok((stream, Caller(address)))
            }
            () = told => {
                self.socket().take();
                drop(socket);
                std::future::pending().await
            }
        }
    }

    fn get_local_addr(&self) -> std::io::Result<Caller> {
        let socket = self.socket().clone();
        let closed = || std::io::Error::other("the listener is closed");
        Ok(Caller(socket.ok_or_else(closed)?.local_addr()?))
    }
}
