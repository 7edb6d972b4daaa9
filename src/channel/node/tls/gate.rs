//! Who may come in: the node, over TLS or through a proxy that is believed.

use std::net::SocketAddr;

use axum::extract::ConnectInfo;
use axum::http::request::Parts;

use super::{Certificates, Peer, proxy};
use crate::config;
use crate::domain::day::Instant;

/// Looks at every request before it is read.
#[derive(Debug, Clone)]
pub(in crate::channel::node) struct Gate {
    tls: config::Tls,
    proxy: config::Proxy,
    certificates: Option<Certificates>,
}

/// Why somebody may not come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::channel::node) enum Refusal {
    /// There is no certificate.
    Nobody,
    /// The subject is not one of ours.
    Stranger,
    /// The certificate has ended, or its authority is not accepted any more.
    NoMore,
    /// Whoever sends this is not the proxy.
    NotTheProxy,
    /// The proxy's header stands there more than once.
    Repeated,
    /// The proxy's header cannot be read.
    Unreadable,
    /// The certificate in the proxy's header does not pass.
    Untrusted,
}

impl Refusal {
    /// In words, for the answer.
    pub(in crate::channel::node) fn text(self) -> &'static str {
        match self {
            Refusal::Nobody => "there is no client certificate",
            Refusal::Stranger => "the subject of the client certificate is not allowed here",
            Refusal::NoMore => "the client certificate is not accepted any more",
            Refusal::NotTheProxy => "only the proxy may call here",
            Refusal::Repeated => "the header with the client certificate stands there twice",
            Refusal::Unreadable => "the header with the client certificate cannot be read",
            Refusal::Untrusted => "the client certificate is not accepted",
        }
    }
}

impl Gate {
    pub(in crate::channel::node) fn new(
        config: &config::Node,
        certificates: Option<Certificates>,
    ) -> Gate {
        Gate {
            tls: config.tls.clone(),
            proxy: config.proxy.clone(),
            certificates,
        }
    }

    /// Who it is, if that is known, and whether it must stay outside.
    pub(in crate::channel::node) fn admit(
        &self,
        parts: &Parts,
        now: Instant,
    ) -> (Option<String>, Option<Refusal>) {
        let peer = if self.tls.enabled {
            // No header is looked at: who it is stands in the handshake.
            parts.extensions.get().cloned().ok_or(Refusal::Nobody)
        } else if self.proxy.enabled {
            self.through_the_proxy(parts)
        } else {
            return (None, None);
        };
        match peer {
            Ok(peer) => {
                let refusal = self.refusal(&peer, now);
                (Some(peer.common_name), refusal)
            }
            Err(refusal) => {
                tracing::warn!(reason = refusal.text(), "somebody was turned away");
                (None, Some(refusal))
            }
        }
    }

    fn refusal(&self, peer: &Peer, now: Instant) -> Option<Refusal> {
        if !self.tls.allowed_subjects.contains(&peer.common_name) {
            return Some(Refusal::Stranger);
        }
        let is_good = peer
            .shown
            .as_ref()
            .is_none_or(|shown| shown.is_still_good(now));
        (!is_good).then_some(Refusal::NoMore)
    }

    fn through_the_proxy(&self, parts: &Parts) -> Result<Peer, Refusal> {
        let address = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let is_proxy = address.is_some_and(|ConnectInfo(address)| {
            let known = &self.proxy.addresses;
            known.iter().any(|network| network.contains(address.ip()))
        });
        if !is_proxy {
            return Err(Refusal::NotTheProxy);
        }
        proxy::peer(&parts.headers, &self.proxy, self.certificates.as_ref())
    }
}
