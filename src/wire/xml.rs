//! XML read into a small tree, under limits, and written with the right escapes.
//!
//! The reader takes UTF-8 only, with or without a byte order mark. It refuses document type
//! declarations (and with them every entity but the five of XML), processing instructions,
//! characters that XML 1.0 does not allow, deep nesting and floods of elements or attributes. Each
//! of these would otherwise be a way to make a payment service slow or talkative.

use quick_xml::NsReader;
use quick_xml::escape::{escape, resolve_predefined_entity};
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::name::ResolveResult;

use super::Malformed;
use crate::domain::text::{cut, is_xml_char, not_xml};

/// Deepest nesting that is read; pagoPA's messages have about ten levels.
const DEPTH_LIMIT: usize = 32;
/// Most elements in one document; the largest receipt has fewer than a thousand.
const ELEMENT_LIMIT: usize = 20_000;
/// Most attributes on one element.
const ATTRIBUTE_LIMIT: usize = 32;

/// Characters of an element's name that an error repeats.
const NAME_SHOWN: usize = 35;

const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// An element with everything in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Element {
    /// The name without its prefix.
    pub name: String,
    /// The namespace, when it is in one.
    pub namespace: Option<String>,
    /// The elements inside, in order.
    pub children: Vec<Element>,
    /// The text directly inside, entities resolved, comments left out.
    pub text: String,
    /// Whether it carries an attribute beside namespace declarations and those of XML Schema.
    pub has_attributes: bool,
    /// Where its tag begins, in bytes.
    pub offset: u64,
}

/// Reads a whole document.
///
/// # Errors
/// [`Malformed`] at the first thing that is not as described above.
pub fn parse(bytes: &[u8]) -> Result<Element, Malformed> {
    let text = str::from_utf8(bytes).map_err(|error| Malformed {
        path: String::new(),
        offset: u64::try_from(error.valid_up_to()).unwrap_or(0),
        expected: "UTF-8".to_owned(),
        found: "other bytes".to_owned(),
    })?;
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    Parser::new(text).run()
}

struct Parser<'t> {
    text: &'t str,
    reader: NsReader<&'t [u8]>,
    open: Vec<Element>,
    root: Option<Element>,
    elements: usize,
}

impl<'t> Parser<'t> {
    fn new(text: &'t str) -> Parser<'t> {
        let mut reader = NsReader::from_str(text);
        reader.config_mut().check_comments = true;
        Parser {
            text,
            reader,
            open: vec![],
            root: None,
            elements: 0,
        }
    }

    fn wrong(&self, expected: &str, found: &str) -> Malformed {
        Malformed {
            path: self
                .open
                .iter()
                .map(|element| cut(&element.name, NAME_SHOWN))
                .collect::<Vec<_>>()
                .join("/"),
            offset: self.reader.buffer_position(),
            expected: expected.to_owned(),
            found: found.to_owned(),
        }
    }

    fn run(mut self) -> Result<Element, Malformed> {
        if let Some(at) = not_xml(self.text) {
            return Err(Malformed {
                offset: u64::try_from(at).unwrap_or(0),
                ..self.wrong("characters of XML 1.0", "another character")
            });
        }
        loop {
            let offset = self.reader.buffer_position();
            let event = match self.reader.read_event() {
                Ok(event) => event,
                // The parser's own words may repeat what stands there.
                Err(_) => return Err(self.wrong("well-formed XML", "something else")),
            };
            match event {
                Event::Start(start) => self.start(&start, offset)?,
                Event::Empty(start) => {
                    self.start(&start, offset)?;
                    self.end();
                }
                Event::End(_) => self.end(),
                Event::Text(text) => self.push(&text.xml10_content())?,
                Event::CData(text) => self.push(&text.xml10_content())?,
                Event::GeneralRef(reference) => {
                    let resolved = self.resolve(&reference)?;
                    self.push(&resolved)?;
                }
                Event::Decl(declaration) => {
                    if offset != 0 {
                        return Err(self.wrong("the XML declaration first", "it later"));
                    }
                    if let Some(encoding) = declaration.encoding() {
                        let utf8 = encoding
                            .as_ref()
                            .is_ok_and(|name| name.eq_ignore_ascii_case("utf-8"));
                        if !utf8 {
                            return Err(self.wrong("the encoding UTF-8", "another encoding"));
                        }
                    }
                }
                Event::Comment(_) => {}
                Event::PI(_) => {
                    return Err(self.wrong("no processing instruction", "one"));
                }
                Event::DocType(_) => {
                    return Err(self.wrong("no document type declaration", "one"));
                }
                Event::Eof => break,
            }
        }
        if !self.open.is_empty() {
            return Err(self.wrong("the end tag", "the end of the document"));
        }
        match self.root.take() {
            Some(root) => Ok(root),
            None => Err(self.wrong("an element", "none")),
        }
    }

    fn start(&mut self, start: &BytesStart<'_>, offset: u64) -> Result<(), Malformed> {
        self.elements += 1;
        if self.open.is_empty() && self.root.is_some() {
            return Err(self.wrong("the end of the document", "a second root element"));
        }
        if self.open.len() >= DEPTH_LIMIT {
            return Err(self.wrong("at most 32 levels of elements", "more"));
        }
        if self.elements > ELEMENT_LIMIT {
            return Err(self.wrong("at most 20000 elements", "more"));
        }
        let (resolved, local) = self.reader.resolver().resolve_element(start.name());
        let namespace = match resolved {
            ResolveResult::Bound(namespace) => Some(namespace.into_inner().to_owned()),
            ResolveResult::Unbound => None,
            ResolveResult::Unknown(_) => {
                return Err(self.wrong("a declared prefix", "an undeclared one"));
            }
        };
        let name = local.into_inner();
        if !is_name(name) {
            return Err(self.wrong("a name of XML", "another one"));
        }
        let mut element = Element {
            name: name.to_owned(),
            namespace,
            offset,
            ..Element::default()
        };
        for (count, attribute) in start.attributes().enumerate() {
            let Ok(attribute) = attribute else {
                return Err(self.wrong("well-formed attributes", "others"));
            };
            if attribute.value.contains('<') {
                return Err(self.wrong("no < in an attribute", "one"));
            }
            if count >= ATTRIBUTE_LIMIT {
                return Err(self.wrong("at most 32 attributes", "more"));
            }
            if attribute.key.as_namespace_binding().is_some() {
                continue;
            }
            let (resolved, local) = self.reader.resolver().resolve_attribute(attribute.key);
            // Of XML Schema's own attributes only nil changes what an element says.
            let is_harmless = matches!(resolved, ResolveResult::Bound(n) if n.into_inner() == XSI)
                && local.into_inner() != "nil";
            element.has_attributes |= !is_harmless;
        }
        self.open.push(element);
        Ok(())
    }

    fn end(&mut self) {
        if let Some(element) = self.open.pop() {
            match self.open.last_mut() {
                Some(parent) => parent.children.push(element),
                None => self.root = Some(element),
            }
        }
    }

    fn push(&mut self, text: &str) -> Result<(), Malformed> {
        match self.open.last_mut() {
            Some(element) => {
                element.text.push_str(text);
                Ok(())
            }
            None if text.trim().is_empty() => Ok(()),
            None => Err(self.wrong("nothing outside the root element", "text")),
        }
    }

    fn resolve(&self, reference: &BytesRef<'_>) -> Result<String, Malformed> {
        match reference.resolve_char_ref() {
            Ok(Some(c)) if is_xml_char(c) => Ok(c.to_string()),
            Ok(None) => resolve_predefined_entity(reference)
                .map(str::to_owned)
                .ok_or_else(|| self.wrong("one of the five entities of XML", "another entity")),
            Ok(Some(_)) | Err(_) => {
                Err(self.wrong("a character of XML 1.0", "a reference to another one"))
            }
        }
    }
}

/// Whether this can be the local name of an element (XML 1.0, `NCName`, and of the letters beyond
/// ASCII any).
fn is_name(name: &str) -> bool {
    let starts = |c: char| c.is_alphabetic() || c == '_';
    name.chars().next().is_some_and(starts)
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '\u{B7}'))
}

impl Element {
    /// The first child with this name.
    pub fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }

    /// What the element says, whatever its prefixes, blanks between elements and comments: names,
    /// namespaces and texts in order. Two messages with one canonical form say the same.
    pub fn canonical(&self) -> String {
        let mut text = String::new();
        self.write_canonical(&mut text);
        text
    }

    fn write_canonical(&self, to: &mut String) {
        to.push('<');
        to.push_str(self.namespace.as_deref().unwrap_or_default());
        to.push(' ');
        to.push_str(&self.name);
        to.push('>');
        if self.children.is_empty() {
            to.push_str(&escape(self.text.as_str()));
        }
        for child in &self.children {
            child.write_canonical(to);
        }
        to.push_str("</>");
    }
}

/// Writes elements, escaping texts and leaving out characters that XML does not allow.
#[derive(Debug, Default)]
pub struct Writer {
    text: String,
}

impl Writer {
    /// A writer with the XML declaration at its head.
    pub fn document() -> Writer {
        Writer {
            text: "<?xml version=\"1.0\" encoding=\"UTF-8\"?>".to_owned(),
        }
    }

    /// An element with others inside. `attributes` is written as it stands, after the name.
    pub fn element(&mut self, name: &str, attributes: &str, inside: impl FnOnce(&mut Writer)) {
        self.text.push('<');
        self.text.push_str(name);
        if !attributes.is_empty() {
            self.text.push(' ');
            self.text.push_str(attributes);
        }
        self.text.push('>');
        inside(self);
        self.text.push_str("</");
        self.text.push_str(name);
        self.text.push('>');
    }

    /// An element without attributes, with others inside.
    pub fn nested(&mut self, name: &str, inside: impl FnOnce(&mut Writer)) {
        self.element(name, "", inside);
    }

    /// An element with a text.
    pub fn leaf(&mut self, name: &str, text: &str) {
        self.nested(name, |writer| {
            let legal = text.chars().all(is_xml_char);
            if legal {
                writer.text.push_str(&escape(text));
            } else {
                let kept: String = text.chars().filter(|c| is_xml_char(*c)).collect();
                writer.text.push_str(&escape(kept.as_str()));
            }
        });
    }

    /// The same, or nothing at all when there is no text: an empty optional element is illegal in
    /// pagoPA's messages.
    pub fn optional(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            self.leaf(name, text);
        }
    }

    /// The document.
    pub fn finish(self) -> Vec<u8> {
        self.text.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn refused(text: impl AsRef<[u8]>) -> String {
        parse(text.as_ref()).unwrap_err().to_string()
    }

    #[test]
    fn prefixes_and_defaults_are_resolved() {
        let one = parse(br#"<a:r xmlns:a="urn:x"><c>1 &lt; 2</c></a:r>"#).unwrap();
        let other = parse(br#"<r xmlns="urn:x" xmlns:z="urn:z"><c xmlns=""><![CDATA[1 < ]]>2<!-- no --></c> </r>"#)
            .unwrap();
        assert_eq!(one.canonical(), other.canonical());
        assert_eq!(one.child("c").unwrap().text, "1 < 2");
        assert_eq!(one.namespace.as_deref(), Some("urn:x"));
    }

    #[test]
    fn what_is_refused() {
        let deep = "<a>".repeat(33) + &"</a>".repeat(33);
        let many = format!("<a>{}</a>", "<b/>".repeat(20_001));
        let attributes = format!(
            "<a {}/>",
            (0..40)
                .map(|i| format!("a{i}=\"\""))
                .collect::<Vec<_>>()
                .join(" ")
        );
        let table: [(&[u8], &str); 21] = [
            (b"", "found none"),
            (b"   ", "found none"),
            (b"text", "found text"),
            (b"<a>", "the end tag"),
            (b"<a></b>", "well-formed"),
            (b"<a/><b/>", "second root"),
            (b"<a/>after", "found text"),
            (b"<!DOCTYPE a><a/>", "document type"),
            (b"<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>", "document type"),
            (b"<a>&x;</a>", "five entities"),
            (b"<a>&#x1F;</a>", "character of XML"),
            (b"<a>\x01</a>", "characters of XML"),
            (b"<a>\xFF</a>", "UTF-8"),
            (b"<?pi x?><a/>", "processing instruction"),
            (
                b"<?xml version='1.0' encoding='UTF-16'?><a/>",
                "encoding UTF-8",
            ),
            (b"<p:a/>", "undeclared"),
            (b"<1a/>", "name"),
            (b"<a b='<'/>", "attribute"),
            (deep.as_bytes(), "32 levels"),
            (many.as_bytes(), "20000 elements"),
            (attributes.as_bytes(), "32 attributes"),
        ];
        for (text, expected) in table {
            let message = refused(text);
            assert!(message.contains(expected), "{message} for {expected}");
        }
    }

    #[test]
    fn a_byte_order_mark_is_allowed() {
        assert!(parse("\u{FEFF}<?xml version=\"1.0\"?><a/>".as_bytes()).is_ok());
    }

    #[test]
    fn texts_are_escaped_and_cleaned() {
        let mut writer = Writer::document();
        writer.nested("a", |w| {
            w.leaf("b", "Ä <&> \"'\u{1F}");
            w.optional("c", None);
            w.optional("d", Some(""));
        });
        let bytes = writer.finish();
        let root = parse(&bytes).unwrap();
        assert_eq!(root.children.len(), 1);
        assert_eq!(root.child("b").unwrap().text, "Ä <&> \"'");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn any_markup_is_read_without_a_panic(text in "[<>/&;ab:='\" !\\-\\[\\]?xmlns#]{0,80}") {
            let _ = parse(text.as_bytes());
        }

        #[test]
        fn what_is_written_is_read_back(text in "\\PC*") {
            let mut writer = Writer::document();
            writer.leaf("a", &text);
            let expected: String = text.chars().filter(|c| is_xml_char(*c)).collect();
            prop_assert_eq!(parse(&writer.finish()).unwrap().text, expected);
        }
    }
}
