"""Which of ClickHouse's errors blame the data, and which may pass by themselves."""

from __future__ import annotations

import re
from typing import Final

from headrace.events.errors import Poison, Retryable

DATA_CODES: Final = frozenset(
    {
        6,  # CANNOT_PARSE_TEXT
        25,  # CANNOT_PARSE_ESCAPE_SEQUENCE
        26,  # CANNOT_PARSE_QUOTED_STRING
        27,  # CANNOT_PARSE_INPUT_ASSERTION_FAILED
        32,  # ATTEMPT_TO_READ_AFTER_EOF
        33,  # CANNOT_READ_ALL_DATA
        38,  # CANNOT_PARSE_DATE
        41,  # CANNOT_PARSE_DATETIME
        53,  # TYPE_MISMATCH
        69,  # ARGUMENT_OUT_OF_BOUND
        70,  # CANNOT_CONVERT_TYPE
        72,  # CANNOT_PARSE_NUMBER
        117,  # INCORRECT_DATA
        130,  # CANNOT_READ_ARRAY_FROM_TEXT
        131,  # TOO_LARGE_STRING_SIZE
        190,  # SIZES_OF_ARRAYS_DONT_MATCH
        321,  # VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE
        349,  # CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN
        395,  # FUNCTION_THROW_IF_VALUE_IS_NON_ZERO: the table's own checks
        407,  # DECIMAL_OVERFLOW
        467,  # CANNOT_PARSE_BOOL
        636,  # CANNOT_EXTRACT_TABLE_STRUCTURE
        691,  # UNKNOWN_ELEMENT_OF_ENUM
    }
)
"""A line is to blame. Every other code (memory, too many parts, timeouts, no table, no rights, no
answer at all) blames the server or its set-up: dead-lettering for those would lose good events."""
MEMORY_LIMIT_EXCEEDED: Final = 241

_ADVICE: Final = {
    60: "run `headrace schema apply`",
    81: "run `headrace schema apply`",
    16: "run `headrace schema apply`",
    516: "check the user and password of HEADRACE_CLICKHOUSE_URL",
    497: "the user of HEADRACE_CLICKHOUSE_URL needs INSERT on the tables of the archive",
    164: "HEADRACE_CLICKHOUSE_URL must name a user that may write",
}


def classify(code: int | None) -> type[Poison | Retryable]:
    """Say whether an error with this code blames the data or the moment."""
    return Poison if code in DATA_CODES else Retryable


def reason_of(error: Exception) -> str:
    """One line for a person, with what to do where that is known. Never holds a credential.

    Of a data error it keeps the server's first sentence only: what follows quotes the data.
    """
    text = " ".join(str(error).split())
    code = getattr(error, "code", None)
    if classify(code) is Poison:
        return _without_data(text)
    advice = _ADVICE.get(code) if code is not None else None
    return f"{text[:300]} ({advice})" if advice else text[:300]


def _without_data(text: str) -> str:
    found = re.search(r"DB::Exception: (.*)", text)
    sentence = found.group(1) if found else text
    return re.split(r": [Ww]hile |: \(|: \{|[{\"']|\(at row", sentence, maxsplit=1)[0].strip(
        " :,."
    )[:200]
