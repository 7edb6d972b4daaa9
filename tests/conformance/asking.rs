//! Verify, get and demand: rows 1 to 27, and 43.

use serde_json::{Value, json};

use super::{BANK, CATERERS, POSTAL, UNKNOWN, act, ask, create, number, order, shared};
use crate::engines::engines;
use crate::world::{BROKER, CATERER, STATION, TOWN, envelope, get, head, qr, receipt, v1, verify};

/// A demand at a PSP's counter with these data of the service.
fn demand(data: &str) -> String {
    let data = openssl::base64::encode_block(data.as_bytes());
    envelope(
        "paDemandPaymentNoticeRequest",
        &format!(
            "{}<idServizio>00009</idServizio><idSoggettoServizio>00035</idSoggettoServizio>\
             <datiSpecificiServizioRequest>{data}</datiSpecificiServizioRequest>",
            head()
        ),
    )
}

/// A top-up in the form of the catalogue.
fn service(inside: &str) -> String {
    format!(
        "<service xmlns=\"http://PuntoAccessoPSP.spcoop.gov.it/GeneralService\">{inside}</service>"
    )
}

engines! {
    async fn row_01_verify_says_what_is_due(world: &World) {
        let reply = ask(world, verify(&number(&create(world, json!({})).await))).await;
        assert_eq!((reply.status, reply.outcome().as_str()), (200, "OK"));
        let option = "paymentList/paymentOptionDescription";
        for (path, text) in [
            (format!("{option}/amount"), "50.00"),
            (format!("{option}/options"), "EQ"),
            (format!("{option}/allCCP"), "true"),
            ("fiscalCodePA".to_owned(), TOWN),
            ("companyName".to_owned(), "Comune di Borgo San Lieto"),
            ("paymentDescription".to_owned(), "Ricarica mensa 50004"),
        ] {
            assert_eq!(reply.text_of(&path).as_deref(), Some(text), "{path}");
        }
        let list = reply.element().child("paymentList").unwrap().clone();
        assert_eq!(list.children.len(), 1, "one option and no other");
    }

    async fn row_02_asking_changes_nothing(world: &World) {
        let notice = create(world, json!({})).await;
        let first = ask(world, verify(&number(&notice))).await.text;
        assert_eq!(ask(world, verify(&number(&notice))).await.text, first);
        assert_eq!(ask(world, get(&number(&notice), "")).await.outcome(), "OK");
        assert_eq!(world.notice(&notice["id"]).await, notice);
        assert_eq!(world.count("payments").await, 0);
    }

    async fn row_03_an_unknown_notice(world: &World) {
        for message in [verify(UNKNOWN), get(UNKNOWN, ""), v1(&get(UNKNOWN, ""))] {
            assert_eq!(ask(world, message).await.outcome(), "PAA_PAGAMENTO_SCONOSCIUTO");
        }
    }

    async fn row_04_the_probe_of_stand_in(world: &World) {
        let reply = ask(world, verify("000000000000000000")).await;
        assert_eq!(reply.outcome(), "PAA_PAGAMENTO_SCONOSCIUTO");
    }

    async fn row_05_paid_through_pagopa(world: &World) {
        let notice = number(&create(world, json!({})).await);
        ask(world, receipt(&notice, "r-1", "50.00")).await;
        for message in [verify(&notice), get(&notice, "")] {
            assert_eq!(ask(world, message).await.outcome(), "PAA_PAGAMENTO_DUPLICATO");
        }
    }

    async fn row_06_paid_at_the_counter(world: &World) {
        let notice = create(world, json!({})).await;
        let cash = json!({"means": "cash", "reference": "R-118", "paid_at": "2026-11-20T09:30:00Z"});
        let paid = act(world, "POST", &notice, "/paid-elsewhere", cash.clone()).await;
        assert_eq!((&paid["state"], &paid["paid_elsewhere"]["means"]), (&json!("paid"), &json!("cash")));
        // Said twice it is the same as once.
        assert_eq!(act(world, "POST", &notice, "/paid-elsewhere", cash).await, paid);
        for message in [verify(&number(&notice)), get(&number(&notice), "")] {
            assert_eq!(ask(world, message).await.outcome(), "PAA_PAGAMENTO_DUPLICATO");
        }
        // Should the family pay all the same, the money is recorded and shown.
        assert_eq!(ask(world, receipt(&number(&notice), "r-1", "50.00")).await.outcome(), "OK");
        assert_eq!(world.exceptions().await, ["second_payment"]);
        world.run_jobs().await;
        assert!(world.balance_entries("50004").await.is_empty());
    }

    async fn row_07_cancelled(world: &World) {
        let notice = create(world, json!({})).await;
        act(world, "POST", &notice, "/cancel", json!({})).await;
        assert_eq!(ask(world, verify(&number(&notice))).await.outcome(), "PAA_PAGAMENTO_ANNULLATO");
    }

    async fn row_08_expired(world: &World) {
        let notice = number(&create(world, json!({"due_on": "2026-11-20"})).await);
        assert_eq!(ask(world, verify(&notice)).await.outcome(), "OK");
        world.clock.advance_seconds(86_400);
        assert_eq!(ask(world, verify(&notice)).await.outcome(), "PAA_PAGAMENTO_SCADUTO");
    }

    async fn row_09_not_yet_published(world: &World) {
        let notice = number(&create(world, json!({"publish_on": "2026-11-21"})).await);
        assert_eq!(ask(world, verify(&notice)).await.outcome(), "PAA_PAGAMENTO_SCONOSCIUTO");
        world.clock.advance_seconds(86_400);
        assert_eq!(ask(world, verify(&notice)).await.outcome(), "OK");
    }

    async fn rows_10_to_13_for_somebody_else(world: &World) {
        let notice = number(&create(world, json!({})).await);
        let table = [
            (10, format!("<idPA>{TOWN}"), "<idPA>00743110157".to_owned(), "PAA_ID_DOMINIO_ERRATO"),
            (11, format!("<idPA>{TOWN}"), format!("<idPA>{CATERER}"), "PAA_ID_DOMINIO_ERRATO"),
            (12, format!("<idBrokerPA>{BROKER}"), "<idBrokerPA>00743110157".to_owned(), "PAA_ID_INTERMEDIARIO_ERRATO"),
            (13, format!("<idStation>{STATION}"), "<idStation>00743110157_01".to_owned(), "PAA_STAZIONE_INT_ERRATA"),
        ];
        for (row, from, to, code) in table {
            for message in [verify(&notice), get(&notice, ""), v1(&get(&notice, ""))] {
                assert_eq!(ask(world, message.replace(&from, &to)).await.outcome(), code, "row {row}");
            }
        }
    }

    async fn row_14_notice_numbers_of_another_form(world: &World) {
        for wrong in ["30200000000000015", " 302000000000000153", "3020000000000001AB", ""] {
            assert_eq!(ask(world, verify(wrong)).await.outcome(), "PAA_SINTASSI_EXTRAXSD", "{wrong:?}");
        }
    }

    async fn row_15_wrong_namespaces(world: &World) {
        let notice = number(&create(world, json!({})).await);
        let children = verify(&notice).replace("<qrCode>", "<pafn:qrCode>").replace("</qrCode>", "</pafn:qrCode>");
        let root = verify(&notice).replace("pa/paForNode.xsd", "pa/other.xsd");
        for message in [children, root] {
            assert_eq!(ask(world, message).await.outcome(), "PAA_SINTASSI_EXTRAXSD");
        }
    }

    async fn row_16_default_namespace_style(world: &World) {
        let notice = number(&create(world, json!({})).await);
        let ns = "http://pagopa-api.pagopa.gov.it/pa/paForNode.xsd";
        let fields = (head() + &qr(&notice)).replace("<idPA>", "<idPA xmlns=\"\">")
            .replace("<idBrokerPA>", "<idBrokerPA xmlns=\"\">")
            .replace("<idStation>", "<idStation xmlns=\"\">")
            .replace("<qrCode>", "<qrCode xmlns=\"\">");
        let message = format!(
            "<Envelope xmlns=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns:u=\"urn:unused\"><Body>\
             <paVerifyPaymentNoticeReq xmlns=\"{ns}\">{fields}</paVerifyPaymentNoticeReq></Body></Envelope>"
        );
        assert_eq!(ask(world, message).await.text, ask(world, verify(&notice)).await.text);
    }

    async fn row_17_document_types(world: &World) {
        let notice = number(&create(world, json!({})).await);
        let message = verify(&notice).replace(
            "?>\n",
            "?>\n<!DOCTYPE x [<!ENTITY a SYSTEM \"file:///etc/passwd\">]>\n",
        ).replace("<noticeNumber>", "<noticeNumber>&a;");
        let reply = world.soap(message).await;
        assert_eq!((reply.status, reply.element().name.as_str()), (500, "Fault"));
        assert!(!reply.text.contains("root:"));
    }

    async fn row_18_get_says_where_the_money_goes(world: &World) {
        let notice = create(world, json!({})).await;
        for message in [get(&number(&notice), ""), v1(&get(&number(&notice), ""))] {
            let reply = ask(world, message).await;
            assert_eq!(reply.outcome(), "OK");
            assert_eq!(reply.text_of("data/paymentAmount").as_deref(), Some("50.00"));
            assert_eq!(reply.text_of("data/dueDate").as_deref(), Some("2026-12-31"));
            let transfer = "data/transferList/transfer";
            assert_eq!(reply.text_of(&format!("{transfer}/idTransfer")).as_deref(), Some("1"));
            assert_eq!(reply.text_of(&format!("{transfer}/transferAmount")).as_deref(), Some("50.00"));
            assert_eq!(reply.text_of(&format!("{transfer}/IBAN")).as_deref(), Some(BANK));
            assert_eq!(reply.text_of(&format!("{transfer}/transferCategory")).as_deref(), Some("9/0107101TS/"));
        }
    }

    async fn row_19_postal(world: &World) {
        let whole = number(&create(world, json!({})).await);
        let split = number(&create(world, shared()).await);
        for notice in [whole, split] {
            let reply = ask(world, get(&notice, "<transferType>POSTAL</transferType>")).await;
            assert_eq!(reply.text_of("data/transferList/transfer/IBAN").as_deref(), Some(POSTAL));
        }
    }

    async fn row_20_pagopa(world: &World) {
        let notice = number(&create(world, json!({"transfers": [
            {"creditor": TOWN, "amount_cents": 4000},
            {"creditor": TOWN, "iban": POSTAL, "amount_cents": 1000},
        ]})).await);
        let reply = ask(world, get(&notice, "<transferType>PAGOPA</transferType>")).await;
        let list = reply.element().child("data").unwrap().child("transferList").unwrap().clone();
        assert_eq!(list.children.len(), 2);
        for transfer in &list.children {
            let entry = &transfer.child("metadata").unwrap().children[0];
            assert_eq!(entry.child("key").unwrap().text, "IBANAPPOGGIO");
            assert_eq!(entry.child("value").unwrap().text, POSTAL);
        }
    }

    async fn row_21_the_payers_amount_is_no_condition(world: &World) {
        let notice = number(&create(world, json!({})).await);
        let reply = ask(world, get(&notice, "<amount>11.00</amount>")).await;
        assert_eq!(reply.text_of("data/paymentAmount").as_deref(), Some("50.00"));
    }

    async fn row_22_the_amount_of_now(world: &World) {
        let notice = create(world, json!({})).await;
        ask(world, verify(&number(&notice))).await;
        let change = json!({"amount_cents": 5500, "due_on": "2027-01-31", "description": "Ricarica con mora"});
        let changed = act(world, "PATCH", &notice, "", change).await;
        assert_eq!(changed["amount_cents"], 5500);
        let reply = ask(world, get(&number(&notice), "")).await;
        for (path, text) in [
            ("data/paymentAmount", "55.00"),
            ("data/dueDate", "2027-01-31"),
            ("data/description", "Ricarica con mora"),
            ("data/transferList/transfer/transferAmount", "55.00"),
        ] {
            assert_eq!(reply.text_of(path).as_deref(), Some(text), "{path}");
        }
        // The last day moved with the due day.
        world.clock.advance_seconds(50 * 86_400);
        assert_eq!(ask(world, verify(&number(&notice))).await.outcome(), "OK");
    }

    async fn row_23_amounts_of_another_form(world: &World) {
        let notice = number(&create(world, json!({})).await);
        for wrong in ["10.0", "10", "10,00", "-10.00", "1e1", ""] {
            let reply = ask(world, get(&notice, &format!("<amount>{wrong}</amount>"))).await;
            assert_eq!(reply.outcome(), "PAA_SINTASSI_EXTRAXSD", "{wrong:?}");
        }
    }

    async fn row_24_a_date_with_an_offset(world: &World) {
        let notice = number(&create(world, json!({})).await);
        let reply = ask(world, get(&notice, "<dueDate>2025-05-13+02:00</dueDate>")).await;
        assert_eq!(reply.outcome(), "OK");
    }

    async fn row_25_several_beneficiaries(world: &World) {
        let notice = create(world, shared()).await;
        assert_eq!(notice["transfers"][1]["creditor"], CATERER);
        let iuv = notice["iuv"].as_str().unwrap();
        for (version, message) in [(2, get(&number(&notice), "")), (1, v1(&get(&number(&notice), "")))] {
            let reply = ask(world, message).await;
            let list = reply.element().child("data").unwrap().child("transferList").unwrap().clone();
            let told: Vec<[String; 6]> = list.children.iter().map(|transfer| {
                ["idTransfer", "transferAmount", "fiscalCodePA", "IBAN", "remittanceInformation", "transferCategory"]
                    .map(|name| transfer.child(name).unwrap().text.clone())
            }).collect();
            let line = |amount: &str, text: &str| format!("/RFB/{iuv}/{amount}/TXT/{text}");
            assert_eq!(told, [
                ["1", "48.00", TOWN, BANK, &line("48.00", "Ricarica mensa 50004"), "9/0107101TS/"],
                ["2", "2.00", CATERER, CATERERS, &line("2.00", "Pulizia refettorio"), "9/0107105TS/"],
            ].map(|row| row.map(str::to_owned)));
            let name = list.children[1].child("companyName").map(|name| name.text.clone());
            assert_eq!(name.as_deref(), (version == 2).then_some("Buona Tavola Ristorazione"));
        }
        // Not every account is a postal one.
        let reply = ask(world, verify(&number(&notice))).await;
        assert_eq!(reply.text_of("paymentList/paymentOptionDescription/allCCP").as_deref(), Some("false"));
    }

    async fn row_25_up_to_five_and_bodies_elsewhere(world: &World) {
        let elsewhere = json!({"creditor": "00743110157", "iban": "IT64Y0542811101000000123456", "amount_cents": 1000});
        let answer = world.rest("POST", "/notices", Some(order(json!({"transfers": [elsewhere]})))).await;
        assert_eq!(answer.json["errors"][0]["code"], "wrong_check_character", "{}", answer.json);
        let part = json!({"creditor": "00743110157", "iban": "IT25O0306909606100000012345", "amount_cents": 1000});
        let notice = create(world, json!({"transfers": [part, part, part, part, part]})).await;
        let reply = ask(world, get(&number(&notice), "")).await;
        let list = reply.element().child("data").unwrap().child("transferList").unwrap().clone();
        let ids: Vec<&str> = list.children.iter().map(|t| t.child("idTransfer").unwrap().text.as_str()).collect();
        assert_eq!(ids, ["1", "2", "3", "4", "5"]);
    }

    async fn shares_that_cannot_be_are_refused(world: &World) {
        let town = |cents: i64| json!({"creditor": TOWN, "amount_cents": cents});
        let table: Vec<(Value, &str, &str)> = vec![
            (json!([]), "transfers", "wrong_number"),
            (json!([town(1000), town(1000), town(1000), town(1000), town(500), town(500)]), "transfers", "wrong_number"),
            (json!([town(4800), town(201)]), "transfers", "wrong_sum"),
            (json!([town(5000), town(0)]), "transfers[1].amount_cents", "zero"),
            (json!([town(5001), town(-1)]), "transfers[1].amount_cents", "negative"),
            (json!([{"creditor": TOWN}]), "transfers[0].amount_cents", "required"),
            (json!([{"creditor": "7", "amount_cents": 5000}]), "transfers[0].creditor", "invalid_fiscal_code"),
            (json!([{"creditor": "00743110157", "amount_cents": 5000}]), "transfers[0].iban", "required"),
            (json!([{"creditor": TOWN, "iban": CATERERS, "amount_cents": 5000}]), "transfers[0].iban", "not_registered"),
            (json!([{"creditor": TOWN, "iban": "IT00", "amount_cents": 5000}]), "transfers[0].iban", "invalid_iban"),
            (json!([{"creditor": TOWN, "amount_cents": 5000, "category": "mensa"}]), "transfers[0].category", "invalid_category"),
            (json!([{"creditor": TOWN, "amount_cents": 5000, "description": "per Giulia Rossi"}]), "transfers[0].description", "personal_data"),
            (json!([{"creditor": TOWN, "amount_cents": 5000, "name": "x"}]), "transfers[0].name", "unknown_field"),
            (json!("all"), "transfers", "wrong_type"),
            (json!([7]), "transfers[0]", "wrong_type"),
        ];
        for (transfers, field, code) in table {
            let answer = world.rest("POST", "/notices", Some(order(json!({"transfers": transfers})))).await;
            assert_eq!(answer.status, 422, "{transfers}");
            let errors = answer.json["errors"].as_array().unwrap();
            assert!(
                errors.iter().any(|e| e["field"] == field && e["code"] == code),
                "{transfers}: {errors:?}"
            );
        }
        assert_eq!(world.count("debts").await, 0);
    }

    async fn row_26_long_texts_are_cut(world: &World) {
        let notice = create(world, json!({"metadata": {"plesso": "Scuola <A> & \"B\""}})).await;
        // As another program might have left them.
        let long = "àè<&>\"".repeat(60);
        let mut tx = world.app.desk().store().write().await.unwrap();
        sqlx::query("UPDATE debts SET description = $1, payer_name = $1, payer_address = $2")
            .bind(long.clone())
            .bind(json!({"street": long, "number": long, "postal_code": long, "city": long, "province": long}).to_string())
            .execute(&mut *tx)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let reply = ask(world, get(&number(&notice), "")).await;
        assert_eq!(reply.outcome(), "OK");
        for (path, limit) in [
            ("data/description", 140),
            ("data/debtor/fullName", 70),
            ("data/debtor/streetName", 70),
            ("data/debtor/civicNumber", 16),
            ("data/debtor/postalCode", 16),
            ("data/debtor/city", 35),
            ("data/debtor/stateProvinceRegion", 35),
        ] {
            let expected: String = long.chars().take(limit).collect();
            assert_eq!(reply.text_of(path), Some(expected), "{path}");
        }
        let remittance = reply.text_of("data/transferList/transfer/remittanceInformation").unwrap();
        assert_eq!(remittance.chars().count(), 140);
        assert_eq!(reply.text_of("data/metadata/mapEntry/value").as_deref(), Some("Scuola <A> & \"B\""));
        assert_eq!(ask(world, verify(&number(&notice))).await.outcome(), "OK");
    }

    async fn row_27_debtors_of_every_kind(world: &World) {
        let foreign = json!({"street": "Bahnhofstraße", "number": "1/A", "postal_code": "39100",
            "city": "Zürich", "province": "ZH", "country": "CH"});
        for (code, kind) in [("RSSMRA80A01H501U", "F"), ("00662780162", "G")] {
            let payer = json!({"name": "Ente & Co", "fiscal_code": code, "email": "a@example.org", "address": foreign});
            let notice = create(world, json!({"payer": payer})).await;
            assert_eq!(notice["payer"]["address"], foreign);
            let reply = ask(world, get(&number(&notice), "")).await;
            let debtor = "data/debtor";
            for (path, text) in [
                ("uniqueIdentifier/entityUniqueIdentifierType", kind),
                ("uniqueIdentifier/entityUniqueIdentifierValue", code),
                ("streetName", "Bahnhofstraße"),
                ("country", "CH"),
            ] {
                assert_eq!(reply.text_of(&format!("{debtor}/{path}")).as_deref(), Some(text), "{path}");
            }
        }
        // A country or an address of another form never comes so far.
        for (field, value) in [("email", json!("no address")), ("address", json!({"country": "ch"}))] {
            let mut payer = json!({"name": "M", "fiscal_code": "RSSMRA80A01H501U", "email": "a@example.org"});
            payer[field] = value;
            let answer = world.rest("POST", "/notices", Some(order(json!({"payer": payer})))).await;
            assert_eq!(answer.status, 422);
        }
    }

    async fn row_43_no_lock_while_somebody_pays(world: &World) {
        let notice = number(&create(world, json!({})).await);
        let before = ask(world, verify(&notice)).await.text;
        assert_eq!(ask(world, get(&notice, "")).await.outcome(), "OK");
        assert_eq!(ask(world, verify(&notice)).await.text, before);
        assert_eq!(ask(world, get(&notice, "")).await.outcome(), "OK");
    }

    async fn a_demand_opens_a_top_up(world: &World) {
        let data = service(
            "<amount>12.50</amount><childCode>70001</childCode>\
             <childFiscalCode>RSSGLI16A41F205M</childFiscalCode><childName>Giulia Rossi</childName>\
             <payerName>Mario Rossi</payerName><payerFiscalCode>RSSMRA80A01H501U</payerFiscalCode>\
             <payerEmail>mario@example.org</payerEmail><description>per Giulia Rossi</description>",
        );
        let reply = ask(world, demand(&data)).await;
        assert_eq!(reply.outcome(), "OK");
        assert_eq!(reply.text_of("qrCode/fiscalCode").as_deref(), Some(TOWN));
        assert_eq!(reply.text_of("paymentList/paymentOptionDescription/amount").as_deref(), Some("12.50"));
        // Nothing of the people is told.
        assert_eq!(reply.text_of("paymentDescription").as_deref(), Some("Mensa scolastica 70001"));
        let notice = reply.text_of("qrCode/noticeNumber").unwrap();
        // The answer was lost, and the node asks again: the same notice.
        assert_eq!(ask(world, demand(&data)).await.text, reply.text);
        assert_eq!(ask(world, verify(&notice)).await.outcome(), "OK");
        ask(world, receipt(&notice, "r-1", "12.50")).await;
        world.run_jobs().await;
        assert_eq!(world.balance_entries("70001").await, [1_250]);
        // A child that is known needs no more than its codes; what is paid is not offered again.
        let short = service(
            "<amount>12.50</amount><childCode>70001</childCode>\
             <childFiscalCode>RSSGLI16A41F205M</childFiscalCode>",
        );
        let again = ask(world, demand(&short)).await;
        assert_eq!(again.outcome(), "OK");
        assert_ne!(again.text_of("qrCode/noticeNumber").unwrap(), notice);
    }

    async fn a_demand_that_cannot_be_met_opens_nothing(world: &World) {
        create(world, json!({})).await;
        let full = "<amount>12.50</amount><childCode>50004</childCode>\
            <childFiscalCode>RSSGLI16A41F205M</childFiscalCode>";
        let table = [
            (demand("not xml"), "PAA_SINTASSI_XSD"),
            (demand("<service><amount>1.00</amount></service>"), "PAA_SINTASSI_XSD"),
            // A whole number could be euro or cents.
            (demand(&service(&full.replace("12.50", "100"))), "PAA_SINTASSI_XSD"),
            (demand(&service(&format!("{full}<surprise/>"))), "PAA_SINTASSI_XSD"),
            (demand(&service(&full.replace("A41F205M", "A41F205K"))), "PAA_SINTASSI_XSD"),
            (demand(&service(&full.replace("12.50", "0.50"))), "PAA_SEMANTICA"),
            (demand(&service(&full.replace("12.50", "500.01"))), "PAA_SEMANTICA"),
            // Nobody tops up for a stranger, and nothing is told of who has the code.
            (demand(&service(&full.replace("RSSGLI16A41F205M", "RSSMRA80A01H501U"))), "PAA_PAGAMENTO_SCONOSCIUTO"),
            (demand(&service(&full.replace("50004", "50005"))), "PAA_SEMANTICA"),
            (demand(&service(full)).replace("00035", "00036"), "PAA_SEMANTICA"),
            (demand(&service(full)).replace("00035", "0003"), "PAA_SINTASSI_EXTRAXSD"),
            (demand(&service(full)).replace(&format!("<idPA>{TOWN}"), &format!("<idPA>{CATERER}")), "PAA_SEMANTICA"),
            (demand(&service(full)).replace(&format!("<idPA>{TOWN}"), "<idPA>00743110157"), "PAA_ID_DOMINIO_ERRATO"),
            (demand(&service(full)).replace(&format!("<idStation>{STATION}"), "<idStation>x"), "PAA_STAZIONE_INT_ERRATA"),
        ];
        for (message, code) in table {
            assert_eq!(ask(world, message.clone()).await.outcome(), code, "{message}");
        }
        assert_eq!(world.count("debts").await, 1);
    }
}
