//! A small, strict reader of XML: bytes in, a tree of elements out.
//!
//! It refuses what a SOAP message must not hold (DOCTYPE, processing instructions, undefined
//! entities, illegal characters, anything but UTF-8) and what could make it slow (depth, number of
//! elements). It knows nothing of pagoPA; the schema is applied to the tree by [`super::walk`].

use quick_xml::NsReader;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::name::{Namespace, PrefixDeclaration, ResolveResult};

/// Deepest nesting accepted; the deepest legal message has eight levels.
const DEPTH_MAX: usize = 32;
/// Most elements accepted in one message; the largest legal one has fewer than 600.
const ELEMENTS_MAX: usize = 10_000;

/// One element with what it holds. Comments are dropped; the text is the element's own, joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    /// Namespace the name is bound to, `None` where there is none.
    pub(crate) namespace: Option<String>,
    /// Name without prefix.
    pub(crate) name: String,
    /// Attributes other than namespace declarations.
    pub(crate) attributes: Vec<Attribute>,
    /// Elements inside, in the order of the document.
    pub(crate) children: Vec<Node>,
    /// Character data directly inside, with references resolved.
    pub(crate) text: String,
}

/// An attribute by its resolved name; the world never needs the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attribute {
    /// Namespace of the name, `None` where there is none.
    pub(crate) namespace: Option<String>,
    /// Name without prefix.
    pub(crate) name: String,
}

impl Node {
    /// An element that holds text, in no namespace.
    pub(crate) fn leaf(name: &str, text: impl Into<String>) -> Self {
        Node {
            text: text.into(),
            ..Node::branch(name, Vec::new())
        }
    }

    /// An element that holds elements, in no namespace.
    pub(crate) fn branch(name: &str, children: Vec<Node>) -> Self {
        Node {
            namespace: None,
            name: name.to_owned(),
            attributes: Vec::new(),
            children,
            text: String::new(),
        }
    }

    /// The first child of that name.
    pub(crate) fn child(&self, name: &str) -> Option<&Node> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of the first child of that name.
    pub(crate) fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.as_str())
    }

    /// Whether the element has that name in that namespace.
    pub(crate) fn is(&self, namespace: &str, name: &str) -> bool {
        self.name == name && self.namespace.as_deref() == Some(namespace)
    }
}

/// Reads one document. The error is a sentence for the list of problems.
pub(crate) fn parse(bytes: &[u8]) -> Result<Node, String> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| format!("the body is not UTF-8 at byte {}", error.valid_up_to()))?;
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    if let Some(bad) = text.chars().find(|c| !is_legal(*c)) {
        return Err(format!(
            "the character U+{:04X} is illegal in XML",
            u32::from(bad)
        ));
    }
    Tree::read(text)
}

/// XML 1.0 §2.2: the characters a document may hold.
fn is_legal(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

/// The tree while it grows: the elements that are still open, and the root once it is closed.
#[derive(Default)]
struct Tree {
    open: Vec<Node>,
    root: Option<Node>,
    elements: usize,
}

impl Tree {
    fn read(text: &str) -> Result<Node, String> {
        let mut reader = NsReader::from_str(text);
        reader.config_mut().check_comments = true;
        let mut tree = Tree::default();
        let mut is_first = true;
        loop {
            let event = reader.read_event().map_err(|error| {
                format!(
                    "not well-formed at byte {}: {error}",
                    reader.error_position()
                )
            })?;
            match event {
                Event::Start(start) => tree.start(node(&reader, &start)?)?,
                Event::Empty(start) => {
                    tree.start(node(&reader, &start)?)?;
                    tree.end();
                }
                Event::End(_) => tree.end(),
                Event::Text(text) => {
                    if text.contains("]]>") {
                        return Err("not well-formed: ]]> inside text".to_owned());
                    }
                    tree.text(&text.xml10_content())?;
                }
                Event::CData(text) => tree.text(&text.xml10_content())?,
                Event::GeneralRef(reference) => {
                    tree.text(resolve(&reference)?.encode_utf8(&mut [0; 4]))?;
                }
                Event::Comment(_) => {}
                Event::Decl(declaration) => {
                    if !is_first {
                        return Err("not well-formed: a late XML declaration".to_owned());
                    }
                    if let Some(Ok(encoding)) = declaration.encoding()
                        && !encoding.eq_ignore_ascii_case("utf-8")
                    {
                        return Err(format!("the XML declaration says {encoding}, not UTF-8"));
                    }
                }
                Event::PI(_) => return Err("a processing instruction".to_owned()),
                Event::DocType(_) => return Err("a document type declaration".to_owned()),
                Event::Eof => break,
            }
            is_first = false;
        }
        if !tree.open.is_empty() {
            return Err("not well-formed: the document ends inside an element".to_owned());
        }
        tree.root.ok_or_else(|| "no XML document".to_owned())
    }

    fn start(&mut self, node: Node) -> Result<(), String> {
        if self.root.is_some() {
            return Err("not well-formed: a second root element".to_owned());
        }
        self.elements += 1;
        if self.elements > ELEMENTS_MAX {
            return Err(format!("more than {ELEMENTS_MAX} elements"));
        }
        if self.open.len() >= DEPTH_MAX {
            return Err(format!("elements nested deeper than {DEPTH_MAX}"));
        }
        self.open.push(node);
        Ok(())
    }

    fn end(&mut self) {
        if let Some(node) = self.open.pop() {
            match self.open.last_mut() {
                Some(parent) => parent.children.push(node),
                None => self.root = Some(node),
            }
        }
    }

    fn text(&mut self, text: &str) -> Result<(), String> {
        match self.open.last_mut() {
            Some(node) => node.text.push_str(text),
            None if text.trim().is_empty() => {}
            None => return Err("not well-formed: text outside the root element".to_owned()),
        }
        Ok(())
    }
}

/// The element of a start tag, with its names resolved.
fn node(reader: &NsReader<&[u8]>, start: &BytesStart<'_>) -> Result<Node, String> {
    let (namespace, name) = reader.resolver().resolve_element(start.name());
    let name = name.as_ref().to_owned();
    let namespace = resolved(namespace, &name)?;
    let mut attributes = Vec::new();
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| format!("not well-formed: <{name}>: {error}"))?;
        if attribute.value.contains('<') {
            return Err(format!("not well-formed: < in an attribute of {name}"));
        }
        if is_declaration(attribute.key.as_namespace_binding()) {
            continue;
        }
        let (space, key) = reader.resolver().resolve_attribute(attribute.key);
        let key = key.as_ref().to_owned();
        attributes.push(Attribute {
            namespace: resolved(space, &key)?,
            name: key,
        });
    }
    Ok(Node {
        namespace,
        attributes,
        ..Node::branch(&name, Vec::new())
    })
}

fn is_declaration(binding: Option<PrefixDeclaration<'_>>) -> bool {
    binding.is_some()
}

fn resolved(namespace: ResolveResult<'_>, name: &str) -> Result<Option<String>, String> {
    match namespace {
        ResolveResult::Unbound => Ok(None),
        ResolveResult::Bound(Namespace(uri)) => Ok(Some(uri.to_owned())),
        ResolveResult::Unknown(prefix) => {
            Err(format!("the prefix {prefix} of {name} is not declared"))
        }
    }
}

/// A character reference or one of the five entities every document knows.
fn resolve(reference: &BytesRef<'_>) -> Result<char, String> {
    let name: &str = reference;
    let resolved = match name {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "apos" => Some('\''),
        "quot" => Some('"'),
        _ => reference.resolve_char_ref().ok().flatten(),
    };
    resolved
        .filter(|c| is_legal(*c))
        .ok_or_else(|| format!("the reference &{name}; has no legal meaning"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_becomes_a_tree_with_its_references_resolved() {
        let node = parse(
            "\u{FEFF}<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<p:a xmlns:p='urn:x' k='1'>\
             <!-- note --><b>1 &lt; 2 &amp; &#xe8;</b><b><![CDATA[<c>]]></b></p:a>\n"
                .as_bytes(),
        )
        .unwrap();
        assert!(node.is("urn:x", "a"));
        assert_eq!(
            node.attributes,
            [Attribute {
                namespace: None,
                name: "k".to_owned()
            }]
        );
        assert_eq!(node.text_of("b"), Some("1 < 2 & è"));
        assert_eq!(node.children[1].text, "<c>");
        assert_eq!(node.children[1].namespace, None);
    }

    #[test]
    fn a_default_namespace_reaches_the_children_until_it_is_taken_away() {
        let node = parse(b"<a xmlns='urn:x'><b/><c xmlns=''/></a>").unwrap();
        assert_eq!(node.children[0].namespace.as_deref(), Some("urn:x"));
        assert_eq!(node.children[1].namespace, None);
    }

    #[test]
    fn what_is_not_a_safe_document_is_refused_with_its_reason() {
        let deep = "<a>".repeat(40);
        let wide = format!("<a>{}</a>", "<b/>".repeat(ELEMENTS_MAX));
        let cases: [(&[u8], &str); 22] = [
            (b"", "no XML document"),
            (b"   ", "no XML document"),
            (b"\xff<a/>", "not UTF-8 at byte 0"),
            (b"<a>\x01</a>", "U+0001"),
            (b"<a>&#1;</a>", "&#1; has no legal meaning"),
            (b"<a>&#x;</a>", "has no legal meaning"),
            (b"<a>&nope;</a>", "&nope; has no legal meaning"),
            (b"<!DOCTYPE a><a/>", "document type declaration"),
            (b"<a><?php echo ?></a>", "processing instruction"),
            (b"<a/><?xml version='1.0'?>", "late XML declaration"),
            (
                b"<?xml version='1.0' encoding='ISO-8859-1'?><a/>",
                "says ISO-8859-1",
            ),
            (b"<a>", "not well-formed"),
            (b"<a></b>", "not well-formed"),
            (b"<a/><b/>", "second root"),
            (b"<a/>text", "text outside"),
            (b"text<a/>", "text outside"),
            (b"<a k='1' k='2'/>", "not well-formed"),
            (b"<a k='<'/>", "not well-formed"),
            (b"<a>]]></a>", "]]>"),
            (b"<p:a/>", "prefix p of a is not declared"),
            (deep.as_bytes(), "deeper than 32"),
            (wide.as_bytes(), "more than 10000"),
        ];
        for (bytes, expected) in cases {
            let error = parse(bytes).unwrap_err();
            let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(40)]).into_owned();
            assert!(error.contains(expected), "{shown}: {error}");
        }
        assert!(
            parse(b"<a p:k='1'/>")
                .unwrap_err()
                .contains("prefix p of k")
        );
    }
}
