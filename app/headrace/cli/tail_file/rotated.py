"""The files that a log file was renamed to while nobody followed it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

FIRST: Final = 4096
"""Bytes of a first line that tell an incarnation."""
_PACKED: Final = frozenset({".gz", ".zst", ".xz", ".bz2"})


def missed(path: Path, inode: int, first: str) -> list[Path]:
    """Return what is to be read before ``path`` itself, oldest first.

    That is the file that was being read (by its inode and first line), and those that came between
    it and the present one. Nothing where it is still the present one, or gone.
    """
    try:
        if path.exists() and path.stat().st_ino == inode:
            return []
        beside = [one for one in path.parent.glob(f"{_escaped(path.name)}?*") if _is_plain(one)]
        there = sorted((one.stat().st_mtime, one) for one in beside)
    except OSError:
        return []
    files = [one for _, one in there]
    for place, one in enumerate(files):
        if one.stat().st_ino == inode and _begins(one, first):
            return files[place:]
    return []


def _is_plain(path: Path) -> bool:
    return path.is_file() and path.suffix not in _PACKED


def name_of(first: bytes) -> str:
    """Return what tells a first line from others."""
    return hashlib.sha256(first).hexdigest()


def _begins(path: Path, first: str) -> bool:
    with path.open("rb") as file:
        return name_of(file.read(FIRST).partition(b"\n")[0]) == first


def _escaped(name: str) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)
