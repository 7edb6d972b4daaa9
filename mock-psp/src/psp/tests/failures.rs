//! How payments fail.

use super::*;

#[tokio::test]
async fn a_refusal_ends_the_payment_with_the_creditors_fault() {
    let answers = [
        ("paVerifyPaymentNotice", "paVerifyPaymentNoticeRes", 1),
        ("paGetPaymentV2", "paGetPaymentV2Response", 2),
        ("paSendRTV2", "paSendRTV2Response", 3),
    ];
    for (operation, root, count) in answers {
        let gateway = StandIn::start(move |asked| match asked.header("soapaction") {
            action if action.trim_matches('"') == operation => {
                soap(&format!("<p:{root}>{KO}</p:{root}>"))
            }
            _ => good(asked),
        })
        .await;
        let world = TestWorld::beside(&gateway.url).await;
        let payment = pay(&world, json!({"times": 2})).await;
        assert_eq!(payment["outcome"], "KO");
        let fault = json!({"code": "PAA_PAGAMENTO_DUPLICATO", "string": "Pagamento concluso",
                           "description": "pagato ieri"});
        assert_eq!(payment["fault"], fault);
        let exchanges = payment["exchanges"].as_array().unwrap();
        assert_eq!(exchanges.len(), count);
        let last = exchanges.last().unwrap();
        assert_eq!(
            (&last["outcome"], &last["fault_code"]),
            (&json!("KO"), &fault["code"])
        );
        assert_eq!(last["verdict"]["legal"], true);
    }
}

#[tokio::test]
async fn a_reply_the_node_would_refuse_ends_the_payment() {
    type Case = (fn() -> Response, &'static str);
    let cases: [Case; 4] = [
        (
            || {
                soap(
                    "<p:paVerifyPaymentNoticeRes><outcome>OK</outcome></p:paVerifyPaymentNoticeRes>",
                )
            },
            "without paymentList",
        ),
        (
            || (StatusCode::SERVICE_UNAVAILABLE, "later").into_response(),
            "HTTP status is 503",
        ),
        (
            || ([(header::LOCATION, "/elsewhere")], StatusCode::FOUND).into_response(),
            "HTTP status is 302",
        ),
        (
            || {
                soap(
                    "<s:Fault><faultcode>s:Server</faultcode><faultstring>boom</faultstring></s:Fault>",
                )
            },
            "SOAP Fault",
        ),
    ];
    for (answer, problem) in cases {
        let gateway = StandIn::start(move |_| answer()).await;
        let world = TestWorld::beside(&gateway.url).await;
        let payment = pay(&world, json!({})).await;
        assert_eq!(payment["outcome"], "KO");
        assert_eq!(
            payment["fault"]["code"],
            "PPT_STAZIONE_INT_PA_ERRORE_RESPONSE"
        );
        assert!(
            payment["fault"]["description"]
                .as_str()
                .unwrap()
                .contains(problem)
        );
        let verdict = &payment["exchanges"][0]["verdict"];
        assert_eq!(verdict["legal"], false);
        assert!(
            verdict["problems"].to_string().contains(problem),
            "{verdict}"
        );
        assert_eq!(gateway.asked().len(), 1, "redirects are not followed");
    }
}

#[tokio::test]
async fn without_a_reply_the_payment_ends_and_says_so() {
    let world = TestWorld::alone().await;
    let payment = pay(&world, json!({})).await;
    assert_eq!(payment["outcome"], "KO");
    assert_eq!(
        payment["fault"]["code"],
        "PPT_STAZIONE_INT_PA_IRRAGGIUNGIBILE"
    );
    let exchange = &payment["exchanges"][0];
    assert_eq!(
        (&exchange["http_status"], &exchange["response"]),
        (&json!(null), &json!(null))
    );
    assert_eq!(exchange["verdict"]["legal"], false);
    let gateway = StandIn::start(|_| "x".repeat((1 << 20) + 1).into_response()).await;
    let world = TestWorld::beside(&gateway.url).await;
    let payment = pay(&world, json!({})).await;
    assert_eq!(
        payment["exchanges"][0]["verdict"]["problems"][0],
        "the reply is larger than 1 MiB"
    );
}

#[tokio::test]
async fn an_unknown_creditor_is_refused_by_the_node_itself() {
    let world = TestWorld::alone().await;
    let payment = pay(&world, json!({"fiscal_code": "00000000000"})).await;
    assert_eq!(payment["fault"]["code"], "PPT_DOMINIO_SCONOSCIUTO");
    assert_eq!(payment["exchanges"], json!([]));
}

#[tokio::test]
async fn orders_that_cannot_be_read_are_problems() {
    let world = TestWorld::alone().await;
    for (body, status) in [
        (json!({}), 422),
        (
            json!({"notice_number": NOTICE, "fiscal_code": CREDITOR, "amount_cents": 1.5}),
            422,
        ),
        (
            json!({"notice_number": NOTICE, "fiscal_code": CREDITOR, "skip": ["send"]}),
            422,
        ),
        (
            json!({"notice_number": NOTICE, "fiscal_code": CREDITOR, "colour": "red"}),
            422,
        ),
        (
            json!({"notice_number": NOTICE, "fiscal_code": CREDITOR, "skip": ["get", "verify"]}),
            422,
        ),
    ] {
        let refused = world.post("/psp/pay", &body).await;
        assert_eq!(refused.status.as_u16(), status, "{body}");
        assert_eq!(refused.header("content-type"), "application/problem+json");
    }
    let broken = axum::http::Request::post("/psp/pay")
        .body("{".into())
        .unwrap();
    assert_eq!(world.send(broken).await.status, StatusCode::BAD_REQUEST);
}
