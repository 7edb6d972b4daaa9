//! The languages of the pages: Italian first, German and English. How each writes money and days.

use axum::http::HeaderMap;

use super::words::{self, Words};
use crate::domain::day::Day;
use crate::domain::mail;
use crate::domain::money::Cents;
use crate::domain::print;
use crate::web::language::preferred;

/// A language of the pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Tongue {
    /// Italian, when nothing else is asked for.
    #[default]
    Italian,
    /// German.
    German,
    /// English.
    English,
}

impl Tongue {
    /// All of them, in the order of the switch.
    pub(super) const ALL: [Tongue; 3] = [Tongue::Italian, Tongue::German, Tongue::English];

    /// Its tag: the attribute `lang` of a page, and the value of `?lang=`.
    pub(super) fn tag(self) -> &'static str {
        match self {
            Tongue::Italian => "it",
            Tongue::German => "de",
            Tongue::English => "en",
        }
    }

    /// Its own name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Tongue::Italian => "Italiano",
            Tongue::German => "Deutsch",
            Tongue::English => "English",
        }
    }

    /// The language with this tag.
    pub(super) fn parse(tag: &str) -> Option<Tongue> {
        Tongue::ALL.into_iter().find(|tongue| tongue.tag() == tag)
    }

    /// In what a notice is printed for its readers; Italian stands on each.
    pub(super) fn on_paper(self) -> print::Language {
        match self {
            Tongue::Italian => print::Language::Italian,
            Tongue::German => print::Language::ItalianGerman,
            Tongue::English => print::Language::ItalianEnglish,
        }
    }

    /// In what its readers are written to.
    pub(super) fn in_mails(self) -> mail::Language {
        match self {
            Tongue::Italian => mail::Language::Italian,
            Tongue::German => mail::Language::German,
            Tongue::English => mail::Language::English,
        }
    }

    /// The one that a browser likes best.
    pub(super) fn of(headers: &HeaderMap) -> Tongue {
        preferred(headers, Tongue::parse).unwrap_or_default()
    }

    /// The sentences of the pages.
    pub(super) fn words(self) -> &'static Words {
        match self {
            Tongue::Italian => &words::it::WORDS,
            Tongue::German => &words::de::WORDS,
            Tongue::English => &words::en::WORDS,
        }
    }

    /// An amount of money with its sign, which stays on the same line.
    pub(super) fn money(self, amount: Cents) -> String {
        let italian = amount.in_italian();
        match self {
            Tongue::Italian | Tongue::German => format!("{italian}\u{a0}€"),
            Tongue::English => {
                let swapped = italian.chars().map(|c| match c {
                    '.' => ',',
                    ',' => '.',
                    other => other,
                });
                format!("€{}", swapped.collect::<String>())
            }
        }
    }

    /// A day as people write it.
    pub(super) fn day(self, day: Day) -> String {
        let iso = day.to_string();
        let mut parts = iso.rsplit('-');
        let (date, month, year) = (parts.next(), parts.next(), parts.next());
        let join = match self {
            Tongue::German => ".",
            Tongue::Italian | Tongue::English => "/",
        };
        [date, month, year]
            .map(Option::unwrap_or_default)
            .join(join)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_and_days_are_written_as_people_do() {
        let amount = Cents::new(123_456);
        let day = Day::parse("2026-12-31").unwrap();
        let table = [
            (Tongue::Italian, "1.234,56\u{a0}€", "31/12/2026"),
            (Tongue::German, "1.234,56\u{a0}€", "31.12.2026"),
            (Tongue::English, "€1,234.56", "31/12/2026"),
        ];
        for (tongue, money, date) in table {
            assert_eq!(tongue.money(amount), money);
            assert_eq!(tongue.day(day), date);
            assert_eq!(Tongue::parse(tongue.tag()), Some(tongue));
        }
    }
}
