//! The section `[node]`: the door of the pagoPA node.

use std::path::PathBuf;

use serde::Deserialize;

use super::Network;

/// Section `[node]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// Whether the door is open.
    pub enabled: bool,
    /// Address and port.
    pub listen: String,
    /// Largest message in KiB.
    pub body_limit_kib: usize,
    /// Deadline of a verify or get in seconds.
    pub read_deadline_s: u64,
    /// Deadline of a receipt in seconds.
    pub receipt_deadline_s: u64,
    /// Open connections, at most.
    pub connections: usize,
    /// Open connections of one address, at most.
    pub connections_per_address: usize,
    /// Mutual TLS.
    pub tls: Tls,
    /// A proxy that ends TLS for us.
    pub proxy: Proxy,
}

/// Section `[node.tls]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// Whether TLS is spoken.
    pub enabled: bool,
    /// Server certificate chain, PEM.
    pub certificate_file: PathBuf,
    /// Server key, PEM.
    pub key_file: PathBuf,
    /// Authorities of client certificates, PEM.
    pub client_ca_file: PathBuf,
    /// Accepted common names.
    #[serde(deserialize_with = "super::list")]
    pub allowed_subjects: Vec<String>,
    /// Longest handshake in seconds.
    pub handshake_timeout_s: u64,
    /// Revocation lists of the authorities, PEM.
    pub crl_file: PathBuf,
    /// Seconds between two looks at the files.
    pub reload_every_s: u64,
}

/// Section `[node.proxy]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proxy {
    /// Whether a proxy before the door ends TLS.
    pub enabled: bool,
    /// Who is the proxy.
    #[serde(deserialize_with = "super::list")]
    pub addresses: Vec<Network>,
    /// The header with the client's certificate.
    pub header: String,
    /// What stands in it.
    pub format: ProxyFormat,
}

/// How a proxy hands the client's certificate on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProxyFormat {
    /// The whole certificate, PEM, percent-encoded.
    EscapedPem,
    /// Its subject (RFC 4514).
    SubjectDn,
}
