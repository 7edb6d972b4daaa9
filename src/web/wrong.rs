//! What can be wrong with a field: a stable code for programs, a sentence for people.

use super::language::{Language, Text};
use crate::domain::money::Cents;

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FieldError {
    /// The field, such as `child.fiscal_code`.
    pub field: String,
    /// What is wrong.
    pub wrong: Wrong,
}

/// What can be wrong with a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wrong {
    Required,
    Unknown,
    NotText,
    NotInteger,
    NotObject,
    TooLong(usize),
    NotOneLine,
    NotOffered,
    AmountZero,
    AmountNegative,
    AmountTooLarge,
    BelowMinimum(Cents),
    AboveMaximum(Cents),
    FiscalCode,
    FiscalCodeCheck,
    Email,
    Day,
    InThePast,
    AfterDueDay,
    NotANumber(u32),
}

impl Wrong {
    /// The stable code.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Wrong::Required => "required",
            Wrong::Unknown => "unknown_field",
            Wrong::NotText | Wrong::NotInteger | Wrong::NotObject => "wrong_type",
            Wrong::TooLong(_) => "too_long",
            Wrong::NotOneLine => "illegal_characters",
            Wrong::NotOffered => "not_offered",
            Wrong::AmountZero => "zero",
            Wrong::AmountNegative => "negative",
            Wrong::AmountTooLarge => "too_large",
            Wrong::BelowMinimum(_) => "below_minimum",
            Wrong::AboveMaximum(_) => "above_maximum",
            Wrong::FiscalCode => "invalid_fiscal_code",
            Wrong::FiscalCodeCheck => "wrong_check_character",
            Wrong::Email => "invalid_email",
            Wrong::Day => "invalid_day",
            Wrong::InThePast => "in_the_past",
            Wrong::AfterDueDay => "after_due_day",
            Wrong::NotANumber(_) => "invalid_number",
        }
    }

    /// The sentence for a person.
    pub(super) fn message(&self, language: Language) -> String {
        let text =
            |it: &'static str, en: &'static str| Text { it, en }.in_language(language).to_owned();
        match self {
            Wrong::Required => text("il campo è obbligatorio", "the field is required"),
            Wrong::Unknown => text("il campo non è previsto", "there is no such field"),
            Wrong::NotText => text("deve essere un testo", "must be a string"),
            Wrong::NotInteger => text(
                "deve essere un numero intero, senza decimali",
                "must be a whole number, without decimals",
            ),
            Wrong::NotObject => text("deve essere un oggetto", "must be an object"),
            Wrong::TooLong(limit) => match language {
                Language::Italian => format!("può avere al massimo {limit} caratteri"),
                Language::English => format!("has at most {limit} characters"),
            },
            Wrong::NotOneLine => text(
                "contiene caratteri non ammessi",
                "holds characters that are not allowed",
            ),
            Wrong::NotOffered => text("non è un valore previsto", "is not one of the values"),
            Wrong::AmountZero => text("l'importo è zero", "the amount is zero"),
            Wrong::AmountNegative => text("l'importo è negativo", "the amount is negative"),
            Wrong::AmountTooLarge => text(
                "l'importo supera 999.999.999,99 euro",
                "the amount is above 999,999,999.99 euro",
            ),
            Wrong::BelowMinimum(least) => match language {
                Language::Italian => format!("l'importo minimo è {} euro", least.in_italian()),
                Language::English => format!("the smallest amount is {least} euro"),
            },
            Wrong::AboveMaximum(most) => match language {
                Language::Italian => format!("l'importo massimo è {} euro", most.in_italian()),
                Language::English => format!("the largest amount is {most} euro"),
            },
            Wrong::FiscalCode => text("non è un codice fiscale", "is not a fiscal code"),
            Wrong::FiscalCodeCheck => text(
                "il carattere di controllo del codice fiscale è errato",
                "the check character of the fiscal code is wrong",
            ),
            Wrong::Email => text(
                "non è un indirizzo e-mail valido",
                "is not a valid e-mail address",
            ),
            Wrong::Day => text(
                "non è una data nella forma AAAA-MM-GG",
                "is not a day of the form YYYY-MM-DD",
            ),
            Wrong::InThePast => text("la data è passata", "the day is in the past"),
            Wrong::AfterDueDay => text(
                "la data è successiva alla scadenza",
                "the day is after the due day",
            ),
            Wrong::NotANumber(most) => match language {
                Language::Italian => format!("deve essere un numero da 1 a {most}"),
                Language::English => format!("must be a number from 1 to {most}"),
            },
        }
    }
}
