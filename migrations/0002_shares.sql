-- Several beneficiaries of one debt, debts settled off the rails, payments taken in stand-in, and
-- keys of operators.

-- Shares, metadata and addresses are read and written whole, with their debt: JSON, nothing when there is none.
ALTER TABLE debts ADD COLUMN shares TEXT;
ALTER TABLE debts ADD COLUMN metadata TEXT;
ALTER TABLE debts ADD COLUMN payer_address TEXT;

-- A debt that is paid without a payment of ours was settled elsewhere.
ALTER TABLE debts ADD COLUMN settled_means TEXT;
ALTER TABLE debts ADD COLUMN settled_reference TEXT;
ALTER TABLE debts ADD COLUMN settled_paid_at TEXT;

-- What of a payment is the creditor's own; the rest went to other beneficiaries.
ALTER TABLE payments ADD COLUMN own_cents BIGINT NOT NULL DEFAULT 0;
UPDATE payments SET own_cents = amount_cents;
-- ordinary, or stand_in when the node could not ask us.
ALTER TABLE payments ADD COLUMN mode TEXT NOT NULL DEFAULT 'ordinary';

-- creditor: the key opens this creditor's data. operator: the data of all creditors it works for.
ALTER TABLE api_keys ADD COLUMN role TEXT NOT NULL DEFAULT 'creditor';
