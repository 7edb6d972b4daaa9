//! Shares, metadata, address and lines of a debt, as JSON: they are read and written whole, with their debt.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::day::Day;
use crate::domain::debt::{Invoice, Line, Period};
use crate::domain::iban::Iban;
use crate::domain::money::Cents;
use crate::domain::party::{Address, Country, CreditorCode};
use crate::domain::transfer::{Share, Shares};

#[derive(Serialize, Deserialize)]
struct Row {
    creditor: String,
    iban: Option<String>,
    amount_cents: i64,
    category: Option<String>,
    description: Option<String>,
}

/// The shares for the column; nothing when all goes to the creditor.
pub(super) fn shares(shares: &Shares) -> Option<String> {
    let rows: Vec<Row> = shares
        .as_slice()
        .iter()
        .map(|share| Row {
            creditor: share.creditor.as_str().to_owned(),
            iban: share.iban.as_ref().map(|iban| iban.as_str().to_owned()),
            amount_cents: share.amount.get(),
            category: share.category.clone(),
            description: share.description.clone(),
        })
        .collect();
    (!rows.is_empty()).then(|| serde_json::to_string(&rows).unwrap_or_default())
}

/// The shares in the column; nothing when they are not those of a debt of `total`.
pub(super) fn read_shares(text: &str, total: Cents) -> Option<Shares> {
    let rows: Vec<Row> = serde_json::from_str(text).ok()?;
    let shares = rows.into_iter().map(|row| {
        Some(Share {
            creditor: CreditorCode::parse(&row.creditor).ok()?,
            iban: match row.iban {
                Some(text) => Some(Iban::parse(&text).ok()?),
                None => None,
            },
            amount: Cents::new(row.amount_cents),
            category: row.category,
            description: row.description,
        })
    });
    Shares::of(shares.collect::<Option<_>>()?, total).ok()
}

/// The metadata for the column; nothing when there are none.
pub(super) fn metadata(metadata: &BTreeMap<String, String>) -> Option<String> {
    (!metadata.is_empty()).then(|| serde_json::to_string(metadata).unwrap_or_default())
}

/// The metadata in the column.
pub(super) fn read_metadata(text: &str) -> Option<BTreeMap<String, String>> {
    serde_json::from_str(text).ok()
}

#[derive(Serialize, Deserialize)]
struct AddressRow {
    street: Option<String>,
    number: Option<String>,
    postal_code: Option<String>,
    city: Option<String>,
    province: Option<String>,
    country: Option<String>,
}

/// The address for the column.
pub(super) fn address(address: Option<&Address>) -> Option<String> {
    let address = address?;
    let row = AddressRow {
        street: address.street.clone(),
        number: address.number.clone(),
        postal_code: address.postal_code.clone(),
        city: address.city.clone(),
        province: address.province.clone(),
        country: address.country.as_ref().map(|c| c.as_str().to_owned()),
    };
    serde_json::to_string(&row).ok()
}

/// The address in the column.
pub(super) fn read_address(text: &str) -> Option<Address> {
    let row: AddressRow = serde_json::from_str(text).ok()?;
    Some(Address {
        street: row.street,
        number: row.number,
        postal_code: row.postal_code,
        city: row.city,
        province: row.province,
        country: row.country.as_deref().and_then(Country::parse),
    })
}

#[derive(Serialize, Deserialize)]
struct LineRow {
    on: String,
    description: String,
    quantity: i64,
    unit_cents: i64,
}

/// The lines of an invoice for the column.
pub(super) fn lines(invoice: &Invoice) -> String {
    let rows: Vec<LineRow> = invoice
        .lines
        .iter()
        .map(|line| LineRow {
            on: line.on.to_string(),
            description: line.description.clone(),
            quantity: line.quantity,
            unit_cents: line.unit.get(),
        })
        .collect();
    serde_json::to_string(&rows).unwrap_or_default()
}

/// The invoice in the columns; nothing when it is not one over `amount`.
pub(super) fn read_invoice(period: &str, lines: &str, amount: Cents) -> Option<Invoice> {
    let rows: Vec<LineRow> = serde_json::from_str(lines).ok()?;
    let lines = rows.into_iter().map(|row| {
        Some(Line {
            on: Day::parse(&row.on).ok()?,
            description: row.description,
            quantity: row.quantity,
            unit: Cents::new(row.unit_cents),
        })
    });
    Invoice::of(
        Period::parse(period)?,
        lines.collect::<Option<_>>()?,
        amount,
    )
    .ok()
}
