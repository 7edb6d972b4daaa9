//! Our own calls to others, for the journal.

use super::{Reply, Subject, iuv};
use crate::clock::{Ids, Stopwatch};
use crate::domain::day::Instant;
use crate::domain::ids::{DocumentId, ExchangeId};
use crate::domain::text::cut;
use crate::store::documents::Document;
use crate::store::exchanges::{Direction, Exchange, Kind};
use crate::wire::digest::sha256;

use super::Entry;

/// A call of ours that has ended, well or badly. What authenticates us (bearer tokens, subscription
/// keys) travels in headers and is no part of it.
#[derive(Debug, Clone)]
pub struct Outbound {
    /// Whom we called: `ledger`, …
    pub party: &'static str,
    /// The HTTP method.
    pub method: &'static str,
    /// The address; user, password and what looks like a key in the query are left out of the
    /// journal.
    pub url: String,
    /// When the call began.
    pub started_at: Instant,
    /// Started with the call.
    pub stopwatch: Stopwatch,
    /// The body that was sent.
    pub request: Vec<u8>,
    /// What came back; status 0 when nothing did, and the outcome says why.
    pub reply: Reply,
    /// The operation, and what it was about.
    pub subject: Subject,
    /// The IUV, when the notice number does not give it.
    pub iuv: Option<String>,
}

/// Longest address that is kept.
const ADDRESS: usize = 500;

impl Outbound {
    /// The line of the journal, with the bytes of both sides.
    pub(super) fn close(self, ids: &Ids) -> Entry {
        let duration_us = self.stopwatch.micros();
        let document = |kind, bytes: Vec<u8>| Document {
            id: DocumentId::new(ids.next(self.started_at)),
            kind,
            sha256: sha256(&bytes),
            bytes,
            stored_at: self.started_at,
        };
        let request = document("http_request", self.request);
        let reply = document("http_reply", self.reply.bytes);
        Entry {
            exchange: Exchange {
                id: ExchangeId::new(ids.next(self.started_at)),
                started_at: self.started_at,
                direction: Direction::Out,
                party: self.party.to_owned(),
                kind: Kind::Outbound,
                operation: self.subject.operation,
                address: Some(address(self.method, &self.url)),
                peer: None,
                iuv: iuv(self.subject.notice.as_deref()).or(self.iuv),
                creditor: self.subject.creditor,
                notice: self.subject.notice,
                reference: self.subject.reference,
                outcome: self.reply.outcome,
                http_status: self.reply.http_status,
                duration_us,
                request: Some(request.paper()),
                reply: Some(reply.paper()),
            },
            request,
            reply,
        }
    }
}

/// Words in the name of a query's field that holds a secret.
const SECRETS: [&str; 6] = ["key", "token", "secret", "password", "code", "sig"];

/// Method and address without what must not be kept.
pub(super) fn address(method: &str, url: &str) -> String {
    let (place, query) = match url.split_once('?') {
        Some((place, query)) => (place, Some(query)),
        None => (url, None),
    };
    let mut text = format!("{method} {}", without_user(place));
    for (index, field) in query.into_iter().flat_map(|q| q.split('&')).enumerate() {
        text.push(if index == 0 { '?' } else { '&' });
        let name = field.split('=').next().unwrap_or_default();
        let lower = name.to_ascii_lowercase();
        match SECRETS.iter().any(|word| lower.contains(word)) {
            true => text.push_str(&format!("{name}=***")),
            false => text.push_str(field),
        }
    }
    cut(&text, ADDRESS).to_owned()
}

/// An address without the user and password that may stand before its host.
fn without_user(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let (authority, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_stay_out_of_addresses() {
        for (url, expected) in [
            ("http://h/a/b", "GET http://h/a/b"),
            ("https://u:p@h:1/a@b?x=1", "GET https://h:1/a@b?x=1"),
            ("https://u:p@h", "GET https://h"),
            (
                "/a?subscription-Key=s&page=2",
                "GET /a?subscription-Key=***&page=2",
            ),
            ("/a?access_token=s", "GET /a?access_token=***"),
        ] {
            assert_eq!(address("GET", url), expected);
        }
        assert!(address("GET", &"è".repeat(1_000)).chars().count() <= ADDRESS);
    }
}
