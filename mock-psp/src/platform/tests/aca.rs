//! The archive of notices.

use super::*;

const NAV: &str = "302202600001234518";
const IUV: &str = "02202600001234518";

fn request(changes: Value) -> Value {
    let mut request = json!({
        "paFiscalCode": CREDITOR, "entityType": "F", "entityFiscalCode": "RSSMRA80A01H501U",
        "entityFullName": "Mario Rossi", "iuv": IUV, "nav": NAV, "amount": 5_280,
        "description": "Ricarica mensa", "expirationDate": "2099-12-31T22:59:59Z",
        "iban": "IT60X0542811101000000123456"
    });
    let object = request.as_object_mut().unwrap();
    object.extend(changes.as_object().unwrap().clone());
    object.retain(|_, value| !value.is_null());
    request
}

async fn file(world: &TestWorld, changes: Value) -> Heard {
    call(world, "POST", ACA, SUBSCRIPTION_KEY, &request(changes)).await
}

async fn filed(world: &TestWorld) -> Vec<Value> {
    let address = format!("/aca/positions?fiscal_code={CREDITOR}");
    world.get(&address).await.json()["data"]
        .as_array()
        .unwrap()
        .clone()
}

#[tokio::test]
async fn a_position_is_created_changed_and_closed() {
    let world = TestWorld::alone().await;
    let created = file(&world, json!({})).await;
    assert_eq!(created.status.as_u16(), 200, "{}", created.text);
    assert_eq!(
        created.json(),
        json!({
            "paFiscalCode": CREDITOR, "companyName": "Comune di Esempio", "entityType": "F",
            "entityFiscalCode": "RSSMRA80A01H501U", "entityFullName": "Mario Rossi", "iuv": IUV,
            "nav": NAV, "amount": 5_280, "description": "Ricarica mensa",
            "expirationDate": "2099-12-31T23:59:59", "iban": "IT60X0542811101000000123456",
            "postalIban": null, "switchToExpired": false, "status": "VALID"
        })
    );
    // What the platform ignores in a change stays as it was created.
    let changes = json!({"amount": 6_000, "nav": "302202600001234599", "switchToExpired": true,
                         "postalIban": "IT45R0760103200000000001016", "payStandIn": false});
    let changed = file(&world, changes).await.json();
    assert_eq!(
        (&changed["amount"], &changed["nav"], &changed["postalIban"]),
        (&json!(6_000), &json!(NAV), &json!(null))
    );
    assert_eq!(changed["switchToExpired"], false);
    let listed = filed(&world).await;
    assert_eq!(listed.len(), 1);
    assert_eq!(
        (
            &listed[0]["state"],
            &listed[0]["calls"],
            &listed[0]["pay_stand_in"]
        ),
        (&json!("VALID"), &json!(2), &json!(false))
    );
    let closed = file(&world, json!({"amount": 0})).await;
    assert_eq!(closed.json()["status"], "INVALID");
    // Closed is closed, also after a restart.
    let world = world.restarted().await;
    for amount in [0, 100] {
        let refused = file(&world, json!({"amount": amount})).await;
        assert_eq!(refused.status.as_u16(), 409);
        assert_eq!(refused.json()["title"], "Unauthorized action");
    }
    assert_eq!(filed(&world).await[0]["amount_cents"], 6_000);
}

#[tokio::test]
async fn a_notice_number_that_is_not_sent_begins_with_three() {
    let world = TestWorld::alone().await;
    let created = file(&world, json!({"nav": null})).await;
    assert_eq!(created.json()["nav"], format!("3{IUV}"));
    let other = json!({"iuv": "another", "nav": NAV});
    let refused = file(&world, other).await;
    assert_eq!(refused.status.as_u16(), 409, "the number is taken");
    assert_eq!(filed(&world).await.len(), 1);
}

#[tokio::test]
async fn an_expired_position_can_be_changed_and_not_closed() {
    let world = TestWorld::alone().await;
    let over = json!({"expirationDate": "2020-01-01T00:00:00+01:00", "switchToExpired": true});
    assert_eq!(file(&world, over).await.json()["status"], "EXPIRED");
    assert_eq!(
        file(&world, json!({"amount": 0})).await.status.as_u16(),
        409
    );
    assert_eq!(file(&world, json!({})).await.json()["status"], "VALID");
    assert_eq!(
        file(&world, json!({"amount": 0})).await.status.as_u16(),
        200
    );
}

#[tokio::test]
async fn what_cannot_be_filed_is_refused_as_published() {
    let world = TestWorld::alone().await;
    let unknown = file(&world, json!({"paFiscalCode": "00000000000"})).await;
    assert_eq!(unknown.status.as_u16(), 404);
    let nothing = file(&world, json!({"amount": 0})).await;
    assert_eq!(nothing.status.as_u16(), 422);
    assert_eq!(nothing.header("content-type"), "application/json");
    for (field, wrong) in [
        ("paFiscalCode", json!("7777777777")),
        ("paFiscalCode", json!(null)),
        ("entityType", json!("X")),
        ("entityFiscalCode", json!("A")),
        ("entityFullName", json!("")),
        ("entityFullName", json!("x".repeat(256))),
        ("iuv", json!(17)),
        ("nav", json!("")),
        ("amount", json!(-1)),
        ("amount", json!(1.5)),
        ("amount", json!("100")),
        ("amount", json!(100_000_000_000_i64)),
        ("description", json!("è".repeat(256))),
        ("expirationDate", json!("2099-12-31")),
        ("expirationDate", json!("2099-12-31T23:59:59")),
        ("iban", json!("IT60")),
        ("postalIban", json!("IT60")),
        ("switchToExpired", json!("true")),
        ("payStandIn", json!(1)),
    ] {
        let refused = file(&world, json!({field: wrong})).await;
        assert_eq!(refused.status.as_u16(), 400, "{field} {wrong}");
        assert_eq!(refused.json()["status"], 400);
        let detail = refused.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(field), "{detail}");
    }
    for body in [json!([]), json!("text")] {
        let refused = call(&world, "POST", ACA, SUBSCRIPTION_KEY, &body).await;
        assert_eq!(refused.status.as_u16(), 400);
    }
    assert_eq!(filed(&world).await, [json!(null); 0]);
}

#[tokio::test]
async fn the_archive_fails_as_the_plan_says() {
    let world = TestWorld::alone().await;
    let plan = json!({"aca": [
        {"status": 502}, {"status": 500, "when": "after_booking"}, {"delay_ms": 1}
    ]});
    world.post("/chaos", &plan).await;
    assert_eq!(file(&world, json!({})).await.status.as_u16(), 502);
    assert_eq!(filed(&world).await.len(), 0);
    assert_eq!(file(&world, json!({})).await.status.as_u16(), 500);
    assert_eq!(filed(&world).await.len(), 1);
    assert_eq!(file(&world, json!({})).await.status.as_u16(), 200);
    assert_eq!(filed(&world).await[0]["calls"], 2);
}

#[tokio::test]
async fn the_page_shows_what_is_in_the_archive() {
    let world = TestWorld::alone().await;
    let empty = world.get("/aca").await;
    assert!(empty.text.contains("Nessun avviso è ancora in archivio"));
    file(&world, json!({"entityFullName": "Mario <b> Rossi"})).await;
    let page = world.get("/aca?nav=3022+0260+0001+2345+18").await;
    for expected in [
        "3022 0260 0001 2345 18",
        "Pagabile",
        "52,80 €",
        "Mario &#60;b&#62; Rossi",
        "31/12/2099 alle 23:59",
        "scope=\"row\"",
    ] {
        assert!(page.text.contains(expected), "{expected}: {}", page.text);
    }
    let other = world.get("/aca?fiscal_code=77777777778").await;
    assert!(other.text.contains("corrisponde alla ricerca"));
}
