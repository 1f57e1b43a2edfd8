"""A request on its way: what is known and how far it got, so that it can be gone on with.

One file a request, ``<state dir>/forget/<id>.json``, 0600. While the request runs it holds the name
and the sessions in plain, since they are searched for; once it is done it holds neither.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import orjson

from headrace.cli.faults import CommandError
from headrace.events.settings import Settings
from headrace.local.state_dir import write_private
from headrace.streams.erasure.order import SALT_BYTES, Order, mark

PHASES: Final = (
    "requested",
    "honoured",
    "files",
    "archive",
    "letters",
    "keys",
    "done",
)
"""What has been finished, in order."""


@dataclass(slots=True)
class Request:
    """What is known of a request. Times in seconds since 1970."""

    id: str
    tenant: str
    salt: str
    mark: str
    """Of the user."""
    requested_at: float
    user: str | None
    """None once it is done."""
    sessions: list[str] = field(default_factory=list)
    """The person's alone. Empty once it is done."""
    shared: list[str] = field(default_factory=list)
    """Those that others share. Empty once it is done."""
    marks: list[str] = field(default_factory=list)
    """Of these sessions, and of the one that probes are sent in."""
    phase: str = ""
    also: list[str] = field(default_factory=list)
    """Marks of what scrubbing makes of the user, and of nobody else."""
    aliases: list[str] = field(default_factory=list)
    """The same in plain. Empty once it is done."""
    subject: str = ""
    """The person's pseudonym in the audit trail."""
    finished_at: float | None = None
    certificate: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def new(cls, tenant: str, user: str, salt: bytes | None) -> Request:
        """Make a request; ``salt``: of an earlier one about the same person."""
        salt = salt or secrets.token_bytes(SALT_BYTES)
        name = mark(salt, "user", tenant, user)
        made = cls(f"f-{secrets.token_hex(6)}", tenant, salt.hex(), name, time.time(), user)
        made.marks.append(made.order().mark("session", made.probe_session))
        return made

    def add(self, sessions: Iterable[str]) -> bool:
        """Take sessions in; whether one of them was new."""
        salt, before = bytes.fromhex(self.salt), len(self.marks)
        marks = {one: mark(salt, "session", self.tenant, one) for one in sessions}
        self.sessions += [one for one in marks if marks[one] not in self.marks]
        self.marks += [one for one in marks.values() if one not in self.marks]
        return len(self.marks) > before

    def call(self, aliases: Iterable[str]) -> None:
        """Take in what else the user is called."""
        salt = bytes.fromhex(self.salt)
        self.aliases = sorted({*self.aliases, *aliases})
        marks = (mark(salt, "user", self.tenant, one) for one in self.aliases)
        self.also = sorted({*self.also, *marks})

    def close(self, now: float) -> None:
        """Forget the names: the request is done."""
        self.user, self.aliases, self.sessions, self.shared = None, [], [], []
        self.finished_at = now

    def past(self, phase: str) -> bool:
        """Whether a phase has been finished."""
        return bool(self.phase) and PHASES.index(self.phase) >= PHASES.index(phase)

    def is_about(self, tenant: str, user: str) -> bool:
        salt = bytes.fromhex(self.salt)
        return tenant == self.tenant and mark(salt, "user", tenant, user) == self.mark

    def order(self) -> Order:
        """Return the standing order."""
        salt, marks = bytes.fromhex(self.salt), frozenset(self.marks)
        also = frozenset(self.also)
        return Order(self.id, self.tenant, salt, self.mark, marks, self.requested_at, also)

    def without_probes(self) -> Order:
        """Return what the order says of the person alone, for counting."""
        order = self.order()
        return replace(order, sessions=order.sessions - {order.mark("session", self.probe_session)})

    @property
    def probe_session(self) -> str:
        """A session of ours, by whose events is seen that the order is honoured."""
        return f"{self.id}-probe"


class Requests:
    """The requests of a state directory."""

    def __init__(self, settings: Settings) -> None:
        self.directory = settings.state_dir / "forget"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep others out. Raises CommandError where one is at work."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        fd = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            raise CommandError(
                f"another `headrace forget` is at work on {self.directory}: wait until it is done"
            ) from None
        try:
            yield
        finally:
            os.close(fd)

    def save(self, request: Request, phase: str | None = None) -> None:
        """Write a request down, with the phase that was finished just now."""
        if phase is not None:
            request.phase = phase
        write_private(self.path(request.id), asdict(request))

    def path(self, name: str) -> Path:
        return self.directory / f"{name}.json"

    def all(self) -> list[Request]:
        """Return the requests, the oldest first."""
        found = [self._read(path) for path in self.directory.glob("f-*.json")]
        return sorted(found, key=lambda one: one.requested_at)

    def read(self, name: str) -> Request:
        """Return a request. Raises CommandError where there is none."""
        for one in self.all():
            if one.id == name:
                return one
        raise CommandError(f"no request {name} in {self.directory}: see `headrace forget status`")

    def unfinished(self, tenant: str, user: str) -> Request | None:
        """Return the request about a person that was interrupted, None where there is none."""
        for one in self.all():
            if not one.past("done") and one.is_about(tenant, user):
                return one
        return None

    def _read(self, path: Path) -> Request:
        try:
            return Request(**orjson.loads(path.read_bytes()))
        except (ValueError, TypeError) as error:
            raise CommandError(f"{path} is no request: {error}") from None
