"""Who is told of checkpoints, so that nobody can take them back: directories and URLs.

A directory gets ``<log>/<size:020d>.checkpoint`` of each, and ``<log>.checkpoint`` is replaced by
the newest. A URL gets a POST of the signed note. ``#allow=10.0.0.7`` behind a URL, an address or a
network, permits what leads inside (several: ``10.0.0.7+fd00::/8``); it is sent to nobody.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_network
from pathlib import Path
from typing import Final, Protocol

import httpx

from headrace.events.errors import SettingsError
from headrace.sinks.audit.keys.private import synchronise
from headrace.sinks.audit.tree import note
from headrace.sinks.audit.tree.checkpoint import Checkpoint
from headrace.sinks.audit.tree.note import NoteError
from headrace.sinks.notify.addresses import Network
from headrace.sinks.notify.clock import SystemClock
from headrace.sinks.notify.guard import Guard
from headrace.sinks.notify.post import Poster
from headrace.sinks.notify.resolver import SystemResolver

DIRECTORY_SECONDS: Final = 20.0
"""A file system over a network that needs longer is away."""
_ALLOW: Final = "allow="


class AwayError(Exception):
    """A witness did not take a checkpoint. The text says why, and holds no secret."""


class Witness(Protocol):
    """Takes checkpoints. For one task."""

    @property
    def name(self) -> str:
        """For people and metrics; holds no secret."""
        ...

    async def tell(self, log: str, size: int, checkpoint: bytes) -> None:
        """Tell of one; again is no harm. Bounded in time. Raises :class:`AwayError`."""
        ...

    async def close(self) -> None: ...


class DirectoryWitness:
    """A directory, best of another machine."""

    def __init__(self, path: Path) -> None:
        self._path = path
        # Its own: a file system that hangs must not take the common threads.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="headrace-witness")

    @property
    def name(self) -> str:
        return str(self._path)

    async def tell(self, log: str, size: int, checkpoint: bytes) -> None:
        loop = asyncio.get_running_loop()
        written = loop.run_in_executor(self._thread, self._write, log, size, checkpoint)
        try:
            await asyncio.wait_for(asyncio.shield(written), DIRECTORY_SECONDS)
        except asyncio.TimeoutError:
            # Nobody waits for it any more; its error is no news.
            written.add_done_callback(lambda done: done.cancelled() or done.exception())
            raise AwayError(f"nothing was written within {DIRECTORY_SECONDS:g} s") from None
        except OSError as error:
            raise AwayError(error.strerror or "it cannot be written") from None

    async def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _write(self, log: str, size: int, checkpoint: bytes) -> None:
        (self._path / log).mkdir(parents=True, exist_ok=True)
        one = self._path / log / f"{size:020d}.checkpoint"
        if not one.exists():
            _replace(one, checkpoint)
        newest = self._path / f"{log}.checkpoint"
        if _size_of(newest) < size:
            _replace(newest, checkpoint)


class UrlWitness:
    """A URL that takes a POST of the signed note."""

    def __init__(self, url: httpx.URL, allow: tuple[Network, ...]) -> None:
        self._url = url
        self._poster = Poster(Guard(allow, SystemResolver()), SystemClock())

    @property
    def name(self) -> str:
        return self._url.host

    async def tell(self, log: str, size: int, checkpoint: bytes) -> None:
        headers = {"Content-Type": "text/plain; charset=utf-8"}
        outcome = await self._poster.post(self._url, checkpoint, headers)
        if outcome.verdict != "delivered":
            # What follows is advice about a receiver's table.
            reason, inside, _ = outcome.reason.partition("; if that is meant")
            raise AwayError(f"{reason}; put #allow=<address> behind its URL" if inside else reason)

    async def close(self) -> None:
        await self._poster.close()


def open_witnesses(names: Sequence[str]) -> list[Witness]:
    """Make the witnesses of the settings; asks none of them. Raises :class:`SettingsError`."""
    return [
        _url(name) if "://" in name else DirectoryWitness(Path(name).absolute()) for name in names
    ]


def _url(name: str) -> UrlWitness:
    try:
        url = httpx.URL(name)
        allow = _allowed(url.fragment)
    except (httpx.InvalidURL, ValueError):
        url, allow = httpx.URL(""), ()
    if url.scheme not in {"http", "https"} or not url.host:
        raise SettingsError(
            "HEADRACE_AUDIT_WITNESSES: a witness is a directory or http[s]://host/path, with"
            " #allow=<address or network> behind it where it is inside"
        )
    return UrlWitness(url.copy_with(fragment=None), allow)


def _allowed(fragment: str) -> tuple[Network, ...]:
    """Raise ValueError for what is no list of networks."""
    if not fragment:
        return ()
    if not fragment.startswith(_ALLOW):
        raise ValueError(fragment)
    # A comma would end the witness in the list of all.
    return tuple(ip_network(one) for one in fragment[len(_ALLOW) :].split("+"))


def _size_of(path: Path) -> int:
    """Return the size that a checkpoint's file tells of, -1 where it tells of none."""
    try:
        return Checkpoint.from_text(note.parse(path.read_bytes()).text).size
    except (FileNotFoundError, NoteError):
        return -1


def _replace(path: Path, content: bytes) -> None:
    fresh = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    try:
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        with os.fdopen(fd, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(fd)
        fresh.replace(path)
        # Else a power cut could take the name back; some file systems of a network know no such
        # thing.
        with contextlib.suppress(OSError):
            synchronise(path.parent)
    except BaseException:
        with contextlib.suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise
