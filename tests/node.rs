//! The node's door: verify and get, to the letter, and whatever else may come.

use axum::body::Body;
use serde_json::json;

use crate::engines::engines;
use crate::world::{
    BROKER, CATERER, STATION, TOWN, envelope, get, head, qr, receipt, top_up, v1, verify,
};

const UNKNOWN: &str = "302000000000999942";

fn number(notice: &serde_json::Value) -> String {
    notice["notice_number"].as_str().unwrap().to_owned()
}

engines! {
    async fn a_verify_says_what_is_due(world: &World) {
        let notice = world.top_up().await;
        let reply = world.soap(verify(&number(&notice))).await;
        assert_eq!((reply.status, reply.outcome().as_str()), (200, "OK"));
        let expected = [
            ("paymentList/paymentOptionDescription/amount", "50.00"),
            ("paymentList/paymentOptionDescription/options", "EQ"),
            ("paymentList/paymentOptionDescription/dueDate", "2026-12-31"),
            ("paymentList/paymentOptionDescription/allCCP", "true"),
            ("paymentDescription", "Ricarica mensa 50004"),
            ("fiscalCodePA", TOWN),
            ("companyName", "Comune di Borgo San Lieto"),
            ("officeName", "Ufficio scuola"),
        ];
        for (path, text) in expected {
            assert_eq!(reply.text_of(path).as_deref(), Some(text), "{path}");
        }
    }

    async fn a_get_says_where_the_money_goes(world: &World) {
        let notice = world.top_up().await;
        let reply = world.soap(get(&number(&notice), "<amount>11.00</amount>")).await;
        assert_eq!(reply.outcome(), "OK");
        let transfer = "data/transferList/transfer";
        let iuv = notice["iuv"].as_str().unwrap();
        let expected = [
            ("data/creditorReferenceId".to_owned(), iuv.to_owned()),
            ("data/paymentAmount".to_owned(), "50.00".to_owned()),
            ("data/dueDate".to_owned(), "2026-12-31".to_owned()),
            ("data/description".to_owned(), "Ricarica mensa 50004".to_owned()),
            ("data/debtor/uniqueIdentifier/entityUniqueIdentifierType".to_owned(), "F".to_owned()),
            ("data/debtor/uniqueIdentifier/entityUniqueIdentifierValue".to_owned(), "RSSMRA80A01H501U".to_owned()),
            ("data/debtor/fullName".to_owned(), "Mario Rossi".to_owned()),
            (format!("{transfer}/idTransfer"), "1".to_owned()),
            (format!("{transfer}/transferAmount"), "50.00".to_owned()),
            (format!("{transfer}/fiscalCodePA"), TOWN.to_owned()),
            (format!("{transfer}/IBAN"), "IT60X0542811101000000123456".to_owned()),
            (format!("{transfer}/remittanceInformation"), format!("/RFB/{iuv}/50.00/TXT/Ricarica mensa 50004")),
            (format!("{transfer}/transferCategory"), "9/0107101TS/".to_owned()),
        ];
        for (path, text) in expected {
            assert_eq!(reply.text_of(&path), Some(text), "{path}");
        }
        assert_eq!(reply.text_of(&format!("{transfer}/metadata")), None);
    }

    async fn the_account_follows_the_transfer_type(world: &World) {
        let notice = world.top_up().await;
        let transfer = "data/transferList/transfer";
        let iban = async |more: &str| {
            let reply = world.soap(get(&number(&notice), more)).await;
            (
                reply.text_of(&format!("{transfer}/IBAN")).unwrap(),
                reply.text_of(&format!("{transfer}/metadata/mapEntry/value")),
            )
        };
        let (bank, postal) = ("IT60X0542811101000000123456", "IT45R0760103200000000001016");
        assert_eq!(iban("<transferType>POSTAL</transferType>").await, (postal.to_owned(), None));
        assert_eq!(iban("<transferType>PAGOPA</transferType>").await, (bank.to_owned(), Some(postal.to_owned())));
        assert_eq!(iban("").await, (bank.to_owned(), None));
    }

    async fn the_first_version_says_the_same_with_fewer_words(world: &World) {
        let notice = world.top_up().await;
        let message = get(&number(&notice), "<transferType>PAGOPA</transferType>");
        let (first, second) = (world.soap(v1(&message)).await, world.soap(message).await);
        assert_eq!((first.element().name.as_str(), first.outcome().as_str()), ("paGetPaymentRes", "OK"));
        for path in [
            "data/creditorReferenceId",
            "data/paymentAmount",
            "data/debtor/fullName",
            "data/transferList/transfer/IBAN",
            "data/transferList/transfer/transferCategory",
        ] {
            assert_eq!(first.text_of(path), second.text_of(path), "{path}");
        }
        for path in ["companyName", "metadata"] {
            let path = format!("data/transferList/transfer/{path}");
            assert_eq!(first.text_of(&path), None);
            assert!(second.text_of(&path).is_some());
        }
    }

    async fn verify_and_get_change_nothing(world: &World) {
        let notice = world.top_up().await;
        for _ in 0..3 {
            assert_eq!(world.soap(verify(&number(&notice))).await.outcome(), "OK");
            assert_eq!(world.soap(get(&number(&notice), "")).await.outcome(), "OK");
        }
        assert_eq!(world.notice(&notice["id"]).await, notice);
        assert_eq!(world.count("payments").await, 0);
        // Two documents and one line for each of the six calls.
        assert_eq!(world.count("exchanges").await, 6);
        assert_eq!(world.count("documents").await, 12);
    }

    async fn every_state_has_its_fault(world: &World) {
        let cancelled = world.top_up().await;
        let path = format!("/notices/{}/cancel", cancelled["id"].as_str().unwrap());
        world.rest("POST", &path, None).await;
        let paid = world.top_up().await;
        world.soap(receipt(&number(&paid), "r-1", "50.00")).await;
        let mut tomorrow = top_up();
        tomorrow["publish_on"] = json!("2026-11-21");
        let hidden = world.rest("POST", "/notices", Some(tomorrow)).await.json;
        let table = [
            (number(&cancelled), "PAA_PAGAMENTO_ANNULLATO"),
            (number(&paid), "PAA_PAGAMENTO_DUPLICATO"),
            (number(&hidden), "PAA_PAGAMENTO_SCONOSCIUTO"),
            (UNKNOWN.to_owned(), "PAA_PAGAMENTO_SCONOSCIUTO"),
            ("000000000000000000".to_owned(), "PAA_PAGAMENTO_SCONOSCIUTO"),
            ("311111111112222222".to_owned(), "PAA_PAGAMENTO_SCONOSCIUTO"),
        ];
        for (number, fault) in table {
            for message in [verify(&number), get(&number, "")] {
                let reply = world.soap(message).await;
                assert_eq!((reply.status, reply.outcome().as_str()), (200, fault), "{number}");
                assert_eq!(reply.text_of("fault/id").as_deref(), Some(TOWN));
            }
        }
    }

    async fn a_message_for_somebody_else_is_refused(world: &World) {
        let notice = number(&world.top_up().await);
        let table = [
            (head().replace(&format!("<idPA>{TOWN}"), "<idPA>99999999999"), "PAA_ID_DOMINIO_ERRATO"),
            (head().replace(&format!("<idPA>{TOWN}"), &format!("<idPA>{CATERER}")), "PAA_ID_DOMINIO_ERRATO"),
            (head().replace(&format!("<idPA>{TOWN}"), "<idPA>nobody"), "PAA_ID_DOMINIO_ERRATO"),
            (head().replace(&format!("<idBrokerPA>{BROKER}"), "<idBrokerPA>99999999999"), "PAA_ID_INTERMEDIARIO_ERRATO"),
            (head().replace(STATION, "77777777777_99"), "PAA_STAZIONE_INT_ERRATA"),
        ];
        for (head, fault) in table {
            let inside = head.clone() + &qr(&notice);
            for operation in ["paVerifyPaymentNoticeReq", "paGetPaymentV2Request"] {
                let reply = world.soap(envelope(operation, &inside)).await;
                assert_eq!((reply.status, reply.outcome().as_str()), (200, fault), "{head}");
            }
        }
        // The other creditor's notice is not the town's.
        let caterer = head().replace(&format!("<idPA>{TOWN}"), &format!("<idPA>{CATERER}"))
            + &qr(&notice).replace(TOWN, CATERER);
        let reply = world.soap(envelope("paVerifyPaymentNoticeReq", &caterer)).await;
        assert_eq!(reply.outcome(), "PAA_PAGAMENTO_SCONOSCIUTO");
    }

    async fn syntax_errors_are_said_in_the_operations_words(world: &World) {
        let notice = number(&world.top_up().await);
        let good = head() + &qr(&notice);
        let namespace = "xmlns:pafn=\"http://pagopa-api.pagopa.gov.it/pa/paForNode.xsd\"";
        let table = [
            envelope("paVerifyPaymentNoticeReq", &good.replace(&notice, "30200000000000018")),
            envelope("paVerifyPaymentNoticeReq", &good.replace(&notice, &format!(" {notice} "))),
            envelope("paVerifyPaymentNoticeReq", &good.replace(&notice, "30200000000000018X")),
            envelope("paVerifyPaymentNoticeReq", &good.replace("<idStation>", "<idStations>").replace("</idStation>", "</idStations>")),
            envelope("paVerifyPaymentNoticeReq", &format!("{good}<more/>")),
            envelope("paVerifyPaymentNoticeReq", &good.replace("<qrCode>", "<qrCode xmlns=\"urn:other\">")),
            envelope("paGetPaymentV2Request", &format!("{good}<amount>10.0</amount>")),
            envelope("paGetPaymentV2Request", &format!("{good}<dueDate>domani</dueDate>")),
            envelope("paVerifyPaymentNoticeReq", &good).replace(namespace, "xmlns:pafn=\"urn:other\""),
        ];
        for message in table {
            let reply = world.soap(message.clone()).await;
            assert_eq!((reply.status, reply.outcome().as_str()), (200, "PAA_SINTASSI_EXTRAXSD"), "{message}");
            assert!(!reply.text_of("fault/description").unwrap().is_empty());
        }
    }

    async fn any_style_of_xml_is_understood(world: &World) {
        let notice = number(&world.top_up().await);
        let plain = verify(&notice);
        let expected = world.soap(plain.clone()).await.text;
        let default = format!(
            "<Envelope xmlns=\"http://schemas.xmlsoap.org/soap/envelope/\"><Body>\
             <paVerifyPaymentNoticeReq xmlns=\"http://pagopa-api.pagopa.gov.it/pa/paForNode.xsd\" \
             xmlns:unused=\"urn:x\">{}</paVerifyPaymentNoticeReq></Body></Envelope>",
            (head() + &qr(&notice))
                .replace("<idPA>", "<idPA xmlns=\"\">")
                .replace("<idBrokerPA>", "<idBrokerPA xmlns=\"\">")
                .replace("<idStation>", "<idStation xmlns=\"\">")
                .replace("<qrCode>", "<qrCode xmlns=\"\">")
        );
        let styles = [
            default,
            format!("\u{FEFF}{plain}"),
            plain.replace("<?xml version=\"1.0\" encoding=\"UTF-8\"?>", ""),
            plain.replace("pafn", "ns2").replace("soapenv", "S"),
            plain.replace("<qrCode>", "<!-- here --><qrCode>"),
            plain.replace(&notice, &format!("<![CDATA[{notice}]]>")),
        ];
        for style in styles {
            assert_eq!(world.soap(style.clone()).await.text, expected, "{style}");
        }
    }

    async fn texts_are_cut_and_escaped(world: &World) {
        let mut body = top_up();
        body["description"] = json!("è<&>\"' ".repeat(20));
        body["payer"]["name"] = json!("Niccolò D'Amico & <Figli>");
        let created = world.rest("POST", "/notices", Some(body.clone())).await.json;
        let reply = world.soap(get(&number(&created), "")).await;
        let remittance = reply.text_of("data/transferList/transfer/remittanceInformation").unwrap();
        assert_eq!(remittance.chars().count(), 140);
        assert_eq!(reply.text_of("data/description").unwrap(), created["description"].as_str().unwrap());
        assert_eq!(reply.text_of("data/debtor/fullName").unwrap(), body["payer"]["name"].as_str().unwrap());
    }

    async fn hostile_messages_are_refused_and_recorded(world: &World) {
        let notice = number(&world.top_up().await);
        let good = verify(&notice);
        let two = good.replace("</soapenv:Body>", &format!("{}</soapenv:Body>", "<x/>"));
        let doctype = good.replace("<soapenv:Envelope", "<!DOCTYPE x [<!ENTITY a \"boo\">]><soapenv:Envelope");
        let entity = good.replace(&notice, "&a;");
        let deep = envelope("paVerifyPaymentNoticeReq", &("<a>".repeat(200_000) + &"</a>".repeat(200_000)));
        let attributes: String = (0..100_000).map(|i| format!("a{i}=\"\" ")).collect();
        let flood = good.replace("<qrCode>", &format!("<qrCode {attributes}>"));
        let namespaces: String = (0..50_000).map(|i| format!("xmlns:n{i}=\"u\" ")).collect();
        let bound = good.replace("<qrCode>", &format!("<qrCode {namespaces}>"));
        let table: Vec<(&str, Vec<u8>, u16)> = vec![
            ("nothing", vec![], 500),
            ("text", b"hello".to_vec(), 500),
            ("cut short", good.as_bytes()[..200].to_vec(), 500),
            ("doctype", doctype.into_bytes(), 500),
            ("entity", entity.into_bytes(), 500),
            ("not UTF-8", [good.as_bytes(), b"<!-- \xFF -->"].concat(), 500),
            ("UTF-16", good.encode_utf16().flat_map(u16::to_le_bytes).collect(), 500),
            ("UTF-7 label", good.replace("UTF-8", "UTF-7").into_bytes(), 500),
            ("two operations", two.into_bytes(), 500),
            ("after the end", format!("{good}<more/>").into_bytes(), 500),
            ("another envelope", good.replace("schemas.xmlsoap.org/soap/envelope/", "www.w3.org/2003/05/soap-envelope").into_bytes(), 500),
            ("unknown operation", good.replace("paVerifyPaymentNoticeReq", "paDoSomethingElse").into_bytes(), 500),
            ("control character", good.replace(&notice, "\u{1}").into_bytes(), 500),
            ("deep", deep.into_bytes(), 500),
            ("attributes", flood.into_bytes(), 500),
            ("namespaces", bound.into_bytes(), 500),
            ("ten megabytes", vec![b' '; 10 * 1024 * 1024], 413),
        ];
        let count = i64::try_from(table.len()).unwrap();
        for (name, message, status) in table {
            let reply = world.soap(message).await;
            let status = if reply.status == 413 { 413 } else { status };
            assert_eq!(reply.status, status, "{name}");
            let element = reply.element();
            assert_eq!(element.name, "Fault", "{name}");
            assert!(!reply.text.contains("boo"), "{name}");
            assert_eq!(world.soap(good.clone()).await.outcome(), "OK", "after {name}");
        }
        assert_eq!(world.count("exchanges").await, 2 * count);
    }

    async fn a_body_that_breaks_off_is_refused(world: &World) {
        let broken = futures_util::stream::iter([
            Ok(verify(UNKNOWN)[..100].to_owned()),
            Err(std::io::Error::other("gone")),
        ]);
        let reply = world.soap(Body::from_stream(broken)).await;
        assert_eq!(reply.status, 400);
        assert_eq!(world.count("exchanges").await, 1);
    }

    async fn without_a_store_the_node_hears_a_system_error(world: &World) {
        let notice = number(&world.top_up().await);
        world.dismiss();
        world.app.desk().store().close().await;
        for message in [verify(&notice), get(&notice, "")] {
            let reply = world.soap(message).await;
            assert_eq!((reply.status, reply.outcome().as_str()), (200, "PAA_SYSTEM_ERROR"));
        }
        // A receipt must come again: any well-formed KO would be the end of it.
        let reply = world.soap(receipt(&notice, "r-1", "50.00")).await;
        assert_eq!((reply.status, reply.element().name.as_str()), (503, "Fault"));
    }
}
