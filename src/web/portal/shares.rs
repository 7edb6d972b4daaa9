//! The parts of a request for a notice that say who receives the money, and what is carried along.

use std::collections::BTreeMap;

use serde_json::Value;

use super::request::{DESCRIPTION, WORD};
use crate::domain::creditor::Register;
use crate::domain::debt::MOST_METADATA;
use crate::domain::iban::{Iban, IbanError};
use crate::domain::money::Cents;
use crate::domain::party::CreditorCode;
use crate::domain::text::{is_one_line, is_taxonomy};
use crate::domain::transfer::{MOST, Share, ShareError, Shares};
use crate::web::fields::{Form, Object};
use crate::web::wrong::Wrong;

/// Longest key or value of the metadata (`ctMetadata`).
const METADATA: usize = 140;

/// Reads `transfers`: nothing when it is not there.
pub(super) fn shares(
    form: &mut Form,
    root: &mut Object<'_>,
    register: &Register,
    total: Option<Cents>,
) -> Option<Shares> {
    let values = root.list(form, "transfers")?;
    let name = root.name("transfers");
    if !(1..=MOST).contains(&values.len()) {
        form.wrong(name, Wrong::NotANumberOf(MOST));
        return None;
    }
    let shares: Vec<Share> = values
        .iter()
        .enumerate()
        .filter_map(|(index, value)| share(form, &format!("{name}[{index}]"), value, register))
        .collect();
    // What is wrong with one of them is reported there.
    if shares.len() < values.len() {
        return None;
    }
    let wrong = match Shares::of(shares, total?) {
        Ok(shares) => return Some(shares),
        Err(ShareError::Number) => Wrong::NotANumberOf(MOST),
        Err(ShareError::Amount) => Wrong::AmountZero,
        Err(ShareError::Sum) => Wrong::Sum,
    };
    form.wrong(name, wrong);
    None
}

fn share(form: &mut Form, path: &str, value: &Value, register: &Register) -> Option<Share> {
    let mut object = form.at(path, value);
    let creditor = object.parsed(form, "creditor", WORD, |text| {
        CreditorCode::parse(text).map_err(|_| Wrong::FiscalCode)
    });
    let known = creditor.as_ref().and_then(|code| register.get(code));
    let iban = object.optional_parsed(form, "iban", 2 * WORD, |text| match Iban::parse(text) {
        Ok(iban) if known.is_some_and(|creditor| !creditor.has_account(&iban)) => {
            Err(Wrong::NotRegistered)
        }
        Ok(iban) => Ok(iban),
        Err(IbanError::Cin) => Err(Wrong::IbanCin),
        Err(IbanError::Invalid) => Err(Wrong::Iban),
    });
    if iban.is_none() && known.is_none() && creditor.is_some() && !object.has("iban") {
        // We know no account of a body that is not served here.
        form.wrong(object.name("iban"), Wrong::Required);
    }
    let amount = object
        .integer(form, "amount_cents")
        .and_then(|cents| match Cents::due(cents) {
            Ok(amount) => Some(amount),
            Err(error) => {
                form.wrong(object.name("amount_cents"), Wrong::from(error));
                None
            }
        });
    let category = object.optional_parsed(form, "category", WORD, |text| {
        if is_taxonomy(text) {
            Ok(text.to_owned())
        } else {
            Err(Wrong::Taxonomy)
        }
    });
    let description = object
        .optional_text(form, "description", DESCRIPTION)
        .map(str::to_owned);
    object.end(form);
    let is_wrong = form.has_below(path);
    (!is_wrong).then_some(())?;
    Some(Share {
        creditor: creditor?,
        iban,
        amount: amount?,
        category,
        description,
    })
}

/// Reads `metadata`: names of the portal's own choice, with texts.
pub(super) fn metadata(form: &mut Form, root: &mut Object<'_>) -> BTreeMap<String, String> {
    let name = root.name("metadata");
    let Some(fields) = root.map(form, "metadata") else {
        return BTreeMap::new();
    };
    if !(1..=MOST_METADATA).contains(&fields.len()) {
        form.wrong(name, Wrong::NotANumberOf(MOST_METADATA));
        return BTreeMap::new();
    }
    let fits = |text: &str| (1..=METADATA).contains(&text.chars().count()) && is_one_line(text);
    let mut metadata = BTreeMap::new();
    for (key, value) in fields {
        let place = || format!("{name}.{}", crate::domain::text::cut(key, 35));
        match value {
            Value::String(text) if fits(key) && fits(text) => {
                metadata.insert(key.clone(), text.clone());
            }
            Value::String(_) => form.wrong(place(), Wrong::TooLong(METADATA)),
            _ => form.wrong(place(), Wrong::NotText),
        }
    }
    metadata
}
