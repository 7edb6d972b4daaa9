//! Several creditors, brokers and stations in one installation: each hears and sees only its own.

use serde_json::json;

use super::{ask, create, exceptions, number};
use crate::engines::engines_with;
use crate::world::{BROKER, CATERER, STATION, TOWN, get, receipt, v1, verify};

/// A creditor that is its own broker.
const OTHER: &str = "00743110157";

engines_with! {
    "[[creditors]]\n\
     fiscal_code = \"00743110157\"\nname = \"Comune di Altrove\"\nbroker = \"00743110157\"\n\
     stations = [\"00743110157_01\", \"00743110157_02\"]\nbank_iban = \"IT25O0306909606100000012345\"\n\
     [creditors.numbering]\naux = 3\nsegregation = \"02\"\n\
     [[creditors.services]]\ncode = \"refezione\"\nname = \"Mensa\"\nmin_cents = 100\nmax_cents = 50000\n\
     due_days = 30\npayable_after_due = false";

    async fn every_mixture_of_broker_station_and_creditor_has_its_fault(world: &World) {
        let notice = number(&create(world, json!({})).await);
        let table = [
            // broker, station, creditor → verify and get; receipt
            (BROKER, STATION, TOWN, "OK", "OK"),
            (OTHER, "00743110157_01", TOWN, "PAA_ID_DOMINIO_ERRATO", "PAA_ID_DOMINIO_ERRATO"),
            (OTHER, STATION, TOWN, "PAA_STAZIONE_INT_ERRATA", "PAA_ID_DOMINIO_ERRATO"),
            (BROKER, "00743110157_01", TOWN, "PAA_STAZIONE_INT_ERRATA", "OK"),
            (BROKER, STATION, OTHER, "PAA_ID_DOMINIO_ERRATO", "PAA_ID_DOMINIO_ERRATO"),
            (BROKER, STATION, CATERER, "PAA_ID_DOMINIO_ERRATO", "OK"),
            ("99999999999", STATION, TOWN, "PAA_ID_INTERMEDIARIO_ERRATO", "PAA_ID_INTERMEDIARIO_ERRATO"),
            ("99999999999", "99999999999_01", "99999999999", "PAA_ID_INTERMEDIARIO_ERRATO", "PAA_ID_INTERMEDIARIO_ERRATO"),
        ];
        for (broker, station, creditor, asked, paid) in table {
            let to = |message: String| {
                message
                    .replace(&format!("<idPA>{TOWN}"), &format!("<idPA>{creditor}"))
                    .replace(&format!("<idBrokerPA>{BROKER}"), &format!("<idBrokerPA>{broker}"))
                    .replace(&format!("<idStation>{STATION}"), &format!("<idStation>{station}"))
            };
            let place = format!("{broker} {station} {creditor}");
            for message in [verify(&notice), get(&notice, ""), v1(&get(&notice, ""))] {
                assert_eq!(ask(world, to(message)).await.outcome(), asked, "{place}");
            }
            // A receipt of its own for each, so that none is a repetition; never for our notice.
            let receipt = receipt("302000000000999942", &place.replace(' ', "-"), "50.00");
            assert_eq!(ask(world, to(receipt)).await.outcome(), paid, "{place}");
        }
        assert_eq!(ask(world, verify(&notice)).await.outcome(), "OK");
    }

    async fn the_same_number_of_two_creditors_is_two_notices(world: &World) {
        use pagomensa::desk::keys::{NewKey, Scope, create as create_key};
        use pagomensa::domain::party::CreditorCode;
        let code = CreditorCode::parse(OTHER).unwrap();
        let new = NewKey { creditor: &code, name: "other", scopes: &Scope::ALL };
        let desk = world.app.desk();
        let key = create_key(desk.store(), desk.ids(), &new, world.clock.now()).await.unwrap();
        let town = create(world, json!({})).await;
        let request = axum::http::Request::post("/api/v1/notices")
            .header("authorization", format!("Bearer {key}"))
            .header("content-type", "application/json")
            .body(axum::body::Body::from(crate::world::top_up().to_string()))
            .unwrap();
        let other = world.web(request).await.json;
        // Both have segregation code 02, each in its own agreement with pagoPA.
        assert_eq!(other["notice_number"], town["notice_number"]);
        let to_other = |message: String| {
            message
                .replace(&format!("<idPA>{TOWN}"), &format!("<idPA>{OTHER}"))
                .replace(&format!("<idBrokerPA>{BROKER}"), &format!("<idBrokerPA>{OTHER}"))
                .replace(&format!("<idStation>{STATION}"), "<idStation>00743110157_02")
                .replace(&format!("<fiscalCode>{TOWN}"), &format!("<fiscalCode>{OTHER}"))
                .replace(&format!("<fiscalCodePA>{TOWN}"), &format!("<fiscalCodePA>{OTHER}"))
        };
        let paid = to_other(receipt(&number(&other), "r-1", "50.00"));
        assert_eq!(ask(world, paid).await.outcome(), "OK");
        assert_eq!(ask(world, to_other(verify(&number(&other)))).await.outcome(), "PAA_PAGAMENTO_DUPLICATO");
        // The same receipt id may be used for another creditor; nothing of it is a conflict.
        assert_eq!(world.notice(&town["id"]).await["state"], "open");
        assert_eq!(ask(world, receipt(&number(&town), "r-1", "50.00")).await.outcome(), "OK");
        assert!(world.exceptions().await.is_empty());
        assert!(exceptions(world, &key).await.is_empty());
    }
}
