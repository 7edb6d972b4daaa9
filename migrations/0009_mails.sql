-- Mails that are owed to people, in the same transaction as what causes them.

-- One row for each thing that is said once: the same words for the same creditor, kind and identity
-- are not another mail.
CREATE TABLE mails (
    id TEXT NOT NULL PRIMARY KEY,
    creditor TEXT NOT NULL,
    kind TEXT NOT NULL,
    identity TEXT NOT NULL,
    debt TEXT,
    recipient TEXT NOT NULL,
    language TEXT NOT NULL,
    subject TEXT NOT NULL,
    plain TEXT NOT NULL,
    html TEXT NOT NULL,
    -- JSON: documents with their names and types; nothing when there is none.
    attachments TEXT,
    state TEXT NOT NULL CHECK (state IN ('owed', 'sent', 'refused')),
    attempts BIGINT NOT NULL,
    next_attempt_at TEXT NOT NULL,
    created_at TEXT NOT NULL,
    closed_at TEXT,
    last_error TEXT
) /* strict */;

CREATE UNIQUE INDEX mails_identity ON mails (creditor, kind, identity);
CREATE INDEX mails_due ON mails (next_attempt_at, id) WHERE state = 'owed';
