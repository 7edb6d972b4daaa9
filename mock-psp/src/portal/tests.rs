//! The portal against a stand-in for the gateway.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::form::{FormErrors, TopUp};
use super::gateway::Refusal;
use crate::testing::{Asked, StandIn, TestWorld};

const FORM: [(&str, &str); 8] = [
    ("creditor", "77777777778"),
    ("child_code", " 50004 "),
    ("child_name", "Giulia Rossi"),
    ("child_fiscal_code", "RSSGLI16A41F205M"),
    ("payer_name", "Mario Rossi"),
    ("payer_fiscal_code", "RSSMRA80A01H501U"),
    ("payer_email", "mario@example.org"),
    ("amount_cents", "5000"),
];

/// The gateway's answer about one notice.
fn notice(state: &str) -> Value {
    json!({"id": "n-1", "notice_number": "302202600001234518", "iuv": "02202600001234518",
           "state": state, "kind": "top_up", "amount_cents": 5_000, "due_on": "2026-12-31",
           "created_at": "2026-11-20T10:15:30Z", "description": "Ricarica mensa 50004",
           "child": {"code": "50004", "name": "Giulia Rossi"},
           "links": {"self": "/api/v1/notices/n-1"}})
}

fn problem(status: u16, body: Value) -> Response {
    let media = [(header::CONTENT_TYPE, "application/problem+json")];
    (
        StatusCode::from_u16(status).unwrap(),
        media,
        body.to_string(),
    )
        .into_response()
}

fn good(asked: &Asked) -> Response {
    match asked.path.as_str() {
        "/api/v1/notices" => (StatusCode::CREATED, Json(notice("open"))).into_response(),
        "/api/v1/notices/n-1" => Json(notice("open")).into_response(),
        _ => problem(404, json!({})),
    }
}

#[tokio::test]
async fn the_form_comes_filled_in_for_the_demo_family() {
    let world = TestWorld::alone().await;
    let page = world.get("/portal").await;
    assert_eq!(page.status, StatusCode::OK);
    for expected in [
        "Comune di Esempio",
        "Mense &#38; Sapori",
        "value=\"50004\"",
        "Giulia Rossi",
        "RSSGLI16A41F205M",
        "Mario Rossi",
        "RSSMRA80A01H501U",
        "mario@example.org",
        "value=\"5000\" checked",
        "100 €",
        "aria-current=\"step\"",
    ] {
        assert!(
            page.text.contains(expected),
            "{expected} is not in {}",
            page.text
        );
    }
    assert!(!page.text.contains("aria-invalid"));
}

#[tokio::test]
async fn a_top_up_becomes_a_notice_that_can_be_paid() {
    let gateway = StandIn::start(good).await;
    let world = TestWorld::beside(&gateway.url).await;
    let made = world.post_form("/portal/top-ups", &FORM).await;
    assert_eq!(made.status, StatusCode::SEE_OTHER);
    assert_eq!(made.header("location"), "/portal/notices/77777777778/n-1");
    let asked = gateway.asked().pop().unwrap();
    assert_eq!(asked.header("authorization"), "Bearer key-of-77777777778");
    assert_eq!(asked.header("accept-language"), "it");
    assert!(!asked.header("idempotency-key").is_empty());
    let mut body = asked.json();
    let external_id = body["external_id"].take();
    assert_eq!(external_id.as_str().unwrap().len(), 36);
    let due_on = world.town.clock.today() + jiff::Span::new().days(30);
    assert_eq!(
        body,
        json!({"kind": "top_up", "service": "refezione", "external_id": null,
               "child": {"code": "50004", "name": "Giulia Rossi", "fiscal_code": "RSSGLI16A41F205M"},
               "payer": {"name": "Mario Rossi", "fiscal_code": "RSSMRA80A01H501U",
                         "email": "mario@example.org"},
               "amount_cents": 5_000, "description": "Ricarica mensa 50004",
               "due_on": due_on.to_string()})
    );
    let page = world.get(made.header("location")).await;
    for expected in [
        "3022 0260 0001 2345 18",
        "50,00 €",
        "Da pagare",
        "31/12/2026",
        "/psp?notice_number=302202600001234518&#38;fiscal_code=77777777778",
    ] {
        assert!(
            page.text.contains(expected),
            "{expected} is not in {}",
            page.text
        );
    }
    assert!(
        world
            .get("/portal")
            .await
            .text
            .contains("3022 0260 0001 2345 18")
    );
    let child = world
        .town
        .database
        .child_of_notice("302202600001234518", "77777777778")
        .await;
    assert_eq!(child.unwrap().as_deref(), Some("50004"));
}

#[tokio::test]
async fn the_same_form_sent_twice_asks_for_the_same_notice() {
    let gateway = StandIn::start(good).await;
    let world = TestWorld::beside(&gateway.url).await;
    let mut form = FORM.to_vec();
    form.push(("external_id", "01234567-89ab-7cde-8f01-23456789abcd"));
    for _ in 0..2 {
        assert_eq!(
            world.post_form("/portal/top-ups", &form).await.status,
            StatusCode::SEE_OTHER
        );
    }
    let asked = gateway.asked();
    assert_eq!(
        asked[0].json()["external_id"],
        "01234567-89ab-7cde-8f01-23456789abcd"
    );
    assert_eq!(asked[0].json(), asked[1].json());
    assert_ne!(
        asked[0].header("idempotency-key"),
        asked[1].header("idempotency-key")
    );
}

#[tokio::test]
async fn what_the_gateway_refuses_is_shown_beside_the_fields() {
    let gateway = StandIn::start(|_| {
        problem(
            422,
            json!({"code": "validation", "detail": "dati mancanti", "errors": [
                {"field": "payer.email", "code": "required", "message": "Manca l'e-mail"},
                {"field": "/child/fiscal_code", "code": "invalid", "message": "Codice sbagliato"},
                {"field": "service", "code": "unknown", "message": "Servizio ignoto"}]}),
        )
    })
    .await;
    let world = TestWorld::beside(&gateway.url).await;
    let mut form = FORM.to_vec();
    form[6].1 = "";
    form[2].1 = "Giulia <Rossi>";
    let page = world.post_form("/portal/top-ups", &form).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    for expected in [
        "Controlla i dati",
        "href=\"#payer_email\"",
        "id=\"payer_email-error\">Manca",
        "id=\"child_fiscal_code-error\">Codice sbagliato.",
        ">E-mail di chi paga: Manca",
        ">Codice fiscale della bambina o del bambino: Codice sbagliato.<",
        "service: Servizio ignoto",
        "value=\"Giulia &#60;Rossi&#62;\"",
        "value=\"77777777778\" selected",
        "value=\"5000\" checked",
        "Errore: ",
    ] {
        assert!(
            page.text.contains(expected),
            "{expected} is not in {}",
            page.text
        );
    }
    assert_eq!(
        gateway.asked()[0].json()["payer"].get("email"),
        None,
        "empty is left out"
    );
}

#[tokio::test]
async fn what_the_portal_itself_cannot_send_is_not_sent() {
    let gateway = StandIn::start(good).await;
    let world = TestWorld::beside(&gateway.url).await;
    for (index, value, message) in [
        (0, "00000000000", "Scegli l’ente"),
        (7, "1", "Scegli uno degli importi"),
        (7, "x", "Scegli uno"),
    ] {
        let mut form = FORM.to_vec();
        form[index].1 = value;
        let page = world.post_form("/portal/top-ups", &form).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(page.text.contains(message), "{message}");
    }
    assert!(gateway.asked().is_empty());
}

#[tokio::test]
async fn when_the_gateway_fails_the_portal_says_so_and_keeps_what_was_entered() {
    let answers: [fn(&Asked) -> Response; 4] = [
        |_| problem(401, json!({"code": "unauthorized"})),
        |_| problem(500, json!({"detail": "guasto interno"})),
        |_| (StatusCode::BAD_GATEWAY, "<h1>proxy</h1>").into_response(),
        |_| "not json".into_response(),
    ];
    for answer in answers {
        let gateway = StandIn::start(answer).await;
        let world = TestWorld::beside(&gateway.url).await;
        let page = world.post_form("/portal/top-ups", &FORM).await;
        assert_eq!(page.status, StatusCode::BAD_GATEWAY);
        assert!(page.text.contains("role=\"alert\"") && page.text.contains("mario@example.org"));
        let page = world.get("/portal/notices/77777777777/n-1").await;
        assert_eq!(page.status, StatusCode::BAD_GATEWAY);
    }
    let world = TestWorld::alone().await;
    let page = world.post_form("/portal/top-ups", &FORM).await;
    assert_eq!(page.status, StatusCode::BAD_GATEWAY);
    assert!(page.text.contains("non risponde"));
}

#[tokio::test]
async fn a_paid_notice_leads_to_the_balance() {
    let gateway = StandIn::start(|_| Json(notice("paid")).into_response()).await;
    let world = TestWorld::beside(&gateway.url).await;
    let page = world.get("/portal/notices/77777777777/n-1").await;
    assert!(page.text.contains("Pagato") && page.text.contains("/ledger?child=50004"));
    assert!(!page.text.contains("/psp?notice_number"));
}

#[tokio::test]
async fn unknown_notices_are_not_found() {
    let gateway = StandIn::start(good).await;
    let world = TestWorld::beside(&gateway.url).await;
    for address in [
        "/portal/notices/77777777777/n-2",
        "/portal/notices/00000000000/n-1",
        "/portal/notices/77777777777/..%2Fkeys",
    ] {
        assert_eq!(
            world.get(address).await.status,
            StatusCode::NOT_FOUND,
            "{address}"
        );
    }
    let paths: Vec<_> = gateway
        .asked()
        .into_iter()
        .map(|asked| asked.path)
        .collect();
    assert_eq!(paths, ["/api/v1/notices/n-2"]);
}

#[test]
fn a_taken_external_id_is_replaced_and_any_other_is_kept() {
    let form = TopUp::of_the_demo_family("77777777777");
    let id = form.external_id.clone();
    assert_eq!(form.clone().after_refusal(false).external_id, id);
    assert_ne!(form.after_refusal(true).external_id, id);
    let forged = TopUp {
        external_id: "x".to_owned(),
        ..TopUp::default()
    };
    assert_ne!(forged.tidied().external_id, "x");
}

#[test]
fn the_gateways_messages_become_sentences_that_name_their_field() {
    let refusal = json!({"errors": [
        {"field": "child.name", "message": "il campo è obbligatorio"},
        {"field": "payer.name", "message": "è troppo lungo."},
        {"field": "payer.email", "message": ""}]});
    let errors = FormErrors::of(&serde_json::from_value(refusal).unwrap());
    assert_eq!(
        errors.beside("child_name"),
        Some("Il campo è obbligatorio.")
    );
    let lines: Vec<_> = errors.summary();
    assert_eq!(
        lines,
        [
            (
                "child_name",
                "Nome e cognome della bambina o del bambino: Il campo è obbligatorio.".to_owned()
            ),
            (
                "payer_name",
                "Nome e cognome di chi paga: È troppo lungo.".to_owned()
            ),
            ("payer_email", "E-mail di chi paga: .".to_owned()),
        ]
    );
}

#[test]
fn a_refusal_without_fields_still_says_something() {
    let refusal = |value: Value| serde_json::from_value::<Refusal>(value).unwrap();
    for (problem, message) in [
        (json!({"detail": "a", "title": "b"}), "a"),
        (json!({"title": "b"}), "b"),
        (json!({"code": "c"}), "c"),
        (json!({}), "Il servizio ha rifiutato la richiesta."),
    ] {
        assert_eq!(FormErrors::of(&refusal(problem)).other, [message]);
    }
}
