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

CREATE MATERIALIZED VIEW IF NOT EXISTS {database}.ends_ledger_feed_logs {on_cluster}
TO {database}.ends_ledger
AS SELECT tenant, session, epoch, seq,
    JSONExtract(data, 'dropped', 'Map(String, UInt64)') AS dropped
FROM {database}.logs_raw
WHERE type = 'headrace.epoch_end';

INSERT INTO {database}.ends_ledger
SELECT tenant, session, epoch, seq,
    JSONExtract(data, 'dropped', 'Map(String, UInt64)') AS dropped
FROM {database}.events_raw
WHERE type = 'headrace.epoch_end';

INSERT INTO {database}.ends_ledger
SELECT tenant, session, epoch, seq,
    JSONExtract(data, 'dropped', 'Map(String, UInt64)') AS dropped
FROM {database}.logs_raw
WHERE type = 'headrace.epoch_end';

-- What a row takes on disk. Texts of agents repeat each other over more than the 64 kB that a block
-- has by itself, and a granule of events is larger than the megabyte that it may have here: nothing
-- is unpacked for it that would not be read anyway. Times follow each other within a session.
-- Parts that are there are written this way when they merge.
ALTER TABLE {database}.events_raw {on_cluster} MODIFY COLUMN data CODEC(ZSTD(3));
ALTER TABLE {database}.events_raw {on_cluster} MODIFY COLUMN data
    MODIFY SETTING min_compress_block_size = 1048576, max_compress_block_size = 4194304;
ALTER TABLE {database}.events_raw {on_cluster} MODIFY COLUMN time CODEC(Delta(8), ZSTD(1));
ALTER TABLE {database}.events_raw {on_cluster} MODIFY COLUMN ts CODEC(Delta(8), ZSTD(1));
