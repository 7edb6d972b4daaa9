//! Texts that strangers will read: a description stands on the notice, in the payer's bank statement
//! and in the treasurer's journal, so it must not say who the people are.
//!
//! Source: SANP, best practice (no personal data in `description` and `remittanceInformation`);
//! GDPR, art. 5 (minimisation): the people here are minors.

use std::collections::HashSet;

use super::iban::Iban;
use super::party::{Child, FiscalCode, PartyKind, Payer};

/// Whether a text says who the child or the payer is: the whole name of one of them in any order, a
/// fiscal code of a person, an e-mail address, or an account. The child's code in the meal system is
/// no personal data to a stranger.
pub fn tells(text: &str, child: &Child, payer: &Payer) -> bool {
    let words = words(text);
    let named = |name: &str| {
        let parts = self::words(name);
        // A name of one word may be any word.
        parts.len() > 1 && parts.is_subset(&words)
    };
    text.contains('@') || named(&child.name) || named(&payer.name) || has_code(text)
}

/// A description that tells nothing: the service and the child's code, unless the meal system uses
/// fiscal codes as codes.
pub fn plain_description(service: &str, child: &Child) -> String {
    if has_code(&child.code) {
        service.to_owned()
    } else {
        format!("{service} {}", child.code)
    }
}

/// Whether a person's fiscal code or an account stands in a text.
pub fn has_code(text: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric()).any(|word| {
        FiscalCode::parse(word).is_ok_and(|code| code.kind() == PartyKind::Person)
            || (word.len() >= 15 && Iban::parse(word).is_ok())
    })
}

/// The words of a text in small letters without accents.
fn words(text: &str) -> HashSet<String> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(|word| word.to_lowercase().chars().map(plain).collect())
        .collect()
}

/// A letter without its Italian accent.
fn plain(c: char) -> char {
    match c {
        'à' | 'á' | 'â' | 'ä' => 'a',
        'è' | 'é' | 'ê' | 'ë' => 'e',
        'ì' | 'í' | 'î' | 'ï' => 'i',
        'ò' | 'ó' | 'ô' | 'ö' => 'o',
        'ù' | 'ú' | 'û' | 'ü' => 'u',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::party::Email;

    #[test]
    fn names_codes_and_addresses_are_seen() {
        let code = |text| FiscalCode::parse(text).unwrap();
        let child = Child {
            code: "50004".to_owned(),
            name: "Niccolò Rossi".to_owned(),
            fiscal_code: code("RSSGLI16A41F205M"),
        };
        let payer = Payer {
            name: "Mensa".to_owned(),
            fiscal_code: code("RSSMRA80A01H501U"),
            email: Email::parse("mario@example.org").unwrap(),
            address: None,
        };
        let table = [
            ("Ricarica refezione 50004", false),
            ("Ricarica di Niccolò Rossi", true),
            ("ROSSI NICCOLO, refezione", true),
            ("Refezione di Niccolò", false),
            ("scuola Rossi", false),
            ("Ricarica RSSGLI16A41F205M", true),
            ("Ricarica rssmra80a01h501u", true),
            ("scrivere a chi@example.org", true),
            ("conto IT60X0542811101000000123456", true),
            ("ricarica mensa", false),
            ("dicembre 2026", false),
        ];
        for (text, expected) in table {
            assert_eq!(tells(text, &child, &payer), expected, "{text}");
        }
    }
}
