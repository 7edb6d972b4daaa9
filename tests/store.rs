//! The store: every statement on both engines, and two schemas that are one.

use std::collections::{BTreeMap, BTreeSet};

use pagomensa::store::migrate::FILES;
use pagomensa::store::{Engine, Store, StoreError, statement};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row, SqlSafeStr, SqliteConnection};

use crate::engines::Database;

/// A migrated database and its settings.
async fn migrated(engine: Engine) -> Option<(Database, Store)> {
    let database = Database::fresh(engine).await?;
    let mut config = pagomensa::config::Config::with("").unwrap().database;
    config.url = database.url.clone().into();
    let store = Store::open(&config).await.unwrap();
    store.migrate().await.unwrap();
    // Applied twice is applied once.
    store.migrate().await.unwrap();
    Some((database, store))
}

/// `Any` prepares late and forgives much; the native drivers know at once what is wrong.
#[tokio::test]
async fn every_statement_is_prepared_by_both_native_drivers() {
    let statements = statement::all();
    let names: BTreeSet<&str> = statements.iter().map(|s| s.name.as_str()).collect();
    assert!(names.len() > 20, "the list of statements is not whole");
    let (database, store) = migrated(Engine::Sqlite).await.unwrap();
    let mut conn = SqliteConnection::connect(&database.url).await.unwrap();
    for statement in &statements {
        let sql = AssertSqlSafe(statement.sql.clone()).into_sql_str();
        if let Err(error) = (&mut conn).prepare(sql).await {
            panic!("{} on SQLite: {error}\n{}", statement.name, statement.sql);
        }
    }
    store.close().await;
    let Some((database, store)) = migrated(Engine::Postgres).await else {
        return;
    };
    let mut conn = PgConnection::connect(&database.url).await.unwrap();
    for statement in &statements {
        let sql = AssertSqlSafe(statement.sql.clone()).into_sql_str();
        if let Err(error) = (&mut conn).prepare(sql).await {
            panic!(
                "{} on PostgreSQL: {error}\n{}",
                statement.name, statement.sql
            );
        }
    }
    conn.close().await.unwrap();
    store.close().await;
    database.remove().await;
}

/// Every constant with SQL in `src/store` is in the list that the test above goes through.
#[test]
fn no_statement_hides_from_the_list() {
    let (names, listed): (Vec<String>, Vec<String>) = statement::all()
        .into_iter()
        .map(|s| (s.name, s.sql))
        .unzip();
    for file in crate::house::files("src/store") {
        let text = std::fs::read_to_string(&file).unwrap();
        let call = text.lines().find(|line| line.contains("sqlx::query(\""));
        let place = file.display();
        assert_eq!(call, None, "{place}: a statement outside the list");
        let name = file.file_stem().unwrap().to_str().unwrap();
        let declares = ["statements", "bulks", "sheets"]
            .iter()
            .any(|kind| text.contains(&format!("\n{kind}! {{\n")));
        let is_listed = names
            .iter()
            .any(|known| known.starts_with(&format!("{name}::")));
        assert_eq!(
            declares, is_listed,
            "{place}: its statements are not in all()"
        );
    }
    assert!(listed.iter().all(|sql| !sql.contains('?')));
    assert!(listed.iter().all(|sql| !sql.contains("SELECT *")));
}

type Tables = BTreeMap<String, BTreeMap<String, (String, bool)>>;

fn kind(native: &str) -> &'static str {
    match native.to_ascii_uppercase().as_str() {
        "TEXT" => "text",
        "INTEGER" | "BIGINT" => "integer",
        "BLOB" | "BYTEA" => "bytes",
        other => panic!("a column of type {other}"),
    }
}

#[tokio::test]
async fn the_two_schemas_are_one() {
    let (database, store) = migrated(Engine::Sqlite).await.unwrap();
    let mut conn = SqliteConnection::connect(&database.url).await.unwrap();
    let rows = sqlx::query(
        "SELECT m.name AS t, c.name AS c, c.type AS k, c.\"notnull\" AS n, m.sql AS sql \
         FROM sqlite_master m JOIN pragma_table_info(m.name) c \
         WHERE m.type = 'table' AND m.name NOT LIKE '\\_sqlx%' ESCAPE '\\'",
    )
    .fetch_all(&mut conn)
    .await
    .unwrap();
    let mut sqlite = Tables::new();
    for row in rows {
        let sql: String = row.get("sql");
        assert!(sql.ends_with("STRICT"), "a table that is not strict: {sql}");
        sqlite.entry(row.get("t")).or_default().insert(
            row.get("c"),
            (kind(row.get("k")).to_owned(), row.get::<i64, _>("n") != 0),
        );
    }
    let indexes: BTreeSet<String> =
        sqlx::query("SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
            .fetch_all(&mut conn)
            .await
            .unwrap()
            .iter()
            .map(|row| row.get("name"))
            .collect();
    assert!(sqlite.len() >= 10);
    store.close().await;
    let Some((database, store)) = migrated(Engine::Postgres).await else {
        return;
    };
    let mut conn = PgConnection::connect(&database.url).await.unwrap();
    let rows = sqlx::query(
        "SELECT table_name::text AS t, column_name::text AS c, data_type::text AS k, \
         is_nullable::text AS n FROM information_schema.columns \
         WHERE table_schema = current_schema() AND table_name NOT LIKE '\\_sqlx%'",
    )
    .fetch_all(&mut conn)
    .await
    .unwrap();
    let mut postgres = Tables::new();
    for row in rows {
        postgres.entry(row.get("t")).or_default().insert(
            row.get("c"),
            (
                kind(row.get("k")).to_owned(),
                row.get::<String, _>("n") == "NO",
            ),
        );
    }
    assert_eq!(sqlite, postgres);
    let theirs: BTreeSet<String> = sqlx::query(
        "SELECT indexname::text AS name FROM pg_indexes \
         WHERE schemaname = current_schema() AND indexname NOT LIKE '%\\_pkey'",
    )
    .fetch_all(&mut conn)
    .await
    .unwrap()
    .iter()
    .map(|row| row.get("name"))
    .collect();
    assert_eq!(indexes, theirs);
    conn.close().await.unwrap();
    store.close().await;
    database.remove().await;
}

#[test]
fn every_migration_of_the_folder_is_in_the_list() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
    let files: BTreeSet<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let listed: BTreeSet<String> = FILES.iter().map(|file| file.name.to_owned()).collect();
    assert_eq!(files, listed);
    for file in FILES {
        assert!(file.name.starts_with(&format!("{:04}_", file.version)));
    }
}

#[tokio::test]
async fn sqlite_waits_for_the_disk() {
    let (_database, store) = migrated(Engine::Sqlite).await.unwrap();
    let mut tx = store.write().await.unwrap();
    let mut conn = store.read().await.unwrap();
    for (setting, value) in [("synchronous", 2), ("foreign_keys", 1)] {
        let sql = format!("PRAGMA {setting}");
        for conn in [&mut *tx, &mut *conn] {
            let row = sqlx::query(AssertSqlSafe(sql.clone()))
                .fetch_one(conn)
                .await
                .unwrap();
            assert_eq!(row.get::<i64, _>(0), value, "{setting}");
        }
    }
    let row = sqlx::query("PRAGMA journal_mode")
        .fetch_one(&mut *tx)
        .await
        .unwrap();
    assert_eq!(row.get::<String, _>(0), "wal");
}

#[tokio::test]
async fn another_kind_of_address_is_refused() {
    let mut config = pagomensa::config::Config::with("").unwrap().database;
    config.url = "mysql://localhost/x".to_owned().into();
    assert!(matches!(
        Store::open(&config).await,
        Err(StoreError::Address)
    ));
}
