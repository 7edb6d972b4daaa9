//! Addresses to which a browser may be sent: only those below a prefix that the creditor has
//! registered, so that nobody can send a parent elsewhere through us.

use std::net::IpAddr;

use url::Url;

/// An address below which a portal's own pages lie: scheme, host and port, and the beginning of the
/// path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefix(Url);

/// It is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "is not an https:// address without user, query and fragment (http:// only on this machine)"
)]
pub struct PrefixError;

/// Longest address that a browser is sent to, in bytes.
const LONGEST: usize = 1_000;

/// Whether an address is on this machine.
fn is_near(url: &Url) -> bool {
    url.host_str().is_some_and(|host| {
        let bare = host.trim_matches(['[', ']']);
        bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    })
}

/// An address that a browser may be sent to at all.
fn web(text: &str) -> Option<Url> {
    let is_plain = text.len() <= LONGEST && text.bytes().all(|b| b.is_ascii_graphic());
    let url = Url::parse(text).ok().filter(|_| is_plain)?;
    let is_safe = url.scheme() == "https" || (url.scheme() == "http" && is_near(&url));
    let is_bare = url.username().is_empty() && url.password().is_none();
    (is_safe && is_bare && url.has_host()).then_some(url)
}

impl Prefix {
    /// Reads a prefix.
    ///
    /// # Errors
    /// [`PrefixError`].
    pub fn parse(text: &str) -> Result<Prefix, PrefixError> {
        web(text)
            .filter(|url| url.query().is_none() && url.fragment().is_none())
            .map(Prefix)
            .ok_or(PrefixError)
    }

    /// Whether an address lies below it: the same scheme, host and port, and a path that begins with
    /// all of its pieces.
    fn holds(&self, url: &Url) -> bool {
        let own = self.0.path().trim_end_matches('/');
        self.0.origin() == url.origin()
            && url
                .path()
                .strip_prefix(own)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The address, when it lies below one of these prefixes; as it was understood here, so that
    /// nobody understands it otherwise.
    pub fn admit(prefixes: &[Prefix], text: &str) -> Option<String> {
        let url = web(text)?;
        let is_below = prefixes.iter().any(|prefix| prefix.holds(&url));
        is_below.then(|| url.to_string())
    }
}

/// The address with two more fields in its query.
pub fn with_fields(address: &str, fields: &[(&str, &str)]) -> String {
    match Url::parse(address) {
        Ok(mut url) => {
            url.query_pairs_mut().extend_pairs(fields);
            url.to_string()
        }
        Err(_) => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_below_its_prefix_and_nowhere_else() {
        let prefixes = [
            Prefix::parse("https://portale.example.org/mensa/").unwrap(),
            Prefix::parse("https://scuola.example.org:8443").unwrap(),
            Prefix::parse("http://127.0.0.1:8082/").unwrap(),
        ];
        for good in [
            "https://portale.example.org/mensa",
            "https://portale.example.org/mensa/esito?pratica=7",
            "https://PORTALE.example.org:443/mensa/a/../b",
            "https://scuola.example.org:8443/qualunque",
            "http://127.0.0.1:8082/portal",
        ] {
            assert!(Prefix::admit(&prefixes, good).is_some(), "{good}");
        }
        for bad in [
            "",
            "/mensa/esito",
            "//portale.example.org/mensa/",
            "http://portale.example.org/mensa/",
            "https://portale.example.org/",
            "https://portale.example.org/mensaria",
            "https://portale.example.org/mensa/../altro",
            "https://portale.example.org/mensa/%2e%2e/altro",
            "https://portale.example.org\\@evil.example/mensa/",
            "https://portale.example.org.evil.example/mensa/",
            "https://portale.example.org@evil.example/mensa/",
            "https://u:p@portale.example.org/mensa/",
            "https://portale.example.org:444/mensa/",
            "https://scuola.example.org/",
            "http://127.0.0.1:8083/portal",
            "javascript:alert(1)",
            "https://portale.example.org/mensa/\r\nSet-Cookie: a=b",
            " https://portale.example.org/mensa/",
        ] {
            assert_eq!(Prefix::admit(&prefixes, bad), None, "{bad}");
        }
        let long = format!("https://scuola.example.org:8443/{}", "a".repeat(1_000));
        assert_eq!(Prefix::admit(&prefixes, &long), None);
    }

    #[test]
    fn a_prefix_is_an_https_address_without_more() {
        for bad in [
            "portale.example.org",
            "http://portale.example.org/",
            "https://u@portale.example.org/",
            "https://portale.example.org/?a=1",
            "https://portale.example.org/#a",
            "file:///etc/passwd",
        ] {
            assert_eq!(Prefix::parse(bad), Err(PrefixError), "{bad}");
        }
    }

    #[test]
    fn fields_join_those_that_are_there() {
        for (address, expected) in [
            ("https://a.example/b", "https://a.example/b?c=1&d=x+y"),
            (
                "https://a.example/b?q=2",
                "https://a.example/b?q=2&c=1&d=x+y",
            ),
        ] {
            assert_eq!(with_fields(address, &[("c", "1"), ("d", "x y")]), expected);
        }
    }
}
