"""The named queries: each a file of SQL that runs as it stands.

A file begins with its question and remarks, as SQL comments. Its first lines of SQL name what may
be chosen, and its last how many rows::

    WITH
        now() - INTERVAL 7 DAY AS since,
        now() AS until,
        '' AS only_tenant
    …
    LIMIT 20

so that it can be pasted into any client, and changed there by hand as it is changed here.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib import resources
from typing import Final

from clickhouse_connect.driver.binding import format_str

from headrace.cli.faults import CommandError

_SINCE: Final = "now() - INTERVAL 7 DAY AS since"
_UNTIL: Final = "now() AS until"
_TENANT: Final = "'' AS only_tenant"
_LIMIT: Final = re.compile(r"^LIMIT \d+$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Choice:
    """What a question is asked about. None: as the file says."""

    tenant: str | None = None
    since: float | None = None
    """Seconds since 1970."""
    until: float | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Named:
    """One query of the library."""

    name: str
    text: str
    """The whole file."""

    @property
    def question(self) -> str:
        return self.text.partition("\n")[0].removeprefix("-- ")

    @property
    def remarks(self) -> str:
        """What else its reader should know, on one line; empty where that is nothing."""
        comments = (line for line in self.text.splitlines()[1:] if line.startswith("--"))
        return " ".join(line.removeprefix("--").strip() for line in comments)

    def sql(self, choice: Choice) -> str:
        """Return the query for a choice, whole, as it can be pasted elsewhere."""
        text = self.text.rstrip()
        if choice.tenant is not None:
            text = text.replace(_TENANT, f"{format_str(choice.tenant)} AS only_tenant", 1)
        if choice.since is not None:
            text = text.replace(_SINCE, f"{_time(choice.since)} AS since", 1)
        if choice.until is not None:
            text = text.replace(_UNTIL, f"{_time(choice.until)} AS until", 1)
        if choice.limit is not None:
            text = _LIMIT.sub(f"LIMIT {choice.limit}", text)
        return text


def every() -> list[Named]:
    """Return the queries by name."""
    return sorted(_read(), key=lambda one: one.name)


def named(name: str) -> Named:
    """Return one query. Raises :class:`CommandError` that names those that are near."""
    found = {one.name: one for one in every()}
    if name in found:
        return found[name]
    near = difflib.get_close_matches(name, found, n=2, cutoff=0.6)
    hint = f": did you mean {' or '.join(near)}?" if near else ": see `headrace query list`"
    raise CommandError(f"there is no query {name!r}{hint}")


def _read() -> Iterator[Named]:
    for file in resources.files(__package__ or "").joinpath("questions").iterdir():
        if file.name.endswith(".sql"):
            yield Named(file.name.removesuffix(".sql"), file.read_text(encoding="utf-8"))


def _time(seconds: float) -> str:
    at = datetime.fromtimestamp(seconds, tz=timezone.utc)
    return f"toDateTime64('{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03}', 3, 'UTC')"
