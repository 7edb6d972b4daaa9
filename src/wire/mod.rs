//! Codecs: bytes to trees and back, without any business in them.
//!
//! Everything that comes from outside is read here under limits, and an error says where.

pub mod digest;
pub mod intake;
pub mod links;
pub mod soap;
pub mod table;
pub mod token;
pub mod xml;
pub mod xsd;

use std::fmt;

/// What was wrong in a message, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// The path of the element, such as `paGetPaymentV2Request/qrCode/noticeNumber`; empty when
    /// the document itself cannot be read.
    pub path: String,
    /// The offset in bytes.
    pub offset: u64,
    /// What should stand there.
    pub expected: String,
    /// What stands there, in kind and not in content: a message may hold personal data.
    pub found: String,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        write!(
            f,
            "expected {}, found {} (byte {})",
            self.expected, self.found, self.offset
        )
    }
}

impl std::error::Error for Malformed {}
