//! Euro amounts as integer cents.

use std::fmt;

use rust_decimal::Decimal;

/// An amount in euro cents; may be negative (fees and reversals in the ledger are).
///
/// There is no conversion from or to a floating-point number, on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Cents(i64);

/// Why a number or a text is not an amount that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Zero: the pagoPA node refuses a payment of nothing (`stAmountNotZero`).
    #[error("the amount is zero")]
    Zero,
    /// Below zero.
    #[error("the amount is negative")]
    Negative,
    /// Above 999,999,999.99 euro, the largest value of `stAmount`.
    #[error("the amount is above 999,999,999.99")]
    TooLarge,
    /// Not of the form `\d+\.\d{2}`.
    #[error("not an amount with a point and two decimals")]
    Form,
}

impl Cents {
    /// 999,999,999.99 euro: `maxInclusive` of `stAmount` (pagoPA common types).
    pub const MAX_DUE: Cents = Cents(99_999_999_999);

    /// Any number of cents, also negative; for values that were checked before (a database column).
    pub const fn new(cents: i64) -> Cents {
        Cents(cents)
    }

    /// An amount that somebody can be asked to pay: 0.01 to 999,999,999.99 euro.
    ///
    /// # Errors
    /// Zero, negative, or above [`Cents::MAX_DUE`].
    ///
    /// ```
    /// use pagomensa::domain::money::{AmountError, Cents};
    /// assert_eq!(Cents::due(5_000).unwrap().to_string(), "50.00");
    /// assert_eq!(Cents::due(0), Err(AmountError::Zero));
    /// ```
    pub fn due(cents: i64) -> Result<Cents, AmountError> {
        match cents {
            0 => Err(AmountError::Zero),
            i64::MIN..0 => Err(AmountError::Negative),
            _ if cents > Cents::MAX_DUE.0 => Err(AmountError::TooLarge),
            _ => Ok(Cents(cents)),
        }
    }

    /// Reads the form of the pagoPA messages, `stAmount`: digits, a point, two digits; leading
    /// zeros and 0.00 are legal, signs, blanks, exponents and a third decimal are not.
    ///
    /// # Errors
    /// [`AmountError::Form`] or [`AmountError::TooLarge`].
    ///
    /// ```
    /// use pagomensa::domain::money::Cents;
    /// assert_eq!(Cents::parse_point("10.00").unwrap(), Cents::new(1_000));
    /// assert!(Cents::parse_point("10.0").is_err());
    /// assert!(Cents::parse_point("1e3").is_err());
    /// ```
    pub fn parse_point(text: &str) -> Result<Cents, AmountError> {
        let (whole, cents) = text.split_once('.').ok_or(AmountError::Form)?;
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(cents) || cents.len() != 2 {
            return Err(AmountError::Form);
        }
        let significant = whole.trim_start_matches('0');
        if significant.len() > 9 {
            return Err(AmountError::TooLarge);
        }
        let amount = Decimal::from_str_exact(&format!("0{significant}.{cents}"))
            .map_err(|_| AmountError::Form)?;
        i64::try_from(amount.mantissa())
            .map(Cents)
            .map_err(|_| AmountError::TooLarge)
    }

    /// Reads a number of euro as JSON writes it, from its text and never through a float: `52.8`,
    /// `50`, `5E+1`; not below zero, and exact to the cent.
    ///
    /// # Errors
    /// [`AmountError`].
    ///
    /// ```
    /// use pagomensa::domain::money::Cents;
    /// assert_eq!(Cents::parse_json("52.8").unwrap(), Cents::new(5_280));
    /// assert_eq!(Cents::parse_json("5E+1").unwrap(), Cents::new(5_000));
    /// assert!(Cents::parse_json("0.005").is_err());
    /// assert!(Cents::parse_json("\"50\"").is_err());
    /// ```
    pub fn parse_json(text: &str) -> Result<Cents, AmountError> {
        let amount = Decimal::from_str_exact(text)
            .or_else(|_| Decimal::from_scientific(text))
            .map_err(|_| AmountError::Form)?
            .normalize();
        if amount.is_sign_negative() {
            return Err(AmountError::Negative);
        }
        if amount.scale() > 2 {
            return Err(AmountError::Form);
        }
        let cents = amount
            .checked_mul(Decimal::ONE_HUNDRED)
            .ok_or(AmountError::TooLarge)?;
        let cents =
            i64::try_from(cents.normalize().mantissa()).map_err(|_| AmountError::TooLarge)?;
        match Cents(cents) {
            cents if cents <= Cents::MAX_DUE => Ok(cents),
            _ => Err(AmountError::TooLarge),
        }
    }

    /// The number of cents, for a column or a JSON field named `…_cents`.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The amount as Italians write it: `1.234,50`.
    ///
    /// ```
    /// use pagomensa::domain::money::Cents;
    /// assert_eq!(Cents::new(123_450).in_italian(), "1.234,50");
    /// assert_eq!(Cents::new(-5).in_italian(), "-0,05");
    /// ```
    pub fn in_italian(self) -> String {
        let text = self.to_string();
        let (whole, cents) = text.split_once('.').unwrap_or((&text, "00"));
        let (sign, digits) = whole.split_at(whole.len() - whole.trim_start_matches('-').len());
        let mut grouped = String::new();
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                grouped.push('.');
            }
            grouped.push(digit);
        }
        format!("{sign}{grouped},{cents}")
    }

    /// The sum, or nothing when it does not fit.
    pub fn checked_add(self, other: Cents) -> Option<Cents> {
        self.0.checked_add(other.0).map(Cents)
    }
}

impl fmt::Display for Cents {
    /// The form of the pagoPA messages: `50.00`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Decimal::new(self.0, 2).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_forms_of_st_amount() {
        let table = [
            ("10.00", Ok(1_000)),
            ("0.01", Ok(1)),
            ("0.00", Ok(0)),
            ("00000000000010.00", Ok(1_000)),
            ("999999999.99", Ok(99_999_999_999)),
            ("1000000000.00", Err(AmountError::TooLarge)),
            ("99999999999999999999.00", Err(AmountError::TooLarge)),
            ("10", Err(AmountError::Form)),
            ("10.0", Err(AmountError::Form)),
            ("10.000", Err(AmountError::Form)),
            ("10,00", Err(AmountError::Form)),
            ("+10.00", Err(AmountError::Form)),
            ("-1.00", Err(AmountError::Form)),
            (" 10.00", Err(AmountError::Form)),
            ("1e3.00", Err(AmountError::Form)),
            ("1_000.00", Err(AmountError::Form)),
            ("١٠.٠٠", Err(AmountError::Form)),
            (".10", Err(AmountError::Form)),
            ("NaN", Err(AmountError::Form)),
            ("", Err(AmountError::Form)),
        ];
        for (text, expected) in table {
            assert_eq!(Cents::parse_point(text).map(Cents::get), expected, "{text}");
        }
    }

    #[test]
    fn what_can_be_due() {
        assert_eq!(Cents::due(1), Ok(Cents(1)));
        assert_eq!(Cents::due(99_999_999_999), Ok(Cents::MAX_DUE));
        assert_eq!(Cents::due(0), Err(AmountError::Zero));
        assert_eq!(Cents::due(-1), Err(AmountError::Negative));
        assert_eq!(Cents::due(i64::MIN), Err(AmountError::Negative));
        assert_eq!(Cents::due(100_000_000_000), Err(AmountError::TooLarge));
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(cents in 0_i64..=99_999_999_999) {
            prop_assert_eq!(Cents::parse_point(&Cents(cents).to_string()), Ok(Cents(cents)));
        }

        #[test]
        fn any_text_is_refused_without_a_panic(text in ".*") {
            let _ = Cents::parse_point(&text);
        }
    }
}
