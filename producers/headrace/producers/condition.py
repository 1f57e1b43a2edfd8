"""How a shipper fares, in a small file: its own process has no terminal and no log of its own.

::

    <directory>/.shipper-<name>.json   0600, locked (flock) by the shipper for as long as it runs

It is in the spool directory under the producer's id; of a shipper that stays it is under
:data:`RESIDENT`, where its starter wants it. Touched once a second, so that one that hangs is
noticed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson

RESIDENT: Final = "resident"
PREFIX: Final = ".shipper-"
SILENCE: Final = 60.0
"""Seconds without a sign of life after which a shipper hangs: no request of its waits for 20."""
_BEAT: Final = 1.0
_MOST: Final = 300
"""Characters of a trouble."""
_BYTES: Final = 2048
_PRIVATE: Final = 0o600


@dataclass(frozen=True, slots=True)
class Condition:
    """What a shipper said of itself."""

    name: str
    trouble: str
    """One line, without a secret; empty where all is well."""
    since: float
    """Since when there is trouble, or none: seconds since 1970."""
    hangs: bool = False
    """Whether the trouble is that it says nothing any more."""

    def __str__(self) -> str:
        since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(self.since))
        return f"{self.trouble or 'well'} (since {since})"


class ConditionFile:
    """The shipper's end of the file. Never raises; not thread-safe."""

    def __init__(self, directory: Path, name: str, clock: Callable[[], float] = time.time) -> None:
        self._directory = directory
        self._name = name
        self._clock = clock
        self._fd = -1
        self._said: str | None = None
        self._since = 0.0
        self._beat_at = 0.0

    @property
    def _path(self) -> Path:
        return path_of(self._directory, self._name)

    def tell(self, trouble: str) -> None:
        """Write it down if it is new; else, now and then, that it is still so."""
        now = self._clock()
        trouble = " ".join(trouble.split())[:_MOST]
        if trouble == self._said and now < self._beat_at:
            return
        try:
            if self._fd < 0 or os.fstat(self._fd).st_nlink == 0:
                self._open()
            if self._said is None or bool(trouble) != bool(self._said):
                self._since = now
            said = orjson.dumps({"trouble": trouble, "since": self._since})
            os.pwrite(self._fd, said.ljust(_BYTES), 0)
        except OSError:  # there is no spool yet, or its disk is full: told again later
            return
        self._said = trouble
        self._beat_at = now + _BEAT

    def _open(self) -> None:
        """It appears under its name locked, so that nobody takes it for a dead one's."""
        self.close()
        draft = self._path.with_suffix(f".{os.getpid()}")
        self._fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, _PRIVATE)
        fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        draft.rename(self._path)

    def close(self) -> None:
        """Take the file away: whoever is gone has no condition."""
        if self._fd < 0:
            return
        with contextlib.suppress(OSError):
            self._path.unlink()
        os.close(self._fd)
        self._fd = -1


def path_of(directory: Path, name: str) -> Path:
    return directory / f"{PREFIX}{name}.json"


def read(path: Path, clock: Callable[[], float] = time.time) -> Condition | None:
    """Return what a shipper said last; None where it has said nothing. Never raises."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return _understood(path, fd, clock())
    except (OSError, ValueError, TypeError, KeyError):
        return None
    finally:
        os.close(fd)


def _understood(path: Path, fd: int, now: float) -> Condition:
    said = orjson.loads(os.pread(fd, _BYTES, 0))
    trouble, since = str(said["trouble"]), float(said["since"])
    heard = os.fstat(fd).st_mtime
    if now - heard > SILENCE:
        trouble, since = f"hangs: not heard of for {now - heard:.0f} s", heard
    name = path.stem.removeprefix(PREFIX)
    return Condition(name, trouble, since, hangs=now - heard > SILENCE)


def read_living(path: Path) -> Condition | None:
    """Return the same, or None where the shipper that said it is gone."""
    return read(path) if lives(path) else None


def lives(path: Path) -> bool:
    """Whether the shipper whose file this is still runs."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(fd)
    return False


def remove_dead(spool_dir: Path, before: float) -> None:
    """Remove what killed shippers said last, before a time. Never raises."""
    for path in spool_dir.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < before and not lives(path):
                path.unlink()


def all_living(spool_dir: Path) -> list[Condition]:
    """Return what every shipper that runs on a spool directory said last."""
    found = (read_living(path) for path in sorted(spool_dir.glob(f"{PREFIX}*.json")))
    return [condition for condition in found if condition is not None]
