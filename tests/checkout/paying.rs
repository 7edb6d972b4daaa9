//! What the payer does, and what comes of it: only the receipt pays.

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use super::{BACK, ON, act, ask, attempt, browser, come_back, in_cart, notice_of, open, page_of};
use crate::engines::engines_with;
use crate::world::World;

/// Moves the simulated world's clock.
async fn wait(world: &World, seconds: i64) {
    world
        .tell_world("/clock", &json!({"advance_s": seconds}))
        .await;
}

/// The portal's address with what we add, whatever happened.
fn portal(checkout: &Value) -> String {
    format!(
        "{BACK}&checkout={}&state=waiting",
        checkout["id"].as_str().unwrap()
    )
}

/// What the simulated node asked with the cart's name as its note.
async fn noted(world: &World, checkout: &Value) -> String {
    let receipts = world.ask_world("/node/receipts").await;
    let id = receipts["data"][0]["id"].as_i64().unwrap();
    let whole = world.ask_world(&format!("/node/receipts/{id}")).await;
    let message = whole["message"].as_str().unwrap();
    let note = format!(
        "<paymentNote>{}</paymentNote>",
        checkout["id"].as_str().unwrap()
    );
    assert!(message.contains(&note), "{message}");
    message.to_owned()
}

engines_with! { ON;
    async fn a_payment_comes_back_and_the_receipt_pays(world: &World) {
        let notice = world.top_up().await;
        let checkout = open(world, std::slice::from_ref(&notice)).await;
        assert_eq!(checkout["state"], "open");
        assert_eq!(checkout["expires_at"], "2026-11-20T11:10:00.000Z");
        assert_eq!(checkout["notices"][0]["notice_number"], notice["notice_number"]);
        let back = act(world, &checkout, "pay").await;
        assert!(back.ends_with("/ok"), "{back}");
        assert_eq!(come_back(world, &back).await, portal(&checkout));
        let now = attempt(world, &checkout).await;
        assert_eq!((&now["state"], &now["redirect_url"]), (&json!("paid"), &Value::Null));
        noted(world, &checkout).await;
        world.run_jobs().await;
        assert_eq!(world.balance_entries("50004").await, [5_000]);
        assert!(world.exceptions().await.is_empty());
    }

    async fn a_browser_that_is_closed_half_way_loses_nothing(world: &World) {
        let notice = world.top_up().await;
        let checkout = open(world, std::slice::from_ref(&notice)).await;
        assert_eq!(act(world, &checkout, "close").await, "", "the browser stays away");
        assert_eq!(attempt(world, &checkout).await["state"], "paid");
        assert_eq!(world.notice(&notice["id"]).await["state"], "paid");
        world.run_jobs().await;
        assert_eq!(world.balance_entries("50004").await, [5_000]);
        // Coming back late, and again, changes nothing.
        let refused = ask(world, &[notice]).await;
        assert_eq!((refused.status, &refused.json["code"]), (409, &json!("not_payable")));
        world.run_jobs().await;
        assert_eq!(world.balance_entries("50004").await, [5_000]);
    }

    async fn coming_back_without_a_payment_pays_nothing_and_another_try_is_free(world: &World) {
        let notice = world.top_up().await;
        for (what, way) in [("cancel", "/cancel"), ("expire", "/error")] {
            let checkout = open(world, std::slice::from_ref(&notice)).await;
            let back = act(world, &checkout, what).await;
            assert!(back.ends_with(way), "{what}: {back}");
            assert_eq!(come_back(world, &back).await, portal(&checkout));
            // The address of a success, typed by hand.
            let forged = back.replace(way, "/ok");
            assert_eq!(come_back(world, &forged).await, portal(&checkout));
            assert_eq!(attempt(world, &checkout).await["state"], "open");
            assert_eq!(world.notice(&notice["id"]).await["state"], "open");
        }
        // One that was merely left, too.
        open(world, std::slice::from_ref(&notice)).await;
        let last = open(world, std::slice::from_ref(&notice)).await;
        assert!(act(world, &last, "pay").await.ends_with("/ok"));
        assert_eq!(world.notice(&notice["id"]).await["state"], "paid");
        world.run_jobs().await;
        assert_eq!(world.balance_entries("50004").await, [5_000]);
    }

    async fn an_attempt_ends_after_ten_minutes(world: &World) {
        let notice = world.top_up().await;
        let checkout = open(world, std::slice::from_ref(&notice)).await;
        let page = page_of(world, &checkout).await;
        world.clock.advance_seconds(599);
        assert_eq!(attempt(world, &checkout).await["state"], "open");
        world.clock.advance_seconds(1);
        let over = attempt(world, &checkout).await;
        assert_eq!((&over["state"], &over["redirect_url"]), (&json!("expired"), &Value::Null));
        wait(world, 600).await;
        let shown = browser().get(&page).send().await.unwrap().text().await.unwrap();
        assert!(shown.contains("Sessione scaduta"), "{shown}");
        assert!(act(world, &checkout, "pay").await.ends_with("/error"));
        assert_eq!(world.notice(&notice["id"]).await["state"], "open");
        open(world, &[notice]).await;
    }

    async fn what_is_taken_in_charge_waits_and_the_node_lets_nobody_else_begin(world: &World) {
        let notice = world.top_up().await;
        let first = open(world, std::slice::from_ref(&notice)).await;
        let second = open(world, std::slice::from_ref(&notice)).await;
        let back = act(world, &first, "charge").await;
        assert!(back.ends_with("/waiting"), "{back}");
        assert_eq!(come_back(world, &back).await, portal(&first));
        assert_eq!(attempt(world, &first).await["state"], "open");
        // The node says it, to us and to the other page.
        let refused = ask(world, std::slice::from_ref(&notice)).await;
        assert_eq!(
            (refused.status, &refused.json["code"]),
            (409, &json!("payment_in_progress"))
        );
        assert!(act(world, &second, "pay").await.ends_with("/error"));
        assert_eq!(world.notice(&notice["id"]).await["state"], "open");
        // The bank decides later.
        assert_eq!(act(world, &first, "conclude").await, "");
        assert_eq!(attempt(world, &first).await["state"], "paid");
        noted(world, &first).await;
        world.run_jobs().await;
        assert_eq!(world.balance_entries("50004").await, [5_000]);
        assert!(world.exceptions().await.is_empty());
    }

    async fn a_second_payment_by_another_cart_becomes_a_case(world: &World) {
        let notice = world.top_up().await;
        let slow = open(world, std::slice::from_ref(&notice)).await;
        assert!(act(world, &slow, "charge").await.ends_with("/waiting"));
        // The token of the slow one ends, so another may pay; and then the slow one pays all the same.
        wait(world, 1_801).await;
        let quick = open(world, std::slice::from_ref(&notice)).await;
        assert!(act(world, &quick, "pay").await.ends_with("/ok"));
        assert!(world.exceptions().await.is_empty());
        assert_eq!(act(world, &slow, "conclude").await, "");
        assert_eq!(world.exceptions().await, ["second_payment"]);
        world.run_jobs().await;
        assert_eq!(world.balance_entries("50004").await, [5_000]);
    }

    async fn a_cart_of_five_pays_five(world: &World) {
        let mut notices = vec![];
        for cents in [1_000, 1_001, 1_002, 1_003, 1_004] {
            notices.push(notice_of(world, &format!("child-{cents}"), cents).await);
        }
        let checkout = open(world, &notices).await;
        assert!(act(world, &checkout, "pay").await.ends_with("/ok"));
        let now = attempt(world, &checkout).await;
        assert_eq!(now["state"], "paid");
        world.run_jobs().await;
        for (notice, cents) in notices.iter().zip([1_000, 1_001, 1_002, 1_003, 1_004]) {
            assert_eq!(world.notice(&notice["id"]).await["state"], "paid");
            assert_eq!(world.balance_entries(&format!("child-{cents}")).await, [cents]);
        }
    }

    async fn a_notice_of_a_cart_that_was_withdrawn_stops_all_of_it(world: &World) {
        let notices = [notice_of(world, "a", 1_000).await, notice_of(world, "b", 2_000).await];
        let checkout = open(world, &notices).await;
        let path = format!("/notices/{}/cancel", notices[1]["id"].as_str().unwrap());
        assert_eq!(world.rest("POST", &path, None).await.status, 200);
        assert!(act(world, &checkout, "pay").await.ends_with("/error"));
        assert_eq!(world.notice(&notices[0]["id"]).await["state"], "open");
        assert_eq!(attempt(world, &checkout).await["notices"][1]["state"], "cancelled");
    }

    async fn an_address_to_come_back_to_that_is_not_ours_leads_nowhere(world: &World) {
        let notice = world.top_up().await;
        let checkout = open(world, std::slice::from_ref(&notice)).await;
        let back = act(world, &checkout, "cancel").await;
        let path = back.strip_prefix("http://127.0.0.1:8080").unwrap();
        let token = path.split('/').nth(3).unwrap();
        for path in [
            format!("/checkout/return/{token}/paid"),
            format!("/checkout/return/{token}/OK"),
            format!("/checkout/return/{}/ok", checkout["id"].as_str().unwrap()),
            format!("/checkout/return/{}/ok", "0".repeat(32)),
            "/checkout/return//ok".to_owned(),
            format!("/checkout/return/{token}'%20OR%201=1/ok"),
        ] {
            let request = Request::get(&path).body(Body::empty()).unwrap();
            assert_eq!(world.web(request).await.status, 404, "{path}");
        }
        assert_eq!(come_back(world, &back).await, portal(&checkout));
    }

    async fn a_receipt_that_is_on_its_way_is_waited_for(world: &World) {
        let notice = world.top_up().await;
        let checkout = open(world, std::slice::from_ref(&notice)).await;
        // The receipt is lost on its way; the node will come again in an hour.
        world.chaos(json!({"receipts": [{"fault": "not_sent"}]})).await;
        assert!(act(world, &checkout, "pay").await.ends_with("/ok"));
        assert_eq!(attempt(world, &checkout).await["state"], "open");
        let refused = ask(world, std::slice::from_ref(&notice)).await;
        assert_eq!(
            (refused.status, &refused.json["code"]),
            (409, &json!("payment_in_progress"))
        );
        wait(world, 3_600).await;
        assert_eq!(attempt(world, &checkout).await["state"], "paid");
        world.run_jobs().await;
        assert_eq!(world.balance_entries("50004").await, [5_000]);
    }
}

engines_with! { "[checkout]\nenabled = true\nversion = 1\n";
    async fn with_the_first_version_what_is_taken_in_charge_looks_like_an_error(world: &World) {
        let notice = world.top_up().await;
        let checkout = open(world, std::slice::from_ref(&notice)).await;
        let back = act(world, &checkout, "charge").await;
        assert!(back.ends_with("/error"), "{back}");
        assert_eq!(come_back(world, &back).await, portal(&checkout));
        let refused = ask(world, std::slice::from_ref(&notice)).await;
        assert_eq!(refused.json["code"], "payment_in_progress");
        act(world, &checkout, "conclude").await;
        assert_eq!(attempt(world, &checkout).await["state"], "paid");
        world.run_jobs().await;
        assert_eq!(world.balance_entries("50004").await, [5_000]);
    }
}

engines_with! { ON;
    // The simulated Checkout is as strict as the real one: what we never send, it refuses.
    async fn the_simulated_cart_api_refuses_what_the_real_one_does(world: &World) {
        let notice = world.top_up().await;
        let address = format!("http://{}/checkout/ec", world.ledger.addr());
        let urls = json!({
            "returnOkUrl": "https://a.example/ok", "returnCancelUrl": "https://a.example/c",
            "returnErrorUrl": "https://a.example/e",
        });
        let item = in_cart(&notice);
        let post = async |version: &str, items: Vec<Value>, urls: &Value| {
            let body = json!({"paymentNotices": items, "returnUrls": urls, "idCart": "c"});
            let url = format!("{address}/{version}/carts");
            let answer = browser().post(url).json(&body).send().await.unwrap();
            let status = answer.status().as_u16();
            let problem: Value = answer.json().await.unwrap_or_default();
            (status, problem["detail"].as_str().unwrap_or_default().to_owned())
        };
        let one = vec![item.clone()];
        assert_eq!(post("v1", one.clone(), &urls).await.0, 302);
        assert_eq!(post("v2", one.clone(), &urls).await.0, 400, "no returnWaitingUrl");
        assert_eq!(post("v3", one, &urls).await.0, 404);
        assert_eq!(post("v1", vec![], &urls).await.0, 400);
        let (status, detail) = post("v1", vec![item.clone(); 6], &urls).await;
        assert_eq!((status, detail.contains("Too many")), (422, true), "{detail}");
        let (status, detail) = post("v1", vec![item.clone(); 2], &urls).await;
        assert_eq!((status, detail.contains("Duplicate")), (422, true), "{detail}");
        let mut unknown = item;
        unknown["noticeNumber"] = json!("302000000000999999");
        let (status, detail) = post("v1", vec![unknown], &urls).await;
        assert_eq!((status, detail.as_str()), (422, "Invalid payment notice data"));
    }
}
