-- What has happened, for the portals: a feed that is read in order, and webhooks.

-- Written in the transaction of what happened, and read by nobody but the one who numbers: two
-- transactions that run side by side may end in another order than that of their ids.
CREATE TABLE events_new (
    id TEXT NOT NULL PRIMARY KEY,
    creditor TEXT NOT NULL,
    type TEXT NOT NULL,
    created_at TEXT NOT NULL,
    data TEXT NOT NULL
) /* strict */;

-- The feed. A place is given after the commit, under the lock of event_sequence: whoever has read up
-- to one place can miss nothing before it.
CREATE TABLE events (
    position BIGINT NOT NULL PRIMARY KEY,
    id TEXT NOT NULL,
    creditor TEXT NOT NULL,
    type TEXT NOT NULL,
    created_at TEXT NOT NULL,
    data TEXT NOT NULL
) /* strict */;

CREATE UNIQUE INDEX events_id ON events (id);
CREATE INDEX events_by_creditor ON events (creditor, position);

CREATE TABLE event_sequence (
    name TEXT NOT NULL PRIMARY KEY,
    last BIGINT NOT NULL
) /* strict */;

INSERT INTO event_sequence (name, last) VALUES ('events', 0);

-- Where a portal wants to be called.
CREATE TABLE webhook_endpoints (
    id TEXT NOT NULL PRIMARY KEY,
    creditor TEXT NOT NULL,
    url TEXT NOT NULL,
    -- Event types, a blank between them; empty for all.
    types TEXT NOT NULL,
    secret TEXT NOT NULL,
    previous_secret TEXT,
    previous_until TEXT,
    created_at TEXT NOT NULL,
    failing_since TEXT,
    disabled_at TEXT,
    disabled_for TEXT,
    deleted_at TEXT
) /* strict */;

CREATE INDEX webhook_endpoints_by_creditor ON webhook_endpoints (creditor, id);

-- One row for each event and endpoint.
CREATE TABLE webhook_deliveries (
    id TEXT NOT NULL PRIMARY KEY,
    creditor TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    position BIGINT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('owed', 'delivered', 'failed')),
    attempts BIGINT NOT NULL,
    -- Since when it is owed: at its creation, and when it is sent again by hand.
    owed_since TEXT NOT NULL,
    next_attempt_at TEXT NOT NULL,
    created_at TEXT NOT NULL,
    closed_at TEXT,
    last_status BIGINT,
    last_error TEXT
) /* strict */;

CREATE UNIQUE INDEX webhook_deliveries_identity ON webhook_deliveries (endpoint, position);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (next_attempt_at, position)
    WHERE state = 'owed';
CREATE INDEX webhook_deliveries_by_state ON webhook_deliveries (creditor, state, id);
CREATE INDEX webhook_deliveries_by_creditor ON webhook_deliveries (creditor, id);
CREATE INDEX webhook_deliveries_owed ON webhook_deliveries (endpoint) WHERE state = 'owed';
CREATE INDEX webhook_deliveries_age ON webhook_deliveries (closed_at) WHERE state <> 'owed';

-- What a payer owes and has paid.
CREATE INDEX debts_by_payer ON debts (creditor, payer_fiscal_code, id);
