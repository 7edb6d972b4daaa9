//! Reading a JSON object field by field, so that every wrong field is reported at once.
//!
//! (A derived reader stops at the first one.)

use serde_json::{Map, Number, Value};

use super::problem::Problem;
use super::wrong::{FieldError, Wrong};
use crate::domain::text::is_one_line;

/// Collects what is wrong while objects are read.
#[derive(Debug, Default)]
pub(super) struct Form {
    errors: Vec<FieldError>,
}

/// An object while it is read.
#[derive(Debug)]
pub(super) struct Object<'v> {
    path: String,
    fields: Option<&'v Map<String, Value>>,
    known: Vec<&'static str>,
}

impl Form {
    /// The document itself.
    pub(super) fn root<'v>(&mut self, value: &'v Value) -> Object<'v> {
        let fields = value.as_object();
        if fields.is_none() {
            self.wrong(String::new(), Wrong::NotObject);
        }
        Object {
            path: String::new(),
            fields,
            known: vec![],
        }
    }

    /// An item of a list, which must be an object.
    pub(super) fn at<'v>(&mut self, path: &str, value: &'v Value) -> Object<'v> {
        let fields = value.as_object();
        if fields.is_none() {
            self.wrong(path.to_owned(), Wrong::NotObject);
        }
        Object {
            path: path.to_owned(),
            fields,
            known: vec![],
        }
    }

    /// Whether something at or below this path is wrong.
    pub(super) fn has_below(&self, path: &str) -> bool {
        self.errors
            .iter()
            .any(|error| error.field.starts_with(path))
    }

    /// Notes that a field is wrong.
    pub(super) fn wrong(&mut self, field: String, wrong: Wrong) {
        self.errors.push(FieldError { field, wrong });
    }

    /// What is wrong.
    pub(super) fn into_errors(self) -> Vec<FieldError> {
        self.errors
    }

    /// Nothing when everything was right.
    ///
    /// # Errors
    /// 422 with every wrong field.
    pub(super) fn finish(self) -> Result<(), Problem> {
        if self.errors.is_empty() {
            Ok(())
        } else {
            Err(Problem::invalid_fields(self.errors))
        }
    }
}

impl<'v> Object<'v> {
    /// The name of a field as it is reported.
    pub(super) fn name(&self, field: &str) -> String {
        if self.path.is_empty() {
            field.to_owned()
        } else {
            format!("{}.{field}", self.path)
        }
    }

    /// Whether a field is given.
    pub(super) fn has(&self, field: &str) -> bool {
        self.fields
            .and_then(|fields| fields.get(field))
            .is_some_and(|value| !value.is_null())
    }

    /// The value of a field; `null` is the same as nothing.
    fn value(&mut self, field: &'static str) -> Option<&'v Value> {
        self.known.push(field);
        self.fields?.get(field).filter(|value| !value.is_null())
    }

    /// An object inside, which must be there; when it is not, each of its fields will be reported.
    pub(super) fn object(&mut self, form: &mut Form, field: &'static str) -> Object<'v> {
        let fields = match self.value(field) {
            Some(Value::Object(fields)) => Some(fields),
            Some(_) => {
                form.wrong(self.name(field), Wrong::NotObject);
                None
            }
            None => None,
        };
        Object {
            path: self.name(field),
            fields,
            known: vec![],
        }
    }

    /// A list; nothing when it is missing.
    pub(super) fn list(&mut self, form: &mut Form, field: &'static str) -> Option<&'v Vec<Value>> {
        match self.value(field)? {
            Value::Array(values) => Some(values),
            _ => {
                form.wrong(self.name(field), Wrong::NotList);
                None
            }
        }
    }

    /// An object whose names the caller chooses; nothing when it is missing.
    pub(super) fn map(
        &mut self,
        form: &mut Form,
        field: &'static str,
    ) -> Option<&'v Map<String, Value>> {
        match self.value(field)? {
            Value::Object(fields) => Some(fields),
            _ => {
                form.wrong(self.name(field), Wrong::NotObject);
                None
            }
        }
    }

    /// True or false; nothing when it is missing.
    pub(super) fn flag(&mut self, form: &mut Form, field: &'static str) -> Option<bool> {
        let flag = self.value(field)?.as_bool();
        if flag.is_none() {
            form.wrong(self.name(field), Wrong::NotFlag);
        }
        flag
    }

    /// Notes a field as one that may be there and is not read.
    pub(super) fn skip(&mut self, field: &'static str) {
        self.known.push(field);
    }

    /// A text on one line, of 1 to `limit` characters after blanks around it are dropped; nothing
    /// when it is missing.
    pub(super) fn optional_text(
        &mut self,
        form: &mut Form,
        field: &'static str,
        limit: usize,
    ) -> Option<&'v str> {
        let wrong = match self.value(field)? {
            Value::String(text) => {
                let text = text.trim();
                match text.chars().count() {
                    0 => Wrong::Required,
                    count if count > limit => Wrong::TooLong(limit),
                    _ if !is_one_line(text) => Wrong::NotOneLine,
                    _ => return Some(text),
                }
            }
            _ => Wrong::NotText,
        };
        form.wrong(self.name(field), wrong);
        None
    }

    /// The same for a text that must be there.
    pub(super) fn text(
        &mut self,
        form: &mut Form,
        field: &'static str,
        limit: usize,
    ) -> Option<&'v str> {
        self.require(form, field);
        self.optional_text(form, field, limit)
    }

    /// A whole number that must be there.
    pub(super) fn integer(&mut self, form: &mut Form, field: &'static str) -> Option<i64> {
        self.require(form, field);
        let value = self.value(field)?;
        match value {
            Value::Number(number) if number.is_i64() => number.as_i64(),
            // Above the largest signed number: certainly above every limit.
            Value::Number(number) if number.is_u64() || is_huge(number) => Some(i64::MAX),
            _ => {
                form.wrong(self.name(field), Wrong::NotInteger);
                None
            }
        }
    }

    /// A text that a domain type reads.
    pub(super) fn parsed<T>(
        &mut self,
        form: &mut Form,
        field: &'static str,
        limit: usize,
        parse: impl FnOnce(&str) -> Result<T, Wrong>,
    ) -> Option<T> {
        self.require(form, field);
        self.optional_parsed(form, field, limit, parse)
    }

    /// The same for a text that may be missing.
    pub(super) fn optional_parsed<T>(
        &mut self,
        form: &mut Form,
        field: &'static str,
        limit: usize,
        parse: impl FnOnce(&str) -> Result<T, Wrong>,
    ) -> Option<T> {
        let text = self.optional_text(form, field, limit)?;
        match parse(text) {
            Ok(value) => Some(value),
            Err(wrong) => {
                form.wrong(self.name(field), wrong);
                None
            }
        }
    }

    fn require(&mut self, form: &mut Form, field: &'static str) {
        if self.value(field).is_none() {
            form.wrong(self.name(field), Wrong::Required);
        }
    }

    /// Reports fields that nobody asked for: a misspelt name never passes in silence.
    pub(super) fn end(self, form: &mut Form) {
        for field in self.fields.into_iter().flat_map(Map::keys) {
            if !self.known.contains(&field.as_str()) {
                form.wrong(self.name(field), Wrong::Unknown);
            }
        }
    }
}

/// Whether a number is so large that it is written with an exponent.
fn is_huge(number: &Number) -> bool {
    let text = number.to_string();
    text.contains('e') && !text.contains("e-") && !text.starts_with('-')
}
