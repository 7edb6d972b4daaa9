//! Notices that are changed, or settled off the rails, through the REST API.

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use crate::engines::engines;
use crate::world::{Answer, CATERER, TOWN, World, get, receipt, top_up};

async fn act(world: &World, method: &str, notice: &Value, tail: &str, body: Value) -> Answer {
    let path = format!("/notices/{}{tail}", notice["id"].as_str().unwrap());
    world.rest(method, &path, Some(body)).await
}

fn first_error(answer: &Answer) -> (&str, &str) {
    let error = &answer.json["errors"][0];
    (
        error["field"].as_str().unwrap_or("none"),
        error["code"].as_str().unwrap_or("none"),
    )
}

engines! {
    async fn what_is_wrong_changes_nothing(world: &World) {
        let notice = world.top_up().await;
        let table = [
            (json!({"amount_cents": 0}), "amount_cents", "zero"),
            (json!({"amount_cents": 50_001}), "amount_cents", "above_maximum"),
            (json!({"amount_cents": "5000"}), "amount_cents", "wrong_type"),
            (json!({"due_on": "2026-11-19"}), "due_on", "in_the_past"),
            (json!({"due_on": "soon"}), "due_on", "invalid_day"),
            (json!({"description": "Ricarica di Giulia Rossi"}), "description", "personal_data"),
            (json!({"description": ""}), "description", "required"),
            (json!({"transfers": [{"creditor": TOWN, "amount_cents": 1}]}), "transfers", "wrong_sum"),
            (json!({"child": {"code": "1"}}), "child", "unknown_field"),
            (json!([]), "", "wrong_type"),
        ];
        for (change, field, code) in table {
            let answer = act(world, "PATCH", &notice, "", change.clone()).await;
            assert_eq!((answer.status, first_error(&answer)), (422, (field, code)), "{change}");
        }
        assert_eq!(act(world, "PATCH", &notice, "", json!({})).await.json, notice);
        assert_eq!(world.notice(&notice["id"]).await, notice);
    }

    async fn a_new_amount_of_a_shared_notice_needs_new_shares(world: &World) {
        let mut order = top_up();
        order["transfers"] = json!([{"creditor": TOWN, "amount_cents": 4000}, {"creditor": CATERER, "amount_cents": 1000}]);
        let notice = world.rest("POST", "/notices", Some(order)).await.json;
        let answer = act(world, "PATCH", &notice, "", json!({"amount_cents": 6000})).await;
        assert_eq!((answer.status, first_error(&answer)), (422, ("transfers", "required")));
        let shares = json!([{"creditor": TOWN, "amount_cents": 4000}, {"creditor": CATERER, "amount_cents": 2000}]);
        let answer = act(world, "PATCH", &notice, "", json!({"amount_cents": 6000, "transfers": shares})).await;
        assert_eq!((answer.status, &answer.json["transfers"][1]["amount_cents"]), (200, &json!(2000)));
        let number = notice["notice_number"].as_str().unwrap();
        let reply = world.soap(get(number, "")).await;
        assert_eq!(reply.text_of("data/paymentAmount").as_deref(), Some("60.00"));
    }

    async fn only_an_open_notice_can_be_changed_or_settled(world: &World) {
        let cash = json!({"means": "cash", "paid_at": "2026-11-20T09:30:00+01:00"});
        let (paid, cancelled, settled) = (world.top_up().await, world.top_up().await, world.top_up().await);
        let expired = world.top_up().await;
        world.soap(receipt(paid["notice_number"].as_str().unwrap(), "r-1", "50.00")).await;
        act(world, "POST", &cancelled, "/cancel", json!({})).await;
        let answer = act(world, "POST", &settled, "/paid-elsewhere", cash.clone()).await;
        assert_eq!(answer.json["paid_elsewhere"]["paid_at"], "2026-11-20T08:30:00.000Z");
        for (notice, code) in [(&paid, "already_paid"), (&cancelled, "cancelled"), (&settled, "already_paid")] {
            let answer = act(world, "PATCH", notice, "", json!({"amount_cents": 6000})).await;
            assert_eq!((answer.status, &answer.json["code"]), (409, &json!(code)));
        }
        for (notice, code) in [(&paid, "already_paid"), (&cancelled, "cancelled")] {
            let answer = act(world, "POST", notice, "/paid-elsewhere", cash.clone()).await;
            assert_eq!((answer.status, &answer.json["code"]), (409, &json!(code)));
        }
        // Settled, and now in another way: one of the two is a mistake.
        let other = json!({"means": "pos", "paid_at": "2026-11-20T08:30:00Z"});
        assert_eq!(act(world, "POST", &settled, "/paid-elsewhere", other).await.status, 409);
        assert_eq!(act(world, "POST", &settled, "/cancel", json!({})).await.status, 409);
        // It is paid: listed as such, and never expired.
        world.clock.advance_seconds(60 * 86_400);
        world.run_jobs().await;
        assert_eq!(world.notice(&settled["id"]).await["state"], "paid");
        let answer = act(world, "PATCH", &expired, "", json!({"due_on": "2027-02-01"})).await;
        assert_eq!((answer.status, &answer.json["code"]), (409, &json!("expired")));
        // Who paid in cash before the last day is believed after it.
        assert_eq!(act(world, "POST", &expired, "/paid-elsewhere", cash).await.status, 200);
    }

    async fn a_settlement_that_cannot_be_read_changes_nothing(world: &World) {
        let notice = world.top_up().await;
        let table = [
            (json!({}), "means", "required"),
            (json!({"means": "cheque", "paid_at": "2026-11-20T09:30:00Z"}), "means", "not_offered"),
            (json!({"means": "cash", "paid_at": "2026-11-20T09:30:00"}), "paid_at", "invalid_instant"),
            (json!({"means": "cash", "paid_at": "2026-11-20T11:00:01Z"}), "paid_at", "in_the_future"),
            (json!({"means": "cash", "paid_at": "2026-11-20"}), "paid_at", "invalid_instant"),
        ];
        for (body, field, code) in table {
            let answer = act(world, "POST", &notice, "/paid-elsewhere", body.clone()).await;
            assert_eq!((answer.status, first_error(&answer)), (422, (field, code)), "{body}");
        }
        assert_eq!(world.notice(&notice["id"]).await, notice);
    }

    async fn another_creditors_notice_is_not_there(world: &World) {
        let notice = world.top_up().await;
        let id = notice["id"].as_str().unwrap();
        let cash = json!({"means": "cash", "paid_at": "2026-11-20T09:30:00Z"});
        for (method, tail, body) in [("PATCH", "", json!({"amount_cents": 1000})), ("POST", "/paid-elsewhere", cash)] {
            let request = Request::builder()
                .method(method)
                .uri(format!("/api/v1/notices/{id}{tail}"))
                .header("authorization", format!("Bearer {}", world.caterer_key))
                .header("content-type", "application/json")
                .body(Body::from(body.to_string()))
                .unwrap();
            assert_eq!(world.web(request).await.status, 404);
        }
        assert_eq!(world.notice(&notice["id"]).await, notice);
    }

    async fn descriptions_tell_nothing_of_people(world: &World) {
        let table = [
            ("description", json!("Mensa di ROSSI GIULIA")),
            ("description", json!("Mensa RSSGLI16A41F205M")),
            ("metadata", json!({"genitore": "Mario Rossi"})),
        ];
        for (field, value) in table {
            let mut order = top_up();
            order[field] = value;
            let answer = world.rest("POST", "/notices", Some(order)).await;
            assert_eq!((answer.status, first_error(&answer).1), (422, "personal_data"), "{field}");
        }
        // A meal system whose codes are fiscal codes: they stay out of the text.
        let mut order = top_up();
        order["child"]["code"] = json!("RSSGLI16A41F205M");
        order.as_object_mut().unwrap().remove("description");
        let answer = world.rest("POST", "/notices", Some(order)).await;
        assert_eq!(answer.json["description"], "Mensa scolastica");
    }

    async fn metadata_have_limits(world: &World) {
        let table = [
            (json!({}), "metadata"),
            (json!((0..16).map(|i| (format!("k{i}"), json!("v"))).collect::<serde_json::Map<_, _>>()), "metadata"),
            (json!({"k": ""}), "metadata.k"),
            (json!({"k": "x".repeat(141)}), "metadata.k"),
            (json!({"k": 7}), "metadata.k"),
            (json!(["k"]), "metadata"),
        ];
        for (metadata, field) in table {
            let mut order = top_up();
            order["metadata"] = metadata.clone();
            let answer = world.rest("POST", "/notices", Some(order)).await;
            assert_eq!((answer.status, first_error(&answer).0), (422, field), "{metadata}");
        }
    }

    /// Two changes that are right alone and wrong together: one of them hears so, and the notice
    /// stays whole.
    async fn changes_at_once_never_break_a_notice(world: &World) {
        for _ in 0..8 {
            let notice = world.top_up().await;
            let shares = json!([{"creditor": TOWN, "amount_cents": 4800}, {"creditor": CATERER, "amount_cents": 200}]);
            let (amount, transfers) = tokio::join!(
                act(world, "PATCH", &notice, "", json!({"amount_cents": 6000})),
                act(world, "PATCH", &notice, "", json!({"transfers": shares})),
            );
            let mut heard = [amount.status, transfers.status];
            heard.sort_unstable();
            assert_eq!(heard, [200, 422], "{} {}", amount.json, transfers.json);
            let now = world.notice(&notice["id"]).await;
            let whole = now["amount_cents"].as_i64().unwrap();
            let parts: i64 = now["transfers"].as_array().map_or(whole, |parts| {
                parts.iter().map(|part| part["amount_cents"].as_i64().unwrap()).sum()
            });
            assert_eq!(parts, whole);
        }
    }

    async fn a_changed_share_tells_nothing_of_people(world: &World) {
        let notice = world.top_up().await;
        let shares = json!([{"creditor": TOWN, "amount_cents": 5000, "description": "Giulia Rossi"}]);
        let answer = act(world, "PATCH", &notice, "", json!({"transfers": shares})).await;
        assert_eq!((answer.status, first_error(&answer)), (422, ("transfers[0].description", "personal_data")));
    }
}
