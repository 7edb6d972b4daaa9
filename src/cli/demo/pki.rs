//! The demo's private certificate authority: made on the first start, kept beside its data.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::{
    BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAlternativeName,
};
use openssl::x509::{X509, X509Builder, X509Name, X509NameBuilder};

/// The common name of the simulated node's certificate.
pub(super) const NODE_CLIENT: &str = "forwarder.demo.pagomensa";

/// Days for which the demo's certificates hold; they are made again when the data are thrown away.
const DAYS: u32 = 825;

/// Where the files are.
#[derive(Debug, Clone)]
pub(super) struct Files {
    pub ca: PathBuf,
    pub server_cert: PathBuf,
    pub server_key: PathBuf,
    pub client_cert: PathBuf,
    pub client_key: PathBuf,
    /// The same client's next certificate, as at a renewal: another key, another serial number.
    pub renewed_cert: PathBuf,
    pub renewed_key: PathBuf,
}

/// The certificates cannot be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum PkiError {
    #[error("the demo's certificates cannot be made")]
    Openssl(#[from] ErrorStack),
    #[error("the demo's certificates cannot be written to {file}")]
    Write {
        file: String,
        #[source]
        source: std::io::Error,
    },
}

/// The files in a folder; made when one of them is missing or the certificates are about to end.
pub(super) fn ensure(folder: &Path) -> Result<Files, PkiError> {
    let files = Files {
        ca: folder.join("ca.pem"),
        server_cert: folder.join("node-server.pem"),
        server_key: folder.join("node-server.key"),
        client_cert: folder.join("node-client.pem"),
        client_key: folder.join("node-client.key"),
        renewed_cert: folder.join("node-client-renewed.pem"),
        renewed_key: folder.join("node-client-renewed.key"),
    };
    let all = [
        &files.ca,
        &files.server_cert,
        &files.server_key,
        &files.client_cert,
        &files.client_key,
        &files.renewed_cert,
        &files.renewed_key,
    ];
    if all.iter().all(|file| file.exists()) && is_fresh(&files.server_cert) {
        return Ok(files);
    }
    make(folder, &files)?;
    Ok(files)
}

/// Whether a certificate holds for at least another week.
fn is_fresh(file: &Path) -> bool {
    let next_week = Asn1Time::days_from_now(7);
    let certificate = fs::read(file)
        .ok()
        .and_then(|pem| X509::from_pem(&pem).ok());
    match (certificate, next_week) {
        (Some(certificate), Ok(next_week)) => *certificate.not_after() > *next_week,
        _ => false,
    }
}

fn make(folder: &Path, files: &Files) -> Result<(), PkiError> {
    fs::create_dir_all(folder).map_err(|source| PkiError::Write {
        file: folder.display().to_string(),
        source,
    })?;
    let ca_key = key()?;
    let ca_name = name("PagoMensa demo CA")?;
    let mut builder = certificate(&ca_name, &ca_name, &ca_key)?;
    builder.append_extension(BasicConstraints::new().critical().ca().pathlen(0).build()?)?;
    builder.append_extension(
        KeyUsage::new()
            .critical()
            .key_cert_sign()
            .crl_sign()
            .build()?,
    )?;
    builder.sign(&ca_key, MessageDigest::sha256())?;
    let ca = builder.build();

    let server_key = key()?;
    let mut builder = certificate(&name("localhost")?, &ca_name, &server_key)?;
    let names = SubjectAlternativeName::new()
        .dns("localhost")
        .ip("127.0.0.1")
        .build(&builder.x509v3_context(Some(&ca), None))?;
    builder.append_extension(names)?;
    builder.append_extension(ExtendedKeyUsage::new().server_auth().build()?)?;
    builder.sign(&ca_key, MessageDigest::sha256())?;
    let server = builder.build();

    write(&files.ca, &ca.to_pem()?)?;
    write(&files.server_cert, &server.to_pem()?)?;
    write(&files.server_key, &server_key.private_key_to_pem_pkcs8()?)?;
    for (cert_file, key_file) in [
        (&files.client_cert, &files.client_key),
        (&files.renewed_cert, &files.renewed_key),
    ] {
        let client_key = key()?;
        let mut builder = certificate(&name(NODE_CLIENT)?, &ca_name, &client_key)?;
        builder.append_extension(ExtendedKeyUsage::new().client_auth().build()?)?;
        builder.sign(&ca_key, MessageDigest::sha256())?;
        write(cert_file, &builder.build().to_pem()?)?;
        write(key_file, &client_key.private_key_to_pem_pkcs8()?)?;
    }
    Ok(())
}

fn key() -> Result<PKey<Private>, ErrorStack> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    PKey::from_ec_key(EcKey::generate(&group)?)
}

fn name(common_name: &str) -> Result<X509Name, ErrorStack> {
    let mut builder = X509NameBuilder::new()?;
    builder.append_entry_by_nid(Nid::COMMONNAME, common_name)?;
    Ok(builder.build())
}

/// A certificate to be completed and signed.
fn certificate(
    subject: &X509Name,
    issuer: &X509Name,
    key: &PKey<Private>,
) -> Result<X509Builder, ErrorStack> {
    let mut serial = BigNum::new()?;
    serial.rand(159, MsbOption::MAYBE_ZERO, false)?;
    let mut builder = X509::builder()?;
    builder.set_version(2)?;
    builder.set_serial_number(serial.to_asn1_integer()?.as_ref())?;
    builder.set_subject_name(subject)?;
    builder.set_issuer_name(issuer)?;
    builder.set_not_before(Asn1Time::days_from_now(0)?.as_ref())?;
    builder.set_not_after(Asn1Time::days_from_now(DAYS)?.as_ref())?;
    builder.set_pubkey(key)?;
    Ok(builder)
}

/// Writes a file that only its owner can read.
fn write(file: &Path, bytes: &[u8]) -> Result<(), PkiError> {
    let written = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(file)
        .and_then(|mut open| open.write_all(bytes));
    written.map_err(|source| PkiError::Write {
        file: file.display().to_string(),
        source,
    })
}
