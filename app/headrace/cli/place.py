"""Where a command is asked to write, and why it cannot."""

from __future__ import annotations

import secrets
import tempfile
from pathlib import Path

from headrace.cli.faults import CommandError


def need_place(path: Path) -> None:
    """Raise :class:`CommandError` where nothing can be made beside ``path``. Leaves no file."""
    try:
        # Rights, mounts and root's powers are the system's to judge.
        tempfile.TemporaryFile(dir=path.absolute().parent).close()
    except OSError as error:
        raise cannot_write(path, error) from None


def cannot_write(path: Path, error: OSError) -> CommandError:
    """Say why what the system refused cannot be written, and what to do."""
    if isinstance(error, FileNotFoundError):
        why = "its directory is not there: make it, or write elsewhere"
    elif isinstance(error, IsADirectoryError):
        why = "it is a directory: name a file in it"
    else:
        why = f"{error.strerror}: mend that, or write elsewhere"
    return CommandError(f"{path} cannot be written: {why}")


def partial_of(path: Path) -> Path:
    """Return a name under which something is made that will be ``path``: beside it, hidden.

    Never that of a leftover: a process of a container that was killed has its number again.
    """
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
