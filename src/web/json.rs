//! JSON read strictly: a name that stands twice in one object is an error. (The usual reader keeps
//! the last one, so that two programs may read two amounts in one request.)

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

/// Reads a document.
///
/// # Errors
/// It is not JSON, or a name stands twice in one object.
pub(super) fn parse(bytes: &[u8]) -> Result<Value, serde_json::Error> {
    let value = serde_json::from_slice(bytes)?;
    check(serde_json::from_slice(bytes)?)?;
    Ok(value)
}

/// Looks for a name that stands twice, at every depth. The document is known to be JSON, and to be
/// no deeper than serde_json reads.
fn check(raw: &RawValue) -> Result<(), serde_json::Error> {
    let inside = match raw.get().as_bytes().first() {
        Some(b'{') => serde_json::from_str::<Fields<'_>>(raw.get())?.0,
        Some(b'[') => serde_json::from_str(raw.get())?,
        _ => vec![],
    };
    inside.into_iter().try_for_each(check)
}

/// The values of an object in which no name stands twice.
struct Fields<'a>(Vec<&'a RawValue>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Fields<'de>, D::Error> {
        deserializer.deserialize_map(Unique)
    }
}

struct Unique;

impl<'de> Visitor<'de> for Unique {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Fields<'de>, A::Error> {
        let mut names = HashSet::new();
        let mut values = vec![];
        while let Some((name, value)) = fields.next_entry::<String, &RawValue>()? {
            if !names.insert(name) {
                return Err(A::Error::custom("a name stands twice in one object"));
            }
            values.push(value);
        }
        Ok(Fields(values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_once_in_its_object() {
        for good in [
            "{}",
            "[]",
            "null",
            " 1.5e3 ",
            r#"{"a": {"a": 1}, "b": [{"a": 1}, {"a": 2}]}"#,
            r#"{"a": "a\"a"}"#,
        ] {
            assert!(parse(good.as_bytes()).is_ok(), "{good}");
        }
        for bad in [
            r#"{"a": 1, "a": 1}"#,
            r#"{"a": 1, "\u0061": 2}"#,
            r#"[{"b": {"a": 1, "a": 2}}]"#,
            "{",
            "",
            "{} {}",
        ] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
