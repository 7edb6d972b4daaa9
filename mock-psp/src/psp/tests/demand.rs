//! Payments that begin at the counter.

use super::*;
use crate::testing::Asked;

const DEMAND_OK: &str = "<p:paDemandPaymentNoticeResponse><outcome>OK</outcome>\
    <qrCode><fiscalCode>77777777777</fiscalCode><noticeNumber>302202600001234518</noticeNumber></qrCode>\
    <paymentList><paymentOptionDescription><amount>52.80</amount><options>EQ</options>\
    <allCCP>false</allCCP></paymentOptionDescription></paymentList>\
    <paymentDescription>Ricarica mensa</paymentDescription><fiscalCodePA>77777777777</fiscalCodePA>\
    <companyName>Comune di Esempio</companyName></p:paDemandPaymentNoticeResponse>";

fn offers(asked: &Asked) -> Response {
    match asked.header("soapaction") {
        "\"paDemandPaymentNotice\"" => soap(DEMAND_OK),
        _ => good(asked),
    }
}

#[tokio::test]
async fn a_demand_gets_a_notice_and_can_be_paid_at_once() {
    let gateway = StandIn::start(offers).await;
    let world = TestWorld::beside(&gateway.url).await;
    let demand =
        json!({"fiscal_code": CREDITOR, "fields": {"child": "50004 & <b>", "amount": "5280"}});
    let told = world.post("/psp/demand", &demand).await.json();
    assert_eq!(told["outcome"], "OK", "{told}");
    assert_eq!(
        (
            &told["notice_number"],
            &told["fiscal_code"],
            &told["amount_cents"]
        ),
        (&json!(NOTICE), &json!(CREDITOR), &json!(5_280))
    );
    assert_eq!(told["payment"], json!(null));
    let (root, problems) = check_request(Operation::DemandPaymentNotice, &gateway.asked()[0].body);
    assert_eq!(problems, [""; 0]);
    assert_eq!(
        texts(&root, &["idServizio", "idSoggettoServizio"]),
        ["00009", "00035"]
    );
    let data = root.text_of("datiSpecificiServizioRequest").unwrap();
    let data = openssl::base64::decode_block(data).unwrap();
    let data = crate::verdict::xml::parse(&data).unwrap();
    assert!(data.is(
        "http://PuntoAccessoPSP.spcoop.gov.it/GeneralService",
        "service"
    ));
    assert_eq!(texts(&data, &["amount", "child"]), ["5280", "50004 & <b>"]);
    let demand = json!({"fiscal_code": CREDITOR, "data": "<x/>", "id_servizio": "00001",
                        "id_soggetto_servizio": "00002", "pay": {"receipt_id": "r1"}});
    let told = world.post("/psp/demand", &demand).await.json();
    assert_eq!(told["payment"]["outcome"], "OK", "{told}");
    assert_eq!(told["payment"]["receipt_id"], "r1");
    assert_eq!(gateway.asked().len(), 5);
}

#[tokio::test]
async fn a_demand_the_creditor_refuses_makes_no_notice() {
    let refuses = |_: &Asked| {
        let root = "paDemandPaymentNoticeResponse";
        soap(&format!("<p:{root}>{KO}</p:{root}>"))
    };
    let gateway = StandIn::start(refuses).await;
    let world = TestWorld::beside(&gateway.url).await;
    let demand = json!({"fiscal_code": CREDITOR, "pay": {}});
    let told = world.post("/psp/demand", &demand).await.json();
    assert_eq!(
        (&told["outcome"], &told["fault"]["code"], &told["payment"]),
        (
            &json!("KO"),
            &json!("PAA_PAGAMENTO_DUPLICATO"),
            &json!(null)
        )
    );
    let unknown = world
        .post("/psp/demand", &json!({"fiscal_code": "00000000000"}))
        .await;
    assert_eq!(unknown.json()["fault"]["code"], "PPT_DOMINIO_SCONOSCIUTO");
    let typed = [("creditor", CREDITOR), ("data", "<service/>")];
    let page = world.post_form("/psp/spontaneous", &typed).await;
    assert!(
        page.text.contains("L’ente non ha creato l’avviso"),
        "{}",
        page.text
    );
}

#[tokio::test]
async fn a_demand_that_cannot_be_read_is_a_problem() {
    let world = TestWorld::alone().await;
    for (wrong, field) in [
        (json!({}), "fiscal_code"),
        (
            json!({"fiscal_code": CREDITOR, "id_servizio": "9"}),
            "id_servizio",
        ),
        (
            json!({"fiscal_code": CREDITOR, "id_soggetto_servizio": "123456"}),
            "id_soggetto_servizio",
        ),
        (json!({"fiscal_code": CREDITOR, "data": ""}), "data"),
        (
            json!({"fiscal_code": CREDITOR, "fields": {"a b": "c"}}),
            "fields",
        ),
    ] {
        let refused = world.post("/psp/demand", &wrong).await;
        assert_eq!(refused.status.as_u16(), 422, "{wrong}");
        assert_eq!(refused.json()["errors"][0]["field"], field);
    }
    let unknown = json!({"fiscal_code": CREDITOR, "colour": "red"});
    assert_eq!(
        world.post("/psp/demand", &unknown).await.status.as_u16(),
        422
    );
}

#[tokio::test]
async fn the_page_leads_from_the_demand_to_the_counter() {
    let gateway = StandIn::start(offers).await;
    let world = TestWorld::beside(&gateway.url).await;
    let form = world.get("/psp/demand").await;
    assert!(form.text.contains("Mense &#38; Sapori") && form.text.contains("<label for=\"data\">"));
    let typed = [
        ("creditor", CREDITOR),
        ("data", "<service><a>1</a></service>"),
    ];
    let sent = world.post_form("/psp/spontaneous", &typed).await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER);
    let address = format!("/psp?notice_number={NOTICE}&fiscal_code={CREDITOR}");
    assert_eq!(sent.header("location"), address);
    let typed = [("creditor", CREDITOR), ("data", "<service>")];
    let wrong = world.post_form("/psp/spontaneous", &typed).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.text.contains("aria-invalid") && wrong.text.contains("&#60;service&#62;"));
}
