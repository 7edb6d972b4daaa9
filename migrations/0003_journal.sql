-- The journal of events: searchable, chained by hashes, with an end for each kind of line.
--
-- Lines from before this migration stay as they are: they belong to no chain.

-- Which way it went, with whom, over which address, and how long it must be kept.
ALTER TABLE exchanges ADD COLUMN direction TEXT NOT NULL DEFAULT 'in';
ALTER TABLE exchanges ADD COLUMN party TEXT NOT NULL DEFAULT 'pagopa-node';
ALTER TABLE exchanges ADD COLUMN kind TEXT NOT NULL DEFAULT 'read';
ALTER TABLE exchanges ADD COLUMN address TEXT;
-- The IUV inside the notice number: the key of searches by either.
ALTER TABLE exchanges ADD COLUMN iuv TEXT;
-- Its place in the chain, and the hash of all its columns and both messages' hashes.
ALTER TABLE exchanges ADD COLUMN chain TEXT;
ALTER TABLE exchanges ADD COLUMN block BIGINT;
ALTER TABLE exchanges ADD COLUMN place BIGINT;
ALTER TABLE exchanges ADD COLUMN hash TEXT;

UPDATE exchanges SET iuv = CASE WHEN substr(notice_number, 1, 1) = '0'
    THEN substr(notice_number, 4) ELSE substr(notice_number, 2) END
    WHERE length(notice_number) = 18;
UPDATE exchanges SET kind = 'receipt' WHERE operation LIKE 'paSendRT%';

CREATE INDEX exchanges_by_place ON exchanges (chain, block, place);
CREATE INDEX exchanges_by_time ON exchanges (started_at, id);
CREATE INDEX exchanges_by_iuv ON exchanges (iuv, id) WHERE iuv IS NOT NULL;
CREATE INDEX exchanges_by_reference ON exchanges (reference, id) WHERE reference IS NOT NULL;

-- Bytes that were taken out, when, and the line of the journal that says by whom and why.
ALTER TABLE documents ADD COLUMN erased_at TEXT;
ALTER TABLE documents ADD COLUMN erasure TEXT;

-- Whether a payment stands on a document is asked before it is removed.
CREATE INDEX payments_document ON payments (document);

-- One row for each transaction that wrote exchanges: a link of the chain of its writer. Rows are
-- never removed; a block whose exchanges have had their time is marked.
CREATE TABLE journal_blocks (
    chain TEXT NOT NULL,
    number BIGINT NOT NULL,
    previous TEXT NOT NULL,
    hash TEXT NOT NULL,
    kinds TEXT NOT NULL,
    exchanges BIGINT NOT NULL,
    exchanges_digest TEXT NOT NULL,
    links BIGINT NOT NULL,
    links_digest TEXT NOT NULL,
    written_at TEXT NOT NULL,
    pruned_at TEXT,
    PRIMARY KEY (chain, number)
) /* strict */;

-- Every chain by its first block.
CREATE INDEX journal_blocks_first ON journal_blocks (chain) WHERE number = 1;
CREATE INDEX journal_blocks_to_prune ON journal_blocks (kinds, written_at)
    WHERE pruned_at IS NULL AND exchanges > 0;

-- The heads of other chains that a block vouches for: the first of a chain, and every seal.
CREATE TABLE journal_links (
    chain TEXT NOT NULL,
    number BIGINT NOT NULL,
    place BIGINT NOT NULL,
    to_chain TEXT NOT NULL,
    to_number BIGINT NOT NULL,
    to_hash TEXT NOT NULL,
    PRIMARY KEY (chain, number, place)
) /* strict */;

CREATE INDEX journal_links_to ON journal_links (to_chain, to_number);
