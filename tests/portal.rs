//! The REST door: notices, keys, problems, and the document that describes them.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use crate::engines::engines;
use crate::world::{Answer, World, get, receipt, top_up, verify};

/// The fields and codes of a problem's errors, in order.
fn errors(answer: &Answer) -> Vec<(String, String)> {
    assert_eq!(
        answer.headers["content-type"], "application/problem+json",
        "{}",
        answer.json
    );
    answer.json["errors"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|error| {
            assert!(!error["message"].as_str().unwrap().is_empty());
            (
                error["field"].as_str().unwrap().to_owned(),
                error["code"].as_str().unwrap().to_owned(),
            )
        })
        .collect()
}

/// A request as it is, with a key.
fn raw(world: &World, content_type: &str, body: impl Into<Body>) -> Request<Body> {
    Request::post("/api/v1/notices")
        .header("authorization", format!("Bearer {}", world.town_key))
        .header("content-type", content_type)
        .body(body.into())
        .unwrap()
}

/// The same request with an Idempotency-Key.
fn keyed(world: &World, key: &str, path: &str, body: &Value) -> Request<Body> {
    Request::post(format!("/api/v1{path}"))
        .header("authorization", format!("Bearer {}", world.town_key))
        .header("content-type", "application/json")
        .header("idempotency-key", key)
        .body(Body::from(body.to_string()))
        .unwrap()
}

/// `top_up()` with fields set (or, with null, removed) by JSON pointer.
fn changed(changes: &[(&str, Value)]) -> Value {
    let mut body = top_up();
    for (pointer, value) in changes {
        let (parent, field) = pointer.rsplit_once('/').unwrap();
        let parent = if parent.is_empty() {
            &mut body
        } else {
            body.pointer_mut(parent).unwrap()
        };
        let parent = parent.as_object_mut().unwrap();
        match value {
            Value::Null => {
                parent.remove(field);
            }
            value => {
                parent.insert(field.to_owned(), value.clone());
            }
        }
    }
    body
}

engines! {
    async fn a_notice_is_created_read_listed_and_cancelled(world: &World) {
        let body = changed(&[("/external_id", json!("TU-1"))]);
        let created = world.rest("POST", "/notices", Some(body.clone())).await;
        assert_eq!(created.status, 201, "{}", created.json);
        let notice = created.json;
        assert_eq!(created.headers["location"], format!("/api/v1/notices/{}", notice["id"].as_str().unwrap()));
        for (field, value) in body.as_object().unwrap() {
            assert_eq!(&notice[field], value, "{field}");
        }
        assert_eq!(notice["state"], "open");
        assert_eq!(notice["created_at"], crate::world::NOW);
        let number = notice["notice_number"].as_str().unwrap();
        assert_eq!(number.len(), 18);
        assert_eq!(&number[1..], notice["iuv"].as_str().unwrap());

        assert_eq!(world.notice(&notice["id"]).await, notice);
        let list = world.rest("GET", "/notices?child=50004&state=open&kind=top_up", None).await;
        assert_eq!(list.json, json!({"data": [notice], "next_cursor": null}));

        let path = format!("/notices/{}/cancel", notice["id"].as_str().unwrap());
        for _ in 0..2 {
            let cancelled = world.rest("POST", &path, None).await;
            assert_eq!((cancelled.status, &cancelled.json["state"]), (200, &json!("cancelled")));
        }
        assert_eq!(world.notice(&notice["id"]).await["state"], "cancelled");
        let open = world.rest("GET", "/notices?state=open", None).await;
        assert_eq!(open.json["data"], json!([]));
    }

    async fn what_is_left_out_has_sensible_defaults(world: &World) {
        let body = changed(&[("/due_on", Value::Null), ("/description", Value::Null)]);
        let created = world.rest("POST", "/notices", Some(body)).await;
        assert_eq!(created.json["due_on"], "2026-12-20");
        assert_eq!(created.json["description"], "Mensa scolastica 50004");
        assert_eq!(created.json["external_id"], Value::Null);
    }

    async fn fiscal_codes_are_raised_and_omocodia_is_accepted(world: &World) {
        let body = changed(&[
            ("/child/fiscal_code", json!("RSSMRA55S17H50MO")),
            ("/payer/fiscal_code", json!("00662780162")),
        ]);
        assert_eq!(world.rest("POST", "/notices", Some(body)).await.status, 201);
        let body = changed(&[("/child/fiscal_code", json!("rssgli16a41f205m"))]);
        let created = world.rest("POST", "/notices", Some(body)).await;
        assert_eq!(created.json["child"]["fiscal_code"], "RSSGLI16A41F205M");
    }

    async fn each_wrong_field_has_its_code_and_nothing_is_written(world: &World) {
        let long = |n: usize| json!("x".repeat(n));
        let table = [
            ("/kind", json!("loan"), "kind", "not_offered"),
            ("/kind", json!(1), "kind", "wrong_type"),
            ("/service", json!("bus"), "service", "not_offered"),
            ("/amount_cents", json!(0), "amount_cents", "zero"),
            ("/amount_cents", json!(-1), "amount_cents", "negative"),
            ("/amount_cents", json!(i64::MIN), "amount_cents", "negative"),
            ("/amount_cents", json!(100_000_000_000_i64), "amount_cents", "too_large"),
            ("/amount_cents", json!(u64::MAX), "amount_cents", "too_large"),
            ("/amount_cents", json!(99), "amount_cents", "below_minimum"),
            ("/amount_cents", json!(50_001), "amount_cents", "above_maximum"),
            ("/amount_cents", json!(50.5), "amount_cents", "wrong_type"),
            ("/amount_cents", json!("5000"), "amount_cents", "wrong_type"),
            ("/amount_cents", json!(true), "amount_cents", "wrong_type"),
            ("/amount_cents", Value::Null, "amount_cents", "required"),
            ("/description", long(141), "description", "too_long"),
            ("/description", json!("a\u{0}b"), "description", "illegal_characters"),
            ("/description", json!("a\nb"), "description", "illegal_characters"),
            ("/description", json!("  "), "description", "required"),
            ("/external_id", long(71), "external_id", "too_long"),
            ("/external_id", json!(17), "external_id", "wrong_type"),
            ("/child", json!([]), "child", "wrong_type"),
            ("/child/code", long(36), "child.code", "too_long"),
            ("/child/name", long(71), "child.name", "too_long"),
            ("/child/fiscal_code", json!("RSSGLI16A41F205K"), "child.fiscal_code", "wrong_check_character"),
            ("/child/fiscal_code", json!("ROSSI"), "child.fiscal_code", "invalid_fiscal_code"),
            ("/payer/fiscal_code", json!("00662780163"), "payer.fiscal_code", "wrong_check_character"),
            ("/payer/email", json!("mario"), "payer.email", "invalid_email"),
            ("/payer/email", Value::Null, "payer.email", "required"),
            ("/payer/name", json!({}), "payer.name", "wrong_type"),
            ("/due_on", json!("2026-11-19"), "due_on", "in_the_past"),
            ("/due_on", json!("2026-02-30"), "due_on", "invalid_day"),
            ("/due_on", json!("31/12/2026"), "due_on", "invalid_day"),
            ("/publish_on", json!("2027-01-01"), "publish_on", "after_due_day"),
            ("/surprise", json!(1), "surprise", "unknown_field"),
            ("/child/surprise", json!(1), "child.surprise", "unknown_field"),
        ];
        for (pointer, value, field, code) in table {
            let answer = world.rest("POST", "/notices", Some(changed(&[(pointer, value.clone())]))).await;
            assert_eq!(answer.status, 422, "{pointer} {value}");
            let found = errors(&answer);
            assert!(
                found.contains(&(field.to_owned(), code.to_owned())),
                "{pointer} {value}: {found:?}"
            );
        }
        for table in ["debts", "notice_sequences", "idempotency_keys"] {
            assert_eq!(world.count(table).await, 0, "{table}");
        }
    }

    async fn every_wrong_field_is_reported_at_once(world: &World) {
        let answer = world.rest("POST", "/notices", Some(json!({"amount_cents": -5, "payer": {}}))).await;
        let fields: BTreeSet<String> = errors(&answer).into_iter().map(|(field, _)| field).collect();
        let expected = [
            "kind", "service", "child.code", "child.name", "child.fiscal_code", "payer.name",
            "payer.fiscal_code", "payer.email", "amount_cents",
        ];
        assert_eq!(fields, expected.into_iter().map(str::to_owned).collect());
        assert_eq!(answer.json["code"], "invalid_fields");
        assert_eq!(answer.json["status"], 422);
    }

    async fn what_is_not_a_request_is_refused_in_kind(world: &World) {
        let good = top_up().to_string();
        let large = json!({"description": "x".repeat(300 * 1024)}).to_string();
        let table = [
            (raw(world, "application/json", "{"), 400, "malformed_json"),
            (raw(world, "application/json", ""), 400, "malformed_json"),
            (raw(world, "application/json", vec![b'"', 0xFF, b'"']), 400, "malformed_json"),
            (raw(world, "application/json", "[]"), 422, "invalid_fields"),
            (raw(world, "application/json", "null"), 422, "invalid_fields"),
            (raw(world, "text/plain", good.clone()), 415, "unsupported_media_type"),
            (raw(world, "application/x-www-form-urlencoded", good), 415, "unsupported_media_type"),
            (raw(world, "application/json", large), 413, "body_too_large"),
        ];
        for (request, status, code) in table {
            let answer = world.web(request).await;
            assert_eq!((answer.status, &answer.json["code"]), (status, &json!(code)));
            errors(&answer);
        }
        let deep = "[".repeat(100_000);
        assert_eq!(world.web(raw(world, "application/json", deep)).await.status, 400);
        assert_eq!(world.count("debts").await, 0);
    }

    async fn messages_follow_the_language(world: &World) {
        let request = |language: &str| {
            Request::get("/api/v1/notices/none")
                .header("authorization", format!("Bearer {}", world.town_key))
                .header("accept-language", language)
                .body(Body::empty())
                .unwrap()
        };
        assert_eq!(world.web(request("it")).await.json["title"], "Non trovato.");
        assert_eq!(world.web(request("en-GB")).await.json["title"], "Not found.");
    }

    async fn without_a_good_key_every_route_is_closed(world: &World) {
        let routes = [
            ("POST", "/api/v1/notices"),
            ("GET", "/api/v1/notices"),
            ("GET", "/api/v1/notices/{id}"),
            ("PATCH", "/api/v1/notices/{id}"),
            ("POST", "/api/v1/notices/{id}/cancel"),
            ("POST", "/api/v1/notices/{id}/paid-elsewhere"),
            ("GET", "/api/v1/notices/{id}/pdf"),
            ("GET", "/api/v1/payments"),
            ("GET", "/api/v1/payments/{id}"),
            ("GET", "/api/v1/payments/{id}/receipt.pdf"),
            ("POST", "/api/v1/checkouts"),
            ("POST", "/api/v1/top-up-links"),
            ("GET", "/api/v1/checkouts/{id}"),
            ("POST", "/api/v1/notices/batch"),
            ("GET", "/api/v1/notices/batches/{id}"),
            ("GET", "/api/v1/notices/batches/{id}/rows"),
            ("GET", "/api/v1/notices/batches/{id}/rows.csv"),
            ("GET", "/api/v1/exceptions"),
            ("GET", "/api/v1/exchanges"),
            ("GET", "/api/v1/exchanges/{id}"),
            ("GET", "/api/v1/receipt-hunts"),
            ("GET", "/api/v1/events"),
            ("POST", "/api/v1/webhook-endpoints"),
            ("GET", "/api/v1/webhook-endpoints"),
            ("GET", "/api/v1/webhook-endpoints/{id}"),
            ("PATCH", "/api/v1/webhook-endpoints/{id}"),
            ("DELETE", "/api/v1/webhook-endpoints/{id}"),
            ("POST", "/api/v1/webhook-endpoints/{id}/rotate-secret"),
            ("GET", "/api/v1/statements/children/{code}"),
            ("GET", "/api/v1/statements/payers/{fiscal_code}"),
            ("GET", "/api/v1/statements/payers/{fiscal_code}/years/{year}"),
            ("GET", "/api/v1/webhook-deliveries"),
            ("POST", "/api/v1/webhook-deliveries/{id}/resend"),
        ];
        // Every route of the document stands in this table: a new one does not pass unseen.
        let document = world.web(Request::get("/api/v1/openapi.json").body(Body::empty()).unwrap()).await.json;
        let described: BTreeSet<(String, String)> = document["paths"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(path, methods)| {
                methods.as_object().unwrap().keys().map(|m| (m.to_uppercase(), path.clone()))
            })
            .collect();
        assert_eq!(described, routes.map(|(m, p)| (m.to_owned(), p.to_owned())).into());
        let mut wrong_secret = world.town_key.clone();
        wrong_secret.pop();
        wrong_secret.push(if world.town_key.ends_with('0') { '1' } else { '0' });
        let keys = [
            None,
            Some("Bearer".to_owned()),
            Some("Bearer ".to_owned()),
            Some("Bearer pm_0000000000000000_00".to_owned()),
            Some(format!("Bearer {wrong_secret}")),
            Some(format!("Basic {}", world.town_key)),
            Some(format!("Bearer {}", &world.town_key[..19])),
        ];
        for (method, path) in routes {
            for key in &keys {
                let mut request = Request::builder().method(method).uri(path.replace(['{', '}'], ""));
                if let Some(key) = key {
                    request = request.header("authorization", key);
                }
                let answer = world.web(request.body(Body::empty()).unwrap()).await;
                assert_eq!(answer.status, 401, "{method} {path} {key:?}");
                assert_eq!(answer.json["code"], "unauthorized");
                assert!(answer.headers.contains_key("www-authenticate"));
            }
        }
    }

    async fn a_key_opens_what_its_scopes_say(world: &World) {
        use pagomensa::desk::keys::{NewKey, Scope, create};
        use pagomensa::domain::party::CreditorCode;
        let desk = world.app.desk();
        let key = async |creditor: &str, scopes: &[Scope]| {
            let creditor = CreditorCode::parse(creditor).unwrap();
            let new = NewKey { creditor: &creditor, name: "narrow", scopes };
            create(desk.store(), desk.ids(), &new, world.clock.now()).await.unwrap()
        };
        let call = async |key: &str, method: &str, path: &str| {
            let request = Request::builder()
                .method(method)
                .uri(path)
                .header("authorization", format!("Bearer {key}"))
                .header("content-type", "application/json")
                .body(Body::from(top_up().to_string()))
                .unwrap();
            let answer = world.web(request).await;
            (answer.status, answer.json["code"].as_str().map(str::to_owned))
        };
        let reader = key(crate::world::TOWN, &[Scope::NoticesRead]).await;
        assert_eq!(call(&reader, "GET", "/api/v1/notices").await, (200, None));
        for (method, path) in [("POST", "/api/v1/notices"), ("POST", "/api/v1/notices/x/cancel"), ("GET", "/api/v1/exceptions"), ("GET", "/api/v1/payments"), ("GET", "/api/v1/payments/x/receipt.pdf"), ("GET", "/api/v1/exchanges"), ("GET", "/api/v1/exchanges/x")] {
            assert_eq!(call(&reader, method, path).await, (403, Some("missing_scope".to_owned())), "{path}");
        }
        let stranger = key("00000000000", &Scope::ALL).await;
        assert_eq!(call(&stranger, "GET", "/api/v1/notices").await, (403, Some("unknown_creditor".to_owned())));
        // A revoked key is no key.
        let mut tx = desk.store().write().await.unwrap();
        assert!(pagomensa::store::keys::revoke(&mut tx, &reader[3..19], world.clock.now()).await.unwrap());
        tx.commit().await.unwrap();
        assert_eq!(call(&reader, "GET", "/api/v1/notices").await, (401, Some("unauthorized".to_owned())));
    }

    async fn one_creditor_never_sees_the_other(world: &World) {
        let notice = world.top_up().await;
        let id = notice["id"].as_str().unwrap();
        let as_caterer = |method: &str, path: String| {
            Request::builder()
                .method(method)
                .uri(path)
                .header("authorization", format!("Bearer {}", world.caterer_key))
                .body(Body::empty())
                .unwrap()
        };
        for request in [
            as_caterer("GET", format!("/api/v1/notices/{id}")),
            as_caterer("POST", format!("/api/v1/notices/{id}/cancel")),
        ] {
            assert_eq!(world.web(request).await.status, 404);
        }
        for query in ["", "?child=50004", "?state=open", "?kind=top_up"] {
            let list = world.web(as_caterer("GET", format!("/api/v1/notices{query}"))).await;
            assert_eq!(list.json["data"], json!([]), "{query}");
        }
        assert_eq!(world.notice(&notice["id"]).await["state"], "open");
    }

    async fn the_same_key_gives_the_first_answer_again(world: &World) {
        let body = top_up();
        let first = world.web(keyed(world, "k-1", "/notices", &body)).await;
        assert_eq!(first.status, 201);
        let again = world.web(keyed(world, "\"k-1\"", "/notices", &body)).await;
        assert_eq!((again.status, &again.json), (201, &first.json));
        assert_eq!(world.count("debts").await, 1);

        let other = changed(&[("/amount_cents", json!(1_000))]);
        let conflict = world.web(keyed(world, "k-1", "/notices", &other)).await;
        assert_eq!((conflict.status, &conflict.json["code"]), (422, &json!("idempotency_conflict")));
        let path = format!("/notices/{}/cancel", first.json["id"].as_str().unwrap());
        let elsewhere = world.web(keyed(world, "k-1", &path, &body)).await;
        assert_eq!(elsewhere.json["code"], "idempotency_conflict");

        // The answer of the time, also after the notice has changed.
        let cancelled = world.web(keyed(world, "k-2", &path, &json!({}))).await;
        assert_eq!(cancelled.json["state"], "cancelled");
        let again = world.web(keyed(world, "k-1", "/notices", &body)).await;
        assert_eq!(again.json["state"], "open");
        // A request that was refused leaves its key free.
        let refused = world.web(keyed(world, "k-3", "/notices", &json!({}))).await;
        assert_eq!(refused.status, 422);
        assert_eq!(world.web(keyed(world, "k-3", "/notices", &body)).await.status, 201);
        for key in ["", &"x".repeat(256), "ü", "a b"] {
            let answer = world.web(keyed(world, key, "/notices", &body)).await;
            assert_eq!((answer.status, &answer.json["code"]), (400, &json!("invalid_idempotency_key")), "{key}");
        }
    }

    async fn the_same_key_many_times_at_once_makes_one_notice(world: &World) {
        let body = top_up();
        let calls = (0..16).map(|_| world.web(keyed(world, "at-once", "/notices", &body)));
        let answers = futures_util::future::join_all(calls).await;
        for answer in &answers {
            assert_eq!((answer.status, &answer.json), (201, &answers[0].json));
        }
        assert_eq!(world.count("debts").await, 1);
    }

    async fn what_was_answered_is_answered_again_whatever_has_changed(world: &World) {
        let body = changed(&[("/due_on", json!("2026-11-20")), ("/external_id", json!("E-9"))]);
        let first = world.web(keyed(world, "k-1", "/notices", &body)).await;
        assert_eq!(first.status, 201);
        // The next day the due day lies in the past; the notice is there all the same.
        world.clock.advance_seconds(86_400);
        let again = world.web(keyed(world, "k-1", "/notices", &body)).await;
        assert_eq!((again.status, &again.json), (201, &first.json));
        assert_eq!(again.headers["location"], first.headers["location"]);
        let existing = world.rest("POST", "/notices", Some(body)).await;
        assert_eq!((existing.status, &existing.json["id"]), (200, &first.json["id"]));
        let late = changed(&[("/due_on", json!("2026-11-20"))]);
        assert_eq!(world.rest("POST", "/notices", Some(late)).await.status, 422);
    }

    async fn odd_addresses_are_the_callers_fault(world: &World) {
        let table = [
            ("GET", "/notices/%00", 404),
            ("GET", "/notices/x", 404),
            ("GET", "/notices/..%2f..%2fetc", 404),
            ("POST", "/notices/%00/cancel", 404),
            ("GET", "/notices/%FF", 400),
            ("GET", "/notices?child=%00", 422),
            ("GET", "/notices?external_id=%00", 422),
            ("GET", "/notices?cursor=%00", 422),
            ("GET", "/notices?cursor=garbage", 422),
            ("GET", "/exceptions?cursor=%00", 422),
        ];
        for (method, path, status) in table {
            let answer = world.rest(method, path, None).await;
            assert_eq!(answer.status, status, "{path}: {}", answer.json);
            assert_eq!(answer.headers["content-type"], "application/problem+json", "{path}");
        }
    }

    async fn a_number_or_a_flood_of_fields_beyond_all_limits(world: &World) {
        let huge = top_up().to_string().replace("5000", "18446744073709551616");
        let answer = world.web(raw(world, "application/json", huge)).await;
        assert_eq!(errors(&answer), [("amount_cents".to_owned(), "too_large".to_owned())]);
        let many: serde_json::Map<String, Value> = (0..5_000).map(|i| (format!("f{i}"), json!(1))).collect();
        let answer = world.rest("POST", "/notices", Some(Value::Object(many))).await;
        assert_eq!(errors(&answer).len(), 100);
        let twice = top_up().to_string().replacen('{', "{\"amount_cents\": 100,", 1);
        let answer = world.web(raw(world, "application/json", twice)).await;
        assert_eq!((answer.status, &answer.json["code"]), (400, &json!("malformed_json")));
        assert_eq!(world.count("debts").await, 0);
    }

    async fn an_external_id_names_one_notice(world: &World) {
        let body = changed(&[("/external_id", json!("E-1")), ("/due_on", Value::Null)]);
        let first = world.rest("POST", "/notices", Some(body.clone())).await;
        assert_eq!(first.status, 201);
        // The next day the default due day is another; the order is not.
        world.clock.advance_seconds(86_400);
        let again = world.rest("POST", "/notices", Some(body)).await;
        assert_eq!((again.status, &again.json["id"]), (200, &first.json["id"]));
        let other = changed(&[("/external_id", json!("E-1")), ("/amount_cents", json!(1_000))]);
        let conflict = world.rest("POST", "/notices", Some(other)).await;
        assert_eq!((conflict.status, &conflict.json["code"]), (409, &json!("external_id_conflict")));
        let found = world.rest("GET", "/notices?external_id=E-1", None).await;
        assert_eq!(found.json["data"][0]["id"], first.json["id"]);
        let nothing = world.rest("GET", "/notices?external_id=E-1&state=paid", None).await;
        assert_eq!(nothing.json["data"], json!([]));
    }

    async fn the_same_external_id_many_times_at_once_makes_one_notice(world: &World) {
        let body = changed(&[("/external_id", json!("E-2"))]);
        let calls = (0..16).map(|_| world.rest("POST", "/notices", Some(body.clone())));
        let answers = futures_util::future::join_all(calls).await;
        let created = answers.iter().filter(|answer| answer.status == 201).count();
        assert_eq!(created, 1);
        assert!(answers.iter().all(|a| a.json["id"] == answers[0].json["id"]));
        assert_eq!(world.count("debts").await, 1);
    }

    async fn sixty_four_openings_at_once_get_sixty_four_numbers(world: &World) {
        let calls = (0..64).map(|_| world.rest("POST", "/notices", Some(top_up())));
        let answers = futures_util::future::join_all(calls).await;
        let numbers: BTreeSet<String> = answers
            .iter()
            .map(|answer| {
                assert_eq!(answer.status, 201, "{}", answer.json);
                answer.json["notice_number"].as_str().unwrap().to_owned()
            })
            .collect();
        assert_eq!(numbers.len(), 64);
        for number in &numbers {
            let number = pagomensa::domain::notice::NoticeNumber::parse(number).unwrap();
            assert!(number.check_digits_hold() && number.as_str().starts_with("302"));
        }
    }

    async fn a_number_is_never_given_twice(world: &World) {
        let first = world.top_up().await;
        let path = format!("/notices/{}/cancel", first["id"].as_str().unwrap());
        world.rest("POST", &path, None).await;
        let second = world.top_up().await;
        assert_ne!(first["notice_number"], second["notice_number"]);
    }

    async fn lists_are_paged_without_a_gap(world: &World) {
        let mut made = vec![];
        for _ in 0..7 {
            made.insert(0, world.top_up().await["id"].clone());
        }
        for filter in ["", "&child=50004", "&state=open", "&kind=top_up"] {
            let mut seen = vec![];
            let mut cursor = String::new();
            loop {
                let page = world
                    .rest("GET", &format!("/notices?limit=3{filter}&cursor={cursor}"), None)
                    .await;
                let rows = page.json["data"].as_array().unwrap();
                assert!(rows.len() <= 3);
                seen.extend(rows.iter().map(|row| row["id"].clone()));
                match page.json["next_cursor"].as_str() {
                    Some(next) => cursor = next.to_owned(),
                    None => break,
                }
            }
            assert_eq!(seen, made, "{filter}");
        }
        let wrong = world.rest("GET", "/notices?limit=0&state=lost&page=2", None).await;
        assert_eq!(wrong.status, 422);
        let fields: BTreeSet<String> = errors(&wrong).into_iter().map(|(field, _)| field).collect();
        assert_eq!(fields, ["limit", "page", "state"].map(str::to_owned).into());
    }

    async fn a_notice_expires_after_its_day(world: &World) {
        let notice = world.rest("POST", "/notices", Some(changed(&[("/due_on", json!("2026-11-21"))]))).await.json;
        let number = notice["notice_number"].as_str().unwrap();
        world.clock.advance_seconds(86_400);
        assert_eq!(world.soap(verify(number)).await.outcome(), "OK");
        world.clock.advance_seconds(86_400);
        assert_eq!(world.notice(&notice["id"]).await["state"], "expired");
        assert_eq!(world.soap(verify(number)).await.outcome(), "PAA_PAGAMENTO_SCADUTO");
        let open = world.rest("GET", "/notices?state=open", None).await;
        assert_eq!(open.json["data"], json!([]));
        let of_child = world.rest("GET", "/notices?child=50004&state=expired", None).await;
        assert_eq!(of_child.json["data"][0]["id"], notice["id"]);
        world.run_jobs().await;
        let expired = world.rest("GET", "/notices?state=expired", None).await;
        assert_eq!(expired.json["data"][0]["id"], notice["id"]);
        assert_eq!(world.soap(get(number, "")).await.outcome(), "PAA_PAGAMENTO_SCADUTO");
    }

    async fn a_paid_notice_cannot_be_cancelled(world: &World) {
        let notice = world.top_up().await;
        let number = notice["notice_number"].as_str().unwrap();
        assert_eq!(world.soap(receipt(number, "r-1", "50.00")).await.outcome(), "OK");
        let path = format!("/notices/{}/cancel", notice["id"].as_str().unwrap());
        let refused = world.rest("POST", &path, None).await;
        assert_eq!((refused.status, &refused.json["code"]), (409, &json!("already_paid")));
        let paid = world.rest("GET", "/notices?state=paid", None).await;
        assert_eq!(paid.json["data"][0]["id"], notice["id"]);
    }

    async fn a_notice_is_unknown_before_its_day(world: &World) {
        let notice = world.rest("POST", "/notices", Some(changed(&[("/publish_on", json!("2026-11-21"))]))).await.json;
        let number = notice["notice_number"].as_str().unwrap();
        assert_eq!(world.soap(verify(number)).await.outcome(), "PAA_PAGAMENTO_SCONOSCIUTO");
        world.clock.advance_seconds(86_400);
        assert_eq!(world.soap(verify(number)).await.outcome(), "OK");
    }

    async fn every_error_is_a_problem(world: &World) {
        let table = [
            ("GET", "/nowhere", 404, "not_found"),
            ("GET", "/api/v1/nowhere", 404, "not_found"),
            ("DELETE", "/api/v1/notices", 405, "method_not_allowed"),
        ];
        for (method, path, status, code) in table {
            let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
            let answer = world.web(request).await;
            assert_eq!((answer.status, &answer.json["code"]), (status, &json!(code)), "{path}");
            assert_eq!(answer.headers["content-type"], "application/problem+json");
            assert!(answer.headers.contains_key("x-request-id"));
        }
    }

    async fn health_tells_the_truth(world: &World) {
        let path = |path: &str| Request::get(path).body(Body::empty()).unwrap();
        assert_eq!(world.web(path("/health/live")).await.status, 200);
        let ready = world.web(path("/health/ready")).await;
        assert_eq!((ready.status, &ready.json["ledger_entries_owed"]), (200, &json!(0)));
        world.dismiss();
        world.app.desk().store().close().await;
        assert_eq!(world.web(path("/health/live")).await.status, 200);
        assert_eq!(world.web(path("/health/ready")).await.status, 503);
        let answer = world.rest("GET", "/notices", None).await;
        assert_eq!((answer.status, &answer.json["code"]), (503, &json!("unavailable")));
        assert!(answer.headers.contains_key("retry-after"));
    }

    async fn the_documentation_needs_nothing_from_outside(world: &World) {
        let page = Request::get("/api/docs/").body(Body::empty()).unwrap();
        assert_eq!(world.web(page).await.status, 200);
        let document = world.web(Request::get("/api/v1/openapi.json").body(Body::empty()).unwrap()).await.json;
        let example = document["components"]["schemas"]["NoticeRequest"]["example"].clone();
        let created = world.rest("POST", "/notices", Some(example)).await;
        assert_eq!(created.status, 201, "the example of the document is refused: {}", created.json);
        // The request is read by hand: what the document describes and what is read are the same
        // fields, and the same of them are required.
        for (schema, path) in [("NoticeRequest", ""), ("Child", "child."), ("Payer", "payer.")] {
            let schema = &document["components"]["schemas"][schema];
            let required: BTreeSet<String> = schema["required"].as_array().unwrap().iter()
                .map(|field| format!("{path}{}", field.as_str().unwrap()))
                .filter(|field| field != "child" && field != "payer")
                .collect();
            let empty = world.rest("POST", "/notices", Some(json!({"child": {}, "payer": {}}))).await;
            let missing: BTreeSet<String> = errors(&empty).into_iter()
                .filter(|(field, code)| code == "required" && field.contains('.') != path.is_empty() && field.starts_with(path))
                .map(|(field, _)| field)
                .collect();
            assert_eq!(required, missing);
            for field in schema["properties"].as_object().unwrap().keys() {
                let mut body = json!({"child": {}, "payer": {}});
                let pointer = match path { "" => String::new(), path => format!("/{}", path.trim_end_matches('.')) };
                body.pointer_mut(&pointer).unwrap()[field] = json!({});
                let unknown = errors(&world.rest("POST", "/notices", Some(body)).await);
                assert!(!unknown.iter().any(|(name, code)| code == "unknown_field" && *name == format!("{path}{field}")), "{field}");
            }
        }
    }
}

/// The document in the repository is the one that is served. To write it anew, run the tests with
/// `PAGOMENSA_WRITE_OPENAPI=1`.
#[tokio::test]
async fn the_document_in_docs_is_current() {
    let database = crate::engines::Database::fresh(pagomensa::store::Engine::Sqlite)
        .await
        .unwrap();
    let world = World::over(database, "").await;
    let served = world
        .web(
            Request::get("/api/v1/openapi.json")
                .body(Body::empty())
                .unwrap(),
        )
        .await
        .json;
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json");
    if std::env::var_os("PAGOMENSA_WRITE_OPENAPI").is_some() {
        std::fs::write(file, serde_json::to_string_pretty(&served).unwrap() + "\n").unwrap();
    }
    let kept: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    assert!(
        kept == served,
        "docs/openapi.json is not what the code serves: run the tests once with PAGOMENSA_WRITE_OPENAPI=1"
    );
    world.close().await;
}

engines! {
    /// A row that our code cannot read is left out of the lists, whose pages still join; asked for by
    /// itself it is an error that says so.
    async fn one_row_that_cannot_be_read_hides_no_other(world: &World) {
        let mut ids = vec![];
        for _ in 0..5 {
            ids.push(world.top_up().await["id"].as_str().unwrap().to_owned());
        }
        ids.reverse();
        let write = |id: &str, day: &str| format!("UPDATE debts SET due_on = '{day}' WHERE id = '{id}'");
        // In the middle of a page, and at the end of one, where its cursor points.
        for broken in [&ids[0], &ids[1], &ids[4]] {
            crate::journal::execute(world, &[write(broken, "soon")]).await;
            let mut listed = vec![];
            let mut path = "/notices?limit=2".to_owned();
            loop {
                let page = world.rest("GET", &path, None).await;
                assert_eq!(page.status, 200, "{}", page.json);
                let rows = page.json["data"].as_array().unwrap();
                listed.extend(rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()));
                let Some(next) = page.json["next_cursor"].as_str() else {
                    break;
                };
                path = format!("/notices?limit=2&cursor={next}");
            }
            let others: Vec<String> = ids.iter().filter(|id| *id != broken).cloned().collect();
            assert_eq!(listed, others);
            for query in ["child=50004", "state=open"] {
                let page = world.rest("GET", &format!("/notices?{query}"), None).await;
                assert_eq!((page.status, page.json["data"].as_array().unwrap().len()), (200, 4), "{query}");
            }
            let alone = world.rest("GET", &format!("/notices/{broken}"), None).await;
            assert_eq!((alone.status, &alone.json["code"]), (500, &json!("unreadable_record")));
            crate::journal::execute(world, &[write(broken, "2026-12-31")]).await;
        }
        let present = pagomensa::metrics::Present {
            now: world.clock.now(),
            till_waiting: 0,
            journal_waiting: 0,
            owed: None,
        };
        let text = world.app.desk().metrics().print(&present).unwrap();
        let told = crate::metrics::series(&text, "pagomensa_store_errors_total{part=\"list\"}");
        assert!(told.unwrap() >= 3 * 3, "{text}");
    }
}
