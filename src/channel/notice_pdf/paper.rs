//! Paper: what is drawn becomes a tagged PDF/A-2a and PDF/UA-1.
//!
//! Every length is a whole number of hundredths of a millimetre, from the upper left corner of an
//! A4 sheet: a transformation on each page makes points of them. What is written is read aloud in
//! the order in which it is written; what is only drawn is marked as ornament.

use std::num::NonZeroU16;
use std::ops::Range;

use krilla::color::rgb;
use krilla::configure::{Accessibility, Archival, ConfigurationBuilder};
use krilla::destination::XyzDestination;
use krilla::geom::{Path, PathBuilder, Point, Rect, Size, Transform};
use krilla::image::Image;
use krilla::metadata::{DateTime, Metadata};
use krilla::outline::{Outline, OutlineNode};
use krilla::page::PageSettings;
use krilla::paint::Fill;
use krilla::surface::{Location, Surface};
use krilla::tagging::{
    Artifact, ArtifactType, ContentTag, SpanTag, TableHeaderScope, Tag, TagGroup, TagKind, TagTree,
};
use krilla::text::GlyphId;
use krilla::{Document, SerializeSettings};

use super::PdfError;
use super::face::{Cut, Face, Faces, faces};
use crate::domain::day::Instant;

/// How wide an A4 sheet is.
const WIDTH: i32 = 21_000;
/// Points in a hundredth of a millimetre.
const SCALE: f32 = 0.028_346_457;
/// A4 in points.
const A4: (f32, f32) = (595.275_6, 841.889_8);

/// How small a text may become before it is cut, in tenths of its size.
const SMALLEST: i32 = 7;
/// The sizes that are tried, in tenths.
const SMALLER: [i32; 4] = [10, 9, 8, SMALLEST];

/// The colours of the model (annex 2, colours). The grey of the second language is darker than
/// there, so that it can be read by everybody (WCAG 1.4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ink {
    Black,
    Grey,
    Light,
    Blue,
}

impl Ink {
    fn fill(self) -> Fill {
        let (red, green, blue) = match self {
            Ink::Black => (0, 0, 0),
            Ink::Grey => (0x5A, 0x5A, 0x5A),
            Ink::Light => (0xEC, 0xEC, 0xEC),
            Ink::Blue => (0, 0x66, 0xCC),
        };
        Fill {
            paint: rgb::Color::new(red, green, blue).into(),
            ..Fill::default()
        }
    }
}

/// How a text is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    pub(super) face: Face,
    /// The height of a line's letters; a tenth of a point is 3.5.
    pub(super) size: i32,
    pub(super) ink: Ink,
}

impl Style {
    pub(super) const fn new(face: Face, size: i32) -> Style {
        Style {
            face,
            size,
            ink: Ink::Black,
        }
    }

    pub(super) const fn ink(self, ink: Ink) -> Style {
        Style { ink, ..self }
    }

    fn tenths(self, tenths: i32) -> Style {
        Style {
            size: self.size * tenths / 10,
            ..self
        }
    }

    /// From one line to the next.
    fn leading(self) -> i32 {
        self.size * 6 / 5
    }
}

/// A place on the sheet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Area {
    pub(super) x: i32,
    pub(super) y: i32,
    pub(super) width: i32,
    pub(super) height: i32,
}

/// What a text is, for those who hear it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// The title of the paper.
    Title,
    /// The title of a part.
    Heading,
    /// Anything else.
    Text,
    /// Inside a cell of a table, which says what it is.
    Cell,
    /// Not to be heard again: on every page, or said already.
    Ornament,
}

/// A paper that is being printed.
pub(super) struct Paper {
    document: Document,
    tree: TagTree,
    outline: Outline,
    pages: usize,
    faces: &'static Faces,
}

/// A sheet of it.
pub(super) struct Sheet<'a> {
    surface: Surface<'a>,
    open: Vec<TagGroup>,
    faces: &'static Faces,
}

/// What the paper says of itself.
pub(super) struct Imprint<'a> {
    pub(super) title: &'a str,
    pub(super) author: &'a str,
    pub(super) at: Instant,
}

/// Narrows a length to what a drawing takes; nothing on a sheet is longer.
fn length(hundredths: i32) -> f32 {
    f32::from(i16::try_from(hundredths).unwrap_or(i16::MAX))
}

impl Paper {
    pub(super) fn new(imprint: &Imprint<'_>) -> Result<Paper, PdfError> {
        let configuration = ConfigurationBuilder::new()
            .with_archival_validator(Archival::A2_A)
            .with_accessibility_validator(Accessibility::UA1)
            .finish()
            .map_err(|error| PdfError::Layout(format!("{error:?}")))?;
        let mut document = Document::new_with(SerializeSettings {
            configuration,
            ..SerializeSettings::default()
        });
        document.set_metadata(
            Metadata::new()
                .title(imprint.title.to_owned())
                .authors(vec![imprint.author.to_owned()])
                .creator("PagoMensa".to_owned())
                .language("it".to_owned())
                .creation_date(date(imprint.at)),
        );
        Ok(Paper {
            document,
            tree: TagTree::new().with_lang(Some("it".to_owned())),
            outline: Outline::new(),
            pages: 0,
            faces: faces()?,
        })
    }

    /// Draws one sheet; `title` stands in the list of pages.
    pub(super) fn page(
        &mut self,
        title: &str,
        draw: impl FnOnce(&mut Sheet<'_>) -> Result<(), PdfError>,
    ) -> Result<(), PdfError> {
        let settings = PageSettings::from_wh(A4.0, A4.1).ok_or(PdfError::Fonts)?;
        let mut page = self.document.start_page_with(settings);
        let section = {
            let mut sheet = Sheet {
                surface: page.surface(),
                open: vec![TagGroup::new(Tag::Section)],
                faces: self.faces,
            };
            sheet
                .surface
                .push_transform(&Transform::from_scale(SCALE, SCALE));
            let drawn = draw(&mut sheet);
            sheet.surface.pop();
            drawn?;
            sheet.open
        };
        page.finish();
        for group in section {
            self.tree.push(group);
        }
        self.outline.push_child(OutlineNode::new(
            title.to_owned(),
            XyzDestination::new(self.pages, Point::from_xy(0.0, 0.0)),
        ));
        self.pages += 1;
        Ok(())
    }

    pub(super) fn finish(self) -> Result<Vec<u8>, PdfError> {
        let Paper {
            mut document,
            tree,
            outline,
            ..
        } = self;
        document.set_outline(outline);
        document.set_tag_tree(tree);
        document
            .finish()
            .map_err(|error| PdfError::Layout(format!("{error:?}")))
    }
}

fn date(at: Instant) -> DateTime {
    // `2026-11-20T11:00:00.000Z`, of fixed width.
    let text = at.to_string();
    let part = |range: Range<usize>| {
        text.get(range)
            .and_then(|digits| digits.parse::<u8>().ok())
            .unwrap_or(0)
    };
    let year = text.get(0..4).and_then(|year| year.parse().ok());
    DateTime::new(year.unwrap_or(0))
        .month(part(5..7))
        .day(part(8..10))
        .hour(part(11..13))
        .minute(part(14..16))
        .second(part(17..19))
        .utc_offset_hour(0)
        .utc_offset_minute(0)
}

impl Sheet<'_> {
    fn cut(&self, face: Face) -> &'static Cut {
        self.faces.cut(face)
    }

    /// Groups what is written until the matching [`Sheet::close`].
    pub(super) fn open(&mut self, tag: impl Into<TagKind>) {
        self.open.push(TagGroup::new(tag));
    }

    /// The head of a column.
    pub(super) fn open_head(&mut self) {
        self.open(Tag::TH(TableHeaderScope::Column));
    }

    /// The head of a row.
    pub(super) fn open_row_head(&mut self) {
        self.open(Tag::TH(TableHeaderScope::Row));
    }

    pub(super) fn close(&mut self) {
        // The section of the page itself stays.
        if self.open.len() > 1
            && let Some(group) = self.open.pop()
            && let Some(parent) = self.open.last_mut()
        {
            parent.push(group);
        }
    }

    /// Writes between two marks, and hangs what was written into the tree.
    fn written(
        &mut self,
        role: Role,
        language: Option<&str>,
        text: &str,
        write: impl FnOnce(&mut Surface<'_>),
    ) {
        if role == Role::Ornament {
            return self.ornament(write);
        }
        let leaf = self
            .surface
            .start_tagged(ContentTag::Span(SpanTag::empty().with_lang(language)));
        write(&mut self.surface);
        self.surface.end_tagged();
        let level = |level| Tag::Hn(NonZeroU16::MIN.saturating_add(level), Some(text.to_owned()));
        let mut group = match role {
            Role::Title => TagGroup::new(level(0)),
            Role::Heading => TagGroup::new(level(1)),
            Role::Text => TagGroup::new(Tag::P),
            Role::Cell | Role::Ornament => TagGroup::new(Tag::Span),
        };
        group.push(leaf);
        if let Some(parent) = self.open.last_mut() {
            parent.push(group);
        }
    }

    fn ornament(&mut self, draw: impl FnOnce(&mut Surface<'_>)) {
        let layout = Artifact::with_kind(ArtifactType::Layout);
        self.surface.start_tagged(ContentTag::Artifact(layout));
        draw(&mut self.surface);
        self.surface.end_tagged();
    }

    /// One line that begins at `x` with its letters standing on `y`. Where it would be wider than
    /// `width` it is written smaller, down to seven tenths, and then cut.
    pub(super) fn line(
        &mut self,
        role: Role,
        (x, y): (i32, i32),
        width: i32,
        style: Style,
        text: &str,
    ) {
        let (style, shown) = self.fitted(style, text, width);
        let cut = self.cut(style.face);
        self.written(role, None, text, |surface| {
            draw(surface, cut, style, (x, y), &shown);
        });
    }

    /// The same, ending at `x`.
    pub(super) fn line_to(
        &mut self,
        role: Role,
        (x, y): (i32, i32),
        width: i32,
        style: Style,
        text: &str,
    ) {
        let (style, shown) = self.fitted(style, text, width);
        let cut = self.cut(style.face);
        let start = x - cut.width(&shown, style.size);
        self.written(role, None, text, |surface| {
            draw(surface, cut, style, (start, y), &shown);
        });
    }

    fn fitted(&self, style: Style, text: &str, width: i32) -> (Style, String) {
        let cut = self.cut(style.face);
        let shown = cut.showable(text);
        let smaller = SMALLER.map(|tenths| style.tenths(tenths));
        let fits = |style: &Style| cut.width(&shown, style.size) <= width;
        match smaller.into_iter().find(fits) {
            Some(style) => (style, shown),
            None => {
                let style = style.tenths(SMALLEST);
                (style, cut.shorten(&shown, style.size, width))
            }
        }
    }

    /// A text in an area, over several lines. Where it does not fit it is written smaller, down to
    /// seven tenths, and then cut. Gives back where it ends.
    pub(super) fn text(
        &mut self,
        role: Role,
        language: Option<&str>,
        area: Area,
        style: Style,
        text: &str,
    ) -> i32 {
        let cut = self.cut(style.face);
        let shown = cut.showable(text);
        let mut fit = (style, vec![]);
        for tenths in SMALLER {
            let style = style.tenths(tenths);
            fit = (style, cut.lines(&shown, style.size, area.width));
            let count = i32::try_from(fit.1.len()).unwrap_or(i32::MAX);
            if count.saturating_mul(style.leading()) <= area.height {
                break;
            }
        }
        let (style, mut lines) = fit;
        let room = usize::try_from(area.height / style.leading().max(1))
            .unwrap_or(0)
            .max(1);
        if lines.len() > room {
            let rest = lines.split_off(room - 1).join(" ");
            lines.push(cut.shorten(&rest, style.size, area.width));
        }
        if lines.is_empty() {
            return area.y;
        }
        let mut y = area.y + style.size;
        let last = lines.len() - 1;
        self.written(role, language, text, |surface| {
            for (index, line) in lines.iter().enumerate() {
                // The blank that the line's end stands for, for those who search or copy.
                let end = if index < last { " " } else { "" };
                draw(surface, cut, style, (area.x, y), &format!("{line}{end}"));
                y += style.leading();
            }
        });
        y - style.size
    }

    /// A filled rectangle.
    pub(super) fn block(&mut self, area: Area, ink: Ink) {
        let Some(path) = rectangles(&[area]) else {
            return;
        };
        self.ornament(|surface| fill(surface, &path, ink));
    }

    /// A line from left to right where the paper may be cut.
    pub(super) fn cutting_line(&mut self, y: i32) {
        let dashes: Vec<Area> = (0..WIDTH / 200)
            .map(|index| Area {
                x: index * 200,
                y,
                width: 100,
                height: 18,
            })
            .collect();
        if let Some(path) = rectangles(&dashes) {
            self.ornament(|surface| fill(surface, &path, Ink::Grey));
        }
    }

    /// A code of dark and light squares, `modules` on a side, in a square of `side`, with words for
    /// those who cannot see it.
    pub(super) fn code(
        &mut self,
        (x, y): (i32, i32),
        side: i32,
        code: &super::codes::Squares,
        words: &str,
    ) {
        let edge = |index: usize| {
            let index = i32::try_from(index).unwrap_or(0);
            index * side / i32::try_from(code.modules).unwrap_or(1).max(1)
        };
        let runs: Vec<Area> = code
            .runs()
            .map(|run| Area {
                x: x + edge(run.from),
                y: y + edge(run.row),
                width: edge(run.to) - edge(run.from),
                height: edge(run.row + 1) - edge(run.row),
            })
            .collect();
        if let Some(path) = rectangles(&runs) {
            self.figure(words, |surface| fill(surface, &path, Ink::Black));
        }
    }

    /// A picture, as large as it can be in an area, to its right and at its top.
    pub(super) fn picture(&mut self, area: Area, image: &Image, words: &str) {
        let (width, height) = image.size();
        let (width, height) = (i64::from(width.max(1)), i64::from(height.max(1)));
        let (most_wide, most_high) = (i64::from(area.width), i64::from(area.height));
        let (wide, high) = match width * most_high > height * most_wide {
            true => (most_wide, height * most_wide / width),
            false => (width * most_high / height, most_high),
        };
        let narrow = |length| i32::try_from(length).unwrap_or(0).max(1);
        let (wide, high) = (narrow(wide), narrow(high));
        let Some(size) = Size::from_wh(length(wide), length(high)) else {
            return;
        };
        let left = length(area.x + area.width - wide);
        self.figure(words, |surface| {
            surface.push_transform(&Transform::from_translate(left, length(area.y)));
            surface.draw_image(image.clone(), size);
            surface.pop();
        });
    }

    fn figure(&mut self, words: &str, draw: impl FnOnce(&mut Surface<'_>)) {
        let leaf = self.surface.start_tagged(ContentTag::Other);
        draw(&mut self.surface);
        self.surface.end_tagged();
        let mut group = TagGroup::new(Tag::Figure(Some(words.to_owned())));
        group.push(leaf);
        if let Some(parent) = self.open.last_mut() {
            parent.push(group);
        }
    }
}

fn rectangles(areas: &[Area]) -> Option<Path> {
    let mut path = PathBuilder::new();
    for area in areas {
        let corner = (length(area.x), length(area.y));
        if let Some(rect) =
            Rect::from_xywh(corner.0, corner.1, length(area.width), length(area.height))
        {
            path.push_rect(rect);
        }
    }
    path.finish()
}

fn fill(surface: &mut Surface<'_>, path: &Path, ink: Ink) {
    surface.set_fill(Some(ink.fill()));
    surface.draw_path(path);
}

/// A glyph on its way to the paper.
struct Drawn {
    id: u32,
    at: Range<usize>,
    advance: u16,
    units: u16,
}

impl krilla::text::Glyph for Drawn {
    fn glyph_id(&self) -> GlyphId {
        GlyphId::new(self.id)
    }

    fn text_range(&self) -> Range<usize> {
        self.at.clone()
    }

    #[expect(clippy::float_arithmetic, reason = "a width on paper, not money")]
    fn x_advance(&self, size: f32) -> f32 {
        f32::from(self.advance) * size / f32::from(self.units.max(1))
    }

    fn x_offset(&self, _: f32) -> f32 {
        0.0
    }

    fn y_offset(&self, _: f32) -> f32 {
        0.0
    }

    fn y_advance(&self, _: f32) -> f32 {
        0.0
    }

    fn location(&self) -> Option<Location> {
        None
    }
}

fn draw(surface: &mut Surface<'_>, cut: &Cut, style: Style, (x, y): (i32, i32), text: &str) {
    let glyphs: Vec<Drawn> = text
        .char_indices()
        .filter_map(|(at, c)| {
            let glyph = cut.glyph(c)?;
            Some(Drawn {
                id: glyph.id,
                at: at..at + c.len_utf8(),
                advance: glyph.advance,
                units: cut.units,
            })
        })
        .collect();
    surface.set_fill(Some(style.ink.fill()));
    surface.draw_glyphs(
        Point::from_xy(length(x), length(y)),
        &glyphs,
        cut.font.clone(),
        text,
        length(style.size),
        false,
    );
}
