//! The limit beside which the receipts are measured: the rows that a receipt leaves, written with
//! the engine's own driver and nothing around it.
//!
//! One connection, one transaction after the other, with one or with many receipts in each: two
//! documents, the payment, the debt that is paid, the entry owed to the ledger and the exchange,
//! each kind in one prepared statement for all receipts of the transaction. Nothing is read,
//! checked or sent.

use std::time::{Duration, Instant};

use pagomensa::store::Engine;
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};

use crate::lab::TOWN;
use crate::lab::database::Database;
use crate::lab::messages::Template;
use crate::lab::notices::{id, notice, reference};

/// Writes rows of receipts for notices from this place on.
pub(crate) struct Bare {
    engine: Engine,
    connection: Native,
    next: u64,
    end: u64,
    template: Template,
}

enum Native {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

/// The rows of one receipt.
struct Rows {
    place: u64,
    request: Vec<u8>,
}

/// The settings of the gateway's own connections.
const SQLITE_SETTINGS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
    PRAGMA busy_timeout = 5000; PRAGMA foreign_keys = ON; PRAGMA cache_size = -16384; \
    PRAGMA wal_autocheckpoint = 4096; PRAGMA temp_store = MEMORY;";

const NOW: &str = "2026-11-20T11:00:00.000Z";
const SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const REPLY: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope \
    xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\"><soapenv:Body>\
    <paf:paSendRTV2Response xmlns:paf=\"http://pagopa-api.pagopa.gov.it/pa/paForNode.xsd\">\
    <outcome>OK</outcome></paf:paSendRTV2Response></soapenv:Body></soapenv:Envelope>";

/// The statements for a number of receipts.
struct Statements {
    documents: &'static str,
    payments: &'static str,
    debts: &'static str,
    entries: &'static str,
    exchanges: &'static str,
}

impl Statements {
    fn of(engine: Engine, receipts: usize) -> Statements {
        let text = |head, columns, rows, tail| text(engine, head, columns, rows, tail);
        Statements {
            documents: text(
                "INSERT INTO documents (id, kind, sha256, bytes, stored_at) VALUES",
                5,
                receipts * 2,
                "",
            ),
            payments: text(
                "INSERT INTO payments (id, creditor, channel, reference, debt, notice_number, \
                 notice_creditor, outcome, amount_cents, paid_at, payer_fiscal_code, psp, \
                 fingerprint, document, recorded_at) VALUES",
                15,
                receipts,
                "",
            ),
            debts: text(
                "WITH paid (id, payment, at) AS (VALUES",
                3,
                receipts,
                ") UPDATE debts SET state = 'paid', payment = paid.payment, closed_at = paid.at \
                 FROM paid WHERE debts.id = paid.id AND debts.state IN ('open', 'expired')",
            ),
            entries: text(
                "INSERT INTO ledger_entries (id, payment, creditor, child, service, kind, \
                 amount_cents, channel, reference, notice_number, paid_at, payer_fiscal_code, \
                 state, attempts, next_attempt_at, created_at) VALUES",
                16,
                receipts,
                "",
            ),
            exchanges: text(
                "INSERT INTO exchanges (id, started_at, operation, peer, creditor, \
                 notice_number, reference, outcome, http_status, duration_us, request_document, \
                 reply_document) VALUES",
                12,
                receipts,
                "",
            ),
        }
    }
}

/// A statement with rows of placeholders, kept for the whole run. SQLite looks for the name of each
/// placeholder that has one among all the others, so there they have none.
fn text(engine: Engine, head: &str, columns: usize, rows: usize, tail: &str) -> &'static str {
    let mut sql = head.to_owned();
    for row in 0..rows {
        sql.push_str(if row == 0 { " (" } else { ", (" });
        for column in 0..columns {
            let comma = if column == 0 { "" } else { ", " };
            sql.push_str(comma);
            match engine {
                Engine::Sqlite => sql.push('?'),
                Engine::Postgres => sql.push_str(&format!("${}", row * columns + column + 1)),
            }
        }
        sql.push(')');
    }
    sql.push_str(tail);
    Box::leak(sql.into_boxed_str())
}

/// One transaction with one of the two drivers: they share no type that could bind for both.
macro_rules! commit {
    ($connection:expr, $begin:literal, $statements:expr, $rows:expr) => {{
        let (statements, rows): (&Statements, &[Rows]) = ($statements, $rows);
        let mut tx = $connection.begin_with($begin).await.unwrap();
        let mut documents = sqlx::query(AssertSqlSafe(statements.documents));
        let mut payments = sqlx::query(AssertSqlSafe(statements.payments));
        let mut debts = sqlx::query(AssertSqlSafe(statements.debts));
        let mut entries = sqlx::query(AssertSqlSafe(statements.entries));
        let mut exchanges = sqlx::query(AssertSqlSafe(statements.exchanges));
        for row in rows {
            let place = row.place;
            let name = |kind: u32| format!("019a{kind:04}-0000-7000-8000-{place:012}");
            let (number, reference) = (notice(place).to_string(), reference(place, 1));
            documents = documents
                .bind(name(1))
                .bind("soap_request")
                .bind(SHA256)
                .bind(row.request.as_slice())
                .bind(NOW)
                .bind(name(2))
                .bind("soap_reply")
                .bind(SHA256)
                .bind(REPLY.as_bytes())
                .bind(NOW);
            payments = payments
                .bind(name(3))
                .bind(TOWN)
                .bind("pagopa")
                .bind(reference.clone())
                .bind(id(place))
                .bind(number.clone())
                .bind(TOWN)
                .bind("paid")
                .bind(5_000_i64)
                .bind(NOW)
                .bind("RSSMRA80A01H501U")
                .bind("ABI99999")
                .bind(SHA256)
                .bind(name(1))
                .bind(NOW);
            debts = debts.bind(id(place)).bind(name(3)).bind(NOW);
            entries = entries
                .bind(name(4))
                .bind(name(3))
                .bind(TOWN)
                .bind("child-1")
                .bind("refezione")
                .bind("credit")
                .bind(5_000_i64)
                .bind("pagopa")
                .bind(reference.clone())
                .bind(number.clone())
                .bind(NOW)
                .bind("RSSMRA80A01H501U")
                .bind("owed")
                .bind(0_i64)
                .bind(NOW)
                .bind(NOW);
            exchanges = exchanges
                .bind(name(5))
                .bind(NOW)
                .bind("paSendRTV2Request")
                .bind(None::<String>)
                .bind(TOWN)
                .bind(number)
                .bind(reference)
                .bind("OK")
                .bind(200_i64)
                .bind(500_i64)
                .bind(name(1))
                .bind(name(2));
        }
        documents.execute(&mut *tx).await.unwrap();
        payments.execute(&mut *tx).await.unwrap();
        let paid = debts.execute(&mut *tx).await.unwrap().rows_affected();
        assert_eq!(usize::try_from(paid), Ok(rows.len()));
        entries.execute(&mut *tx).await.unwrap();
        exchanges.execute(&mut *tx).await.unwrap();
        tx.commit().await.unwrap();
    }};
}

impl Bare {
    /// Over a database with this many open notices.
    pub(crate) async fn open(database: &Database, notices: u64) -> Bare {
        let connection = match database.engine {
            Engine::Sqlite => {
                let mut conn = SqliteConnection::connect(&database.url).await.unwrap();
                sqlx::raw_sql(SQLITE_SETTINGS)
                    .execute(&mut conn)
                    .await
                    .unwrap();
                Native::Sqlite(conn)
            }
            Engine::Postgres => {
                Native::Postgres(PgConnection::connect(&database.url).await.unwrap())
            }
        };
        Bare {
            engine: database.engine,
            connection,
            next: 1,
            end: notices + 1,
            template: Template::receipt(),
        }
    }

    /// Commits again and again for this long; the receipts in a second.
    pub(crate) async fn rate(&mut self, receipts: usize, time: Duration) -> f64 {
        let statements = Statements::of(self.engine, receipts);
        // Once before, so that everything is prepared.
        self.commit(&statements, receipts).await;
        let (start, first) = (Instant::now(), self.next);
        while start.elapsed() < time {
            self.commit(&statements, receipts).await;
        }
        (self.next - first) as f64 / start.elapsed().as_secs_f64()
    }

    /// How many were written.
    pub(crate) fn written(&self) -> u64 {
        self.next - 1
    }

    async fn commit(&mut self, statements: &Statements, receipts: usize) {
        let first = self.next;
        self.next += u64::try_from(receipts).unwrap();
        assert!(
            self.next <= self.end,
            "there are too few notices: ask for more with --notices"
        );
        let rows: Vec<Rows> = (first..self.next)
            .map(|place| Rows {
                place,
                request: self.template.message(place, 1),
            })
            .collect();
        match &mut self.connection {
            Native::Sqlite(conn) => commit!(conn, "BEGIN IMMEDIATE", statements, &rows),
            Native::Postgres(conn) => commit!(conn, "BEGIN", statements, &rows),
        }
    }
}
