//! The form on which a top-up is chosen: what was written stays as it was written, each mistake has its
//! place, and what is right becomes an order.

use std::collections::BTreeMap;

use url::form_urlencoded;

use super::tongue::Tongue;
use super::words::Words;
use crate::desk::top_ups::TopUpLink;
use crate::domain::creditor::{Creditor, Service};
use crate::domain::day::Day;
use crate::domain::debt::{DebtKind, Order};
use crate::domain::money::Cents;
use crate::domain::party::{Child, Email, FiscalCode, Payer};
use crate::domain::privacy;
use crate::domain::text::is_one_line;
use crate::domain::transfer::Shares;

/// Amounts on buttons, in cents.
pub(super) const AMOUNTS: [i64; 4] = [1_000, 2_000, 5_000, 10_000];
/// What stands for the amount that is written.
pub(super) const OTHER: &str = "other";
/// Longest text of a field that is kept, in bytes.
const LONGEST: usize = 300;

/// A form as it was sent, or an empty one.
#[derive(Debug, Clone, Default)]
pub(super) struct Choice {
    /// The mark of this form: a UUID.
    pub mark: String,
    pub service: String,
    /// One of [`AMOUNTS`], or [`OTHER`].
    pub amount: String,
    /// The amount that was written.
    pub other: String,
    pub email: String,
    pub payer_code: String,
    pub child_code: String,
}

/// What is wrong, by field; nothing where it is right.
#[derive(Debug, Default)]
pub(super) struct Mistakes {
    pub service: Option<String>,
    pub amount: Option<String>,
    pub other: Option<String>,
    pub email: Option<String>,
    pub payer_code: Option<String>,
    pub child_code: Option<String>,
}

impl Mistakes {
    /// The mistakes in the order of the page, each with the id of its field.
    pub(super) fn list(&self) -> Vec<(&'static str, &str)> {
        let all = [
            ("service-0", &self.service),
            ("amount-0", &self.amount),
            ("other", &self.other),
            ("child_code", &self.child_code),
            ("payer_code", &self.payer_code),
            ("email", &self.email),
        ];
        let wrong = all.into_iter();
        wrong
            .filter_map(|(id, mistake)| Some((id, mistake.as_deref()?)))
            .collect()
    }
}

impl Choice {
    /// Reads the body of a form; unknown fields are left out, of one that comes twice the first counts.
    pub(super) fn read(bytes: &[u8]) -> Choice {
        let mut fields: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(bytes) {
            if value.len() <= LONGEST {
                fields
                    .entry(name.into_owned())
                    .or_insert(value.trim().to_owned());
            }
        }
        let mut take = |name: &str| fields.remove(name).unwrap_or_default();
        Choice {
            mark: take("mark"),
            service: take("service"),
            amount: take("amount"),
            other: take("other"),
            email: take("email"),
            payer_code: take("payer_code"),
            child_code: take("child_code"),
        }
    }

    /// What was chosen, as an order.
    ///
    /// # Errors
    /// Every mistake.
    pub(super) fn order(
        &self,
        creditor: &Creditor,
        link: &TopUpLink,
        today: Day,
        tongue: Tongue,
    ) -> Result<Order, Box<Mistakes>> {
        let words = tongue.words();
        let mut mistakes = Box::<Mistakes>::default();
        let service = self.service(creditor, link);
        if service.is_none() {
            mistakes.service = Some(words.error_service.to_owned());
        }
        let amount = self.amount(service, tongue, &mut mistakes);
        let code = |known: &Option<FiscalCode>, written: &str, mistake: &mut Option<String>| {
            let read = known.clone().or_else(|| FiscalCode::parse(written).ok());
            if read.is_none() {
                *mistake = Some(words.error_fiscal_code.to_owned());
            }
            read
        };
        let child_code = code(
            &link.child_fiscal_code,
            &self.child_code,
            &mut mistakes.child_code,
        );
        let payer_code = code(
            &link.payer_fiscal_code,
            &self.payer_code,
            &mut mistakes.payer_code,
        );
        let email = link.payer_email.clone();
        let email = email.or_else(|| Email::parse(&self.email).ok());
        if email.is_none() {
            mistakes.email = Some(words.error_email.to_owned());
        }
        let order = || {
            let service = service?;
            let child = Child {
                code: link.child_code.clone(),
                name: link.child_name.clone(),
                fiscal_code: child_code?,
            };
            let due_on = today.plus_days(service.due_days);
            Some(Order {
                kind: DebtKind::TopUp,
                invoice: None,
                service: service.code.clone(),
                external_id: None,
                description: privacy::plain_description(&service.name, &child),
                child,
                payer: Payer {
                    name: link.payer_name.clone(),
                    fiscal_code: payer_code?,
                    email: email?,
                    address: None,
                },
                amount: amount?,
                shares: Shares::whole(),
                metadata: BTreeMap::new(),
                due_on,
                publish_on: None,
                payable_until: match service.payable_after_due {
                    true => Day::NEVER,
                    false => due_on,
                },
            })
        };
        order().ok_or(mistakes)
    }

    /// The service: the one that was chosen, or the only one.
    fn service<'c>(&self, creditor: &'c Creditor, link: &TopUpLink) -> Option<&'c Service> {
        let offered = offered(creditor, link);
        match offered.as_slice() {
            [only] => Some(*only),
            many => many
                .iter()
                .find(|service| service.code == self.service)
                .copied(),
        }
    }

    fn amount(
        &self,
        service: Option<&Service>,
        tongue: Tongue,
        mistakes: &mut Mistakes,
    ) -> Option<Cents> {
        let words = tongue.words();
        let is_written = self.amount == OTHER || (self.amount.is_empty() && !self.other.is_empty());
        let cents = if is_written {
            let cents = in_cents(&self.other);
            if cents.is_none() {
                mistakes.other = Some(words.error_amount_form.to_owned());
            }
            cents?
        } else {
            let cents = self.amount.parse().ok();
            let cents = cents.filter(|cents| AMOUNTS.contains(cents));
            if cents.is_none() {
                mistakes.amount = Some(words.error_amount.to_owned());
            }
            cents?
        };
        let service = service?;
        let amount = Cents::new(cents);
        if (service.min..=service.max).contains(&amount) {
            return Some(amount);
        }
        let text = Words::between(
            words.error_amount_limits,
            &tongue.money(service.min),
            &tongue.money(service.max),
        );
        let place = match is_written {
            true => &mut mistakes.other,
            false => &mut mistakes.amount,
        };
        *place = Some(text);
        None
    }
}

/// The services that a link offers and the creditor still has.
pub(super) fn offered<'c>(creditor: &'c Creditor, link: &TopUpLink) -> Vec<&'c Service> {
    let codes = link.services.iter();
    codes
        .filter_map(|code| creditor.services.get(code))
        .collect()
}

/// An amount as people write it: `25`, `25,5`, `25.50`, `€ 25`.
fn in_cents(text: &str) -> Option<i64> {
    if !is_one_line(text) {
        return None;
    }
    let bare: String = text
        .chars()
        .filter(|c| !c.is_whitespace() && *c != '€')
        .collect();
    let (whole, part) = bare.split_once([',', '.']).unwrap_or((&bare, "00"));
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !is_digits(whole) || !is_digits(part) || whole.len() > 9 || part.len() > 2 {
        return None;
    }
    let part = format!("{part:0<2}");
    let (whole, part): (i64, i64) = (whole.parse().ok()?, part.parse().ok()?);
    Some(whole * 100 + part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn amounts_are_read_as_people_write_them() {
        let table = [
            ("25", Some(2_500)),
            ("25,5", Some(2_550)),
            ("25.05", Some(2_505)),
            (" € 1 000,00 ", Some(100_000)),
            ("0", Some(0)),
            ("1.000", None),
            ("1.000,00", None),
            ("25,505", None),
            ("-5", None),
            ("1e3", None),
            (",5", None),
            ("5,", None),
            ("venti", None),
            ("", None),
            ("٢٥", None),
            ("1234567890", None),
        ];
        for (text, expected) in table {
            assert_eq!(in_cents(text), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_body_is_read(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let choice = Choice::read(&bytes);
            prop_assert!(choice.other.len() <= LONGEST);
            in_cents(&choice.other);
        }
    }
}
