//! The certificates in use: opened at the start, exchanged while the door is open.

use std::io;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use openssl::ssl::SslRef;
use openssl::x509::{X509, X509Ref};

use super::material::{self, Files, Material};
use super::{ALARM_DAYS, Peer, Shown, TlsError, WARN_DAYS, common_name, is_needed};
use crate::clock::Clock;
use crate::config;
use crate::domain::day::{Day, Instant};
use crate::metrics::Metrics;

/// The certificates, keys and lists in use; cheap to clone, and exchanged while it runs.
#[derive(Clone)]
pub struct Certificates(pub(super) Arc<Live>);

pub(super) struct Live {
    pub(super) config: config::Tls,
    clock: Clock,
    pub(super) metrics: Metrics,
    current: RwLock<Arc<Set>>,
    /// The fingerprint of the files at the last look, whether they could be used or not.
    seen: Mutex<String>,
    /// The day on which the log was last told what ends soon.
    told: Mutex<Option<Day>>,
    /// The same for the certificate of the client.
    told_of_client: Mutex<Option<Day>>,
}

/// What one look at the files has made.
pub(super) struct Set {
    pub(super) number: u64,
    pub(super) material: Material,
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

    pub(super) fn current(&self) -> Arc<Set> {
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
    pub(super) fn tell_of_client(&self, peer: &Peer, not_after: Instant) {
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
    pub(super) fn peer(&self, set: &Set, ssl: &SslRef) -> io::Result<Peer> {
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

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Nobody panics while holding one.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
