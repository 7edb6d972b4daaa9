//! Invoices: one by one, and a month of them in a file.

use std::fmt::Write as _;

use axum::body::Body;
use axum::http::Request;
use pagomensa::job::Progress;
use serde_json::{Value, json};

use crate::engines::engines;
use crate::world::{Answer, World, receipt, verify};

fn invoice() -> Value {
    json!({
        "kind": "invoice", "service": "refezione", "external_id": "F-50004-2026-10",
        "child": {"code": "50004", "name": "Giulia Rossi", "fiscal_code": "RSSGLI16A41F205M"},
        "payer": {"name": "Mario Rossi", "fiscal_code": "RSSMRA80A01H501U",
                  "email": "mario@example.org"},
        "amount_cents": 850, "due_on": "2026-12-31", "period": "2026-10",
        "lines": [
            {"on": "2026-10-01", "description": "Pranzo", "quantity": 2, "unit_cents": 450},
            {"on": "2026-10-02", "description": "Storno", "quantity": 1, "unit_cents": -50}
        ]
    })
}

/// A month of invoices as a spreadsheet of this separator saves it.
pub fn sheet(count: usize, separator: char) -> String {
    let head = "id_esterno;servizio;codice_bambino;nome_bambino;cf_bambino;nome_pagatore;\
        cf_pagatore;email_pagatore;importo;periodo;pasti;prezzo;scadenza";
    let mut text = format!("{head}\n");
    for place in 0..count {
        writeln!(
            text,
            "F{place};refezione;{place};Niccolò Rossi;RSSGLI16A41F205M;Mario Rossi;\
             RSSMRA80A01H501U;mario@example.org;\"90,00\";10/2026;20;\"4,50\";31/12/2026"
        )
        .unwrap();
    }
    text.replace(';', &separator.to_string())
}

async fn send(world: &World, query: &str, media: &str, bytes: impl Into<Body>) -> Answer {
    let request = Request::post(format!("/api/v1/notices/batch{query}"))
        .header("authorization", format!("Bearer {}", world.town_key))
        .header("content-type", media)
        .body(bytes.into())
        .unwrap();
    world.web(request).await
}

async fn bring_in(world: &World) {
    while (world.job("batches").run)().await.unwrap() == Progress::More {}
}

async fn batch(world: &World, id: &Value) -> Value {
    let path = format!("/notices/batches/{}", id.as_str().unwrap());
    world.rest("GET", &path, None).await.json
}

async fn rows(world: &World, id: &Value, state: &str) -> Vec<Value> {
    let path = format!(
        "/notices/batches/{}/rows?state={state}&limit=200",
        id.as_str().unwrap()
    );
    let answer = world.rest("GET", &path, None).await;
    answer.json["data"].as_array().unwrap().clone()
}

fn counts(total: i64, done: i64, created: i64, unchanged: i64, refused: i64) -> Value {
    json!({"total": total, "done": done, "created": created, "unchanged": unchanged,
           "refused": refused})
}

engines! {
    async fn an_invoice_is_kept_with_its_lines_and_paid(world: &World) {
        let answer = world.rest("POST", "/notices", Some(invoice())).await;
        assert_eq!(answer.status, 201, "{}", answer.json);
        assert_eq!(answer.json["description"], "Mensa scolastica 50004 10/2026");
        let notice = world.notice(&answer.json["id"]).await;
        assert_eq!(notice["kind"], "invoice");
        assert_eq!(notice["period"], "2026-10");
        assert_eq!(notice["lines"], invoice()["lines"]);
        let again = world.rest("POST", "/notices", Some(invoice())).await;
        assert_eq!((again.status, &again.json["id"]), (200, &notice["id"]));
        world.top_up().await;
        let list = world.rest("GET", "/notices?kind=invoice", None).await.json;
        assert_eq!(list["data"].as_array().unwrap().len(), 1);
        let number = notice["notice_number"].as_str().unwrap();
        assert_eq!(world.soap(verify(number)).await.outcome(), "OK");
        assert_eq!(world.soap(receipt(number, "r1", "8.50")).await.outcome(), "OK");
        assert_eq!(world.notice(&notice["id"]).await["state"], "paid");
        world.run_jobs().await;
        assert_eq!(world.balance_entries("50004").await, [850]);
    }

    async fn an_invoice_that_is_wrong_says_where(world: &World) {
        let table = [
            ("/amount_cents", json!(851), "lines", "wrong_sum"),
            ("/period", json!("2026-13"), "period", "invalid_period"),
            ("/period", Value::Null, "period", "required"),
            ("/lines", Value::Null, "lines", "required"),
            ("/lines", json!([]), "lines", "wrong_number"),
            ("/lines", json!("x"), "lines", "wrong_type"),
            ("/lines/0/quantity", json!(0), "lines[0].quantity", "invalid_number"),
            ("/lines/0/quantity", json!(1.5), "lines[0].quantity", "wrong_type"),
            ("/lines/0/unit_cents", json!(i64::MAX), "lines[0].unit_cents", "too_large"),
            ("/lines/0/on", json!("1/10/2026"), "lines[0].on", "invalid_day"),
            ("/lines/0/description", json!("Pranzo di Giulia Rossi"), "lines[0].description", "personal_data"),
            ("/lines/0/size", json!(1), "lines[0].size", "unknown_field"),
            ("/kind", json!("top_up"), "lines", "unknown_field"),
        ];
        for (place, value, field, code) in table {
            let mut order = invoice();
            match order.pointer_mut(place) {
                Some(at) => *at = value.clone(),
                None => order["lines"][0]["size"] = value.clone(),
            }
            let answer = world.rest("POST", "/notices", Some(order)).await;
            assert_eq!(answer.status, 422, "{place} {value}");
            let errors = answer.json["errors"].as_array().unwrap();
            let is_told = errors.iter().any(|e| e["field"] == field && e["code"] == code);
            assert!(is_told, "{place} {value}: {}", answer.json);
        }
        assert_eq!(world.count("debts").await, 0);
        let made = world.rest("POST", "/notices", Some(invoice())).await.json;
        let path = format!("/notices/{}", made["id"].as_str().unwrap());
        let changed = world.rest("PATCH", &path, Some(json!({"amount_cents": 900}))).await;
        assert_eq!(changed.status, 422);
        assert_eq!(changed.json["errors"][0]["field"], "amount_cents");
    }

    async fn a_month_comes_in_a_file_and_once(world: &World) {
        let mut text = sheet(450, ';');
        // A row that is wrong in three ways, on line 452.
        text.push_str("G1;refezione;9;Anna;RSSGLI16A41F205X;Mario Rossi;RSSMRA80A01H501U;\
            nobody;9x,00;10/2026;20;4,50;31/12/2026\n");
        let trial = send(world, "?dry_run=true", "text/csv", text.clone()).await;
        assert_eq!(trial.status, 200, "{}", trial.json);
        assert_eq!(trial.json["rows"], counts(451, 451, 450, 0, 1));
        assert_eq!((world.count("debts").await, world.count("notice_batches").await), (0, 0));

        let sent = send(world, "?name=ottobre.csv", "text/csv; charset=utf-8", text.clone()).await;
        assert_eq!(sent.status, 201, "{}", sent.json);
        let id = &sent.json["id"];
        assert_eq!(sent.json["rows"], counts(451, 0, 0, 0, 0));
        bring_in(world).await;
        let done = batch(world, id).await;
        assert_eq!((&done["state"], &done["name"]), (&json!("done"), &json!("ottobre.csv")));
        assert_eq!(done["rows"], counts(451, 451, 450, 0, 1));
        let refused = rows(world, id, "refused").await;
        assert_eq!(refused.len(), 1);
        assert_eq!((&refused[0]["line"], &refused[0]["external_id"]), (&json!(452), &json!("G1")));
        let told: Vec<(&str, &str)> = refused[0]["errors"].as_array().unwrap().iter()
            .map(|e| (e["column"].as_str().unwrap(), e["code"].as_str().unwrap())).collect();
        assert_eq!(told, [("importo", "invalid_amount"), ("cf_bambino", "wrong_check_character"),
            ("email_pagatore", "invalid_email")]);
        let created = rows(world, id, "created").await;
        let notice = world.notice(&created[0]["notice"]).await;
        assert_eq!(notice["external_id"], "F0");
        assert_eq!(notice["amount_cents"], 9_000);
        assert_eq!(notice["lines"][0], json!({"on": "2026-10-31", "description": "Pasti 10/2026",
            "quantity": 20, "unit_cents": 450}));

        // The same file is the same batch; other files bring only what is new.
        let again = send(world, "", "text/csv", text).await;
        assert_eq!((again.status, &again.json["id"]), (200, id));
        let longer = send(world, "", "text/csv", sheet(460, ';')).await;
        assert_eq!(longer.status, 201);
        bring_in(world).await;
        assert_eq!(batch(world, &longer.json["id"]).await["rows"], counts(460, 460, 10, 450, 0));
        assert_eq!(world.count("debts").await, 460);
    }

    async fn tables_of_all_kinds_are_one(world: &World) {
        let text = sheet(3, ';');
        let latin: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
        let english = sheet(3, ',').replacen(
            "id_esterno,servizio,codice_bambino,nome_bambino,cf_bambino,nome_pagatore,cf_pagatore,\
             email_pagatore,importo,periodo,pasti,prezzo,scadenza",
            "External ID,Service,Child code,Child name,Child fiscal code,Payer name,\
             Payer fiscal code,Payer email,Amount,Period,Meals,Unit price,Due on", 1);
        let iso = text.replace("31/12/2026", "2026-12-31").replace("10/2026", "2026-10");
        for bytes in [
            text.clone().into_bytes(),
            [b"\xEF\xBB\xBF", text.as_bytes()].concat(),
            latin,
            sheet(3, '\t').into_bytes(),
            english.into_bytes(),
            iso.into_bytes(),
            text.replace('\n', "\r\n").into_bytes(),
        ] {
            let sent = send(world, "", "text/csv", bytes).await;
            assert_eq!(sent.status, 201, "{}", sent.json);
            bring_in(world).await;
            let rows = &batch(world, &sent.json["id"]).await["rows"];
            assert_eq!((&rows["done"], &rows["refused"]), (&json!(3), &json!(0)));
        }
        // In whatever way they were written, they were the same three.
        assert_eq!(world.count("debts").await, 3);
    }

    async fn files_that_are_no_list_are_refused_whole(world: &World) {
        let wrong_head = sheet(1, ';').replace("importo", "totale");
        let table: [(&str, Vec<u8>, u16, &str); 9] = [
            ("text/csv", wrong_head.into_bytes(), 422, "wrong_columns"),
            ("text/csv", b"".to_vec(), 422, "empty_file"),
            ("text/csv", sheet(0, ';').into_bytes(), 422, "empty_file"),
            ("text/csv", sheet(10_001, ';').into_bytes(), 422, "too_many_rows"),
            ("application/json", b"[{".to_vec(), 400, "malformed_json"),
            ("application/json", b"{}".to_vec(), 422, "invalid_fields"),
            ("application/json", b"[]".to_vec(), 422, "empty_file"),
            ("application/x-ndjson", b"\n".to_vec(), 422, "empty_file"),
            ("application/pdf", b"%PDF".to_vec(), 415, "unsupported_media_type"),
        ];
        for (media, bytes, status, code) in table {
            let answer = send(world, "", media, bytes).await;
            assert_eq!((answer.status, answer.json["code"].as_str()), (status, Some(code)), "{}", answer.json);
            if code == "wrong_columns" {
                let detail = answer.json["detail"].as_str().unwrap();
                assert!(detail.starts_with("missing: importo; unknown: totale; expected: id_esterno/external_id, "), "{detail}");
            }
        }
        assert_eq!(world.count("notice_batches").await, 0);
    }

    async fn a_list_of_requests_is_read_row_by_row(world: &World) {
        let mut other = invoice();
        other["amount_cents"] = json!(900);
        other["lines"].as_array_mut().unwrap().pop();
        let mut bare = invoice();
        bare.as_object_mut().unwrap().remove("external_id");
        let list = json!([invoice(), invoice(), other, bare, "x"]);
        let sent = send(world, "", "application/json", list.to_string()).await;
        assert_eq!(sent.status, 201, "{}", sent.json);
        bring_in(world).await;
        assert_eq!(batch(world, &sent.json["id"]).await["rows"], counts(5, 5, 1, 1, 3));
        let refused = rows(world, &sent.json["id"], "refused").await;
        let codes: Vec<&Value> = refused.iter().map(|row| &row["errors"][0]["code"]).collect();
        assert_eq!(codes, ["external_id_conflict", "required", "wrong_type"]);
        let lines = format!("{}\n\n{{\n{}\n", invoice(), world_top_up());
        let sent = send(world, "", "application/x-ndjson", lines).await;
        bring_in(world).await;
        assert_eq!(batch(world, &sent.json["id"]).await["rows"], counts(3, 3, 1, 1, 1));
        let refused = rows(world, &sent.json["id"], "refused").await;
        assert_eq!((&refused[0]["line"], &refused[0]["errors"][0]["code"]), (&json!(3), &json!("malformed_json")));
        // Nobody else's.
        let path = format!("/api/v1/notices/batches/{}", sent.json["id"].as_str().unwrap());
        let request = Request::get(path)
            .header("authorization", format!("Bearer {}", world.caterer_key))
            .body(Body::empty())
            .unwrap();
        assert_eq!(world.web(request).await.status, 404);
    }
}

fn world_top_up() -> Value {
    let mut order = crate::world::top_up();
    order["external_id"] = json!("T1");
    order
}
