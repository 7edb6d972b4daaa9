//! Applies the schema to a tree: order, occurrence, namespaces, attributes and simple types.

use super::schema::{Content, Message, Particle, Spec};
use super::xml::Node;

/// Namespace of the attributes that speak about the document and not about the payment.
const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// Collects what is wrong with the content of `root`, whose own name is already known to be right.
pub(super) fn walk(root: &Node, message: &Message, problems: &mut Vec<String>) {
    attributes(root, message.root, problems);
    sequence(root, message.content, message.root, problems);
}

fn element(node: &Node, spec: &Spec, path: &str, problems: &mut Vec<String>) {
    if let Some(namespace) = &node.namespace {
        problems.push(format!(
            "{path}: must be in no namespace, is in {namespace}"
        ));
    }
    attributes(node, path, problems);
    let is_empty = node.children.is_empty()
        && match spec.content {
            Content::Text(_) => node.text.is_empty(),
            Content::Sequence(_) => node.text.trim().is_empty(),
        };
    if is_empty && spec.min == 0 {
        problems.push(format!("{path}: an optional element must not be empty"));
        return;
    }
    match spec.content {
        Content::Sequence(particles) => sequence(node, particles, path, problems),
        Content::Text(_) if !node.children.is_empty() => {
            problems.push(format!("{path}: must hold text, holds elements"));
        }
        Content::Text(kind) => {
            if let Some(fault) = kind.fault(&node.text) {
                problems.push(format!("{path}: {fault}"));
            }
        }
    }
}

fn attributes(node: &Node, path: &str, problems: &mut Vec<String>) {
    for attribute in &node.attributes {
        let is_about_the_document =
            attribute.namespace.as_deref() == Some(XSI) && attribute.name != "nil";
        if !is_about_the_document {
            problems.push(format!(
                "{path}: the attribute {} is not allowed",
                attribute.name
            ));
        }
    }
}

/// The children of one element against its particles, from left to right.
fn sequence(node: &Node, particles: &[Particle], path: &str, problems: &mut Vec<String>) {
    if !node.text.trim().is_empty() {
        problems.push(format!("{path}: must hold elements, holds text"));
    }
    let mut children = Vec::with_capacity(node.children.len());
    for child in &node.children {
        if particles
            .iter()
            .any(|particle| specs(particle).iter().any(|s| s.name == child.name))
        {
            children.push(child);
        } else {
            problems.push(format!("{path}: unknown element {}", child.name));
        }
    }
    let mut rest = children.into_iter().peekable();
    for particle in particles {
        let specs = specs(particle);
        let limit = specs.iter().map(|spec| spec.max).max().unwrap_or(0);
        let least = specs.iter().map(|spec| spec.min).min().unwrap_or(0);
        let mut count = 0_usize;
        while let Some(child) = rest.next_if(|c| specs.iter().any(|spec| spec.name == c.name)) {
            count += 1;
            let place = place(path, &child.name, limit, count);
            if count > limit {
                problems.push(format!("{place}: at most {limit} allowed here"));
            } else if let Some(spec) = specs.iter().find(|spec| spec.name == child.name) {
                element(child, spec, &place, problems);
            }
        }
        if count < least && !specs.iter().any(|spec| node.child(spec.name).is_some()) {
            let names: Vec<&str> = specs.iter().map(|spec| spec.name).collect();
            problems.push(format!("{path}: {} is missing", names.join(" or ")));
        }
    }
    if let Some(child) = rest.next() {
        problems.push(format!(
            "{path}: the element {} is out of place",
            child.name
        ));
    }
}

fn specs(particle: &Particle) -> &[Spec] {
    match particle {
        Particle::Element(spec) => std::slice::from_ref(spec),
        Particle::Choice(specs) => specs,
    }
}

fn place(path: &str, name: &str, limit: usize, count: usize) -> String {
    if limit > 1 {
        format!("{path}/{name}[{count}]")
    } else {
        format!("{path}/{name}")
    }
}
