"""A vault in a directory: files that are written once and then only read.

A file appears by a link, whole and synced, so that of two writers one gets the name. Its time of
modification is the date until which it is kept, 1970 meaning for ever; beside it ``.<name>.held``
stands while it is under a hold. What is being written is ``.new-*`` in the root; what was left
there by a process that was killed is removed by whoever writes a day later.

Whoever may write the directory can of course remove its files: what tells of it are the
checkpoints, which witnesses have, too.
"""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import time
from typing import Final

from headrace.events.errors import Retryable
from headrace.sinks.audit.vault.place import (
    MissingError,
    Retained,
    TakenError,
    checked,
    need_removable,
)

FOR_EVER: Final = 0
"""Seconds since 1970 that stand for no date."""
NEW: Final = ".new-"
STALE_SECONDS: Final = 86_400.0
"""Nobody is at a file for so long; who is all the same is told that the vault was away."""
_ADVICE: Final = {
    errno.ENOSPC: "make room",
    errno.EDQUOT: "make room",
    errno.EROFS: "mount it for writing",
    errno.EACCES: "mend its owner or mode",
    errno.EPERM: "mend its owner or mode",
}
"""What to do about an error; about any other: mount it."""


class DirectoryPlace:
    """See :class:`~headrace.sinks.audit.vault.place.Place`. Makes its directory when it writes."""

    def __init__(self, root: Path, *, clock: Callable[[], float] = time) -> None:
        self._root = root
        self._clock = clock
        self._swept = False
        """Whether what others left was removed."""

    def create(self, name: str, content: bytes, *, retain_until: float | None = None) -> bool:
        path = self._path(name)
        with self._available():
            _make(path.parent)
            self._sweep()
            fresh = self._root / f"{NEW}{secrets.token_hex(8)}"
            try:
                _write(fresh, content, FOR_EVER if retain_until is None else retain_until)
                os.link(fresh, path)
                made = True
            except FileExistsError:
                made = False
            finally:
                fresh.unlink(missing_ok=True)
            # Also of what was there: who linked it may have died before this.
            _sync(path.parent)
            if not made and path.read_bytes() != content:
                raise TakenError(f"another {name} is in the vault already")
            return made

    def read(self, name: str) -> bytes:
        with self._available(name):
            return self._path(name).read_bytes()

    def names(self, prefix: str, *, after: str = "") -> Iterator[str]:
        found = (name for name in self._names(prefix) if name > after)
        return iter(sorted(found))

    def last(self, prefix: str) -> str | None:
        return max(self._names(prefix), default=None)

    def hold(self, name: str) -> None:
        with self._available(name):
            self._path(name).stat()
            _held(self._path(name)).touch(mode=0o400)
            _sync(self._path(name).parent)

    def release(self, name: str) -> None:
        with self._available():
            _held(self._path(name)).unlink(missing_ok=True)

    def remove(self, name: str) -> None:
        try:
            need_removable(name, self.retained(name), self._clock())
        except MissingError:
            return
        with self._available():
            self._path(name).unlink(missing_ok=True)
            _sync(self._path(name).parent)

    def retained(self, name: str) -> Retained:
        path = self._path(name)
        with self._available(name):
            until = path.stat().st_mtime
            return Retained(None if until == FOR_EVER else until, _held(path).exists())

    def _sweep(self) -> None:
        """Remove what was begun and never got its name, or has it and was to go, once."""
        if self._swept:
            return
        self._swept = True
        with os.scandir(self._root) as entries:
            for entry in entries:
                # Not the time of modification, which is a date to keep until.
                if entry.name.startswith(NEW) and self._age(entry) > STALE_SECONDS:
                    Path(entry).unlink(missing_ok=True)

    def _age(self, entry: os.DirEntry[str]) -> float:
        with suppress(FileNotFoundError):  # it got its name just now
            return self._clock() - entry.stat(follow_symlinks=False).st_ctime
        return 0.0

    def _path(self, name: str) -> Path:
        return self._root / checked(name)

    def _names(self, prefix: str) -> Iterator[str]:
        folder, slash, begins = prefix.rpartition("/")
        try:
            with os.scandir(self._root / folder) as entries:
                for entry in entries:
                    if entry.name.startswith(begins or "") and not entry.name.startswith("."):
                        yield f"{folder}{slash}{entry.name}{'/' if entry.is_dir() else ''}"
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._away(error) from None

    @contextmanager
    def _available(self, name: str = "") -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            if not name:
                raise self._away(error) from None
            raise MissingError(f"the vault {self._root} has no {name}") from None
        except OSError as error:
            raise self._away(error) from None

    def _away(self, error: OSError) -> Retryable:
        advice = _ADVICE.get(error.errno or 0, "mount it, or correct HEADRACE_AUDIT_VAULT")
        why = error.strerror or error
        return Retryable(f"the vault {self._root} cannot be used: {why}: {advice}")


def _held(path: Path) -> Path:
    return path.with_name(f".{path.name}.held")


def _make(directory: Path) -> None:
    """Make a directory and what is above it; each is there for good before it is used."""
    if directory.is_dir():
        return
    _make(directory.parent)
    directory.mkdir(mode=0o700, exist_ok=True)
    _sync(directory.parent)


def _write(path: Path, content: bytes, until: float) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o400)
    with os.fdopen(fd, "wb") as file:
        file.write(content)
        file.flush()
        os.utime(fd, (until, until))
        os.fsync(fd)


def _sync(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
