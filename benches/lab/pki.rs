//! Certificates of a run: an authority, the gateway's, and the node's.

use std::path::{Path, PathBuf};

use openssl::ssl::{SslConnector, SslFiletype, SslMethod};

use super::identities::{Use, identity};

/// The name in the node's certificate.
pub(crate) const NODE: &str = "forwarder.bench";

/// Where a certificate lies, and where its key.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// The files with this name in a folder.
pub(crate) fn files(folder: &Path, name: &str) -> Files {
    Files {
        certificate: folder.join(format!("{name}.pem")),
        key: folder.join(format!("{name}.key")),
    }
}

/// Makes `authority`, `server` and `client` in a folder: elliptic curve P-256.
pub(crate) fn make(folder: &Path) {
    let authority = identity("bench CA", &Use::Authority, None);
    authority.write(folder, "authority");
    for (file, name, usage) in [
        ("server", "server", Use::Server),
        ("client", NODE, Use::Client),
    ] {
        identity(name, &usage, Some(&authority)).write(folder, file);
    }
}

/// What the node connects with.
pub(crate) fn client(folder: &Path) -> SslConnector {
    let (own, authority) = (files(folder, "client"), files(folder, "authority"));
    let mut tls = SslConnector::builder(SslMethod::tls_client()).unwrap();
    tls.set_ca_file(authority.certificate).unwrap();
    tls.set_certificate_file(own.certificate, SslFiletype::PEM)
        .unwrap();
    tls.set_private_key_file(own.key, SslFiletype::PEM).unwrap();
    tls.build()
}
