//! The simple types of the contract: which texts a leaf may hold.
//!
//! Read from `paForNode.xsd` and `sac-common-types-1.0.xsd` of pagoPA. Types built on
//! `xsd:string` keep their white space, so that a blank before a fiscal code is a fault; numbers,
//! dates and booleans are collapsed first, as XML Schema part 2 §4.3.6 says.

use jiff::civil::Date;

/// A simple type. Lengths count characters, not bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    /// `xsd:string`: anything, also nothing.
    AnyText,
    /// `stText…` and `stIBAN`: one to so many characters.
    Text(usize),
    /// `stEntityUniqueIdentifierValue`: 2 to 16 characters.
    PersonCode,
    /// `stIdentificativo…Servizio`: exactly five characters.
    #[cfg_attr(not(test), expect(dead_code, reason = "only a request holds it"))]
    FiveCharacters,
    /// One of a list of words.
    OneOf(&'static [&'static str]),
    /// So many digits and nothing else.
    Digits(usize),
    /// `stNazioneProvincia`: two capital letters.
    TwoCapitals,
    /// `stEMail`: up to 256 characters, a local part and a domain.
    Email,
    /// `stAmount`: `\d+\.\d{2}`, at most 999999999.99.
    #[cfg_attr(not(test), expect(dead_code, reason = "only a request holds it"))]
    Amount,
    /// `stAmountNotZero`: the same, at least 0.01.
    AmountNotZero,
    /// `stIdTransfer`: 1 to 5.
    TransferNumber,
    /// `xsd:int`.
    Int,
    /// `xsd:boolean`.
    Boolean,
    /// `xsd:date`, with or without offset.
    Date,
    /// `xsd:dateTime`, with or without fraction and offset.
    DateTime,
    /// `xsd:base64Binary`.
    #[cfg_attr(not(test), expect(dead_code, reason = "only a request holds it"))]
    Base64,
    /// `stBase64Binary72`: base64 of 4 to 72 characters.
    Base64UpTo72,
}

impl Type {
    /// What is wrong with the text, or nothing.
    pub(super) fn fault(self, text: &str) -> Option<String> {
        let collapsed = collapse(text);
        let collapsed = collapsed.as_str();
        match self {
            Type::AnyText => None,
            Type::Text(max) => length_fault(text, 1, max),
            Type::PersonCode => length_fault(text, 2, 16),
            Type::FiveCharacters => length_fault(text, 5, 5),
            Type::OneOf(words) => fault_unless(words.contains(&text), || {
                format!("must be {}", words.join(" or "))
            }),
            Type::Digits(count) => {
                let is_legal = text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
                fault_unless(is_legal, || format!("must be {count} digits"))
            }
            Type::TwoCapitals => {
                let is_legal = text.len() == 2 && text.bytes().all(|b| b.is_ascii_uppercase());
                fault_unless(is_legal, || "must be two capital letters".to_owned())
            }
            Type::Email => length_fault(text, 1, 256)
                .or_else(|| fault_unless(is_email(text), || "is no e-mail address".to_owned())),
            Type::Amount => amount_fault(collapsed, 0),
            Type::AmountNotZero => amount_fault(collapsed, 1),
            Type::TransferNumber => {
                let is_legal = int(collapsed).is_some_and(|number| (1..=5).contains(&number));
                fault_unless(is_legal, || "must be a number from 1 to 5".to_owned())
            }
            Type::Int => fault_unless(int(collapsed).is_some(), || "is no xsd:int".to_owned()),
            Type::Boolean => {
                let is_legal = matches!(collapsed, "true" | "false" | "1" | "0");
                fault_unless(is_legal, || "must be true, false, 1 or 0".to_owned())
            }
            Type::Date => fault_unless(is_date(collapsed), || "is no xsd:date".to_owned()),
            Type::DateTime => {
                fault_unless(is_date_time(collapsed), || "is no xsd:dateTime".to_owned())
            }
            Type::Base64 => fault_unless(is_base64(collapsed), || "is no base64".to_owned()),
            Type::Base64UpTo72 => {
                let is_legal = is_base64(collapsed) && (4..=72).contains(&collapsed.len());
                fault_unless(is_legal, || {
                    "must be base64 of 4 to 72 characters".to_owned()
                })
            }
        }
    }
}

/// The cents of an amount, where it is a legal one.
pub(crate) fn cents(text: &str) -> Option<i64> {
    let text = collapse(text);
    let (units, hundredths) = text.split_once('.')?;
    let are_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !are_digits(units) || !are_digits(hundredths) || hundredths.len() != 2 {
        return None;
    }
    let units: i64 = units.parse().ok()?;
    let hundredths: i64 = hundredths.parse().ok()?;
    units.checked_mul(100)?.checked_add(hundredths)
}

/// The number of a transfer, where it is a legal `xsd:int`.
pub(super) fn int(text: &str) -> Option<i32> {
    collapse(text).parse().ok()
}

fn fault_unless(is_legal: bool, fault: impl FnOnce() -> String) -> Option<String> {
    (!is_legal).then(fault)
}

fn collapse(text: &str) -> String {
    let is_space = |c: char| matches!(c, ' ' | '\t' | '\n' | '\r');
    text.split(is_space)
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

fn length_fault(text: &str, min: usize, max: usize) -> Option<String> {
    let length = text.chars().count();
    fault_unless((min..=max).contains(&length), || {
        format!("has {length} characters, must have {min} to {max}")
    })
}

fn amount_fault(text: &str, min_cents: i64) -> Option<String> {
    const MAX_CENTS: i64 = 99_999_999_999;
    match cents(text) {
        None => Some("must be an amount with two decimals".to_owned()),
        Some(cents) if cents < min_cents => Some("must not be zero".to_owned()),
        Some(cents) if cents > MAX_CENTS => Some("must not exceed 999999999.99".to_owned()),
        Some(_) => None,
    }
}

/// `[a-zA-Z0-9_.+-]+@[a-zA-Z0-9-]+(\.[a-zA-Z0-9-]+)*`
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else {
        return false;
    };
    let is_local = |b: u8| b.is_ascii_alphanumeric() || b"_.+-".contains(&b);
    let is_label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    !local.is_empty() && local.bytes().all(is_local) && domain.split('.').all(is_label)
}

fn is_date(text: &str) -> bool {
    match text.split_at_checked(10) {
        Some((day, offset)) => is_day(day) && is_offset(offset),
        None => false,
    }
}

fn is_date_time(text: &str) -> bool {
    let Some((day, rest)) = text.split_once('T') else {
        return false;
    };
    let Some((clock, rest)) = rest.split_at_checked(8) else {
        return false;
    };
    let (fraction, offset) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at(
            rest.find(|c: char| !c.is_ascii_digit())
                .unwrap_or(rest.len()),
        ),
        None => ("0", rest),
    };
    is_day(day)
        && !fraction.is_empty()
        && is_offset(offset)
        && (is_clock(clock) || clock == "24:00:00" && fraction.bytes().all(|b| b == b'0'))
}

/// A day of the calendar, in a year of four digits: the schema knows longer ones, the trade does not.
fn is_day(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts.as_slice() else {
        return false;
    };
    match (digits(year, 4), digits(month, 2), digits(day, 2)) {
        (Some(year), Some(month), Some(day)) => {
            let month = i8::try_from(month).unwrap_or(0);
            let day = i8::try_from(day).unwrap_or(0);
            year > 0 && Date::new(year, month, day).is_ok()
        }
        _ => false,
    }
}

fn is_clock(text: &str) -> bool {
    let parts: Vec<&str> = text.split(':').collect();
    let [hour, minute, second] = parts.as_slice() else {
        return false;
    };
    let below = |text: &str, limit: i16| digits(text, 2).is_some_and(|value| value < limit);
    below(hour, 24) && below(minute, 60) && below(second, 60)
}

/// Nothing, `Z`, or a sign with hours up to 14 and minutes.
fn is_offset(text: &str) -> bool {
    if matches!(text, "" | "Z" | "+14:00" | "-14:00") {
        return true;
    }
    let Some((hour, minute)) = text
        .strip_prefix(['+', '-'])
        .and_then(|offset| offset.split_once(':'))
    else {
        return false;
    };
    digits(hour, 2).is_some_and(|hour| hour < 14)
        && digits(minute, 2).is_some_and(|minute| minute < 60)
}

fn digits(text: &str, count: usize) -> Option<i16> {
    let is_legal = text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    is_legal.then(|| text.parse().ok()).flatten()
}

/// Groups of four with `=` only at the end; single blanks are allowed between characters.
fn is_base64(text: &str) -> bool {
    let packed: String = text.chars().filter(|c| *c != ' ').collect();
    let body = packed.trim_end_matches('=');
    let padding = packed.len() - body.len();
    let is_symbol = |b: u8| b.is_ascii_alphanumeric() || b == b'+' || b == b'/';
    let last_bits_are_zero = match (padding, body.as_bytes().last()) {
        (1, Some(last)) => b"AEIMQUYcgkosw048".contains(last),
        (2, Some(last)) => b"AQgw".contains(last),
        (padding, _) => padding == 0,
    };
    packed.len().is_multiple_of(4) && body.bytes().all(is_symbol) && last_bits_are_zero
}

#[cfg(test)]
mod tests {
    use super::Type::*;
    use super::*;

    #[test]
    fn legal_texts_pass() {
        let text_140 = "è".repeat(140);
        let mail_256 = format!("{}@b.it", "a".repeat(251));
        let cases: &[(Type, &[&str])] = &[
            (AnyText, &["", " ", "x"]),
            (Text(140), &["x", " ", &text_140]),
            (Text(35), &["IT60X0542811101000000123456"]),
            (PersonCode, &["AB", "RSSMRA80A01H501U", "ANONIMO"]),
            (FiveCharacters, &["00009"]),
            (OneOf(&["OK", "KO"]), &["OK", "KO"]),
            (Digits(11), &["77777777777", "00000000000"]),
            (TwoCapitals, &["IT"]),
            (Email, &["a@b", "a.b_c+d-e@x-y.z.it", &mail_256]),
            (
                Amount,
                &["0.00", "10.00", "000.10", " 5.00\n", "999999999.99"],
            ),
            (AmountNotZero, &["0.01", "00010.00", "999999999.99"]),
            (TransferNumber, &["1", "5", " 2 ", "01", "+3"]),
            (Int, &["-1", "2147483647"]),
            (Boolean, &["true", "false", "1", "0", " true "]),
            (
                Date,
                &[
                    "2026-02-28",
                    "2024-02-29",
                    "2025-05-13+02:00",
                    "2025-05-13Z",
                    "0001-01-01",
                ],
            ),
            (
                DateTime,
                &[
                    "2021-12-30T12:12:12",
                    "2021-12-30T12:12:12.5Z",
                    "2021-12-30T24:00:00-14:00",
                ],
            ),
            (Base64, &["", "AA==", "AAA=", "AAAA", "AA AA\n"]),
            (Base64UpTo72, &["AAAA"]),
        ];
        for (kind, texts) in cases {
            for text in *texts {
                assert_eq!(kind.fault(text), None, "{kind:?} {text:?}");
            }
        }
    }

    #[test]
    fn illegal_texts_are_named() {
        let text_141 = "x".repeat(141);
        let mail_257 = format!("{}@b.it", "a".repeat(252));
        let base64_76 = "A".repeat(76);
        let cases: &[(Type, &[&str])] = &[
            (Text(140), &["", &text_141]),
            (PersonCode, &["", "A", "RSSMRA80A01H501UX"]),
            (FiveCharacters, &["0009", "000009"]),
            (OneOf(&["OK", "KO"]), &["", "ok", " OK", "PP"]),
            (
                Digits(11),
                &[
                    "",
                    "7777777777",
                    "777777777777",
                    " 77777777777",
                    "7777777777a",
                ],
            ),
            (TwoCapitals, &["", "I", "ITA", "it", "I1", "È"]),
            (
                Email,
                &[
                    "", "a", "@b", "a@", "a@b.", "a@.b", "a b@c", "a@b@c", "à@b.it", &mail_257,
                ],
            ),
            (
                Amount,
                &[
                    "", "1", "1.0", "1.000", "1,00", ".50", "-1.00", "+1.00", "1e3", "1 0.00",
                ],
            ),
            (Amount, &["1000000000.00", "99999999999999999999.00"]),
            (
                AmountNotZero,
                &["0.00", "000.00", "11.3", "11.342", "1219087657.34"],
            ),
            (TransferNumber, &["", "0", "6", "x", "1.0"]),
            (Int, &["", "2147483648", "1.5"]),
            (Boolean, &["", "True", "2", "yes"]),
            (
                Date,
                &[
                    "",
                    "2026-02-29",
                    "26-02-01",
                    "12-28-2022",
                    "2022-1-1",
                    "2022-01-01T00:00:00",
                ],
            ),
            (
                Date,
                &[
                    "2022-01-01+15:00",
                    "2022-01-01 +02:00",
                    "0000-01-01",
                    "2022-13-01",
                    "2022à-01",
                ],
            ),
            (
                DateTime,
                &[
                    "",
                    "2021-12-30",
                    "2021-12-30 12:12:12",
                    "2021-12-30T25:00:00",
                ],
            ),
            (
                DateTime,
                &[
                    "2021-12-30T12:12",
                    "2021-12-30T12:12:12.",
                    "2021-12-30T24:00:01",
                ],
            ),
            (
                DateTime,
                &[
                    "12-08-2022T12:00:678",
                    "2021-12-30T12:60:00",
                    "2021-12-30T12:12:12x",
                ],
            ),
            (
                Base64,
                &["A", "AAA", "A===", "AA=A", "AB==", "AAB=", "AA%A", "===="],
            ),
            (Base64UpTo72, &["", &base64_76]),
        ];
        for (kind, texts) in cases {
            for text in *texts {
                assert!(kind.fault(text).is_some(), "{kind:?} {text:?}");
            }
        }
    }

    #[test]
    fn amounts_become_cents() {
        assert_eq!(cents("50.00"), Some(5_000));
        assert_eq!(cents("000.07"), Some(7));
        assert_eq!(cents("50"), None);
        assert_eq!(cents("1.2.3"), None);
    }
}
