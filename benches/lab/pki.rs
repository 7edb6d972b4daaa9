//! Certificates of a run: an authority, the gateway's, and the node's.

use std::path::{Path, PathBuf};

use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{SslConnector, SslFiletype, SslMethod};
use openssl::x509::extension::{BasicConstraints, ExtendedKeyUsage, SubjectAlternativeName};
use openssl::x509::{X509, X509NameBuilder};

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
    let authority = signed(folder, "authority", "bench CA", None);
    signed(folder, "server", "server", Some(&authority));
    signed(folder, "client", NODE, Some(&authority));
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

fn signed(
    folder: &Path,
    file: &str,
    name: &str,
    authority: Option<&(X509, PKey<Private>)>,
) -> (X509, PKey<Private>) {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
    let mut subject = X509NameBuilder::new().unwrap();
    subject.append_entry_by_nid(Nid::COMMONNAME, name).unwrap();
    let subject = subject.build();
    let mut serial = BigNum::new().unwrap();
    serial.rand(100, MsbOption::MAYBE_ZERO, false).unwrap();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder
        .set_serial_number(&serial.to_asn1_integer().unwrap())
        .unwrap();
    builder.set_subject_name(&subject).unwrap();
    builder
        .set_issuer_name(authority.map_or(&subject, |(issuer, _)| issuer.subject_name()))
        .unwrap();
    let (from, until) = (Asn1Time::days_from_now(0), Asn1Time::days_from_now(30));
    builder.set_not_before(&from.unwrap()).unwrap();
    builder.set_not_after(&until.unwrap()).unwrap();
    builder.set_pubkey(&key).unwrap();
    match authority {
        None => {
            let ca = BasicConstraints::new().critical().ca().build().unwrap();
            builder.append_extension(ca).unwrap();
        }
        Some((issuer, _)) => {
            let context = builder.x509v3_context(Some(issuer), None);
            let names = SubjectAlternativeName::new()
                .ip("127.0.0.1")
                .build(&context);
            builder.append_extension(names.unwrap()).unwrap();
            let usage = ExtendedKeyUsage::new()
                .server_auth()
                .client_auth()
                .build()
                .unwrap();
            builder.append_extension(usage).unwrap();
        }
    }
    let signer = authority.map_or(&key, |(_, key)| key);
    builder.sign(signer, MessageDigest::sha256()).unwrap();
    let certificate = builder.build();
    let to = files(folder, file);
    std::fs::write(to.certificate, certificate.to_pem().unwrap()).unwrap();
    std::fs::write(to.key, key.private_key_to_pem_pkcs8().unwrap()).unwrap();
    (certificate, key)
}
