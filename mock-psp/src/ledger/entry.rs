//! One entry of the meal ledger, and what makes it acceptable.
//!
//! Read strictly: an unknown field or word, a number with decimals or a sign that contradicts the
//! kind is refused, so that a gateway that drifts from the contract hears it at once.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::money::CENTS_MAX;
use crate::problem::FieldError;

/// Longest text a field may hold, in characters.
const TEXT_MAX: usize = 200;
const KINDS: [&str; 3] = ["credit", "fee", "reversal"];
const CHANNELS: [&str; 6] = ["pagopa", "sdd", "mav", "cash", "pos", "voucher"];
const FIELDS: [&str; 13] = [
    "entry_id",
    "creditor",
    "child",
    "service",
    "kind",
    "amount_cents",
    "channel",
    "reference",
    "notice_number",
    "paid_at",
    "payer_fiscal_code",
    "traceable",
    "reverses",
];

/// An entry as it was sent. Two entries are the same when every field is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) entry_id: String,
    pub(crate) creditor: String,
    pub(crate) child: String,
    pub(crate) service: String,
    pub(crate) kind: String,
    /// Signed: credits above zero, fees and reversals below.
    pub(crate) amount_cents: i64,
    pub(crate) channel: String,
    pub(crate) reference: String,
    pub(crate) notice_number: Option<String>,
    /// RFC 3339, kept as sent.
    pub(crate) paid_at: String,
    pub(crate) payer_fiscal_code: Option<String>,
    pub(crate) traceable: bool,
    pub(crate) reverses: Option<String>,
}

impl Entry {
    /// Reads the fields of a JSON object, or names every wrong one.
    pub(crate) fn read(object: &Map<String, Value>) -> Result<Self, Vec<FieldError>> {
        let mut reader = Reader {
            object,
            errors: Vec::new(),
        };
        reader.no_other_fields();
        let entry = Entry {
            entry_id: reader.text("entry_id"),
            creditor: reader.digits("creditor", 11),
            child: reader.text("child"),
            service: reader.text("service"),
            kind: reader.word("kind", &KINDS),
            amount_cents: reader.amount("amount_cents"),
            channel: reader.word("channel", &CHANNELS),
            reference: reader.text("reference"),
            notice_number: reader
                .is_given("notice_number")
                .then(|| reader.digits("notice_number", 18)),
            paid_at: reader.instant("paid_at"),
            payer_fiscal_code: reader.optional_text("payer_fiscal_code"),
            traceable: reader.boolean("traceable"),
            reverses: reader.optional_text("reverses"),
        };
        reader.sign(&entry);
        if reader.errors.is_empty() {
            Ok(entry)
        } else {
            Err(reader.errors)
        }
    }
}

/// The instant of an RFC 3339 text, which must carry a `T` and an offset.
pub(crate) fn instant(text: &str) -> Option<Timestamp> {
    let is_plain = text.as_bytes().get(10) == Some(&b'T') && !text.contains('[');
    if is_plain { text.parse().ok() } else { None }
}

/// Reads fields one by one; a wrong one leaves an error and a harmless value.
struct Reader<'a> {
    object: &'a Map<String, Value>,
    errors: Vec<FieldError>,
}

impl Reader<'_> {
    fn error(&mut self, field: &str, code: &'static str, message: impl Into<String>) {
        self.errors.push(FieldError::new(field, code, message));
    }

    fn no_other_fields(&mut self) {
        for name in self.object.keys() {
            if !FIELDS.contains(&name.as_str()) {
                self.errors.push(FieldError::new(
                    name,
                    "unknown_field",
                    "is not in the contract",
                ));
            }
        }
    }

    fn is_given(&self, field: &str) -> bool {
        self.object.get(field).is_some_and(|value| !value.is_null())
    }

    fn text(&mut self, field: &str) -> String {
        match self.object.get(field) {
            None | Some(Value::Null) => self.error(field, "required", "is missing"),
            Some(Value::String(text)) => {
                let length = text.chars().count();
                if (1..=TEXT_MAX).contains(&length) && !text.chars().any(char::is_control) {
                    return text.clone();
                }
                self.error(
                    field,
                    "invalid",
                    format!("must have 1 to {TEXT_MAX} characters"),
                );
            }
            Some(_) => self.error(field, "wrong_type", "must be a string"),
        }
        String::new()
    }

    fn optional_text(&mut self, field: &str) -> Option<String> {
        self.is_given(field).then(|| self.text(field))
    }

    fn digits(&mut self, field: &str, count: usize) -> String {
        let before = self.errors.len();
        let text = self.text(field);
        let is_legal = text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
        if self.errors.len() == before && !is_legal {
            self.error(field, "invalid", format!("must be {count} digits"));
        }
        text
    }

    fn word(&mut self, field: &str, words: &[&str]) -> String {
        let before = self.errors.len();
        let text = self.text(field);
        if self.errors.len() == before && !words.contains(&text.as_str()) {
            self.error(
                field,
                "unknown_value",
                format!("must be one of {}", words.join(", ")),
            );
        }
        text
    }

    fn amount(&mut self, field: &str) -> i64 {
        match self.object.get(field) {
            None | Some(Value::Null) => self.error(field, "required", "is missing"),
            Some(value) => match value.as_i64() {
                Some(cents) if cents.unsigned_abs() <= CENTS_MAX.unsigned_abs() => return cents,
                Some(_) => self.error(field, "invalid", "is too large"),
                None => self.error(field, "wrong_type", "must be an integer number of cents"),
            },
        }
        0
    }

    fn boolean(&mut self, field: &str) -> bool {
        match self.object.get(field) {
            None | Some(Value::Null) => self.error(field, "required", "is missing"),
            Some(Value::Bool(value)) => return *value,
            Some(_) => self.error(field, "wrong_type", "must be true or false"),
        }
        false
    }

    fn instant(&mut self, field: &str) -> String {
        let before = self.errors.len();
        let text = self.text(field);
        if self.errors.len() == before && instant(&text).is_none() {
            self.error(field, "invalid", "must be an RFC 3339 instant");
        }
        text
    }

    fn sign(&mut self, entry: &Entry) {
        let field = "amount_cents";
        if self
            .errors
            .iter()
            .any(|error| matches!(error.field.as_str(), "kind" | "amount_cents"))
        {
            return;
        }
        let is_credit = entry.kind == "credit";
        if is_credit && entry.amount_cents <= 0 {
            self.error(field, "wrong_sign", "a credit must be above zero");
        } else if !is_credit && entry.amount_cents >= 0 {
            self.error(field, "wrong_sign", "a fee or reversal must be below zero");
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::sample;

    fn read(value: &Value) -> Result<Entry, Vec<FieldError>> {
        Entry::read(value.as_object().unwrap())
    }

    #[test]
    fn a_right_entry_is_read_field_by_field() {
        let entry = read(&sample()).unwrap();
        assert_eq!(serde_json::to_value(&entry).unwrap(), sample());
        let mut bare = sample();
        for field in ["notice_number", "payer_fiscal_code", "reverses"] {
            bare.as_object_mut().unwrap().remove(field);
        }
        let entry = read(&bare).unwrap();
        assert_eq!(
            (entry.notice_number, entry.payer_fiscal_code, entry.reverses),
            (None, None, None)
        );
    }

    #[test]
    fn every_wrong_field_is_named_with_its_reason() {
        let cases = [
            ("entry_id", json!(null), "required"),
            ("entry_id", json!(""), "invalid"),
            ("entry_id", json!(7), "wrong_type"),
            ("creditor", json!("7777777777"), "invalid"),
            ("creditor", json!("7777777777x"), "invalid"),
            ("child", json!("x".repeat(201)), "invalid"),
            ("service", json!("a\nb"), "invalid"),
            ("kind", json!("gift"), "unknown_value"),
            ("amount_cents", json!(null), "required"),
            ("amount_cents", json!(50.5), "wrong_type"),
            ("amount_cents", json!(5000.0), "wrong_type"),
            ("amount_cents", json!("5000"), "wrong_type"),
            ("amount_cents", json!(100_000_000_000_i64), "invalid"),
            ("amount_cents", json!(0), "wrong_sign"),
            ("amount_cents", json!(-1), "wrong_sign"),
            ("channel", json!("bitcoin"), "unknown_value"),
            ("reference", json!(null), "required"),
            ("notice_number", json!("30220260000123451"), "invalid"),
            ("paid_at", json!("2026-11-20"), "invalid"),
            ("paid_at", json!("2026-11-20T09:15:30"), "invalid"),
            ("paid_at", json!("2026-11-20 09:15:30Z"), "invalid"),
            ("payer_fiscal_code", json!(""), "invalid"),
            ("traceable", json!(null), "required"),
            ("traceable", json!("yes"), "wrong_type"),
            ("reverses", json!(false), "wrong_type"),
            ("colour", json!("red"), "unknown_field"),
        ];
        for (field, value, code) in cases {
            let mut entry = sample();
            entry[field] = value.clone();
            let errors = read(&entry).unwrap_err();
            let found: Vec<_> = errors.iter().map(|e| (e.field.as_str(), e.code)).collect();
            assert_eq!(found, [(field, code)], "{value}");
        }
        assert_eq!(Entry::read(&Map::new()).unwrap_err().len(), 10);
    }

    #[test]
    fn fees_and_reversals_are_negative() {
        for kind in ["fee", "reversal"] {
            let mut entry = sample();
            entry["kind"] = json!(kind);
            assert_eq!(read(&entry).unwrap_err()[0].code, "wrong_sign");
            entry["amount_cents"] = json!(-5_000);
            assert_eq!(read(&entry).unwrap().amount_cents, -5_000);
        }
    }
}
