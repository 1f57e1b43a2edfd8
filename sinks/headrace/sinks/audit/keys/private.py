"""Files that nobody else may read."""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from headrace.events.errors import SettingsError

_OTHERS: Final = 0o037
"""A group may read, as the secrets of Kubernetes have it; nobody else may do anything."""

DRAFT: Final = ".draft-"
"""What the names of files begin with that are not yet what they will be."""


def read_private(path: Path) -> str | None:
    """Return a secret; None where there is no file. Raises :class:`SettingsError`."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode & 0o777
            content = file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from None
    if mode & _OTHERS:
        raise SettingsError(f"{path} can be read by others ({mode:04o}): chmod 600 {path}")
    try:
        return content.decode("ascii")
    except UnicodeDecodeError:
        raise SettingsError(f"{path} holds no key: it is not text") from None


def create_private(path: Path, content: bytes) -> bool:
    """Write a file (0600) that is whole or not there. False: there is one. Raises OSError."""
    draft = _draft(path, content)
    try:
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        draft.unlink(missing_ok=True)
    synchronise(path.parent)
    return True


def replace_private(path: Path, content: bytes) -> None:
    """Write a file (0600) in place of another: readers see either. Raises OSError."""
    _draft(path, content).replace(path)
    synchronise(path.parent)


def make_private(folder: Path) -> bool:
    """Make a directory (0700) and those above it. False: it is there. Raises OSError."""
    if folder.is_dir():
        return False
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    synchronise(folder.parent)
    return True


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold a lock file against other threads and processes. Raises OSError.

    That is :class:`BlockingIOError` where another has it and ``wait`` is false.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(fd)


def synchronise(folder: Path) -> None:
    """Make a directory's names durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def destroy(path: Path) -> None:
    """Write over a file, where there is one, and take it away. Raises OSError."""
    with suppress(FileNotFoundError):
        with path.open("r+b") as file:
            write_over(file.fileno(), b" " * os.fstat(file.fileno()).st_size)
        path.unlink()
        synchronise(path.parent)


def write_over(fd: int, content: bytes) -> None:
    """Write over the first bytes of an open file, on the disk, too."""
    os.pwrite(fd, content, 0)
    os.fsync(fd)


def write_private(path: Path, content: bytes) -> None:
    """Write a new file (0600), on the disk, too. Raises OSError."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _draft(path: Path, content: bytes) -> Path:
    draft = path.with_name(f"{DRAFT}{os.getpid()}-{secrets.token_hex(8)}")
    write_private(draft, content)
    return draft
