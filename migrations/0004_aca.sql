-- What pagoPA's archive of notices (ACA) must hear, and how fast pagoPA's services may be called.

-- One row for each notice: the last state wins, so nothing of the debt is copied. Whoever changes a
-- debt raises the revision; the job sends the debt as it then is, and the row rests only if the
-- revision is still the one that was sent.
CREATE TABLE aca_positions (
    debt TEXT NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('owed', 'done', 'refused')),
    attempts BIGINT NOT NULL,
    next_attempt_at TEXT NOT NULL,
    -- When it was first sent, whatever the answer: before that there is nothing to close.
    offered_at TEXT,
    -- SHA-256 of what the archive has taken last; empty while that is not known.
    taken TEXT NOT NULL,
    done_at TEXT,
    last_error TEXT
) /* strict */;

CREATE INDEX aca_positions_due ON aca_positions (next_attempt_at, debt) WHERE state = 'owed';

-- Notices that were there before this table: the archive does not know them.
INSERT INTO aca_positions (debt, revision, state, attempts, next_attempt_at, taken)
    SELECT id, 1, 'owed', 0, created_at, '' FROM debts WHERE state = 'open';

-- One row for each service of pagoPA: when its next call is free, and until when it is left alone.
CREATE TABLE call_rates (
    service TEXT NOT NULL PRIMARY KEY,
    free_at TEXT NOT NULL,
    held_until TEXT,
    held_for TEXT
) /* strict */;
