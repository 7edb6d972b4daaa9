//! Deliveries that meet what the plan of faults holds for them.

use super::*;

async fn plan(world: &TestWorld, receipts: Value) {
    let plan = json!({"receipts": receipts});
    let set = world.post("/chaos", &plan).await;
    assert_eq!(set.status, StatusCode::OK, "{}", set.text);
}

fn ids(asked: &[Asked]) -> Vec<String> {
    let id = |asked: &Asked| {
        let (_, rest) = asked.body.split_once("<receiptId>").unwrap();
        rest.split_once('<').unwrap().0.to_owned()
    };
    asked.iter().map(id).collect()
}

#[tokio::test]
async fn what_is_lost_on_its_way_out_or_back_is_pending() {
    let gateway = StandIn::start(good).await;
    let world = TestWorld::beside(&gateway.url).await;
    plan(
        &world,
        json!([{"fault": "not_sent"}, {"fault": "reply_lost"}, {"fault": "reply_late"}]),
    )
    .await;
    for (chaos, arrived, code) in [
        ("not_sent", 0, "PPT_STAZIONE_INT_PA_IRRAGGIUNGIBILE"),
        ("reply_lost", 1, "PPT_STAZIONE_INT_PA_IRRAGGIUNGIBILE"),
        ("reply_late", 2, "PPT_STAZIONE_INT_PA_TIMEOUT"),
    ] {
        let payment = pay(&world, json!({})).await;
        assert_eq!(payment["exchanges"][2]["chaos"], chaos);
        assert_eq!(payment["fault"]["code"], code);
        assert_eq!(payment["deliveries"][0]["state"], "PENDING");
        assert_eq!(asked_for(&gateway, Operation::SendRtV2).len(), arrived);
    }
    assert_eq!(advance(&world, HOUR).await.json()["tried"], 3);
    assert!(
        queue(&world)
            .await
            .iter()
            .all(|owed| owed["state"] == "NOTIFIED")
    );
    assert_eq!(world.get("/chaos").await.json()["receipts"], json!([]));
}

#[tokio::test]
async fn duplicates_come_one_after_the_other_or_at_once() {
    let gateway = StandIn::start(good).await;
    let world = TestWorld::beside(&gateway.url).await;
    plan(
        &world,
        json!([{"fault": "duplicate", "count": 2}, {"fault": "parallel", "count": 4}]),
    )
    .await;
    for (chaos, copies) in [("duplicate", 2), ("parallel", 4)] {
        let payment = pay(&world, json!({"receipt_id": chaos})).await;
        assert_eq!(payment["outcome"], "OK");
        let exchanges = payment["exchanges"].as_array().unwrap();
        let struck = exchanges.iter().filter(|told| told["chaos"] == chaos);
        assert_eq!(struck.count(), copies);
        assert_eq!(exchanges.len(), 3 + copies);
        let sent = ids(&asked_for(&gateway, Operation::SendRtV2));
        assert_eq!(sent.iter().filter(|id| *id == chaos).count(), copies + 1);
    }
    // The same without a plan, as an order.
    let payment = pay(&world, json!({"times": 5, "parallel": true})).await;
    assert_eq!(payment["exchanges"].as_array().unwrap().len(), 7);
    assert_eq!(payment["deliveries"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_receipt_that_is_held_back_arrives_after_later_ones() {
    let gateway = StandIn::start(good).await;
    let world = TestWorld::beside(&gateway.url).await;
    plan(
        &world,
        json!([{"fault": "held", "count": 2}, {"fault": "held"}]),
    )
    .await;
    let first = pay(&world, json!({"receipt_id": "a"})).await;
    assert_eq!(
        (&first["outcome"], &first["paid"]),
        (&json!("OK"), &json!(true))
    );
    let owed = &first["deliveries"][0];
    assert_eq!(
        (&owed["state"], &owed["held_for"], &owed["attempts"]),
        (&json!("PENDING"), &json!(2), &json!(0))
    );
    let world = world.restarted().await;
    for id in ["b", "c", "d"] {
        pay(&world, json!({"receipt_id": id})).await;
    }
    assert_eq!(
        ids(&asked_for(&gateway, Operation::SendRtV2)),
        ["c", "b", "d", "a"]
    );
    assert!(
        queue(&world)
            .await
            .iter()
            .all(|owed| owed["state"] == "NOTIFIED")
    );
    plan(&world, json!([{"fault": "held", "count": 9}])).await;
    pay(&world, json!({"receipt_id": "e"})).await;
    advance(&world, HOUR).await;
    let owed = &queue(&world).await[0];
    assert_eq!(
        (&owed["state"], &owed["attempts"]),
        (&json!("NOTIFIED"), &json!(1))
    );
}

#[tokio::test]
async fn the_same_seed_strikes_the_same_receipts_also_over_a_restart() {
    let gateway = StandIn::start(good).await;
    let mut seen = Vec::new();
    for seed in [7, 7, 8] {
        let mut world = TestWorld::beside(&gateway.url).await;
        let plan = json!({"seed": seed, "shuffle": true, "receipts": [
            {"fault": "none", "times": 6}, {"fault": "not_sent", "times": 3},
            {"fault": "reply_lost", "times": 3}
        ]});
        world.post("/chaos", &plan).await;
        let mut struck = Vec::new();
        for payment in 0..12 {
            if payment == 6 {
                world = world.restarted().await;
            }
            let told = pay(&world, json!({})).await;
            struck.push(told["exchanges"][2]["chaos"].clone());
        }
        seen.push(struck);
    }
    assert_eq!(seen[0], seen[1]);
    assert_ne!(seen[0], seen[2]);
    let count = |what: Value| seen[0].iter().filter(|told| **told == what).count();
    assert_eq!((count(json!(null)), count(json!("not_sent"))), (6, 3));
}

#[tokio::test]
async fn a_plan_for_receipts_that_makes_no_sense_is_refused() {
    let world = TestWorld::alone().await;
    for (wrong, field) in [
        (json!({"fault": "held", "count": 0}), "receipts[0].count"),
        (
            json!({"fault": "parallel", "count": 50}),
            "receipts[0].count",
        ),
        (json!({"fault": "none", "times": 0}), "receipts[0].times"),
    ] {
        let refused = world.post("/chaos", &json!({"receipts": [wrong]})).await;
        assert_eq!(refused.status.as_u16(), 422);
        assert_eq!(refused.json()["errors"][0]["field"], field);
    }
    let unknown = json!({"receipts": [{"fault": "burnt"}]});
    assert_eq!(world.post("/chaos", &unknown).await.status.as_u16(), 422);
}
