//! The doors and the page of the node's staff.

use super::*;

#[tokio::test]
async fn the_queue_is_listed_by_state_and_recipient() {
    let is_failing = Arc::new(AtomicUsize::new(1));
    let answer = || StatusCode::BAD_GATEWAY.into_response();
    let gateway = StandIn::start(failing(answer, &is_failing)).await;
    let world = TestWorld::beside(&gateway.url).await;
    pay(&world, json!({"receipt_id": "r1"})).await;
    is_failing.store(0, Ordering::SeqCst);
    pay(&world, json!({"receipt_id": "r2"})).await;
    for (query, expected) in [
        ("", vec!["r2", "r1"]),
        ("?state=PENDING", vec!["r1"]),
        ("?state=NOTIFIED", vec!["r2"]),
        ("?state=SUSPENDED", vec![]),
        ("?receipt_id=r1", vec!["r1"]),
        ("?recipient=77777777778", vec![]),
        (
            &format!("?notice_number={NOTICE}&state=PENDING"),
            vec!["r1"],
        ),
    ] {
        let list = world.get(&format!("/node/receipts{query}")).await.json();
        let ids = list["data"].as_array().unwrap().iter();
        let ids: Vec<_> = ids
            .map(|owed| owed["receipt_id"].as_str().unwrap())
            .collect();
        assert_eq!(ids, expected, "{query}");
    }
    let id = queue(&world).await[0]["id"].as_i64().unwrap();
    let whole = world.get(&format!("/node/receipts/{id}")).await.json();
    assert!(
        whole["message"]
            .as_str()
            .unwrap()
            .contains("paSendRTV2Request")
    );
    let wrong = world.get("/node/receipts?state=LOST").await;
    assert_eq!(wrong.status.as_u16(), 422);
    assert_eq!(wrong.header("content-type"), "application/problem+json");
    for address in ["/node/receipts/999", "/node/receipts/x"] {
        assert_eq!(world.get(address).await.status.as_u16(), 404);
    }
    let nothing = world.post("/node/receipts/999/requeue", &json!({})).await;
    assert_eq!(nothing.status.as_u16(), 404);
}

#[tokio::test]
async fn time_moves_only_ahead() {
    let world = TestWorld::alone().await;
    assert_eq!(world.get("/clock").await.json()["ahead_s"], 0);
    let before = world.town.clock.today();
    let moved = advance(&world, 30 * 24 * HOUR).await.json();
    assert_eq!(
        (&moved["ahead_s"], &moved["tried"]),
        (&json!(2_592_000), &json!(0))
    );
    assert!(world.town.clock.today() > before);
    for wrong in [json!(-1), json!(40_000_000_000_i64), json!(1.5), json!("1")] {
        let refused = world.post("/clock", &json!({"advance_s": wrong})).await;
        assert_eq!(refused.status.as_u16(), 422, "{wrong}");
    }
    assert_eq!(world.post("/clock", &json!({})).await.status.as_u16(), 422);
    assert_eq!(world.get("/clock").await.json()["ahead_s"], 2_592_000);
}

#[tokio::test]
async fn timeouts_out_of_range_are_refused() {
    let world = TestWorld::alone().await;
    let usual = json!({"query_ms": 7_000, "receipt_ms": 15_000});
    for wrong in [
        json!({"query_ms": 0}),
        json!({"receipt_ms": 60_001}),
        json!({"x": 1}),
    ] {
        let refused = world.post("/node/timeouts", &wrong).await;
        assert_eq!(refused.status.as_u16(), 422, "{wrong}");
    }
    assert_eq!(world.get("/node/timeouts").await.json(), usual);
}

#[tokio::test]
async fn the_probe_tells_a_living_station_by_the_notice_nobody_has() {
    let unknown = "<p:paVerifyPaymentNoticeRes><outcome>KO</outcome><fault>\
        <faultCode>PAA_PAGAMENTO_SCONOSCIUTO</faultCode><faultString>x</faultString>\
        <id>77777777777</id></fault></p:paVerifyPaymentNoticeRes>";
    let gateway = StandIn::start(move |_| soap(unknown)).await;
    let world = TestWorld::beside(&gateway.url).await;
    let probe = json!({"fiscal_code": CREDITOR});
    let told = world.post("/node/probe", &probe).await.json();
    assert_eq!(told["available"], true);
    let asked = &gateway.asked()[0];
    assert!(
        asked
            .body
            .contains("<noticeNumber>000000000000000000</noticeNumber>")
    );
    let dead = TestWorld::alone().await;
    assert_eq!(
        dead.post("/node/probe", &probe).await.json()["available"],
        false
    );
    // Somebody who finds that notice is not to be believed.
    let gateway = StandIn::start(good).await;
    let odd = TestWorld::beside(&gateway.url).await;
    assert_eq!(
        odd.post("/node/probe", &probe).await.json()["available"],
        false
    );
    let wrong = odd.post("/node/probe", &json!({"fiscal_code": "1"})).await;
    assert_eq!(wrong.status.as_u16(), 422);
}

#[tokio::test]
async fn the_page_shows_the_queue_and_moves_the_clock() {
    let is_failing = Arc::new(AtomicUsize::new(1));
    let answer = || StatusCode::BAD_GATEWAY.into_response();
    let gateway = StandIn::start(failing(answer, &is_failing)).await;
    let world = TestWorld::beside(&gateway.url).await;
    assert!(world.get("/node").await.text.contains("Nessuna ricevuta"));
    pay(&world, json!({"receipt_id": "r1"})).await;
    let page = world.get("/node").await;
    for expected in [
        "In attesa",
        "Comune di Esempio",
        "the HTTP status is 502",
        "Rimetti in coda<span class=\"hidden\"> la ricevuta r1</span>",
        "scope=\"row\"",
    ] {
        assert!(page.text.contains(expected), "{expected}: {}", page.text);
    }
    let moved = world.post_form("/node", &[("advance_s", "176400")]).await;
    assert_eq!(
        (moved.status.as_u16(), moved.header("location")),
        (303, "/node")
    );
    let page = world.get("/node?state=SUSPENDED").await;
    assert!(page.text.contains("Sospesa</span>") && page.text.contains("spostata in avanti"));
    is_failing.store(0, Ordering::SeqCst);
    let id = queue(&world).await[0]["id"].to_string();
    world.post_form("/node", &[("requeue", &id)]).await;
    assert!(world.get("/node").await.text.contains("Consegnata</span>"));
    assert_eq!(world.get("/node?state=LOST").await.status.as_u16(), 422);
    let probed = world.post_form("/node", &[("probe", CREDITOR)]).await;
    assert!(
        probed
            .text
            .contains("Comune di Esempio non risponde come deve")
    );
    let plain = world.post_form("/node", &[("certificate", "next")]).await;
    assert_eq!(plain.status, StatusCode::CONFLICT);
    assert!(
        plain.text.contains("Il certificato non cambia"),
        "{}",
        plain.text
    );
}
