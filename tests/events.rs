//! The feed of events: everything that happens, once, and nothing that is ever missed.

use std::collections::BTreeSet;

use pagomensa::domain::day::Instant;
use pagomensa::domain::event::{Event, EventKind};
use pagomensa::domain::ids::EventId;
use pagomensa::domain::party::CreditorCode;
use pagomensa::store::{Engine, events};
use serde_json::{Value, json};

use crate::engines::engines;
use crate::world::{CATERER, TOWN, World, receipt, top_up};

/// The events after one, oldest first.
pub async fn after(world: &World, last: Option<&str>) -> Vec<Value> {
    let path = match last {
        Some(id) => format!("/events?after={id}&limit=200"),
        None => "/events?limit=200".to_owned(),
    };
    let answer = world.rest("GET", &path, None).await;
    assert_eq!(answer.status, 200, "{}", answer.json);
    answer.json["data"].as_array().unwrap().clone()
}

fn types(events: &[Value]) -> Vec<&str> {
    events
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect()
}

/// An event with this number in its id, as if made at the start of a transaction.
fn numbered(number: u32) -> Event {
    Event {
        id: EventId::new(format!("00000000-0000-7000-8000-{number:012}")),
        creditor: CreditorCode::parse(TOWN).unwrap(),
        kind: EventKind::NoticeChanged,
        created_at: Instant::parse(crate::world::NOW).unwrap(),
        data: "{}".to_owned(),
    }
}

async fn write(world: &World, number: u32) {
    let mut tx = world.app.desk().store().write().await.unwrap();
    events::insert(&mut tx, &[numbered(number)]).await.unwrap();
    tx.commit().await.unwrap();
}

engines! {
    async fn whatever_happens_to_a_notice_is_told_in_order(world: &World) {
        let paid = world.top_up().await;
        let number = paid["notice_number"].as_str().unwrap();
        let changed = world.top_up().await;
        let path = format!("/notices/{}", changed["id"].as_str().unwrap());
        world.rest("PATCH", &path, Some(json!({"amount_cents": 6000}))).await;
        // What changes nothing is no event.
        world.rest("PATCH", &path, Some(json!({"amount_cents": 6000}))).await;
        world.rest("POST", &format!("{path}/cancel"), None).await;
        world.rest("POST", &format!("{path}/cancel"), None).await;
        world.soap(receipt(number, "r-1", "50.00")).await;
        world.soap(receipt(number, "r-1", "50.00")).await;
        world.soap(receipt(number, "r-2", "50.00")).await;
        let other = world.top_up().await;
        let elsewhere = json!({"means": "cash", "reference": "B-1", "paid_at": "2026-11-20T10:00:00Z"});
        let path = format!("/notices/{}/paid-elsewhere", other["id"].as_str().unwrap());
        assert_eq!(world.rest("POST", &path, Some(elsewhere)).await.status, 200);
        let told = after(world, None).await;
        assert_eq!(types(&told), [
            "notice.created", "notice.created", "notice.changed", "notice.cancelled",
            "payment.confirmed", "notice.paid", "payment.confirmed", "notice.created", "notice.paid",
        ]);
        let payment = &told[5]["data"]["payment"];
        assert_eq!(told[5]["data"]["notice"]["state"], "paid");
        assert_eq!(told[5]["data"]["notice"]["id"], paid["id"]);
        assert_eq!(payment["receipt_id"], "r-1");
        assert_eq!(payment["amount_cents"], 5000);
        assert_eq!(told[4]["data"]["payment"]["id"], payment["id"]);
        assert_eq!(told[6]["data"]["payment"]["receipt_id"], "r-2");
        assert_eq!(told[2]["data"]["notice"]["amount_cents"], 6000);
        assert_eq!(told[8]["data"]["notice"]["paid_elsewhere"]["means"], "cash");
        // Nothing of a person but the child's code.
        let text = serde_json::to_string(&told).unwrap();
        for personal in ["Rossi", "RSSMRA", "RSSGLI", "example.org"] {
            assert!(!text.contains(personal), "{personal}");
        }
        // The same again, and nothing new.
        assert_eq!(after(world, None).await, told);
        assert_eq!(after(world, told[8]["id"].as_str()).await, Vec::<Value>::new());
        assert_eq!(after(world, told[3]["id"].as_str()).await, told[4..]);
    }

    async fn an_expired_notice_is_told(world: &World) {
        let notice = world.top_up().await;
        world.clock.advance_seconds(60 * 86_400);
        world.run_jobs().await;
        let told = after(world, None).await;
        assert_eq!(types(&told), ["notice.created", "notice.expired"]);
        assert_eq!(told[1]["data"]["notice"]["id"], notice["id"]);
        assert_eq!(told[1]["data"]["notice"]["state"], "expired");
    }

    async fn a_payment_of_nothing_we_know_is_told_without_a_notice(world: &World) {
        world.soap(receipt("302000000000099999", "r-1", "50.00")).await;
        let told = after(world, None).await;
        assert_eq!(types(&told), ["payment.confirmed"]);
        assert_eq!(told[0]["data"]["notice"], Value::Null);
    }

    async fn the_feed_is_paged_and_belongs_to_one_creditor(world: &World) {
        for _ in 0..5 {
            world.top_up().await;
        }
        let all = after(world, None).await;
        let mut seen = vec![];
        let mut path = "/events?limit=2".to_owned();
        loop {
            let page = world.rest("GET", &path, None).await.json;
            seen.extend(page["data"].as_array().unwrap().clone());
            match page["next_cursor"].as_str() {
                Some(next) => path = format!("/events?limit=2&after={next}"),
                None => break,
            }
        }
        assert_eq!(seen, all);
        let foreign = |path: String| {
            axum::http::Request::get(path)
                .header("authorization", format!("Bearer {}", world.caterer_key))
                .body(axum::body::Body::empty())
                .unwrap()
        };
        let answer = world.web(foreign("/api/v1/events".to_owned())).await;
        assert_eq!(answer.json["data"], json!([]), "{CATERER}");
        let path = format!("/api/v1/events?after={}", all[0]["id"].as_str().unwrap());
        assert_eq!(world.web(foreign(path)).await.status, 422);
        for wrong in ["x", "00000000-0000-7000-8000-000000000000"] {
            let answer = world.rest("GET", &format!("/events?after={wrong}"), None).await;
            assert_eq!(answer.status, 422);
            assert_eq!(answer.json["errors"][0]["field"], "after");
        }
    }

    async fn an_event_with_a_smaller_id_that_is_committed_later_is_not_missed(world: &World) {
        write(world, 2).await;
        let first = after(world, None).await;
        assert_eq!(first.len(), 1);
        write(world, 1).await;
        let next = after(world, first[0]["id"].as_str()).await;
        assert_eq!(next.len(), 1);
        assert!(next[0]["id"].as_str() < first[0]["id"].as_str());
    }

    async fn an_open_transaction_keeps_nobody_waiting_and_its_event_comes_after(world: &World) {
        // On SQLite nobody else writes while somebody does.
        if world.app.desk().store().engine() == Engine::Sqlite {
            return;
        }
        let mut open = world.app.desk().store().write().await.unwrap();
        events::insert(&mut open, &[numbered(1)]).await.unwrap();
        write(world, 2).await;
        let first = after(world, None).await;
        assert_eq!(first.len(), 1);
        open.commit().await.unwrap();
        assert_eq!(after(world, first[0]["id"].as_str()).await.len(), 1);
    }

    async fn whoever_reads_while_many_write_misses_nothing_and_sees_nothing_twice(world: &World) {
        const NOTICES: usize = 40;
        let is_done = std::sync::atomic::AtomicBool::new(false);
        let writing = async {
            let create = |_| world.rest("POST", "/notices", Some(top_up()));
            let mut made = BTreeSet::new();
            for _ in 0..4 {
                let answers = futures_util::future::join_all((0..NOTICES / 4).map(create)).await;
                made.extend(answers.into_iter().map(|a| a.json["id"].as_str().unwrap().to_owned()));
            }
            is_done.store(true, std::sync::atomic::Ordering::SeqCst);
            made
        };
        let reading = async || {
            let mut seen: Vec<Value> = vec![];
            loop {
                let was_done = is_done.load(std::sync::atomic::Ordering::SeqCst);
                let last = seen.last().and_then(|event| event["id"].as_str().map(str::to_owned));
                let more = after(world, last.as_deref()).await;
                if more.is_empty() && was_done {
                    return seen;
                }
                seen.extend(more);
                tokio::task::yield_now().await;
            }
        };
        let (made, one, two) = tokio::join!(writing, reading(), reading());
        assert_eq!(one, two);
        let seen: Vec<&str> = one.iter().map(|e| e["data"]["notice"]["id"].as_str().unwrap()).collect();
        assert_eq!(seen.len(), NOTICES);
        assert_eq!(seen.into_iter().map(str::to_owned).collect::<BTreeSet<_>>(), made);
    }
}
