//! Simple types: what a text must be.

use regex::Regex;
use rust_decimal::Decimal;

use crate::domain::day::{Day, Instant};

/// A simple type with every facet of those it is derived from.
#[derive(Debug, Clone)]
pub(super) struct Simple {
    pub(super) base: Base,
    pub(super) facets: Vec<Facet>,
}

/// The built-in types that our contracts use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Base {
    String,
    Decimal,
    Int,
    Boolean,
    Date,
    DateTime,
    Base64,
}

/// A restriction.
#[derive(Debug, Clone)]
pub(super) enum Facet {
    Length(usize),
    MinLength(usize),
    MaxLength(usize),
    MinInclusive(Decimal),
    MaxInclusive(Decimal),
    /// One of these.
    Enumeration(Vec<String>),
    /// The pattern as it was written, and compiled over the whole text.
    Pattern(String, Regex),
}

impl Base {
    /// The built-in type with this local name.
    pub(super) fn parse(name: &str) -> Option<Base> {
        Some(match name {
            "string" => Base::String,
            "decimal" => Base::Decimal,
            "int" => Base::Int,
            "boolean" => Base::Boolean,
            "date" => Base::Date,
            "dateTime" => Base::DateTime,
            "base64Binary" => Base::Base64,
            _ => return None,
        })
    }
}

impl Simple {
    /// Judges a text; all but plain strings are judged without the blanks around them.
    ///
    /// # Errors
    /// What it should have been.
    pub(super) fn check(&self, text: &str) -> Result<(), String> {
        let text = match self.base {
            Base::String => text,
            _ => text.trim_matches([' ', '\t', '\n', '\r']),
        };
        let is_of_base = match self.base {
            Base::String => true,
            Base::Decimal => decimal(text).is_some(),
            Base::Int => text.parse::<i32>().is_ok(),
            Base::Boolean => matches!(text, "true" | "false" | "1" | "0"),
            Base::Date => Day::parse_xsd(text).is_ok(),
            Base::DateTime => Instant::parse_xsd_in_rome(text).is_ok(),
            Base::Base64 => openssl::base64::decode_block(text).is_ok(),
        };
        if !is_of_base {
            return Err(match self.base {
                Base::String => "a text",
                Base::Decimal => "a decimal number",
                Base::Int => "a whole number",
                Base::Boolean => "true or false",
                Base::Date => "a date",
                Base::DateTime => "a date and time",
                Base::Base64 => "base64",
            }
            .to_owned());
        }
        self.facets.iter().try_for_each(|facet| facet.check(text))
    }
}

impl Facet {
    fn check(&self, text: &str) -> Result<(), String> {
        let length = || text.chars().count();
        let (holds, expected) = match self {
            Facet::Length(wanted) => (length() == *wanted, format!("{wanted} characters")),
            Facet::MinLength(least) => {
                (length() >= *least, format!("at least {least} character(s)"))
            }
            Facet::MaxLength(most) => (length() <= *most, format!("at most {most} characters")),
            Facet::MinInclusive(least) => (
                decimal(text).is_some_and(|value| value >= *least),
                format!("at least {least}"),
            ),
            Facet::MaxInclusive(most) => (
                decimal(text).is_some_and(|value| value <= *most),
                format!("at most {most}"),
            ),
            Facet::Enumeration(values) => (
                values.iter().any(|value| value == text),
                format!("one of {}", values.join(", ")),
            ),
            Facet::Pattern(pattern, regex) => (regex.is_match(text), pattern.clone()),
        };
        if holds { Ok(()) } else { Err(expected) }
    }
}

/// `xs:decimal`: digits with a point, and no exponent.
fn decimal(text: &str) -> Option<Decimal> {
    let is_plain = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+'));
    is_plain.then(|| text.parse().ok())?
}
