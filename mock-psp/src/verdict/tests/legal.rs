//! What must be accepted.

use super::samples::*;
use crate::verdict::*;

#[test]
fn the_full_positive_and_negative_replies_are_legal() {
    for operation in Operation::ALL {
        assert_eq!(
            problems(operation, &full(operation)),
            [""; 0],
            "{operation:?}"
        );
        let refusal = envelope(schema::reply(operation).root, KO);
        assert_eq!(problems(operation, &refusal), [""; 0], "{operation:?}");
        assert_eq!(Operation::from_name(operation.name()), Some(operation));
    }
    assert_eq!(Operation::from_name("paInviaRT"), None);
}

#[test]
fn what_is_optional_may_be_left_out() {
    use Operation::*;
    let cases: &[(Operation, &[&str])] = &[
        (
            VerifyPaymentNotice,
            &["<officeName>Ufficio scuola</officeName>"],
        ),
        (
            VerifyPaymentNotice,
            &["<dueDate>2026-12-31</dueDate>", "<soapenv:Header/>"],
        ),
        (
            VerifyPaymentNotice,
            &["<detailDescription>Refezione</detailDescription>"],
        ),
        (
            GetPayment,
            &["<companyName>Comune di Esempio</companyName>", METADATA],
        ),
        (
            GetPaymentV2,
            &["<retentionDate>2026-12-31T23:59:59</retentionDate>"],
        ),
        (
            GetPaymentV2,
            &["<lastPayment>1</lastPayment>", "<country>IT</country>"],
        ),
        (
            GetPaymentV2,
            &["<e-mail>mario@example.org</e-mail>", "<city>Milano</city>"],
        ),
        (
            DemandPaymentNotice,
            &["<officeName>Ufficio scuola</officeName>"],
        ),
    ];
    for (operation, parts) in cases {
        let mut body = full(*operation);
        for part in *parts {
            assert!(body.contains(part), "{part}");
            body = body.replace(part, "");
        }
        assert_eq!(
            problems(*operation, &body),
            [""; 0],
            "{operation:?} without {parts:?}"
        );
    }
}

#[test]
fn other_ways_of_writing_the_same_message_are_legal() {
    let body = full(Operation::GetPaymentV2);
    let root = format!("<paGetPaymentV2Response xmlns=\"{PAF}\">");
    let default_namespace = body
        .replace("<paf:paGetPaymentV2Response>", &root)
        .replace("</paf:paGetPaymentV2Response>", "</paGetPaymentV2Response>")
        .replace("<outcome>", "<outcome xmlns=\"\">")
        .replace("<data>", "<data xmlns=\"\">");
    let variants = [
        default_namespace,
        format!("\u{FEFF}{body}"),
        body.replace("><", ">\n  <"),
        body.replace("<lastPayment>1<", "<lastPayment> true <"),
        body.replace("<data>", "<!-- a note --><data>"),
        body.replace("2026-12-31<", "2026-12-31+01:00<"),
        body.replace("Mario Rossi", "Mario &amp; Niccolò <![CDATA[<Rossi>]]>"),
        body.replacen("<IBAN>IT60X0542811101000000123456</IBAN>", STAMP, 1),
    ];
    for variant in variants {
        assert_eq!(
            problems(Operation::GetPaymentV2, &variant),
            [""; 0],
            "{variant}"
        );
    }
}
