//! What can be wrong with a field: a stable code for programs, a sentence for people.

use super::language::{Language, Text};
use crate::domain::money::{AmountError, Cents};

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
    NotList,
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
    Country,
    Day,
    Period,
    InThePast,
    AfterDueDay,
    BeforePublication,
    NotANumber(u32),
    NotANumberOf(usize),
    Sum,
    Iban,
    IbanCin,
    NotRegistered,
    Taxonomy,
    Instant,
    InTheFuture,
    PersonalData,
    Taken,
    Twice,
    UnknownNotice,
    AlreadyPaid,
    Cancelled,
    Expired,
    NotPublished,
    NotAReturnUrl,
    NotFlag,
    Url,
    UrlBare,
    UrlPrivate,
}

impl From<AmountError> for Wrong {
    fn from(error: AmountError) -> Wrong {
        match error {
            AmountError::Zero => Wrong::AmountZero,
            AmountError::Negative => Wrong::AmountNegative,
            AmountError::TooLarge | AmountError::Form => Wrong::AmountTooLarge,
        }
    }
}

impl Wrong {
    /// The stable code.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Wrong::Required => "required",
            Wrong::Unknown => "unknown_field",
            Wrong::NotText | Wrong::NotInteger | Wrong::NotObject | Wrong::NotList => "wrong_type",
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
            Wrong::Country => "invalid_country",
            Wrong::Day => "invalid_day",
            Wrong::Period => "invalid_period",
            Wrong::InThePast => "in_the_past",
            Wrong::AfterDueDay => "after_due_day",
            Wrong::BeforePublication => "before_publication",
            Wrong::NotANumber(_) => "invalid_number",
            Wrong::NotANumberOf(_) => "wrong_number",
            Wrong::Sum => "wrong_sum",
            Wrong::Iban => "invalid_iban",
            Wrong::IbanCin => "wrong_check_character",
            Wrong::NotRegistered => "not_registered",
            Wrong::Taxonomy => "invalid_category",
            Wrong::Instant => "invalid_instant",
            Wrong::InTheFuture => "in_the_future",
            Wrong::PersonalData => "personal_data",
            Wrong::Taken => "external_id_conflict",
            Wrong::Twice => "duplicate",
            Wrong::UnknownNotice => "not_found",
            Wrong::AlreadyPaid => "already_paid",
            Wrong::Cancelled => "cancelled",
            Wrong::Expired => "expired",
            Wrong::NotPublished => "not_published",
            Wrong::NotAReturnUrl => "not_registered",
            Wrong::NotFlag => "wrong_type",
            Wrong::Url => "invalid_url",
            Wrong::UrlBare => "not_https",
            Wrong::UrlPrivate => "private_address",
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
            Wrong::NotList => text("deve essere un elenco", "must be a list"),
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
            Wrong::Country => text(
                "non è un codice di paese di due lettere maiuscole",
                "is not a country code of two capitals",
            ),
            Wrong::Day => text(
                "non è una data nella forma AAAA-MM-GG",
                "is not a day of the form YYYY-MM-DD",
            ),
            Wrong::Period => text(
                "non è un mese nella forma AAAA-MM",
                "is not a month of the form YYYY-MM",
            ),
            Wrong::InThePast => text("la data è passata", "the day is in the past"),
            Wrong::AfterDueDay => text(
                "la data è successiva alla scadenza",
                "the day is after the due day",
            ),
            Wrong::BeforePublication => text(
                "la data precede la pubblicazione",
                "the day is before the publication",
            ),
            Wrong::NotANumberOf(most) => match language {
                Language::Italian => format!("deve avere da 1 a {most} elementi"),
                Language::English => format!("must have 1 to {most} items"),
            },
            Wrong::Sum => text(
                "la somma non è uguale all'importo",
                "the sum is not the amount",
            ),
            Wrong::Iban => text("non è un IBAN valido", "is not a valid IBAN"),
            Wrong::IbanCin => text(
                "il carattere di controllo (CIN) dell'IBAN è errato",
                "the check character (CIN) of the IBAN is wrong",
            ),
            Wrong::NotRegistered => text(
                "l'IBAN non è tra quelli registrati per l'ente",
                "the IBAN is none of those registered for the creditor",
            ),
            Wrong::Taxonomy => text(
                "non è un codice di tassonomia nella forma 9/0107101TS/",
                "is not a taxonomy code of the form 9/0107101TS/",
            ),
            Wrong::Instant => text(
                "non è un istante nella forma RFC 3339, con il fuso orario",
                "is not an instant of RFC 3339, with its offset",
            ),
            Wrong::InTheFuture => text("l'istante è nel futuro", "the instant is in the future"),
            Wrong::PersonalData => text(
                "contiene dati personali: il testo compare sull'avviso e nei movimenti bancari",
                "holds personal data: the text stands on the notice and in bank statements",
            ),
            Wrong::Taken => text(
                "appartiene già a un avviso con altro contenuto",
                "belongs to a notice with other content",
            ),
            Wrong::Twice => text("compare già nell'elenco", "stands twice in the list"),
            Wrong::UnknownNotice => text("l'avviso non esiste", "there is no such notice"),
            Wrong::AlreadyPaid => text("l'avviso è già stato pagato", "the notice is paid already"),
            Wrong::Cancelled => text("l'avviso è stato annullato", "the notice was cancelled"),
            Wrong::Expired => text("l'avviso è scaduto", "the notice has expired"),
            Wrong::NotPublished => text(
                "l'avviso non è ancora pubblicato",
                "the notice is not yet published",
            ),
            Wrong::NotAReturnUrl => text(
                "non è un indirizzo https sotto uno di quelli registrati per l'ente",
                "is not an https address below one of those registered for the creditor",
            ),
            Wrong::NotFlag => text("deve essere true o false", "must be true or false"),
            Wrong::Url => text(
                "non è un indirizzo web senza utente, password e frammento",
                "is not a web address without user, password and fragment",
            ),
            Wrong::UrlBare => text("l'indirizzo deve essere https", "the address must be https"),
            Wrong::UrlPrivate => text(
                "l'indirizzo porta in una rete privata",
                "the address leads into a private network",
            ),
            Wrong::NotANumber(most) => match language {
                Language::Italian => format!("deve essere un numero da 1 a {most}"),
                Language::English => format!("must be a number from 1 to {most}"),
            },
        }
    }
}
