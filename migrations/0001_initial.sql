-- The store of one payment, from the notice to the meal ledger.
--
-- One text for SQLite and PostgreSQL (docs/architecture.md, "One SQL text"): columns are TEXT,
-- BIGINT or blob; amounts are cents; instants are UTC text of fixed width; days are YYYY-MM-DD; a
-- nullable instant stands for a boolean. The words BIGINT and /* strict */ are exchanged for
-- SQLite's INTEGER and STRICT when they are applied there.

-- Every message and file, in and out, byte for byte.
CREATE TABLE documents (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    bytes blob NOT NULL,
    stored_at TEXT NOT NULL
) /* strict */;

-- Every call at the node's door: who asked what, what we said, how long it took.
CREATE TABLE exchanges (
    id TEXT NOT NULL PRIMARY KEY,
    started_at TEXT NOT NULL,
    operation TEXT NOT NULL,
    peer TEXT,
    creditor TEXT,
    notice_number TEXT,
    reference TEXT,
    outcome TEXT NOT NULL,
    http_status BIGINT NOT NULL,
    duration_us BIGINT NOT NULL,
    request_document TEXT,
    reply_document TEXT
) /* strict */;

-- The last number taken from each sequence of notice numbers. Numbers are never given back.
CREATE TABLE notice_sequences (
    creditor TEXT NOT NULL,
    series TEXT NOT NULL,
    last BIGINT NOT NULL,
    PRIMARY KEY (creditor, series)
) /* strict */;

-- Debts with their notices.
CREATE TABLE debts (
    id TEXT NOT NULL PRIMARY KEY,
    creditor TEXT NOT NULL,
    kind TEXT NOT NULL,
    service TEXT NOT NULL,
    external_id TEXT,
    child_code TEXT NOT NULL,
    child_name TEXT NOT NULL,
    child_fiscal_code TEXT NOT NULL,
    payer_name TEXT NOT NULL,
    payer_fiscal_code TEXT NOT NULL,
    payer_email TEXT NOT NULL,
    amount_cents BIGINT NOT NULL CHECK (amount_cents > 0),
    description TEXT NOT NULL,
    due_on TEXT NOT NULL,
    publish_on TEXT,
    payable_until TEXT NOT NULL,
    notice_number TEXT NOT NULL,
    iuv TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'paid', 'cancelled', 'expired')),
    created_at TEXT NOT NULL,
    closed_at TEXT,
    payment TEXT
) /* strict */;

-- The notice is looked up by its IUV, which is never used twice within a creditor.
CREATE UNIQUE INDEX debts_iuv ON debts (creditor, iuv);
CREATE UNIQUE INDEX debts_external_id ON debts (creditor, external_id);
CREATE INDEX debts_by_age ON debts (creditor, id);
CREATE INDEX debts_by_child ON debts (creditor, child_code, id);
CREATE INDEX debts_by_state ON debts (creditor, state, id);
CREATE INDEX debts_to_close ON debts (payable_until) WHERE state = 'open';

-- Money that has moved, whatever became of it. One row for each reference of a rail.
CREATE TABLE payments (
    id TEXT NOT NULL PRIMARY KEY,
    creditor TEXT NOT NULL,
    channel TEXT NOT NULL,
    reference TEXT NOT NULL,
    debt TEXT,
    notice_number TEXT NOT NULL,
    notice_creditor TEXT NOT NULL,
    outcome TEXT NOT NULL,
    amount_cents BIGINT NOT NULL,
    paid_at TEXT NOT NULL,
    payer_fiscal_code TEXT,
    psp TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    document TEXT NOT NULL,
    recorded_at TEXT NOT NULL
) /* strict */;

CREATE UNIQUE INDEX payments_reference ON payments (creditor, channel, reference);

-- The outbox to the meal ledger. An entry leaves it only when the ledger has it.
CREATE TABLE ledger_entries (
    id TEXT NOT NULL PRIMARY KEY,
    payment TEXT NOT NULL,
    creditor TEXT NOT NULL,
    child TEXT NOT NULL,
    service TEXT NOT NULL,
    kind TEXT NOT NULL,
    amount_cents BIGINT NOT NULL,
    channel TEXT NOT NULL,
    reference TEXT NOT NULL,
    notice_number TEXT NOT NULL,
    paid_at TEXT NOT NULL,
    payer_fiscal_code TEXT,
    state TEXT NOT NULL CHECK (state IN ('owed', 'delivered', 'conflict', 'refused')),
    attempts BIGINT NOT NULL,
    next_attempt_at TEXT NOT NULL,
    created_at TEXT NOT NULL,
    closed_at TEXT,
    last_error TEXT
) /* strict */;

CREATE UNIQUE INDEX ledger_entries_payment ON ledger_entries (payment, kind);
CREATE INDEX ledger_entries_due ON ledger_entries (next_attempt_at, id) WHERE state = 'owed';
CREATE INDEX ledger_entries_account ON ledger_entries (creditor, child, id) WHERE state = 'owed';

-- What waits for a person of the finance office.
CREATE TABLE cases (
    id TEXT NOT NULL PRIMARY KEY,
    creditor TEXT NOT NULL,
    code TEXT NOT NULL,
    identity TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'resolved')),
    opened_at TEXT NOT NULL
) /* strict */;

-- The same thing that happens again is not another case.
CREATE UNIQUE INDEX cases_identity ON cases (creditor, code, identity);
CREATE INDEX cases_by_state ON cases (creditor, state, id);

-- Keys of the REST API: the prefix finds the row, the hash proves the key.
CREATE TABLE api_keys (
    id TEXT NOT NULL PRIMARY KEY,
    creditor TEXT NOT NULL,
    name TEXT NOT NULL,
    prefix TEXT NOT NULL,
    hash TEXT NOT NULL,
    scopes TEXT NOT NULL,
    created_at TEXT NOT NULL,
    revoked_at TEXT
) /* strict */;

CREATE UNIQUE INDEX api_keys_prefix ON api_keys (prefix);

-- First answers to requests with an Idempotency-Key.
CREATE TABLE idempotency_keys (
    creditor TEXT NOT NULL,
    key TEXT NOT NULL,
    request_sha256 TEXT NOT NULL,
    http_status BIGINT NOT NULL,
    body TEXT NOT NULL,
    created_at TEXT NOT NULL,
    PRIMARY KEY (creditor, key)
) /* strict */;

CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);

-- One row for each job: who runs it until when, and how the last run ended.
CREATE TABLE jobs (
    name TEXT NOT NULL PRIMARY KEY,
    holder TEXT NOT NULL,
    lease_until TEXT NOT NULL,
    started_at TEXT NOT NULL,
    finished_at TEXT,
    last_error TEXT
) /* strict */;
