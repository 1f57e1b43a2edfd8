"""What a log record says, as the ``data`` of an envelope. Nothing here raises for any record."""

from __future__ import annotations

import logging
import time
import traceback
from typing import Any, Final, NamedTuple

import orjson

from headrace.producers.encode import MAX_TEXT, NOTE, cut, encode, foreign, text_of

_STANDARD: Final = frozenset({*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"})
"""What logging itself puts on a record; all else came with ``extra``."""

_LATEST: Final = 2.0**32
"""Seconds since 1970 from which on the archive takes none."""


class Said(NamedTuple):
    """One record, taken apart."""

    data: dict[str, Any]
    session: str | None
    """As ``extra`` gave it, and so the user."""
    user: str | None


def read(record: logging.LogRecord, tenant: str, *, format_it: bool = True) -> Said:
    """Take a record apart. ``extra``'s session and user are not said again in ``data``.

    A tenant is, where it is not the producer's: whose records these are, the producer says.
    ``format_it``: else nothing of the program's own is called, such as a ``__str__`` that logs.
    """
    message, fault = _message(record) if format_it else (_as_it_is(record.msg), None)
    # Texts as they are: what UTF-8 cannot hold is mended when it is encoded.
    data: dict[str, Any] = {
        "level": record.levelname,
        "level_no": record.levelno if isinstance(record.levelno, int) else 0,
        "logger": record.name,
        "message": message,
    }
    if (record.exc_info or record.exc_text) and (exception := _exception(record)):
        data["exception"] = exception
    if record.stack_info:
        data["stack"] = record.stack_info
    data["file"] = record.pathname
    data["line"] = record.lineno
    if record.funcName:
        data["function"] = record.funcName
    data["thread"] = record.threadName
    data["process"] = record.process
    if fault:
        data[NOTE] = {"format": fault}
    given = vars(record)
    if not format_it or not (own := [name for name in given if name not in _STANDARD]):
        return Said(data, None, None)
    extra = {name: given[name] for name in own}
    session, user = _name(extra.pop("session_id", None)), _name(extra.pop("user_id", None))
    if "tenant_id" in extra and _name(extra["tenant_id"]) == tenant:
        del extra["tenant_id"]
    if extra:
        data["extra"] = extra
    return Said(data, session, user)


def created(record: logging.LogRecord) -> float:
    """Return when it was logged, in seconds since 1970; now, where what it says is no such time."""
    value: Any = record.created
    told = type(value) in {int, float} and 0 < value < _LATEST
    return float(value) if told else time.time()


def encoded(data: dict[str, Any], max_bytes: int) -> bytes:
    """Encode a record's data, cut to so many bytes."""
    try:
        body = orjson.dumps(data, foreign)
    except Exception:
        body, _ = encode(data)
    return body if len(body) <= max_bytes else cut(body, max_bytes)


def _message(record: logging.LogRecord) -> tuple[str, str | None]:
    try:
        return record.getMessage(), None
    except Exception as error:
        # The program's mistake, told where its message would stand: it is not to fail by it.
        return _bare(record.msg), f"{type(error).__name__}: {_bare(error)}"


def _as_it_is(value: Any) -> str:
    return text_of(value) if type(value) is str else f"<{type(value).__name__}>"


def _bare(value: Any) -> str:
    """Return text, or what stands for a thing that has none."""
    if isinstance(value, str):
        return text_of(value)
    try:
        return text_of(value)[:MAX_TEXT]
    except Exception as error:
        return f"<{type(value).__name__}: {type(error).__name__}>"


def _exception(record: logging.LogRecord) -> str | None:
    try:
        if record.exc_text:
            return record.exc_text
        if isinstance(record.exc_info, tuple) and record.exc_info[1] is not None:
            return "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
    except Exception as error:
        return f"<a traceback that cannot be shown: {type(error).__name__}>"
    return None


def _name(value: Any) -> str | None:
    """Return a name that ``extra`` gave; what is empty names nobody."""
    if value is None or value == "":
        return None
    return _bare(value)
