//! Judging a message by a schema: the part of XML Schema 1.0 that our contracts in `wsdl/` use.
//!
//! A schema is compiled once, at start; whatever it uses beyond this part is refused then, so a rule
//! can never be passed over in silence. The content models of our contracts are deterministic: each
//! child decides alone where it belongs.

mod compile;
mod simple;

use std::collections::BTreeMap;

pub use compile::SchemaError;

use self::simple::Simple;
use super::Malformed;
use super::xml::Element;

/// Contracts, compiled.
#[derive(Debug)]
pub struct Schema {
    roots: BTreeMap<(String, String), Content>,
}

/// What may stand inside an element.
#[derive(Debug, Clone)]
enum Content {
    /// A text.
    Simple(Simple),
    /// Elements.
    Complex(Vec<Particle>),
}

/// A part of a sequence, with how often it may stand there.
#[derive(Debug, Clone)]
struct Particle {
    least: usize,
    most: usize,
    term: Term,
}

#[derive(Debug, Clone)]
enum Term {
    /// An element in no namespace.
    Element { name: String, content: Content },
    /// One after the other.
    Sequence(Vec<Particle>),
    /// One of them.
    Choice(Vec<Particle>),
}

impl Schema {
    /// Judges an element by the declaration of its name.
    ///
    /// # Errors
    /// [`Malformed`] at the first departure.
    pub fn check(&self, element: &Element) -> Result<(), Malformed> {
        let namespace = element.namespace.clone().unwrap_or_default();
        let content = self
            .roots
            .get(&(namespace, element.name.clone()))
            .ok_or_else(|| wrong(element, &element.name, "a declared root element", "another"))?;
        judge(element, content, &element.name)
    }
}

fn wrong(element: &Element, path: &str, expected: &str, found: &str) -> Malformed {
    Malformed {
        path: path.to_owned(),
        offset: element.offset,
        expected: expected.to_owned(),
        found: found.to_owned(),
    }
}

fn judge(element: &Element, content: &Content, path: &str) -> Result<(), Malformed> {
    if element.has_attributes {
        return Err(wrong(element, path, "no attribute", "one"));
    }
    match content {
        Content::Simple(simple) => {
            if !element.children.is_empty() {
                return Err(wrong(element, path, "a text", "elements"));
            }
            simple
                .check(&element.text)
                .map_err(|expected| wrong(element, path, &expected, "another value"))
        }
        Content::Complex(particles) => {
            if !element.text.trim().is_empty() {
                return Err(wrong(element, path, "only elements", "text"));
            }
            let mut children = Children {
                parent: element,
                path,
                rest: &element.children,
            };
            children.sequence(particles)?;
            match children.rest.first() {
                None => Ok(()),
                Some(next) => Err(wrong(next, path, "the end of the element", &next.name)),
            }
        }
    }
}

/// The children of an element while they are matched.
struct Children<'e> {
    parent: &'e Element,
    path: &'e str,
    rest: &'e [Element],
}

impl Children<'_> {
    fn sequence(&mut self, particles: &[Particle]) -> Result<(), Malformed> {
        particles
            .iter()
            .try_for_each(|particle| self.take(particle))
    }

    fn take(&mut self, particle: &Particle) -> Result<(), Malformed> {
        let mut count = 0;
        while count < particle.most && self.begins(&particle.term) {
            let before = self.rest.len();
            self.once(&particle.term)?;
            count += 1;
            if self.rest.len() == before {
                // It may be empty: any number of times it has stood here.
                return Ok(());
            }
        }
        if count < particle.least && !may_be_empty(&particle.term) {
            let expected = names(&particle.term);
            return Err(match self.rest.first() {
                Some(next) => wrong(next, self.path, &expected, &next.name),
                None => wrong(self.parent, self.path, &expected, "the end"),
            });
        }
        Ok(())
    }

    fn once(&mut self, term: &Term) -> Result<(), Malformed> {
        match term {
            Term::Element { name, content } => {
                if let Some((next, rest)) = self.rest.split_first() {
                    judge(next, content, &format!("{}/{name}", self.path))?;
                    self.rest = rest;
                }
                Ok(())
            }
            Term::Sequence(particles) => self.sequence(particles),
            Term::Choice(particles) => particles
                .iter()
                .find(|particle| self.begins(&particle.term))
                .map_or(Ok(()), |particle| self.take(particle)),
        }
    }

    /// Whether the next child begins this term.
    fn begins(&self, term: &Term) -> bool {
        let Some(next) = self.rest.first() else {
            return false;
        };
        match term {
            Term::Element { name, .. } => next.namespace.is_none() && next.name == *name,
            Term::Choice(particles) => particles.iter().any(|particle| self.begins(&particle.term)),
            Term::Sequence(particles) => {
                for particle in particles {
                    if self.begins(&particle.term) {
                        return true;
                    }
                    if particle.least > 0 && !may_be_empty(&particle.term) {
                        return false;
                    }
                }
                false
            }
        }
    }
}

fn may_be_empty(term: &Term) -> bool {
    let is_optional = |p: &Particle| p.least == 0 || may_be_empty(&p.term);
    match term {
        Term::Element { .. } => false,
        Term::Sequence(particles) => particles.iter().all(is_optional),
        Term::Choice(particles) => particles.iter().any(is_optional),
    }
}

/// The elements with which a term can begin.
fn names(term: &Term) -> String {
    match term {
        Term::Element { name, .. } => format!("the element {name} in no namespace"),
        Term::Sequence(particles) => {
            let mut begins = vec![];
            for particle in particles {
                begins.push(names(&particle.term));
                if particle.least > 0 && !may_be_empty(&particle.term) {
                    break;
                }
            }
            begins.join(" or ")
        }
        Term::Choice(particles) => particles
            .iter()
            .map(|particle| names(&particle.term))
            .collect::<Vec<_>>()
            .join(" or "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::xml;

    const SCHEMA: &str = r#"<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"
        xmlns:t="urn:t" targetNamespace="urn:t">
      <xs:simpleType name="Code"><xs:restriction base="xs:string">
        <xs:pattern value="[0-9]{3}"/></xs:restriction></xs:simpleType>
      <xs:simpleType name="Sum"><xs:restriction base="xs:decimal">
        <xs:minInclusive value="0.01"/><xs:pattern value="\d+\.\d{2}"/></xs:restriction></xs:simpleType>
      <xs:group name="Tail"><xs:sequence>
        <xs:element name="on" type="xs:date" minOccurs="0"/>
        <xs:element name="flag" type="xs:boolean"/></xs:sequence></xs:group>
      <xs:complexType name="Root"><xs:sequence>
        <xs:element name="code" type="t:Code"/>
        <xs:element name="sum" type="t:Sum" maxOccurs="2"/>
        <xs:choice><xs:element name="a" type="xs:int"/><xs:element name="b" type="xs:string"/></xs:choice>
        <xs:group ref="t:Tail"/>
      </xs:sequence></xs:complexType>
      <xs:element name="root" type="t:Root"/>
    </xs:schema>"#;

    fn check(inside: &str) -> Result<(), String> {
        let schema = Schema::compile(&[SCHEMA]).unwrap();
        let text = format!("<t:root xmlns:t=\"urn:t\">{inside}</t:root>");
        let root = xml::parse(text.as_bytes()).unwrap();
        schema
            .check(&root)
            .map_err(|malformed| malformed.to_string())
    }

    #[test]
    fn what_the_schema_allows_passes() {
        for inside in [
            "<code>123</code><sum>1.00</sum><a>1</a><flag>true</flag>",
            "<code>123</code><sum> 0.01 </sum><sum>2.00</sum><b/><on>2026-11-20</on><flag>0</flag>",
        ] {
            assert_eq!(check(inside), Ok(()), "{inside}");
        }
    }

    #[test]
    fn every_departure_is_named() {
        let good = "<code>123</code><sum>1.00</sum><a>1</a><on>2026-11-20</on><flag>true</flag>";
        let table = [
            (good.replace("<code>123</code>", ""), "code"),
            (good.replace("123", "12"), "[0-9]{3}"),
            (good.replace("123", " 123"), "[0-9]{3}"),
            (good.replace("1.00", "1.0"), "sum"),
            (good.replace("1.00", "0.00"), "0.01"),
            (good.replace("<a>1</a>", ""), "element a"),
            (good.replace("<a>1</a>", "<a>1</a><b>x</b>"), "flag"),
            (good.replace("<a>1</a>", "<a>one</a>"), "a whole number"),
            (
                good.replace("<sum>", "<sum>1.00</sum><sum>1.00</sum><sum>"),
                "a ",
            ),
            (good.replace("2026-11-20", "2026-11-31"), "a date"),
            (good.replace("true", "yes"), "true or false"),
            (good.replace("<flag>true</flag>", ""), "flag"),
            (good.replace("<flag>", "<surprise/><flag>"), "flag"),
            (format!("{good}<more/>"), "the end"),
            (format!("text{good}"), "only elements"),
            (good.replace("<code>", "<code x=\"1\">"), "no attribute"),
            (good.replace("<code>", "<code><x/>"), "a text"),
            (
                good.replace("<code>", "<code xmlns=\"urn:t\">"),
                "no namespace",
            ),
        ];
        for (inside, expected) in table {
            let message = check(&inside).unwrap_err();
            assert!(message.contains(expected), "{message} for {inside}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused_when_it_is_compiled() {
        for (from, to) in [
            (
                "<xs:pattern",
                "<xs:whiteSpace value=\"collapse\"/><xs:pattern",
            ),
            ("xs:date", "xs:duration"),
            ("ref=\"t:Tail\"", "ref=\"t:Head\""),
            ("<xs:choice>", "<xs:all>"),
            ("base=\"xs:string\"", "base=\"t:Missing\""),
        ] {
            let text = SCHEMA.replace(from, to).replace(
                "</xs:choice>",
                if to == "<xs:all>" {
                    "</xs:all>"
                } else {
                    "</xs:choice>"
                },
            );
            assert!(Schema::compile(&[&text]).is_err(), "{to}");
        }
    }
}
