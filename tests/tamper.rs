//! Tampering with the journal: whoever has the database in his hands cannot alter, take out or put in
//! anything without the proof telling it.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::Request;
use pagomensa::desk::journal::audit::Wish;
use pagomensa::store::Engine;
use sqlx::{AssertSqlSafe, Column, Row};

use crate::engines::{Database, engines};
use crate::journal::{ask, busy, execute};
use crate::world::World;

/// Tables whose content is put back after each act of tampering.
const TABLES: [&str; 4] = ["documents", "exchanges", "journal_blocks", "journal_links"];

/// Does something to the database, and says what the proof says of it; then undoes it.
pub async fn codes(world: &World, statements: &[String], wish: Wish) -> BTreeSet<&'static str> {
    execute(world, statements).await;
    let (_, violations) = world.prove(wish).await;
    let mut back = vec![];
    for table in TABLES {
        back.push(format!("DELETE FROM {table}"));
        back.push(format!("INSERT INTO {table} SELECT * FROM kept_{table}"));
    }
    execute(world, &back).await;
    violations.iter().map(|violation| violation.code).collect()
}

/// Keeps the tables, to be put back by [`codes`].
pub async fn keep(world: &World) {
    let keep = TABLES.map(|table| format!("CREATE TABLE kept_{table} AS SELECT * FROM {table}"));
    execute(world, &keep).await;
}

pub async fn forget(world: &World) {
    execute(
        world,
        &TABLES.map(|table| format!("DROP TABLE kept_{table}")),
    )
    .await;
}

/// The columns of a table, with whether they hold texts.
async fn columns(world: &World, table: &str) -> Vec<(String, bool)> {
    let mut conn = world.app.desk().store().read().await.unwrap();
    let row = sqlx::query(AssertSqlSafe(format!("SELECT * FROM {table}")))
        .fetch_one(&mut *conn)
        .await
        .unwrap();
    row.columns()
        .iter()
        .filter(|column| column.name() != "bytes")
        .map(|column| {
            let name = column.name().to_owned();
            let is_number = [
                "http_status",
                "duration_us",
                "block",
                "place",
                "number",
                "exchanges",
                "links",
                "to_number",
                "pruned_months",
            ]
            .contains(&name.as_str());
            (name, !is_number)
        })
        .collect()
}

engines! {
    /// Whatever column of whatever row is altered, the proof finds it.
    async fn no_column_can_be_altered_unseen(world: &World) {
        busy(world).await;
        keep(world).await;
        assert!(codes(world, &[], Wish::default()).await.is_empty());
        // A line, its request, its block, and the links of a seal.
        let line = ask(world, "SELECT MIN(id) FROM exchanges WHERE kind = 'receipt'").await;
        let places = [
            ("exchanges", format!("id = '{line}'")),
            ("documents", format!("id = (SELECT reply_document FROM exchanges WHERE id = '{line}')")),
            ("journal_blocks", format!("chain = (SELECT chain FROM exchanges WHERE id = '{line}') AND number = 1")),
            ("journal_links", "place = 0".to_owned()),
        ];
        for (table, place) in places {
            let columns = columns(world, table).await;
            assert!(columns.len() >= 6);
            for (column, is_text) in columns {
                let values = match is_text {
                    true => vec![
                        format!("COALESCE({column}, '') || 'x'"),
                        // The same moment, spelt otherwise; and a letter in another case.
                        format!("replace(COALESCE({column}, 'x'), 'T', ' ')"),
                        format!("upper(COALESCE({column}, 'x'))"),
                    ],
                    false => vec![
                        format!("COALESCE({column}, 0) + 1000"),
                        format!("-7 - COALESCE({column}, 0)"),
                    ],
                };
                for value in values {
                    let same = format!("SELECT CAST(COUNT(*) AS TEXT) FROM {table} WHERE {place} AND {column} = {value}");
                    if ask(world, &same).await != "0" {
                        continue;
                    }
                    let sql = format!("UPDATE {table} SET {column} = {value} WHERE {place}");
                    let codes = codes(world, std::slice::from_ref(&sql), Wish::default()).await;
                    assert!(!codes.is_empty(), "{sql}");
                }
            }
        }
        forget(world).await;
    }

    async fn nothing_can_be_taken_out_or_put_in_unseen(world: &World) {
        // Blocks of several lines, and several blocks.
        for _ in 0..3 {
            for _ in 0..3 {
                world.soap("nonsense").await;
            }
            world.app.desk().journal().flush().await;
        }
        busy(world).await;
        keep(world).await;
        let journal = ask(world, "SELECT MIN(chain) FROM journal_blocks WHERE chain LIKE '%.journal'").await;
        let seals = ask(world, "SELECT MIN(chain) FROM journal_blocks WHERE chain LIKE '%.seal'").await;
        let last: i64 = ask(world, &format!("SELECT CAST(MAX(number) AS TEXT) FROM journal_blocks WHERE chain = '{journal}'")).await.parse().unwrap();
        assert!(last > 3);
        let line = |block: i64, place: i64| format!("chain = '{journal}' AND block = {block} AND place = {place}");
        let bytes = |block: i64| format!("id = (SELECT request_document FROM exchanges WHERE {})", line(block, 0));
        let copied = columns(world, "exchanges").await.into_iter().map(|(name, _)| name).filter(|name| !["id", "place"].contains(&name.as_str())).collect::<Vec<_>>().join(", ");
        let copy = |place: &str, chain: &str| {
            let kept = copied.replace("chain,", &format!("{chain},"));
            format!("INSERT INTO exchanges (id, place, {copied}) SELECT 'forged', {place}, {kept} FROM exchanges WHERE {}", line(1, 0))
        };
        let dated = |moment: &str| format!("UPDATE exchanges SET started_at = '{moment}' WHERE id = 'forged'");
        let table: Vec<(&str, Vec<String>)> = vec![
            ("line_missing", vec![format!("DELETE FROM exchanges WHERE {}", line(1, 1))]),
            ("line_missing", vec![format!("DELETE FROM exchanges WHERE {}", line(1, 2))]),
            ("line_missing", vec![format!("DELETE FROM exchanges WHERE chain = '{journal}' AND block = 2")]),
            // Taken out of the chain, so that it seems older.
            ("line_missing", vec![format!("UPDATE exchanges SET chain = NULL, block = NULL, place = NULL, hash = NULL WHERE {}", line(1, 1))]),
            ("blocks_missing", vec![format!("DELETE FROM journal_blocks WHERE chain = '{journal}' AND number = 2")]),
            ("line_without_block", vec![format!("DELETE FROM journal_blocks WHERE chain = '{journal}' AND number = 2")]),
            ("line_without_block", vec![format!("DELETE FROM journal_blocks WHERE chain = '{journal}' AND number = {last}")]),
            ("blocks_missing", vec![
                format!("DELETE FROM exchanges WHERE chain = '{journal}' AND block = 1"),
                format!("DELETE FROM journal_blocks WHERE chain = '{journal}' AND number = 1"),
            ]),
            // A whole chain, with everything in it: the seals vouch for it.
            ("linked_block_missing", vec![
                format!("DELETE FROM exchanges WHERE chain = '{journal}'"),
                format!("DELETE FROM journal_blocks WHERE chain = '{journal}'"),
                format!("DELETE FROM journal_links WHERE chain = '{journal}'"),
            ]),
            // And what the seals say of it.
            ("links_altered", vec![
                format!("DELETE FROM exchanges WHERE chain = '{journal}'"),
                format!("DELETE FROM journal_blocks WHERE chain = '{journal}'"),
                format!("DELETE FROM journal_links WHERE chain = '{journal}' OR to_chain = '{journal}'"),
            ]),
            ("line_altered", vec![
                format!("UPDATE exchanges SET place = 9 WHERE {}", line(1, 0)),
                format!("UPDATE exchanges SET place = 0 WHERE {}", line(1, 1)),
                format!("UPDATE exchanges SET place = 1 WHERE {}", line(1, 9)),
            ]),
            ("document_altered", vec![format!("UPDATE documents SET bytes = (SELECT d.bytes FROM documents d WHERE d.id = (SELECT MIN(request_document) FROM exchanges WHERE kind = 'receipt')) WHERE {}", bytes(1))]),
            ("document_missing", vec![format!("DELETE FROM documents WHERE {}", bytes(1))]),
            ("document_altered", vec![format!("UPDATE documents SET erased_at = stored_at WHERE {}", bytes(1))]),
            ("document_altered", vec![format!("UPDATE documents SET erased_at = stored_at, erasure = 'nobody' WHERE {}", bytes(1))]),
            ("lines_altered", vec![copy("3", "chain")]),
            ("line_twice", vec![copy("1", "chain")]),
            ("line_without_block", vec![copy("0", "'forged'")]),
            // As if it were older than the chains, but of today; or in a chain that has no name.
            ("line_outside_chain", vec![copy("0", "NULL")]),
            // The same with a moment from before the first block, and from before there was a journal.
            ("line_outside_chain", vec![copy("0", "NULL"), dated("2026-11-20T10:59:59.999Z")]),
            ("line_outside_chain", vec![copy("0", "NULL"), dated("2024-01-01T00:00:00.000Z")]),
            ("line_outside_chain", vec![copy("0", "NULL"), dated("1970-01-01T00:00:00.000Z")]),
            ("line_outside_chain", vec![copy("0", "''")]),
            ("line_unreadable", vec![copy("NULL", "chain")]),
            ("pruned_too_early", vec![
                format!("DELETE FROM exchanges WHERE chain = '{journal}' AND block = 1"),
                format!("UPDATE journal_blocks SET pruned_at = '2029-11-20T11:00:00.000Z' WHERE chain = '{journal}' AND number = 1"),
            ]),
            ("line_in_pruned_block", vec![format!("UPDATE journal_blocks SET pruned_at = '2029-11-20T11:00:00.000Z' WHERE chain = '{journal}' AND number = 1")]),
        ];
        for (code, statements) in table {
            let codes = codes(world, &statements, Wish::default()).await;
            assert!(codes.contains(code), "{code} is not in {codes:?}: {statements:#?}");
        }
        // Bytes emptied, with and without the words of an erasure.
        let request = ask(world, &format!("SELECT request_document FROM exchanges WHERE {}", line(1, 0))).await;
        let other = ask(world, &format!("SELECT id FROM exchanges WHERE {}", line(1, 1))).await;
        for (code, more) in [
            ("document_altered", String::new()),
            ("erasure_unaccounted", format!(", erased_at = stored_at, erasure = '{other}'")),
            ("erasure_unaccounted", ", erased_at = stored_at, erasure = 'nobody'".to_owned()),
        ] {
            // The till's own way to bind bytes is not ours: those of an empty reply are taken.
            let empty = Request::builder().method("GET").uri("/nowhere").body(Body::empty()).unwrap();
            let sql = format!("UPDATE documents SET bytes = (SELECT d.bytes FROM kept_empty d){more} WHERE id = '{request}'");
            world.knock(empty).await;
            world.app.desk().journal().flush().await;
            execute(world, &["CREATE TABLE kept_empty AS SELECT bytes FROM documents WHERE id = (SELECT reply_document FROM exchanges WHERE address = 'GET /nowhere')".to_owned()]).await;
            let codes = codes(world, &[sql], Wish::default()).await;
            execute(world, &["DROP TABLE kept_empty".to_owned()]).await;
            assert!(codes.contains(code), "{code} is not in {codes:?}");
        }
        // The end of a chain is seen by whoever kept its hash, and by nobody else.
        let tail = |chain: &str| vec![
            format!("DELETE FROM journal_links WHERE chain = '{chain}' AND number = (SELECT MAX(number) FROM journal_blocks WHERE chain = '{chain}')"),
            format!("DELETE FROM journal_blocks WHERE chain = '{chain}' AND number = (SELECT MAX(m.number) FROM journal_blocks m WHERE m.chain = '{chain}')"),
        ];
        let hash = ask(world, &format!("SELECT hash FROM journal_blocks WHERE chain = '{seals}' ORDER BY number DESC LIMIT 1")).await;
        let wish = Wish { anchors: BTreeSet::from([hash]), ..Wish::default() };
        assert_eq!(world.prove(wish.clone()).await.1, []);
        assert_eq!(codes(world, &tail(&seals), wish).await, BTreeSet::from(["anchor_missing"]));
        assert!(codes(world, &tail(&seals), Wish::default()).await.is_empty());
        forget(world).await;
    }
}

/// A chain outlives its process: the next one vouches for it, so it cannot be taken out whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_chain_of_an_earlier_process_cannot_be_taken_out() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let Some(database) = Database::fresh(engine).await else {
            continue;
        };
        let world = World::over(database, "").await;
        world.soap("nonsense").await;
        let first = world.prove(Wish::default()).await.0.heads.remove(0).chain;
        let world = world.restarted().await;
        world.soap("nonsense").await;
        let (report, violations) = world.prove(Wish::default()).await;
        assert_eq!((violations, report.chains), (vec![], 2));
        keep(&world).await;
        // Nothing was ever sealed; the second chain alone tells it.
        let gone = [
            format!("DELETE FROM exchanges WHERE chain = '{first}'"),
            format!("DELETE FROM journal_blocks WHERE chain = '{first}'"),
        ];
        let codes = codes(&world, &gone, Wish::default()).await;
        assert_eq!(codes, BTreeSet::from(["linked_block_missing"]));
        forget(&world).await;
        world.end().await;
    }
}
