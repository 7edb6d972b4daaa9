//! The body of `paCreatePosition`, checked as its schema says; fields it does not know are ignored.

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::money::CENTS_MAX;

/// A request every field of which is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PositionRequest {
    pub(crate) creditor: String,
    pub(crate) entity_type: String,
    pub(crate) entity_fiscal_code: String,
    pub(crate) entity_full_name: String,
    pub(crate) iuv: String,
    /// As given, or `3` and the IUV.
    pub(crate) nav: String,
    pub(crate) amount_cents: i64,
    pub(crate) description: String,
    /// RFC 3339.
    pub(crate) expires_at: Timestamp,
    pub(crate) iban: Option<String>,
    pub(crate) postal_iban: Option<String>,
    pub(crate) switch_to_expired: bool,
    pub(crate) pay_stand_in: bool,
}

impl PositionRequest {
    /// Reads a body; the error is the first thing that is wrong.
    pub(super) fn read(body: &[u8]) -> Result<Self, String> {
        let fields: Map<String, Value> =
            serde_json::from_slice(body).map_err(|_| "the body is no JSON object".to_owned())?;
        let fields = Fields(&fields);
        let iuv = fields.text("iuv", 1, 255)?;
        let expires_at = fields.text("expirationDate", 1, 64)?;
        let entity_type = fields.text("entityType", 1, 1)?;
        if !matches!(entity_type.as_str(), "F" | "G") {
            return Err("entityType must be F or G".to_owned());
        }
        Ok(PositionRequest {
            creditor: fields.text("paFiscalCode", 11, 11)?,
            entity_type,
            entity_fiscal_code: fields.text("entityFiscalCode", 2, usize::MAX)?,
            entity_full_name: fields.text("entityFullName", 1, 255)?,
            nav: fields
                .optional_text("nav", 1, 255)?
                .unwrap_or_else(|| format!("3{iuv}")),
            iuv,
            amount_cents: fields.amount("amount")?,
            description: fields.text("description", 1, 255)?,
            expires_at: expires_at
                .parse()
                .map_err(|_| "expirationDate must be a date-time with an offset".to_owned())?,
            iban: fields.optional_text("iban", 27, 27)?,
            postal_iban: fields.optional_text("postalIban", 27, 27)?,
            switch_to_expired: fields.boolean("switchToExpired", false)?,
            pay_stand_in: fields.boolean("payStandIn", true)?,
        })
    }

    /// What the platform calls the position.
    pub(super) fn iupd(&self) -> String {
        format!("ACA_{}_{}", self.creditor, self.iuv)
    }
}

struct Fields<'a>(&'a Map<String, Value>);

impl Fields<'_> {
    /// A field that is null counts as missing.
    fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    fn text(&self, name: &str, min: usize, max: usize) -> Result<String, String> {
        self.optional_text(name, min, max)?
            .ok_or_else(|| format!("{name} is missing"))
    }

    fn optional_text(&self, name: &str, min: usize, max: usize) -> Result<Option<String>, String> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let text = value
            .as_str()
            .ok_or_else(|| format!("{name} must be text"))?;
        if !(min..=max).contains(&text.chars().count()) {
            return Err(if max == usize::MAX {
                format!("{name} must have at least {min} characters")
            } else {
                format!("{name} must have {min} to {max} characters")
            });
        }
        Ok(Some(text.to_owned()))
    }

    fn amount(&self, name: &str) -> Result<i64, String> {
        let value = self.get(name).ok_or_else(|| format!("{name} is missing"))?;
        value
            .as_i64()
            .filter(|cents| (0..=CENTS_MAX).contains(cents))
            .ok_or_else(|| format!("{name} must be 0 to {CENTS_MAX} whole cents"))
    }

    fn boolean(&self, name: &str, default: bool) -> Result<bool, String> {
        self.get(name).map_or(Ok(default), |value| {
            value
                .as_bool()
                .ok_or_else(|| format!("{name} must be true or false"))
        })
    }
}
