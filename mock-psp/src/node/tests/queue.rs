//! What is tried again, for how long, and what is not.

use super::*;

const KO: &str = "<p:paSendRTV2Response><outcome>KO</outcome><fault><faultCode>PAA_SEMANTICA</faultCode>\
    <faultString>no</faultString><id>77777777777</id></fault></p:paSendRTV2Response>";

#[tokio::test]
async fn a_well_formed_answer_ends_the_matter_be_it_ok_or_ko() {
    let is_failing = Arc::new(AtomicUsize::new(0));
    let gateway = StandIn::start(failing(|| soap(KO), &is_failing)).await;
    let world = TestWorld::beside(&gateway.url).await;
    let well = pay(&world, json!({"receipt_id": "r1"})).await;
    assert_eq!(well["paid"], true);
    assert_eq!(well["deliveries"][0]["state"], "NOTIFIED");
    is_failing.store(1, Ordering::SeqCst);
    let refused = pay(&world, json!({"receipt_id": "r2"})).await;
    assert_eq!(
        (&refused["outcome"], &refused["paid"]),
        (&json!("KO"), &json!(true))
    );
    let owed = &refused["deliveries"][0];
    assert_eq!(
        (&owed["state"], &owed["outcome"], &owed["fault_code"]),
        (&json!("NOTIFIED"), &json!("KO"), &json!("PAA_SEMANTICA"))
    );
    assert_eq!(owed["next_try_at"], json!(null));
    assert_eq!(advance(&world, 60 * HOUR).await.json()["tried"], 0);
    assert_eq!(asked_for(&gateway, Operation::SendRtV2).len(), 2);
    let id = owed["id"].as_i64().unwrap();
    let again = world
        .post(&format!("/node/receipts/{id}/requeue"), &json!({}))
        .await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    assert_eq!(again.json()["code"], "notified");
}

#[tokio::test]
async fn any_other_answer_is_tried_again_after_an_hour() {
    let answers: [fn() -> Response; 6] = [
        || StatusCode::SERVICE_UNAVAILABLE.into_response(),
        || StatusCode::NOT_FOUND.into_response(),
        || soap("<s:Fault><faultcode>s:Server</faultcode><faultstring>x</faultstring></s:Fault>"),
        || soap("<p:paSendRTV2Response/>"),
        || soap("<p:paSendRTV2Response><outcome>WELL</outcome></p:paSendRTV2Response>"),
        || "no xml".into_response(),
    ];
    for answer in answers {
        let is_failing = Arc::new(AtomicUsize::new(1));
        let gateway = StandIn::start(failing(answer, &is_failing)).await;
        let world = TestWorld::beside(&gateway.url).await;
        let payment = pay(&world, json!({})).await;
        assert_eq!(payment["paid"], true);
        let owed = &payment["deliveries"][0];
        assert_eq!(
            (&owed["state"], &owed["attempts"]),
            (&json!("PENDING"), &json!(1))
        );
        assert!(owed["next_try_at"].is_string() && owed["last_error"].is_string());
        advance(&world, HOUR - 60).await;
        assert_eq!(queue(&world).await[0]["attempts"], 1, "not before its hour");
        advance(&world, 60).await;
        assert_eq!(queue(&world).await[0]["attempts"], 2);
        is_failing.store(0, Ordering::SeqCst);
        advance(&world, HOUR).await;
        let owed = &queue(&world).await[0];
        assert_eq!(
            (&owed["state"], &owed["attempts"]),
            (&json!("NOTIFIED"), &json!(3))
        );
        assert_eq!(owed["last_error"], json!(null));
        let sent = asked_for(&gateway, Operation::SendRtV2);
        assert!(
            sent.iter().all(|asked| asked.body == sent[0].body),
            "byte for byte"
        );
    }
}

#[tokio::test]
async fn a_gateway_that_does_not_answer_in_time_is_tried_again() {
    // The machine takes the connection, nobody ever answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let world = TestWorld::beside(&format!("http://{}", silent.local_addr().unwrap())).await;
    let shorter = world
        .post("/node/timeouts", &json!({"receipt_ms": 30, "query_ms": 30}))
        .await;
    assert_eq!(shorter.status, StatusCode::OK);
    let payment = pay(
        &world,
        json!({"skip": ["verify", "get"], "amount_cents": 700}),
    )
    .await;
    assert_eq!(payment["fault"]["code"], "PPT_STAZIONE_INT_PA_TIMEOUT");
    let owed = &payment["deliveries"][0];
    assert_eq!(owed["state"], "PENDING");
    assert_eq!(
        owed["last_error"],
        "PPT_STAZIONE_INT_PA_TIMEOUT: no reply in time"
    );
    let verify = pay(&world, json!({})).await;
    assert_eq!(verify["fault"]["code"], "PPT_STAZIONE_INT_PA_TIMEOUT");
    assert_eq!(
        (&verify["paid"], &verify["deliveries"]),
        (&json!(false), &json!([]))
    );
    let world = world.restarted().await;
    let kept = world.get("/node/timeouts").await.json();
    assert_eq!(kept, json!({"query_ms": 30, "receipt_ms": 30}));
}

#[tokio::test]
async fn after_forty_eight_retries_only_a_person_starts_it_again() {
    let is_failing = Arc::new(AtomicUsize::new(1));
    let answer = || StatusCode::INTERNAL_SERVER_ERROR.into_response();
    let gateway = StandIn::start(failing(answer, &is_failing)).await;
    let world = TestWorld::beside(&gateway.url).await;
    pay(&world, json!({})).await;
    advance(&world, 47 * HOUR + 60).await;
    assert_eq!(queue(&world).await[0]["state"], "PENDING");
    assert_eq!(advance(&world, 10 * HOUR).await.json()["tried"], 1);
    let owed = queue(&world).await[0].clone();
    assert_eq!(
        (&owed["state"], &owed["attempts"]),
        (&json!("SUSPENDED"), &json!(49))
    );
    assert_eq!(asked_for(&gateway, Operation::SendRtV2).len(), 49);
    is_failing.store(0, Ordering::SeqCst);
    assert_eq!(advance(&world, 100 * HOUR).await.json()["tried"], 0);
    let id = owed["id"].as_i64().unwrap();
    let address = format!("/node/receipts/{id}/requeue");
    is_failing.store(1, Ordering::SeqCst);
    let requeued = world.post(&address, &json!({})).await.json();
    assert_eq!(
        (&requeued["state"], &requeued["attempts"]),
        (&json!("PENDING"), &json!(50))
    );
    assert_eq!(
        advance(&world, 100 * HOUR).await.json()["tried"],
        48,
        "as at the beginning"
    );
    is_failing.store(0, Ordering::SeqCst);
    assert_eq!(
        world.post(&address, &json!({})).await.json()["state"],
        "NOTIFIED"
    );
}

#[tokio::test]
async fn the_queue_and_the_clock_outlive_the_world() {
    let is_failing = Arc::new(AtomicUsize::new(1));
    let answer = || StatusCode::BAD_GATEWAY.into_response();
    let gateway = StandIn::start(failing(answer, &is_failing)).await;
    let world = TestWorld::beside(&gateway.url).await;
    pay(&world, json!({"receipt_id": "r1"})).await;
    advance(&world, 2 * HOUR).await;
    let before = queue(&world).await;
    let world = world.restarted().await;
    assert_eq!(queue(&world).await, before);
    assert_eq!(world.get("/clock").await.json()["ahead_s"], 2 * HOUR);
    is_failing.store(0, Ordering::SeqCst);
    advance(&world, HOUR).await;
    assert_eq!(queue(&world).await[0]["state"], "NOTIFIED");
}

#[tokio::test]
async fn a_running_world_works_its_queue_off_by_itself() {
    let is_failing = Arc::new(AtomicUsize::new(1));
    let answer = || StatusCode::BAD_GATEWAY.into_response();
    let gateway = StandIn::start(failing(answer, &is_failing)).await;
    let world = TestWorld::beside(&gateway.url).await;
    pay(&world, json!({})).await;
    is_failing.store(0, Ordering::SeqCst);
    // An hour goes by while the world is dead.
    let ahead = json!(HOUR);
    world
        .town
        .database
        .keep_setting(crate::node::CLOCK, &ahead)
        .await
        .unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let running = crate::World::start(listener, world.town.config.clone())
        .await
        .unwrap();
    while queue(&world).await[0]["state"] != "NOTIFIED" {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    running.stop().await;
}

#[tokio::test]
async fn a_copy_goes_to_each_further_beneficiary_that_is_registered_for_it() {
    let gateway = StandIn::start(good).await;
    let world = TestWorld::beside(&gateway.url).await;
    let order = json!({"get_version": "V1", "receipt_id": "r1"});
    let payment = pay(&world, order).await;
    assert_eq!(payment["outcome"], "OK", "{payment}");
    assert_eq!(payment["exchanges"].as_array().unwrap().len(), 4);
    let deliveries = payment["deliveries"].as_array().unwrap();
    assert_eq!(deliveries.len(), 2);
    for (owed, recipient) in deliveries.iter().zip([CREDITOR, "77777777778"]) {
        assert_eq!(
            (&owed["recipient"], &owed["creditor"]),
            (&json!(recipient), &json!(CREDITOR))
        );
        assert_eq!(owed["state"], "NOTIFIED");
    }
    let sent = asked_for(&gateway, Operation::SendRtV2);
    let (copy, problems) = crate::verdict::check_request(Operation::SendRtV2, &sent[1].body);
    assert_eq!(problems, [""; 0]);
    assert_eq!(copy.text_of("idPA"), Some("77777777778"));
    let receipt = copy.child("receipt").unwrap();
    assert_eq!(receipt.text_of("fiscalCode"), Some(CREDITOR));
    assert_eq!(receipt.text_of("noticeNumber"), Some(NOTICE));
    let list = receipt.child("transferList").unwrap();
    assert_eq!(list.children.len(), 2, "the whole receipt");
}
