-- The journal of a creditor, newest first.
CREATE INDEX exchanges_by_creditor ON exchanges (creditor, started_at, id);

-- Lines from before the chains, by the end of their time.
CREATE INDEX exchanges_unchained ON exchanges (kind, started_at) WHERE chain IS NULL;

-- For how many months a block's lines were to be kept when they were removed: the retention may be
-- raised later.
ALTER TABLE journal_blocks ADD COLUMN pruned_months BIGINT;
