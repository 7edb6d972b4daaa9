//! When something breaks: rows 32, 41 and 42, and replies that must not leave.

use pagomensa::store::Engine;
use serde_json::json;

use super::{ask, create, number, shared};
use crate::engines::{Database, engines, engines_with};
use crate::world::{World, get, receipt, verify};

/// The receipt was recorded, the answer was lost, and the process died.
async fn resent_after_a_crash(engine: Engine) {
    let Some(database) = Database::fresh(engine).await else {
        return;
    };
    let world = World::over(database, "").await;
    let notice = number(&create(&world, json!({})).await);
    let message = receipt(&notice, "r-1", "50.00");
    ask(&world, message.clone()).await;
    let world = world.restarted().await;
    assert_eq!(ask(&world, message).await.outcome(), "OK");
    assert_eq!(world.count("payments").await, 1);
    world.run_jobs().await;
    assert_eq!(world.balance_entries("50004").await, [5_000]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_32_resent_after_a_crash_sqlite() {
    resent_after_a_crash(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_32_resent_after_a_crash_postgres() {
    resent_after_a_crash(Engine::Postgres).await;
}

engines! {
    async fn row_41_the_database_is_away(world: &World) {
        let notice = number(&create(world, json!({})).await);
        world.dismiss();
        world.app.desk().store().close().await;
        for message in [verify(&notice), get(&notice, "")] {
            assert_eq!(ask(world, message).await.outcome(), "PAA_SYSTEM_ERROR");
        }
        let reply = world.soap(receipt(&notice, "r-1", "50.00")).await;
        assert_eq!((reply.status, reply.element().name.as_str()), (503, "Fault"));
    }

    async fn a_debt_that_cannot_be_read_loses_no_payment(world: &World) {
        let notice = create(world, json!({})).await;
        let good = create(world, json!({})).await;
        let mut tx = world.app.desk().store().write().await.unwrap();
        sqlx::query("UPDATE debts SET shares = 'nonsense' WHERE id = $1")
            .bind(notice["id"].as_str().unwrap().to_owned())
            .execute(&mut *tx)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let message = receipt(&number(&notice), "r-1", "50.00");
        for _ in 0..2 {
            assert_eq!(ask(world, message.clone()).await.outcome(), "OK");
        }
        assert_eq!(world.count("payments").await, 1);
        assert_eq!(world.exceptions().await, ["unreadable_debt"]);
        assert_eq!(ask(world, receipt(&number(&good), "r-2", "50.00")).await.outcome(), "OK");
        world.run_jobs().await;
        assert_eq!(world.balance_entries("50004").await, [5_000]);
    }

    async fn a_receipt_that_nobody_can_read_is_shown(world: &World) {
        let notice = number(&create(world, json!({})).await);
        let broken = receipt(&notice, "r-1", "50.00").replace("</receipt>", "</recept>");
        for _ in 0..2 {
            assert_eq!(world.soap(broken.clone()).await.status, 500);
        }
        let huge = receipt(&notice, "r-1", "50.00").replace("<fee>", &format!("<!-- {} --><fee>", "x".repeat(2_000_000)));
        assert_eq!(world.soap(huge).await.status, 413);
        // Nothing of ours, or no receipt: no case.
        world.soap(broken.replace("77777777777", "00743110157")).await;
        world.soap(verify(&notice).replace("</qrCode>", "")).await;
        assert_eq!(world.exceptions().await, ["unreadable_receipt"; 2]);
        assert_eq!(world.count("payments").await, 0);
    }

    async fn a_reply_that_the_node_would_refuse_does_not_leave(world: &World) {
        let notice = create(world, shared()).await;
        let good = create(world, json!({})).await;
        // The account of a share is not registered any more.
        let mut tx = world.app.desk().store().write().await.unwrap();
        sqlx::query("UPDATE debts SET shares = $1 WHERE id = $2")
            .bind(json!([{"creditor": "77777777777", "iban": "IT25O0306909606100000012345", "amount_cents": 5000}]).to_string())
            .bind(notice["id"].as_str().unwrap().to_owned())
            .execute(&mut *tx)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        for _ in 0..2 {
            assert_eq!(ask(world, get(&number(&notice), "")).await.outcome(), "PAA_SYSTEM_ERROR");
        }
        assert_eq!(world.exceptions().await, ["illegal_reply"]);
        assert_eq!(ask(world, get(&number(&good), "")).await.outcome(), "OK");
    }
}

engines_with! {
    "[node]\nread_deadline_s = 1\nreceipt_deadline_s = 1";

    async fn row_42_answers_come_in_time(world: &World) {
        let notice = number(&create(world, json!({})).await);
        let store = world.app.desk().store();
        // Everybody who could answer is busy: two readers, and the writers of receipts.
        let readers = (store.read().await.unwrap(), store.read().await.unwrap());
        assert_eq!(ask(world, verify(&notice)).await.outcome(), "PAA_SYSTEM_ERROR");
        assert_eq!(ask(world, get(&notice, "")).await.outcome(), "PAA_SYSTEM_ERROR");
        drop(readers);
        assert_eq!(ask(world, verify(&notice)).await.outcome(), "OK");
        let mut writers = vec![store.write_receipts().await.unwrap()];
        if store.engine() == Engine::Postgres {
            writers.push(store.write_receipts().await.unwrap());
        }
        let message = receipt(&notice, "r-1", "50.00");
        let late = world.soap(message.clone()).await;
        assert_eq!((late.status, late.element().name.as_str()), (503, "Fault"));
        drop(writers);
        assert_eq!(ask(world, message).await.outcome(), "OK");
        assert_eq!(world.count("payments").await, 1);
    }
}
