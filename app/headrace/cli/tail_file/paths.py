"""Which files are followed, and whose they are."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from headrace.cli.faults import CommandError

_PLACE: Final = "{tenant}"


@dataclass(frozen=True, slots=True)
class Paths:
    """Files and globs, and how the tenant of a file is known."""

    names: Sequence[str]
    tenant_of: Callable[[Path], str | None]
    """None: the file is nobody's, and not followed."""

    def find(self) -> dict[Path, str]:
        """Return the files by absolute path, with their tenants.

        One without wildcards need not exist yet.
        """
        found: dict[Path, str] = {}
        for name in self.names:
            # Path.glob() takes no absolute pattern.
            found_now = glob.glob(name, recursive=True)  # noqa: PTH207
            paths = sorted(found_now) if glob.has_magic(name) else [name]
            for path in map(Path, paths):
                tenant = self.tenant_of(path.absolute())
                # Not path.is_dir(), which raises where a directory above must not be read.
                if tenant and not os.path.isdir(path):  # noqa: PTH112
                    found.setdefault(path.absolute(), tenant)
        return found


def from_pattern(pattern: str) -> Callable[[Path], str | None]:
    """Return who reads the tenant out of a path, such as ``/data/tenant-{tenant}/agentao.log``.

    Raises CommandError where the pattern does not say where the tenant stands.
    """
    if pattern.count(_PLACE) != 1:
        raise CommandError(f"{pattern!r} must have {_PLACE} once: where the tenant stands in paths")
    before, _, behind = str(Path(pattern).absolute()).partition(_PLACE)
    match = re.compile(_regex(before) + r"(?P<tenant>[^/]+?)" + _regex(behind)).fullmatch

    def tenant_of(path: Path) -> str | None:
        found = match(str(path))
        return found["tenant"] if found else None

    return tenant_of


def _regex(part: str) -> str:
    return re.escape(part).replace(r"\*\*", ".*").replace(r"\*", "[^/]*")
