"""What a tamperer does to files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from headrace.sinks.audit.vault.seal import seal_name

Lines = list[bytes]


def write(path: Path, content: bytes) -> None:
    """Replace a file, whoever may write to it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_bytes(content)


def one(root: Path, pattern: str) -> Path:
    """Return the one file that a pattern names."""
    (found,) = root.glob(pattern)
    return found


def edit(path: Path, change: Callable[[Lines], Lines]) -> None:
    """Change the lines of a file."""
    lines = path.read_bytes().split(b"\n")[:-1]
    write(path, b"".join(line + b"\n" for line in change(lines)))


def replace(path: Path, old: bytes, new: bytes) -> None:
    content = path.read_bytes()
    assert content.count(old) >= 1, old
    write(path, content.replace(old, new, 1))


def flip(path: Path, at: int) -> None:
    """Change one bit of a byte."""
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    write(path, bytes(content))


def seal_at(root: Path, log: str, first: int) -> Path:
    return root / seal_name(log, first)


def reseal(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change a seal's fields and write it as its writer would; nobody signs it anew."""
    data = json.loads(path.read_bytes())
    change(data)
    write(path, json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode())


def copy(source: Path, to: Path) -> None:
    write(to, source.read_bytes())


def swap(one_: Path, other: Path) -> None:
    first, second = one_.read_bytes(), other.read_bytes()
    write(one_, second)
    write(other, first)


def remove_segment(root: Path, log: str, first: int) -> None:
    """Remove a segment with its seal."""
    seal_at(root, log, first).unlink()
    for path in root.glob(f"logs/{log}/data/{first:020d}-*"):
        path.unlink()


def remove_log(root: Path, log: str) -> None:
    shutil.rmtree(root / "logs" / log)
