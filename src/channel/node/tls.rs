//! Mutual TLS at the node's door.
//!
//! A client must show a certificate of one of our authorities; its common name is then checked by
//! the door. The leaf is not pinned, because the node renews it every year. Failed handshakes are
//! logged with their reason: a silent refusal costs an evening on both sides.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Extension;
use axum_server::accept::{Accept, NoDelayAcceptor};
use axum_server::tls_openssl::{OpenSSLAcceptor, OpenSSLConfig};
use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::ssl::{
    AlpnError, SslAcceptor, SslFiletype, SslMethod, SslRef, SslVerifyMode, SslVersion,
    select_next_proto,
};
use openssl::x509::X509Name;
use tokio::net::TcpStream;
use tokio_openssl::SslStream;
use tower::Layer;

use crate::config;

/// Who is at the other end, as its certificate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// The common name (CN) of the subject.
    pub common_name: String,
}

/// The server side of TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is missing or is not PEM.
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
    /// OpenSSL refused a setting.
    #[error("TLS cannot be set up")]
    Setting(#[from] ErrorStack),
}

/// The acceptor for these settings: TLS 1.2 or later, a client certificate demanded.
///
/// # Errors
/// [`TlsError`]: a file cannot be used, or the key is not that of the certificate.
pub fn acceptor(config: &config::Tls) -> Result<SslAcceptor, TlsError> {
    let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server())?;
    builder.set_min_proto_version(Some(SslVersion::TLS1_2))?;
    builder
        .set_certificate_chain_file(&config.certificate_file)
        .map_err(in_file(
            "node.tls.certificate_file",
            &config.certificate_file,
        ))?;
    builder
        .set_private_key_file(&config.key_file, SslFiletype::PEM)
        .map_err(in_file("node.tls.key_file", &config.key_file))?;
    builder
        .check_private_key()
        .map_err(in_file("node.tls.key_file", &config.key_file))?;
    let ca = in_file("node.tls.client_ca_file", &config.client_ca_file);
    builder.set_ca_file(&config.client_ca_file).map_err(&ca)?;
    let names = X509Name::load_client_ca_file(&config.client_ca_file).map_err(&ca)?;
    builder.set_client_ca_list(names);
    builder.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
    // Without it every resumed session dies, and a Java client resumes by default.
    builder.set_session_id_context(b"pagomensa")?;
    builder.set_alpn_select_callback(|_: &mut SslRef, offered| {
        select_next_proto(b"\x08http/1.1", offered).ok_or(AlpnError::NOACK)
    });
    Ok(builder.build())
}

fn in_file(key: &'static str, file: &Path) -> impl Fn(ErrorStack) -> TlsError {
    let file = file.display().to_string();
    move |source| TlsError::File {
        key,
        file: file.clone(),
        source,
    }
}

/// Takes connections: TLS first, then the peer's name beside every request.
#[derive(Clone)]
pub struct PeerAcceptor {
    inner: OpenSSLAcceptor<NoDelayAcceptor>,
}

impl std::fmt::Debug for PeerAcceptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PeerAcceptor").finish_non_exhaustive()
    }
}

impl PeerAcceptor {
    /// An acceptor for these settings.
    ///
    /// # Errors
    /// As [`acceptor`].
    pub fn new(config: &config::Tls) -> Result<PeerAcceptor, TlsError> {
        let ssl = OpenSSLConfig::from_acceptor(Arc::new(acceptor(config)?));
        let patience = Duration::from_secs(config.handshake_timeout_s);
        Ok(PeerAcceptor {
            inner: OpenSSLAcceptor::new(ssl)
                .handshake_timeout(patience)
                .acceptor(NoDelayAcceptor::new()),
        })
    }
}

impl<S: Send + 'static> Accept<TcpStream, S> for PeerAcceptor {
    type Stream = SslStream<TcpStream>;
    type Service = <Extension<Peer> as Layer<S>>::Service;
    type Future = Pin<Box<dyn Future<Output = io::Result<(Self::Stream, Self::Service)>> + Send>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let address = stream.peer_addr();
        let accepted = self.inner.accept(stream, service);
        Box::pin(async move {
            let (stream, service) = accepted.await.inspect_err(|error| {
                tracing::warn!(
                    address = address.map(|a| a.to_string()).unwrap_or_default(),
                    %error,
                    "a TLS handshake at the node's door failed"
                );
            })?;
            let peer = Peer {
                common_name: common_name(stream.ssl()),
            };
            Ok((stream, Extension(peer).layer(service)))
        })
    }
}

/// The common name of the peer's certificate, whole: a name with a NUL inside is another name.
fn common_name(ssl: &SslRef) -> String {
    ssl.peer_certificate()
        .and_then(|certificate| {
            certificate
                .subject_name()
                .entries_by_nid(Nid::COMMONNAME)
                .next()?
                .data()
                .to_string()
                .ok()
        })
        .unwrap_or_default()
}
