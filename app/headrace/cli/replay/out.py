"""Where a replay is written: a new file, or stdout."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from headrace.cli.faults import CommandError
from headrace.cli.place import cannot_write, partial_of


@contextmanager
def opened(path: Path | None, *, force: bool) -> Iterator[TextIO]:
    """Open the output for UTF-8 text; None and ``-`` are stdout.

    A file that is there stays as it is without ``force``: CommandError, as where it cannot be made.
    With it, it is replaced once all is written. What could not be written whole is gone, unless it
    was ended by Ctrl-C.
    """
    if path is None or str(path) == "-":
        yield sys.stdout
        return
    replaced = path.resolve() if force and path.is_file() else None
    target = partial_of(replaced) if replaced else path
    try:
        file = target.open("w" if force else "x", encoding="utf-8", newline="\n")
    except FileExistsError:
        if path.is_dir():
            raise cannot_write(path, IsADirectoryError()) from None
        raise CommandError(f"{path} is there already: add --force to write over it") from None
    except OSError as error:
        raise cannot_write(path, error) from None
    with file:
        try:
            if replaced:
                shutil.copymode(replaced, target)
            yield file
            file.flush()
        except Exception:
            if target.is_file():  # and no device
                target.unlink()
            raise
        finally:
            if replaced and target.exists():
                target.replace(replaced)
