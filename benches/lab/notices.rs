//! Notices by the million, made inside the database, each known by its place in the sequence.
//!
//! Three places in ten are paid, one is cancelled, one expired and five are open; twenty notices
//! share a child, as far from each other as they can be. What is paid has its payment, its entry in
//! the outbox, its exchange and its two documents (with little in them).

use pagomensa::domain::notice::{NoticeNumber, Numbering, TwoDigits};
use pagomensa::store::Engine;
use sqlx::{AnyConnection, Connection, Executor};

use super::TOWN;
use super::database::Database;

/// Which notices to make.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fill {
    /// How many, at the places from 1 on.
    pub notices: u64,
    /// Whether they are in all states, or all open.
    pub mixed: bool,
    /// How many of the first places are paid in any case.
    pub paid: u64,
}

/// Rows of a transaction.
const CHUNK: u64 = 100_000;
/// Notices of a child.
const SIBLINGS: u64 = 20;

/// The notice number at a place.
pub(crate) fn notice(place: u64) -> NoticeNumber {
    let segregation = TwoDigits::parse("02").unwrap();
    Numbering::Aux3 { segregation }.number(place).unwrap()
}

/// The id of the notice at a place.
pub(crate) fn id(place: u64) -> String {
    format!("01900000-0000-7000-8000-{place:012}")
}

/// A receipt's own id: 32 digits that lie anywhere between those of the other receipts, as the
/// node's do.
pub(crate) fn reference(place: u64, turn: u64) -> String {
    format!(
        "{:010}{turn:010}{place:012}",
        (place * 2_654_435_761 + turn * 40_503) % 4_294_967_296
    )
}

impl Fill {
    /// The state at a place.
    pub(crate) fn state(self, place: u64) -> &'static str {
        if place <= self.paid {
            return "paid";
        }
        match (self.mixed, place % 10) {
            (false, _) | (true, 5..) => "open",
            (true, 2..) => "paid",
            (true, 1) => "expired",
            (true, _) => "cancelled",
        }
    }

    fn children(self) -> u64 {
        (self.notices / SIBLINGS).max(1)
    }

    /// The child at a place.
    pub(crate) fn child(self, place: u64) -> String {
        format!("child-{}", place % self.children())
    }

    /// Makes the notices. Durability is given up meanwhile, on this connection alone.
    pub(crate) async fn run(self, database: &Database) {
        let mut conn = AnyConnection::connect(&database.url).await.unwrap();
        conn.execute(match database.engine {
            Engine::Sqlite => {
                "PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; \
                 PRAGMA cache_size = -1000000;"
            }
            Engine::Postgres => "SET synchronous_commit = off",
        })
        .await
        .unwrap();
        let mut first = 1;
        while first <= self.notices {
            let last = (first + CHUNK - 1).min(self.notices);
            let mut tx = conn.begin().await.unwrap();
            sqlx::query(DEBTS)
                .bind(i64::try_from(first).unwrap())
                .bind(i64::try_from(last).unwrap())
                .bind(i64::from(self.mixed))
                .bind(i64::try_from(self.children()).unwrap())
                .bind(TOWN)
                .bind(i64::try_from(self.paid).unwrap())
                .execute(&mut *tx)
                .await
                .unwrap();
            for sql in [PAYMENTS, ENTRIES, EXCHANGES, REQUESTS, REPLIES] {
                sqlx::query(sql)
                    .bind(id(first))
                    .bind(id(last))
                    .execute(&mut *tx)
                    .await
                    .unwrap();
            }
            tx.commit().await.unwrap();
            first = last + 1;
        }
        sqlx::query(SEQUENCE)
            .bind(TOWN)
            .bind(i64::try_from(self.notices).unwrap())
            .execute(&mut conn)
            .await
            .unwrap();
        // Settled as after a quiet night: nothing is left to be written behind our back.
        conn.execute(match database.engine {
            Engine::Sqlite => "PRAGMA synchronous = FULL; PRAGMA journal_mode = WAL;",
            Engine::Postgres => "VACUUM ANALYZE",
        })
        .await
        .unwrap();
        if database.engine == Engine::Postgres {
            conn.execute("CHECKPOINT").await.unwrap();
        }
        conn.close().await.unwrap();
    }
}

const DEBTS: &str = "WITH RECURSIVE places (place) AS (SELECT CAST($1 AS BIGINT) UNION ALL \
    SELECT place + 1 FROM places WHERE place < CAST($2 AS BIGINT)), \
    padded AS (SELECT place, substr('0000000000000' || place, length('' || place) + 1) AS digits, \
    CASE WHEN place <= CAST($6 AS BIGINT) THEN 'paid' \
    WHEN CAST($3 AS BIGINT) = 0 OR place % 10 >= 5 THEN 'open' \
    WHEN place % 10 >= 2 THEN 'paid' WHEN place % 10 = 1 THEN 'expired' ELSE 'cancelled' END \
    AS state FROM places), \
    checked AS (SELECT place, digits, state, CAST('302' || digits AS BIGINT) % 93 AS remainder \
    FROM padded), \
    named AS (SELECT place, state, substr(digits, 2) AS tail, '302' || digits || \
    substr('00' || remainder, length('' || remainder) + 1) AS number FROM checked) \
    INSERT INTO debts (id, creditor, kind, service, external_id, child_code, child_name, \
    child_fiscal_code, payer_name, payer_fiscal_code, payer_email, amount_cents, description, \
    due_on, publish_on, payable_until, notice_number, iuv, state, created_at, closed_at, payment) \
    SELECT '01900000-0000-7000-8000-' || tail, CAST($5 AS TEXT), 'top_up', 'refezione', \
    'portal-' || place, 'child-' || (place % CAST($4 AS BIGINT)), 'Giulia Rossi', \
    'RSSGLI16A41F205M', 'Mario Rossi', 'RSSMRA80A01H501U', 'mario.rossi@example.org', 5000, \
    'Ricarica mensa scolastica', \
    CASE WHEN state = 'expired' THEN '2025-01-31' ELSE '2099-12-31' END, NULL, \
    CASE WHEN state = 'expired' THEN '2025-01-31' ELSE '2099-12-31' END, number, \
    substr(number, 2), state, '2025-01-01T08:00:00.000Z', \
    CASE WHEN state = 'open' THEN NULL ELSE '2025-02-01T08:00:00.000Z' END, \
    CASE WHEN state = 'paid' THEN '01910000-0000-7000-8000-' || tail END FROM named";

const PAYMENTS: &str = "INSERT INTO payments (id, creditor, channel, reference, debt, \
    notice_number, notice_creditor, outcome, amount_cents, paid_at, payer_fiscal_code, psp, \
    fingerprint, document, recorded_at) \
    SELECT payment, creditor, 'pagopa', \
    substr('' || (10000000000 + CAST(substr(id, 25) AS BIGINT) * 2654435761 % 4294967296), 2) \
    || '0000000000' || substr(id, 25), id, notice_number, creditor, 'paid', amount_cents, \
    closed_at, payer_fiscal_code, 'ABI99999', \
    'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', \
    '01920000-0000-7000-8000-' || substr(id, 25), closed_at \
    FROM debts WHERE id >= $1 AND id <= $2 AND state = 'paid'";

const ENTRIES: &str = "INSERT INTO ledger_entries (id, payment, creditor, child, service, kind, \
    amount_cents, channel, reference, notice_number, paid_at, payer_fiscal_code, state, attempts, \
    next_attempt_at, created_at, closed_at) \
    SELECT '01930000-0000-7000-8000-' || substr(id, 25), payment, creditor, child_code, service, \
    'credit', amount_cents, 'pagopa', '0000000000' || substr(id, 25), notice_number, closed_at, \
    payer_fiscal_code, 'delivered', 1, closed_at, closed_at, closed_at \
    FROM debts WHERE id >= $1 AND id <= $2 AND state = 'paid'";

const EXCHANGES: &str = "INSERT INTO exchanges (id, started_at, operation, peer, creditor, \
    notice_number, reference, outcome, http_status, duration_us, request_document, reply_document) \
    SELECT '01940000-0000-7000-8000-' || substr(id, 25), closed_at, 'paSendRTV2Request', NULL, \
    creditor, notice_number, '0000000000' || substr(id, 25), 'OK', 200, 1000, \
    '01920000-0000-7000-8000-' || substr(id, 25), '01950000-0000-7000-8000-' || substr(id, 25) \
    FROM debts WHERE id >= $1 AND id <= $2 AND state = 'paid'";

const REQUESTS: &str = "INSERT INTO documents (id, kind, sha256, bytes, stored_at) \
    SELECT '01920000-0000-7000-8000-' || substr(id, 25), 'soap_request', \
    'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', CAST('-' AS blob), \
    closed_at FROM debts WHERE id >= $1 AND id <= $2 AND state = 'paid'";

const REPLIES: &str = "INSERT INTO documents (id, kind, sha256, bytes, stored_at) \
    SELECT '01950000-0000-7000-8000-' || substr(id, 25), 'soap_reply', \
    'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', CAST('-' AS blob), \
    closed_at FROM debts WHERE id >= $1 AND id <= $2 AND state = 'paid'";

const SEQUENCE: &str =
    "INSERT INTO notice_sequences (creditor, series, last) VALUES ($1, '3-02', $2)";
