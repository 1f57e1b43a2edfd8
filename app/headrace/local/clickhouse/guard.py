"""What nobody may do here, and what a reader may not.

Three walls, each enough for most attacks: the engine's own rights (:mod:`.rights`), its own parser
(``classify_query`` tells reads from writes), and the tokens of the statement, for what the rights
do not cover (INTO OUTFILE, FROM INFILE, Python objects, executables, dictionaries, the scalar
``file``, the ``ai…`` functions that call out).
Table functions are an allow-list: what the engine knows and is not on it is refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Final

from headrace.local.clickhouse import lexer, rights
from headrace.local.clickhouse.errors import ClickHouseError, readonly, refused
from headrace.local.clickhouse.lexer import PUNCTUATION, QUOTED, WORD, Token

TABLE_FUNCTIONS: Final = frozenset(
    {"numbers", "numbers_mt", "zeros", "zeros_mt", "primes", "generaterandom", "generateseries"}
    | {"generate_series", "values", "sqlstandardvalues", "null", "view", "viewexplain", "merge"}
    | {"viewifpermitted", "input", "format", "loop", "mergetreeindex", "mergetreeprojection"}
)
"""Table functions that reach nothing outside the database (lower case)."""

FUNCTIONS: Final = frozenset({"file", "python", "catboostevaluate", "executable", "disk", "eval"})
"""Names refused before a parenthesis whatever the engine says that it knows (lower case)."""

_ENGINES: Final = frozenset(name.lower() for name in rights.TABLE_ENGINES)
_DATABASE_ENGINES: Final = frozenset({"atomic"})
_FORBIDDEN_WORDS: Final = frozenset({"OUTFILE", "INFILE"})
_FORBIDDEN_OBJECTS: Final = frozenset(
    {"DICTIONARY", "FUNCTION", "NAMED", "USER", "ROLE", "QUOTA", "POLICY", "PROFILE", "WORKLOAD"}
    | {"RESOURCE", "MASKING", "HANDLER"}
)
_READER_CONTROL: Final = ("SET", "USE")
_WRITER_CONTROL: Final = ("SET", "USE", "KILL")
_WRITER_SYSTEM: Final = ("REFRESH", "WAIT", "START", "STOP", "CANCEL")


class Guard:
    """Judges statements. Immutable, so safe from any thread."""

    def __init__(self, table_functions: Iterable[str], functions: Iterable[str]) -> None:
        """Take the names of ``system.table_functions`` and of ``system.functions``."""
        known = {name.lower() for name in table_functions}
        models = {name.lower() for name in functions if name.lower().startswith("ai")}
        self._forbidden = (known - TABLE_FUNCTIONS) | FUNCTIONS | models

    def check(self, found: list[Token]) -> None:
        """Refuse what nobody may do. ``found``: the tokens of one statement, without its data.

        Raises :class:`ClickHouseError` (497).
        """
        for token, following in pairwise([*found, _END]):
            name = token.text.lower()
            called = following.kind == PUNCTUATION and following.text == "("
            if token.kind in (WORD, QUOTED) and called and name in self._forbidden:
                raise refused(f"{token.text[:64]}() is not available here")
            if token.kind == WORD and token.text.upper() in _FORBIDDEN_WORDS:
                raise refused(f"{token.text.upper()} is not available here")
        self._check_engines(found)
        self._check_objects(found)

    def _check_engines(self, found: list[Token]) -> None:
        if not found or not found[0].is_word("CREATE", "ATTACH", "REPLACE", "ALTER"):
            return
        allowed = _DATABASE_ENGINES if _has(found[:4], "DATABASE") else _ENGINES
        for at, token in enumerate(found):
            if not token.is_word("ENGINE"):
                continue
            name = next((t for t in found[at + 1 : at + 3] if t.text != "="), _END)
            if name.kind in (WORD, QUOTED) and name.text.lower() not in allowed:
                raise refused(f"the engine {name.text[:64]} is not available here")

    def _check_objects(self, found: list[Token]) -> None:
        if not found:
            return
        if found[0].is_word("SET") and _has(found[1:3], "ROLE"):
            raise refused("SET ROLE is not available here")
        if found[0].is_word("ATTACH", "DETACH", "BACKUP", "RESTORE", "GRANT", "REVOKE", "EXECUTE"):
            raise refused(f"{found[0].text.upper()} is not available here")
        if found[0].is_word("CREATE", "ALTER", "DROP", "REPLACE"):
            for token in found[1:5]:
                if token.kind == WORD and token.text.upper() in _FORBIDDEN_OBJECTS:
                    raise refused(f"{token.text.upper()} is not available here")


def check_reader(kind: str, found: list[Token]) -> None:
    """Refuse what changes anything. ``kind``: the engine's class of the statement.

    Raises :class:`ClickHouseError` (164).
    """
    if kind == "READ_ONLY" or (kind == "CONTROL" and found[0].is_word(*_READER_CONTROL)):
        return
    raise readonly("Cannot execute query in readonly mode.")


def check_writer(kind: str, found: list[Token]) -> None:
    """Refuse what has no place in a store of events (users, transactions, backups)."""
    if kind in ("READ_ONLY", "MUTATING"):
        return
    if kind == "CONTROL" and found[0].is_word(*_WRITER_CONTROL):
        return
    if kind == "CONTROL" and found[0].is_word("CREATE") and _has(found[1:4], "TEMPORARY"):
        return
    if found[0].is_word("SYSTEM") and found[1:] and found[1].is_word(*_WRITER_SYSTEM):
        return
    raise refused("this statement is not available here")


def _has(found: Iterable[Token], word: str) -> bool:
    return any(token.is_word(word) for token in found)


_END: Final = Token(PUNCTUATION, "", -1, -1)


def read_tokens(sql: str) -> list[Token]:
    """Read one statement's tokens; a last semicolon is dropped.

    Raises :class:`ClickHouseError` (62) where it cannot be read or there is more than one.
    """
    found = list(lexer.tokens(sql))
    while found and found[-1].kind == PUNCTUATION and found[-1].text == ";":
        found.pop()
    if any(token.kind == PUNCTUATION and token.text == ";" for token in found):
        raise ClickHouseError(62, "Syntax error: Multi-statements are not allowed", "SYNTAX_ERROR")
    if not found:
        raise ClickHouseError(62, "Syntax error: Empty query", "SYNTAX_ERROR")
    return found
