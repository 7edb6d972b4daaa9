//! Checkout through its doors: the cart API and its pages.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::psp::scenes::{CREDITOR, KO, NOTICE, good};
use crate::testing::{Asked, Heard, StandIn, TestWorld, soap};

const CARTS: &str = "/checkout/ec/v2/carts";

fn cart() -> Value {
    json!({
        "paymentNotices": [{
            "noticeNumber": NOTICE, "fiscalCode": CREDITOR, "amount": 5_280,
            "companyName": "Comune di Esempio", "description": "Ricarica <mensa> & merenda",
        }],
        "returnUrls": {
            "returnOkUrl": "https://a.example/ok", "returnCancelUrl": "https://a.example/cancel",
            "returnErrorUrl": "https://a.example/error",
            "returnWaitingUrl": "https://a.example/waiting",
        },
        "idCart": "cart 1",
    })
}

/// A cart's page.
async fn open(world: &TestWorld, address: &str) -> String {
    let made = world.post(address, &cart()).await;
    assert_eq!(made.status, StatusCode::FOUND, "{}", made.text);
    let location = made.header("location");
    let path = location.strip_prefix("http://127.0.0.1").unwrap();
    assert!(path.ends_with("/redirect?clientId=CHECKOUT_CART"), "{path}");
    let redirected = world.get(path).await;
    assert_eq!(redirected.status, StatusCode::SEE_OTHER);
    redirected.header("location").to_owned()
}

async fn act(world: &TestWorld, page: &str, act: &str) -> Heard {
    world.post_form(page, &[("act", act)]).await
}

#[tokio::test]
async fn the_page_shows_the_cart_and_loads_nothing_from_elsewhere() {
    let gateway = StandIn::start(good).await;
    let world = TestWorld::beside(&gateway.url).await;
    let page = open(&world, CARTS).await;
    let shown = world.get(&page).await;
    for expected in [
        "lang=\"it\"",
        "<h1>Paga con Checkout</h1>",
        "Comune di Esempio",
        "52,80",
        "3022 0260 0001 2345 18",
    ] {
        assert!(shown.text.contains(expected), "{expected}");
    }
    assert!(!shown.text.contains("<mensa>") && !shown.text.contains("<script"));
    let policy = shown.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    assert!(
        !policy.contains("form-action"),
        "the answer leads elsewhere"
    );
    let home = world.get("/").await;
    let policy = home.header("content-security-policy");
    assert!(policy.contains("form-action 'self'"));
    let unknown = world.get("/checkout/carts/nobody").await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn every_end_has_its_address_and_a_second_click_does_nothing() {
    let gateway = StandIn::start(good).await;
    let world = TestWorld::beside(&gateway.url).await;
    for (version, choice, way) in [
        ("v2", "cancel", "cancel"),
        ("v2", "expire", "error"),
        ("v1", "cancel", "cancel"),
        ("v2", "charge", "waiting"),
    ] {
        let page = open(&world, &format!("/checkout/ec/{version}/carts")).await;
        let back = act(&world, &page, choice).await;
        assert_eq!(back.status, StatusCode::SEE_OTHER, "{}", back.text);
        assert_eq!(back.header("location"), format!("https://a.example/{way}"));
        let asked = gateway.asked().len();
        let again = act(&world, &page, "pay").await;
        assert_ne!(again.header("location"), "https://a.example/ok");
        assert_eq!(gateway.asked().len(), asked, "{choice}");
        if choice == "charge" {
            let closed = world.post(CARTS, &cart()).await;
            assert_eq!(closed.status, StatusCode::UNPROCESSABLE_ENTITY);
            let ended = act(&world, &page, "fail").await;
            assert!(ended.text.contains("Pagamento non riuscito"));
        }
    }
    let page = open(&world, CARTS).await;
    let back = act(&world, &page, "pay").await;
    assert_eq!(back.header("location"), "https://a.example/ok");
    let last = gateway.asked().pop().unwrap();
    assert!(last.body.contains("<paymentNote>cart 1</paymentNote>"));
    // The node knows that it is paid, whatever the creditor says.
    let refused = world.post(CARTS, &cart()).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(refused.json()["detail"], "Invalid payment notice data");
}

#[tokio::test]
async fn a_cart_ends_by_the_worlds_clock() {
    let gateway = StandIn::start(good).await;
    let world = TestWorld::beside(&gateway.url).await;
    let page = open(&world, CARTS).await;
    world.post("/clock", &json!({"advance_s": 599})).await;
    assert!(world.get(&page).await.text.contains("Paga con Checkout"));
    world.post("/clock", &json!({"advance_s": 1})).await;
    assert!(world.get(&page).await.text.contains("Sessione scaduta"));
    let back = act(&world, &page, "pay").await;
    assert_eq!(back.header("location"), "https://a.example/error");
    let receipts = world.get("/node/receipts").await.json();
    assert_eq!(receipts["data"], json!([]));
}

#[tokio::test]
async fn what_the_creditor_says_decides_and_what_it_does_not_say_is_no_answer() {
    let refuses = |_: &Asked| {
        soap(&format!(
            "<p:paVerifyPaymentNoticeRes>{KO}</p:paVerifyPaymentNoticeRes>"
        ))
    };
    let gateway = StandIn::start(refuses).await;
    let world = TestWorld::beside(&gateway.url).await;
    assert_eq!(world.post(CARTS, &cart()).await.status.as_u16(), 422);
    let alone = TestWorld::alone().await;
    assert_eq!(alone.post(CARTS, &cart()).await.status.as_u16(), 502);
    let mut foreign = cart();
    foreign["paymentNotices"][0]["fiscalCode"] = json!("11111111111");
    assert_eq!(alone.post(CARTS, &foreign).await.status.as_u16(), 422);
}

#[tokio::test]
async fn it_has_a_rate_and_faults_of_its_own() {
    let gateway = StandIn::start(good).await;
    let world = TestWorld::beside(&gateway.url).await;
    let plan = json!({"checkout": [{"status": 500}, {"status": 502, "when": "after_booking"}]});
    assert_eq!(world.post("/chaos", &plan).await.status, StatusCode::OK);
    for expected in [500, 502, 302] {
        assert_eq!(world.post(CARTS, &cart()).await.status.as_u16(), expected);
    }
    let rates = json!({"checkout": {"calls": 1, "per_s": 600}});
    assert_eq!(world.post("/rates", &rates).await.status, StatusCode::OK);
    assert_eq!(world.post(CARTS, &cart()).await.status.as_u16(), 302);
    let refused = world.post(CARTS, &cart()).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(!refused.header("retry-after").is_empty());
}
