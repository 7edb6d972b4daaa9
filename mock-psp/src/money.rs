//! Amounts as text: cents in, `50.00` for the wire or `50,00 €` for people out.

/// Largest amount the contract of the node can carry: 999999999.99 euro.
pub(crate) const CENTS_MAX: i64 = 99_999_999_999;

/// The amount as the node writes it. A negative amount has no form there and becomes `0.00`.
pub(crate) fn decimal(cents: i64) -> String {
    let cents = cents.max(0);
    format!("{}.{:02}", cents / 100, cents % 100)
}

/// The amount as an Italian reader expects it: `1.234,50 €`.
pub(crate) fn euro(cents: i64) -> String {
    let sign = if cents < 0 { "-" } else { "" };
    let cents = cents.unsigned_abs();
    let units = (cents / 100).to_string();
    let mut grouped = String::new();
    for (index, digit) in units.chars().enumerate() {
        if index > 0 && (units.len() - index).is_multiple_of(3) {
            grouped.push('.');
        }
        grouped.push(digit);
    }
    format!("{sign}{grouped},{:02} €", cents % 100)
}

/// Shares `total` out in the proportion of `parts`; the last one takes the remainder.
///
/// Nothing comes back where a share would be zero or the numbers do not fit.
pub(crate) fn share(parts: &[i64], total: i64) -> Option<Vec<i64>> {
    let sum = parts
        .iter()
        .try_fold(0_i64, |sum, part| sum.checked_add(*part))?;
    let (_, first) = parts.split_last()?;
    let mut rest = total;
    let mut shares = Vec::with_capacity(parts.len());
    for part in first {
        let share = i128::from(*part) * i128::from(total);
        let share = i64::try_from(share.checked_div(i128::from(sum))?).ok()?;
        rest = rest.checked_sub(share)?;
        shares.push(share);
    }
    shares.push(rest);
    shares.iter().all(|share| *share > 0).then_some(shares)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_for_the_wire_and_for_people() {
        let cases = [
            (5_000, "50.00", "50,00 €"),
            (5, "0.05", "0,05 €"),
            (123_456_789, "1234567.89", "1.234.567,89 €"),
            (100_000, "1000.00", "1.000,00 €"),
            (-5_280, "0.00", "-52,80 €"),
            (CENTS_MAX, "999999999.99", "999.999.999,99 €"),
        ];
        for (cents, wire, people) in cases {
            assert_eq!(decimal(cents), wire);
            assert_eq!(euro(cents), people);
        }
        assert_eq!(euro(i64::MIN), "-92.233.720.368.547.758,08 €");
    }

    #[test]
    fn a_total_is_shared_out_without_losing_a_cent() {
        assert_eq!(share(&[5_000], 700), Some(vec![700]));
        assert_eq!(share(&[600, 400], 1_001), Some(vec![600, 401]));
        assert_eq!(share(&[1, 1, 1], 100), Some(vec![33, 33, 34]));
        assert_eq!(share(&[600, 400], 1), None);
        assert_eq!(share(&[], 100), None);
        assert_eq!(share(&[0, 0], 100), None);
    }
}
