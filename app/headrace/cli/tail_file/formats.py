"""The formats of log files: where a record begins, and what stands in it.

``agentao``: ``HH:MM:SS.mmm message``, as agentao writes its ``agentao.log``: no date, no level, no
logger. ``text``: a date and a time first, then perhaps a level and a logger, as ``logging`` is
usually set up. ``json``: an object a line. ``lines``: none of these, each line is a record.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any, Final

import orjson

AGENTAO: Final = "agentao"
TEXT: Final = "text"
JSON: Final = "json"
LINES: Final = "lines"
CHOICES: Final = (AGENTAO, JSON, TEXT, "auto")

_clock: Final = re.compile(rb"([01]\d|2[0-3]):([0-5]\d):([0-5]\d)\.(\d{3}) ").match
_dated: Final = re.compile(rb"\[?\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d").match
_LEVELS: Final = "DEBUG|INFO|WARNING|WARN|ERROR|CRITICAL|FATAL"
_WHEN: Final = (
    r"\[?(?P<ts>\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(?:[.,](?P<part>\d{1,9}))?"
    r"(?P<zone>Z|[+-]\d\d:?\d\d)?\]?"
)
_LEVEL: Final = rf"\[?(?P<level>{_LEVELS})\]?"
_LOGGER: Final = r"\[?(?P<logger>[\w.]+)\]?"
_GAP: Final = r"[\s|:-]+"
_SHAPES: Final = (
    # 2026-05-04 12:30:00,123 ERROR agentao.tools: message
    re.compile(_WHEN + _GAP + _LEVEL + _GAP + _LOGGER + r"\s*[:|-]\s"),
    # 2026-05-04 12:30:00,123 - agentao.tools - ERROR - message
    re.compile(_WHEN + _GAP + _LOGGER + _GAP + _LEVEL + _GAP),
    re.compile(_WHEN + _GAP + _LEVEL + _GAP),
    re.compile(_WHEN + r"\s*"),
)
_TRACEBACK: Final = "Traceback (most recent call last):"
_SAME: Final = {"WARN": "WARNING", "FATAL": "CRITICAL"}
_NUMBERS: Final = {
    name: getattr(logging, name) for name in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
}
_MAX_TS: Final = 2.0**32
"""The archive takes no later time; what stands there is in other units than seconds."""
_KEYS: Final = {
    "ts": ("ts", "timestamp", "time", "asctime", "@timestamp"),
    "level": ("level", "levelname", "severity"),
    "logger": ("logger", "name", "logger_name"),
    "message": ("message", "msg", "event"),
    "exception": ("exception", "exc_info"),
}


@dataclass(slots=True)
class Record:
    """What stands in a record."""

    message: str
    ts: float | None = None
    """Seconds since 1970, None where it does not say the day."""
    clock: float | None = None
    """Seconds since midnight, where it says nothing else."""
    level: str = ""
    logger: str = ""
    exception: str = ""
    extra: dict[str, Any] = field(default_factory=dict)

    def data(self) -> dict[str, Any]:
        """Return the event's data, as the contract has it."""
        level = self.level or ("ERROR" if self.exception else "INFO")
        level = _SAME.get(level.upper(), level.upper())
        told: dict[str, Any] = {
            "level": level,
            "level_no": _NUMBERS.get(level, logging.INFO),
            "logger": self.logger or "agentao",
            "message": self.message,
        }
        if self.exception:
            told["exception"] = self.exception
        if self.extra:
            told["extra"] = self.extra
        return told


def format_of(first: bytes) -> str:
    """Tell a file's format by its first line."""
    if _clock(first):
        return AGENTAO
    if _dated(first):
        return TEXT
    try:
        return JSON if isinstance(orjson.loads(first), dict) else LINES
    except orjson.JSONDecodeError:
        return LINES


def chosen(choice: str, first: bytes) -> str:
    """Return the format of a file for one of :data:`CHOICES`."""
    if choice == "auto":
        return format_of(first)
    return LINES if choice == TEXT and not _dated(first) else choice


def begins(line: bytes, kind: str) -> bool:
    """Whether a line begins a record."""
    if kind == AGENTAO:
        return _clock(line) is not None
    return kind != TEXT or _dated(line) is not None


def read(raw: bytes, kind: str, zone: tzinfo | None) -> Record:
    """Read a record; ``zone`` is of times that name none (None: this machine's). Never raises."""
    text = raw.decode(errors="replace")
    if kind == AGENTAO and (found := _clock(raw)):
        hours, minutes, seconds, millis = map(int, found.groups())
        clock = hours * 3600 + minutes * 60 + seconds + millis / 1000
        return _split(Record(text[len(found[0]) :], clock=clock))
    if kind == JSON:
        return _object(raw, text, zone)
    for shape in _SHAPES if kind == TEXT else ():
        if match := shape.match(text):
            named = match.groupdict()
            ts = _seconds(named["ts"], named["part"], named["zone"], zone)
            level, logger = named.get("level") or "", named.get("logger") or ""
            return _split(Record(text[match.end() :], ts=ts, level=level, logger=logger))
    return _split(Record(text))


def _split(record: Record) -> Record:
    """Take a traceback out of the message."""
    before, found, behind = record.message.partition(_TRACEBACK)
    if found and (not before or before.endswith("\n")):
        record.message, record.exception = before.rstrip("\n"), found + behind
    return record


def _seconds(day: str, part: str | None, offset: str | None, zone: tzinfo | None) -> float | None:
    offset = "" if offset is None else offset.replace("Z", "+00:00")
    if offset and ":" not in offset:
        offset = f"{offset[:3]}:{offset[3:]}"
    try:
        when = datetime.fromisoformat(day.replace(" ", "T") + offset)
    except ValueError:
        return None
    if when.tzinfo is None and zone is not None:
        when = when.replace(tzinfo=zone)
    try:
        return _in_range(when.timestamp() + (float(f"0.{part}") if part else 0.0))
    except (ValueError, OverflowError):  # the first and last days of the calendar, in a zone
        return None


def _in_range(ts: float) -> float | None:
    return ts if 0 <= ts < _MAX_TS else None


def _object(raw: bytes, text: str, zone: tzinfo | None) -> Record:
    try:
        fields = orjson.loads(raw)
    except orjson.JSONDecodeError:
        fields = None
    if not isinstance(fields, dict):
        return Record(text)
    known = {
        ours: fields.pop(next(key for key in keys if key in fields))
        for ours, keys in _KEYS.items()
        if any(key in fields for key in keys)
    }
    words = {name: str(value) for name, value in known.items() if name != "ts" and value}
    record = Record(words.get("message", ""), extra=fields, ts=_time(known.get("ts"), zone))
    record.level, record.logger = words.get("level", ""), words.get("logger", "")
    record.exception = words.get("exception", "")
    if isinstance(known.get("level"), int):
        record.level = logging.getLevelName(known["level"])
    return record


def _time(value: Any, zone: tzinfo | None) -> float | None:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _in_range(value)
    match = _SHAPES[-1].match(value) if isinstance(value, str) else None
    if match is None:
        return None
    return _seconds(match["ts"], match["part"], match["zone"], zone)
