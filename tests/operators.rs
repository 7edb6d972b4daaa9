//! A company that runs canteens for several creditors: one key, and each request says for whom.

use axum::body::Body;
use axum::http::Request;
use pagomensa::desk::keys::{NewKey, Role, Scope, create_as};
use pagomensa::domain::party::CreditorCode;
use serde_json::json;

use crate::engines::engines;
use crate::world::{Answer, CATERER, TOWN, World, top_up};

async fn operators_key(world: &World, operator: &str) -> String {
    let operator = CreditorCode::parse(operator).unwrap();
    let new = NewKey {
        creditor: &operator,
        name: "operator",
        scopes: &Scope::ALL,
    };
    let desk = world.app.desk();
    create_as(
        Role::Operator,
        desk.store(),
        desk.ids(),
        &new,
        world.clock.now(),
    )
    .await
    .unwrap()
}

async fn call(world: &World, key: &str, creditors: &[&str], body: Option<String>) -> Answer {
    let mut request = Request::builder()
        .method(if body.is_some() { "POST" } else { "GET" })
        .uri("/api/v1/notices")
        .header("authorization", format!("Bearer {key}"));
    for creditor in creditors {
        request = request.header("pagomensa-creditor", *creditor);
    }
    let request = match body {
        Some(body) => request
            .header("content-type", "application/json")
            .body(Body::from(body)),
        None => request.body(Body::empty()),
    };
    world.web(request.unwrap()).await
}

engines! {
    async fn an_operator_works_for_each_of_its_creditors(world: &World) {
        let key = operators_key(world, CATERER).await;
        for (creditor, series) in [(TOWN, "302"), (CATERER, "303")] {
            let answer = call(world, &key, &[creditor], Some(top_up().to_string())).await;
            assert_eq!(answer.status, 201, "{}", answer.json);
            assert!(answer.json["notice_number"].as_str().unwrap().starts_with(series));
            // It sees that creditor's notices and no others.
            let list = call(world, &key, &[creditor], None).await;
            let data = list.json["data"].as_array().unwrap().clone();
            assert_eq!(data.len(), 1);
            assert_eq!(data[0]["id"], answer.json["id"]);
        }
    }

    async fn it_says_for_whom_and_for_nobody_else(world: &World) {
        let key = operators_key(world, CATERER).await;
        let table: [(&[&str], u16, &str); 5] = [
            (&[], 400, "creditor_required"),
            (&["7"], 400, "creditor_required"),
            (&[TOWN, CATERER], 400, "creditor_required"),
            (&["00743110157"], 403, "creditor_not_operated"),
            (&["00000000000"], 403, "creditor_not_operated"),
        ];
        for (creditors, status, code) in table {
            let answer = call(world, &key, creditors, Some(top_up().to_string())).await;
            assert_eq!((answer.status, &answer.json["code"]), (status, &json!(code)), "{creditors:?}");
        }
        assert_eq!(world.count("debts").await, 0);
        // Whoever is no operator any more opens nothing.
        let stranger = operators_key(world, TOWN).await;
        assert_eq!(call(world, &stranger, &[TOWN], None).await.status, 403);
    }

    async fn a_creditors_key_may_name_only_itself(world: &World) {
        let key = world.town_key.clone();
        assert_eq!(call(world, &key, &[TOWN], None).await.status, 200);
        assert_eq!(call(world, &key, &[], None).await.status, 200);
        let answer = call(world, &key, &[CATERER], None).await;
        assert_eq!((answer.status, &answer.json["code"]), (403, &json!("creditor_not_operated")));
    }
}
