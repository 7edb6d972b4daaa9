//! The journal of events: every exchange is found again, nothing can be altered or taken out unseen,
//! and what has had its time, or must be forgotten, leaves without breaking the chain.

use std::collections::BTreeSet;
use std::process::{Command, Output};

use axum::body::Body;
use axum::http::Request;
use pagomensa::config::Retention;
use pagomensa::desk::journal::audit::Wish;
use pagomensa::desk::journal::erasure::{EraseError, Erased, Erasure, What, erase};
use pagomensa::desk::journal::retention::prune;
use pagomensa::domain::day::Day;
use pagomensa::domain::ids::DocumentId;
use pagomensa::domain::notice::NoticeNumber;
use pagomensa::domain::party::CreditorCode;
use pagomensa::store::migrate::FILES;
use pagomensa::store::{Engine, statement};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row, SqliteConnection};

use crate::engines::{Database, engines};
use crate::tamper::{codes, forget, keep};
use crate::world::{CATERER, LEDGER_TOKEN, TOWN, World, get, receipt, verify};

fn number(notice: &Value) -> String {
    notice["notice_number"].as_str().unwrap().to_owned()
}

/// A page of the journal as the town sees it.
async fn found(world: &World, query: &str) -> Vec<Value> {
    world.app.desk().journal().flush().await;
    let answer = world
        .rest("GET", &format!("/exchanges?{query}"), None)
        .await;
    assert_eq!(answer.status, 200, "{}", answer.json);
    answer.json["data"].as_array().unwrap().clone()
}

fn operations(found: &[Value]) -> Vec<&str> {
    found
        .iter()
        .map(|line| line["operation"].as_str().unwrap())
        .collect()
}

/// Runs statements as somebody with the database in his hands.
pub async fn execute(world: &World, statements: &[String]) {
    let mut tx = world.app.desk().store().write().await.unwrap();
    for sql in statements {
        sqlx::query(AssertSqlSafe(sql.clone()))
            .execute(&mut *tx)
            .await
            .unwrap_or_else(|e| panic!("{e}: {sql}"));
    }
    tx.commit().await.unwrap();
}

/// The first column of the first row.
pub async fn ask(world: &World, sql: &str) -> String {
    let mut conn = world.app.desk().store().read().await.unwrap();
    sqlx::query(AssertSqlSafe(sql.to_owned()))
        .fetch_one(&mut *conn)
        .await
        .unwrap()
        .get(0)
}

/// A town with a journal of every kind: two notices verified, got and paid, told to the ledger, a
/// call that cannot be read.
pub async fn busy(world: &World) -> Vec<String> {
    let mut numbers = vec![];
    for index in 0..2 {
        let number = number(&world.top_up().await);
        world.soap(verify(&number)).await;
        world.soap(get(&number, "")).await;
        world
            .soap(receipt(&number, &format!("r-{index}"), "50.00"))
            .await;
        world.run_jobs().await;
        numbers.push(number);
    }
    world.soap("nonsense").await;
    world.app.desk().journal().flush().await;
    numbers
}

engines! {
    async fn every_exchange_is_found_by_notice_iuv_receipt_and_day(world: &World) {
        let begun = std::time::Instant::now();
        let numbers = busy(world).await;
        let took = i64::try_from(begun.elapsed().as_micros()).unwrap();
        let all = ["entries", "paSendRTV2Request", "paGetPaymentV2Request", "paVerifyPaymentNoticeReq"];
        let iuv = &numbers[0][1..];
        for query in [format!("notice_number={}", numbers[0]), format!("iuv={iuv}")] {
            assert_eq!(operations(&found(world, &query).await), all);
        }
        assert_eq!(operations(&found(world, "receipt_id=r-1").await), all[..2]);
        assert_eq!(found(world, "day=2026-11-20").await.len(), 8);
        assert_eq!(found(world, &format!("day=2026-11-20&iuv={iuv}")).await.len(), 4);
        assert!(found(world, "day=2026-11-21").await.is_empty());
        assert!(found(world, &format!("notice_number={}&receipt_id=r-1", numbers[0])).await.is_empty());
        let line = &found(world, &format!("notice_number={}", numbers[0])).await[3];
        let expected = json!({
            "started_at": "2026-11-20T11:00:00.000Z", "direction": "in", "party": "pagopa-node",
            "kind": "read", "notice_number": numbers[0], "iuv": iuv, "outcome": "OK",
            "http_status": 200, "address": null, "peer": null, "receipt_id": null,
        });
        for (field, value) in expected.as_object().unwrap() {
            assert_eq!(&line[field], value, "{field}");
        }
        // In this unit: longer than nothing, and no longer than all of them together.
        let duration = line["duration_us"].as_i64().unwrap();
        assert!((1..=took).contains(&duration), "{duration} of {took}");
        // Both messages, to the letter.
        let id = line["id"].as_str().unwrap();
        let detail = world.rest("GET", &format!("/exchanges/{id}"), None).await.json;
        assert_eq!(detail["request"]["text"], verify(&numbers[0]));
        assert!(detail["reply"]["text"].as_str().unwrap().contains("<amount>50.00</amount>"));
    }

    async fn our_own_calls_stand_in_the_journal_without_our_keys(world: &World) {
        let number = number(&world.top_up().await);
        world.chaos(json!({"seed": 1, "ledger": [
            {"status": 500, "when": "before_booking", "times": 1, "body": "html"},
            {"status": 200, "when": "after_booking", "times": 1, "drop_connection": true},
        ]})).await;
        world.soap(receipt(&number, "r-1", "50.00")).await;
        for _ in 0..3 {
            world.run_jobs().await;
            world.clock.advance_seconds(3_600);
        }
        let calls = found(world, "receipt_id=r-1").await;
        let out: Vec<&Value> = calls.iter().filter(|line| line["direction"] == "out").collect();
        let told: Vec<(&Value, &Value)> = out.iter().map(|l| (&l["outcome"], &l["http_status"])).collect();
        assert_eq!(told, [(&json!("OK"), &json!(200)), (&json!("no answer"), &json!(0)), (&json!("HTTP 500"), &json!(500))]);
        for line in &out {
            assert_eq!((&line["party"], &line["kind"]), (&json!("ledger"), &json!("outbound")));
            let address = format!("POST http://{}/ledger/entries", world.ledger.addr());
            assert_eq!(line["address"], address);
            let id = line["id"].as_str().unwrap();
            let detail = world.rest("GET", &format!("/exchanges/{id}"), None).await.json;
            let request = detail["request"]["text"].as_str().unwrap();
            assert_eq!(serde_json::from_str::<Value>(request).unwrap()["amount_cents"], 5_000);
            assert!(!detail.to_string().contains(LEDGER_TOKEN));
        }
    }

    async fn a_creditor_sees_its_own_exchanges_and_no_other(world: &World) {
        let numbers = busy(world).await;
        let ids: Vec<Value> = found(world, "").await.iter().map(|line| line["id"].clone()).collect();
        assert_eq!(ids.len(), 8);
        let caterer = async |path: String| {
            let request = Request::get(format!("/api/v1/exchanges{path}"))
                .header("authorization", format!("Bearer {}", world.caterer_key));
            world.web(request.body(Body::empty()).unwrap()).await
        };
        for query in [String::new(), format!("?notice_number={}", numbers[0]), "?day=2026-11-20".to_owned()] {
            assert_eq!(caterer(query).await.json["data"], json!([]));
        }
        for id in ids {
            assert_eq!(caterer(format!("/{}", id.as_str().unwrap())).await.status, 404);
        }
    }

    async fn pages_have_no_gap_and_wrong_questions_are_told(world: &World) {
        for _ in 0..3 {
            busy(world).await;
            world.clock.advance_seconds(1);
        }
        for search in ["", "day=2026-11-20&", "receipt_id=r-1&"] {
            let all = found(world, &format!("{search}limit=200")).await;
            let mut read: Vec<Value> = vec![];
            let mut cursor = String::new();
            loop {
                let path = format!("/exchanges?{search}limit=3{cursor}");
                let page = world.rest("GET", &path, None).await.json;
                read.extend(page["data"].as_array().unwrap().clone());
                match page["next_cursor"].as_str() {
                    Some(next) => cursor = format!("&cursor={next}"),
                    None => break,
                }
            }
            assert!(all.len() > 3);
            assert_eq!(read, all);
        }
        for wrong in ["notice_number=1", "day=today", "cursor=x", "limit=0", "colour=red"] {
            assert_eq!(world.rest("GET", &format!("/exchanges?{wrong}"), None).await.status, 422, "{wrong}");
        }
        for id in ["x", "00000000-0000-7000-8000-000000000000"] {
            assert_eq!(world.rest("GET", &format!("/exchanges/{id}"), None).await.status, 404);
        }
    }

    async fn a_day_is_a_day_in_rome(world: &World) {
        let number = number(&world.top_up().await);
        // 23:30 and 00:30 in Rome.
        for seconds in [11 * 3_600 + 1_800, 3_600] {
            world.clock.advance_seconds(seconds);
            world.soap(verify(&number)).await;
        }
        for (day, count) in [("2026-11-19", 0), ("2026-11-20", 1), ("2026-11-21", 1)] {
            assert_eq!(found(world, &format!("day={day}")).await.len(), count, "{day}");
        }
    }

    async fn a_call_without_an_address_leaves_a_line(world: &World) {
        let calls = [
            ("GET", "/node", 405, "GET /node"),
            ("POST", "/elsewhere?secret=1", 404, "POST /elsewhere"),
            ("DELETE", "/", 405, "DELETE /"),
        ];
        for (method, path, status, _) in calls {
            let request = Request::builder().method(method).uri(path).body(Body::from("x".repeat(100_000))).unwrap();
            let response = world.knock(request).await;
            assert_eq!(response.status().as_u16(), status);
            assert_eq!(response.headers().contains_key("allow"), status == 405);
        }
        assert_eq!(world.count("exchanges").await, 3);
        for (_, _, status, address) in calls {
            let line = format!("SELECT id FROM exchanges WHERE address = '{address}' AND http_status = {status} AND kind = 'refused'");
            assert_eq!(ask(world, &line).await.len(), 36);
        }
        let longest = "SELECT CAST(MAX(length(bytes)) AS TEXT) FROM documents";
        assert_eq!(ask(world, longest).await, "4096");
    }

    async fn an_untouched_journal_is_proved_whole(world: &World) {
        busy(world).await;
        let (report, violations) = world.prove(Wish::default()).await;
        assert_eq!(violations, []);
        // Two notices with four exchanges each, and the nonsense.
        assert_eq!((report.exchanges, report.documents), (9, 18));
        assert_eq!(report.before_the_chain, 0);
        // The till, the journal and the seals of one process.
        let lanes: Vec<&str> = report.heads.iter().map(|h| h.chain.rsplit('.').next().unwrap()).collect();
        assert_eq!(lanes, ["journal", "seal", "till"]);
        let since = Wish { since: Some(Day::parse("2026-11-21").unwrap()), ..Wish::default() };
        let (later, violations) = world.prove(since).await;
        assert_eq!((violations, later.exchanges, later.blocks), (vec![], 0, report.blocks));
    }

    async fn lines_from_before_the_chain_are_counted(world: &World) {
        busy(world).await;
        // A database of the first version, in use for months before it had chains.
        let applied = |version: i64, moment: &str| {
            format!("UPDATE _sqlx_migrations SET installed_on = '{moment}' WHERE version = {version}")
        };
        execute(world, &[applied(1, "2025-12-01 08:00:00"), applied(3, "2026-06-01 08:00:00")]).await;
        let old = |id: &str, moment: &str| {
            format!(
                "INSERT INTO exchanges (id, started_at, operation, outcome, http_status, duration_us) \
                 VALUES ('{id}', '{moment}', 'o', 'OK', 200, 1)"
            )
        };
        let forged = [
            ("forged-1", "2025-12-01T07:59:59.999Z"),
            ("forged-2", "2026-06-01T08:00:00.000Z"),
            ("forged-3", "2026-11-20T10:59:59.000Z"),
        ];
        let mut lines = vec![old("old-1", "2025-12-01T08:00:00.000Z"), old("old-2", "2026-06-01T07:59:59.999Z")];
        execute(world, &lines).await;
        let (report, violations) = world.prove(Wish::default()).await;
        assert_eq!((violations, report.before_the_chain), (vec![], 2));
        lines = forged.map(|(id, moment)| old(id, moment)).to_vec();
        execute(world, &lines).await;
        let (report, violations) = world.prove(Wish::default()).await;
        let mut told: Vec<_> = violations.iter().map(|v| (v.code, v.exchange.clone().unwrap())).collect();
        told.sort();
        assert_eq!(told, forged.map(|(id, _)| ("line_outside_chain", id.to_owned())));
        assert_eq!(report.before_the_chain, 2);
        execute(world, &["DELETE FROM exchanges WHERE chain IS NULL".to_owned()]).await;
    }

    async fn a_seal_is_made_only_when_something_was_written(world: &World) {
        let journal = world.app.desk().journal();
        assert_eq!(journal.seal().await.unwrap(), None);
        world.soap("nonsense").await;
        journal.flush().await;
        let first = journal.seal().await.unwrap().unwrap();
        assert_eq!(journal.seal().await.unwrap(), None);
        world.soap("nonsense").await;
        journal.flush().await;
        let second = journal.seal().await.unwrap().unwrap();
        let anchors = BTreeSet::from([first, second]);
        let wish = Wish { anchors, ..Wish::default() };
        assert_eq!(world.prove(wish).await.1, []);
    }
}

/// A line from before the chains, with a call.
fn old_line(id: &str, creditor: &str, notice: &str) -> Vec<String> {
    vec![
        format!(
            "INSERT INTO documents (id, kind, sha256, bytes, stored_at) SELECT 'd-{id}', kind, sha256, \
             bytes, '2024-01-01T00:00:00.000Z' FROM documents WHERE id = (SELECT MIN(id) FROM documents)"
        ),
        format!(
            "INSERT INTO exchanges (id, started_at, operation, outcome, http_status, duration_us, kind, \
             creditor, notice_number, iuv, request_document) VALUES ('{id}', \
             '2024-01-01T00:00:00.000Z', 'o', 'OK', 200, 1, 'read', '{creditor}', '{notice}', \
             '{}', 'd-{id}')",
            &notice[1..]
        ),
    ]
}

engines! {
    async fn a_number_that_two_creditors_have_is_erased_for_one(world: &World) {
        let number = number(&world.top_up().await);
        world.soap(verify(&number)).await;
        world.app.desk().journal().flush().await;
        execute(world, &old_line("theirs", CATERER, &number)).await;
        let wish = Erasure {
            what: What::Notice(CreditorCode::parse(TOWN).unwrap(), NoticeNumber::parse(&number).unwrap()),
            by: "y".to_owned(),
            reason: "x".to_owned(),
            force: false,
        };
        let desk = world.app.desk();
        let retention = &world.app.config().journal.retention;
        let erased = erase(desk.store(), desk.ids(), &wish, retention, world.clock.now()).await.unwrap();
        assert_eq!(erased.documents.len(), 2);
        let left = "SELECT COALESCE(erased_at, 'whole') AS state FROM documents WHERE id = 'd-theirs'";
        assert_eq!(ask(world, left).await, "whole");
        execute(world, &["DELETE FROM exchanges WHERE id = 'theirs'".to_owned()]).await;
    }

    async fn lines_from_before_the_chain_leave_too(world: &World) {
        let numbers = busy(world).await;
        let (lines, papers) = (world.count("exchanges").await, world.count("documents").await);
        for id in ["gone", "paid"] {
            execute(world, &old_line(id, TOWN, &numbers[0])).await;
        }
        // One of them is what a payment stands on.
        let document = ask(world, "SELECT MIN(document) FROM payments").await;
        execute(world, &[format!("UPDATE payments SET document = 'd-paid' WHERE document = '{document}'")]).await;
        world.run_jobs().await;
        assert_eq!((world.count("exchanges").await, world.count("documents").await), (lines, papers + 1));
        assert_eq!(ask(world, "SELECT id FROM documents WHERE id LIKE 'd-%'").await, "d-paid");
        execute(world, &[format!("UPDATE payments SET document = '{document}' WHERE document = 'd-paid'")]).await;
    }

    async fn a_retention_that_is_raised_later_accuses_nobody(world: &World) {
        busy(world).await;
        let then = world.clock.now().plus_months(25);
        world.clock.advance_seconds((then.as_millis() - world.clock.now().as_millis()) / 1_000);
        let short = Retention { receipts_months: 24, ..world.app.config().journal.retention };
        while prune(world.app.desk().store(), &short, world.clock.now()).await.unwrap() {}
        assert_eq!(world.count("exchanges").await, 0);
        assert!(world.app.config().journal.retention.receipts_months > 25);
        assert_eq!(world.prove(Wish::default()).await.1, []);
        // Months that the law does not allow excuse nothing.
        keep(world).await;
        let early = "UPDATE journal_blocks SET pruned_months = 1, pruned_at = '2027-01-01T00:00:00.000Z' WHERE pruned_at IS NOT NULL".to_owned();
        assert_eq!(codes(world, &[early], Wish::default()).await, BTreeSet::from(["pruned_too_early"]));
        forget(world).await;
    }

    async fn a_row_that_cannot_be_read_hides_no_other(world: &World) {
        busy(world).await;
        let all = found(world, "limit=200").await;
        assert_eq!(all.len(), 8);
        let broken = all[1]["id"].as_str().unwrap();
        execute(world, &[format!("UPDATE exchanges SET kind = 'x' WHERE id = '{broken}'")]).await;
        let mut read = vec![];
        let mut cursor = String::new();
        loop {
            let page = world.rest("GET", &format!("/exchanges?limit=2{cursor}"), None).await.json;
            read.extend(page["data"].as_array().unwrap().clone());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        let others: Vec<Value> = all.iter().filter(|line| line["id"] != broken).cloned().collect();
        assert_eq!(read, others);
        // A block that cannot be read keeps its lines, and no other's.
        execute(world, &["UPDATE journal_blocks SET written_at = '2020' WHERE number = 1 AND chain LIKE '%.journal'".to_owned()]).await;
        let then = world.clock.now().plus_months(200);
        world.clock.advance_seconds((then.as_millis() - world.clock.now().as_millis()) / 1_000);
        world.run_jobs().await;
        let left = "SELECT CAST(COUNT(*) AS TEXT) FROM exchanges WHERE NOT (block = 1 AND chain LIKE '%.journal')";
        assert_eq!(ask(world, left).await, "0");
        assert!(world.count("exchanges").await > 0);
        world.dismiss();
    }

    /// One line that the database will never take, and an outage just when the others are tried alone.
    async fn an_outage_among_lines_tried_alone_loses_none_of_them(world: &World) {
        let number = number(&world.top_up().await);
        let engine = world.app.desk().store().engine();
        let mut hooks = vec![
            "CREATE TABLE outage (word TEXT)".to_owned(),
            "INSERT INTO outage VALUES ('now')".to_owned(),
        ];
        hooks.extend(match engine {
            Engine::Sqlite => [
                "CREATE TRIGGER poison BEFORE INSERT ON exchanges WHEN NEW.operation = 'unreadable' \
                 BEGIN SELECT RAISE(ABORT, 'poison'); END",
                // A number that is too large is an error, and no fault of the row.
                "CREATE TRIGGER broken BEFORE INSERT ON exchanges WHEN NEW.operation <> 'unreadable' \
                 AND EXISTS (SELECT 1 FROM outage) BEGIN SELECT abs(-9223372036854775807 - 1 \
                 + NEW.http_status - NEW.http_status); END",
            ],
            Engine::Postgres => [
                "CREATE FUNCTION hook() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                 IF NEW.operation = 'unreadable' THEN RAISE EXCEPTION 'p' USING ERRCODE = '23514'; END IF; \
                 IF EXISTS (SELECT 1 FROM outage) THEN RAISE EXCEPTION 'o' USING ERRCODE = '57P03'; END IF; \
                 RETURN NEW; END $$",
                "CREATE TRIGGER hook BEFORE INSERT ON exchanges FOR EACH ROW EXECUTE FUNCTION hook()",
            ],
        }.map(str::to_owned));
        execute(world, &hooks).await;
        let journal = world.app.desk().journal().clone();
        world.soap("nonsense").await;
        world.soap(verify(&number)).await;
        let ending = async {
            // Refused together, refused alone, and then the outage.
            loop {
                let text = crate::metrics::look(world).await;
                let errors = crate::metrics::series(&text, "pagomensa_store_errors_total{part=\"journal\"}");
                if errors >= Some(3) || journal.given_up() > 1 {
                    break;
                }
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
            execute(world, &["DELETE FROM outage".to_owned()]).await;
        };
        tokio::join!(journal.flush(), ending);
        assert_eq!(journal.given_up(), 1);
        assert_eq!(found(world, &format!("notice_number={number}")).await.len(), 1);
    }
}

engines! {
    async fn lines_leave_when_their_time_has_passed(world: &World) {
        busy(world).await;
        let months = async |months: i32| {
            let then = world.clock.now().plus_months(months);
            world.clock.advance_seconds((then.as_millis() - world.clock.now().as_millis()) / 1_000);
            world.run_jobs().await;
        };
        months(23).await;
        assert_eq!(world.count("exchanges").await, 9);
        months(2).await;
        // The two receipts are left, and nothing of the rest but its blocks.
        assert_eq!(world.count("exchanges").await, 2);
        assert_eq!(world.count("documents").await, 4);
        let (report, violations) = world.prove(Wish::default()).await;
        assert_eq!((violations, report.exchanges), (vec![], 2));
        assert!(report.pruned > 0);
        months(94).await;
        assert_eq!(world.count("exchanges").await, 2);
        months(2).await;
        assert_eq!(world.count("exchanges").await, 0);
        // The messages that the payments stand on stay with them; the replies are gone.
        assert_eq!(world.count("documents").await, 2);
        assert_eq!(world.count("payments").await, 2);
        assert_eq!(ask(world, "SELECT CAST(COUNT(*) AS TEXT) FROM payments p JOIN documents d ON d.id = p.document").await, "2");
        assert_eq!(world.prove(Wish::default()).await.1, []);
    }

    async fn personal_data_can_be_erased_and_the_chain_holds(world: &World) {
        let numbers = busy(world).await;
        let lines = found(world, &format!("notice_number={}", numbers[0])).await;
        let detail = async |line: &Value| {
            let path = format!("/exchanges/{}", line["id"].as_str().unwrap());
            world.rest("GET", &path, None).await.json
        };
        let (payment, read) = (detail(&lines[1]).await, detail(&lines[3]).await);
        let wish = |what: What, force: bool| Erasure {
            what,
            by: "ufficio privacy".to_owned(),
            reason: "art. 17".to_owned(),
            force,
        };
        let document = |id: &Value| What::Document(DocumentId::parse(id.as_str().unwrap()).unwrap());
        let notice = || What::Notice(CreditorCode::parse(TOWN).unwrap(), NoticeNumber::parse(&numbers[0]).unwrap());
        let erase = async |wish: Erasure| -> Result<Erased, EraseError> {
            let desk = world.app.desk();
            let retention = &world.app.config().journal.retention;
            erase(desk.store(), desk.ids(), &wish, retention, world.clock.now()).await
        };
        // A receipt is proof, and so is every message of a notice that was paid.
        for what in [document(&payment["request"]["id"]), document(&payment["reply"]["id"]), notice()] {
            assert!(matches!(erase(wish(what, false)).await, Err(EraseError::Proof(_))));
        }
        assert_eq!(world.count("exchanges").await, 9);
        assert_eq!(detail(&lines[1]).await, payment);
        // A question is not.
        let what = || document(&read["request"]["id"]);
        let erased = erase(wish(what(), false)).await.unwrap();
        assert_eq!(erased.documents.len(), 1);
        let now = detail(&lines[3]).await;
        assert_eq!((&now["request"]["text"], &now["request"]["sha256"]), (&json!(""), &read["request"]["sha256"]));
        assert_eq!(now["request"]["erasure"], erased.exchange.as_str());
        assert_eq!(now["reply"], read["reply"]);
        assert!(matches!(erase(wish(what(), false)).await, Err(EraseError::Nothing)));
        // By force everything goes, but the account of it.
        let erased = erase(wish(notice(), true)).await.unwrap();
        assert_eq!(erased.documents.len(), 7);
        assert!(matches!(erase(wish(notice(), true)).await, Err(EraseError::Nothing)));
        assert_eq!(detail(&lines[1]).await["request"]["text"], "");
        let (report, violations) = world.prove(Wish::default()).await;
        assert_eq!((violations, report.erased), (vec![], 8));
        let sql = format!("SELECT request_document FROM exchanges WHERE id = '{}'", erased.exchange);
        let account = ask(world, &sql).await;
        assert!(matches!(erase(wish(document(&json!(account)), true)).await, Err(EraseError::Nothing)));
        // Who and why is found with the notice.
        let conn = world.app.desk().store();
        let wanted = pagomensa::desk::journal::search::Wanted {
            notice: NoticeNumber::parse(&numbers[0]).ok(),
            ..Default::default()
        };
        let all = pagomensa::desk::journal::search::search(conn, wanted, 10).await.unwrap();
        assert_eq!(all[0].exchange.id, erased.exchange);
        assert_eq!(all[0].exchange.peer.as_deref(), Some("ufficio privacy"));
        // An erasure that nobody accounts for any more is seen.
        keep(world).await;
        let sql = format!("UPDATE documents SET erasure = '{}' WHERE id = '{}'", erased.exchange, read["request"]["id"].as_str().unwrap());
        assert!(codes(world, &[sql], Wish::default()).await.contains("erasure_unaccounted"));
        forget(world).await;
    }

    async fn the_operator_proves_searches_shows_and_erases(world: &World) {
        let numbers = busy(world).await;
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("config.toml");
        std::fs::write(&config, include_str!("../config/demo.toml")).unwrap();
        let url = world.app.config().database.url.expose_secret().to_owned();
        let audit = |words: &[&str]| -> Output {
            Command::new(env!("CARGO_BIN_EXE_pagomensa"))
                .arg("audit")
                .args(words)
                .arg("--config")
                .arg(&config)
                .env("PAGOMENSA__DATABASE__URL", &url)
                .output()
                .unwrap()
        };
        let read = |output: &Output| -> Value {
            serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:?}"))
        };
        let proof = audit(&["verify", "--json"]);
        assert!(proof.status.success(), "{proof:?}");
        let proof = read(&proof);
        assert_eq!((&proof["ok"], &proof["exchanges"]), (&json!(true), &json!(9)));
        let hash = proof["heads"][0]["hash"].as_str().unwrap();
        assert!(audit(&["verify", "--anchor", hash]).status.success());
        let other = audit(&["verify", "--json", "--anchor", &"0".repeat(64)]);
        assert_eq!(other.status.code(), Some(1));
        assert_eq!(read(&other)["violations"][0]["code"], "anchor_missing");
        assert_eq!(audit(&["verify", "--anchor", "x"]).status.code(), Some(2));
        assert_eq!(audit(&["search"]).status.code(), Some(2));
        let lines = read(&audit(&["search", "--json", "--notice", &numbers[1]]));
        assert_eq!(operations(lines.as_array().unwrap()).len(), 4);
        assert_eq!(read(&audit(&["search", "--json", "--day", "2026-11-20", "--creditor", crate::world::CATERER])), json!([]));
        assert_eq!(read(&audit(&["search", "--json", "--day", "2026-11-20"])).as_array().unwrap().len(), 9);
        let id = lines[2]["id"].as_str().unwrap();
        assert_eq!(audit(&["show", id, "--request"]).stdout, get(&numbers[1], "").into_bytes());
        assert_eq!(read(&audit(&["show", id, "--json"]))["request"]["text"], get(&numbers[1], ""));
        let document = lines[2]["request"].as_str().unwrap();
        let refused = audit(&["erase", "--notice", &numbers[1], "--creditor", TOWN, "--reason", "x", "--by", "y"]);
        assert_eq!(refused.status.code(), Some(1));
        // A number alone is that of several creditors.
        assert_eq!(audit(&["erase", "--notice", &numbers[1], "--reason", "x", "--by", "y"]).status.code(), Some(2));
        assert!(String::from_utf8_lossy(&refused.stderr).contains("--force"));
        let erased = audit(&["erase", "--json", "--document", document, "--reason", "art. 17", "--by", "y"]);
        assert_eq!(read(&erased)["documents"], json!([document]));
        assert_eq!(audit(&["show", id, "--request"]).status.code(), Some(1));
        let proof = read(&audit(&["verify", "--json"]));
        assert_eq!((&proof["ok"], &proof["erased"]), (&json!(true), &json!(1)));
    }
}

/// When the database is away for long, lines are given up, and that is counted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_that_are_given_up_are_counted() {
    let database = Database::fresh(Engine::Sqlite).await.unwrap();
    let world = World::over(database, "[journal]\nqueue_limit = 2").await;
    let journal = world.app.desk().journal().clone();
    world.dismiss();
    world.app.desk().store().close().await;
    assert_eq!(journal.given_up(), 0);
    let mut calls = 0;
    while journal.given_up() == 0 && calls < 400 {
        world.soap("nonsense").await;
        calls += 1;
    }
    assert_eq!(journal.given_up(), 1);
    assert_eq!(journal.waiting(), 2);
    drop(journal);
    world.close().await;
}

/// Each search reads its own index, on both engines, when there is much to search.
#[tokio::test]
async fn every_search_uses_its_index() {
    let sql = |name: &str| {
        let all = statement::all();
        let found = all.into_iter().find(|s| s.name == name);
        found.unwrap_or_else(|| panic!("{name}")).sql
    };
    let table = [
        (
            "exchanges::BY_IUV",
            "exchanges_by_iuv",
            "('02000000000000042', '', '', '', '0', 'z', 'z', 'z', 51)",
        ),
        (
            "exchanges::BY_REFERENCE",
            "exchanges_by_reference",
            "('', '', '', 'r-42', '0', 'z', 'z', 'z', 51)",
        ),
        (
            "exchanges::BY_CREDITOR",
            "exchanges_by_creditor",
            "('', 'c7', '', '', '0', 'z', 'z', 'z', 51)",
        ),
        (
            "exchanges::BY_TIME",
            "exchanges_by_time",
            "('', '', '', '', '2026-01-05', '2026-01-06', 'z', 'z', 51)",
        ),
        ("lines::LINES", "exchanges_by_place", "('c', 5, 3, 64)"),
        (
            "chains::TO_PRUNE",
            "journal_blocks_to_prune",
            "('read', '2026-01-01', 16)",
        ),
        ("chains::REMOVE_PAPERS", "payments_document", "('c', 5)"),
    ];
    let numbers = |count: u32| {
        format!(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})"
        )
    };
    let fill = [
        format!(
            "INSERT INTO exchanges (id, started_at, operation, outcome, http_status, duration_us, iuv, \
             notice_number, reference, creditor, chain, block, place, hash) {} SELECT 'e' || i, \
             '2026-01-' || substr('0' || CAST(1 + i / 1000 AS TEXT), -2, 2), 'o', 'OK', 200, 1, \
             '020000000000' || CAST(10000 + i AS TEXT), '3', 'r-' || i, 'c' || (i % 200), 'c', i / 64, i % 64, 'h' FROM n",
            numbers(20_000)
        ),
        format!(
            "INSERT INTO journal_blocks (chain, number, previous, hash, kinds, exchanges, \
             exchanges_digest, links, links_digest, written_at) {} SELECT 'c', i, 'p', 'h', 'read', 1, \
             'd', 0, 'd', '2026-01-' || i FROM n",
            numbers(5_000)
        ),
        format!(
            "INSERT INTO payments (id, creditor, channel, reference, notice_number, notice_creditor, \
             outcome, amount_cents, paid_at, psp, fingerprint, document, recorded_at) {} SELECT \
             'p' || i, 'c', 'pagopa', 'r' || i, 'n', 'c', 'paid', 1, 'a', 'p', 'f', 'd' || i, 'a' FROM n",
            numbers(5_000)
        ),
        "ANALYZE".to_owned(),
    ];
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let Some(database) = Database::fresh(engine).await else {
            continue;
        };
        let world = World::over(database, "").await;
        let url = world.app.config().database.url.expose_secret().to_owned();
        let mut plans = vec![];
        if engine == Engine::Sqlite {
            let mut conn = SqliteConnection::connect(&url).await.unwrap();
            for sql in &fill {
                sqlx::query(AssertSqlSafe(sql.clone()))
                    .execute(&mut conn)
                    .await
                    .unwrap();
            }
            for (name, ..) in table {
                let explain = format!("EXPLAIN QUERY PLAN {}", sql(name));
                let rows = sqlx::query(AssertSqlSafe(explain))
                    .fetch_all(&mut conn)
                    .await
                    .unwrap();
                plans.push(
                    rows.iter()
                        .map(|row| row.get::<String, _>("detail") + "\n")
                        .collect::<String>(),
                );
            }
            conn.close().await.unwrap();
        } else {
            let mut conn = PgConnection::connect(&url).await.unwrap();
            for sql in &fill {
                // There the end of a text is not counted from behind.
                let sql = sql.replace(
                    "substr('0' || CAST(1 + i / 1000 AS TEXT), -2, 2)",
                    "right('0' || CAST(1 + i / 1000 AS TEXT), 2)",
                );
                sqlx::query(AssertSqlSafe(sql))
                    .execute(&mut conn)
                    .await
                    .unwrap();
            }
            for (index, (name, _, values)) in table.into_iter().enumerate() {
                let prepare = format!("PREPARE q{index} AS {}", sql(name));
                sqlx::raw_sql(AssertSqlSafe(prepare))
                    .execute(&mut conn)
                    .await
                    .unwrap();
                let explain = format!("EXPLAIN EXECUTE q{index} {values}");
                let rows = sqlx::raw_sql(AssertSqlSafe(explain))
                    .fetch_all(&mut conn)
                    .await
                    .unwrap();
                plans.push(
                    rows.iter()
                        .map(|row| row.get::<String, _>(0) + "\n")
                        .collect::<String>(),
                );
            }
            conn.close().await.unwrap();
        }
        for ((name, index, _), plan) in table.into_iter().zip(plans) {
            assert!(plan.contains(index), "{name} on {engine:?}:\n{plan}");
        }
        world.dismiss();
        world.close().await;
    }
}

/// Lines of the first schema are found after the migration, and are in no chain.
#[tokio::test]
async fn the_migration_keeps_older_lines() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let Some(database) = Database::fresh(engine).await else {
            continue;
        };
        let old = |id: &str, operation: &str, notice: &str| {
            format!(
                "INSERT INTO exchanges (id, started_at, operation, outcome, http_status, \
                 duration_us, notice_number) VALUES ('{id}', '2026-01-01T00:00:00.000Z', \
                 '{operation}', 'OK', 200, 1, '{notice}')"
            )
        };
        let mut texts = vec![];
        for file in FILES
            .iter()
            .filter(|f| f.only.is_none_or(|only| only == engine))
        {
            if file.name == "0003_journal.sql" {
                texts.push(old("a", "paSendRTV2Request", "302000000000000184"));
                texts.push(old("b", "paVerifyPaymentNoticeReq", "001000000000000184"));
                texts.push(old("c", "paVerifyPaymentNoticeReq", "30"));
            }
            texts.push(file.sql(engine).into_owned());
        }
        let sql = "SELECT kind, direction, COALESCE(iuv, '') AS iuv FROM exchanges \
                   WHERE chain IS NULL ORDER BY id";
        let mut rows: Vec<(String, String, String)> = vec![];
        if engine == Engine::Sqlite {
            let url = format!("{}?mode=rwc", database.url);
            let mut conn = SqliteConnection::connect(&url).await.unwrap();
            for text in texts {
                sqlx::raw_sql(AssertSqlSafe(text))
                    .execute(&mut conn)
                    .await
                    .unwrap();
            }
            for row in sqlx::query(sql).fetch_all(&mut conn).await.unwrap() {
                rows.push((row.get(0), row.get(1), row.get(2)));
            }
        } else {
            let mut conn = PgConnection::connect(&database.url).await.unwrap();
            for text in texts {
                sqlx::raw_sql(AssertSqlSafe(text))
                    .execute(&mut conn)
                    .await
                    .unwrap();
            }
            for row in sqlx::query(sql).fetch_all(&mut conn).await.unwrap() {
                rows.push((row.get(0), row.get(1), row.get(2)));
            }
        }
        let expected = [
            ("receipt", "in", "02000000000000184"),
            ("read", "in", "000000000000184"),
            ("read", "in", ""),
        ];
        let rows: Vec<_> = rows
            .iter()
            .map(|(a, b, c)| (a.as_str(), b.as_str(), c.as_str()))
            .collect();
        assert_eq!(rows, expected);
        database.remove().await;
    }
}
