//! Texts with a limit, for messages that are refused when a field is one character too long.

/// Cuts `text` to at most `limit` characters, on a character border and without a trailing blank.
///
/// ```
/// use pagomensa::domain::text::cut;
/// assert_eq!(cut("Città di Roma", 5), "Città");
/// assert_eq!(cut("Città di Roma", 6), "Città");
/// ```
pub fn cut(text: &str, limit: usize) -> &str {
    match text.char_indices().nth(limit) {
        Some((end, _)) => text.split_at(end).0.trim_end(),
        None => text,
    }
}

/// A text of somebody else as it may be stored: without control characters (PostgreSQL takes no
/// NUL) and without what is no character, on one line.
///
/// ```
/// use pagomensa::domain::text::storable;
/// assert_eq!(storable("non\0 va\nbene"), "non vabene");
/// ```
pub fn storable(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control() && is_xml_char(*c))
        .collect()
}

/// Whether a text is a code of pagoPA's taxonomy of services: `9/`, seven digits, two capitals, `/`
/// (SACI, *tassonomia dei servizi di incasso*).
///
/// ```
/// use pagomensa::domain::text::is_taxonomy;
/// assert!(is_taxonomy("9/0107101TS/"));
/// assert!(!is_taxonomy("0107101TS"));
/// ```
pub fn is_taxonomy(text: &str) -> bool {
    let code = text
        .strip_prefix("9/")
        .and_then(|rest| rest.strip_suffix('/'));
    code.is_some_and(|code| {
        code.len() == 9
            && code.bytes().enumerate().all(|(index, byte)| match index {
                0..=6 => byte.is_ascii_digit(),
                _ => byte.is_ascii_uppercase(),
            })
    })
}

/// Whether XML 1.0 allows this character in a document (production `Char`).
pub fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

/// Where the first character stands that XML 1.0 does not allow.
pub fn not_xml(text: &str) -> Option<usize> {
    // Hardly a text holds a control character or the first byte of U+FFFE and U+FFFF, and to see
    // that all bytes at once are looked at, many in one step of the machine.
    let is_suspect = |byte: u8| (byte < 0x20 && !matches!(byte, 9 | 10 | 13)) | (byte == 0xEF);
    let is_any = text.bytes().fold(false, |any, byte| any | is_suspect(byte));
    if !is_any {
        return None;
    }
    text.char_indices()
        .find(|(_, c)| !is_xml_char(*c))
        .map(|(at, _)| at)
}

/// Whether a text a person typed holds only characters that can be seen on one line: no control
/// characters, no line ends, no marks that turn the writing direction or cannot be seen at all.
pub fn is_one_line(text: &str) -> bool {
    text.chars()
        .all(|c| !c.is_control() && is_xml_char(c) && !is_invisible(c))
}

/// Format characters, line and paragraph separators, blank fillers and what is no character
/// (Unicode: categories Zl, Zp, Cf, the Hangul fillers, the empty Braille pattern, noncharacters).
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{AD}'
            | '\u{600}'..='\u{605}'
            | '\u{61C}'
            | '\u{6DD}'
            | '\u{70F}'
            | '\u{115F}'..='\u{1160}'
            | '\u{180B}'..='\u{180F}'
            | '\u{200B}'..='\u{200F}'
            | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{FDD0}'..='\u{FDEF}'
            | '\u{FE00}'..='\u{FE0F}'
            | '\u{FEFF}'
            | '\u{FFA0}'
            | '\u{FFF0}'..='\u{FFFB}'
            | '\u{E0000}'..='\u{E0FFF}'
    ) || u32::from(c) & 0xFFFE == 0xFFFE
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_line_means_one_line() {
        assert!(is_one_line("Niccolò D'Amico-Šarić"));
        for bad in [
            "a\nb",
            "a\u{0}",
            "a\u{202E}b",
            "\u{1F}",
            "a\tb",
            "a\u{2028}b",
            "\u{AD}",
            "\u{3164}",
            "a\u{E0041}",
            "\u{1FFFE}",
        ] {
            assert!(!is_one_line(bad), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn a_cut_text_fits(text in ".*", limit in 0_usize..200) {
            let short = cut(&text, limit);
            prop_assert!(short.chars().count() <= limit);
            prop_assert!(text.starts_with(short));
        }
    }
}
