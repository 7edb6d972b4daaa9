-- Attempts to pay at Checkout: what was asked for, what came of it, and where the browser goes
-- afterwards. An attempt decides nothing about a debt: the receipt does.
CREATE TABLE checkouts (
    -- Our id; Checkout's idCart, which comes back as paymentNote of the get and the receipt.
    id TEXT NOT NULL PRIMARY KEY,
    creditor TEXT NOT NULL,
    -- What stands in the return addresses.
    token TEXT NOT NULL,
    -- page: a path of our own pages; portal: an address of the creditor's portal.
    back_kind TEXT NOT NULL CHECK (back_kind IN ('page', 'portal')),
    back TEXT NOT NULL,
    -- asked: no answer was written down (yet); open: there is a cart; running: the node let none of it
    -- be paid; refused: Checkout did not take it; down: there was no good answer.
    state TEXT NOT NULL CHECK (state IN ('asked', 'open', 'running', 'refused', 'down')),
    note TEXT,
    redirect_url TEXT,
    created_at TEXT NOT NULL,
    expires_at TEXT,
    -- By which of the addresses the browser came back last: a hint for people, and no proof.
    returned TEXT CHECK (returned IN ('ok', 'waiting', 'cancel', 'error')),
    returned_at TEXT
) /* strict */;

CREATE UNIQUE INDEX checkouts_by_token ON checkouts (token);

-- The notices of an attempt, in their order.
CREATE TABLE checkout_notices (
    checkout TEXT NOT NULL,
    place BIGINT NOT NULL,
    debt TEXT NOT NULL,
    PRIMARY KEY (checkout, place)
) /* strict */;

CREATE INDEX checkout_notices_by_debt ON checkout_notices (debt, checkout);
