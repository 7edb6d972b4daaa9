//! The SOAP 1.1 envelope around a reply.

use super::xml::Node;

/// Namespace of SOAP 1.1.
pub(crate) const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";

/// Takes the message out of its envelope; the error is a sentence for the list of problems.
pub(super) fn open(document: Node) -> Result<Node, String> {
    if !document.is(SOAP, "Envelope") {
        return Err(format!(
            "the document is {}, not a SOAP 1.1 Envelope",
            document.name
        ));
    }
    if !document.text.trim().is_empty() {
        return Err("text directly inside the Envelope".to_owned());
    }
    let mut parts = document.children.into_iter().peekable();
    parts.next_if(|part| part.is(SOAP, "Header"));
    let body = match parts.next() {
        Some(part) if part.is(SOAP, "Body") => part,
        Some(part) => return Err(format!("{} where the Envelope must hold Body", part.name)),
        None => return Err("the Envelope holds no Body".to_owned()),
    };
    if let Some(part) = parts.next() {
        return Err(format!("{} after the Body", part.name));
    }
    if !body.text.trim().is_empty() {
        return Err("text directly inside the Body".to_owned());
    }
    let mut messages = body.children.into_iter();
    match (messages.next(), messages.next()) {
        (Some(message), None) if message.is(SOAP, "Fault") => {
            let reason = message.text_of("faultstring").unwrap_or("no faultstring");
            Err(format!("a SOAP Fault is no answer ({reason})"))
        }
        (Some(message), None) => Ok(message),
        (None, _) => Err("the Body is empty".to_owned()),
        (Some(_), Some(_)) => Err("the Body holds more than one message".to_owned()),
    }
}
