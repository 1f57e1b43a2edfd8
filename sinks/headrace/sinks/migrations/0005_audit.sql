-- Sealed evidence, for searching: the vault has it, and what is here can be made from there again.
-- A leaf's payload is ciphertext, its user and session are pseudonyms. Of one (log, index) there is
-- one leaf for ever; the partition derives from its bytes, so that FINAL need not merge across.
CREATE TABLE IF NOT EXISTS {database}.audit_raw {on_cluster}
(
    log LowCardinality(String),
    `index` UInt64 CODEC(Delta, ZSTD(1)),
    offset UInt64 CODEC(Delta, ZSTD(1)),
    kind LowCardinality(String),
    tenant String,
    user String,
    session String,
    epoch String,
    seq UInt64 CODEC(Delta, ZSTD(1)),
    ts Float64,
    time DateTime64(6, 'UTC')
        MATERIALIZED fromUnixTimestamp64Micro(toInt64(round(ts * 1000000)), 'UTC')
        CODEC(Delta, ZSTD(1)),
    type LowCardinality(String),
    tool String,
    class LowCardinality(String),
    policy LowCardinality(String),
    `key` String,
    leaf String CODEC(ZSTD(1)),
    hash String,
    sealed_at Float64,
    retain_until Nullable(Float64),
    refused_if UInt8 MATERIALIZED
        throwIf(log = '', 'log is empty')
        + throwIf(NOT (ts >= 0 AND ts < 4294967296), 'ts is not in seconds since 1970')
        COMMENT 'Refuses what has no identity'
)
ENGINE = {replacing}(sealed_at)
PARTITION BY toStartOfMonth(time)
ORDER BY (tenant, session, epoch, seq, log, `index`)
-- A date that a DateTime cannot hold is too far away to matter.
TTL toDateTime(toUInt32(least(ifNull(retain_until, 4294967295.), 4294967295.)), 'UTC')
    DELETE WHERE retain_until < 4294967295.;

-- Of an event that stands in two logs (its topic was made anew and it was sent again) one row is
-- shown. What is filtered by is among what the rows are told apart by: so filters reach the table.
-- It runs with its reader's rights, whatever the server's default: row policies on the table hold.
CREATE OR REPLACE VIEW {database}.audit {on_cluster} SQL SECURITY INVOKER AS
SELECT
    tenant,
    session,
    user,
    epoch,
    seq,
    time,
    ts,
    type,
    tool,
    class,
    kind,
    policy,
    log,
    `index`,
    offset,
    `key`,
    leaf,
    hash,
    fromUnixTimestamp64Milli(toInt64(round(sealed_at * 1000)), 'UTC') AS sealed_at,
    fromUnixTimestamp64Milli(toInt64(round(retain_until * 1000)), 'UTC') AS retain_until
FROM {database}.audit_raw FINAL
LIMIT 1 BY tenant, session, user, epoch, seq, time, ts, type, tool, class,
    if(kind = 'event', '', toString(log)), if(kind = 'event', 0, `index`)
SETTINGS do_not_merge_across_partitions_select_final = 1;
