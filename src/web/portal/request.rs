//! Reading the request for a notice: every wrong field is reported at once.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{invoice, shares};
use crate::desk::debts::DueDay;
use crate::domain::creditor::{Creditor, Register, Service};
use crate::domain::day::Day;
use crate::domain::debt::{Debt, DebtKind, Order};
use crate::domain::money::Cents;
use crate::domain::party::{Address, Child, Country, Email, FiscalCode, PartyError, Payer};
use crate::domain::privacy;
use crate::domain::text::cut;
use crate::domain::transfer::Shares;
use crate::web::fields::{Form, Object};
use crate::web::problem::Problem;
use crate::web::wrong::{FieldError, Wrong};

/// What was asked for, and whether the due day was.
#[derive(Debug)]
pub(super) struct Asked {
    pub order: Order,
    pub due: DueDay,
}

/// Longest `external_id`.
pub(super) const EXTERNAL_ID: usize = 70;
/// Longest name of a person (`fullName`, stText70).
pub(super) const NAME: usize = 70;
/// Longest code of a child or a service.
pub(super) const CODE: usize = 35;
/// Longest description (`description`, stText140).
pub(super) const DESCRIPTION: usize = 140;
/// Longest e-mail address (`stEMail`).
pub(super) const EMAIL: usize = 256;
/// Long enough to tell a wrong code from a right one.
pub(super) const WORD: usize = 35;

/// Reads a request for a notice of this creditor. What an existing notice under the same external id
/// has already is not refused any more: the day may have passed, the limits may have changed.
///
/// # Errors
/// 422 with every wrong field.
pub(super) fn read(
    value: &Value,
    creditor: &Creditor,
    register: &Register,
    existing: Option<&Debt>,
    today: Day,
) -> Result<Asked, Problem> {
    read_fields(value, creditor, register, existing, today).map_err(Problem::invalid_fields)
}

/// The same for one of many.
///
/// # Errors
/// Every wrong field.
pub(super) fn read_fields(
    value: &Value,
    creditor: &Creditor,
    register: &Register,
    existing: Option<&Debt>,
    today: Day,
) -> Result<Asked, Vec<FieldError>> {
    let existing = existing.map(|debt| &debt.order);
    let mut form = Form::default();
    let mut root = form.root(value);
    let kind = root.parsed(&mut form, "kind", WORD, |text| {
        DebtKind::parse(text).ok_or(Wrong::NotOffered)
    });
    let service = root.parsed(&mut form, "service", CODE, |text| {
        creditor.services.get(text).ok_or(Wrong::NotOffered)
    });
    let external_id = root
        .optional_text(&mut form, "external_id", EXTERNAL_ID)
        .map(str::to_owned);
    let child = child(&mut form, &mut root);
    let payer = payer(&mut form, &mut root);
    // The limits of a service are those of its top-ups.
    let limits = service.filter(|_| kind != Some(DebtKind::Invoice));
    let amount = amount(
        &mut form,
        &mut root,
        limits,
        existing.map(|order| order.amount),
    );
    let description = root
        .optional_text(&mut form, "description", DESCRIPTION)
        .map(str::to_owned);
    let due_on = due_on(
        &mut form,
        &mut root,
        existing.map(|order| order.due_on),
        today,
    );
    let shares = shares::shares(&mut form, &mut root, register, amount);
    let invoice = invoice::invoice(&mut form, &mut root, kind, amount);
    let metadata = shares::metadata(&mut form, &mut root);
    let due = if root.has("due_on") {
        DueDay::Chosen
    } else {
        DueDay::Default
    };
    let due_on = due_on.or_else(|| service.map(|service| today.plus_days(service.due_days)));
    let publish_on = root.optional_parsed(&mut form, "publish_on", WORD, |text| {
        match (Day::parse(text), due_on) {
            (Ok(day), Some(due)) if day > due => Err(Wrong::AfterDueDay),
            (Ok(day), _) => Ok(day),
            (Err(_), _) => Err(Wrong::Day),
        }
    });
    root.end(&mut form);
    if let (Some(child), Some(payer)) = (&child, &payer) {
        let mut texts = private_texts(description.as_deref(), shares.as_ref(), &metadata);
        texts.extend(invoice::texts(invoice.as_ref()));
        for (field, text) in texts {
            let is_kept = existing.is_some_and(|order| order.description == text);
            if !is_kept && privacy::tells(text, child, payer) {
                form.wrong(field, Wrong::PersonalData);
            }
        }
    }
    let errors = form.into_errors();
    if !errors.is_empty() {
        return Err(errors);
    }
    let order = || {
        let (service, child, due_on) = (service?, child?, due_on?);
        Some(Order {
            kind: kind?,
            service: service.code.clone(),
            external_id,
            description: description.unwrap_or_else(|| {
                let plain = privacy::plain_description(&service.name, &child);
                match &invoice {
                    Some(invoice) => invoice::titled(&plain, invoice),
                    None => plain,
                }
            }),
            invoice,
            child,
            payer: payer?,
            amount: amount?,
            shares: shares.unwrap_or_default(),
            metadata,
            due_on,
            publish_on,
            payable_until: if service.payable_after_due {
                Day::NEVER
            } else {
                due_on
            },
        })
    };
    // Every field that is missing was reported above, so an order can always be made here.
    let order = order().ok_or_else(Vec::new)?;
    Ok(Asked { order, due })
}

/// The texts that strangers will read, with the names of their fields.
pub(super) fn private_texts<'t>(
    description: Option<&'t str>,
    shares: Option<&'t Shares>,
    metadata: &'t BTreeMap<String, String>,
) -> Vec<(String, &'t str)> {
    let mut texts: Vec<(String, &str)> = vec![];
    texts.extend(description.map(|text| ("description".to_owned(), text)));
    let shares = shares.map_or(&[][..], Shares::as_slice);
    for (index, share) in shares.iter().enumerate() {
        let field = format!("transfers[{index}].description");
        texts.extend(share.description.as_deref().map(|text| (field, text)));
    }
    for (key, value) in metadata {
        texts.push((format!("metadata.{}", cut(key, WORD)), value));
    }
    texts
}

/// The due day: not in the past, unless it is the one that the notice has already.
pub(super) fn due_on(
    form: &mut Form,
    root: &mut Object<'_>,
    existing: Option<Day>,
    today: Day,
) -> Option<Day> {
    root.optional_parsed(form, "due_on", WORD, |text| match Day::parse(text) {
        Ok(day) if existing == Some(day) => Ok(day),
        Ok(day) if day < today => Err(Wrong::InThePast),
        Ok(day) => Ok(day),
        Err(_) => Err(Wrong::Day),
    })
}

fn child(form: &mut Form, root: &mut Object<'_>) -> Option<Child> {
    let mut object = root.object(form, "child");
    let code = object.text(form, "code", CODE).map(str::to_owned);
    let name = object.text(form, "name", NAME).map(str::to_owned);
    let fiscal_code = object.parsed(form, "fiscal_code", WORD, fiscal_code);
    object.end(form);
    Some(Child {
        code: code?,
        name: name?,
        fiscal_code: fiscal_code?,
    })
}

fn payer(form: &mut Form, root: &mut Object<'_>) -> Option<Payer> {
    let mut object = root.object(form, "payer");
    let name = object.text(form, "name", NAME).map(str::to_owned);
    let fiscal_code = object.parsed(form, "fiscal_code", WORD, fiscal_code);
    let email = object.parsed(form, "email", EMAIL, |text| {
        Email::parse(text).map_err(|_| Wrong::Email)
    });
    let address = object
        .has("address")
        .then(|| address(form, &mut object))
        .flatten();
    object.skip("address");
    object.end(form);
    Some(Payer {
        name: name?,
        fiscal_code: fiscal_code?,
        email: email?,
        address,
    })
}

fn address(form: &mut Form, payer: &mut Object<'_>) -> Option<Address> {
    let mut object = payer.object(form, "address");
    let mut line =
        |form: &mut Form, field, limit| object.optional_text(form, field, limit).map(str::to_owned);
    let street = line(form, "street", NAME);
    let number = line(form, "number", 16);
    let postal_code = line(form, "postal_code", 16);
    let city = line(form, "city", CODE);
    let province = line(form, "province", CODE);
    let country = object.optional_parsed(form, "country", WORD, |text| {
        Country::parse(text).ok_or(Wrong::Country)
    });
    object.end(form);
    Some(Address {
        street,
        number,
        postal_code,
        city,
        province,
        country,
    })
}

pub(super) fn fiscal_code(text: &str) -> Result<FiscalCode, Wrong> {
    FiscalCode::parse(text).map_err(|error| match error {
        PartyError::FiscalCodeCheck => Wrong::FiscalCodeCheck,
        PartyError::FiscalCodeForm | PartyError::Creditor | PartyError::Email => Wrong::FiscalCode,
    })
}

/// An amount within pagoPA's limits, and within the service's.
pub(super) fn amount(
    form: &mut Form,
    root: &mut Object<'_>,
    service: Option<&Service>,
    existing: Option<Cents>,
) -> Option<Cents> {
    let cents = root.integer(form, "amount_cents")?;
    let wrong = match Cents::due(cents) {
        Ok(amount) if existing == Some(amount) => return Some(amount),
        Ok(amount) => match service {
            Some(service) if amount < service.min => Wrong::BelowMinimum(service.min),
            Some(service) if amount > service.max => Wrong::AboveMaximum(service.max),
            _ => return Some(amount),
        },
        Err(error) => Wrong::from(error),
    };
    form.wrong(root.name("amount_cents"), wrong);
    None
}
