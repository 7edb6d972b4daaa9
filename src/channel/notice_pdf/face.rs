//! The faces of the printed papers: which glyph stands for a character, and how wide it is.

use std::collections::HashMap;
use std::sync::LazyLock;

use krilla::text::Font;
use skrifa::raw::TableProvider;
use skrifa::{FontRef, MetadataProvider};
use unicode_normalization::UnicodeNormalization;

use super::PdfError;

/// The faces there are. Text stands in Titillium Web, codes in Roboto Mono, as the model of the
/// notice has them (pagoPA, *Avviso di pagamento*, annex 2, typography).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Face {
    /// Titillium Web.
    Regular,
    /// Titillium Web, bold.
    Bold,
    /// Roboto Mono, bold.
    Mono,
}

/// A glyph of a face.
#[derive(Debug, Clone, Copy)]
pub(super) struct Glyph {
    pub(super) id: u32,
    /// In units of the face.
    pub(super) advance: u16,
}

/// A face that was read.
pub(super) struct Cut {
    pub(super) font: Font,
    /// Units in the height of a line.
    pub(super) units: u16,
    glyphs: HashMap<char, Glyph>,
}

/// All faces, read once.
pub(super) struct Faces {
    regular: Cut,
    bold: Cut,
    mono: Cut,
}

static FACES: LazyLock<Option<Faces>> = LazyLock::new(|| {
    Some(Faces {
        regular: Cut::read(include_bytes!(
            "../../../assets/fonts/TitilliumWeb-Regular.ttf"
        ))?,
        bold: Cut::read(include_bytes!(
            "../../../assets/fonts/TitilliumWeb-Bold.ttf"
        ))?,
        mono: Cut::read(include_bytes!("../../../assets/fonts/RobotoMono-Bold.ttf"))?,
    })
});

/// The faces, or an error when one of the files in the program is none.
pub(super) fn faces() -> Result<&'static Faces, PdfError> {
    FACES.as_ref().ok_or(PdfError::Fonts)
}

impl Faces {
    pub(super) fn cut(&self, face: Face) -> &Cut {
        match face {
            Face::Regular => &self.regular,
            Face::Bold => &self.bold,
            Face::Mono => &self.mono,
        }
    }
}

impl Cut {
    fn read(file: &'static [u8]) -> Option<Cut> {
        let read = FontRef::new(file).ok()?;
        let units = read.head().ok()?.units_per_em();
        let widths = read.hmtx().ok()?;
        let glyphs = read
            .charmap()
            .mappings()
            .filter_map(|(code, id)| {
                let advance = widths.advance(id)?;
                let id = id.to_u32();
                Some((char::from_u32(code)?, Glyph { id, advance }))
            })
            .collect();
        Some(Cut {
            font: Font::new(file.into(), 0)?,
            units,
            glyphs,
        })
    }

    pub(super) fn glyph(&self, c: char) -> Option<Glyph> {
        self.glyphs.get(&c).copied()
    }

    /// The text as this face can show it: composed, on one line, and what has no glyph in Latin
    /// letters, or as a question mark.
    pub(super) fn showable(&self, text: &str) -> String {
        let mut shown = String::with_capacity(text.len());
        for c in text.nfc() {
            match c {
                c if c.is_control() => shown.push(' '),
                c if self.glyphs.contains_key(&c) => shown.push(c),
                c => {
                    let latin = deunicode::deunicode_char(c).unwrap_or("?");
                    shown.extend(latin.chars().filter(|c| self.glyphs.contains_key(c)));
                }
            }
        }
        shown
    }

    /// How wide a showable text is in this size, both in hundredths of a millimetre.
    pub(super) fn width(&self, text: &str, size: i32) -> i32 {
        let units: i64 = text
            .chars()
            .filter_map(|c| self.glyph(c))
            .map(|glyph| i64::from(glyph.advance))
            .sum();
        let width = units.saturating_mul(i64::from(size)) / i64::from(self.units.max(1));
        i32::try_from(width).unwrap_or(i32::MAX)
    }

    /// The longest beginning of a text that is no wider than this, with `…` when something is left
    /// out.
    pub(super) fn shorten(&self, text: &str, size: i32, width: i32) -> String {
        if self.width(text, size) <= width {
            return text.to_owned();
        }
        let mut short = String::new();
        for c in text.chars() {
            short.push(c);
            // Together: two widths that are rounded down are less than the one of both.
            if self.width(&format!("{short}…"), size) > width {
                short.pop();
                break;
            }
        }
        format!("{}…", short.trim_end())
    }

    /// The lines of a text, each no wider than this: broken between words, and within one that is
    /// wider than a line.
    pub(super) fn lines(&self, text: &str, size: i32, width: i32) -> Vec<String> {
        let mut lines = vec![];
        let mut line = String::new();
        for word in text.split_whitespace() {
            let longer = match line.as_str() {
                "" => word.to_owned(),
                line => format!("{line} {word}"),
            };
            if self.width(&longer, size) <= width {
                line = longer;
                continue;
            }
            if !line.is_empty() {
                lines.push(std::mem::take(&mut line));
            }
            for c in word.chars() {
                line.push(c);
                if self.width(&line, size) > width && line.chars().nth(1).is_some() {
                    line.pop();
                    lines.push(std::mem::replace(&mut line, c.to_string()));
                }
            }
        }
        if !line.is_empty() {
            lines.push(line);
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_has_no_glyph_is_written_in_latin_letters() {
        let cut = faces().unwrap().cut(Face::Regular);
        let table = [
            ("Niccolo\u{300} Šarić", "Niccolò Šarić"),
            ("Łukasz Öztürk ığş €", "Łukasz Öztürk ığş €"),
            ("Ольга", "Ol'ga"),
            ("王", "Wang "),
            ("a\nb", "a b"),
        ];
        for (text, expected) in table {
            assert_eq!(cut.showable(text), expected);
        }
    }

    proptest! {
        #[test]
        fn nothing_is_wider_than_its_place(text in ".{0,200}", size in 100_i32..900, width in 1_000_i32..20_000) {
            for face in [Face::Regular, Face::Bold, Face::Mono] {
                let cut = faces().unwrap().cut(face);
                let shown = cut.showable(&text);
                prop_assert!(cut.width(&cut.shorten(&shown, size, width), size) <= width);
                let lines = cut.lines(&shown, size, width);
                for line in &lines {
                    prop_assert!(cut.width(line, size) <= width);
                }
                let letters = |text: &str| text.split_whitespace().collect::<String>();
                prop_assert_eq!(letters(&lines.concat()), letters(&shown));
            }
        }
    }
}
