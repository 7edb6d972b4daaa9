//! The language of messages for people.

use axum::http::{HeaderMap, header};

/// A language we speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Language {
    /// Italian, when nothing else is asked for.
    #[default]
    Italian,
    /// English.
    English,
}

/// A sentence in each language.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text {
    pub it: &'static str,
    pub en: &'static str,
}

impl Text {
    pub(super) fn in_language(self, language: Language) -> &'static str {
        match language {
            Language::Italian => self.it,
            Language::English => self.en,
        }
    }
}

impl Language {
    /// The first language of `Accept-Language` that we speak, by its weights.
    pub(super) fn of(headers: &HeaderMap) -> Language {
        preferred(headers, |tag| match tag {
            "it" => Some(Language::Italian),
            "en" => Some(Language::English),
            _ => None,
        })
        .unwrap_or_default()
    }
}

/// The first language of `Accept-Language` that is known, by its weights; `know` is asked for tags in
/// lower case without a region.
pub(super) fn preferred<L: Copy>(
    headers: &HeaderMap,
    know: impl Fn(&str) -> Option<L>,
) -> Option<L> {
    let accepted = headers
        .get(header::ACCEPT_LANGUAGE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let mut wanted: Vec<(u32, L)> = accepted
        .split(',')
        .filter_map(|part| {
            let mut part = part.split(';');
            let tag = part.next()?.trim().to_ascii_lowercase();
            let language = know(tag.split('-').next()?)?;
            let weight = part
                .find_map(|p| p.trim().strip_prefix("q=").map(thousandths))
                .unwrap_or(1_000);
            (weight > 0).then_some((weight, language))
        })
        .collect();
    wanted.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
    wanted.first().map(|(_, language)| *language)
}

/// A weight such as `0.8` in thousandths; nonsense counts as nothing.
fn thousandths(text: &str) -> u32 {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let part = format!("{part:0<3}");
    match (whole, part.get(..3).map(str::parse::<u32>)) {
        ("1", _) => 1_000,
        ("0", Some(Ok(part))) => part,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_follows_the_weights() {
        use Language::{English, Italian};
        let table = [
            ("", Italian),
            ("en", English),
            ("en-GB,en;q=0.9", English),
            ("it-IT,it;q=0.9,en;q=0.8", Italian),
            ("fr,en;q=0.5,it;q=0.4", English),
            ("en;q=0.2, it;q=0.8", Italian),
            ("en;q=0", Italian),
            ("de", Italian),
            ("en;q=x,;;,", Italian),
        ];
        for (header, expected) in table {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_LANGUAGE, header.parse().unwrap());
            assert_eq!(Language::of(&headers), expected, "{header}");
        }
    }
}
