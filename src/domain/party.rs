//! People and bodies: fiscal codes, e-mail addresses, and the roles of a payment.

use std::fmt;

use super::iban::check_letter;

/// The fiscal code of a creditor (`stFiscalCodePA`): eleven digits. Their check digit is not
/// demanded, because pagoPA's own test creditors do not satisfy it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CreditorCode(String);

/// The fiscal code of a person (16 characters) or of a body (11 digits), checked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FiscalCode(String);

/// Whether a fiscal code belongs to a person or to a body, as pagoPA wants it said (`F`, `G`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartyKind {
    /// *Persona fisica*.
    Person,
    /// *Persona giuridica*.
    Body,
}

/// An e-mail address in the form that pagoPA's messages accept (`stEMail`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email(String);

/// The text is not what it should be; the field's name stands beside it where it is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PartyError {
    /// Not eleven digits.
    #[error("a creditor's fiscal code has exactly eleven digits")]
    Creditor,
    /// The form is wrong: neither 16 characters of the known pattern nor eleven digits.
    #[error("not a fiscal code")]
    FiscalCodeForm,
    /// The form is right but the check letter or digit is not.
    #[error("the check character of the fiscal code is wrong")]
    FiscalCodeCheck,
    /// Not an e-mail address that pagoPA would accept.
    #[error("not an e-mail address")]
    Email,
}

/// The child whose meals are paid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Child {
    /// The code of the child in the meal system, 1–35 characters.
    pub code: String,
    /// Given and family name, 1–70 characters.
    pub name: String,
    /// The child's fiscal code.
    pub fiscal_code: FiscalCode,
}

/// The person who owes the money and receives the messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payer {
    /// Given and family name, 1–70 characters.
    pub name: String,
    /// The payer's fiscal code.
    pub fiscal_code: FiscalCode,
    /// Where the payer is written to.
    pub email: Email,
    /// Where the payer lives, as far as it is known.
    pub address: Option<Address>,
}

/// A postal address, in Italy or elsewhere. Limits in characters (`ctSubject`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Address {
    /// The street, 1–70.
    pub street: Option<String>,
    /// The number of the house, 1–16.
    pub number: Option<String>,
    /// The postal code, 1–16.
    pub postal_code: Option<String>,
    /// The town, 1–35.
    pub city: Option<String>,
    /// The province or region, 1–35.
    pub province: Option<String>,
    /// The country.
    pub country: Option<Country>,
}

/// A country: two capitals of ISO 3166-1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Country(String);

impl Country {
    /// Reads two ASCII capitals; nothing for anything else.
    pub fn parse(text: &str) -> Option<Country> {
        let is_code = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase());
        is_code.then(|| Country(text.to_owned()))
    }

    /// The two letters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl CreditorCode {
    /// The code that nobody has: eleven zeros.
    pub fn nobody() -> CreditorCode {
        CreditorCode("0".repeat(11))
    }

    /// Reads exactly eleven ASCII digits.
    ///
    /// # Errors
    /// [`PartyError::Creditor`] for anything else.
    pub fn parse(text: &str) -> Result<CreditorCode, PartyError> {
        if text.len() == 11 && text.bytes().all(|b| b.is_ascii_digit()) {
            Ok(CreditorCode(text.to_owned()))
        } else {
            Err(PartyError::Creditor)
        }
    }

    /// The eleven digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CreditorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Letters that stand for the digits 0–9 when two people would share a code (omocodia,
/// DM 23 December 1976, art. 6).
const OMOCODIA: &[u8; 10] = b"LMNPQRSTUV";

impl FiscalCode {
    /// Reads a fiscal code; small letters are raised, and codes altered for omocodia are as valid
    /// as any other.
    ///
    /// # Errors
    /// [`PartyError::FiscalCodeForm`] or [`PartyError::FiscalCodeCheck`].
    ///
    /// ```
    /// use pagomensa::domain::party::FiscalCode;
    /// assert!(FiscalCode::parse("RSSMRA55S17H501W").is_ok());
    /// assert!(FiscalCode::parse("RSSMRA55S17H50MO").is_ok()); // the same person, omocodia
    /// assert!(FiscalCode::parse("RSSMRA55S17H501X").is_err());
    /// ```
    pub fn parse(text: &str) -> Result<FiscalCode, PartyError> {
        let code = text.to_ascii_uppercase();
        let checked = match code.len() {
            11 => numeric_check(&code)?,
            16 => person_check(&code)?,
            _ => return Err(PartyError::FiscalCodeForm),
        };
        if checked {
            Ok(FiscalCode(code))
        } else {
            Err(PartyError::FiscalCodeCheck)
        }
    }

    /// The code in capitals.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A person has sixteen characters, a body eleven digits.
    pub fn kind(&self) -> PartyKind {
        if self.0.len() == 16 {
            PartyKind::Person
        } else {
            PartyKind::Body
        }
    }
}

/// A digit, or the letter that stands for it.
fn digit(byte: u8) -> Option<u32> {
    match byte {
        b'0'..=b'9' => Some(u32::from(byte - b'0')),
        _ => OMOCODIA
            .iter()
            .position(|letter| *letter == byte)
            .and_then(|at| u32::try_from(at).ok()),
    }
}

/// The form of the 16 characters, then the letter over the first 15 as they are written.
fn person_check(code: &str) -> Result<bool, PartyError> {
    let bytes: [u8; 16] = code
        .as_bytes()
        .try_into()
        .map_err(|_| PartyError::FiscalCodeForm)?;
    let [
        n1,
        n2,
        n3,
        n4,
        n5,
        n6,
        y1,
        y2,
        month,
        d1,
        d2,
        town,
        t1,
        t2,
        t3,
        check,
    ] = bytes;
    let letters = [n1, n2, n3, n4, n5, n6, town, check]
        .iter()
        .all(u8::is_ascii_uppercase);
    let digits = [y1, y2, t1, t2, t3].iter().all(|b| digit(*b).is_some());
    let day = digit(d1)
        .zip(digit(d2))
        .map(|(tens, units)| tens * 10 + units)
        .is_some_and(|day| matches!(day, 1..=31 | 41..=71));
    if letters && digits && day && b"ABCDEHLMPRST".contains(&month) {
        Ok(code
            .split_at_checked(15)
            .is_some_and(|(first, last)| last.starts_with(check_letter(first))))
    } else {
        Err(PartyError::FiscalCodeForm)
    }
}

/// Eleven digits with the check digit of the VAT number (DM 23 December 1976; DPR 633/1972).
fn numeric_check(code: &str) -> Result<bool, PartyError> {
    if !code.bytes().all(|b| b.is_ascii_digit()) {
        return Err(PartyError::FiscalCodeForm);
    }
    let sum: u32 = code
        .bytes()
        .enumerate()
        .map(|(index, byte)| {
            let value = u32::from(byte - b'0');
            match (index.is_multiple_of(2), value) {
                (true, _) => value,
                (false, 0..=4) => value * 2,
                (false, _) => value * 2 - 9,
            }
        })
        .sum();
    Ok(sum.is_multiple_of(10))
}

impl Email {
    /// Reads an address of the pattern `stEMail`: one `@`, an ASCII local part, a domain of labels,
    /// at most 256 characters.
    ///
    /// # Errors
    /// [`PartyError::Email`] for anything else.
    pub fn parse(text: &str) -> Result<Email, PartyError> {
        let local = |part: &str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"_.+-".contains(&b))
        };
        let label = |part: &str| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        match text.split_once('@') {
            Some((user, domain))
                if text.len() <= 256
                    && local(user)
                    && domain.contains('.')
                    && domain.split('.').all(label) =>
            {
                Ok(Email(text.to_owned()))
            }
            _ => Err(PartyError::Email),
        }
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fiscal_codes() {
        let good = [
            "RSSMRA55S17H501W",
            "RSSMRA55S17H50MO",
            "RSSMRARRSMTHRLMJ",
            "rssmra80a01h501u",
            "RSSGLI16A41F205M",
            "00662780162",
        ];
        for code in good {
            assert_eq!(
                FiscalCode::parse(code).map(|c| c.as_str().to_owned()),
                Ok(code.to_uppercase())
            );
        }
        let bad = [
            ("RSSMRA55S17H501A", PartyError::FiscalCodeCheck),
            ("00662780163", PartyError::FiscalCodeCheck),
            ("RSSMRA55F17H501W", PartyError::FiscalCodeForm),
            ("RSSMRA55S32H501W", PartyError::FiscalCodeForm),
            ("RSSMRA55S00H501W", PartyError::FiscalCodeForm),
            ("RSSMRA5AS17H501W", PartyError::FiscalCodeForm),
            ("RSSMRA55S17H501", PartyError::FiscalCodeForm),
            ("", PartyError::FiscalCodeForm),
            ("0066278016A", PartyError::FiscalCodeForm),
            ("ÀÀÀÀÀÀÀÀ", PartyError::FiscalCodeForm),
        ];
        for (code, error) in bad {
            assert_eq!(FiscalCode::parse(code), Err(error), "{code}");
        }
    }

    #[test]
    fn a_person_is_told_from_a_body() {
        let kind = |code| FiscalCode::parse(code).unwrap().kind();
        assert_eq!(kind("RSSMRA55S17H501W"), PartyKind::Person);
        assert_eq!(kind("00662780162"), PartyKind::Body);
    }

    #[test]
    fn a_creditor_is_eleven_digits() {
        assert!(CreditorCode::parse("77777777777").is_ok());
        assert!(CreditorCode::parse("00743110157").is_ok());
        for bad in [
            "7777777777",
            "777777777777",
            "7777777777a",
            " 7777777777",
            "",
        ] {
            assert!(CreditorCode::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn addresses() {
        for good in ["mario@example.org", "a+b_c.d-e@x-y.example.it"] {
            assert!(Email::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "mario",
            "@example.org",
            "a@b@c.it",
            "a b@c.it",
            "è@example.org",
            "a@example..org",
            "a@localhost",
            "",
        ] {
            assert!(Email::parse(bad).is_err(), "{bad}");
        }
        assert!(Email::parse(&format!("{}@example.org", "a".repeat(250))).is_err());
    }

    /// All 128 ways of writing a person's seven digits are codes of that person, each with its own
    /// check letter; the letter decides, never the pattern.
    #[test]
    fn every_omocodia_is_accepted() {
        let base = *b"RSSMRA55S17H501";
        for mask in 0_u32..128 {
            let mut code = base;
            for (bit, place) in [6_usize, 7, 9, 10, 12, 13, 14].into_iter().enumerate() {
                if mask & (1 << bit) != 0 {
                    code[place] = OMOCODIA[usize::from(code[place] - b'0')];
                }
            }
            let first = std::str::from_utf8(&code).unwrap();
            let whole = format!("{first}{}", check_letter(first));
            assert!(FiscalCode::parse(&whole).is_ok(), "{whole}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in ".{0,20}") {
            let _ = FiscalCode::parse(&text);
            let _ = Email::parse(&text);
        }

        #[test]
        fn one_wrong_digit_is_seen(place in 0_usize..11, digit in 0_u8..10) {
            let mut code = *b"00662780162";
            prop_assume!(code[place] != b'0' + digit);
            code[place] = b'0' + digit;
            prop_assert!(FiscalCode::parse(std::str::from_utf8(&code).unwrap()).is_err());
        }
    }
}
