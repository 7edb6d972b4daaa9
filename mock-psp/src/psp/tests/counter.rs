//! The counter's pages.

use super::*;

#[tokio::test]
async fn the_counter_shows_how_a_payment_went() {
    let gateway = StandIn::start(good).await;
    let world = TestWorld::beside(&gateway.url).await;
    let form = world
        .get(&format!(
            "/psp?notice_number={NOTICE}&fiscal_code={CREDITOR}"
        ))
        .await;
    assert!(form.text.contains(&format!("value=\"{NOTICE}\"")));
    assert!(form.text.contains("L’avviso è pronto"));
    let typed = [
        ("notice_number", "3022 0260 0001 2345 18"),
        ("fiscal_code", CREDITOR),
    ];
    let page = world.post_form("/psp", &typed).await;
    assert_eq!(page.status, StatusCode::OK);
    for expected in [
        "Pagamento riuscito",
        "52,80 €",
        "3022 0260 0001 2345 18",
        "Comune di Esempio",
        "&#60;paf:paSendRTV2Request&#62;",
        "Risposta conforme",
        "href=\"/ledger\"",
    ] {
        assert!(
            page.text.contains(expected),
            "{expected} is not in {}",
            page.text
        );
    }
    assert_eq!(page.text.matches("<details>").count(), 6);
    let typed = [
        ("notice_number", NOTICE),
        ("fiscal_code", CREDITOR),
        ("get_version", "V1"),
        ("receipt_version", "V1"),
        ("transfer_type", "POSTAL"),
        ("payment_note", "cart 1"),
    ];
    let page = world.post_form("/psp", &typed).await;
    assert!(
        page.text.contains("&#60;paf:paSendRTReq&#62;"),
        "{}",
        page.text
    );
    assert!(page.text.contains("&#60;transferType&#62;POSTAL"));
    assert!(page.text.contains("&#60;paymentNote&#62;cart 1"));
    let typed = [
        ("notice_number", NOTICE),
        ("fiscal_code", CREDITOR),
        ("stand_in", "1"),
    ];
    let page = world.post_form("/psp", &typed).await;
    assert!(
        page.text.contains("non si può pagare in stand-in"),
        "{}",
        page.text
    );
    let long = "x".repeat(211);
    let typed = [
        ("notice_number", NOTICE),
        ("fiscal_code", CREDITOR),
        ("payment_note", &long),
    ];
    let page = world.post_form("/psp", &typed).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.text.contains("id=\"payment_note-error\""));
    let scanned = format!("PAGOPA|002|{NOTICE}|{CREDITOR}|5280");
    let page = world
        .post_form("/psp", &[("notice_number", &scanned), ("fiscal_code", "")])
        .await;
    assert!(page.text.contains("Pagamento riuscito"));
}

#[tokio::test]
async fn the_counter_explains_what_went_wrong() {
    let root = "paVerifyPaymentNoticeRes";
    let gateway = StandIn::start(move |_| soap(&format!("<p:{root}>{KO}</p:{root}>"))).await;
    let world = TestWorld::beside(&gateway.url).await;
    let page = world
        .post_form(
            "/psp",
            &[("notice_number", NOTICE), ("fiscal_code", CREDITOR)],
        )
        .await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.contains("Questo avviso è già stato pagato."));
    assert!(page.text.contains("PAA_PAGAMENTO_DUPLICATO"));
    let page = world
        .post_form("/psp", &[("notice_number", "12"), ("fiscal_code", "<b>")])
        .await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(!page.text.contains("L’avviso è pronto"));
    for expected in [
        "18 cifre.",
        "11 cifre.",
        "value=\"12\"",
        "&#60;b&#62;",
        "aria-invalid",
    ] {
        assert!(
            page.text.contains(expected),
            "{expected} is not in {}",
            page.text
        );
    }
}

#[tokio::test]
async fn the_counter_tells_a_payment_whose_receipt_is_still_owed() {
    let gateway = StandIn::start(|asked| match asked.header("soapaction") {
        "\"paSendRTV2\"" => StatusCode::BAD_GATEWAY.into_response(),
        _ => good(asked),
    })
    .await;
    let world = TestWorld::beside(&gateway.url).await;
    let typed = [("notice_number", NOTICE), ("fiscal_code", CREDITOR)];
    let page = world.post_form("/psp", &typed).await;
    for expected in [
        "<h1>Pagamento fatto, ricevuta non accolta</h1>",
        "riprova la consegna della ricevuta una volta all’ora",
        "href=\"/node\"",
    ] {
        assert!(page.text.contains(expected), "{expected}: {}", page.text);
    }
}
