//! A bound on open connections: a listener that takes all there are stops the whole process, and
//! one that turns new ones away can be kept shut by whoever opens many and says nothing.
//!
//! So room is made for the newest by closing the connection that has asked for nothing for the
//! longest time, be it in its handshake, before its first request or between two. Only when all are
//! being answered is the newest turned away. The connections of one address have a bound of their
//! own, and make room among themselves.

mod hall;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum_server::accept::Accept;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tower::Service;

use crate::metrics::Metrics;

pub(super) use hall::Bounds;
use hall::{Answering, Hall, Seat};

/// A client that takes nothing of our answer for so long is gone.
const UNREAD: Duration = Duration::from_secs(30);

/// Takes connections while there is room, and makes room.
#[derive(Debug, Clone)]
pub(super) struct Capped<A> {
    inner: A,
    hall: Arc<Hall>,
}

impl<A> Capped<A> {
    pub(super) fn new(inner: A, bounds: Bounds, metrics: Metrics) -> Capped<A> {
        Capped {
            inner,
            hall: Hall::new(bounds, metrics),
        }
    }
}

impl<A, S> Accept<TcpStream, S> for Capped<A>
where
    A: Accept<TcpStream, S>,
    A::Future: Send + 'static,
    A::Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    A::Service: Send + 'static,
{
    type Stream = Closable<A::Stream>;
    type Service = Seated<A::Service>;
    type Future = Pin<Box<dyn Future<Output = io::Result<(Self::Stream, Self::Service)>> + Send>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let address = stream.peer_addr().ok().map(|address| address.ip());
        // Without it a client that reads nothing would keep its place for ever. A kernel that does
        // not know the option leaves the other bounds.
        let _ = socket2::SockRef::from(&stream).set_tcp_user_timeout(Some(UNREAD));
        let (seat, mut closed) = match self.hall.seat(address) {
            Ok(seated) => seated,
            Err(full) => return Box::pin(async { Err(io::Error::other(full)) }),
        };
        let accepted = self.inner.accept(stream, service);
        Box::pin(async move {
            let (stream, service) = tokio::select! {
                biased;
                accepted = accepted => accepted?,
                _ = &mut closed => return Err(io::Error::other("closed to make room")),
            };
            let seat = Arc::new(seat);
            let service = Seated {
                inner: service,
                seat: seat.clone(),
            };
            let stream = Closable {
                inner: stream,
                closed: Some(closed),
                _seat: seat,
            };
            Ok((stream, service))
        })
    }
}

/// A stream that ends when its place is needed.
#[derive(Debug)]
pub(super) struct Closable<T> {
    inner: T,
    /// Nothing once it has been told to go.
    closed: Option<oneshot::Receiver<()>>,
    _seat: Arc<Seat>,
}

impl<T: AsyncRead + Unpin> AsyncRead for Closable<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(closed) = &mut self.closed
            && Pin::new(closed).poll(context).is_ready()
        {
            self.closed = None;
        }
        // Nothing read is the end of the stream: the server closes it in good order.
        if self.closed.is_none() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Closable<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

/// A service that knows whether its connection is being answered.
#[derive(Debug, Clone)]
pub(super) struct Seated<S> {
    inner: S,
    seat: Arc<Seat>,
}

impl<S, R> Service<R> for Seated<S>
where
    S: Service<R>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let answering = Answering::begin(self.seat.clone());
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await;
            drop(answering);
            answer
        })
    }
}
