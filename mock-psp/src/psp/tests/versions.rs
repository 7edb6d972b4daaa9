//! Both versions of get and receipt, in every mixture.

use super::*;

#[tokio::test]
async fn get_and_receipt_come_in_either_version() {
    let gateway = StandIn::start(good).await;
    let world = TestWorld::beside(&gateway.url).await;
    // What the second version's get asks for holds a stamp, which the first version's receipt
    // cannot carry: without the get there is none.
    for (order, operations) in [
        (
            json!({"get_version": "V1", "receipt_version": "V1"}),
            vec![Operation::GetPayment, Operation::SendRt, Operation::SendRt],
        ),
        (
            json!({"get_version": "V1", "receipt_version": "V2"}),
            vec![
                Operation::GetPayment,
                Operation::SendRtV2,
                Operation::SendRtV2,
            ],
        ),
        (
            json!({"get_version": "V2", "receipt_version": "V2"}),
            vec![Operation::GetPaymentV2, Operation::SendRtV2],
        ),
        (
            json!({"skip": ["get"], "receipt_version": "V1"}),
            vec![Operation::SendRt],
        ),
    ] {
        let before = gateway.asked().len();
        let mut order = order;
        order["payment_note"] = json!("cart & 1");
        let payment = pay(&world, order.clone()).await;
        assert_eq!(payment["outcome"], "OK", "{order}");
        let asked = gateway.asked().split_off(before + 1);
        assert_eq!(asked.len(), operations.len(), "{order}");
        for (asked, operation) in asked.iter().zip(operations) {
            assert_eq!(
                asked.header("soapaction"),
                format!("\"{}\"", operation.name())
            );
            let (root, problems) = check_request(operation, &asked.body);
            assert_eq!(problems, [""; 0], "{}", asked.body);
            let holder = root.child("receipt").unwrap_or(&root);
            let is_told = operation != Operation::SendRt;
            let note = holder.text_of("paymentNote");
            assert_eq!(note, is_told.then_some("cart & 1"), "{operation:?}");
        }
    }
}

#[tokio::test]
async fn a_stamp_needs_the_second_version_of_the_receipt() {
    let gateway = StandIn::start(good).await;
    let world = TestWorld::beside(&gateway.url).await;
    let payment = pay(&world, json!({"receipt_version": "V1"})).await;
    assert_eq!(payment["fault"]["code"], "PPT_SEMANTICA");
    assert_eq!(
        (&payment["paid"], &payment["deliveries"]),
        (&json!(false), &json!([]))
    );
}

#[tokio::test]
async fn a_version_that_does_not_exist_is_a_problem() {
    let world = TestWorld::alone().await;
    for (wrong, status) in [(json!("V3"), 422), (json!("v1"), 422), (json!(1), 400)] {
        let order = json!({"notice_number": NOTICE, "fiscal_code": CREDITOR, "get_version": wrong});
        let refused = world.post("/psp/pay", &order).await;
        assert_eq!(refused.status.as_u16(), status, "{order}");
        assert_eq!(refused.header("content-type"), "application/problem+json");
    }
}
