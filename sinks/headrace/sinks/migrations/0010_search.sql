-- What can be searched: the texts of events, decoded, one row a field; streamed pieces are joined.
-- The index is over words as everybody writes them: case folded, Unicode normalised, and each sign
-- of a script without spaces a word of its own (so that a search for some is one for a phrase). The
-- same expression stands in headrace.cli.search.words, for what is asked.
CREATE TABLE IF NOT EXISTS {database}.texts {on_cluster}
(
    tenant String COMMENT 'Empty in the marks of what is indexed',
    session String,
    user String,
    epoch String,
    seq UInt64 COMMENT 'Number of the event, or of the first that was joined',
    last_seq UInt64 COMMENT 'Number of the last event that was joined, else seq',
    turn Nullable(UInt32),
    ts Float64 COMMENT 'Seconds since 1970 on the source',
    time DateTime64(6, 'UTC') MATERIALIZED fromUnixTimestamp64Micro(toInt64(round(ts * 1000000))),
    type LowCardinality(String),
    field LowCardinality(String) COMMENT 'messages, arguments, results, errors or other',
    text String CODEC(ZSTD(1)),
    fingerprint UInt64 COMMENT 'Of the text; 0 of what was joined, which grows',
    words String ALIAS if(isValidASCII(text), lower(text), replaceRegexpAll(replaceRegexpAll(normalizeUTF8NFKCCasefold(text), '[\\pP\\pZ\\pC]+', ' '), '([\\pSぁ-ヿ㐀-鿿豈-﫿가-힣𠀀-𳿿ก-๿ກ-໿က-႟ក-៿])', ' \\1 ')),
    INDEX by_word if(isValidASCII(text), lower(text), replaceRegexpAll(replaceRegexpAll(normalizeUTF8NFKCCasefold(text), '[\\pP\\pZ\\pC]+', ' '), '([\\pSぁ-ヿ㐀-鿿豈-﫿가-힣𠀀-𳿿ก-๿ກ-໿က-႟ក-៿])', ' \\1 ')) TYPE text(tokenizer = splitByNonAlpha)
)
ENGINE = {replacing}(last_seq)
PARTITION BY toMonday(time)
ORDER BY (tenant, session, epoch, seq, type, field, fingerprint)
-- Few hits are read, each with as much of its column as a granule has.
SETTINGS index_granularity = 128;

-- What came, in the order in which it was written: the work of the feed. Building the index costs
-- more than writing the events, so it is done beside and not before the archive's acknowledgement.
CREATE TABLE IF NOT EXISTS {database}.texts_work {on_cluster}
(
    at_ms UInt64,
    tenant String,
    session String,
    epoch String,
    first_seq UInt64,
    last_seq UInt64,
    events UInt64,
    ts Float64,
    oldest DateTime64(3, 'UTC') COMMENT 'First ingested_at among the events',
    newest DateTime64(3, 'UTC') COMMENT 'Last',
    mark UInt64 MATERIALIZED cityHash64(at_ms, tenant, session, epoch, first_seq, last_seq)
)
ENGINE = {replacing}
ORDER BY (at_ms, tenant, session, epoch, first_seq, last_seq)
TTL toDateTime(intDiv(at_ms, 1000)) + INTERVAL 30 DAY;

-- What is new is in few parts of the table: the others are passed over.
ALTER TABLE {database}.events_raw {on_cluster}
    ADD INDEX IF NOT EXISTS by_ingestion ingested_at TYPE minmax GRANULARITY 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS {database}.texts_work_feed {on_cluster}
TO {database}.texts_work
AS SELECT
    -- When the block is written, not when the insert began: it is there moments later.
    toUnixTimestamp64Milli(any(nowInBlock64(3))) AS at_ms,
    tenant,
    session,
    epoch,
    min(seq) AS first_seq,
    max(seq) AS last_seq,
    count() AS events,
    min(ts) AS ts,
    min(ingested_at) AS oldest,
    max(ingested_at) AS newest
FROM {database}.events_raw
GROUP BY tenant, session, epoch;

-- Takes what is not marked yet, oldest first, so much at a time that inserts keep most of the
-- machine. A mark is written with the texts that it stands for; what is in doubt is done again, and
-- is the same rows. Work that shows up a minute late is still seen.
CREATE MATERIALIZED VIEW IF NOT EXISTS {database}.texts_feed {on_cluster}
REFRESH EVERY 5 SECOND APPEND TO {database}.texts
AS
WITH
    ifNull((SELECT max(seq) FROM {database}.texts WHERE tenant = '' AND session = '' AND epoch = ''), 0) AS done_ms,
    (
        SELECT groupArray((tenant, session, epoch, first_seq, last_seq, at_ms, ts, mark, oldest, newest))
        FROM
        (
            SELECT
                tenant, session, epoch, first_seq, last_seq, at_ms, ts, mark, oldest, newest, events,
                sum(events) OVER (ORDER BY at_ms, tenant, session, epoch, first_seq, last_seq) AS so_far
            FROM {database}.texts_work
            WHERE at_ms + 60000 > done_ms
                AND at_ms + 1000 < toUnixTimestamp64Milli(now64(3))
                AND mark NOT IN (
                    SELECT fingerprint FROM {database}.texts
                    WHERE tenant = '' AND session = '' AND epoch = '' AND seq + 60000 > done_ms
                )
        )
        WHERE so_far <= 100000 OR so_far = events
    ) AS work,
    raw -> translate(replaceAll(replaceAll(raw, '\\\\', '\\u005c'), '\\"', '\\u0022'), '"\n\r\t', '    ') AS bare,
    raw -> if(position(raw, '\\') = 0, translate(raw, '"\n\r\t', '    '),
        if(JSONExtractString(concat('["', bare(raw), '"]'), 1) != '',
            JSONExtractString(concat('["', bare(raw), '"]'), 1),
            replaceRegexpAll(bare(raw), '\\\\(u[0-9a-fA-F][0-9a-fA-F][0-9a-fA-F][0-9a-fA-F]|.)', ' '))) AS decoded,
    -- What a tool answers is often JSON in a string: found as it stands, and decoded once more.
    raw -> if(position(decoded(raw), '\\') = 0, decoded(raw),
        concat(decoded(raw), '\n', decoded(decoded(raw)))) AS told
SELECT
    '' AS tenant, '' AS session, '' AS user, '' AS epoch, w.6 AS seq, w.6 AS last_seq,
    CAST(NULL, 'Nullable(UInt32)') AS turn, w.7 AS ts, '' AS type, '' AS field, '' AS text,
    w.8 AS fingerprint
FROM (SELECT arrayJoin(work) AS w)

UNION ALL

-- Every key goes to a field by its name. A value is decoded as one string without quotes, which no
-- nesting and no odd number can stop. Of the messages that a call repeats, the model's own.
SELECT
    tenant, session, user, epoch, seq, seq AS last_seq, turn, ts, type,
    found.1 AS field, found.2 AS text, cityHash64(found.2) AS fingerprint
FROM
(
    SELECT
        tenant, session, user, epoch, seq, turn, ts, type,
        if(
            type = 'llm_call_delta',
            arrayFlatten(arrayMap(
                message -> [
                    ('text', JSONExtractRaw(message, 'content')),
                    ('text', JSONExtractRaw(message, 'reasoning_content'))
                ],
                arrayFilter(
                    message -> JSONExtractString(message, 'role') = 'assistant',
                    JSONExtractArrayRaw(data, 'added_messages')
                )
            )),
            JSONExtractKeysAndValuesRaw(data)
        ) AS known,
        arrayMap(
            pair -> (
                multiIf(
                    pair.1 IN ('args', 'arguments'), 'arguments',
                    pair.1 IN ('content', 'result', 'output'), 'results',
                    pair.1 IN ('error', 'error_message', 'error_class', 'detail')
                        OR (type = 'error' AND pair.1 = 'message')
                        OR (type = 'llm_retry' AND pair.1 = 'reason'), 'errors',
                    pair.1 IN ('user_message', 'final_text', 'text', 'task', 'message'), 'messages',
                    'other'
                ),
                told(pair.2)
            ),
            arrayFilter(
                pair -> substring(pair.2, 1, 1) IN ('"', '[', '{')
                    AND pair.1 NOT IN ('content_hash', 'system_prompt_hash', 'tools_hash'),
                if(empty(known) AND type != 'llm_call_delta', [('', data)], known)
            )
        ) AS parts,
        arrayJoin(arrayMap(
            name -> (name, arrayStringConcat(
                arrayMap(part -> part.2, arrayFilter(part -> part.1 = name, parts)), '\n'
            )),
            arrayDistinct(arrayMap(part -> part.1, parts))
        )) AS found
    FROM {database}.events_raw AS e
    INNER JOIN
    (
        SELECT w.1 AS tenant, w.2 AS session, w.3 AS epoch, min(w.4) AS low, max(w.5) AS high
        FROM (SELECT arrayJoin(work) AS w)
        GROUP BY tenant, session, epoch
    ) AS new USING (tenant, session, epoch)
    WHERE (tenant, session, epoch) IN (SELECT w.1, w.2, w.3 FROM (SELECT arrayJoin(work) AS w))
        AND seq BETWEEN low AND high
        AND ingested_at BETWEEN arrayMin(arrayMap(w -> w.9, work)) AND arrayMax(arrayMap(w -> w.10, work))
        AND type NOT IN ('llm_text', 'thinking', 'tool_output', 'turn_start', 'llm_call_io')
        AND length(data) > 2
)
WHERE found.2 != ''

UNION ALL

-- Pieces are cut anywhere, in the middle of a word too. Those of a call are joined, all again when
-- more of them came (of one that takes longer, those of the last ten minutes); what is longer takes
-- the place of what was shorter.
SELECT
    tenant, session, max(who) AS user, epoch, min(number) AS seq, max(number) AS last_seq,
    any(in_turn) AS turn, min(at) AS ts, type,
    if(type = 'tool_output', 'results', 'messages') AS field,
    arrayStringConcat(arrayMap(piece -> piece.2, arraySort(groupUniqArray((number, piece))))) AS text,
    0 AS fingerprint
FROM
(
    SELECT
        tenant, session, user AS who, epoch, seq AS number, turn AS in_turn, ts AS at, type, low,
        JSONExtractString(data, 'call_id') AS call_id,
        JSONExtractString(data, 'child_task_id') AS child,
        multiIf(
            NOT isValidJSON(data), concat(' ', decoded(data), ' '),
            JSONHas(data, 'chunk'), JSONExtractString(data, 'chunk'),
            JSONExtractString(data, 'text')
        ) AS piece,
        countIf(type = 'llm_call_started') OVER (
            PARTITION BY tenant, session, epoch ORDER BY seq
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS call
    FROM {database}.events_raw AS e
    INNER JOIN
    (
        SELECT w.1 AS tenant, w.2 AS session, w.3 AS epoch, min(w.4) AS low
        FROM (SELECT arrayJoin(work) AS w)
        GROUP BY tenant, session, epoch
    ) AS new USING (tenant, session, epoch)
    WHERE (tenant, session, epoch) IN (SELECT w.1, w.2, w.3 FROM (SELECT arrayJoin(work) AS w))
        AND ingested_at > arrayMin(arrayMap(w -> w.9, work)) - INTERVAL 10 MINUTE
        AND type IN ('llm_text', 'thinking', 'tool_output', 'llm_call_started')
)
WHERE type != 'llm_call_started'
GROUP BY tenant, session, epoch, type, if(type = 'tool_output', 0, call), call_id, child
HAVING text != '' AND last_seq >= min(low)
SETTINGS max_threads = 1;
