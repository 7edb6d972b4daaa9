//! Fingerprints: SHA-256, in hexadecimal.

use std::fmt::Write as _;

/// SHA-256 of the bytes, in 64 hexadecimal digits.
///
/// ```
/// use pagomensa::wire::digest::sha256;
/// assert!(sha256(b"").starts_with("e3b0c44298fc1c14"));
/// ```
pub fn sha256(bytes: &[u8]) -> String {
    hex(&openssl::sha::sha256(bytes))
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing into a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}
