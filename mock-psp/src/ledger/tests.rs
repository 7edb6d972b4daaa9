//! The ledger through its doors.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde_json::json;

use crate::testing::{TOKEN, TestWorld, config, entry, entry_request, sample};
use crate::town::Town;

#[tokio::test]
async fn an_entry_is_taken_once_and_the_same_entry_is_answered_again() {
    let world = TestWorld::alone().await;
    assert_eq!(
        world.post_entry(&sample()).await.status,
        StatusCode::CREATED
    );
    assert_eq!(world.post_entry(&sample()).await.status, StatusCode::OK);
    for (field, value) in [
        ("amount_cents", json!(5_001)),
        ("child", json!("50005")),
        ("paid_at", json!("2026-11-20T10:15:30+01:00")),
        ("traceable", json!(false)),
        ("notice_number", json!(null)),
        ("reverses", json!("x")),
    ] {
        let mut other = sample();
        other[field] = value;
        let refused = world.post_entry(&other).await;
        assert_eq!(refused.status, StatusCode::CONFLICT, "{field}");
        assert_eq!(refused.header("content-type"), "application/problem+json");
        assert_eq!(refused.json()["code"], "entry_conflict");
    }
    let list = world.get("/ledger/entries?child=50004").await.json();
    let data = list["data"].as_array().unwrap();
    assert_eq!(data.len(), 1);
    for (field, value) in sample().as_object().unwrap() {
        assert_eq!(&data[0][field], value, "{field}");
    }
}

#[tokio::test]
async fn of_many_equal_entries_at_once_exactly_one_is_new() {
    let world = std::sync::Arc::new(TestWorld::alone().await);
    let mut tasks = Vec::new();
    for _ in 0..20 {
        let world = world.clone();
        tasks.push(tokio::spawn(async move {
            world.post_entry(&sample()).await.status
        }));
    }
    let mut created = 0;
    for task in tasks {
        match task.await.unwrap() {
            StatusCode::CREATED => created += 1,
            status => assert_eq!(status, StatusCode::OK),
        }
    }
    assert_eq!(created, 1);
}

#[tokio::test]
async fn without_the_token_nothing_is_posted_or_proved() {
    let world = TestWorld::alone().await;
    for authorization in [
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        "bearer-token",
        "Basic eDp5",
    ] {
        let post = Request::post("/ledger/entries")
            .header("authorization", authorization)
            .header("content-type", "application/json")
            .header("idempotency-key", sample()["entry_id"].as_str().unwrap());
        let post = post.body(Body::from(sample().to_string())).unwrap();
        let get = Request::get("/ledger/totals?creditor=77777777777")
            .header("authorization", authorization);
        for request in [post, get.body(Body::empty()).unwrap()] {
            let refused = world.send(request).await;
            assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{authorization}");
            assert_eq!(refused.json()["code"], "unauthorized");
        }
    }
    assert_eq!(
        world.get("/ledger/entries").await.json(),
        json!({"data": []})
    );
}

#[tokio::test]
async fn what_breaks_the_contract_is_refused_and_not_booked() {
    let world = TestWorld::alone().await;
    let send = |request: axum::http::request::Builder, body: String| {
        world.send(request.body(Body::from(body)).unwrap())
    };
    let text = sample().to_string();
    let wrong_key = entry("another", &json!({}));
    let refused = send(entry_request(&wrong_key), text.clone()).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        refused.json()["errors"][0]["code"],
        "idempotency_key_mismatch"
    );
    let bearer = format!("Bearer {TOKEN}");
    let without_key = Request::post("/ledger/entries")
        .header("authorization", &bearer)
        .header("content-type", "application/json");
    let refused = send(without_key, text.clone()).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    let without_type = Request::post("/ledger/entries").header("authorization", &bearer);
    let refused = send(without_type, text.clone()).await;
    assert_eq!(refused.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    for (body, status) in [
        ("{", StatusCode::BAD_REQUEST),
        ("", StatusCode::BAD_REQUEST),
        ("[]", StatusCode::UNPROCESSABLE_ENTITY),
    ] {
        assert_eq!(
            send(entry_request(&sample()), body.to_owned()).await.status,
            status,
            "{body}"
        );
    }
    let large = " ".repeat((1 << 20) + 1);
    let refused = send(entry_request(&sample()), large).await;
    assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE);
    let wrong = entry(
        "e",
        &json!({"kind": "gift", "amount_cents": 1.5, "colour": "red"}),
    );
    let refused = world.post_entry(&wrong).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(refused.json()["errors"].as_array().unwrap().len(), 3);
    assert_eq!(
        world.get("/ledger/entries").await.json(),
        json!({"data": []})
    );
}

/// Four entries over two days in Rome, two channels, two children, two creditors.
async fn booked() -> TestWorld {
    let world = TestWorld::alone().await;
    let late = "2026-11-20T23:30:00Z";
    for entry in [
        entry("a", &json!({})),
        entry("b", &json!({"paid_at": late, "amount_cents": 2_000})),
        entry(
            "c",
            &json!({"kind": "fee", "amount_cents": -150, "channel": "mav"}),
        ),
        entry(
            "d",
            &json!({"child": "50005", "creditor": "77777777778", "amount_cents": 123_456}),
        ),
    ] {
        assert_eq!(world.post_entry(&entry).await.status, StatusCode::CREATED);
    }
    world
}

#[tokio::test]
async fn totals_are_per_day_of_rome_and_channel() {
    let world = booked().await;
    let totals = |query: &str| {
        let address = format!("/ledger/totals?creditor=77777777777{query}");
        let world = &world;
        async move { world.get_with_token(&address).await.json()["data"].clone() }
    };
    let row = |day: &str, channel: &str, count: i64, cents: i64| json!({"day": day, "channel": channel, "count": count, "amount_cents": cents});
    let first = [
        row("2026-11-20", "mav", 1, -150),
        row("2026-11-20", "pagopa", 1, 5_000),
    ];
    let second = row("2026-11-21", "pagopa", 1, 2_000);
    assert_eq!(totals("").await, json!([first[0], first[1], second]));
    assert_eq!(totals("&to=2026-11-20").await, json!(first));
    assert_eq!(
        totals("&from=2026-11-21&to=2026-11-21").await,
        json!([second])
    );
    assert_eq!(totals("&from=2026-11-22").await, json!([]));
    let refused = world
        .get_with_token("/ledger/totals?creditor=1&from=21/11/2026")
        .await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(refused.json()["errors"][0]["field"], "from");
    let refused = world.get_with_token("/ledger/totals").await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn balances_are_per_creditor_child_and_service() {
    let world = booked().await;
    let balance = |creditor: &str, child: &str, cents: i64, entries: i64| {
        json!({"creditor": creditor, "child": child, "service": "refezione",
               "balance_cents": cents, "entries": entries})
    };
    let first = balance("77777777777", "50004", 6_850, 3);
    let second = balance("77777777778", "50005", 123_456, 1);
    let data = |heard: crate::testing::Heard| heard.json()["data"].clone();
    assert_eq!(
        data(world.get("/ledger/balances").await),
        json!([first, second])
    );
    assert_eq!(
        data(world.get("/ledger/balances?child=50005").await),
        json!([second])
    );
}

#[tokio::test]
async fn entries_are_listed_by_child_and_creditor_and_in_pages() {
    let world = booked().await;
    let ids = |heard: &crate::testing::Heard| {
        let data = heard.json()["data"].clone();
        let ids = data
            .as_array()
            .unwrap()
            .iter()
            .map(|e| e["entry_id"].as_str().unwrap().to_owned());
        ids.collect::<Vec<_>>()
    };
    assert_eq!(
        ids(&world.get("/ledger/entries").await),
        ["a", "b", "c", "d"]
    );
    assert_eq!(
        ids(&world.get("/ledger/entries?child=50004").await),
        ["a", "b", "c"]
    );
    assert_eq!(
        ids(&world.get("/ledger/entries?creditor=77777777778").await),
        ["d"]
    );
    let first = world.get("/ledger/entries?limit=3").await;
    assert_eq!(ids(&first), ["a", "b", "c"]);
    let cursor = first.json()["next_cursor"].as_str().unwrap().to_owned();
    let last = world
        .get(&format!("/ledger/entries?limit=3&cursor={cursor}"))
        .await;
    assert_eq!(ids(&last), ["d"]);
    assert_eq!(last.json().get("next_cursor"), None);
    let refused = world.get("/ledger/entries?cursor=x").await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert_eq!(refused.header("content-type"), "application/problem+json");
}

#[tokio::test]
async fn the_page_shows_balances_and_movements_in_italian() {
    let world = booked().await;
    let page = world.get("/ledger").await;
    assert_eq!(page.status, StatusCode::OK);
    for expected in [
        "lang=\"it\"",
        "68,50 €",
        "1.234,56 €",
        "-1,50 €",
        "50,00 €",
        "Comune di Esempio",
        "Mense &#38; Sapori",
        "Commissione",
        "MAV",
        "21/11/2026 alle 00:30",
    ] {
        assert!(
            page.text.contains(expected),
            "{expected} is not in {}",
            page.text
        );
    }
    let page = world.get("/ledger?child=50005").await;
    assert!(page.text.contains("1.234,56 €") && !page.text.contains("68,50 €"));
    let page = world.get("/ledger?child=%3Cscript%3E").await;
    assert!(page.text.contains("Nessun movimento") && !page.text.contains("<script>"));
}

#[tokio::test]
async fn what_was_answered_is_still_there_when_the_file_is_opened_again() {
    let world = booked().await;
    // The first world is not closed: the second one sees only what was committed.
    let again = Town::open(config(world.folder.path(), "http://127.0.0.1:1"))
        .await
        .unwrap();
    let entries = again.database.entries("", "", 0, 10).await.unwrap();
    assert_eq!(entries.len(), 4);
    assert_eq!(entries[1].entry.amount_cents, 2_000);
}
