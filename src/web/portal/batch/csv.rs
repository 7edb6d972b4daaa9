//! A table of notices: which column is which field, and how its values are written there.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::Unreadable;
use crate::desk::batches::{Row, RowError};
use crate::domain::day::Day;
use crate::domain::debt::Period;
use crate::domain::text::cut;
use crate::wire::table::{self, Line, Table};

/// A column: its field, its names (the first two are told), and whether it must be there.
struct Column {
    field: &'static str,
    names: &'static [&'static str],
    is_needed: bool,
}

const fn needed(field: &'static str, names: &'static [&'static str]) -> Column {
    Column {
        field,
        names,
        is_needed: true,
    }
}

const fn optional(field: &'static str, names: &'static [&'static str]) -> Column {
    Column {
        field,
        names,
        is_needed: false,
    }
}

/// The columns, in Italian and English; `docs/batch.md` tells them.
const COLUMNS: &[Column] = &[
    needed("external_id", &["id_esterno", "external_id"]),
    optional("kind", &["tipo", "kind"]),
    needed("service", &["servizio", "service"]),
    needed("child.code", &["codice_bambino", "child_code"]),
    needed("child.name", &["nome_bambino", "child_name"]),
    needed(
        "child.fiscal_code",
        &["cf_bambino", "child_fiscal_code", "codice_fiscale_bambino"],
    ),
    needed("payer.name", &["nome_pagatore", "payer_name"]),
    needed(
        "payer.fiscal_code",
        &[
            "cf_pagatore",
            "payer_fiscal_code",
            "codice_fiscale_pagatore",
        ],
    ),
    needed("payer.email", &["email_pagatore", "payer_email", "email"]),
    needed("amount_cents", &["importo", "amount"]),
    optional("period", &["periodo", "period", "mese"]),
    optional("quantity", &["pasti", "meals"]),
    optional("unit_cents", &["prezzo", "unit_price", "prezzo_unitario"]),
    optional("description", &["causale", "description"]),
    optional("due_on", &["scadenza", "due_on", "data_scadenza"]),
    optional("publish_on", &["pubblicazione", "publish_on"]),
];

/// Reads a table of notices.
///
/// # Errors
/// [`Unreadable`]: empty, or columns that are missing, unknown or there twice.
pub(super) fn rows(bytes: &[u8]) -> Result<Vec<Row>, Unreadable> {
    let table = table::read(bytes).ok_or(Unreadable::Empty)?;
    let places = places(&table)?;
    let columns: HashMap<&'static str, String> = places
        .iter()
        .filter_map(|(field, place)| Some((*field, table.head.get(*place)?.clone())))
        .collect();
    let columns = Arc::new(columns);
    let width = table.head.len();
    let lines = table.rows.iter();
    Ok(lines
        .map(|line| row(line, width, &places, &columns))
        .collect())
}

/// Where each field stands.
fn places(table: &Table) -> Result<HashMap<&'static str, usize>, Unreadable> {
    let mut places = HashMap::new();
    let (mut unknown, mut twice) = (vec![], vec![]);
    for (place, name) in table.head.iter().enumerate() {
        let plain = plain(name);
        match COLUMNS
            .iter()
            .find(|column| column.names.contains(&plain.as_str()))
        {
            Some(column) => {
                if places.insert(column.field, place).is_some() {
                    twice.push(cut(name, 35).to_owned());
                }
            }
            None => unknown.push(cut(name, 35).to_owned()),
        }
    }
    let missing = COLUMNS
        .iter()
        .filter(|column| column.is_needed && !places.contains_key(column.field))
        .filter_map(|column| column.names.first().map(|name| (*name).to_owned()));
    let missing: Vec<String> = missing.collect();
    if missing.is_empty() && unknown.is_empty() && twice.is_empty() {
        return Ok(places);
    }
    let name = |column: &Column| {
        let names: Vec<&str> = column.names.iter().take(2).copied().collect();
        let names = names.join("/");
        if column.is_needed {
            names
        } else {
            format!("[{names}]")
        }
    };
    let mut detail = String::new();
    for (word, names) in [
        ("missing", &missing),
        ("unknown", &unknown),
        ("twice", &twice),
    ] {
        if !names.is_empty() {
            detail.push_str(&format!("{word}: {}; ", names.join(", ")));
        }
    }
    let expected: Vec<String> = COLUMNS.iter().map(name).collect();
    detail.push_str(&format!("expected: {}", expected.join(", ")));
    Err(Unreadable::Columns(detail))
}

/// The name of a column in small letters without accents, with `_` for what separates words.
fn plain(name: &str) -> String {
    let letters = name.trim().chars().map(|letter| match letter {
        ' ' | '-' | '.' | '/' => '_',
        'à' | 'À' => 'a',
        other => other.to_ascii_lowercase(),
    });
    letters.collect()
}

fn row(
    line: &Line,
    width: usize,
    places: &HashMap<&'static str, usize>,
    columns: &Arc<HashMap<&'static str, String>>,
) -> Row {
    let mut errors = vec![];
    if line
        .values
        .iter()
        .skip(width)
        .any(|value| !value.is_empty())
    {
        errors.push(error(
            "",
            columns,
            "too_many_values",
            "la riga ha più valori che colonne",
        ));
    }
    let value = |field: &str| {
        let place = places.get(field)?;
        line.values
            .get(*place)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    };
    let mut read = |field: &'static str, read: &dyn Fn(&str) -> Option<Value>, code, message| {
        let text = value(field)?;
        let read = read(text);
        if read.is_none() {
            errors.push(error(field, columns, code, message));
        }
        read
    };
    let amount = "non è un importo in euro, come 1.234,50";
    let cents = read(
        "amount_cents",
        &|text| euro(text).map(Value::from),
        "invalid_amount",
        amount,
    );
    let unit = read(
        "unit_cents",
        &|text| euro(text).map(Value::from),
        "invalid_amount",
        amount,
    );
    let number = |text: &str| text.parse::<i64>().ok().map(Value::from);
    let quantity = read(
        "quantity",
        &number,
        "invalid_number",
        "non è un numero intero",
    );
    let date = "non è una data nella forma GG/MM/AAAA o AAAA-MM-GG";
    let due_on = read(
        "due_on",
        &|text| day(text).map(Value::from),
        "invalid_day",
        date,
    );
    let publish_on = read(
        "publish_on",
        &|text| day(text).map(Value::from),
        "invalid_day",
        date,
    );
    let month = "non è un mese nella forma MM/AAAA o AAAA-MM";
    let period = read(
        "period",
        &|text| period(text).map(Value::from),
        "invalid_period",
        month,
    );
    let kind = value("kind").map_or("invoice", |word| match word.to_ascii_lowercase().as_str() {
        "fattura" | "invoice" => "invoice",
        "ricarica" | "top_up" => "top_up",
        _ => word,
    });
    let mut request = Map::new();
    let mut put = |field: &str, value: Option<Value>| {
        if let Some(value) = value {
            request.insert(field.to_owned(), value);
        }
    };
    put("kind", Some(kind.into()));
    if kind == "invoice" {
        put(
            "lines",
            lines(period.as_ref(), quantity, unit, cents.as_ref()),
        );
    }
    for (field, value) in [
        ("amount_cents", cents),
        ("due_on", due_on),
        ("publish_on", publish_on),
        ("period", period),
    ] {
        put(field, value);
    }
    for field in ["external_id", "service", "description"] {
        put(field, value(field).map(Value::from));
    }
    for (object, fields) in [
        ("child", &["code", "name", "fiscal_code"][..]),
        ("payer", &["name", "fiscal_code", "email"][..]),
    ] {
        let inside = fields.iter().filter_map(|field| {
            let text = value(&format!("{object}.{field}"))?;
            Some(((*field).to_owned(), Value::from(text)))
        });
        put(object, Some(Value::Object(inside.collect())));
    }
    Row {
        line: i64::try_from(line.line).unwrap_or(i64::MAX),
        external_id: value("external_id").map(str::to_owned),
        request: Value::Object(request),
        errors,
        columns: columns.clone(),
    }
}

/// One line for the month: so many meals at a price, or the amount as it is.
fn lines(
    period: Option<&Value>,
    quantity: Option<Value>,
    unit: Option<Value>,
    cents: Option<&Value>,
) -> Option<Value> {
    let period = Period::parse(period?.as_str()?)?;
    let (quantity, unit) = match (quantity, unit) {
        (Some(quantity), Some(unit)) => (quantity, unit),
        _ => (Value::from(1), cents?.clone()),
    };
    Some(json!([{
        "on": period.last_day()?.to_string(),
        "description": format!("Pasti {}", period.in_italian()),
        "quantity": quantity,
        "unit_cents": unit,
    }]))
}

fn error(
    field: &'static str,
    columns: &HashMap<&'static str, String>,
    code: &str,
    message: &str,
) -> RowError {
    RowError {
        field: field.to_owned(),
        column: columns.get(field).cloned(),
        code: code.to_owned(),
        message: message.to_owned(),
    }
}

/// Euro as people write them: `45`, `45,5`, `45,50`, `45.50`, `1.234,50`, `€ 45,00`; in cents. A
/// point before exactly three digits separates thousands only when a comma follows: `1.234` alone
/// could be either, and is refused.
fn euro(text: &str) -> Option<i64> {
    let text = text.trim_start_matches('€').trim_end_matches('€').trim();
    let (whole, part) = match (text.rsplit_once(','), text.rsplit_once('.')) {
        (Some((whole, part)), _) => (ungrouped(whole)?, part),
        (None, Some((whole, part))) if !whole.contains('.') => (whole.to_owned(), part),
        (None, Some(_)) => return None,
        (None, None) => (text.to_owned(), "0"),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(&whole) || !digits(part) || part.len() > 2 {
        return None;
    }
    let cents: i64 = format!("{part:0<2}").parse().ok()?;
    whole
        .parse::<i64>()
        .ok()?
        .checked_mul(100)?
        .checked_add(cents)
}

/// Digits without the points between thousands.
fn ungrouped(text: &str) -> Option<String> {
    let mut groups = text.split('.');
    let first = groups.next()?;
    let is_grouped = text.contains('.');
    (!is_grouped || (1..=3).contains(&first.len())).then_some(())?;
    groups.clone().all(|group| group.len() == 3).then_some(())?;
    Some(groups.fold(first.to_owned(), |whole, group| whole + group))
}

/// A day as `31/12/2026`, `1/2/2026` or `2026-12-31`.
fn day(text: &str) -> Option<String> {
    if let Ok(day) = Day::parse(text) {
        return Some(day.to_string());
    }
    let mut parts = text.split('/');
    let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || year.len() != 4 || day.len() > 2 || month.len() > 2 {
        return None;
    }
    let day = Day::parse(&format!("{year}-{month:0>2}-{day:0>2}")).ok()?;
    Some(day.to_string())
}

/// A month as `10/2026` or `2026-10`.
fn period(text: &str) -> Option<String> {
    let read = Period::parse(text).or_else(|| {
        let (month, year) = text.split_once('/')?;
        Period::parse(&format!("{year}-{month:0>2}"))
    });
    read.map(|period| period.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn euro_are_read_to_the_cent() {
        let table = [
            ("45", Some(4_500)),
            ("45,5", Some(4_550)),
            ("45,50", Some(4_550)),
            ("45.50", Some(4_550)),
            ("1.234,50", Some(123_450)),
            ("€ 45,00", Some(4_500)),
            ("45,00 €", Some(4_500)),
            ("0,01", Some(1)),
            ("1.234", None),
            ("1.23,50", None),
            ("1234.567,00", None),
            ("45,505", None),
            ("45,", None),
            (",50", None),
            ("-45,00", None),
            ("45,0x", None),
            ("4 5", None),
            ("99999999999999999999,00", None),
        ];
        for (text, cents) in table {
            assert_eq!(euro(text), cents, "{text}");
        }
    }

    #[test]
    fn days_and_months_are_read_as_italians_write_them() {
        for (text, expected) in [
            ("31/12/2026", Some("2026-12-31")),
            ("1/2/2026", Some("2026-02-01")),
            ("2026-12-31", Some("2026-12-31")),
            ("31/02/2026", None),
            ("12/31/2026", None),
            ("31/12/26", None),
            ("31.12.2026", None),
        ] {
            assert_eq!(day(text).as_deref(), expected, "{text}");
        }
        assert_eq!(period("10/2026").as_deref(), Some("2026-10"));
        assert_eq!(period("2026-10").as_deref(), Some("2026-10"));
        assert_eq!(period("ottobre"), None);
    }
}
