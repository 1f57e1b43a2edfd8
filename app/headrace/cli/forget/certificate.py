"""The certificate: what was removed, what stays and why, what is pending until when.

And how it was searched for. As JSON, and as a text for who reads it. It never names the person.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from headrace.cli.forget.request import Request, Requests
from headrace.cli.forget.search import Searched
from headrace.local.state_dir import write_private

COMPLETE: Final = "complete"
PENDING: Final = "pending"
FOUND: Final = "found"
"""Something is left that nothing explains."""


@dataclass(slots=True)
class Pending:
    """A store that may hold the person for a while."""

    store: str
    why: str
    until: float | None
    """Seconds since 1970; None: until something happens, which ``why`` says."""
    cluster: str = ""
    """Of an embedded Kafka: until there is another."""

    def over(self, now: float, cluster: str) -> bool:
        if self.cluster:
            return self.cluster != cluster
        return self.until is not None and self.until <= now


@dataclass(slots=True)
class Found:
    """Everything that a certificate says, beside whose request it is."""

    removed: list[tuple[str, int]] = field(default_factory=list)
    kept: list[tuple[str, str]] = field(default_factory=list)
    pending: list[Pending] = field(default_factory=list)
    searched: list[Searched] = field(default_factory=list)

    @property
    def state(self) -> str:
        if any(one.hits for one in self.searched):
            return FOUND
        return PENDING if self.pending else COMPLETE


def make(request: Request, found: Found, now: float) -> dict[str, Any]:
    """Return the certificate."""
    return {
        "v": 1,
        "request": request.id,
        "tenant": request.tenant,
        "subject": request.subject,
        "requested_at": request.requested_at,
        "certified_at": now,
        "state": found.state,
        "removed": [{"store": store, "count": count} for store, count in found.removed],
        "kept": [{"store": store, "why": why} for store, why in found.kept],
        "pending": [
            {"store": one.store, "why": one.why, "until": one.until, "cluster": one.cluster}
            for one in found.pending
        ],
        "searched": [one.as_data() for one in found.searched],
    }


def pending_of(certificate: dict[str, Any]) -> list[Pending]:
    return [Pending(**one) for one in certificate.get("pending", ())]


def write(requests: Requests, certificate: dict[str, Any]) -> tuple[str, str]:
    """Write both forms; return their paths."""
    stem = requests.directory / f"certificate-{certificate['request']}"
    as_json, as_text = stem.with_suffix(".json"), stem.with_suffix(".txt")
    write_private(as_json, certificate)
    draft = as_text.with_name(f".{as_text.name}")
    draft.touch(mode=0o600)
    draft.write_text("\n".join(lines(certificate)) + "\n", encoding="utf-8")
    draft.replace(as_text)
    return str(as_json), str(as_text)


def lines(certificate: dict[str, Any]) -> Iterator[str]:
    """Yield the certificate as text."""
    yield f"Certificate of erasure {certificate['request']}"
    yield f"tenant {certificate['tenant']}, subject {certificate['subject']} (a pseudonym)"
    yield f"requested {_time(certificate['requested_at'])}, state: {certificate['state']}"
    yield "removed:"
    removed = [one for one in certificate["removed"] if one["count"]]
    yield from (f"  {one['store']}: {one['count']:,}" for one in removed)
    yield "stays:"
    yield from (f"  {one['store']}: {one['why']}" for one in certificate["kept"])
    yield "pending:" if certificate["pending"] else "pending: nothing"
    for one in certificate["pending"]:
        until = "" if one["until"] is None else f" until {_time(one['until'])}"
        yield f"  {one['store']}{until}: {one['why']}"
    yield f"searched {_time(certificate['certified_at'])} for the name and the sessions:"
    for one in certificate["searched"]:
        found = f"FOUND {one['hits']:,}: {', '.join(one['found'])}" if one["hits"] else "not found"
        yield f"  {one['store']} ({one['how']}; {one['looked_at']:,}): {found}{_others(one)}"


def _others(one: dict[str, Any]) -> str:
    return f" (the same text in {one['others']:,} of other tenants)" if one["others"] else ""


def _time(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))
