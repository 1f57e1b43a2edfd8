"""Handing evidence over: out of the vault, into a bundle that proves itself."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from headrace.cli.audit import access
from headrace.cli.audit.access import OWN, Access
from headrace.cli.audit.opening import Opened, Opener
from headrace.cli.audit.selection import Selection
from headrace.cli.audit.vault import Matches, choose, matching
from headrace.cli.faults import CommandError
from headrace.cli.place import need_place
from headrace.cli.progress import Line
from headrace.events.settings import Settings
from headrace.sinks.audit.bundle import Chosen, Counts, write_bundle
from headrace.sinks.audit.keys import open_signing
from headrace.sinks.audit.vault.vault import Vault, need_vault

SHUT: Final = Opened(None, "exported without --open")


@dataclass(frozen=True, slots=True)
class Export:
    """What is asked, and by whom."""

    out: Path
    selection: Selection
    who: str
    open: bool
    """Whether to decrypt."""

    def as_data(self) -> dict[str, Any]:
        """What the manifest and the evidence of it say. Without anybody's name."""
        return {**self.selection.as_data(), "open": self.open}


def export(settings: Settings, asked: Export, line: Line) -> Counts:
    """Tell of the export and write it. Raises CommandError, BundleError, and as vault and keys."""
    need_place(asked.out)
    if asked.out.exists():
        raise CommandError(f"{asked.out} is there already: name another")
    vault, signing = need_vault(settings), open_signing(settings)
    opener = Opener(settings) if asked.open else None

    def told(log: str, done: int, total: int) -> None:
        line.say(f"looking through {log}", done=done, total=total)

    found = choose(vault, asked.selection, told)
    counts = found.counts or {asked.selection.tenant or OWN: 0}
    access.tell(settings, Access(asked.who, "export", asked.as_data()), counts)
    return write_bundle(
        vault,
        _chosen(vault, asked, found, opener, line),
        asked.out,
        selection=asked.as_data(),
        sign=signing.sign,
        keys=signing.public,
        now=time.time(),
    )


def _chosen(
    vault: Vault, asked: Export, found: Matches, opener: Opener | None, line: Line
) -> Iterator[Chosen]:
    total, done = found.counts.total(), 0
    for seal in found.seals:
        for clear, leaf in matching(vault, seal, asked.selection):
            line.say("writing the bundle", done=done, total=total)
            done += 1
            opened = SHUT if opener is None else opener.open(leaf)
            yield Chosen(clear.log, clear.index, leaf, opened.event, opened.why)
