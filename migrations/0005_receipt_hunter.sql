-- Receipts that have not come: what is looked for, where it was looked, and when it is looked next.
CREATE TABLE receipt_hunts (
    id TEXT NOT NULL PRIMARY KEY,
    creditor TEXT NOT NULL,
    iuv TEXT NOT NULL,
    -- The receipt's id, when a reporting flow has named it; else empty.
    iur TEXT NOT NULL,
    notice_number TEXT,
    reason TEXT NOT NULL CHECK (reason IN ('activated', 'flow_row')),
    state TEXT NOT NULL CHECK (state IN ('searching', 'found', 'ended', 'missing')),
    -- The next question: by receipt id, by receipt id and IUV, or by IUV.
    ask TEXT NOT NULL CHECK (ask IN ('iur', 'iur_iuv', 'iuv')),
    attempts BIGINT NOT NULL,
    wanted_at TEXT NOT NULL,
    next_try_at TEXT NOT NULL,
    closed_at TEXT,
    last_error TEXT
) /* strict */;

CREATE UNIQUE INDEX receipt_hunts_identity ON receipt_hunts (creditor, iuv, iur);
CREATE INDEX receipt_hunts_by_state ON receipt_hunts (creditor, state, id);
CREATE INDEX receipt_hunts_due ON receipt_hunts (next_try_at) WHERE state = 'searching';
CREATE INDEX receipt_hunts_age ON receipt_hunts (wanted_at);

-- Where a payment's message came from. One that was found (at BizEvents) tells less than the node's
-- own, so the two are compared by what they both tell; once the node's own has come, it is the
-- measure.
ALTER TABLE payments ADD COLUMN origin TEXT NOT NULL DEFAULT 'node';
ALTER TABLE payments ADD COLUMN confirmed_at TEXT;
