//! A notice as the gateway describes it.

use jiff::civil::Date;
use serde_json::Value;

/// Longest id the portal puts into an address.
const ID_MAX: usize = 64;

/// What the portal shows of a notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Notice {
    pub(super) id: String,
    pub(super) notice_number: String,
    pub(super) amount_cents: i64,
    pub(super) state: String,
    pub(super) description: String,
    pub(super) due_on: Option<Date>,
    pub(super) child_code: String,
    pub(super) child_name: String,
}

impl Notice {
    /// Reads the gateway's JSON; nothing where a field the portal lives by is missing.
    pub(super) fn read(value: &Value) -> Option<Self> {
        let text = |value: &Value, name: &str| value.get(name)?.as_str().map(str::to_owned);
        let child = value.get("child").unwrap_or(&Value::Null);
        Some(Notice {
            id: text(value, "id").filter(|id| is_id(id))?,
            notice_number: text(value, "notice_number")?,
            amount_cents: value.get("amount_cents")?.as_i64()?,
            state: text(value, "state")?,
            description: text(value, "description").unwrap_or_default(),
            due_on: text(value, "due_on").and_then(|day| day.parse().ok()),
            child_code: text(child, "code").unwrap_or_default(),
            child_name: text(child, "name").unwrap_or_default(),
        })
    }
}

/// Whether a text may stand in an address as it is.
pub(super) fn is_id(text: &str) -> bool {
    let is_safe = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    (1..=ID_MAX).contains(&text.len()) && text.bytes().all(is_safe)
}
