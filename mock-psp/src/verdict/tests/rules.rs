//! What the node demands beyond the schema.

use super::samples::*;
use crate::verdict::*;

#[test]
fn outcome_and_content_must_agree() {
    use Operation::*;
    let fault = "<fault><faultCode>A</faultCode><faultString>B</faultString><id>C</id></fault>";
    let ok_fault = format!("<outcome>OK</outcome>{fault}");
    let get_data = data(GetPayment);
    let get_v2_data = data(GetPaymentV2);
    check(&[
        (
            SendRt,
            "<outcome>OK</outcome>",
            &ok_fault,
            "outcome OK with a fault",
        ),
        (SendRtV2, "OK", "KO", "outcome KO without a fault"),
        (GetPayment, "OK", "KO", "outcome KO without a fault"),
        (GetPayment, &get_data, "", "outcome OK without data"),
        (GetPaymentV2, &get_v2_data, "", "outcome OK without data"),
        (
            VerifyPaymentNotice,
            OPTION,
            "",
            "outcome OK without paymentList",
        ),
        (
            VerifyPaymentNotice,
            "<paymentDescription>Ricarica mensa 50004</paymentDescription>",
            "",
            "outcome OK without paymentDescription",
        ),
        (
            VerifyPaymentNotice,
            "<fiscalCodePA>77777777777</fiscalCodePA>",
            "",
            "outcome OK without fiscalCodePA",
        ),
        (
            VerifyPaymentNotice,
            "<companyName>Comune di Esempio</companyName>",
            "",
            "outcome OK without companyName",
        ),
        (
            DemandPaymentNotice,
            OPTION,
            "",
            "outcome OK without paymentList",
        ),
    ]);
    let demand = full(DemandPaymentNotice).replace("qrCode>", "removed>");
    assert!(
        problems(DemandPaymentNotice, &demand).contains(&"outcome OK without qrCode".to_owned())
    );
}

#[test]
fn transfers_must_add_up_and_count_from_one() {
    use Operation::*;
    let second = transfer(2, GetPayment);
    check(&[
        (
            GetPayment,
            "<paymentAmount>52.80",
            "<paymentAmount>52.81",
            "sum to 5280 cents, paymentAmount is 5281",
        ),
        (GetPayment, &second, "", "sum to 2640 cents"),
        (
            GetPaymentV2,
            "<idTransfer>2",
            "<idTransfer>3",
            "without gaps, is [1, 3]",
        ),
        (
            GetPaymentV2,
            "<idTransfer>2",
            "<idTransfer>1",
            "without gaps, is [1, 1]",
        ),
        (
            GetPaymentV2,
            "<idTransfer>1",
            "<idTransfer>3",
            "without gaps, is [2, 3]",
        ),
    ]);
    let none = full(GetPayment)
        .replace(&transfer(1, GetPayment), "")
        .replace(&transfer(2, GetPayment), "");
    assert!(
        problems(GetPayment, &none)
            .iter()
            .any(|p| p.contains("transfer is missing"))
    );
}

#[test]
fn no_optional_element_may_be_empty() {
    let names = [
        "dueDate",
        "detailDescription",
        "paymentList",
        "paymentDescription",
        "fiscalCodePA",
        "companyName",
        "officeName",
    ];
    empty_is_refused(Operation::VerifyPaymentNotice, &names);
    let names = [
        "data",
        "retentionDate",
        "lastPayment",
        "officeName",
        "streetName",
        "civicNumber",
        "postalCode",
        "city",
        "stateProvinceRegion",
        "country",
        "e-mail",
        "metadata",
    ];
    empty_is_refused(Operation::GetPaymentV2, &names);
    for name in [
        "description",
        "serial",
        "originalFaultCode",
        "originalFaultString",
        "originalDescription",
    ] {
        let body = emptied(&envelope("paSendRTV2Response", KO), name);
        let found = problems(Operation::SendRtV2, &body);
        assert_eq!(
            found,
            [format!(
                "paSendRTV2Response/fault/{name}: an optional element must not be empty"
            )]
        );
    }
}

fn empty_is_refused(operation: Operation, names: &[&str]) {
    for name in names {
        let found = problems(operation, &emptied(&full(operation), name));
        let expected = format!("/{name}: an optional element must not be empty");
        assert!(
            found.iter().any(|problem| problem.ends_with(&expected)),
            "{name}: {found:?}"
        );
    }
}

/// The body with the last element of that name emptied.
fn emptied(body: &str, name: &str) -> String {
    let start = body.rfind(&format!("<{name}>")).unwrap();
    let close = format!("</{name}>");
    let end = start + body[start..].find(&close).unwrap() + close.len();
    format!("{}<{name}/>{}", &body[..start], &body[end..])
}
