//! Receipts: rows 28 to 40.

use serde_json::json;

use super::{CATERERS, UNKNOWN, ask, create, exceptions, number, payment, shared};
use crate::engines::{engines, engines_with};
use crate::world::{BROKER, CATERER, STATION, TOWN, World, get, receipt, v1};

/// The receipt of a notice of 50 euro of which 2 are the caterer's.
fn shared_receipt(number: &str, id: &str) -> String {
    let whole = receipt(number, id, "50.00");
    let (before, rest) = whole.split_once("<transfer>").unwrap();
    let (transfer, after) = rest.split_once("</transfer>").unwrap();
    let first = transfer.replace("50.00", "48.00");
    let second = transfer
        .replace("<idTransfer>1", "<idTransfer>2")
        .replace("50.00", "2.00")
        .replace(
            &format!("<fiscalCodePA>{TOWN}"),
            &format!("<fiscalCodePA>{CATERER}"),
        )
        .replace("IT60X0542811101000000123456", CATERERS);
    format!("{before}<transfer>{first}</transfer><transfer>{second}</transfer>{after}")
}

/// The copy of a receipt that the node sends to the other beneficiary.
fn copy(message: &str) -> String {
    message.replace(&format!("<idPA>{TOWN}"), &format!("<idPA>{CATERER}"))
}

/// A receipt for a notice of the caterer.
fn caterers(message: &str) -> String {
    copy(message)
        .replace(
            &format!("<fiscalCode>{TOWN}"),
            &format!("<fiscalCode>{CATERER}"),
        )
        .replace(
            &format!("<fiscalCodePA>{TOWN}"),
            &format!("<fiscalCodePA>{CATERER}"),
        )
}

/// A top-up of 50 euro for the caterer; its notice number.
async fn caterers_notice(world: &World) -> String {
    let request = axum::http::Request::post("/api/v1/notices")
        .header("authorization", format!("Bearer {}", world.caterer_key))
        .header("content-type", "application/json")
        .body(axum::body::Body::from(crate::world::top_up().to_string()))
        .unwrap();
    let answer = world.web(request).await;
    assert_eq!(answer.status, 201, "{}", answer.json);
    number(&answer.json)
}

engines! {
    async fn row_28_a_receipt_pays(world: &World) {
        let notice = create(world, json!({})).await;
        let message = receipt(&number(&notice), "r-1", "50.00");
        assert_eq!(ask(world, message).await.outcome(), "OK");
        assert_eq!(world.notice(&notice["id"]).await["state"], "paid");
        world.run_jobs().await;
        assert_eq!(world.balance_entries("50004").await, [5_000]);
    }

    async fn row_29_the_same_receipt_again_is_ok_by_default(world: &World) {
        let notice = create(world, json!({})).await;
        let message = receipt(&number(&notice), "r-1", "50.00");
        for _ in 0..3 {
            assert_eq!(ask(world, message.clone()).await.outcome(), "OK");
        }
        assert_eq!(world.count("payments").await, 1);
        assert!(world.exceptions().await.is_empty());
    }

    async fn row_30_a_second_payment(world: &World) {
        let notice = number(&create(world, json!({})).await);
        for id in ["r-1", "r-2"] {
            assert_eq!(ask(world, receipt(&notice, id, "50.00")).await.outcome(), "OK");
        }
        world.run_jobs().await;
        assert_eq!(world.balance_entries("50004").await, [5_000]);
        assert_eq!(world.exceptions().await, ["second_payment"]);
    }

    async fn row_31_two_at_once(world: &World) {
        let notice = number(&create(world, json!({})).await);
        let message = receipt(&notice, "r-1", "50.00");
        let (one, two) = tokio::join!(ask(world, message.clone()), ask(world, message.clone()));
        assert_eq!((one.outcome().as_str(), two.outcome().as_str()), ("OK", "OK"));
        assert_eq!(world.count("payments").await, 1);
        assert_eq!(world.count("ledger_entries").await, 1);
    }

    async fn row_33_stand_in(world: &World) {
        let notice = create(world, json!({})).await;
        let message = receipt(&number(&notice), "r-1", "50.00")
            .replace("<standIn>false", "<standIn>true")
            .replace("9/0107101TS/", "STAND-IN");
        assert_eq!(ask(world, message).await.outcome(), "OK");
        assert_eq!(world.notice(&notice["id"]).await["state"], "paid");
        assert_eq!(payment(world, "mode", "r-1", TOWN).await, "stand_in");
        assert_eq!(world.exceptions().await, ["stand_in"]);
        world.run_jobs().await;
        assert_eq!(world.balance_entries("50004").await, [5_000]);
    }

    async fn row_33_stand_in_for_a_shared_notice_goes_to_one_account(world: &World) {
        let notice = number(&create(world, shared()).await);
        let message = receipt(&notice, "r-1", "50.00").replace("<standIn>false", "<standIn>1");
        assert_eq!(ask(world, message).await.outcome(), "OK");
        let mut codes = world.exceptions().await;
        codes.sort();
        assert_eq!(codes, ["inconsistent_receipt", "stand_in"]);
    }

    async fn row_34_as_secondary_beneficiary(world: &World) {
        let notice = create(world, shared()).await;
        let message = shared_receipt(&number(&notice), "r-1");
        // The copy may come first.
        assert_eq!(ask(world, copy(&message)).await.outcome(), "OK");
        assert_eq!(world.notice(&notice["id"]).await["state"], "open");
        assert_eq!(ask(world, message.clone()).await.outcome(), "OK");
        assert_eq!(ask(world, copy(&message)).await.outcome(), "OK");
        assert_eq!(world.notice(&notice["id"]).await["state"], "paid");
        // Each has its own part of it, and the child is credited once.
        assert_eq!(payment(world, "own_cents", "r-1", TOWN).await, "4800");
        assert_eq!(payment(world, "own_cents", "r-1", CATERER).await, "200");
        assert_eq!(world.count("payments").await, 2);
        world.run_jobs().await;
        assert_eq!(world.balance_entries("50004").await, [5_000]);
        assert!(world.exceptions().await.is_empty());
        assert_eq!(exceptions(world, &world.caterer_key).await, ["secondary_beneficiary"]);
    }

    async fn row_34_for_a_notice_of_a_body_elsewhere(world: &World) {
        // The primary creditor is not served here: only its notice number is known.
        let message = shared_receipt(UNKNOWN, "r-1")
            .replace(&format!("<fiscalCode>{TOWN}"), "<fiscalCode>00743110157")
            .replacen(&format!("<fiscalCodePA>{TOWN}"), "<fiscalCodePA>00743110157", 1);
        assert_eq!(ask(world, copy(&message)).await.outcome(), "OK");
        assert_eq!(payment(world, "own_cents", "r-1", CATERER).await, "200");
        assert_eq!(exceptions(world, &world.caterer_key).await, ["secondary_beneficiary"]);
    }

    async fn row_35_the_versions_mix(world: &World) {
        for (first, second) in [(true, false), (false, true)] {
            let notice = number(&create(world, json!({})).await);
            let asked = if first { v1(&get(&notice, "")) } else { get(&notice, "") };
            assert_eq!(ask(world, asked).await.outcome(), "OK");
            let paid = receipt(&notice, &notice, "50.00");
            let paid = if second { v1(&paid) } else { paid };
            assert_eq!(ask(world, paid).await.outcome(), "OK");
        }
        world.run_jobs().await;
        assert_eq!(world.balance_entries("50004").await, [5_000, 5_000]);
    }

    async fn row_36_a_former_station_is_heard_by_default(world: &World) {
        for (index, station) in ["77777777777_00", "77777777777_98"].into_iter().enumerate() {
            let notice = number(&create(world, json!({})).await);
            let message = receipt(&notice, &format!("r-{index}"), "50.00")
                .replace(&format!("<idStation>{STATION}"), &format!("<idStation>{station}"));
            assert_eq!(ask(world, message).await.outcome(), "OK", "{station}");
        }
        assert_eq!(world.exceptions().await, ["other_station", "other_station"]);
        world.run_jobs().await;
        assert_eq!(world.balance_entries("50004").await, [5_000, 5_000]);
        // The station of before the move goes on asking, too.
        let notice = number(&create(world, json!({})).await);
        let former = |message: String| message.replace(STATION, "77777777777_00");
        assert_eq!(ask(world, former(crate::world::verify(&notice))).await.outcome(), "OK");
        let never = crate::world::verify(&notice).replace(STATION, "77777777777_98");
        assert_eq!(ask(world, never).await.outcome(), "PAA_STAZIONE_INT_ERRATA");
    }

    async fn row_37_another_broker(world: &World) {
        let notice = create(world, json!({})).await;
        let message = receipt(&number(&notice), "r-1", "50.00")
            .replace(&format!("<idBrokerPA>{BROKER}"), "<idBrokerPA>00743110157");
        assert_eq!(ask(world, message).await.outcome(), "PAA_ID_INTERMEDIARIO_ERRATO");
        assert_eq!(world.notice(&notice["id"]).await["state"], "open");
        assert_eq!(world.count("payments").await, 0);
        // The node gives it up, so finance must know.
        assert_eq!(world.exceptions().await, ["misdirected_receipt"]);
    }

    async fn row_38_everything_that_may_be_there(world: &World) {
        let notice = create(world, json!({"transfers": [
            {"creditor": TOWN, "amount_cents": 3400},
            {"creditor": TOWN, "amount_cents": 1600},
        ]})).await;
        let entries: String = (0..15).map(|i| format!("<mapEntry><key>k{i}</key><value>v{i}</value></mapEntry>")).collect();
        let whole = receipt(&number(&notice), "r-1", "50.00");
        let (before, rest) = whole.split_once("<transfer>").unwrap();
        let (transfer, after) = rest.split_once("</transfer>").unwrap();
        let first = transfer.replace("50.00", "34.00").replace("</transferCategory>", &format!("</transferCategory><metadata>{entries}</metadata>"));
        let stamp = transfer.replace("50.00", "16.00").replace("<idTransfer>1", "<idTransfer>2")
            .replace("<IBAN>IT60X0542811101000000123456</IBAN>", "<companyName>Comune</companyName><MBDAttachment>YWJj</MBDAttachment>");
        let message = format!("{before}<transfer>{first}</transfer><transfer>{stamp}</transfer>{after}")
            .replace("<description>", "<description>").replace("</companyName><debtor>", "</companyName><officeName>Ufficio</officeName><debtor>")
            .replace("</idPSP>", "</idPSP><pspFiscalCode>99999999999</pspFiscalCode><pspPartitaIVA>99999999999</pspPartitaIVA>")
            .replace("</paymentMethod>", "</paymentMethod><paymentNote>cart-1</paymentNote>")
            .replace("</fee>", "</fee><primaryCiIncurredFee>0.50</primaryCiIncurredFee><idBundle>b</idBundle><idCiBundle>c</idCiBundle>")
            .replace("</transferDate>", &format!("</transferDate><metadata>{entries}</metadata>"));
        assert_eq!(ask(world, message.clone()).await.outcome(), "OK");
        assert!(world.exceptions().await.is_empty());
        assert_eq!(payment(world, "own_cents", "r-1", TOWN).await, "5000");
        let mut conn = world.app.desk().store().read().await.unwrap();
        use sqlx::Row;
        let row = sqlx::query("SELECT documents.bytes FROM payments JOIN documents ON documents.id = payments.document")
            .fetch_one(&mut *conn).await.unwrap();
        assert_eq!(row.try_get::<Vec<u8>, _>("bytes").unwrap(), message.into_bytes());
    }

    async fn row_39_unknown_elements(world: &World) {
        let notice = number(&create(world, json!({})).await);
        let message = receipt(&notice, "r-1", "50.00").replace("<fee>", "<tomorrow><x/></tomorrow><fee>");
        assert_eq!(ask(world, message).await.outcome(), "OK");
        assert_eq!(world.exceptions().await, ["unknown_elements"]);
        world.run_jobs().await;
        assert_eq!(world.balance_entries("50004").await, [5_000]);
    }

    async fn row_40_what_contradicts_itself_is_recorded_by_default(world: &World) {
        let table = [
            ("<transferAmount>50.00", "<transferAmount>49.00"),
            ("<creditorReferenceId>0", "<creditorReferenceId>9"),
            ("<transferAmount>50.00", "<transferAmount>x"),
        ];
        for (index, (from, to)) in table.into_iter().enumerate() {
            let notice = number(&create(world, json!({})).await);
            let message = receipt(&notice, &format!("r-{index}"), "50.00").replace(from, to);
            assert_eq!(ask(world, message).await.outcome(), "OK", "{to}");
        }
        assert_eq!(world.exceptions().await, ["inconsistent_receipt"; 3]);
        assert_eq!(world.count("payments").await, 3);
    }

    async fn row_40_other_beneficiaries_than_ordered(world: &World) {
        let whole = number(&create(world, json!({})).await);
        assert_eq!(ask(world, shared_receipt(&whole, "r-1")).await.outcome(), "OK");
        assert_eq!(world.exceptions().await, ["inconsistent_receipt"]);
        assert_eq!(payment(world, "own_cents", "r-1", TOWN).await, "4800");
    }
}

engines_with! {
    "[[creditors]]\n\
     fiscal_code = \"00743110157\"\nname = \"Comune di Altrove\"\nbroker = \"77777777778\"\n\
     former_brokers = [\"00743110157\"]\nstations = [\"77777777778_01\"]\n\
     bank_iban = \"IT25O0306909606100000012345\"\n\
     [creditors.numbering]\naux = 3\nsegregation = \"02\"\n\
     [[creditors.services]]\ncode = \"refezione\"\nname = \"Mensa\"\nmin_cents = 100\nmax_cents = 50000\n\
     due_days = 30\npayable_after_due = false";

    async fn row_36_a_former_broker_is_heard_too(world: &World) {
        let moved = |broker: &str, id: &str| {
            caterers(&receipt(UNKNOWN, id, "50.00"))
                .replace(CATERER, "00743110157")
                .replace(&format!("<idBrokerPA>{BROKER}"), &format!("<idBrokerPA>{broker}"))
                .replace(&format!("<idStation>{STATION}"), &format!("<idStation>{broker}_01"))
        };
        for (broker, id) in [("77777777778", "r-a"), ("00743110157", "r-b")] {
            assert_eq!(ask(world, moved(broker, id)).await.outcome(), "OK", "{broker}");
        }
        assert_eq!(ask(world, moved(BROKER, "r-1")).await.outcome(), "PAA_ID_DOMINIO_ERRATO");
        assert_eq!(world.count("payments").await, 2);
        // Unknown notices, one under another station, one refused: nothing in silence.
        assert_eq!(world.count("cases").await, 4);
    }
}

engines_with! {
    "[creditors.receipts]\nrepeated = \"ko\"\n\
     refuse = [\"other_station\", \"unknown_elements\", \"inconsistent_receipt\"]";

    async fn row_29_the_same_receipt_again_is_refused_by_configuration(world: &World) {
        let notice = caterers_notice(world).await;
        let message = caterers(&receipt(&notice, "r-1", "50.00"));
        assert_eq!(ask(world, message.clone()).await.outcome(), "OK");
        assert_eq!(ask(world, message.clone()).await.outcome(), "PAA_RECEIPT_DUPLICATA");
        assert_eq!(world.count("payments").await, 1);
        // Each creditor has its own rule.
        let other = number(&create(world, json!({})).await);
        for _ in 0..2 {
            assert_eq!(ask(world, receipt(&other, "r-2", "50.00")).await.outcome(), "OK");
        }
        assert_eq!(world.count("payments").await, 2);
        // Other content is a conflict, whatever the rule.
        let changed = message.replace("50.00", "51.00");
        assert_eq!(ask(world, changed).await.outcome(), "PAA_SEMANTICA");
    }

    async fn rows_36_39_40_are_refused_by_configuration(world: &World) {
        let notice = caterers_notice(world).await;
        let good = caterers(&receipt(&notice, "r-1", "50.00"));
        let table = [
            (good.replace(&format!("<idStation>{STATION}"), "<idStation>77777777777_98"), "PAA_STAZIONE_INT_ERRATA"),
            (good.replace("<fee>", "<tomorrow/><fee>"), "PAA_SINTASSI_EXTRAXSD"),
            (good.replace("<transferAmount>50.00", "<transferAmount>49.00"), "PAA_SEMANTICA"),
        ];
        for (message, code) in &table {
            for _ in 0..2 {
                assert_eq!(ask(world, message.clone()).await.outcome(), *code);
            }
        }
        // Refused, and never in silence: kept, and shown once each.
        assert_eq!(world.count("payments").await, 0);
        assert_eq!(
            exceptions(world, &world.caterer_key).await,
            ["inconsistent_receipt", "other_station", "unknown_elements"]
        );
        // The refusal has burnt nothing: the right one is taken.
        assert_eq!(ask(world, good).await.outcome(), "OK");
        world.run_jobs().await;
        assert_eq!(world.balance_entries("50004").await, [5_000]);
    }
}
