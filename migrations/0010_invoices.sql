-- Invoices: the month and its meals; and files of many notices, brought in by a job.

-- The lines are read and written whole, with their debt: JSON, nothing for other kinds.
ALTER TABLE debts ADD COLUMN period TEXT;
ALTER TABLE debts ADD COLUMN lines TEXT;

-- Whose due day is near.
CREATE INDEX debts_by_due_day ON debts (creditor, due_on, id) WHERE state = 'open';

-- A file of notices. The same file of the same creditor is the same batch.
CREATE TABLE notice_batches (
    id TEXT NOT NULL PRIMARY KEY,
    creditor TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    name TEXT,
    format TEXT NOT NULL,
    -- In which the reasons of refused rows are written.
    language TEXT NOT NULL,
    document TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('working', 'done', 'failed')),
    total BIGINT NOT NULL,
    -- Rows that are settled: whoever writes more of them must find it as it was read.
    settled BIGINT NOT NULL,
    created BIGINT NOT NULL,
    unchanged BIGINT NOT NULL,
    refused BIGINT NOT NULL,
    created_at TEXT NOT NULL,
    finished_at TEXT
) /* strict */;

CREATE UNIQUE INDEX notice_batches_file ON notice_batches (creditor, sha256);
CREATE INDEX notice_batches_open ON notice_batches (id) WHERE state = 'working';

-- What became of each row, written with the notices themselves.
CREATE TABLE notice_batch_rows (
    batch TEXT NOT NULL,
    place BIGINT NOT NULL,
    line BIGINT NOT NULL,
    external_id TEXT,
    state TEXT NOT NULL CHECK (state IN ('created', 'unchanged', 'refused')),
    debt TEXT,
    errors TEXT,
    PRIMARY KEY (batch, place)
) /* strict */;

CREATE INDEX notice_batch_rows_by_state ON notice_batch_rows (batch, state, place);
