//! Receipts: recorded always, booked once.

use pagomensa::store::Engine;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Row};

use crate::engines::{Database, engines};
use crate::world::{BROKER, CATERER, STATION, TOWN, World, get, receipt, v1, verify};

const UNKNOWN: &str = "302000000000999942";

fn number(notice: &Value) -> String {
    notice["notice_number"].as_str().unwrap().to_owned()
}

/// The bytes of every document of a kind, oldest first.
async fn documents(world: &World, kind: &'static str) -> Vec<Vec<u8>> {
    world.app.desk().journal().flush().await;
    let mut conn = world.app.desk().store().read().await.unwrap();
    let sql = format!("SELECT bytes FROM documents WHERE kind = '{kind}' ORDER BY id");
    let rows = sqlx::query(AssertSqlSafe(sql))
        .fetch_all(&mut *conn)
        .await
        .unwrap();
    rows.iter()
        .map(|row| row.try_get("bytes").unwrap())
        .collect()
}

engines! {
    async fn a_receipt_pays_the_notice_and_credits_the_child_once(world: &World) {
        let notice = world.top_up().await;
        let message = receipt(&number(&notice), "r-1", "50.00");
        let reply = world.soap(message.clone()).await;
        assert_eq!((reply.status, reply.outcome().as_str()), (200, "OK"));
        assert_eq!(reply.element().name, "paSendRTV2Response");
        assert_eq!(world.notice(&notice["id"]).await["state"], "paid");
        assert_eq!(world.owed().await, 1);
        world.run_jobs().await;
        assert_eq!(world.owed().await, 0);
        assert_eq!(world.balance_entries("50004").await, [5_000]);
        // The message is kept byte for byte.
        assert_eq!(documents(world, "soap_request").await, [message.into_bytes()]);
        assert!(world.exceptions().await.is_empty());
        for later in [verify(&number(&notice)), get(&number(&notice), "")] {
            assert_eq!(world.soap(later).await.outcome(), "PAA_PAGAMENTO_DUPLICATO");
        }
    }

    async fn the_entry_says_what_the_ledger_must_know(world: &World) {
        let notice = world.top_up().await;
        world.soap(receipt(&number(&notice), "r-1", "50.00")).await;
        world.run_jobs().await;
        let url = format!("http://{}/ledger/entries?child=50004", world.ledger.addr());
        let entries: Value = world.http.get(url).send().await.unwrap().json().await.unwrap();
        let entry = &entries["data"][0];
        let expected = json!({
            "creditor": TOWN, "child": "50004", "service": "refezione", "kind": "credit",
            "amount_cents": 5000, "channel": "pagopa", "reference": "r-1",
            "notice_number": notice["notice_number"], "paid_at": "2026-11-20T10:59:30.000Z",
            "payer_fiscal_code": "RSSMRA80A01H501U", "traceable": true, "reverses": null,
        });
        for (field, value) in expected.as_object().unwrap() {
            assert_eq!(&entry[field], value, "{field}");
        }
    }

    async fn the_same_receipt_again_is_answered_ok_and_books_nothing(world: &World) {
        let notice = world.top_up().await;
        let message = receipt(&number(&notice), "r-1", "50.00");
        // The same message in another spelling is the same message.
        let respelt = message.replace("pafn", "x").replace("<outcome>", "<!-- again -->\n  <outcome>");
        for again in [message.clone(), message, respelt] {
            assert_eq!(world.soap(again).await.outcome(), "OK");
        }
        world.run_jobs().await;
        assert_eq!(world.balance_entries("50004").await, [5_000]);
        assert_eq!(world.count("payments").await, 1);
        assert!(world.exceptions().await.is_empty());
        assert_eq!(documents(world, "soap_request").await.len(), 3);
    }

    async fn the_same_receipt_with_another_amount_is_a_conflict(world: &World) {
        let notice = world.top_up().await;
        world.soap(receipt(&number(&notice), "r-1", "50.00")).await;
        let other = receipt(&number(&notice), "r-1", "51.00");
        let reply = world.soap(other.clone()).await;
        assert_eq!((reply.status, reply.outcome().as_str()), (200, "PAA_SEMANTICA"));
        world.run_jobs().await;
        assert_eq!(world.balance_entries("50004").await, [5_000]);
        assert_eq!(world.count("payments").await, 1);
        assert_eq!(world.exceptions().await, ["reference_conflict"]);
        assert!(documents(world, "soap_request").await.contains(&other.into_bytes()));
    }

    async fn a_second_payment_is_a_case_and_not_a_credit(world: &World) {
        let notice = world.top_up().await;
        for id in ["r-1", "r-2"] {
            assert_eq!(world.soap(receipt(&number(&notice), id, "50.00")).await.outcome(), "OK");
        }
        world.run_jobs().await;
        assert_eq!(world.balance_entries("50004").await, [5_000]);
        assert_eq!(world.count("payments").await, 2);
        assert_eq!(world.exceptions().await, ["second_payment"]);
    }

    async fn money_for_a_cancelled_or_unknown_notice_is_kept_and_shown(world: &World) {
        let cancelled = world.top_up().await;
        let path = format!("/notices/{}/cancel", cancelled["id"].as_str().unwrap());
        world.rest("POST", &path, None).await;
        assert_eq!(world.soap(receipt(&number(&cancelled), "r-1", "50.00")).await.outcome(), "OK");
        assert_eq!(world.soap(receipt(UNKNOWN, "r-2", "50.00")).await.outcome(), "OK");
        world.run_jobs().await;
        assert!(world.balance_entries("50004").await.is_empty());
        assert_eq!(world.notice(&cancelled["id"]).await["state"], "cancelled");
        assert_eq!(world.count("payments").await, 2);
        assert_eq!(world.exceptions().await, ["unknown_notice", "cancelled_notice"]);
    }

    async fn another_amount_is_credited_as_paid_and_shown(world: &World) {
        let notice = world.top_up().await;
        assert_eq!(world.soap(receipt(&number(&notice), "r-1", "49.00")).await.outcome(), "OK");
        world.run_jobs().await;
        assert_eq!(world.notice(&notice["id"]).await["state"], "paid");
        assert_eq!(world.balance_entries("50004").await, [4_900]);
        assert_eq!(world.exceptions().await, ["amount_differs"]);
    }

    async fn a_receipt_after_the_last_day_pays_all_the_same(world: &World) {
        let notice = world.top_up().await;
        world.clock.advance_seconds(60 * 86_400);
        world.run_jobs().await;
        assert_eq!(world.notice(&notice["id"]).await["state"], "expired");
        assert_eq!(world.soap(receipt(&number(&notice), "r-1", "50.00")).await.outcome(), "OK");
        world.run_jobs().await;
        assert_eq!(world.notice(&notice["id"]).await["state"], "paid");
        assert_eq!(world.balance_entries("50004").await, [5_000]);
    }

    async fn unknown_elements_lose_no_money(world: &World) {
        let notice = world.top_up().await;
        let message = receipt(&number(&notice), "r-1", "50.00")
            .replace("<idPSP>", "<newThing><inside>1</inside></newThing><idPSP>")
            .replace("<fullName>", "<nickname>x</nickname><fullName>");
        assert_eq!(world.soap(message).await.outcome(), "OK");
        world.run_jobs().await;
        assert_eq!(world.balance_entries("50004").await, [5_000]);
        assert_eq!(world.exceptions().await, ["unknown_elements"]);
    }

    async fn a_receipt_that_contradicts_itself_is_booked_and_shown(world: &World) {
        for (index, (from, to)) in [
            ("<transferAmount>50.00", "<transferAmount>40.00"),
            ("<creditorReferenceId>", "<creditorReferenceId>9"),
            ("<debtor>", "<debtors>"),
        ].into_iter().enumerate() {
            let notice = world.top_up().await;
            let message = receipt(&number(&notice), &format!("r-{index}"), "50.00")
                .replace(from, to)
                .replace("</debtor>", if from == "<debtor>" { "</debtors>" } else { "</debtor>" });
            assert_eq!(world.soap(message).await.outcome(), "OK", "{to}");
            assert_eq!(world.notice(&notice["id"]).await["state"], "paid");
        }
        let expected = ["unknown_elements", "inconsistent_receipt", "inconsistent_receipt"];
        assert_eq!(world.exceptions().await, expected);
    }

    async fn ambiguous_receipts_are_never_booked_in_silence(world: &World) {
        let notice = world.top_up().await;
        let good = receipt(&number(&notice), "r-1", "50.00");
        let start = good.find("<receipt>").unwrap();
        let end = good.find("</receipt>").unwrap() + "</receipt>".len();
        let two = format!("{}{}{}", &good[..end], &good[start..end], &good[end..]);
        assert_eq!(world.soap(two).await.outcome(), "PAA_SINTASSI_EXTRAXSD");
        assert_eq!(world.notice(&notice["id"]).await["state"], "open");
        let twice = good.replace("<paymentAmount>50.00", "<paymentAmount>50.00</paymentAmount><paymentAmount>5000.00");
        assert_eq!(world.soap(twice).await.outcome(), "OK");
        let foreign = (
            format!("<transferAmount>50.00</transferAmount><fiscalCodePA>{TOWN}"),
            "<transferAmount>50.00</transferAmount><fiscalCodePA>99999999999".to_owned(),
        );
        let table = [
            ("r-2", "<paymentDateTime>2026-11-20T11:59:30", "<paymentDateTime>0000-01-01T00:00:00"),
            ("r-3", "<idPSP>ABI99999", "<idPSP>"),
            ("r-4", &foreign.0, &foreign.1),
        ];
        for (id, from, to) in table {
            let notice = world.top_up().await;
            let message = receipt(&number(&notice), id, "50.00").replace(from, to);
            assert!(message.contains(to));
            assert_eq!(world.soap(message).await.outcome(), "OK", "{to}");
        }
        let mut expected = vec!["inconsistent_receipt"; 4];
        expected.push("unreadable_receipt");
        assert_eq!(world.exceptions().await, expected);
        world.run_jobs().await;
        assert_eq!(world.balance_entries("50004").await, [5_000; 4]);
    }

    async fn a_receipt_over_nothing_leaves_the_notice_open(world: &World) {
        let notice = world.top_up().await;
        assert_eq!(world.soap(receipt(&number(&notice), "r-1", "0.00")).await.outcome(), "OK");
        assert_eq!(world.notice(&notice["id"]).await["state"], "open");
        assert_eq!(world.exceptions().await, ["nothing_paid"]);
        assert_eq!(world.owed().await, 0);
    }

    async fn the_payer_is_the_one_that_the_receipt_names(world: &World) {
        for (id, code, expected) in [
            ("r-1", "RSSMRA80A01H501U", json!("RSSMRA80A01H501U")),
            ("r-2", "ANONIMO", Value::Null),
        ] {
            let notice = world.top_up().await;
            let message = receipt(&number(&notice), id, "50.00");
            let (before, after) = message.split_once("<payer>").unwrap();
            let message = format!("{before}<payer>{}", after.replace("RSSMRA80A01H501U", code));
            assert_eq!(world.soap(message).await.outcome(), "OK");
            world.run_jobs().await;
            let url = format!("http://{}/ledger/entries?child=50004", world.ledger.addr());
            let entries: Value = world.http.get(url).send().await.unwrap().json().await.unwrap();
            let entry = entries["data"].as_array().unwrap().iter().find(|e| e["reference"] == id);
            assert_eq!(entry.unwrap()["payer_fiscal_code"], expected);
        }
    }

    async fn the_same_trouble_again_is_not_another_case(world: &World) {
        let notice = world.top_up().await;
        let good = receipt(&number(&notice), "r-1", "50.00");
        world.soap(good.clone()).await;
        for _ in 0..3 {
            world.soap(good.replace("50.00", "51.00")).await;
            world.soap(good.replace("<receiptId>r-1</receiptId>", "")).await;
        }
        assert_eq!(world.exceptions().await, ["unreadable_receipt", "reference_conflict"]);
    }

    async fn both_versions_are_mixed_freely(world: &World) {
        for (id, is_get_v1, is_receipt_v1) in [("r-1", true, false), ("r-2", false, true), ("r-3", true, true)] {
            let notice = world.top_up().await;
            let asked = get(&number(&notice), "");
            let asked = if is_get_v1 { v1(&asked) } else { asked };
            assert_eq!(world.soap(asked).await.outcome(), "OK");
            let paid = receipt(&number(&notice), id, "50.00");
            let paid = if is_receipt_v1 { v1(&paid) } else { paid };
            let reply = world.soap(paid.clone()).await;
            assert_eq!(reply.outcome(), "OK");
            let root = if is_receipt_v1 { "paSendRTRes" } else { "paSendRTV2Response" };
            assert_eq!(reply.element().name, root);
            assert_eq!(world.notice(&notice["id"]).await["state"], "paid");
            // The same receipt in the other version is still the same receipt.
            assert_eq!(world.soap(v1(&paid)).await.outcome(), "OK");
        }
        world.run_jobs().await;
        assert_eq!(world.balance_entries("50004").await, [5_000; 3]);
        assert!(world.exceptions().await.is_empty());
    }

    async fn a_former_station_is_heard(world: &World) {
        let notice = world.top_up().await;
        let message = receipt(&number(&notice), "r-1", "50.00").replace(STATION, "77777777777_07");
        assert_eq!(world.soap(message).await.outcome(), "OK");
        assert_eq!(world.notice(&notice["id"]).await["state"], "paid");
        assert_eq!(world.exceptions().await, ["other_station"]);
    }

    async fn what_is_provably_not_ours_is_refused_and_kept(world: &World) {
        let notice = world.top_up().await;
        let good = receipt(&number(&notice), "r-1", "50.00");
        let table = [
            (good.replace(&format!("<idBrokerPA>{BROKER}"), "<idBrokerPA>99999999999"), "PAA_ID_INTERMEDIARIO_ERRATO"),
            (good.replace(&format!("<idPA>{TOWN}"), "<idPA>99999999999"), "PAA_ID_DOMINIO_ERRATO"),
            (good.replace(&format!("<idPA>{TOWN}"), "<idPA>nobody"), "PAA_ID_DOMINIO_ERRATO"),
            (good.replace("pa/paForNode.xsd", "pa/other.xsd"), "PAA_SINTASSI_EXTRAXSD"),
            (good.replace(&format!("<idPA>{TOWN}</idPA>"), ""), "PAA_SINTASSI_EXTRAXSD"),
        ];
        let expected: Vec<Vec<u8>> = table.iter().map(|(message, _)| message.clone().into_bytes()).collect();
        for (message, fault) in table {
            let reply = world.soap(message).await;
            assert_eq!((reply.status, reply.outcome().as_str()), (200, fault));
        }
        assert_eq!(world.count("payments").await, 0);
        assert_eq!(world.notice(&notice["id"]).await["state"], "open");
        assert_eq!(documents(world, "soap_request").await, expected);
        // All of them seem to be the town's: its finance office hears of each.
        let mut cases = world.exceptions().await;
        cases.sort();
        let (misdirected, unreadable) = ("misdirected_receipt", "unreadable_receipt");
        assert_eq!(cases, [misdirected, misdirected, misdirected, unreadable, unreadable]);
    }

    async fn a_receipt_without_its_essentials_is_kept_and_shown(world: &World) {
        let notice = world.top_up().await;
        let good = receipt(&number(&notice), "r-1", "50.00");
        let table = [
            good.replace("<receiptId>r-1</receiptId>", ""),
            good.replace("<receiptId>r-1</receiptId>", "<receiptId></receiptId>"),
            good.replace("<paymentAmount>50.00", "<paymentAmount>50"),
            good.replace("<paymentAmount>50.00", "<paymentAmount>-50.00"),
            good.replace("<paymentAmount>50.00", "<paymentAmount>1e3"),
            good.replace("<outcome>OK", "<outcome>MAYBE"),
            good.replace(&format!("<noticeNumber>{}", number(&notice)), "<noticeNumber>30"),
            good.replace(&format!("<fiscalCode>{TOWN}"), "<fiscalCode>x"),
        ];
        let count = table.len();
        for message in table {
            let reply = world.soap(message.clone()).await;
            assert_eq!((reply.status, reply.outcome().as_str()), (200, "PAA_SINTASSI_EXTRAXSD"), "{message}");
        }
        assert_eq!(world.count("payments").await, 0);
        assert_eq!(world.exceptions().await, vec!["unreadable_receipt"; count]);
        assert_eq!(documents(world, "soap_request").await.len(), count);
        assert_eq!(world.notice(&notice["id"]).await["state"], "open");
    }

    async fn a_receipt_that_says_ko_credits_nothing(world: &World) {
        let notice = world.top_up().await;
        let message = receipt(&number(&notice), "r-1", "50.00").replace("<outcome>OK", "<outcome>KO");
        assert_eq!(world.soap(message).await.outcome(), "OK");
        assert_eq!(world.notice(&notice["id"]).await["state"], "open");
        assert_eq!(world.exceptions().await, ["failed_outcome"]);
        assert_eq!(world.owed().await, 0);
    }

    async fn a_copy_for_a_secondary_beneficiary_is_recorded_and_not_refused(world: &World) {
        let notice = world.top_up().await;
        let good = receipt(&number(&notice), "r-1", "50.00");
        world.soap(good.clone()).await;
        // The same receipt id again, addressed to the other creditor: its copy, not a duplicate.
        let copy = good.replace(&format!("<idPA>{TOWN}"), &format!("<idPA>{CATERER}"));
        assert_eq!(world.soap(copy).await.outcome(), "OK");
        world.run_jobs().await;
        assert_eq!(world.balance_entries("50004").await, [5_000]);
        assert!(world.exceptions().await.is_empty(), "the case is the caterer's, not the town's");
        assert_eq!(world.count("payments").await, 2);
        // That it is a copy, and that nothing in it is the caterer's.
        assert_eq!(world.count("cases").await, 2);
    }

    async fn sixty_four_times_at_once_is_once(world: &World) {
        let notice = world.top_up().await;
        let message = receipt(&number(&notice), "r-1", "50.00");
        let calls = (0..64).map(|_| world.soap(message.clone()));
        for reply in futures_util::future::join_all(calls).await {
            assert_eq!((reply.status, reply.outcome().as_str()), (200, "OK"));
        }
        let changed = (0..8).map(|_| world.soap(receipt(&number(&notice), "r-1", "50.01")));
        for reply in futures_util::future::join_all(changed).await {
            assert_eq!(reply.outcome(), "PAA_SEMANTICA");
        }
        world.run_jobs().await;
        assert_eq!(world.balance_entries("50004").await, [5_000]);
        assert_eq!(world.count("payments").await, 1);
        assert_eq!(world.count("ledger_entries").await, 1);
    }

    async fn many_receipts_at_once_are_all_booked(world: &World) {
        let mut notices = vec![];
        for _ in 0..40 {
            notices.push(number(&world.top_up().await));
        }
        // Two payments for each notice, all mixed: the first that is written pays it.
        let calls = (0..80).map(|index| {
            let message = receipt(&notices[index % 40], &format!("r-{index}"), "50.00");
            world.soap(message)
        });
        for reply in futures_util::future::join_all(calls).await {
            assert_eq!(reply.outcome(), "OK");
        }
        assert_eq!(world.count("payments").await, 80);
        assert_eq!(world.count("ledger_entries").await, 40);
        assert_eq!(world.exceptions().await, vec!["second_payment"; 40]);
        let paid = world.rest("GET", "/notices?state=paid&limit=200", None).await;
        assert_eq!(paid.json["data"].as_array().unwrap().len(), 40);
        // One line of the journal and two documents for each call.
        assert_eq!(world.count("exchanges").await, 80);
        assert_eq!(world.count("documents").await, 160);
    }
}

/// Cancelling and paying race: whoever is first decides, and nothing is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancelling_and_paying_race() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        crate::world::run(engine, async |world| {
            for index in 0..20 {
                let notice = world.top_up().await;
                let path = format!("/notices/{}/cancel", notice["id"].as_str().unwrap());
                let (cancelled, paid) = tokio::join!(
                    world.rest("POST", &path, None),
                    world.soap(receipt(&number(&notice), &format!("r-{index}"), "50.00")),
                );
                assert_eq!(paid.outcome(), "OK");
                let state = world.notice(&notice["id"]).await["state"].clone();
                match cancelled.status {
                    200 => assert_eq!(state, "cancelled"),
                    409 => assert_eq!(state, "paid"),
                    other => panic!("{other}"),
                }
            }
            let cases = world.exceptions().await.len();
            let entries = usize::try_from(world.count("ledger_entries").await).unwrap();
            assert_eq!(cases + entries, 20);
        })
        .await;
    }
}

/// Two gateways on one PostgreSQL: the same receipt at both is booked once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_gateways_share_a_server() {
    let Some(database) = Database::fresh(Engine::Postgres).await else {
        return;
    };
    let one = World::over(database, "").await;
    let url = secrecy::ExposeSecret::expose_secret(&one.app.config().database.url).to_owned();
    let two = World::over(Database::existing(url), "").await;
    let mut numbers = vec![];
    for _ in 0..20 {
        numbers.push(number(&one.top_up().await));
    }
    let calls = (0..80).map(|index| {
        let world = if index % 2 == 0 { &one } else { &two };
        world.soap(receipt(
            &numbers[(index / 2) % 20],
            &format!("r-{}", (index / 2) % 20),
            "50.00",
        ))
    });
    for reply in futures_util::future::join_all(calls).await {
        assert_eq!((reply.status, reply.outcome().as_str()), (200, "OK"));
    }
    assert_eq!(one.count("payments").await, 20);
    assert_eq!(one.count("ledger_entries").await, 20);
    assert!(one.exceptions().await.is_empty());
    two.close().await;
    one.end().await;
}

/// A receipt that is answered 503 because its commit is late may be booked all the same: the node
/// sends it again, and the journal goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_commit_is_told_to_come_again_and_books_once() {
    let database = Database::fresh(Engine::Sqlite).await.unwrap();
    let world = World::over(database, "[node]\nreceipt_deadline_s = 1").await;
    let notice = world.top_up().await;
    let message = receipt(&number(&notice), "r-1", "50.00");
    let busy = world.app.desk().store().write().await.unwrap();
    let late = world.soap(message.clone()).await;
    assert_eq!((late.status, late.element().name.as_str()), (503, "Fault"));
    drop(busy);
    // As the node does: a slow machine may need more than this one second for a commit.
    let mut again = world.soap(message.clone()).await;
    for _ in 0..60 {
        if again.status != 503 {
            break;
        }
        again = world.soap(message.clone()).await;
    }
    assert_eq!((again.status, again.outcome().as_str()), (200, "OK"));
    assert_eq!(world.count("payments").await, 1);
    // Both calls stand in the journal, and so does the next one.
    assert!(world.count("exchanges").await >= 2);
    let before = world.count("exchanges").await;
    world.soap(verify(&number(&notice))).await;
    assert_eq!(world.count("exchanges").await, before + 1);
    world.run_jobs().await;
    assert_eq!(world.balance_entries("50004").await, [5_000]);
    world.end().await;
}

/// A row that somebody has locked on the server holds up its own receipt and no other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_row_holds_up_nobody_else() {
    let Some(database) = Database::fresh(Engine::Postgres).await else {
        return;
    };
    let world = World::over(database, "").await;
    let (locked, free) = (world.top_up().await, world.top_up().await);
    let mut busy = world.app.desk().store().write().await.unwrap();
    let lock = "SELECT id FROM debts WHERE id = $1 FOR UPDATE";
    sqlx::query(lock)
        .bind(locked["id"].as_str().unwrap().to_owned())
        .fetch_one(&mut *busy)
        .await
        .unwrap();
    let (held, other) = (
        receipt(&number(&locked), "r-1", "50.00"),
        receipt(&number(&free), "r-2", "50.00"),
    );
    let (held_up, passed) = tokio::join!(world.soap(held.clone()), world.soap(other));
    assert_eq!(held_up.status, 503);
    assert_eq!((passed.status, passed.outcome().as_str()), (200, "OK"));
    drop(busy);
    assert_eq!(world.soap(held).await.outcome(), "OK");
    world.run_jobs().await;
    assert_eq!(world.balance_entries("50004").await, [5_000, 5_000]);
    world.end().await;
}

/// How often the till has met a failure of the database.
fn failures(world: &World) -> i64 {
    let present = pagomensa::metrics::Present {
        now: world.clock.now(),
        till_waiting: 0,
        journal_waiting: 0,
        owed: None,
    };
    let text = world.app.desk().metrics().print(&present).unwrap();
    crate::metrics::series(&text, "pagomensa_store_errors_total{part=\"till\"}").unwrap()
}

/// A table that somebody has locked on the server does not make each receipt wait as long as the first:
/// most are told to come again without having been tried alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_table_is_not_waited_for_by_each() {
    let Some(database) = Database::fresh(Engine::Postgres).await else {
        return;
    };
    // The till alone decides when a sender is told.
    let world = World::over(database, "[node]\nreceipt_deadline_s = 600").await;
    let mut messages = vec![];
    for index in 0..20 {
        let number = number(&world.top_up().await);
        messages.push(receipt(&number, &format!("r-{index}"), "50.00"));
    }
    let mut busy = world.app.desk().store().write().await.unwrap();
    sqlx::query("LOCK TABLE payments IN ACCESS EXCLUSIVE MODE")
        .execute(&mut *busy)
        .await
        .unwrap();
    let calls = messages.iter().map(|message| world.soap(message.clone()));
    for reply in futures_util::future::join_all(calls).await {
        assert_eq!(reply.status, 503);
    }
    let count = failures(&world);
    assert!((1..10).contains(&count), "{count} tries for 20 receipts");
    drop(busy);
    for message in messages {
        assert_eq!(world.soap(message).await.outcome(), "OK");
    }
    assert_eq!(world.count("payments").await, 20);
    world.end().await;
}
