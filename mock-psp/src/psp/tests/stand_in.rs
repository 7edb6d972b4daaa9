//! Payments from the archive of notices, while the creditor is not asked.

use axum::body::Body;
use axum::http::Request;

use super::*;
use crate::testing::{Heard, SUBSCRIPTION_KEY};

const IUV: &str = "02202600001234518";
const GPD: &str = "/gpd/payments-receipts-service/v1/payments/77777777777/receipts";

async fn with_key(world: &TestWorld, method: &str, address: &str, body: &Value) -> Heard {
    let request = Request::builder().method(method).uri(address);
    let request = request.header("Ocp-Apim-Subscription-Key", SUBSCRIPTION_KEY);
    let body = Body::from(body.to_string());
    world.send(request.body(body).unwrap()).await
}

async fn file(world: &TestWorld, changes: Value) -> Heard {
    let mut position = json!({
        "paFiscalCode": CREDITOR, "entityType": "F", "entityFiscalCode": "RSSMRA80A01H501U",
        "entityFullName": "Mario Rossi", "iuv": IUV, "nav": NOTICE, "amount": 4_000,
        "description": "Ricarica di ieri", "expirationDate": "2099-12-31T22:59:59Z",
        "iban": "IT25O0306909606100000012345"
    });
    let object = position.as_object_mut().unwrap();
    object.extend(changes.as_object().unwrap().clone());
    with_key(world, "POST", "/aca/v1/paCreatePosition", &position).await
}

#[tokio::test]
async fn a_stand_in_payment_is_made_from_the_archive_without_asking() {
    let gateway = StandIn::start(good).await;
    let world = TestWorld::beside(&gateway.url).await;
    assert_eq!(file(&world, json!({})).await.status, StatusCode::OK);
    let order = json!({"stand_in": true, "receipt_id": "s1", "paid_at": "2026-11-20T10:15:30"});
    let payment = pay(&world, order).await;
    assert_eq!(payment["outcome"], "OK", "{payment}");
    assert_eq!(payment["amount_cents"], 4_000);
    assert_eq!(gateway.asked().len(), 1, "neither verify nor get");
    let built = receipt(&gateway);
    let names = [
        "paymentAmount",
        "creditorReferenceId",
        "description",
        "standIn",
    ];
    assert_eq!(
        texts(&built, &names),
        ["40.00", IUV, "Ricarica di ieri", "true"]
    );
    let transfers = &built.child("transferList").unwrap().children;
    assert_eq!(transfers.len(), 1);
    assert_eq!(
        texts(
            &transfers[0],
            &["transferCategory", "IBAN", "transferAmount"]
        ),
        ["STAND-IN", "IT25O0306909606100000012345", "40.00"]
    );
    // The archive knows that it is paid, and so does everybody who asks.
    assert_eq!(
        file(&world, json!({"amount": 0})).await.status,
        StatusCode::CONFLICT
    );
    let listed = world.get("/aca/positions").await.json();
    assert_eq!(listed["data"][0]["state"], "PAID");
    let twice = pay(&world, json!({"stand_in": true})).await;
    assert_eq!(
        (&twice["outcome"], &twice["paid"]),
        (&json!("KO"), &json!(false))
    );
    assert_eq!(gateway.asked().len(), 1);
}

#[tokio::test]
async fn gpd_keeps_the_receipts_of_stand_in_payments() {
    let gateway = StandIn::start(good).await;
    let world = TestWorld::beside(&gateway.url).await;
    for number in 1..=3 {
        let iuv = format!("0220260000123450{number}");
        let nav = format!("3{iuv}");
        file(&world, json!({"iuv": iuv, "nav": nav})).await;
        let paid_at = format!("2026-11-2{number}T10:00:00");
        let order = json!({"stand_in": true, "notice_number": nav, "paid_at": paid_at});
        assert_eq!(pay(&world, order).await["outcome"], "OK");
    }
    let world = world.restarted().await;
    let list =
        async |query: &str| with_key(&world, "GET", &format!("{GPD}{query}"), &json!({})).await;
    let all = list("").await.json();
    assert_eq!(
        (
            &all["length"],
            &all["totalPages"],
            &all["currentPageNumber"]
        ),
        (&json!(3), &json!(1), &json!(0))
    );
    assert_eq!(
        all["results"][0],
        json!({"organizationFiscalCode": CREDITOR, "iuv": "02202600001234501",
               "debtor": "RSSMRA80A01H501U", "paymentDateTime": "2026-11-21T10:00:00",
               "status": "PAID"})
    );
    let second = list("?pageSize=2&pageNum=1").await.json();
    assert_eq!(second["results"].as_array().unwrap().len(), 1);
    assert_eq!(list("?pageSize=2&pageNum=2").await.status.as_u16(), 400);
    for (query, count) in [
        ("?from=2026-11-22", 2),
        ("?to=2026-11-22", 2),
        ("?from=2026-11-22T10:00:01&to=2026-11-23", 1),
        ("?debtor=RSSMRA80A01H501U", 3),
        ("?debtorOrIuv=0220260000123450", 3),
        ("?debtorOrIuv=02202600001234502", 1),
        ("?segregationCodes=01,02", 3),
    ] {
        assert_eq!(list(query).await.json()["length"], count, "{query}");
    }
    for query in ["?debtor=nobody", "?segregationCodes=03", "?from=2027-01-01"] {
        assert_eq!(list(query).await.status.as_u16(), 404, "{query}");
    }
    let document = list("/02202600001234502").await;
    assert_eq!(document.header("content-type"), "application/xml");
    let envelope = format!(
        "<s:Envelope xmlns:s=\"{}\"><s:Body>{}</s:Body></s:Envelope>",
        crate::verdict::SOAP,
        document.text
    );
    let (root, problems) = check_request(Operation::SendRtV2, &envelope);
    assert_eq!(problems, [""; 0]);
    let kept = root.child("receipt").unwrap();
    assert_eq!(
        texts(kept, &["noticeNumber", "standIn"]),
        ["302202600001234502", "true"]
    );
    assert_eq!(
        list("/02202600001234502?segregationCodes=03")
            .await
            .status
            .as_u16(),
        403
    );
    assert_eq!(list("/02202600001234599").await.status.as_u16(), 404);
}

#[tokio::test]
async fn what_was_paid_at_the_creditor_is_not_paid_again_in_stand_in() {
    let gateway = StandIn::start(good).await;
    let world = TestWorld::beside(&gateway.url).await;
    assert_eq!(file(&world, json!({})).await.status, StatusCode::OK);
    let first = pay(&world, json!({"receipt_id": "p1"})).await;
    assert_eq!(first["paid"], true, "{first}");
    let listed = world.get("/aca/positions").await.json();
    assert_eq!(listed["data"][0]["state"], "PAID");
    let again = json!({"stand_in": true, "receipt_id": "p2"});
    let again = pay(&world, again).await;
    assert_eq!(again["paid"], false, "{again}");
    assert_eq!(
        again["fault"]["code"],
        "PPT_STAZIONE_INT_PA_IRRAGGIUNGIBILE"
    );
}

#[tokio::test]
async fn what_is_not_payable_in_stand_in_is_not_paid() {
    let gateway = StandIn::start(good).await;
    let world = TestWorld::beside(&gateway.url).await;
    let stand_in = json!({"stand_in": true});
    let nothing = pay(&world, stand_in.clone()).await;
    assert_eq!(
        nothing["fault"]["code"],
        "PPT_STAZIONE_INT_PA_IRRAGGIUNGIBILE"
    );
    file(&world, json!({"payStandIn": false})).await;
    assert_eq!(pay(&world, stand_in.clone()).await["paid"], false);
    file(&world, json!({"payStandIn": true})).await;
    file(&world, json!({"amount": 0})).await;
    assert_eq!(pay(&world, stand_in).await["paid"], false);
    assert_eq!(gateway.asked().len(), 0);
}
