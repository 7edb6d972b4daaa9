//! The parts of a request for a notice that only an invoice has: the month and its lines.

use serde_json::Value;

use super::request::{DESCRIPTION, WORD};
use crate::domain::day::Day;
use crate::domain::debt::{
    DebtKind, Invoice, InvoiceError, LARGEST_UNIT, LINE_TEXT, Line, MOST_LINES, MOST_PIECES, Period,
};
use crate::domain::money::Cents;
use crate::domain::text::cut;
use crate::web::fields::{Form, Object};
use crate::web::wrong::Wrong;

/// Reads `period` and `lines`: needed for an invoice, unknown for anything else.
pub(super) fn invoice(
    form: &mut Form,
    root: &mut Object<'_>,
    kind: Option<DebtKind>,
    amount: Option<Cents>,
) -> Option<Invoice> {
    match kind {
        Some(DebtKind::Invoice) => {}
        // Reported as fields that nobody asked for.
        Some(DebtKind::TopUp) => return None,
        None => {
            root.skip("period");
            root.skip("lines");
            return None;
        }
    }
    let period = root.parsed(form, "period", WORD, |text| {
        Period::parse(text).ok_or(Wrong::Period)
    });
    let name = root.name("lines");
    let values = match root.list(form, "lines") {
        Some(values) => values,
        None if root.has("lines") => return None,
        None => {
            form.wrong(name, Wrong::Required);
            return None;
        }
    };
    if !(1..=MOST_LINES).contains(&values.len()) {
        form.wrong(name, Wrong::NotANumberOf(MOST_LINES));
        return None;
    }
    let lines: Vec<Line> = values
        .iter()
        .enumerate()
        .filter_map(|(index, value)| line(form, &format!("{name}[{index}]"), value))
        .collect();
    // What is wrong with one of them is reported there.
    if lines.len() < values.len() {
        return None;
    }
    let wrong = match Invoice::of(period?, lines, amount?) {
        Ok(invoice) => return Some(invoice),
        Err(InvoiceError::Number) => Wrong::NotANumberOf(MOST_LINES),
        Err(InvoiceError::Sum) => Wrong::Sum,
    };
    form.wrong(name, wrong);
    None
}

fn line(form: &mut Form, path: &str, value: &Value) -> Option<Line> {
    let mut object = form.at(path, value);
    let on = object.parsed(form, "on", WORD, |text| {
        Day::parse(text).map_err(|_| Wrong::Day)
    });
    let description = object
        .text(form, "description", LINE_TEXT)
        .map(str::to_owned);
    let quantity = object.integer(form, "quantity").filter(|quantity| {
        let is_right = (1..=MOST_PIECES).contains(quantity);
        if !is_right {
            let most = u32::try_from(MOST_PIECES).unwrap_or(u32::MAX);
            form.wrong(object.name("quantity"), Wrong::NotANumber(most));
        }
        is_right
    });
    let unit = object.integer(form, "unit_cents").filter(|unit| {
        let is_right = (-LARGEST_UNIT..=LARGEST_UNIT).contains(unit);
        if !is_right {
            form.wrong(object.name("unit_cents"), Wrong::AmountTooLarge);
        }
        is_right
    });
    object.end(form);
    let is_wrong = form.has_below(path);
    (!is_wrong).then_some(())?;
    Some(Line {
        on: on?,
        description: description?,
        quantity: quantity?,
        unit: Cents::new(unit?),
    })
}

/// The texts of the lines, with the names of their fields.
pub(super) fn texts(invoice: Option<&Invoice>) -> Vec<(String, &str)> {
    let lines = invoice.map_or(&[][..], |invoice| &invoice.lines);
    lines
        .iter()
        .enumerate()
        .map(|(index, line)| {
            (
                format!("lines[{index}].description"),
                line.description.as_str(),
            )
        })
        .collect()
}

/// A description with the month.
pub(super) fn titled(plain: &str, invoice: &Invoice) -> String {
    let month = invoice.period.in_italian();
    let room = DESCRIPTION.saturating_sub(month.len() + 1);
    format!("{} {month}", cut(plain, room))
}
