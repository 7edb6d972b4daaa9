//! Statements of account: exact sums, each family its own.

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use crate::engines::engines;
use crate::world::{World, receipt, top_up};

async fn notice(world: &World, cents: i64, child: &str) -> Value {
    let mut body = top_up();
    body["amount_cents"] = json!(cents);
    body["child"]["code"] = json!(child);
    body["description"] = json!("=1+1;\"x\"");
    let answer = world.rest("POST", "/notices", Some(body)).await;
    assert_eq!(answer.status, 201, "{}", answer.json);
    answer.json
}

async fn pay(world: &World, notice: &Value, id: &str, amount: &str) {
    let number = notice["notice_number"].as_str().unwrap();
    assert_eq!(
        world.soap(receipt(number, id, amount)).await.outcome(),
        "OK"
    );
}

async fn read(world: &World, path: &str) -> Value {
    let answer = world.rest("GET", path, None).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.json);
    answer.json
}

/// One paid, one paid twice, one open, one cancelled, one settled at the counter, one of a sibling.
async fn family(world: &World) {
    pay(world, &notice(world, 5_001, "50004").await, "r-1", "50.01").await;
    let twice = notice(world, 2_000, "50004").await;
    pay(world, &twice, "r-2", "20.00").await;
    pay(world, &twice, "r-3", "20.00").await;
    notice(world, 1_234, "50004").await;
    let cancelled = notice(world, 9_999, "50004").await;
    let path = format!("/notices/{}", cancelled["id"].as_str().unwrap());
    world.rest("POST", &format!("{path}/cancel"), None).await;
    let cash = notice(world, 700, "50004").await;
    let path = format!("/notices/{}", cash["id"].as_str().unwrap());
    let elsewhere = json!({"means": "cash", "paid_at": "2026-11-19T10:00:00Z"});
    let answer = world
        .rest("POST", &format!("{path}/paid-elsewhere"), Some(elsewhere))
        .await;
    assert_eq!(answer.status, 200);
    pay(world, &notice(world, 3_000, "50005").await, "r-4", "30.00").await;
}

fn sums(statement: &Value) -> [i64; 3] {
    ["issued_cents", "paid_cents", "due_cents"].map(|name| statement[name].as_i64().unwrap())
}

engines! {
    async fn the_sums_of_a_child_and_of_a_payer_are_exact(world: &World) {
        family(world).await;
        let child = read(world, "/statements/children/50004").await;
        assert_eq!(sums(&child), [5_001 + 2_000 + 1_234 + 700, 5_001 + 2_000 + 700, 1_234]);
        assert_eq!(child["lines"].as_array().unwrap().len(), 5);
        assert_eq!((&child["from"], &child["to"]), (&json!("2026-01-01"), &json!("2026-11-20")));
        let payer = read(world, "/statements/payers/RSSMRA80A01H501U").await;
        assert_eq!(sums(&payer), [11_935, 10_701, 1_234]);
        // Days in which nothing happened: only what is open now.
        let before = read(world, "/statements/children/50004?from=2026-01-01&to=2026-11-18").await;
        assert_eq!(sums(&before), [0, 0, 1_234]);
        // What was paid on the day before the notice was created belongs to that day.
        let cash = read(world, "/statements/children/50004?from=2026-11-19&to=2026-11-19").await;
        assert_eq!(sums(&cash), [0, 700, 1_234]);
        // What can be paid no more is not due.
        world.clock.advance_seconds(60 * 86_400);
        assert_eq!(sums(&read(world, "/statements/children/50004").await)[2], 0);
        assert_eq!(sums(&read(world, "/statements/children/99999").await), [0, 0, 0]);
    }

    async fn the_year_has_what_can_be_deducted_and_nothing_else(world: &World) {
        family(world).await;
        let year = read(world, "/statements/payers/rssmra80a01h501u/years/2026").await;
        assert_eq!(year["total_cents"], 10_001);
        let references: Vec<&str> = year["payments"].as_array().unwrap().iter().map(|p| p["reference"].as_str().unwrap()).collect();
        assert_eq!(references, ["r-1", "r-2", "r-4"]);
        let children: Vec<(&Value, &Value)> = year["children"].as_array().unwrap().iter().map(|c| (&c["code"], &c["paid_cents"])).collect();
        assert_eq!(children, [(&json!("50004"), &json!(7_001)), (&json!("50005"), &json!(3_000))]);
        assert_eq!(read(world, "/statements/payers/RSSMRA80A01H501U/years/2025").await["total_cents"], 0);
        for path in ["/statements/payers/RSSMRA80A01H501X/years/2026", "/statements/payers/RSSMRA80A01H501U/years/26", "/statements/payers/x"] {
            assert_eq!(world.rest("GET", path, None).await.status, 404, "{path}");
        }
        for path in ["/statements/children/50004?from=2026-12-01&to=2026-11-01", "/statements/children/50004?format=xml", "/statements/children/50004?day=1"] {
            assert_eq!(world.rest("GET", path, None).await.status, 422, "{path}");
        }
    }

    /// Who has paid can deduct it, and not whose notice it was.
    async fn what_somebody_else_has_paid_is_theirs(world: &World) {
        let notice = notice(world, 5_000, "50004").await;
        let number = notice["notice_number"].as_str().unwrap();
        let message = receipt(number, "r-1", "50.00");
        let (before, payer) = message.split_once("<payer>").unwrap();
        let message = format!("{before}<payer>{}", payer.replacen("RSSMRA80A01H501U", "VRDLGU75B02H501X", 1));
        assert_eq!(world.soap(message).await.outcome(), "OK");
        for (code, cents) in [("RSSMRA80A01H501U", 0), ("VRDLGU75B02H501X", 5_000)] {
            let year = read(world, &format!("/statements/payers/{code}/years/2026")).await;
            assert_eq!(year["total_cents"], cents, "{code}");
        }
        // A receipt that names nobody leaves it with the debtor.
        let notice = self::notice(world, 700, "50004").await;
        let message = receipt(notice["notice_number"].as_str().unwrap(), "r-2", "7.00");
        let (before, rest) = message.split_once("<payer>").unwrap();
        let (_, after) = rest.split_once("</payer>").unwrap();
        assert_eq!(world.soap(format!("{before}{after}")).await.outcome(), "OK");
        let year = read(world, "/statements/payers/RSSMRA80A01H501U/years/2026").await;
        assert_eq!(year["total_cents"], 700);
    }

    async fn another_creditor_sees_nothing(world: &World) {
        family(world).await;
        for path in ["/statements/children/50004", "/statements/payers/RSSMRA80A01H501U"] {
            let request = Request::get(format!("/api/v1{path}"))
                .header("authorization", format!("Bearer {}", world.caterer_key));
            let answer = world.web(request.body(Body::empty()).unwrap()).await;
            assert_eq!((answer.status, sums(&answer.json)), (200, [0, 0, 0]));
        }
    }

    async fn a_spreadsheet_reads_it_and_runs_nothing(world: &World) {
        family(world).await;
        for (path, amount) in [
            ("/statements/children/50004?format=csv", "\"50,01\""),
            ("/statements/payers/RSSMRA80A01H501U/years/2026?format=csv", "\"50,01\""),
        ] {
            let text = world.text(path).await;
            assert!(text.starts_with('\u{feff}'));
            let lines: Vec<&str> = text.trim_end().split("\r\n").collect();
            let columns = lines[0].matches(';').count();
            assert!(columns > 5);
            assert!(lines[1].contains(amount), "{text}");
            for cell in text.trim_start_matches('\u{feff}').split("\";\"") {
                assert!(!cell.trim_start_matches('"').starts_with('='), "{cell}");
            }
        }
        let text = world.text("/statements/children/50004?format=csv").await;
        assert!(text.contains("\"'=1+1;\"\"x\"\"\""), "{text}");
    }
}
