//! The files of TLS, and what is made of them: all of one reading, or nothing.

use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::Path;

use openssl::asn1::{Asn1Time, Asn1TimeRef};
use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{
    AlpnError, SslAcceptor, SslFiletype, SslMethod, SslOptions, SslRef, SslVerifyMode, SslVersion,
    select_next_proto,
};
use openssl::stack::Stack;
use openssl::x509::store::{
    File as LookupFile, X509Lookup, X509LookupRef, X509Store, X509StoreBuilder,
};
use openssl::x509::verify::{X509VerifyFlags, X509VerifyParam};
use openssl::x509::{X509, X509Crl, X509NameRef, X509PurposeId, X509StoreContext};

use super::TlsError;
use crate::config;
use crate::domain::day::Instant;
use crate::metrics::Credential;
use crate::wire::digest::sha256;

/// Authorities between a client's certificate and a root, at most.
const DEPTH: u8 = 3;
/// Sessions that are remembered, at most; each holds the client's certificates.
const SESSIONS: i32 = 1_024;

/// What stands in the files.
pub(super) struct Files {
    certificate: Option<Vec<u8>>,
    key: Option<Vec<u8>>,
    client_ca: Vec<u8>,
    crl: Option<Vec<u8>>,
}

/// What is made of the files.
pub(super) struct Material {
    /// Speaks TLS; nothing behind a proxy that does.
    pub(super) acceptor: Option<SslAcceptor>,
    /// Judges clients' certificates.
    pub(super) trust: Trust,
    /// How long each of them holds.
    pub(super) credentials: Vec<Credential>,
}

impl Files {
    /// Reads the files.
    ///
    /// # Errors
    /// [`TlsError::Read`]: one of them cannot be read.
    pub(super) fn read(config: &config::Tls) -> Result<Files, TlsError> {
        let own = |key, file: &Path| match config.enabled {
            true => read(key, file).map(Some),
            false => Ok(None),
        };
        Ok(Files {
            certificate: own("node.tls.certificate_file", &config.certificate_file)?,
            key: own("node.tls.key_file", &config.key_file)?,
            client_ca: read("node.tls.client_ca_file", &config.client_ca_file)?,
            crl: match config.crl_file.as_os_str().is_empty() {
                true => None,
                false => Some(read("node.tls.crl_file", &config.crl_file)?),
            },
        })
    }

    /// Differs when one of the files differs.
    pub(super) fn fingerprint(&self) -> String {
        let parts = [&self.certificate, &self.key, &self.crl];
        let mut each = sha256(&self.client_ca);
        for part in parts {
            each.push_str(&part.as_deref().map(sha256).unwrap_or_default());
            each.push('/');
        }
        each
    }

    /// What they hold, as far as it can be read, with every mistake there is.
    pub(super) fn inspect(&self, config: &config::Tls) -> (Vec<Credential>, Vec<TlsError>) {
        let mut wrong = vec![];
        let mut found = vec![];
        match self.own(config) {
            Ok(Some(own)) => found.extend(own.credentials()),
            Ok(None) => {}
            Err(error) => wrong.push(error),
        }
        match self.authorities(config) {
            Ok(authorities) => {
                found.extend(authorities.iter().map(|ca| credential("client_ca", ca)));
                match self.lists(config, &authorities) {
                    Ok(lists) => found.extend(lists.iter().filter_map(list_credential)),
                    Err(error) => wrong.push(error),
                }
            }
            Err(error) => wrong.push(error),
        }
        (found, wrong)
    }

    /// Makes everything anew.
    ///
    /// # Errors
    /// [`TlsError`]: what does not fit.
    pub(super) fn make(&self, config: &config::Tls) -> Result<Material, TlsError> {
        let own = self.own(config)?;
        let authorities = self.authorities(config)?;
        let lists = self.lists(config, &authorities)?;
        let mut credentials: Vec<Credential> = own.iter().flat_map(Own::credentials).collect();
        credentials.extend(authorities.iter().map(|ca| credential("client_ca", ca)));
        credentials.extend(lists.iter().filter_map(list_credential));
        let crl = self.crl.as_deref();
        let store = || store(&authorities, crl, &config.crl_file);
        let acceptor = match &own {
            Some(own) => Some(acceptor(own, &authorities, store()?)?),
            None => None,
        };
        Ok(Material {
            acceptor,
            trust: Trust(store()?),
            credentials,
        })
    }

    fn own(&self, config: &config::Tls) -> Result<Option<Own>, TlsError> {
        let (Some(certificate), Some(key)) = (&self.certificate, &self.key) else {
            return Ok(None);
        };
        let name = "node.tls.certificate_file";
        let mut chain = certificates(name, &config.certificate_file, certificate)?.into_iter();
        let leaf = chain
            .next()
            .ok_or_else(|| empty(name, &config.certificate_file))?;
        // With an empty passphrase a locked key is an error; without any, OpenSSL would ask for
        // one on the terminal.
        let key = PKey::private_key_from_pem_passphrase(key, b"")
            .map_err(in_file("node.tls.key_file", &config.key_file))?;
        if !leaf.public_key()?.public_eq(&key) {
            return Err(TlsError::OtherKey {
                file: config.key_file.display().to_string(),
            });
        }
        Ok(Some(Own {
            leaf,
            chain: chain.collect(),
            key,
        }))
    }

    fn authorities(&self, config: &config::Tls) -> Result<Vec<X509>, TlsError> {
        let name = "node.tls.client_ca_file";
        let found = certificates(name, &config.client_ca_file, &self.client_ca)?;
        match found.is_empty() {
            true => Err(empty(name, &config.client_ca_file)),
            false => Ok(found),
        }
    }

    /// The revocation lists; if there are any, every authority has one that it signed itself.
    fn lists(&self, config: &config::Tls, authorities: &[X509]) -> Result<Vec<X509Crl>, TlsError> {
        let Some(bytes) = &self.crl else {
            return Ok(vec![]);
        };
        const END: &str = "-----END X509 CRL-----";
        let text = String::from_utf8_lossy(bytes);
        let mut lists = vec![];
        for block in text
            .split_inclusive(END)
            .filter(|block| block.contains(END))
        {
            let list = X509Crl::from_pem(block.as_bytes());
            lists.push(list.map_err(in_file("node.tls.crl_file", &config.crl_file))?);
        }
        for authority in authorities {
            let key = authority.public_key()?;
            let is_listed = lists.iter().any(|list| {
                let issuer = list.issuer_name().try_cmp(authority.subject_name());
                issuer.is_ok_and(std::cmp::Ordering::is_eq) && list.verify(&key).unwrap_or(false)
            });
            if !is_listed {
                return Err(TlsError::Unlisted {
                    file: config.crl_file.display().to_string(),
                    authority: subject(authority.subject_name()),
                });
            }
        }
        Ok(lists)
    }
}

/// This server's own certificate.
struct Own {
    leaf: X509,
    chain: Vec<X509>,
    key: PKey<Private>,
}

impl Own {
    fn credentials(&self) -> Vec<Credential> {
        let chain = self.chain.iter().map(|c| credential("server_chain", c));
        std::iter::once(credential("server", &self.leaf))
            .chain(chain)
            .collect()
    }
}

/// The authorities whose clients come in, and the lists of those that do not.
pub(super) struct Trust(X509Store);

impl Trust {
    /// Judges a certificate as the handshake does: its signatures up to an authority, its dates, its
    /// use by a client, the length of its chain, the revocation lists.
    ///
    /// # Errors
    /// What is wrong with it, in OpenSSL's words.
    pub(super) fn judge(&self, leaf: &X509, chain: &[X509]) -> Result<(), String> {
        let judged = || {
            let mut between = Stack::new()?;
            for certificate in chain {
                between.push(certificate.clone())?;
            }
            let mut context = X509StoreContext::new()?;
            context.init(&self.0, leaf, &between, |context| {
                Ok(match context.verify_cert()? {
                    true => Ok(()),
                    false => Err(context.error().error_string().to_owned()),
                })
            })
        };
        judged().unwrap_or_else(|error: ErrorStack| Err(error.to_string()))
    }
}

fn acceptor(own: &Own, authorities: &[X509], store: X509Store) -> Result<SslAcceptor, TlsError> {
    let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server())?;
    builder.set_min_proto_version(Some(SslVersion::TLS1_2))?;
    builder.set_certificate(&own.leaf)?;
    for certificate in &own.chain {
        builder.add_extra_chain_cert(certificate.clone())?;
    }
    builder.set_private_key(&own.key)?;
    builder.check_private_key()?;
    for authority in authorities {
        builder.add_client_ca(authority)?;
    }
    builder.set_verify_cert_store(store)?;
    builder.set_verify_depth(u32::from(DEPTH));
    builder.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
    // Without it every resumed session dies, and a Java client resumes by default.
    builder.set_session_id_context(b"pagomensa")?;
    // Sessions are remembered here and not in tickets: they end with this set of certificates, and
    // a resumed one still has the whole chain of its client, which is judged again.
    builder.set_options(SslOptions::NO_TICKET | SslOptions::NO_RENEGOTIATION);
    builder.set_session_cache_size(SESSIONS);
    builder.set_alpn_select_callback(|_: &mut SslRef, offered| {
        select_next_proto(b"\x08http/1.1", offered).ok_or(AlpnError::NOACK)
    });
    Ok(builder.build())
}

fn store(authorities: &[X509], crl: Option<&[u8]>, file: &Path) -> Result<X509Store, TlsError> {
    let mut param = X509VerifyParam::new()?;
    param.set_depth(i32::from(DEPTH));
    param.set_purpose(X509PurposeId::SSL_CLIENT)?;
    let mut builder = X509StoreBuilder::new()?;
    for authority in authorities {
        builder.add_cert(authority.clone())?;
    }
    if let Some(crl) = crl {
        let lookup = builder.add_lookup(X509Lookup::file())?;
        load_lists(lookup, crl, file)?;
        param.set_flags(X509VerifyFlags::CRL_CHECK | X509VerifyFlags::CRL_CHECK_ALL)?;
    }
    builder.set_param(&param)?;
    Ok(builder.build())
}

/// Hands OpenSSL the lists that were read. It takes lists from a file only, and a second look at ours
/// could find others there than those that were checked and told: so it reads a pipe.
fn load_lists(
    lookup: &mut X509LookupRef<LookupFile>,
    lists: &[u8],
    file: &Path,
) -> Result<(), TlsError> {
    let key = "node.tls.crl_file";
    let broken = |source| TlsError::Read {
        key,
        file: file.display().to_string(),
        source,
    };
    let (reader, mut writer) = std::io::pipe().map_err(broken)?;
    let place = format!("/dev/fd/{}", reader.as_raw_fd());
    std::thread::scope(|scope| {
        // In a thread of its own: a pipe holds less than a long list. It is closed at its end.
        let written = std::thread::Builder::new()
            .spawn_scoped(scope, move || writer.write_all(lists))
            .map_err(broken)?;
        let loaded = lookup.load_crl_file(&place, SslFiletype::PEM);
        // Whoever still writes into it, because OpenSSL has stopped, is let go.
        drop(reader);
        let written = written.join();
        loaded.map_err(in_file(key, file))?;
        match written {
            Ok(written) => written.map_err(broken),
            Err(_) => Err(broken(std::io::Error::other(
                "the lists were not handed on",
            ))),
        }
    })
}

fn read(key: &'static str, file: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(file).map_err(|source| TlsError::Read {
        key,
        file: file.display().to_string(),
        source,
    })
}

fn certificates(key: &'static str, file: &Path, pem: &[u8]) -> Result<Vec<X509>, TlsError> {
    X509::stack_from_pem(pem).map_err(in_file(key, file))
}

fn in_file(key: &'static str, file: &Path) -> impl Fn(ErrorStack) -> TlsError {
    let file = file.display().to_string();
    move |source| TlsError::File {
        key,
        file: file.clone(),
        source,
    }
}

fn empty(key: &'static str, file: &Path) -> TlsError {
    TlsError::Empty {
        key,
        file: file.display().to_string(),
    }
}

fn credential(role: &'static str, certificate: &X509) -> Credential {
    Credential {
        role,
        subject: subject(certificate.subject_name()),
        not_before: instant(certificate.not_before()),
        not_after: instant(certificate.not_after()),
    }
}

/// A list that says when it ends.
fn list_credential(list: &X509Crl) -> Option<Credential> {
    Some(Credential {
        role: "crl",
        subject: subject(list.issuer_name()),
        not_before: instant(list.last_update()),
        not_after: instant(list.next_update()?),
    })
}

/// An instant of a certificate; one that cannot be read has passed.
pub(super) fn instant(time: &Asn1TimeRef) -> Instant {
    let since = Asn1Time::from_unix(0).and_then(|epoch| epoch.diff(time));
    let seconds = since.map_or(0, |d| i64::from(d.days) * 86_400 + i64::from(d.secs));
    Instant::from_millis(seconds * 1_000)
}

/// The common name, or where there is none the organisation: authorities often have only that.
fn subject(name: &X509NameRef) -> String {
    [
        Nid::COMMONNAME,
        Nid::ORGANIZATIONALUNITNAME,
        Nid::ORGANIZATIONNAME,
    ]
    .iter()
    .find_map(|nid| {
        let entry = name.entries_by_nid(*nid).next()?;
        entry.data().to_string().ok()
    })
    .unwrap_or_else(|| "without a name".to_owned())
}
