//! Mutual TLS at the node's door.
//!
//! A client must show a certificate of one of our authorities; its common name is then checked by
//! the door. The leaf is not pinned, because the node renews it every year. Failed handshakes are
//! logged with their reason: a silent refusal costs an evening on both sides.
//!
//! The files may be exchanged at any time: new connections get the new set, and the client of an
//! open or resumed one is judged again before its next request.

mod gate;
mod material;
mod proxy;

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use axum::extract::Extension;
use axum_server::accept::Accept;
use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::ssl::{Ssl, SslRef};
use openssl::x509::{X509, X509Ref};
use tokio::net::TcpStream;
use tokio_openssl::SslStream;
use tower::Layer;

use crate::clock::Clock;
use crate::config;
use crate::domain::day::{Day, Instant};
use crate::metrics::{Credential, Metrics};

pub(super) use gate::{Gate, Refusal};
use material::{Files, Material};

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

/// The certificates, keys and lists in use; cheap to clone, and exchanged while it runs.
#[derive(Clone)]
pub struct Certificates(Arc<Live>);

struct Live {
    config: config::Tls,
    clock: Clock,
    metrics: Metrics,
    current: RwLock<Arc<Set>>,
    /// The fingerprint of the files at the last look, whether they could be used or not.
    seen: Mutex<String>,
    /// The day on which the log was last told what ends soon.
    told: Mutex<Option<Day>>,
    /// The same for the certificate of the client.
    told_of_client: Mutex<Option<Day>>,
}

struct Set {
    number: u64,
    material: Material,
}

impl std::fmt::Debug for Certificates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificates").finish_non_exhaustive()
    }
}

impl Certificates {
    /// The certificates of the configuration; nothing when none are needed.
    ///
    /// # Errors
    /// [`TlsError`]: they cannot be used.
    pub fn open(
        config: &config::Node,
        clock: Clock,
        metrics: Metrics,
    ) -> Result<Option<Certificates>, TlsError> {
        if !is_needed(config) {
            return Ok(None);
        }
        let files = Files::read(&config.tls)?;
        let material = files.make(&config.tls)?;
        metrics.reloaded(material.credentials.clone());
        let certificates = Certificates(Arc::new(Live {
            config: config.tls.clone(),
            clock,
            metrics,
            current: RwLock::new(Arc::new(Set {
                number: 0,
                material,
            })),
            seen: Mutex::new(files.fingerprint()),
            told: Mutex::default(),
            told_of_client: Mutex::default(),
        }));
        certificates.tell();
        Ok(Some(certificates))
    }

    /// Looks at the files, and takes them into use when they have changed and can be used; says
    /// once a day what ends soon. Reads files, so it is not for a thread that others wait for.
    /// True when there is a new set.
    pub fn look(&self) -> bool {
        let live = &self.0;
        let changed = Files::read(&live.config).map(|files| (files.fingerprint(), files));
        let seen = match &changed {
            Ok((fingerprint, _)) => fingerprint.clone(),
            Err(error) => format!("unreadable: {error}"),
        };
        let is_new = seen != std::mem::replace(&mut *lock(&live.seen), seen.clone());
        if !is_new && !live.metrics.is_reload_broken() {
            self.tell();
            return false;
        }
        let taken = match changed {
            Ok((_, files)) => self.take(&files),
            Err(error) => Err(error),
        };
        match &taken {
            Ok(()) => {
                tracing::info!("new certificates are in use");
                *lock(&live.told) = None;
                self.tell();
            }
            // Said once: the same files may be good tomorrow, when a certificate has begun to hold.
            Err(_) if !is_new => self.tell(),
            Err(error) => {
                live.metrics.reload_failed();
                tracing::error!(
                    error = error as &dyn std::error::Error,
                    "new certificates cannot be used; the earlier ones stay in use"
                );
            }
        }
        taken.is_ok()
    }

    fn take(&self, files: &Files) -> Result<(), TlsError> {
        let live = &self.0;
        let material = files.make(&live.config)?;
        let now = live.clock.now();
        let server = material.credentials.iter().find(|c| c.role == "server");
        if let Some(server) = server
            && !(server.not_before <= now && now < server.not_after)
        {
            return Err(TlsError::NotNow {
                from: server.not_before,
                to: server.not_after,
            });
        }
        live.metrics.reloaded(material.credentials.clone());
        let mut current = live.current.write().unwrap_or_else(PoisonError::into_inner);
        let number = current.number + 1;
        *current = Arc::new(Set { number, material });
        Ok(())
    }

    fn current(&self) -> Arc<Set> {
        let current = self.0.current.read();
        current.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Tells the log what ends soon, once a day.
    fn tell(&self) {
        let now = self.0.clock.now();
        let today = Some(now.day_in_rome());
        if std::mem::replace(&mut *lock(&self.0.told), today) == today {
            return;
        }
        for credential in &self.current().material.credentials {
            let (role, subject) = (credential.role, credential.subject.as_str());
            let days = credential.days_left(now);
            let ends_at = credential.not_after;
            if days < 0 {
                tracing::error!(role, subject, %ends_at, "a certificate has ended");
            } else if days < ALARM_DAYS {
                tracing::error!(role, subject, %ends_at, days, "a certificate is about to end");
            } else if days < WARN_DAYS {
                tracing::warn!(role, subject, %ends_at, days, "a certificate ends soon");
            }
        }
    }

    /// Tells the metrics how long the certificate of the client holds, and the log, once a day, that
    /// it should be renewed.
    fn tell_of_client(&self, peer: &Peer, not_after: Instant) {
        if !self.0.config.allowed_subjects.contains(&peer.common_name) {
            return;
        }
        self.0.metrics.client(&peer.common_name, not_after);
        let now = self.0.clock.now();
        let days = (not_after.as_millis() - now.as_millis()).div_euclid(86_400_000);
        let today = Some(now.day_in_rome());
        if days < WARN_DAYS && std::mem::replace(&mut *lock(&self.0.told_of_client), today) != today
        {
            tracing::warn!(
                subject = peer.common_name,
                ends_at = %not_after,
                days,
                "the certificate of the node ends soon: its renewal must be of an authority in \
                 node.tls.client_ca_file"
            );
        }
    }

    /// The client of a connection whose handshake has come to its end.
    ///
    /// # Errors
    /// A resumed session whose certificate would not be accepted now.
    fn peer(&self, set: &Set, ssl: &SslRef) -> io::Result<Peer> {
        let leaf = ssl
            .peer_certificate()
            .ok_or_else(|| io::Error::other("no client certificate"))?;
        let chain: Vec<X509> = ssl
            .peer_cert_chain()
            .map(|chain| chain.iter().map(X509Ref::to_owned).collect())
            .unwrap_or_default();
        if ssl.session_reused() {
            let judged = set.material.trust.judge(&leaf, &chain);
            judged.map_err(io::Error::other)?;
        }
        let not_after = material::instant(leaf.not_after());
        let peer = Peer {
            common_name: common_name(&leaf),
            shown: Some(Arc::new(Shown {
                leaf,
                chain,
                not_after,
                judged_by: AtomicU64::new(set.number),
                certificates: self.clone(),
            })),
        };
        self.tell_of_client(&peer, not_after);
        Ok(peer)
    }
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

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Nobody panics while holding one.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
