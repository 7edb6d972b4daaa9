//! Reporting flows, and the verify that goes no further.

use super::*;
use crate::verdict::xml::{self, Node};

const FLOW: &str = "/fdr/flows/77777777777";
const OTHER: &str = "/fdr/flows/77777777778";

async fn flow(world: &TestWorld, address: &str) -> Node {
    let heard = world.get(address).await;
    assert_eq!(heard.status, StatusCode::OK, "{}", heard.text);
    let flow = xml::parse(heard.text.as_bytes()).unwrap();
    assert!(flow.is(
        "http://www.digitpa.gov.it/schemas/2011/Pagamenti/",
        "FlussoRiversamento"
    ));
    assert!(
        flow.children
            .iter()
            .all(|child| child.namespace == flow.namespace)
    );
    flow
}

fn rows(flow: &Node) -> Vec<Vec<&str>> {
    let names = [
        "identificativoUnivocoVersamento",
        "identificativoUnivocoRiscossione",
        "indiceDatiSingoloPagamento",
        "singoloImportoPagato",
        "codiceEsitoSingoloPagamento",
        "dataEsitoSingoloPagamento",
    ];
    let rows = flow.children.iter();
    rows.filter(|child| child.name == "datiSingoliPagamenti")
        .map(|row| texts(row, &names))
        .collect()
}

#[tokio::test]
async fn each_beneficiary_gets_a_flow_with_its_own_transfers() {
    let gateway = StandIn::start(|asked| match asked.header("soapaction") {
        "\"paSendRTV2\"" => soap("<garbage/>"),
        _ => good(asked),
    })
    .await;
    let world = TestWorld::beside(&gateway.url).await;
    for (id, paid_at, version) in [
        ("r0", "2026-11-19T23:59:59", "V1"),
        ("r1", "2026-11-20T00:00:00", "V1"),
        ("r2", "2026-11-20T23:59:59", "V2"),
        ("r3", "2026-11-21T00:00:00", "V2"),
    ] {
        pay(
            &world,
            json!({"receipt_id": id, "paid_at": paid_at, "get_version": version}),
        )
        .await;
    }
    let own = flow(&world, &format!("{FLOW}?day=2026-11-20")).await;
    let row = |id| vec!["02202600001234518", id, "1", "36.80", "0", "2026-11-20"];
    assert_eq!(
        rows(&own),
        [row("r1"), row("r2")],
        "without the stamp of r2"
    );
    let names = [
        "numeroTotalePagamenti",
        "importoTotalePagamenti",
        "dataRegolamento",
    ];
    assert_eq!(texts(&own, &names), ["2", "73.60", "2026-11-21"]);
    let id = own.text_of("identificativoFlusso").unwrap();
    assert!(
        id.starts_with("2026-11-21ABI99999-") && id.len() <= 35,
        "{id}"
    );
    let receiver = own.child("istitutoRicevente").unwrap();
    let receiver = receiver.child("identificativoUnivocoRicevente").unwrap();
    assert_eq!(
        receiver.text_of("codiceIdentificativoUnivoco"),
        Some(CREDITOR)
    );

    let other = flow(&world, &format!("{OTHER}?day=2026-11-20")).await;
    assert_eq!(
        rows(&other),
        [["02202600001234518", "r1", "2", "16.00", "0", "2026-11-20"]]
    );
    assert_ne!(other.text_of("identificativoFlusso"), Some(id));
    assert_eq!(
        flow(&world, &format!("{FLOW}?day=2026-11-20"))
            .await
            .text_of("identificativoFlusso"),
        Some(id),
        "the same day again has the same name"
    );
}

#[tokio::test]
async fn a_flow_without_payments_does_not_exist() {
    let world = TestWorld::alone().await;
    for (address, status) in [
        (FLOW.to_owned(), 404),
        (format!("{FLOW}?day=2026-11-20"), 404),
        ("/fdr/flows/12345678901".to_owned(), 404),
        (format!("{FLOW}?day=yesterday"), 422),
        (format!("{FLOW}?days=1"), 400),
    ] {
        assert_eq!(
            world.get(&address).await.status.as_u16(),
            status,
            "{address}"
        );
    }
}

#[tokio::test]
async fn a_verify_pays_nothing() {
    let gateway = StandIn::start(good).await;
    let world = TestWorld::beside(&gateway.url).await;
    let order = json!({"notice_number": NOTICE, "fiscal_code": CREDITOR});
    let asked = world.post("/psp/verify", &order).await.json();
    assert_eq!(
        (&asked["outcome"], &asked["paid"]),
        (&json!("OK"), &json!(false))
    );
    assert_eq!(asked["amount_cents"], 5_280);
    assert_eq!(asked["exchanges"].as_array().unwrap().len(), 1);
    assert_eq!(gateway.asked().len(), 1);
    assert_eq!(world.get(FLOW).await.status.as_u16(), 404);
    let stranger = json!({"notice_number": NOTICE, "fiscal_code": "12345678901"});
    let refused = world.post("/psp/verify", &stranger).await.json();
    assert_eq!(refused["fault"]["code"], "PPT_DOMINIO_SCONOSCIUTO");
}
