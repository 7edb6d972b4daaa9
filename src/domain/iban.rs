//! Italian bank accounts: the IBAN with the national check letter (CIN) inside it.

use std::fmt;

use iban::IbanLike as _;

/// An IBAN without blanks, in capitals; when it is Italian or of San Marino its CIN holds too.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Iban(String);

/// Why a text is not an account we can pay into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IbanError {
    /// The form, the length for its country or the two check digits are wrong (ISO 13616).
    #[error("not a valid IBAN")]
    Invalid,
    /// The ISO check holds but the CIN does not: a typing error that the two digits cannot see.
    #[error("the CIN of the IBAN is wrong")]
    Cin,
}

/// Values of `0`–`9` / `A`–`J` and the following letters at odd places (first, third, …); shared by
/// the CIN and by the check letter of the fiscal code (DM 23 December 1976).
const ODD: [u32; 26] = [
    1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23,
];

/// The value of one character for the Italian check letters: by [`ODD`] at odd places, plain at
/// even ones; digits count as the letters `A`–`J`.
fn check_value(index: usize, byte: u8) -> u32 {
    let plain = match byte {
        b'0'..=b'9' => byte - b'0',
        b'A'..=b'Z' => byte - b'A',
        _ => 0,
    };
    if index.is_multiple_of(2) {
        ODD.get(usize::from(plain)).copied().unwrap_or(0)
    } else {
        u32::from(plain)
    }
}

/// The check letter over a text of capitals and digits: the rule of the CIN and of the fiscal code.
pub(crate) fn check_letter(text: &str) -> char {
    let sum: u32 = text
        .bytes()
        .enumerate()
        .map(|(index, byte)| check_value(index, byte))
        .sum();
    char::from_digit(sum % 26 + 10, 36).map_or('?', |c| c.to_ascii_uppercase())
}

impl Iban {
    /// Reads an IBAN as people write it: blanks are dropped, small letters raised.
    ///
    /// # Errors
    /// [`IbanError::Invalid`], or [`IbanError::Cin`] for an account of Italy or San Marino whose
    /// national check letter is wrong.
    ///
    /// ```
    /// use pagomensa::domain::iban::{Iban, IbanError};
    /// assert!(Iban::parse("it60 x054 2811 1010 0000 0123 456").is_ok());
    /// assert_eq!(Iban::parse("IT64Y0542811101000000123456"), Err(IbanError::Cin));
    /// ```
    pub fn parse(text: &str) -> Result<Iban, IbanError> {
        let compact: String = text
            .chars()
            .filter(|c| !c.is_whitespace())
            .map(|c| c.to_ascii_uppercase())
            .collect();
        let iban: iban::Iban = compact.parse().map_err(|_| IbanError::Invalid)?;
        if matches!(iban.country_code(), "IT" | "SM") {
            let (cin, account) = compact
                .get(4..5)
                .zip(compact.get(5..))
                .ok_or(IbanError::Invalid)?;
            if !cin.starts_with(check_letter(account)) {
                return Err(IbanError::Cin);
            }
        }
        Ok(Iban(compact))
    }

    /// The IBAN in capitals, without blanks.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The number of a postal account: the last twelve digits of the IBAN; nothing for an account
    /// elsewhere.
    ///
    /// ```
    /// use pagomensa::domain::iban::Iban;
    /// let postal = Iban::parse("IT45R0760103200000000001016").unwrap();
    /// assert_eq!(postal.postal_account(), Some("000000001016"));
    /// ```
    pub fn postal_account(&self) -> Option<&str> {
        let number = self.0.get(15..).filter(|_| self.is_postal())?;
        number
            .bytes()
            .all(|byte| byte.is_ascii_digit())
            .then_some(number)
    }

    /// Whether the account is at Poste Italiane (ABI 07601), as a postal slip demands.
    pub fn is_postal(&self) -> bool {
        self.0.starts_with("IT") && self.0.get(5..10) == Some("07601")
    }
}

impl fmt::Display for Iban {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cin_is_checked() {
        assert_eq!(check_letter("0542811101000000123456"), 'X');
        assert!(Iban::parse("IT60X0542811101000000123456").is_ok());
        assert_eq!(
            Iban::parse("IT64Y0542811101000000123456"),
            Err(IbanError::Cin)
        );
    }

    #[test]
    fn what_is_not_an_iban() {
        for bad in ["", "IT", "IT61X0542811101000000123456", "IT60X05428", "È"] {
            assert_eq!(Iban::parse(bad), Err(IbanError::Invalid), "{bad}");
        }
        assert!(Iban::parse("DE89 3704 0044 0532 0130 00").is_ok());
    }

    #[test]
    fn postal_accounts_are_known_by_their_abi() {
        let postal = Iban::parse("IT45R0760103200000000001016").unwrap();
        assert!(postal.is_postal());
        assert!(
            !Iban::parse("IT60X0542811101000000123456")
                .unwrap()
                .is_postal()
        );
    }
}
