//! Compiling the text of schemas.

use std::collections::BTreeMap;

use regex::Regex;
use roxmltree::{Document, Node};

use super::simple::{Base, Facet, Simple};
use super::{Content, Particle, Schema, Term};

const XS: &str = "http://www.w3.org/2001/XMLSchema";

/// A schema cannot be compiled: it is not well-formed, names what it does not declare, or uses what
/// we do not judge.
#[derive(Debug, thiserror::Error)]
#[error("the schema cannot be used: {0}")]
pub struct SchemaError(String);

fn unusable(node: Node<'_, '_>, why: &str) -> SchemaError {
    let name = node.attribute("name").unwrap_or_default();
    SchemaError(format!("{} {name:?}: {why}", node.tag_name().name()))
}

/// Namespace and local name.
type Name = (String, String);

/// The declarations of all documents, before they are compiled.
#[derive(Default)]
struct Declared<'a, 'i> {
    types: BTreeMap<Name, Node<'a, 'i>>,
    groups: BTreeMap<Name, Node<'a, 'i>>,
    elements: BTreeMap<Name, Node<'a, 'i>>,
}

impl Schema {
    /// Compiles documents that refer to each other.
    ///
    /// # Errors
    /// [`SchemaError`].
    pub fn compile(texts: &[&str]) -> Result<Schema, SchemaError> {
        let documents = texts
            .iter()
            .map(|text| Document::parse(text).map_err(|error| SchemaError(error.to_string())))
            .collect::<Result<Vec<_>, _>>()?;
        let mut declared = Declared::default();
        for document in &documents {
            let root = document.root_element();
            let namespace = root.attribute("targetNamespace").unwrap_or_default();
            for node in parts(root) {
                let name = || {
                    let local = node.attribute("name").unwrap_or_default();
                    (namespace.to_owned(), local.to_owned())
                };
                match node.tag_name().name() {
                    "simpleType" | "complexType" => declared.types.insert(name(), node),
                    "group" => declared.groups.insert(name(), node),
                    "element" => declared.elements.insert(name(), node),
                    "import" | "annotation" => None,
                    _ => return Err(unusable(node, "is not judged")),
                };
            }
        }
        let roots = declared
            .elements
            .iter()
            .map(|(name, node)| Ok((name.clone(), declared.content(*node)?)))
            .collect::<Result<_, SchemaError>>()?;
        Ok(Schema { roots })
    }
}

/// The elements inside a node, without annotations.
fn parts<'a, 'i>(node: Node<'a, 'i>) -> impl Iterator<Item = Node<'a, 'i>> {
    node.children()
        .filter(|child| child.is_element() && child.tag_name().name() != "annotation")
}

/// A name with its prefix, resolved where it stands.
fn resolved(node: Node<'_, '_>, name: &str) -> Name {
    let (prefix, local) = match name.split_once(':') {
        Some((prefix, local)) => (Some(prefix), local),
        None => (None, name),
    };
    let namespace = node.lookup_namespace_uri(prefix).unwrap_or_default();
    (namespace.to_owned(), local.to_owned())
}

impl Declared<'_, '_> {
    /// What may stand in an element that this node declares.
    fn content(&self, element: Node<'_, '_>) -> Result<Content, SchemaError> {
        if let Some(name) = element.attribute("type") {
            return self.named(element, name);
        }
        match parts(element).next() {
            Some(inner) => self.type_of(inner),
            None => Err(unusable(element, "has no type")),
        }
    }

    fn named(&self, node: Node<'_, '_>, name: &str) -> Result<Content, SchemaError> {
        let (namespace, local) = resolved(node, name);
        if namespace == XS {
            let base = Base::parse(&local).ok_or_else(|| unusable(node, &local))?;
            return Ok(Content::Simple(Simple {
                base,
                facets: vec![],
            }));
        }
        match self.types.get(&(namespace, local)) {
            Some(declared) => self.type_of(*declared),
            None => Err(unusable(node, &format!("{name} is not declared"))),
        }
    }

    fn type_of(&self, node: Node<'_, '_>) -> Result<Content, SchemaError> {
        match node.tag_name().name() {
            "simpleType" => Ok(Content::Simple(self.simple(node)?)),
            "complexType" => Ok(Content::Complex(
                parts(node)
                    .map(|part| self.particle(part))
                    .collect::<Result<_, _>>()?,
            )),
            _ => Err(unusable(node, "is no type")),
        }
    }

    fn particle(&self, node: Node<'_, '_>) -> Result<Particle, SchemaError> {
        let term = match node.tag_name().name() {
            "element" => Term::Element {
                name: node.attribute("name").unwrap_or_default().to_owned(),
                content: self.content(node)?,
            },
            "sequence" => Term::Sequence(self.particles(node)?),
            "choice" => Term::Choice(self.particles(node)?),
            "group" => {
                let name = resolved(node, node.attribute("ref").unwrap_or_default());
                let group = self
                    .groups
                    .get(&name)
                    .ok_or_else(|| unusable(node, &format!("{} is not declared", name.1)))?;
                Term::Sequence(self.particles(*group)?)
            }
            _ => return Err(unusable(node, "is not judged")),
        };
        let times = |name: &str| match node.attribute(name) {
            None => Ok(1),
            Some("unbounded") => Ok(usize::MAX),
            Some(text) => text.parse().map_err(|_| unusable(node, name)),
        };
        Ok(Particle {
            least: times("minOccurs")?,
            most: times("maxOccurs")?,
            term,
        })
    }

    fn particles(&self, node: Node<'_, '_>) -> Result<Vec<Particle>, SchemaError> {
        parts(node).map(|part| self.particle(part)).collect()
    }

    /// A simple type: the facets of its base, then its own.
    fn simple(&self, node: Node<'_, '_>) -> Result<Simple, SchemaError> {
        let restriction = parts(node)
            .next()
            .filter(|inner| inner.tag_name().name() == "restriction")
            .ok_or_else(|| unusable(node, "is no restriction"))?;
        let base = restriction.attribute("base").unwrap_or_default();
        let Content::Simple(mut simple) = self.named(restriction, base)? else {
            return Err(unusable(node, "restricts no simple type"));
        };
        let mut values = vec![];
        for facet in parts(restriction) {
            let value = facet.attribute("value").unwrap_or_default();
            let number = || value.parse().map_err(|_| unusable(facet, value));
            let bound = || value.parse().map_err(|_| unusable(facet, value));
            simple.facets.push(match facet.tag_name().name() {
                "length" => Facet::Length(number()?),
                "minLength" => Facet::MinLength(number()?),
                "maxLength" => Facet::MaxLength(number()?),
                "minInclusive" => Facet::MinInclusive(bound()?),
                "maxInclusive" => Facet::MaxInclusive(bound()?),
                "pattern" => Facet::Pattern(
                    value.to_owned(),
                    Regex::new(&format!("^(?:{value})$")).map_err(|_| unusable(facet, value))?,
                ),
                "enumeration" => {
                    values.push(value.to_owned());
                    continue;
                }
                _ => return Err(unusable(facet, "is not judged")),
            });
        }
        if !values.is_empty() {
            simple.facets.push(Facet::Enumeration(values));
        }
        Ok(simple)
    }
}
