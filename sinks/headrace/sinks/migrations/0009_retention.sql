-- Every TTL that `headrace retention apply` ever set, by its shortest span: what a former one took
-- is no loss either. `headrace verify` reads it. A row is a fact that may be written again.
CREATE TABLE IF NOT EXISTS {database}.retention_ledger {on_cluster}
(
    name String COMMENT 'Table whose rows it takes',
    ttl String COMMENT 'As the server was told',
    shortest UInt64 COMMENT 'Seconds that a row is kept at least',
    applied_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = {replacing}
ORDER BY (name, ttl);

-- What the end marker of an epoch says was dropped, when the marker itself is gone: `headrace verify`
-- must still know that what never came was told of.
CREATE TABLE IF NOT EXISTS {database}.ends_ledger {on_cluster}
(
    tenant String,
    session String,
    epoch String,
    seq UInt64 COMMENT 'Number of the end marker',
    dropped Map(String, UInt64) COMMENT 'By reason, over the life of the epoch'
)
ENGINE = {replacing}
ORDER BY (tenant, session, epoch, seq);

CREATE MATERIALIZED VIEW IF NOT EXISTS {database}.ends_ledger_feed {on_cluster}
TO {database}.ends_ledger
AS SELECT tenant, session, epoch, seq,
    JSONExtract(data, 'dropped', 'Map(String, UInt64)') AS dropped
FROM {database}.events_raw
WHERE type = 'headrace.epoch_end';

INSERT INTO {database}.ends_ledger
SELECT tenant, session, epoch, seq,
    JSONExtract(data, 'dropped', 'Map(String, UInt64)') AS dropped
FROM {database}.events_raw
WHERE type = 'headrace.epoch_end';
