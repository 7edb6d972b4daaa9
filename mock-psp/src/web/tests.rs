//! What holds for every door.

use axum::body::Body;
use axum::http::{Request, StatusCode};

use crate::testing::TestWorld;

#[tokio::test]
async fn the_home_page_leads_through_the_three_steps() {
    let world = TestWorld::beside("http://127.0.0.1:8080").await;
    let page = world.get("/").await;
    assert_eq!(page.status, StatusCode::OK);
    for expected in [
        "lang=\"it\"",
        "href=\"/portal\"",
        "href=\"/psp\"",
        "href=\"/ledger\"",
        "href=\"/node\"",
        "href=\"/aca\"",
        "href=\"/chaos/guide\"",
        "href=\"/psp/demand\"",
        "http://127.0.0.1:8080/api/docs",
    ] {
        assert!(page.text.contains(expected), "{expected}");
    }
}

#[tokio::test]
async fn a_step_that_nobody_took_is_not_shown_as_done() {
    let world = TestWorld::alone().await;
    for address in ["/", "/portal", "/psp", "/ledger"] {
        let page = world.get(address).await;
        assert!(!page.text.contains(", fatto"), "{address}");
    }
    let page = world
        .get("/psp?notice_number=302202600001234518&fiscal_code=77777777777")
        .await;
    assert_eq!(page.text.matches(", fatto").count(), 1);
}

#[tokio::test]
async fn pages_load_nothing_from_elsewhere_and_no_script() {
    let world = TestWorld::alone().await;
    for address in [
        "/",
        "/portal",
        "/psp",
        "/psp/demand",
        "/ledger",
        "/node",
        "/aca",
        "/chaos/guide",
    ] {
        let page = world.get(address).await;
        assert!(page.text.contains("<h1>") && page.text.contains("lang=\"it\""));
        assert!(!page.text.contains("<script"), "{address}");
        for part in page.text.split("src=\"").skip(1) {
            assert!(part.starts_with('/'), "{address}: {part}");
        }
        assert!(
            page.header("content-security-policy")
                .starts_with("default-src 'none'")
        );
        assert_eq!(page.header("x-content-type-options"), "nosniff");
        assert_eq!(page.header("cache-control"), "no-store");
    }
    let style = world.get("/assets/world.css").await;
    assert_eq!(style.header("content-type"), "text/css; charset=utf-8");
    assert!(!style.text.contains("http"));
    assert_eq!(
        world.get("/assets/world.svg").await.header("content-type"),
        "image/svg+xml"
    );
}

#[tokio::test]
async fn what_does_not_exist_is_a_page_for_people_and_a_problem_for_programs() {
    let world = TestWorld::alone().await;
    let ask = |method: &str, accept: &str| {
        let request = Request::builder().method(method).header("accept", accept);
        let address = if method == "GET" {
            "/nothing"
        } else {
            "/psp/pay"
        };
        world.send(request.uri(address).body(Body::empty()).unwrap())
    };
    let page = ask("GET", "text/html,*/*").await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    assert!(page.text.contains("Pagina non trovata"));
    let problem = ask("GET", "*/*").await;
    assert_eq!(problem.status, StatusCode::NOT_FOUND);
    assert_eq!(problem.json()["code"], "not_found");
    let page = ask("DELETE", "text/html").await;
    assert_eq!(page.status, StatusCode::METHOD_NOT_ALLOWED);
    assert!(page.text.contains("<h1>"));
    let problem = ask("DELETE", "application/json").await;
    assert_eq!(problem.json()["code"], "method_not_allowed");
    assert_eq!(problem.header("allow"), "POST");
}

#[tokio::test]
async fn the_world_says_that_it_is_well() {
    let world = TestWorld::alone().await;
    let heard = world.get("/health").await;
    assert_eq!(
        (heard.status, heard.json()["status"].as_str()),
        (StatusCode::OK, Some("ok"))
    );
}

#[tokio::test]
async fn a_form_that_cannot_be_read_is_a_page() {
    let world = TestWorld::alone().await;
    let large = "x".repeat((1 << 20) + 1);
    let form = world
        .post_form("/portal/top-ups", &[("child_name", &large)])
        .await;
    assert_eq!(form.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(form.text.contains("<h1>"));
    let json = Request::post("/psp").header("content-type", "application/json");
    let form = world.send(json.body(Body::from("{}")).unwrap()).await;
    assert_eq!(form.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}
