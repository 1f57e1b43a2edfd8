"""Content encodings, piece by piece: gzip, deflate, lz4 and zstd."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import Any, Final, Protocol

import lz4.frame  # type: ignore[import-untyped]
from backports import zstd

from headrace.local.clickhouse.errors import ClickHouseError

PIECE: Final = 1 << 20
"""Most bytes that one step of decompression yields: a bomb costs time, not memory."""


class Compressor(Protocol):
    """What compresses a response, piece by piece."""

    def compress(self, data: bytes) -> bytes: ...

    def flush(self) -> bytes: ...


class _Identity:
    def compress(self, data: bytes) -> bytes:
        return data

    def flush(self) -> bytes:
        return b""


class _Lz4:
    def __init__(self) -> None:
        self._inner = lz4.frame.LZ4FrameCompressor()
        self._begun = False

    def compress(self, data: bytes) -> bytes:
        return self._begin() + bytes(self._inner.compress(data))

    def flush(self) -> bytes:
        return self._begin() + bytes(self._inner.flush())

    def _begin(self) -> bytes:
        if self._begun:
            return b""
        self._begun = True
        return bytes(self._inner.begin())


_COMPRESSORS: Final[dict[str, Callable[[], Any]]] = {
    "zstd": lambda: zstd.ZstdCompressor(level=1),
    "lz4": _Lz4,
    "gzip": lambda: zlib.compressobj(1, wbits=31),
    "deflate": lambda: zlib.compressobj(1, wbits=15),
}


def choose(accepted: str) -> str | None:
    """Choose a response's encoding from an Accept-Encoding header; ``None`` is identity."""
    names = set()
    for part in accepted.split(","):
        name, _, weight = part.partition(";")
        if weight.replace(" ", "") not in ("q=0", "q=0.0"):
            names.add(name.strip().lower())
    return next((name for name in _COMPRESSORS if name in names), None)


def compressor(encoding: str | None) -> Compressor:
    """Return a fresh compressor; its output is decodable after ``flush``."""
    made: Compressor = _COMPRESSORS[encoding]() if encoding else _Identity()
    return made


class Decompressor:
    """Undoes a request's Content-Encoding. Not thread-safe."""

    def __init__(self, encoding: str) -> None:
        """Raise :class:`ClickHouseError` (48) for an encoding that is not known."""
        self._encoding = encoding.strip().lower()
        if self._encoding not in ("", "identity", *_COMPRESSORS):
            raise ClickHouseError(
                48, f"Unknown Content-Encoding {self._encoding[:32]}", "NOT_IMPLEMENTED"
            )
        self._inner: Any = None
        self._seen = False

    @property
    def plain(self) -> bool:
        """Whether the bytes pass through as they are."""
        return self._encoding in ("", "identity")

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what the bytes decompress to, at most :data:`PIECE` bytes at a time.

        Raises :class:`ClickHouseError` (271) for what is not of the encoding.
        """
        if self.plain:
            if data:
                yield data
            return
        try:
            yield from self._feed(data)
        except (zlib.error, zstd.ZstdError, RuntimeError, EOFError) as error:
            raise _broken(self._encoding, str(error)) from None

    def _feed(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._inner is None:
                self._inner = self._make()
            self._seen = True
            if isinstance(self._inner, _Zlib):
                yield from self._inner.feed(data)
            else:
                piece = self._inner.decompress(data, PIECE)
                while piece or not (self._inner.needs_input or self._inner.eof):
                    yield piece
                    if self._inner.eof:
                        break
                    piece = self._inner.decompress(b"", PIECE)
            if not self._inner.eof:
                return
            data = self._inner.unused_data or b""  # several frames in a row are allowed
            self._inner = None

    def finish(self) -> None:
        """Raise :class:`ClickHouseError` (271) where the data stops in the middle."""
        if not self.plain and self._inner is not None and not self._inner.eof:
            raise _broken(self._encoding, "the data ends too early")

    def _make(self) -> Any:
        if self._encoding == "zstd":
            return zstd.ZstdDecompressor()
        if self._encoding == "lz4":
            return lz4.frame.LZ4FrameDecompressor()
        return _Zlib(31 if self._encoding == "gzip" else 15)


class _Zlib:
    def __init__(self, wbits: int) -> None:
        self._inner = zlib.decompressobj(wbits=wbits)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def feed(self, data: bytes) -> Iterator[bytes]:
        while data and not self._inner.eof:
            yield self._inner.decompress(data, PIECE)
            data = self._inner.unconsumed_tail


def _broken(encoding: str, what: str) -> ClickHouseError:
    return ClickHouseError(
        271, f"Cannot decompress the {encoding} body: {what}", "CANNOT_DECOMPRESS", status=400
    )
