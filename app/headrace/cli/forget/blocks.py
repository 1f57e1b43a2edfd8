"""The files of ClickHouse's parts, unpacked: a compressed byte is not the byte that is searched.

A ``.bin`` file is a row of blocks: 16 bytes of checksum, one for the method, four for the length
with these nine, four for the length unpacked, then the data (ClickHouse's CompressionInfo.h).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import cramjam

_HEAD: Final = struct.Struct("<16xBII")
_HEADER: Final = 9
_NONE: Final = 0x02
_LZ4: Final = 0x82
_ZSTD: Final = 0x90
_MANY: Final = 0x91
LARGEST: Final = 1 << 30
"""Bytes of a block: far above what ClickHouse writes."""


class NotBlocksError(Exception):
    """A file is not a row of compressed blocks."""


def unpacked(path: Path) -> Iterator[bytes | None]:
    """Yield the blocks of a file; None for one by a codec of numbers, which holds no text.

    Raises :class:`NotBlocksError` where the file is something else; OSError.
    """
    with path.open("rb") as file:
        while head := file.read(_HEAD.size):
            if len(head) < _HEAD.size:
                raise NotBlocksError(path)
            method, size, whole = _HEAD.unpack(head)
            if size < _HEADER or size > LARGEST or whole > LARGEST:
                raise NotBlocksError(path)
            body = file.read(size - _HEADER)
            if len(body) != size - _HEADER:
                raise NotBlocksError(path)
            yield _unpack(method, body, whole, path)


def _unpack(method: int, body: bytes, whole: int, path: Path) -> bytes | None:
    lz4: Any = cramjam.lz4
    zstd: Any = cramjam.zstd
    try:
        if method == _NONE:
            return body
        if method == _LZ4:
            return bytes(lz4.decompress_block(body, output_len=whole))
        if method == _ZSTD:
            return bytes(zstd.decompress(body))
    except cramjam.DecompressionError:
        raise NotBlocksError(path) from None
    if method in range(_MANY, 0xA0):
        return None
    raise NotBlocksError(path)
