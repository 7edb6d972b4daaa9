//! The client's certificate as a proxy hands it on, when the proxy ends TLS.

use axum::http::HeaderMap;
use openssl::x509::X509;
use percent_encoding::percent_decode_str;

use super::{Certificates, Peer, Refusal, material};
use crate::config;

/// The longest header that is read: a certificate with its chain has some kilobytes.
const LONGEST: usize = 32 * 1024;

/// The client that the proxy's header names.
///
/// # Errors
/// Why the header names nobody who may come in.
pub(super) fn peer(
    headers: &HeaderMap,
    config: &config::Proxy,
    certificates: Option<&Certificates>,
) -> Result<Peer, Refusal> {
    let mut values = headers.get_all(&config.header).iter();
    let value = values.next().ok_or(Refusal::Nobody)?;
    if values.next().is_some() {
        return Err(Refusal::Repeated);
    }
    let text = value.to_str().map_err(|_| Refusal::Unreadable)?;
    if text.len() > LONGEST {
        return Err(Refusal::Unreadable);
    }
    match config.format {
        config::ProxyFormat::SubjectDn => Ok(Peer {
            common_name: common_name(text).ok_or(Refusal::Unreadable)?,
            shown: None,
        }),
        // No escaped certificate has a comma: two headers were made one, and whose is the first?
        config::ProxyFormat::EscapedPem if text.contains(',') => Err(Refusal::Repeated),
        config::ProxyFormat::EscapedPem => {
            let pem: Vec<u8> = percent_decode_str(text).collect();
            let found = X509::stack_from_pem(&pem).map_err(|_| Refusal::Unreadable)?;
            let (leaf, chain) = found.split_first().ok_or(Refusal::Unreadable)?;
            let certificates = certificates.ok_or(Refusal::Nobody)?;
            let trust = &certificates.current().material.trust;
            trust.judge(leaf, chain).map_err(|reason| {
                tracing::warn!(reason, "a certificate that the proxy handed on is refused");
                Refusal::Untrusted
            })?;
            let peer = Peer {
                common_name: super::common_name(leaf),
                shown: None,
            };
            certificates.tell_of_client(&peer, material::instant(leaf.not_after()));
            Ok(peer)
        }
    }
}

/// The common name of a distinguished name (RFC 4514); nothing when it has none or several.
fn common_name(name: &str) -> Option<String> {
    let mut found = None;
    let mut rest = name;
    loop {
        let (attribute, value) = rest.split_once('=')?;
        let (value, after) = take_value(value)?;
        let is_common = matches!(
            attribute.trim().to_ascii_uppercase().as_str(),
            "CN" | "2.5.4.3"
        );
        if is_common && found.replace(value).is_some() {
            return None;
        }
        match after {
            Some(after) => rest = after,
            None => return found,
        }
    }
}

/// A value with its escapes undone, and what follows the separator after it.
fn take_value(text: &str) -> Option<(String, Option<&str>)> {
    let mut bytes = vec![];
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            ',' | '+' => return Some((String::from_utf8(bytes).ok()?, text.get(at + 1..))),
            '\\' => {
                let (_, first) = characters.next()?;
                match first.to_digit(16) {
                    Some(high) => {
                        let low = characters.next()?.1.to_digit(16)?;
                        bytes.push(u8::try_from(high * 16 + low).ok()?);
                    }
                    None => bytes.extend(first.to_string().bytes()),
                }
            }
            // Older texts put values in quotes; nobody who hands a name on does.
            '"' | ';' | '<' | '>' => return None,
            other => bytes.extend(other.to_string().bytes()),
        }
    }
    Some((String::from_utf8(bytes).ok()?, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_exactly_one_common_name() {
        let table = [
            ("CN=a.b,O=PagoPA S.p.A.,C=IT", Some("a.b")),
            ("O=PagoPA\\, S.p.A.,CN=a.b", Some("a.b")),
            ("OU=x+cn=a.b,C=IT", Some("a.b")),
            ("2.5.4.3=a.b", Some("a.b")),
            ("O=x\\,CN=a.b", None),
            ("O=x\\2CCN=a.b,CN=c", Some("c")),
            ("CN=a\\00.b", Some("a\0.b")),
            ("CN=citt\\C3\\A0", Some("città")),
            ("CN=a.b,CN=c.d", None),
            ("CN=a.b,", None),
            ("CN=a.b\\", None),
            ("CN=\\C3", None),
            ("CN=\"a.b\"", None),
            ("/C=IT/CN=a.b", None),
            ("O=x", None),
            ("", None),
        ];
        for (name, expected) in table {
            assert_eq!(common_name(name).as_deref(), expected, "{name}");
        }
    }
}
