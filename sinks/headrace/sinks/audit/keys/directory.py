"""A key store that is a directory: a file a key, 0600.

A key is made by linking a whole, synchronised file to its name: who comes second reads the first's.
Shredding writes the tombstone over the bytes of the wrapped key, in the file itself, padded with
blanks, in one write: there is no moment at which both are there, or neither. A draft that a kill
left behind holds a key that was never used, or is the same file by another name.

File systems that copy on write (btrfs, ZFS, APFS), snapshots, SSDs and backups may still have the
former bytes, and a kill in the moment after a rotation has put a file in another's place leaves
the other's in free blocks. They open nothing without the master key of that time.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Final

from headrace.sinks.audit.keys.errors import KeyStoreError
from headrace.sinks.audit.keys.private import (
    DRAFT,
    create_private,
    destroy,
    locked,
    make_private,
    synchronise,
    write_over,
    write_private,
)

_LOCK: Final = ".lock"
_NEXT: Final = ".next"
"""What is to replace a key: under the lock alone, so one that is found was left by a kill."""
_STALE: Final = 3600.0
"""Seconds after which a draft is a killed process's."""


class DirectoryStore:
    """See :class:`headrace.sinks.audit.keys.store.KeyStore`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._next = root / _NEXT
        self.where = str(root)

    def read(self, path: str) -> bytes | None:
        with self._faults("read", path):
            try:
                return (self._root / path).read_bytes()
            except FileNotFoundError:
                return None

    def create(self, path: str, content: bytes) -> bool:
        target = self._root / path
        # Where a disk is not mounted, what is made now would be hidden when it is.
        if not (self._root / _LOCK).exists():
            raise KeyStoreError(
                f"{self.where} is no key store: mount it, or run `headrace audit keys init`"
            )
        with self._faults("write", path):
            make_private(target.parent)
            return create_private(target, content)

    def replace(self, path: str, old: bytes, new: bytes) -> bool:
        target = self._root / path
        with self._faults("write", path), self._locked(), target.open("r+b") as former:
            if former.read() != old:
                return False
            destroy(self._next)
            write_private(self._next, new)
            self._next.replace(target)
            synchronise(target.parent)
            write_over(former.fileno(), b" " * len(old))
        return True

    def bury(self, path: str, old: bytes, tombstone: bytes) -> bool:
        target = self._root / path
        with self._faults("shred", path), self._locked(), target.open("r+b") as file:
            if file.read() != old:
                return False
            destroy(self._next)
            write_over(file.fileno(), tombstone.ljust(len(old)))
        return True

    def paths(self, prefix: str = "") -> Iterator[str]:
        folder, _, begin = prefix.rpartition("/")
        with self._faults("list", folder):
            yield from self._under(Path(folder), begin)

    def prepare(self) -> None:
        with self._faults("make", ""):
            make_private(self._root)
            with self._locked():  # which makes the lock's file
                pass
            self._sweep(self._root)

    def _under(self, folder: Path, begin: str) -> Iterator[str]:
        try:
            entries = sorted(os.scandir(self._root / folder), key=lambda entry: entry.name)
        except FileNotFoundError:
            return
        for entry in entries:
            if entry.name.startswith(".") or not entry.name.startswith(begin):
                continue
            if entry.is_dir():
                yield from self._under(folder / entry.name, "")
            else:
                yield str(folder / entry.name)

    def _sweep(self, folder: Path) -> None:
        """Take away drafts that killed processes left."""
        for draft in folder.rglob(DRAFT + "*"):
            with suppress(FileNotFoundError):
                if time.time() - draft.stat().st_mtime > _STALE:
                    draft.unlink()

    def _locked(self) -> AbstractContextManager[None]:
        """Keep others from replacing and shredding: between a look and the write that follows."""
        return locked(self._root / _LOCK)

    @contextmanager
    def _faults(self, what: str, path: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise KeyStoreError(
                f"cannot {what} {self._root / path}: {error.strerror}: see HEADRACE_AUDIT_KEYS"
            ) from None
