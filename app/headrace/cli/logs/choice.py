"""Which log records are meant: once as a condition of SQL, once for what comes from Kafka."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import Any, Final

from headrace.cli.logs.record import Record

_ESCAPED: Final = re.compile(r"([\\%_])")


@dataclass(frozen=True, slots=True)
class Choice:
    """What must hold of a record. None: whatever."""

    tenant: str | None = None
    session: str | None = None
    user: str | None = None
    trace: str | None = None
    """A trace id, or a traceparent that has it."""
    level: str | None = None
    """A level of logging or a number: from there on. Another name: that level alone."""
    logger: str | None = None
    """With those under it."""
    grep: str | None = None
    """In the message or the traceback, in any case of letters."""
    regex: bool = False
    since: float | None = None
    """Seconds since 1970."""
    until: float | None = None
    """Seconds since 1970: before that."""

    @property
    def trace_id(self) -> str | None:
        if self.trace is None:
            return None
        parts = self.trace.lower().split("-")
        return parts[1] if len(parts) > 1 else parts[0]

    @property
    def least_level(self) -> int | None:
        """The number from which on a level is meant; None where it is meant by its name."""
        if self.level is None:
            return None
        if self.level.isdecimal():
            return int(self.level)
        known = logging.getLevelName(self.level.upper())
        return known if isinstance(known, int) else None

    def sql(self) -> tuple[str, dict[str, Any]]:
        """Return the condition on the view ``logs``, and what it binds."""
        names = ("tenant", "session", "user")
        found: list[tuple[str, str, Any]] = [
            *((f"{name} = {{{name}:String}}", name, getattr(self, name)) for name in names),
            self._level(),
            ("(logger = {logger:String} OR startsWith(logger, concat({logger:String}, '.')))",
             "logger", self.logger),
            ("trace_id = {trace:String}", "trace", self.trace_id),
            ("ts >= {since:Float64}", "since", self.since),
            ("ts < {until:Float64}", "until", self.until),
            # Partitions are weeks of `time`: those that cannot have it are not read.
            ("time >= fromUnixTimestamp64Micro({weeks:Int64})", "weeks", _micros(self.since)),
            self._searched(),
        ]  # fmt: skip
        chosen = [(condition, name, value) for condition, name, value in found if value is not None]
        conditions = [condition for condition, _, _ in chosen] or ["1"]
        return " AND ".join(conditions), {name: value for _, name, value in chosen}

    def _level(self) -> tuple[str, str, Any]:
        if self.least_level is None:
            return "level = {level:String}", "level", self.level
        return "level_no >= {level:Int64}", "level", self.least_level

    def _searched(self) -> tuple[str, str, str | None]:
        if self.grep is None or not self.regex:
            # In this form the index of words is used.
            pattern = None if self.grep is None else "%" + _ESCAPED.sub(r"\\\1", self.grep) + "%"
            return "text LIKE lowerUTF8({grep:String})", "grep", pattern
        whole = "if(exception = '', message, concat(message, '\\n', exception))"
        return f"match({whole}, {{grep:String}})", "grep", f"(?i){self.grep}"

    def takes(self, record: Record) -> bool:
        """Whether a record is meant."""
        for name in ("tenant", "session", "user"):
            if getattr(self, name) not in {None, getattr(record, name)}:
                return False
        return (
            self.trace_id in {None, record.trace_id}
            and self._takes_level(record)
            and self._takes_logger(record.text("logger"))
            and (self.since is None or record.ts >= self.since)
            and (self.until is None or record.ts < self.until)
            and self._takes_text(record)
        )

    def _takes_level(self, record: Record) -> bool:
        least = self.least_level
        return self.level in {None, record.level} if least is None else record.level_no >= least

    def _takes_logger(self, name: str) -> bool:
        return self.logger in {None, name} or name.startswith(f"{self.logger}.")

    def _takes_text(self, record: Record) -> bool:
        if self.grep is None:
            return True
        if self.regex:
            return re.search(self.grep, record.searched(), re.IGNORECASE) is not None
        return self.grep.lower() in record.searched().lower()


def _micros(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds * 1_000_000)
