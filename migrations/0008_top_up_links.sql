-- Links under which a parent chooses a top-up: what the portal knows of the child and the payer, so that
-- the link itself tells nothing. Removed when it has expired.
CREATE TABLE top_up_links (
    id TEXT NOT NULL PRIMARY KEY,
    creditor TEXT NOT NULL,
    child_code TEXT NOT NULL,
    child_name TEXT NOT NULL,
    -- What is not known is asked on the page.
    child_fiscal_code TEXT,
    payer_name TEXT NOT NULL,
    payer_fiscal_code TEXT,
    payer_email TEXT,
    -- The codes of the services that are offered, one on each line.
    services TEXT NOT NULL,
    return_url TEXT,
    created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL
) /* strict */;

CREATE INDEX top_up_links_age ON top_up_links (expires_at);
