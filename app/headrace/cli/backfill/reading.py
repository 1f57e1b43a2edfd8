"""Reading lines out of files, plain or compressed, whatever their length, in bounded memory."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any, Final, NamedTuple

BLOCK: Final = 1024 * 1024
"""Bytes asked of a file at once."""
MAX_LINE: Final = 16 * 1024 * 1024
"""Bytes of a line; of a longer one only the beginning is kept."""
KEPT: Final = 64 * 1024
"""Bytes kept of the beginning of a line that is longer."""
_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"


class Long(NamedTuple):
    """A line that is longer than is read."""

    head: bytes
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Block:
    """Lines without their newlines, and where in the (unpacked) file they end."""

    lines: list[bytes | Long]
    end: int
    """Offset behind the last line's newline."""
    crc: int
    """Of everything before ``end``."""
    finished: bool = True
    """Whether the last line has its newline."""


class TruncatedFileError(Exception):
    """A compressed file that ends in the middle, or is damaged. Its lines so far were read."""


def unpacked(file: IO[bytes]) -> IO[bytes]:
    """Return a file's content, unpacked where its first bytes say gzip or zstd."""
    peek: Any = file
    magic: bytes = peek.peek(4)[:4]
    if magic.startswith(_GZIP):
        return _Packed(gzip.GzipFile(fileobj=file))  # type: ignore[return-value]
    if magic == _ZSTD:
        from backports import zstd  # noqa: PLC0415 - of the extra `local`

        return _Packed(zstd.ZstdFile(file))  # type: ignore[return-value]
    return file


class _Packed:
    """A packed file, of which all is read that stands before a damage: read() would lose it."""

    def __init__(self, file: Any) -> None:
        self._read1 = file.read1
        self._fault: Exception | None = None

    def read(self, size: int) -> bytes:
        if self._fault is not None:
            raise self._fault
        pieces: list[bytes] = []
        try:
            while size > 0 and (piece := self._read1(size)):
                pieces.append(piece)
                size -= len(piece)
        except Exception as error:
            if not pieces:
                raise
            self._fault = error
        return b"".join(pieces)


def blocks(file: IO[bytes], first_stop: int = 0) -> Iterator[Block]:
    """Yield a file's lines; a block ends at the offset ``first_stop``, if a line does.

    Raises :class:`TruncatedFileError` after the last whole block, OSError.
    """
    reader = _Reader(file)
    rest = behind = b""
    end = crc = 0
    while True:
        ahead = first_stop - end - len(rest)
        chunk = behind or reader.read(min(BLOCK, ahead) if ahead > 0 else BLOCK)
        behind = b""
        at = chunk.rfind(b"\n")
        if not chunk:
            break
        if at < 0:
            rest += chunk
            if len(rest) <= MAX_LINE:
                continue
            line, crc, behind = reader.long_line(rest, crc)
            rest = b""
            end += line.size + 1
            yield Block([line], end, crc)
            continue
        whole = rest + chunk[: at + 1]
        rest = chunk[at + 1 :]
        end += len(whole)
        crc = zlib.crc32(whole, crc)
        yield Block(list(whole[:-1].split(b"\n")), end, crc)
    if rest:
        yield Block([rest], end + len(rest), zlib.crc32(rest, crc), finished=False)
    if reader.fault:
        raise TruncatedFileError(reader.fault)


class _Reader:
    """Reads until the file ends or turns out to be damaged, and remembers which."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.fault = ""

    def read(self, size: int) -> bytes:
        if self.fault:
            return b""
        try:
            return self._file.read(size)
        except EOFError:
            self.fault = "ends in the middle"
        except (zlib.error, gzip.BadGzipFile) as error:
            self.fault = f"is damaged ({error})"
        except Exception as error:
            if type(error).__name__ != "ZstdError":  # its class comes with an extra
                raise
            self.fault = f"is damaged ({error})"
        return b""

    def long_line(self, begun: bytes, crc: int) -> tuple[Long, int, bytes]:
        """Read to the end of a line, keeping little: the line, the checksum, what is behind it."""
        digest, size, piece = hashlib.sha256(), 0, begun
        while piece:
            line, newline, behind = piece.partition(b"\n")
            digest.update(line)
            size += len(line)
            crc = zlib.crc32(line + newline, crc)
            if newline:
                return Long(begun[:KEPT], size, digest.hexdigest()), crc, behind
            piece = self.read(BLOCK)
        return Long(begun[:KEPT], size, digest.hexdigest()), crc, b""
