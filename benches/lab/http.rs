//! The thinnest HTTP client there can be: one connection kept alive, requests made beforehand.

use std::net::SocketAddr;
use std::pin::Pin;

use openssl::ssl::SslConnector;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_openssl::SslStream;

/// What a connection speaks over.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A connection that is kept open.
pub(crate) struct Connection {
    stream: Box<dyn Stream>,
    buffer: Vec<u8>,
}

/// An answer, as long as the next request is not sent.
pub(crate) struct Answer<'c> {
    pub status: u16,
    pub body: &'c [u8],
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Connection {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Connection::over(stream)
    }

    /// The same with TLS, the client's certificate shown.
    pub(crate) async fn open_tls(address: SocketAddr, tls: &SslConnector) -> Connection {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let session = tls.configure().unwrap().into_ssl("127.0.0.1").unwrap();
        let mut stream = SslStream::new(session, stream).unwrap();
        Pin::new(&mut stream).connect().await.unwrap();
        Connection::over(stream)
    }

    fn over(stream: impl Stream + 'static) -> Connection {
        Connection {
            stream: Box::new(stream),
            buffer: Vec::with_capacity(16 * 1024),
        }
    }

    /// Sends a request and reads its whole answer.
    pub(crate) async fn call(&mut self, request: &[u8]) -> Answer<'_> {
        self.stream.write_all(request).await.unwrap();
        self.buffer.clear();
        let mut end = None;
        loop {
            let read = self.stream.read_buf(&mut self.buffer).await.unwrap();
            assert!(read > 0, "the gateway closed the connection");
            end = end.or_else(|| body_of(&self.buffer));
            if let Some((start, length)) = end
                && self.buffer.len() >= start + length
            {
                return Answer {
                    status: status(&self.buffer),
                    body: &self.buffer[start..],
                };
            }
        }
    }
}

impl Answer<'_> {
    /// Stops the measurement when this is not the answer that was to come.
    pub(crate) fn must_be(&self, status: u16, text: &str) {
        let found = self
            .body
            .windows(text.len())
            .any(|part| part == text.as_bytes());
        assert!(
            self.status == status && found,
            "HTTP {} instead of {status} with {text}: {}",
            self.status,
            String::from_utf8_lossy(self.body)
        );
    }
}

/// Where the body begins and how long it is, once the head is there.
fn body_of(bytes: &[u8]) -> Option<(usize, usize)> {
    let head = bytes.windows(4).position(|part| part == b"\r\n\r\n")?;
    let text = str::from_utf8(&bytes[..head]).unwrap();
    let length = text
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .map(|(_, value)| value.trim().parse().unwrap());
    Some((head + 4, length.expect("an answer with its length")))
}

fn status(bytes: &[u8]) -> u16 {
    str::from_utf8(&bytes[9..12]).unwrap().parse().unwrap()
}
