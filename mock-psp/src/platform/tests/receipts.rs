//! BizEvents and GPD: the receipts of payments made at the counter.

use super::*;
use crate::psp::scenes::{NOTICE, good, pay};
use crate::testing::StandIn;

const IUV: &str = "02202600001234518";

#[tokio::test]
async fn bizevents_knows_a_payment_whether_or_not_its_receipt_arrived() {
    let gateway = StandIn::start(|asked| match asked.header("soapaction") {
        "\"paSendRTV2\"" => crate::testing::soap("<garbage/>"),
        _ => good(asked),
    })
    .await;
    let world = TestWorld::beside(&gateway.url).await;
    let order = json!({"receipt_id": "r1", "paid_at": "2026-11-20T10:15:30"});
    assert_eq!(pay(&world, order).await["outcome"], "KO");
    let world = world.restarted().await;
    let heard = get(&world, &format!("{RECEIPTS}/r1")).await;
    assert_eq!(heard.status.as_u16(), 200, "{}", heard.text);
    let receipt = heard.json();
    for (member, value) in [
        ("receiptId", json!("r1")),
        ("noticeNumber", json!(NOTICE)),
        ("fiscalCode", json!(CREDITOR)),
        ("outcome", json!("OK")),
        ("creditorReferenceId", json!(IUV)),
        ("pspCompanyName", json!("PSP simulato")),
        ("paymentDateTime", json!("2026-11-20")),
        ("paymentDateTimeFormatted", json!("2026-11-20T10:15:30")),
        ("applicationDate", json!("2026-11-20")),
        ("idBundle", json!(null)),
        ("metadata", json!([{"key": "k", "value": "v"}])),
    ] {
        assert_eq!(receipt[member], value, "{member}");
    }
    assert!(
        heard.text.contains("\"paymentAmount\":52.8,"),
        "{}",
        heard.text
    );
    assert!(heard.text.contains("\"fee\":1.0,"), "{}", heard.text);
    assert_eq!(receipt["debtor"]["fullName"], "Mario Rossi");
    assert_eq!(receipt["debtor"]["entityUniqueIdentifierType"], "F");
    let transfers = receipt["transferList"].as_array().unwrap();
    assert_eq!(transfers[0]["idTransfer"], 1);
    assert_eq!(transfers[0]["iban"], "IT60X0542811101000000123456");
    assert_eq!(transfers[0]["mbdAttachment"], json!(null));
    assert_eq!(transfers[1]["iban"], json!(null));
    assert!(receipt.get("standIn").is_none() && receipt.get("paymentNote").is_none());
    let both = get(&world, &format!("{RECEIPTS}/r1/paymentoptions/{IUV}")).await;
    assert_eq!(both.json(), receipt);
}

#[tokio::test]
async fn bizevents_says_what_it_does_not_find_and_what_is_not_unique() {
    let gateway = StandIn::start(good).await;
    let world = TestWorld::beside(&gateway.url).await;
    pay(
        &world,
        json!({"receipt_id": "r1", "paid_at": "2026-11-20T10:15:30"}),
    )
    .await;
    let other = "/bizevents/service/v1/organizations/77777777778/receipts/r1";
    for (address, code) in [
        (format!("{RECEIPTS}/r2"), "BZ_404_002"),
        (other.to_owned(), "BZ_404_002"),
        (format!("{RECEIPTS}/r1/paymentoptions/1"), "BZ_404_001"),
        (format!("{other}/paymentoptions/{IUV}"), "BZ_404_001"),
    ] {
        let refused = get(&world, &address).await;
        assert_eq!(refused.status.as_u16(), 404, "{address}");
        assert_eq!(refused.json()["code"], code, "{address}");
    }
    // The same payment told twice is one; another one under its id makes two.
    pay(
        &world,
        json!({"receipt_id": "r1", "paid_at": "2026-11-20T10:15:30"}),
    )
    .await;
    assert_eq!(
        get(&world, &format!("{RECEIPTS}/r1")).await.status.as_u16(),
        200
    );
    pay(
        &world,
        json!({"receipt_id": "r1", "paid_at": "2026-11-21T10:15:30"}),
    )
    .await;
    for (address, code) in [
        (format!("{RECEIPTS}/r1"), "BZ_422_002"),
        (format!("{RECEIPTS}/r1/paymentoptions/{IUV}"), "BZ_422_001"),
    ] {
        let refused = get(&world, &address).await;
        assert_eq!(refused.status.as_u16(), 422, "{address}");
        assert_eq!(refused.json()["code"], code);
    }
}

#[tokio::test]
async fn gpd_knows_no_ordinary_payment() {
    let gateway = StandIn::start(good).await;
    let world = TestWorld::beside(&gateway.url).await;
    pay(&world, json!({"receipt_id": "r1"})).await;
    for address in [GPD.to_owned(), format!("{GPD}/{IUV}")] {
        assert_eq!(get(&world, &address).await.status.as_u16(), 404);
    }
}

#[tokio::test]
async fn gpd_refuses_queries_it_cannot_read() {
    let world = TestWorld::alone().await;
    for query in [
        "pageSize=0",
        "pageSize=101",
        "pageSize=x",
        "pageNum=-1",
        "from=yesterday",
        "to=2026-13-01",
        "segregationCodes=1",
        "segregationCodes=01,",
    ] {
        let refused = get(&world, &format!("{GPD}?{query}")).await;
        assert_eq!(refused.status.as_u16(), 400, "{query}");
        assert_eq!(refused.json()["status"], 400);
    }
}
