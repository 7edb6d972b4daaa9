//! A small public key infrastructure for tests: authorities, certificates and revocation lists. The
//! benchmarks include this file too.

use std::path::{Path, PathBuf};

use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::{
    AuthorityKeyIdentifier, BasicConstraints, CrlNumber, ExtendedKeyUsage, SubjectAlternativeName,
    SubjectKeyIdentifier,
};
use openssl::x509::{X509, X509Crl, X509CrlBuilder, X509NameBuilder, X509RevokedBuilder};

/// The first of January of 2020 and of 2069, in seconds since 1970: certificates hold between them
/// whatever day it is.
const ALWAYS: (i64, i64) = (1_577_836_800, 3_124_224_000);
/// A year that has passed.
pub(crate) const PAST: (i64, i64) = (1_262_304_000, 1_293_840_000);
/// A year that is far away.
pub(crate) const FUTURE: (i64, i64) = (3_155_760_000, 3_187_296_000);

/// A certificate with its key.
pub(crate) struct Identity {
    pub(crate) certificate: X509,
    pub(crate) key: PKey<Private>,
}

/// What a certificate is for.
pub(crate) enum Use {
    Authority,
    Server,
    Client,
}

/// A certificate that holds today.
pub(crate) fn identity(name: &str, usage: &Use, issuer: Option<&Identity>) -> Identity {
    dated(&[name], usage, issuer, ALWAYS)
}

/// A certificate for these common names that holds between two instants, signed by an authority or
/// by itself.
pub(crate) fn dated(
    names: &[&str],
    usage: &Use,
    issuer: Option<&Identity>,
    (from, to): (i64, i64),
) -> Identity {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
    let mut subject = X509NameBuilder::new().unwrap();
    for name in names {
        subject.append_entry_by_nid(Nid::COMMONNAME, name).unwrap();
    }
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
        .set_issuer_name(issuer.map_or(&subject, |i| i.certificate.subject_name()))
        .unwrap();
    builder
        .set_not_before(&Asn1Time::from_unix(from).unwrap())
        .unwrap();
    builder
        .set_not_after(&Asn1Time::from_unix(to).unwrap())
        .unwrap();
    builder.set_pubkey(&key).unwrap();
    let context = builder.x509v3_context(issuer.map(|i| &*i.certificate), None);
    let extensions = match usage {
        Use::Authority => vec![
            BasicConstraints::new().critical().ca().build().unwrap(),
            SubjectKeyIdentifier::new().build(&context).unwrap(),
        ],
        Use::Server => vec![
            SubjectAlternativeName::new()
                .ip("127.0.0.1")
                .build(&context)
                .unwrap(),
            ExtendedKeyUsage::new().server_auth().build().unwrap(),
        ],
        Use::Client => vec![ExtendedKeyUsage::new().client_auth().build().unwrap()],
    };
    for extension in extensions {
        builder.append_extension(extension).unwrap();
    }
    builder
        .sign(issuer.map_or(&key, |i| &i.key), MessageDigest::sha256())
        .unwrap();
    Identity {
        certificate: builder.build(),
        key,
    }
}

impl Identity {
    pub(crate) fn pem(&self) -> String {
        String::from_utf8(self.certificate.to_pem().unwrap()).unwrap()
    }

    pub(crate) fn key_pem(&self) -> Vec<u8> {
        self.key.private_key_to_pem_pkcs8().unwrap()
    }

    /// Writes `NAME.pem` and `NAME.key`.
    pub(crate) fn write(&self, folder: &Path, name: &str) -> (PathBuf, PathBuf) {
        let (certificate, key) = (
            folder.join(format!("{name}.pem")),
            folder.join(format!("{name}.key")),
        );
        std::fs::write(&certificate, self.pem()).unwrap();
        std::fs::write(&key, self.key_pem()).unwrap();
        (certificate, key)
    }

    /// The list of what this authority has revoked.
    pub(crate) fn revoke(&self, revoked: &[&Identity], (from, to): (i64, i64)) -> X509Crl {
        let from = Asn1Time::from_unix(from).unwrap();
        let mut list = X509CrlBuilder::new().unwrap();
        list.set_issuer_name(self.certificate.subject_name())
            .unwrap();
        list.set_last_update(&from).unwrap();
        list.set_next_update(&Asn1Time::from_unix(to).unwrap())
            .unwrap();
        for identity in revoked {
            let mut entry = X509RevokedBuilder::new().unwrap();
            entry
                .set_serial_number(identity.certificate.serial_number())
                .unwrap();
            entry.set_revocation_date(&from).unwrap();
            list.add_revoked(entry.build()).unwrap();
        }
        let context_of = X509::builder().unwrap();
        let context = context_of.x509v3_context(Some(&self.certificate), None);
        let issuer = AuthorityKeyIdentifier::new()
            .keyid(true)
            .build(&context)
            .unwrap();
        list.append_extension(issuer).unwrap();
        let number = CrlNumber::new(BigNum::from_u32(1).unwrap()).unwrap();
        list.append_extension(number.build().unwrap()).unwrap();
        list.sign(&self.key, MessageDigest::sha256()).unwrap();
        list.build().unwrap()
    }

    /// The same, as it stands in a file, in force today.
    pub(crate) fn revocations(&self, revoked: &[&Identity]) -> String {
        String::from_utf8(self.revoke(revoked, ALWAYS).to_pem().unwrap()).unwrap()
    }
}
