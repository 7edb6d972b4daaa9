//! Signed tokens in links: whoever has one may see one thing, until a certain instant.
//!
//! A token holds a version and a kind, its end, the creditor and an id, and no personal data; an
//! HMAC-SHA256 (RFC 2104) over all of it, cut to its first half (section 5), stands behind. The 42
//! bytes are 56 characters of base64url (RFC 4648, section 5).

use std::fmt;

use openssl::base64::{decode_block, encode_block};
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::sign;
use uuid::Uuid;

use crate::domain::day::Instant;
use crate::domain::party::CreditorCode;

/// What a token opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The payment page of a notice.
    Notice,
    /// The page on which a top-up is chosen.
    TopUp,
}

/// What stands in a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// What it opens.
    pub kind: Kind,
    /// Whose it is.
    pub creditor: CreditorCode,
    /// The id of the notice, or of the link; a UUID.
    pub id: String,
    /// Until when it opens; whole seconds.
    pub ends: Instant,
}

/// Why a token opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is not one of ours, or of another kind.
    #[error("the token is not one of ours")]
    Forged,
    /// It was one of ours.
    #[error("the token has expired")]
    Expired,
}

/// Makes and reads tokens; never printed.
#[derive(Clone)]
pub struct Signer(PKey<Private>);

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").finish_non_exhaustive()
    }
}

/// Bytes that are signed: version and kind, end, creditor, id.
const BODY: usize = 1 + 4 + 5 + 16;
/// Bytes of the signature.
const MAC: usize = 16;
/// Characters of a token.
const LENGTH: usize = (BODY + MAC) / 3 * 4;
/// What else is signed, so that the key's signature of something else is no token.
const PURPOSE: &[u8] = b"pagomensa link 1\0";

impl Kind {
    fn byte(self) -> u8 {
        match self {
            Kind::Notice => 0x11,
            Kind::TopUp => 0x12,
        }
    }
}

impl Signer {
    /// Signs with this key.
    ///
    /// # Errors
    /// OpenSSL does not take it.
    pub fn new(key: &[u8]) -> Result<Signer, openssl::error::ErrorStack> {
        PKey::hmac(key).map(Signer)
    }

    fn mac(&self, body: &[u8]) -> Option<[u8; MAC]> {
        let mut signer = sign::Signer::new(MessageDigest::sha256(), &self.0).ok()?;
        signer.update(PURPOSE).ok()?;
        signer.update(body).ok()?;
        let mac = signer.sign_to_vec().ok()?;
        mac.first_chunk::<MAC>().copied()
    }

    /// The token; nothing for an id that is no UUID or an end that no token can hold.
    pub fn print(&self, ticket: &Ticket) -> Option<String> {
        let ends = u32::try_from(ticket.ends.as_millis() / 1_000).ok()?;
        let [_, _, _, creditor @ ..] = ticket.creditor.as_str().parse::<u64>().ok()?.to_be_bytes();
        let id = Uuid::parse_str(&ticket.id).ok()?;
        let mut bytes = Vec::with_capacity(BODY + MAC);
        bytes.push(ticket.kind.byte());
        bytes.extend(ends.to_be_bytes());
        bytes.extend(creditor);
        bytes.extend(id.as_bytes());
        let mac = self.mac(&bytes)?;
        bytes.extend(mac);
        Some(encode_block(&bytes).replace('+', "-").replace('/', "_"))
    }

    /// What stands in a token of this kind.
    ///
    /// # Errors
    /// [`TokenError`]; that a token has expired is told to nobody who could not have had it.
    pub fn read(&self, kind: Kind, token: &str, now: Instant) -> Result<Ticket, TokenError> {
        let ticket = self.open(kind, token).ok_or(TokenError::Forged)?;
        if now > ticket.ends {
            return Err(TokenError::Expired);
        }
        Ok(ticket)
    }

    fn open(&self, kind: Kind, token: &str) -> Option<Ticket> {
        let is_ours = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        if token.len() != LENGTH || !token.bytes().all(is_ours) {
            return None;
        }
        let bytes = decode_block(&token.replace('-', "+").replace('_', "/")).ok()?;
        let (body, mac) = bytes.split_at_checked(BODY)?;
        let expected = self.mac(body)?;
        if mac.len() != MAC || !openssl::memcmp::eq(mac, &expected) {
            return None;
        }
        let (first, rest) = body.split_first()?;
        let (ends, rest) = rest.split_first_chunk::<4>()?;
        let (creditor, id) = rest.split_first_chunk::<5>()?;
        if *first != kind.byte() {
            return None;
        }
        let [a, b, c, d, e] = *creditor;
        let creditor = u64::from_be_bytes([0, 0, 0, a, b, c, d, e]);
        Some(Ticket {
            kind,
            creditor: CreditorCode::parse(&format!("{creditor:011}")).ok()?,
            id: Uuid::from_slice(id).ok()?.hyphenated().to_string(),
            ends: Instant::from_millis(i64::from(u32::from_be_bytes(*ends)) * 1_000),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";

    fn at(text: &str) -> Instant {
        Instant::parse(text).unwrap()
    }

    fn ticket() -> Ticket {
        Ticket {
            kind: Kind::Notice,
            creditor: CreditorCode::parse("00743110157").unwrap(),
            id: "019aa0a0-1111-7222-8333-444444444444".to_owned(),
            ends: at("2026-12-31T23:00:00.000Z"),
        }
    }

    #[test]
    fn a_token_opens_what_it_was_made_for_until_its_end() {
        let signer = Signer::new(KEY).unwrap();
        let token = signer.print(&ticket()).unwrap();
        assert_eq!(token.len(), 56);
        let read = |kind, now| signer.read(kind, &token, at(now));
        assert_eq!(read(Kind::Notice, "2026-12-31T23:00:00.000Z"), Ok(ticket()));
        assert_eq!(
            read(Kind::Notice, "2026-12-31T23:00:00.001Z"),
            Err(TokenError::Expired)
        );
        // Of another kind, even after its end, it was never ours.
        assert_eq!(
            read(Kind::TopUp, "2027-12-31T23:00:00.000Z"),
            Err(TokenError::Forged)
        );
    }

    #[test]
    fn another_key_opens_nothing() {
        let token = Signer::new(KEY).unwrap().print(&ticket()).unwrap();
        let other = Signer::new(b"another key of thirty-two bytes!").unwrap();
        let now = at("2026-12-01T00:00:00.000Z");
        assert_eq!(
            other.read(Kind::Notice, &token, now),
            Err(TokenError::Forged)
        );
    }

    #[test]
    fn what_is_no_uuid_has_no_token() {
        let signer = Signer::new(KEY).unwrap();
        let odd = Ticket {
            id: "d1".to_owned(),
            ..ticket()
        };
        assert_eq!(signer.print(&odd), None);
    }

    proptest! {
        #[test]
        fn an_altered_token_opens_nothing(place in 0_usize..56, letter in "[A-Za-z0-9_-]") {
            let signer = Signer::new(KEY).unwrap();
            let token = signer.print(&ticket()).unwrap();
            let mut altered = token.clone();
            altered.replace_range(place..=place, &letter);
            prop_assume!(altered != token);
            let now = at("2026-12-01T00:00:00.000Z");
            prop_assert_eq!(signer.read(Kind::Notice, &altered, now), Err(TokenError::Forged));
        }

        #[test]
        fn nothing_else_is_a_token(text in ".{0,80}") {
            let signer = Signer::new(KEY).unwrap();
            let now = at("2026-12-01T00:00:00.000Z");
            prop_assert_eq!(signer.read(Kind::Notice, &text, now), Err(TokenError::Forged));
        }
    }
}
