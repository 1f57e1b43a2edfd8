-- What was erased, kept when nothing else is left: numbers of epochs, by the mark of their session
-- under the salt of the order (see agent.erasures). A row is a fact that may be written again.
CREATE TABLE IF NOT EXISTS {database}.erased_ledger {on_cluster}
(
    tenant String,
    session String COMMENT 'Mark of the session: no name',
    salt String COMMENT 'Of the order, by which a session can be told to be this one',
    epoch String,
    first_seq UInt64,
    last_seq UInt64,
    end_seq UInt64 COMMENT 'Number of the end marker, 0 where this row is not about it',
    dropped Map(String, UInt64) COMMENT 'What the end marker said was dropped, by reason',
    last_ts Float64,
    request String
)
ENGINE = {replacing}
ORDER BY (tenant, session, epoch, first_seq, last_seq, end_seq);
