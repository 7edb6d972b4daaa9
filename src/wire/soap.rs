//! The SOAP 1.1 envelope: unwrapped on the way in, put around on the way out.

use super::Malformed;
use super::xml::{self, Element, Writer};

/// The namespace of SOAP 1.1.
pub const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";

/// Reads an envelope and gives the one element of its body.
///
/// # Errors
/// [`Malformed`]: not XML, not a SOAP 1.1 envelope, or a body with no element or several.
pub fn body(bytes: &[u8]) -> Result<Element, Malformed> {
    let envelope = xml::parse(bytes)?;
    let wrong = |element: &Element, expected: &str, found: &str| Malformed {
        path: "Envelope".to_owned(),
        offset: element.offset,
        expected: expected.to_owned(),
        found: found.to_owned(),
    };
    if !is_soap(&envelope, "Envelope") {
        return Err(wrong(&envelope, "a SOAP 1.1 Envelope", "another element"));
    }
    if !envelope.text.trim().is_empty() {
        return Err(wrong(&envelope, "only elements in the Envelope", "text"));
    }
    let offset = envelope.offset;
    let mut parts = envelope.children.into_iter().peekable();
    if parts.peek().is_some_and(|part| is_soap(part, "Header")) {
        parts.next();
    }
    let missing = Element {
        offset,
        ..Element::default()
    };
    let body = parts.next().unwrap_or(missing);
    if !is_soap(&body, "Body") {
        return Err(wrong(&body, "the Body", "something else"));
    }
    if !body.text.trim().is_empty() {
        return Err(wrong(&body, "only elements in the Body", "text"));
    }
    let offset = body.offset;
    let mut operations = body.children.into_iter();
    match (operations.next(), operations.next()) {
        (Some(operation), None) => Ok(operation),
        (None, _) => Err(Malformed {
            offset,
            ..wrong(&Element::default(), "one element in the Body", "none")
        }),
        (Some(_), Some(second)) => Err(wrong(&second, "one element in the Body", "several")),
    }
}

fn is_soap(element: &Element, name: &str) -> bool {
    element.name == name && element.namespace.as_deref() == Some(SOAP)
}

/// Puts an envelope around what `inside` writes.
pub fn envelope(inside: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = Writer::document();
    writer.element(
        "soapenv:Envelope",
        &format!("xmlns:soapenv=\"{SOAP}\""),
        |writer| writer.nested("soapenv:Body", inside),
    );
    writer.finish()
}

/// Whose fault a SOAP fault is (SOAP 1.1, section 4.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultCode {
    /// The message was wrong; the same message again will be wrong again.
    Client,
    /// We could not; the same message may go through later.
    Server,
}

/// A SOAP fault: for messages that name no operation to answer, and for our own failures.
pub fn fault(code: FaultCode, text: &str) -> Vec<u8> {
    envelope(|writer| {
        writer.nested("soapenv:Fault", |writer| {
            writer.leaf(
                "faultcode",
                match code {
                    FaultCode::Client => "soapenv:Client",
                    FaultCode::Server => "soapenv:Server",
                },
            );
            writer.leaf("faultstring", text);
        });
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrapped(inside: &str) -> Vec<u8> {
        format!("<e:Envelope xmlns:e=\"{SOAP}\">{inside}</e:Envelope>").into_bytes()
    }

    #[test]
    fn the_operation_is_found() {
        for inside in [
            "<e:Body><x/></e:Body>",
            "<e:Header><y/></e:Header><e:Body> <x/> </e:Body>",
        ] {
            assert_eq!(body(&wrapped(inside)).unwrap().name, "x");
        }
    }

    #[test]
    fn other_shapes_are_refused() {
        for inside in [
            "",
            "<e:Body/>",
            "<e:Body><x/><y/></e:Body>",
            "<Body><x/></Body>",
            "<e:Header/><e:Header/><e:Body><x/></e:Body>",
            "text<e:Body><x/></e:Body>",
            "<e:Body>text<x/></e:Body>",
        ] {
            assert!(body(&wrapped(inside)).is_err(), "{inside}");
        }
        assert!(body(b"<Envelope><Body><x/></Body></Envelope>").is_err());
    }

    #[test]
    fn a_fault_is_well_formed() {
        let fault = fault(FaultCode::Client, "wrong <here>");
        let fault = body(&fault).unwrap();
        assert_eq!(fault.child("faultcode").unwrap().text, "soapenv:Client");
        assert_eq!(fault.child("faultstring").unwrap().text, "wrong <here>");
    }
}
