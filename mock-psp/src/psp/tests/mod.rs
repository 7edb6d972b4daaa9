//! Payments against a stand-in for the gateway.

mod counter;
mod demand;
mod failures;
mod flow;
mod stand_in;
pub(crate) mod tls;
mod versions;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::scenes::*;
use crate::testing::{StandIn, TestWorld, soap};
use crate::verdict::{Operation, check_request};

#[tokio::test]
async fn a_payment_runs_through_verify_get_and_receipt() {
    let gateway = StandIn::start(good).await;
    let world = TestWorld::beside(&gateway.url).await;
    let payment = pay(
        &world,
        json!({"receipt_id": "r1", "paid_at": "2026-12-31T23:59:58", "transfer_type": "PAGOPA",
               "payer": {"name": "Anna Bianchi", "fiscal_code": "BNCNNA85T10A562W"}}),
    )
    .await;
    assert_eq!(payment["outcome"], "OK");
    assert_eq!(payment["fault"], json!(null));
    assert_eq!(
        (&payment["receipt_id"], &payment["amount_cents"]),
        (&json!("r1"), &json!(5_280))
    );
    let exchanges = payment["exchanges"].as_array().unwrap();
    let names: Vec<_> = exchanges
        .iter()
        .map(|e| e["operation"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        ["paVerifyPaymentNotice", "paGetPaymentV2", "paSendRTV2"]
    );
    for exchange in exchanges {
        assert_eq!(exchange["http_status"], 200);
        assert_eq!(exchange["outcome"], "OK");
        assert_eq!(exchange["fault_code"], json!(null));
        assert_eq!(exchange["verdict"], json!({"legal": true, "problems": []}));
        assert!(exchange["duration_ms"].is_u64());
        assert!(exchange["response"].as_str().unwrap().contains("Envelope"));
    }
    let asked = gateway.asked();
    assert!(asked.iter().all(|a| a.path == "/node"));
    assert!(
        asked
            .iter()
            .all(|a| a.header("content-type") == "text/xml; charset=utf-8")
    );
    let (get, _) = check_request(Operation::GetPaymentV2, &asked[1].body);
    assert_eq!(
        texts(&get, &["amount", "transferType"]),
        ["52.80", "PAGOPA"]
    );
    let receipt = receipt(&gateway);
    assert_eq!(
        texts(
            &receipt,
            &[
                "receiptId",
                "noticeNumber",
                "creditorReferenceId",
                "paymentAmount"
            ]
        ),
        ["r1", NOTICE, "02202600001234518", "52.80"]
    );
    assert_eq!(
        texts(
            &receipt,
            &[
                "description",
                "companyName",
                "officeName",
                "idPSP",
                "PSPCompanyName"
            ]
        ),
        [
            "Ricarica mensa & merenda",
            "Comune di Esempio",
            "Ufficio scuola",
            "ABI99999",
            "PSP simulato"
        ]
    );
    assert_eq!(
        texts(
            &receipt,
            &[
                "fee",
                "paymentDateTime",
                "applicationDate",
                "transferDate",
                "standIn"
            ]
        ),
        [
            "1.00",
            "2026-12-31T23:59:58",
            "2026-12-31",
            "2027-01-01",
            "false"
        ]
    );
    assert_eq!(
        receipt.child("payer").unwrap().text_of("fullName"),
        Some("Anna Bianchi")
    );
    assert_eq!(
        receipt.child("debtor").unwrap().text_of("fullName"),
        Some("Mario Rossi")
    );
    let transfers = &receipt.child("transferList").unwrap().children;
    assert_eq!(
        texts(&transfers[0], &["transferAmount", "IBAN"]),
        ["36.80", "IT60X0542811101000000123456"]
    );
    assert!(transfers[1].child("MBDAttachment").is_some());
    assert!(receipt.child("metadata").is_some());
}

#[tokio::test]
async fn another_amount_is_shared_out_over_the_transfers() {
    let gateway = StandIn::start(good).await;
    let world = TestWorld::beside(&gateway.url).await;
    let payment = pay(&world, json!({"amount_cents": 10_000})).await;
    assert_eq!(
        (&payment["outcome"], &payment["amount_cents"]),
        (&json!("OK"), &json!(10_000))
    );
    let receipt = receipt(&gateway);
    assert_eq!(receipt.text_of("paymentAmount"), Some("100.00"));
    let transfers = &receipt.child("transferList").unwrap().children;
    let amounts: Vec<_> = transfers
        .iter()
        .filter_map(|t| t.text_of("transferAmount"))
        .collect();
    assert_eq!(amounts, ["69.69", "30.31"]);
    pay(&world, json!({"amount_cents": 1})).await;
    let receipt = self::receipt(&gateway);
    assert_eq!(receipt.child("transferList").unwrap().children.len(), 1);
}

#[tokio::test]
async fn a_receipt_without_verify_and_get_is_built_from_the_order() {
    let gateway = StandIn::start(good).await;
    let world = TestWorld::beside(&gateway.url).await;
    let skip = json!({"skip": ["verify", "get"], "amount_cents": 700});
    let payment = pay(&world, skip).await;
    assert_eq!(payment["exchanges"].as_array().unwrap().len(), 1);
    let built = receipt(&gateway);
    assert_eq!(
        texts(
            &built,
            &["creditorReferenceId", "paymentAmount", "companyName"]
        ),
        ["02202600001234518", "7.00", "Comune di Esempio"]
    );
    let debtor = built.child("debtor").unwrap();
    assert_eq!(debtor.text_of("fullName"), Some("ANONIMO"));
    let payment = pay(&world, json!({"skip": ["get"]})).await;
    assert_eq!(payment["amount_cents"], 5_280);
    let built = receipt(&gateway);
    assert_eq!(
        texts(&built, &["paymentAmount", "description"]),
        ["52.80", "Ricarica mensa"]
    );
    let payment = pay(
        &world,
        json!({"skip": ["verify"], "payer": {"name": "Ditta", "fiscal_code": "01234567890"}}),
    )
    .await;
    assert_eq!(payment["exchanges"].as_array().unwrap().len(), 2);
    let payer = receipt(&gateway).child("payer").unwrap().clone();
    assert_eq!(
        payer
            .child("uniqueIdentifier")
            .unwrap()
            .text_of("entityUniqueIdentifierType"),
        Some("G")
    );
}

#[tokio::test]
async fn a_receipt_can_be_sent_often_and_with_an_unknown_element() {
    let gateway = StandIn::start(good).await;
    let world = TestWorld::beside(&gateway.url).await;
    let payment = pay(&world, json!({"times": 3, "extra_element": true})).await;
    assert_eq!(payment["outcome"], "OK");
    let asked = gateway.asked();
    assert_eq!(asked.len(), 5);
    assert!(asked[2].body == asked[3].body && asked[3].body == asked[4].body);
    let (_, problems) = check_request(Operation::SendRtV2, &asked[4].body);
    assert_eq!(
        problems,
        ["paSendRTV2Request/receipt: unknown element newElement"]
    );
}

#[tokio::test]
async fn the_head_can_be_that_of_somebody_else() {
    let gateway = StandIn::start(good).await;
    let world = TestWorld::beside(&gateway.url).await;
    pay(&world, json!({"id_pa": "1", "broker": "2", "station": "3"})).await;
    for (asked, operation) in gateway.asked().iter().zip([
        Operation::VerifyPaymentNotice,
        Operation::GetPaymentV2,
        Operation::SendRtV2,
    ]) {
        let (root, _) = check_request(operation, &asked.body);
        assert_eq!(
            texts(&root, &["idPA", "idBrokerPA", "idStation"]),
            ["1", "2", "3"]
        );
    }
}

#[tokio::test]
async fn lost_replies_and_duplicates_make_the_node_send_again() {
    let gateway = StandIn::start(good).await;
    let world = TestWorld::beside(&gateway.url).await;
    let plan = json!({"node": {"drop_reply": 1, "duplicate": 2, "delay_ms": 1}});
    world.post("/chaos", &plan).await;
    let chaos_of = |payment: &Value| {
        let exchanges = payment["exchanges"].as_array().unwrap().clone();
        exchanges
            .iter()
            .map(|e| e["chaos"].clone())
            .collect::<Vec<_>>()
    };
    let first = pay(&world, json!({})).await;
    assert_eq!(first["outcome"], "OK");
    let (no, dropped, duplicate) = (json!(null), json!("reply_dropped"), json!("duplicate"));
    let expected = [
        no.clone(),
        no.clone(),
        dropped,
        no.clone(),
        duplicate.clone(),
    ];
    assert_eq!(chaos_of(&first), expected);
    let second = pay(&world, json!({})).await;
    assert_eq!(
        chaos_of(&second),
        [no.clone(), no.clone(), no.clone(), duplicate]
    );
    let third = pay(&world, json!({})).await;
    assert_eq!(chaos_of(&third), [no.clone(), no.clone(), no]);
}
