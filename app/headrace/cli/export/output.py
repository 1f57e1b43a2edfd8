"""Files that appear whole or not at all, hashed as they are written."""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, final

import cramjam

from headrace.cli.place import partial_of

ENDINGS: Final = {"gzip": ".gz", "zstd": ".zst"}
FLUSHED: Final = 4 << 20
"""Bytes that a compressor is given before it must hand out what it has."""


class _Zstd:
    def __init__(self) -> None:
        zstd: Any = cramjam.zstd
        self._inner = zstd.Compressor(3)
        self._held = 0

    def compress(self, data: bytes) -> bytes:
        self._inner.compress(data)
        self._held += len(data)
        if self._held < FLUSHED:
            return b""
        self._held = 0
        return bytes(self._inner.flush())

    def flush(self) -> bytes:
        return bytes(self._inner.finish())


_COMPRESSORS: Final[dict[str, Callable[[], Any]]] = {
    "zstd": _Zstd,
    "gzip": lambda: zlib.compressobj(6, wbits=31),
}


@final
class Output:
    """One file that is being written. Not thread-safe; what it raises is the disk's OSError."""

    def __init__(self, file: BinaryIO, compression: str | None = None) -> None:
        self._file = file
        self._packer = _COMPRESSORS[compression]() if compression else None
        self._digest = hashlib.sha256()
        self.bytes = 0
        """On disk so far."""

    def write(self, data: bytes) -> None:
        self._put(data if self._packer is None else self._packer.compress(data))

    def finish(self) -> str:
        """Write the rest; return the SHA-256 of the file's bytes."""
        if self._packer is not None:
            self._put(self._packer.flush())
        self._file.flush()
        return self._digest.hexdigest()

    def _put(self, data: bytes) -> None:
        self._file.write(data)
        self._digest.update(data)
        self.bytes += len(data)


@final
class Replacing:
    """A new file at ``path``: under another name until all of it is there, gone at a failure."""

    def __init__(self, path: Path, *, force: bool) -> None:
        self.path = path
        self._force = force
        self._partial = partial_of(path)

    def __enter__(self) -> BinaryIO:
        self._file = self._partial.open("xb")
        return self._file

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._file.flush()
                os.fsync(self._file.fileno())
                self._file.close()
                if self._force:
                    self._partial.replace(self.path)
                else:
                    os.link(self._partial, self.path)  # unlike a renaming it overwrites nothing
        finally:
            self._file.close()
            self._partial.unlink(missing_ok=True)
