-- What `headrace search` finds by. The index is on the events themselves: retention, erasure and
-- replicas need nothing for it. It is built when parts merge, and not before an insert is
-- acknowledged (see INSERT_SETTINGS of headrace.sinks.clickhouse); parts that have none are read.
--
-- An expression that the index shares with a query must hold no lambda, no IN and no OR of three (of
-- which ClickHouse makes sets): it would not be recognised, or fail where a part has no index.
ALTER TABLE {database}.events_raw {on_cluster}
    -- Nothing of what stands whole in a later event, and of what a call repeats the model's own; no
    -- keys, null, true, false and hashes. All of it is decoded as one string without quotes, which no
    -- nesting and no odd number can stop; half a surrogate pair is left out.
    ADD COLUMN IF NOT EXISTS text_once String ALIAS JSONExtractString(concat('["', replaceRegexpAll(
        translate(replaceAll(replaceAll(multiIf(
            type = 'llm_text', '', type = 'thinking', '', type = 'tool_output', '',
            type = 'turn_start', '', type = 'llm_call_io', '',
            type = 'llm_call_delta', replaceAll(arrayStringConcat(mapValues(mapExtractKeyLike(
                mapFromArrays(
                    arrayConcat(JSONExtract(data, 'added_messages', 'Array(Tuple(role String, content String, reasoning_content String))').role, JSONExtract(data, 'added_messages', 'Array(Tuple(role String, content String, reasoning_content String))').role),
                    arrayConcat(JSONExtract(data, 'added_messages', 'Array(Tuple(role String, content String, reasoning_content String))').content, JSONExtract(data, 'added_messages', 'Array(Tuple(role String, content String, reasoning_content String))').reasoning_content)
                ), 'assistant')), ' '), '\\', '\\\\'),
            replaceRegexpAll(data, '"[^"\\\\]*_hash"\\s*:\\s*"[0-9a-f]*"|"[^"\\\\]*"\\s*:\\s*(?:null|true|false)?', ' ')
        ), '\\\\', '\\u005c'), '\\"', '\\u0022'), '"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f', '                                 '),
        '(\\\\u[dD][89abAB]..\\\\u[dD][c-fC-F]..)|\\\\(?:u[dD][89a-fA-F]..|[^/bfnrtu])', '\\1'), '"]'), 1) COMMENT 'Step to text',
    -- What a tool answers is often JSON in a string: as it stands (C:\temp has no tab), and decoded.
    ADD COLUMN IF NOT EXISTS text String ALIAS concat(text_once, if(position(text_once, '\\') = 0, '', JSONExtractString(concat('["', replaceRegexpAll(
        translate(replaceAll(replaceAll(text_once, '\\\\', '\\u005c'), '\\"', '\\u0022'), '"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f', '                                 '),
        '(\\\\u[dD][89abAB]..\\\\u[dD][c-fC-F]..)|\\\\(?:u[dD][89a-fA-F]..|[^/bfnrtu])', '\\1'), '"]'), 1))) COMMENT 'What is searched of data',
    -- As everybody writes it: case folded, Unicode normalised, each sign of a script without spaces a
    -- word of its own (a search for some is one for a phrase). headrace.cli.search.words does the same.
    ADD COLUMN IF NOT EXISTS words String ALIAS if(isValidASCII(text), lower(text), replaceRegexpAll(replaceRegexpAll(normalizeUTF8NFKCCasefold(toValidUTF8(text)), '[^\\x00-\\x7f\\pL\\pM\\pN\\pS]+', ' '), '([^\\x00-\\x7f\\pL\\pM\\pN\\pP\\pZ\\pC]|[ぁ-ヿ㐀-鿿豈-﫿가-힣𠀀-𳿿ก-๿ກ-໿က-႟ក-៿])', ' \\1 ')) COMMENT 'The same for hasAllTokens and hasPhrase',
    ADD INDEX IF NOT EXISTS by_word words TYPE text(tokenizer = splitByNonAlpha);
