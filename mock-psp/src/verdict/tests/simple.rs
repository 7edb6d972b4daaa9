//! Simple types in their place.

use super::samples::*;
use crate::verdict::*;

#[test]
fn simple_types_are_checked_in_their_place() {
    use Operation::*;
    let text_141 = "è".repeat(141);
    let description = format!("<description>{text_141}</description>");
    check(&[
        (SendRt, "OK", "PP", "paSendRTRes/outcome: must be OK or KO"),
        (SendRt, "OK", "", "paSendRTRes/outcome: must be OK or KO"),
        (
            VerifyPaymentNotice,
            "52.80",
            "52,80",
            "amount: must be an amount with two decimals",
        ),
        (
            VerifyPaymentNotice,
            "52.80",
            "0.00",
            "amount: must not be zero",
        ),
        (
            VerifyPaymentNotice,
            "52.80",
            "1219087657.34",
            "amount: must not exceed",
        ),
        (
            VerifyPaymentNotice,
            "EQ",
            "KK",
            "options: must be EQ or LS or GT or ANY",
        ),
        (
            VerifyPaymentNotice,
            "2026-12-31",
            "12-28-2026",
            "dueDate: is no xsd:date",
        ),
        (VerifyPaymentNotice, "false", "3", "allCCP: must be true"),
        (
            VerifyPaymentNotice,
            "77777777777",
            "123456789012",
            "fiscalCodePA: must be 11 digits",
        ),
        (
            GetPaymentV2,
            "02202600001234518</cred",
            "123456789012345678901234567890123456</cred",
            "has 36 characters",
        ),
        (
            GetPaymentV2,
            "<paymentAmount>52.80",
            "<paymentAmount>52.8",
            "paymentAmount: must be an amount",
        ),
        (
            GetPaymentV2,
            "T23:59:59",
            "",
            "retentionDate: is no xsd:dateTime",
        ),
        (
            GetPaymentV2,
            "<lastPayment>1",
            "<lastPayment>2",
            "lastPayment: must be true",
        ),
        (
            GetPaymentV2,
            "<description>Ricarica mensa 50004</description>",
            &description,
            "has 141 characters",
        ),
        (
            GetPaymentV2,
            ">F<",
            ">X<",
            "entityUniqueIdentifierType: must be F or G",
        ),
        (
            GetPaymentV2,
            "RSSMRA80A01H501U",
            "RSSMRA80A01H501UX",
            "has 17 characters",
        ),
        (
            GetPaymentV2,
            "<civicNumber>1/A",
            "<civicNumber>12345678901234567",
            "civicNumber: has 17",
        ),
        (
            GetPaymentV2,
            "<country>IT",
            "<country>Italia",
            "country: must be two capital letters",
        ),
        (
            GetPaymentV2,
            "mario@example.org",
            "mario@",
            "e-mail: is no e-mail address",
        ),
        (
            GetPaymentV2,
            "<idTransfer>2",
            "<idTransfer>6",
            "transfer[2]/idTransfer: must be a number from 1 to 5",
        ),
        (
            GetPaymentV2,
            "<transferAmount>26.40",
            "<transferAmount>0.00",
            "transfer[1]/transferAmount: must not be zero",
        ),
        (
            GetPaymentV2,
            "<IBAN>IT60X0542811101000000123456",
            "<IBAN>",
            "IBAN: has 0 characters",
        ),
        (
            GetPaymentV2,
            "<value>v",
            "<value>",
            "value: has 0 characters",
        ),
        (
            DemandPaymentNotice,
            "302202600001234518",
            "30220260000123451",
            "noticeNumber: must be 18 digits",
        ),
    ]);
    let stamp = full(GetPaymentV2).replacen("<IBAN>IT60X0542811101000000123456</IBAN>", STAMP, 1);
    for (from, to, expected) in [
        (
            "wHpFSLCGZjIvNSXxqtGbxg==",
            "wHp",
            "hashDocumento: must be base64",
        ),
        (">01<", ">02<", "tipoBollo: must be 01"),
        (
            "<provinciaResidenza>MI",
            "<provinciaResidenza>Mi",
            "provinciaResidenza: must be two",
        ),
    ] {
        let found = problems(GetPaymentV2, &stamp.replace(from, to));
        assert!(
            found.iter().any(|problem| problem.contains(expected)),
            "{expected}: {found:?}"
        );
    }
}
