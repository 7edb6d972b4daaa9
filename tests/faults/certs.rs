//! Certificates for a real door with mutual TLS: an authority, the server and the node.

use std::path::Path;

use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::{BasicConstraints, ExtendedKeyUsage, SubjectAlternativeName};
use openssl::x509::{X509, X509Name, X509NameBuilder};

/// The common name that the door lets in.
pub const NODE: &str = "forwarder.faults.test";

struct Identity {
    certificate: X509,
    key: PKey<Private>,
}

enum Use {
    Authority,
    Server,
    Client,
}

fn name(text: &str) -> X509Name {
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_nid(Nid::COMMONNAME, text).unwrap();
    name.build()
}

fn identity(common_name: &str, usage: &Use, issuer: Option<&Identity>) -> Identity {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
    let subject = name(common_name);
    let mut serial = BigNum::new().unwrap();
    serial.rand(100, MsbOption::MAYBE_ZERO, false).unwrap();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    let serial = serial.to_asn1_integer().unwrap();
    builder.set_serial_number(&serial).unwrap();
    builder.set_subject_name(&subject).unwrap();
    let issuer_name = issuer.map_or(&*subject, |issuer| issuer.certificate.subject_name());
    builder.set_issuer_name(issuer_name).unwrap();
    let (begin, end) = (Asn1Time::days_from_now(0), Asn1Time::days_from_now(30));
    builder.set_not_before(&begin.unwrap()).unwrap();
    builder.set_not_after(&end.unwrap()).unwrap();
    builder.set_pubkey(&key).unwrap();
    let extension = match usage {
        Use::Authority => BasicConstraints::new().critical().ca().build(),
        Use::Server => {
            let context = builder.x509v3_context(issuer.map(|i| &*i.certificate), None);
            SubjectAlternativeName::new()
                .ip("127.0.0.1")
                .build(&context)
        }
        Use::Client => ExtendedKeyUsage::new().client_auth().build(),
    };
    builder.append_extension(extension.unwrap()).unwrap();
    let signer = issuer.map_or(&key, |issuer| &issuer.key);
    builder.sign(signer, MessageDigest::sha256()).unwrap();
    Identity {
        certificate: builder.build(),
        key,
    }
}

/// Writes what the server needs into a folder, and gives a client that is the node.
///
/// Each call of that client is a connection of its own: a call that is lost was in flight, and not
/// one that chose a connection which was about to close.
pub fn make(folder: &Path) -> reqwest::Client {
    let ca = identity("the faults' authority", &Use::Authority, None);
    let server = identity("server", &Use::Server, Some(&ca));
    let node = identity(NODE, &Use::Client, Some(&ca));
    std::fs::write(folder.join("ca.pem"), ca.certificate.to_pem().unwrap()).unwrap();
    std::fs::write(
        folder.join("server.pem"),
        server.certificate.to_pem().unwrap(),
    )
    .unwrap();
    let key = server.key.private_key_to_pem_pkcs8().unwrap();
    std::fs::write(folder.join("server.key"), key).unwrap();
    let authority = reqwest::Certificate::from_der(&ca.certificate.to_der().unwrap()).unwrap();
    let pair = reqwest::Identity::from_pkcs8_pem(
        &node.certificate.to_pem().unwrap(),
        &node.key.private_key_to_pem_pkcs8().unwrap(),
    );
    reqwest::Client::builder()
        .no_proxy()
        .timeout(std::time::Duration::from_secs(15))
        .pool_max_idle_per_host(0)
        .tls_certs_only([authority])
        .identity(pair.unwrap())
        .build()
        .unwrap()
}
