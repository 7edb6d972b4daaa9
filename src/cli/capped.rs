//! A bound on open connections: a listener that takes all there are stops the whole process.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::Extension;
use axum_server::accept::Accept;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::Layer;

/// Connections of one listener at the same time. The node opens some tens of them.
const CONNECTIONS: usize = 512;

/// Takes connections while there is room, and closes the others at once.
#[derive(Debug, Clone)]
pub(super) struct Capped<A> {
    inner: A,
    room: Arc<Semaphore>,
    /// Whether it was said that there is no room: once, and not for each connection.
    is_full: Arc<AtomicBool>,
}

/// Held by the service of a connection, and given back with it.
type Place = Extension<Arc<OwnedSemaphorePermit>>;

impl<A> Capped<A> {
    pub(super) fn new(inner: A) -> Capped<A> {
        Capped {
            inner,
            room: Arc::new(Semaphore::new(CONNECTIONS)),
            is_full: Arc::new(AtomicBool::new(false)),
        }
    }
}

impl<A, I, S> Accept<I, S> for Capped<A>
where
    A: Accept<I, S>,
    A::Future: Send + 'static,
    A::Stream: Send + 'static,
    A::Service: Send + 'static,
    Place: Layer<A::Service>,
{
    type Stream = A::Stream;
    type Service = <Place as Layer<A::Service>>::Service;
    type Future = Pin<Box<dyn Future<Output = io::Result<(Self::Stream, Self::Service)>> + Send>>;

    fn accept(&self, stream: I, service: S) -> Self::Future {
        let Ok(place) = self.room.clone().try_acquire_owned() else {
            if !self.is_full.swap(true, Ordering::Relaxed) {
                tracing::warn!(
                    connections = CONNECTIONS,
                    "connections are being closed: there are too many"
                );
            }
            return Box::pin(async { Err(io::Error::other("too many connections")) });
        };
        self.is_full.store(false, Ordering::Relaxed);
        let accepted = self.inner.accept(stream, service);
        Box::pin(async move {
            let (stream, service) = accepted.await?;
            Ok((stream, Extension(Arc::new(place)).layer(service)))
        })
    }
}
