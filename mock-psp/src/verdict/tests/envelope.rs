//! The envelope, the HTTP status and the content type.

use super::samples::*;
use crate::verdict::*;

#[test]
fn the_envelope_is_checked() {
    use Operation::*;
    let body_end = "</soapenv:Body>";
    check(&[
        (
            SendRt,
            "soapenv:Envelope",
            "soapenv:Letter",
            "the document is Letter",
        ),
        (
            SendRt,
            "soapenv:Body",
            "soapenv:Corpo",
            "Corpo where the Envelope must hold Body",
        ),
        (
            SendRt,
            "<soapenv:Header/>",
            "<soapenv:Header/><soapenv:Header/>",
            "Header where",
        ),
        (
            SendRt,
            "<soapenv:Header/>",
            "text",
            "text directly inside the Envelope",
        ),
        (
            SendRt,
            "<soapenv:Body>",
            "<soapenv:Body>text",
            "text directly inside the Body",
        ),
        (
            SendRt,
            body_end,
            "<paf:paSendRTRes/></soapenv:Body>",
            "more than one message",
        ),
        (SendRt, body_end, "</soapenv:Body><x/>", "x after the Body"),
        (
            SendRt,
            "<?xml",
            "<!DOCTYPE a><?xml",
            "document type declaration",
        ),
    ]);
    let shell = |inside: &str| {
        format!(
            "<s:Envelope xmlns:s='http://schemas.xmlsoap.org/soap/envelope/'>{inside}</s:Envelope>"
        )
    };
    let fault = "<s:Body><s:Fault><faultcode>s:Server</faultcode><faultstring>boom</faultstring></s:Fault></s:Body>";
    assert_eq!(
        problems(SendRt, &shell(fault)),
        ["a SOAP Fault is no answer (boom)"]
    );
    assert_eq!(problems(SendRt, &shell("<s:Body/>")), ["the Body is empty"]);
    assert_eq!(
        problems(SendRt, &shell("<s:Header/>")),
        ["the Envelope holds no Body"]
    );
    assert_eq!(problems(SendRt, ""), ["no XML document"]);
    assert!(
        problems(SendRt, "<html><body>Errore")
            .iter()
            .any(|p| p.contains("not well-formed"))
    );
}

#[test]
fn status_and_content_type_are_checked() {
    let body = full(Operation::SendRt);
    let verdict = |status, kind| judge(Operation::SendRt, status, kind, body.as_bytes()).problems;
    for legal in [
        "text/xml; charset=utf-8",
        "text/xml;charset=\"UTF-8\"",
        "TEXT/XML; x=1; Charset=utf-8",
    ] {
        assert_eq!(verdict(200, Some(legal)), [""; 0], "{legal}");
    }
    for illegal in [
        "text/xml",
        "application/soap+xml; charset=utf-8",
        "text/xml; charset=iso-8859-1",
        "",
    ] {
        let found = verdict(200, Some(illegal));
        assert!(
            found.iter().any(|problem| problem.contains("content type")),
            "{illegal}"
        );
    }
    assert_eq!(
        verdict(200, None),
        ["the content type is missing, must be text/xml; charset=utf-8"]
    );
    for status in [201, 202, 404, 500, 503] {
        let expected = format!("the HTTP status is {status}, must be 200");
        assert_eq!(verdict(status, TEXT_XML), [expected]);
    }
}

#[test]
fn a_flood_of_problems_is_cut() {
    let body = full(Operation::SendRt).replace("</paf:", &format!("{}</paf:", "<x/>".repeat(500)));
    assert_eq!(problems(Operation::SendRt, &body).len(), 50);
}

/// Thousands of damaged replies: whatever the bytes, there is a verdict and no panic.
#[test]
fn any_bytes_get_a_verdict() {
    let mut state = 20_261_120_u64;
    let mut next = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below
    };
    for round in 0..3_000 {
        let operation = Operation::ALL[next(Operation::ALL.len())];
        let mut body = full(operation).into_bytes();
        for _ in 0..=next(4) {
            let (from, to) = (next(body.len()), next(body.len()));
            match next(4) {
                0 => body[from] = u8::try_from(next(256)).unwrap(),
                1 => body.swap(from, to),
                2 => body.truncate(from.max(1)),
                _ => body = [&body[..from], &body[to..]].concat(),
            }
            if body.is_empty() {
                body.push(b'<');
            }
        }
        let verdict = judge(operation, 200, TEXT_XML, &body);
        assert_eq!(verdict.legal, verdict.problems.is_empty(), "round {round}");
    }
}
