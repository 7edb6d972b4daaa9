//! Notice numbers (NAV) and payment references (IUV) of pagoPA.
//!
//! Source: pagoPA, *Specifiche attuative dei codici identificativi di versamento, riversamento e
//! rendicontazione*, chapter on the notice number. Payers' banks may or may not check the digits,
//! so a number that comes in is looked up, never refused for its check digits.

use std::fmt;

/// The 18-digit number printed on a notice and typed at a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NoticeNumber([u8; 18]);

/// The payment reference (*identificativo univoco di versamento*) inside a notice number: 15 digits
/// for aux digit 0, else 17.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Iuv(String);

/// Two digits, `00` to `99`: a segregation code or an application code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TwoDigits(u8);

/// How a creditor's notice numbers are built: the aux digit and what it brings with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbering {
    /// Aux digit 0: `0` application code (2), base (13), check (2); the IUV is base and check.
    Aux0 {
        /// The application code given by pagoPA, in the place of a segregation code.
        application: TwoDigits,
    },
    /// Aux digit 1: `1` base (17), no check digits (legacy numbering).
    Aux1,
    /// Aux digit 2: `2` base (15), check (2); for a creditor with a single source of numbers.
    Aux2,
    /// Aux digit 3: `3` segregation code (2), base (13), check (2); the normal case.
    Aux3 {
        /// The segregation code given by pagoPA for this creditor and station.
        segregation: TwoDigits,
    },
}

/// Why no notice number could be read or made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoticeError {
    /// Not exactly 18 digits.
    #[error("a notice number has exactly 18 digits")]
    Form,
    /// Not exactly two digits.
    #[error("a segregation or application code has exactly two digits")]
    TwoDigits,
    /// The sequence has outgrown the digits there are for it.
    #[error("no number is left in this sequence")]
    Exhausted,
    /// With aux digit 2 the base would begin with a segregation code of a centralised service.
    #[error("the number would begin with a code reserved to a centralised service")]
    Reserved,
}

/// Segregation codes of the services that pagoPA runs for everybody (vehicle tax, civil registry…):
/// with aux digit 2 no number may begin with one of them.
const CENTRALISED: [u8; 7] = [47, 81, 85, 96, 97, 98, 99];

impl TwoDigits {
    /// Reads exactly two digits.
    ///
    /// # Errors
    /// [`NoticeError::TwoDigits`] for anything else.
    pub fn parse(text: &str) -> Result<TwoDigits, NoticeError> {
        match text.as_bytes() {
            [a @ b'0'..=b'9', b @ b'0'..=b'9'] => Ok(TwoDigits((a - b'0') * 10 + (b - b'0'))),
            _ => Err(NoticeError::TwoDigits),
        }
    }
}

impl fmt::Display for TwoDigits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}", self.0)
    }
}

impl NoticeNumber {
    /// Reads exactly 18 ASCII digits (`stNoticeNumber`).
    ///
    /// # Errors
    /// [`NoticeError::Form`] for anything else, surrounding blanks included.
    ///
    /// ```
    /// use pagomensa::domain::notice::NoticeNumber;
    /// let number = NoticeNumber::parse("302202600001234518").unwrap();
    /// assert_eq!(number.iuv().as_str(), "02202600001234518");
    /// ```
    pub fn parse(text: &str) -> Result<NoticeNumber, NoticeError> {
        let digits: [u8; 18] = text.as_bytes().try_into().map_err(|_| NoticeError::Form)?;
        if digits.iter().all(u8::is_ascii_digit) {
            Ok(NoticeNumber(digits))
        } else {
            Err(NoticeError::Form)
        }
    }

    /// The 18 digits.
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The payment reference inside: the number without its aux digit, and for aux digit 0 without
    /// the application code too.
    pub fn iuv(&self) -> Iuv {
        let start = if self.0.starts_with(b"0") { 3 } else { 1 };
        Iuv(self.as_str().split_at(start).1.to_owned())
    }

    /// Whether the last two digits are the remainder of the first sixteen divided by 93; always
    /// true for aux digit 1, which has no check digits.
    pub fn check_digits_hold(&self) -> bool {
        let (first, last) = self.as_str().split_at(16);
        self.0.starts_with(b"1") || check_digits(first) == last
    }
}

impl fmt::Display for NoticeNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Iuv {
    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Iuv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Numbering {
    /// The notice number for a place in the creditor's sequence.
    ///
    /// # Errors
    /// [`NoticeError::Exhausted`] when the sequence does not fit its digits,
    /// [`NoticeError::Reserved`] when aux digit 2 runs into a centralised service's code.
    ///
    /// ```
    /// use pagomensa::domain::notice::{Numbering, TwoDigits};
    /// let numbering = Numbering::Aux3 { segregation: TwoDigits::parse("01").unwrap() };
    /// assert_eq!(numbering.number(1).unwrap().as_str(), "301000000000000144");
    /// ```
    pub fn number(&self, sequence: u64) -> Result<NoticeNumber, NoticeError> {
        let (head, width) = match self {
            Numbering::Aux0 { application } => (format!("0{application}"), 13),
            Numbering::Aux1 => ("1".to_owned(), 17),
            Numbering::Aux2 => ("2".to_owned(), 15),
            Numbering::Aux3 { segregation } => (format!("3{segregation}"), 13),
        };
        let base = format!("{sequence:0width$}");
        if base.len() > width {
            return Err(NoticeError::Exhausted);
        }
        if let Numbering::Aux2 = self
            && let Ok(TwoDigits(first)) = TwoDigits::parse(base.get(..2).unwrap_or_default())
            && CENTRALISED.contains(&first)
        {
            return Err(NoticeError::Reserved);
        }
        let first = head + &base;
        let check = match self {
            Numbering::Aux1 => String::new(),
            Numbering::Aux0 { .. } | Numbering::Aux2 | Numbering::Aux3 { .. } => {
                check_digits(&first)
            }
        };
        NoticeNumber::parse(&(first + &check))
    }

    /// The name of the sequence the numbers come from. Two numberings with the same name would make
    /// the same numbers, so they share their sequence for ever, also after a change and back.
    pub fn series(&self) -> String {
        match self {
            Numbering::Aux0 { application } => format!("0-{application}"),
            Numbering::Aux1 => "1".to_owned(),
            Numbering::Aux2 => "2".to_owned(),
            Numbering::Aux3 { segregation } => format!("3-{segregation}"),
        }
    }
}

/// The first sixteen digits, as one integer, modulo 93, in two digits.
fn check_digits(first: &str) -> String {
    let remainder = first.bytes().fold(0_u32, |sum, digit| {
        (sum * 10 + u32::from(digit - b'0')) % 93
    });
    format!("{remainder:02}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn two(text: &str) -> TwoDigits {
        TwoDigits::parse(text).unwrap()
    }

    /// Numbers seen in official sources, and computed by hand with another program.
    #[test]
    fn worked_examples() {
        let aux0 = |code| Numbering::Aux0 {
            application: two(code),
        };
        let aux3 = |code| Numbering::Aux3 {
            segregation: two(code),
        };
        let table = [
            (
                aux3("02"),
                2_026_000_012_345,
                "302202600001234518",
                "02202600001234518",
            ),
            (aux3("01"), 1, "301000000000000144", "01000000000000144"),
            (aux0("01"), 1, "001000000000000141", "000000000000141"),
            (aux0("00"), 93, "000000000000009300", "000000000009300"),
            (
                Numbering::Aux2,
                10_000_000_000_001,
                "201000000000000143",
                "01000000000000143",
            ),
            (
                aux3("47"),
                1_649_930_701_845,
                "347164993070184562",
                "47164993070184562",
            ),
            (
                aux3("82"),
                2_021_000_000_001,
                "382202100000000101",
                "82202100000000101",
            ),
            (aux3("99"), 19, "399000000000001976", "99000000000001976"),
            (
                aux0("01"),
                92_025_990_003,
                "001009202599000361",
                "009202599000361",
            ),
            (
                aux0("02"),
                1_527_845_471_301,
                "002152784547130177",
                "152784547130177",
            ),
            (
                aux0("01"),
                3_401_054_555_072,
                "001340105455507221",
                "340105455507221",
            ),
            (
                Numbering::Aux1,
                12_345,
                "100000000000012345",
                "00000000000012345",
            ),
        ];
        for (numbering, sequence, notice, iuv) in table {
            let number = numbering.number(sequence).unwrap();
            assert_eq!(number.as_str(), notice);
            assert_eq!(number.iuv().as_str(), iuv);
            assert!(number.check_digits_hold(), "{notice}");
        }
    }

    /// Official test numbers whose check digits are wrong: read all the same.
    #[test]
    fn wrong_check_digits_are_seen_and_not_refused() {
        for text in [
            "302012387654312384",
            "311111111112222222",
            "311011451292109621",
        ] {
            let number = NoticeNumber::parse(text).unwrap();
            assert!(!number.check_digits_hold(), "{text}");
        }
    }

    #[test]
    fn sequences_end() {
        let aux3 = Numbering::Aux3 {
            segregation: two("02"),
        };
        assert!(aux3.number(9_999_999_999_999).is_ok());
        assert_eq!(aux3.number(10_000_000_000_000), Err(NoticeError::Exhausted));
        assert_eq!(
            Numbering::Aux2.number(470_000_000_000_000),
            Err(NoticeError::Reserved)
        );
        assert!(Numbering::Aux2.number(460_000_000_000_000).is_ok());
        assert_eq!(
            Numbering::Aux1.number(100_000_000_000_000_000),
            Err(NoticeError::Exhausted)
        );
    }

    #[test]
    fn only_eighteen_digits_are_a_number() {
        for bad in [
            "",
            "30220260000123451",
            "3022026000012345180",
            " 30220260000123451",
            "30220260000123451A",
            "３０２２０２",
        ] {
            assert_eq!(NoticeNumber::parse(bad), Err(NoticeError::Form), "{bad}");
        }
        for bad in ["", "1", "001", "1a", "é"] {
            assert_eq!(TwoDigits::parse(bad), Err(NoticeError::TwoDigits), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn every_made_number_checks(sequence in 0_u64..10_000_000_000_000, code in 0_u8..100) {
            let code = TwoDigits(code);
            for numbering in [
                Numbering::Aux0 { application: code },
                Numbering::Aux1,
                Numbering::Aux2,
                Numbering::Aux3 { segregation: code },
            ] {
                let number = numbering.number(sequence).unwrap();
                prop_assert!(number.check_digits_hold());
                prop_assert!(number.as_str().ends_with(number.iuv().as_str()));
            }
        }

        #[test]
        fn neighbours_differ(sequence in 0_u64..9_999_999_999_999) {
            let numbering = Numbering::Aux3 { segregation: TwoDigits(2) };
            prop_assert_ne!(numbering.number(sequence), numbering.number(sequence + 1));
        }
    }
}
