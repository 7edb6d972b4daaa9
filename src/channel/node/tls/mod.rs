//! Mutual TLS at the node's door.
//!
//! A client must show a certificate of one of our authorities; its common name is then checked by
//! the door. The leaf is not pinned, because the node renews it every year. Failed handshakes are
//! logged with their reason: a silent refusal costs an evening on both sides.
//!
//! The files may be exchanged at any time: new connections get the new set, and the client of an
//! open or resumed one is judged again before its next request.

mod certificates;
mod gate;
mod material;
mod proxy;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::Extension;
use axum_server::accept::Accept;
use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::ssl::Ssl;
use openssl::x509::{X509, X509Ref};
use tokio::net::TcpStream;
use tokio_openssl::SslStream;
use tower::Layer;

use crate::config;
use crate::domain::day::Instant;
use crate::metrics::Credential;

pub use certificates::Certificates;
pub(super) use gate::{Gate, Refusal};
use material::Files;

/// Whoever has fewer days left is told so every day.
pub const WARN_DAYS: i64 = 30;
/// With fewer days it is an error.
const ALARM_DAYS: i64 = 7;

/// Who is at the other end, as its certificate says.
#[derive(Debug, Clone)]
pub struct Peer {
    /// The common name (CN) of the subject.
    pub common_name: String,
    /// The certificate, when we have ended TLS ourselves.
    shown: Option<Arc<Shown>>,
}

/// What a client has shown in its handshake.
#[derive(Debug)]
struct Shown {
    leaf: X509,
    chain: Vec<X509>,
    not_after: Instant,
    /// The number of the set of certificates that it was last judged by.
    judged_by: AtomicU64,
    certificates: Certificates,
}

/// TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{key} ({file}) cannot be read")]
    Read {
        /// The key of the configuration.
        key: &'static str,
        /// The file.
        file: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file is not PEM, or not what it should be.
    #[error("{key} ({file}) cannot be used")]
    File {
        /// The key of the configuration.
        key: &'static str,
        /// The file.
        file: String,
        /// OpenSSL's words.
        #[source]
        source: ErrorStack,
    },
    /// There is no certificate in a file.
    #[error("{key} ({file}) holds no certificate")]
    Empty {
        /// The key of the configuration.
        key: &'static str,
        /// The file.
        file: String,
    },
    /// The key belongs to another certificate.
    #[error("node.tls.key_file ({file}) is not the key of the certificate")]
    OtherKey {
        /// The file.
        file: String,
    },
    /// An authority has no revocation list.
    #[error("node.tls.crl_file ({file}) holds no list signed by the authority {authority}")]
    Unlisted {
        /// The file.
        file: String,
        /// Its subject.
        authority: String,
    },
    /// A new certificate has ended, or has not begun.
    #[error("the certificate of the server holds from {from} to {to}, and not now")]
    NotNow {
        /// The first instant.
        from: Instant,
        /// The last instant.
        to: Instant,
    },
    /// OpenSSL refused a setting.
    #[error("TLS cannot be set up")]
    Setting(#[from] ErrorStack),
}

/// What the files of the configuration hold, with every mistake there is; nothing is asked of them
/// when TLS is neither spoken here nor checked after a proxy.
///
/// # Errors
/// A file that cannot be read.
pub fn inspect(config: &config::Node) -> Result<(Vec<Credential>, Vec<TlsError>), TlsError> {
    if !is_needed(config) {
        return Ok((vec![], vec![]));
    }
    let files = Files::read(&config.tls)?;
    let (found, mut wrong) = files.inspect(&config.tls);
    if wrong.is_empty() {
        wrong.extend(files.make(&config.tls).err());
    }
    Ok((found, wrong))
}

/// Whether certificates are needed at all: to speak TLS, or to judge what a proxy hands on.
pub fn is_needed(config: &config::Node) -> bool {
    let is_checked = config.proxy.enabled && config.proxy.format == config::ProxyFormat::EscapedPem;
    config.enabled && (config.tls.enabled || is_checked)
}

impl Shown {
    /// Judges the client of an open connection again when there is a new set of certificates, or its
    /// certificate has ended meanwhile.
    fn is_still_good(&self, now: Instant) -> bool {
        let set = self.certificates.current();
        if self.judged_by.load(Ordering::SeqCst) != set.number {
            if let Err(reason) = set.material.trust.judge(&self.leaf, &self.chain) {
                tracing::warn!(reason, "an open connection is not accepted any more");
                return false;
            }
            self.judged_by.store(set.number, Ordering::SeqCst);
        }
        now < self.not_after
    }
}

/// Takes connections: TLS first, then the peer's name beside every request.
#[derive(Debug, Clone)]
pub struct PeerAcceptor {
    certificates: Certificates,
}

impl PeerAcceptor {
    /// An acceptor that speaks with these certificates.
    pub fn new(certificates: Certificates) -> PeerAcceptor {
        PeerAcceptor { certificates }
    }
}

impl<S: Send + 'static> Accept<TcpStream, S> for PeerAcceptor {
    type Stream = SslStream<TcpStream>;
    type Service = <Extension<Peer> as Layer<S>>::Service;
    type Future = Pin<Box<dyn Future<Output = io::Result<(Self::Stream, Self::Service)>> + Send>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let certificates = self.certificates.clone();
        Box::pin(async move {
            let address = stream.peer_addr();
            let (stream, peer) = shake_hands(&certificates, stream)
                .await
                .inspect_err(|error| {
                    certificates.0.metrics.failed_handshake();
                    tracing::warn!(
                        address = address.map(|a| a.to_string()).unwrap_or_default(),
                        %error,
                        "a TLS handshake at the node's door failed"
                    );
                })?;
            Ok((stream, Extension(peer).layer(service)))
        })
    }
}

async fn shake_hands(
    certificates: &Certificates,
    stream: TcpStream,
) -> io::Result<(SslStream<TcpStream>, Peer)> {
    // An answer is one small write, and must not wait for a second.
    stream.set_nodelay(true)?;
    let set = certificates.current();
    let Some(acceptor) = &set.material.acceptor else {
        return Err(io::Error::other("there is no certificate to show"));
    };
    let mut stream = SslStream::new(Ssl::new(acceptor.context())?, stream)?;
    let patience = Duration::from_secs(certificates.0.config.handshake_timeout_s);
    let shaken = tokio::time::timeout(patience, Pin::new(&mut stream).accept()).await?;
    let verdict = stream.ssl().verify_result();
    shaken.map_err(|error| match verdict.error_string() {
        "ok" => io::Error::other(error),
        reason => io::Error::other(format!("{reason}: {error}")),
    })?;
    let peer = certificates.peer(&set, stream.ssl())?;
    Ok((stream, peer))
}

/// The common name of a certificate, whole: a name with a NUL inside is another name. Empty when
/// there is none, or several to choose from.
fn common_name(certificate: &X509Ref) -> String {
    let mut names = certificate.subject_name().entries_by_nid(Nid::COMMONNAME);
    match (names.next(), names.next()) {
        (Some(name), None) => name.data().to_string().unwrap_or_default(),
        _ => String::new(),
    }
}
