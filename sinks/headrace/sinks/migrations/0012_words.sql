-- The words of an event are kept: made once, when it is written. Made of `data` for whatever has the words
-- asked for, and again in each merge, which builds the index, they took longer than all else.
ALTER TABLE {database}.events_raw {on_cluster} MODIFY COLUMN
    words String MATERIALIZED if(isValidASCII(text), lower(text), replaceRegexpAll(replaceRegexpAll(normalizeUTF8NFKCCasefold(toValidUTF8(text)), '[^\\x00-\\x7f\\pL\\pM\\pN\\pS]+', ' '), '([^\\x00-\\x7f\\pL\\pM\\pN\\pP\\pZ\\pC]|[ぁ-ヿ㐀-鿿豈-﫿가-힣𠀀-𳿿ก-๿ກ-໿က-႟ក-៿])', ' \\1 ')) COMMENT 'The same for hasAllTokens and hasPhrase' CODEC(ZSTD(3));
ALTER TABLE {database}.events_raw {on_cluster} MODIFY COLUMN words
    MODIFY SETTING min_compress_block_size = 1048576, max_compress_block_size = 4194304;

-- The index under another name: where some parts have it and the column, and others the index alone, a
-- search finds nothing in these. Parts that do not have it yet are read. A column has one such index.
ALTER TABLE {database}.events_raw {on_cluster}
    DROP INDEX IF EXISTS by_word,
    ADD INDEX IF NOT EXISTS by_words words TYPE text(tokenizer = splitByNonAlpha);

-- In the background.
ALTER TABLE {database}.events_raw {on_cluster} MATERIALIZE COLUMN words, MATERIALIZE INDEX by_words;
