"""A log's head as C2SP's ``tlog-checkpoint``: origin, size and root, the text of a signed note."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Final

from headrace.sinks.audit.tree.note import NoteError

ORIGIN: Final = "headrace/"
"""What stands before a log's id in the origin."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How many entries a log had, and the root of their Merkle tree."""

    origin: str
    """``headrace/<log id>``."""

    size: int
    root: bytes
    """32 bytes."""

    @property
    def log(self) -> str:
        """The log's id. Raises :class:`NoteError` where another system made the checkpoint."""
        if not self.origin.startswith(ORIGIN):
            raise NoteError(f"not a checkpoint of headrace: {self.origin[:80]!r}")
        return self.origin[len(ORIGIN) :]

    def to_text(self) -> str:
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    @classmethod
    def of(cls, log: str, size: int, root: bytes) -> Checkpoint:
        return cls(ORIGIN + log, size, root)

    @classmethod
    def from_text(cls, text: str) -> Checkpoint:
        """Read a note's text. Lines after the third are extensions, which are passed over.

        Raises :class:`NoteError`.
        """
        lines = text.split("\n")
        if len(lines) < 4 or lines.pop() or "" in lines:  # noqa: PLR2004 - three and what follows
            raise NoteError("a checkpoint has an origin, a size and a root, a line each")
        origin, size, root = lines[:3]
        # int() would take "+1", "01", "1_0" and other scripts' digits.
        if not size.isascii() or not size.isdigit() or str(int(size[:20])) != size:
            raise NoteError(f"not a checkpoint's size: {size[:80]!r}")
        try:
            made = cls(origin, int(size), base64.b64decode(root, validate=True))
        except (binascii.Error, ValueError):
            raise NoteError(f"not a checkpoint's root: {root[:80]!r}") from None
        if len(made.root) != 32 or base64.b64encode(made.root).decode() != root:  # noqa: PLR2004
            raise NoteError(f"not a checkpoint's root: {root[:80]!r}")
        return made
