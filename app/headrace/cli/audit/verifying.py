"""What ``headrace audit verify`` looks at: where, with which keys, against which checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from headrace.cli.audit.place_files import PlaceFiles
from headrace.cli.faults import CommandError
from headrace.cli.progress import Line
from headrace.events.settings import Settings
from headrace.sinks.audit.keys.opening import signing_folder
from headrace.sinks.audit.keys.signing import public_keys
from headrace.sinks.audit.tree.note import NoteKey
from headrace.sinks.audit.vault.places import open_place
from headrace.sinks.audit.vault.vault import Vault
from headrace.sinks.audit.verify import offline
from headrace.sinks.audit.verify.offline import Files, Report


def verify(
    settings: Settings, where: str | None, keys: Sequence[Path], since: Sequence[Path]
) -> Report:
    """Verify what lies at ``where``; None: the vault of the settings.

    That one is verified by the keys of this machine and against those of its witnesses that are
    directories, unless others are named. Raises :class:`CommandError`, and as the place.
    """
    try:
        known = offline.read_keys(keys)
        if where is not None:
            pinned = offline.read_pinned(since)
            return _run(_files(where), where, known, pinned)
        known = known or [offline.parse_key(key.line()) for key in own_keys(settings)]
        witnesses = [Path(one) for one in settings.audit.witnesses if "://" not in one]
        pinned = offline.read_pinned(since or [one for one in witnesses if any_in(one)])
        where = settings.audit.vault or str(settings.state_dir / "audit" / "vault")
        report = _run(_files(where), where, known, pinned)
    except offline.CannotBeDone as error:
        raise CommandError(str(error)) from None
    if not since:
        report.notices += [
            f"there is no checkpoint in the witness {one}" for one in witnesses if not any_in(one)
        ]
    return report


def own_keys(settings: Settings) -> list[NoteKey]:
    """Return the public signing keys that this machine has, old ones too."""
    return list(public_keys(signing_folder(settings)).values())


def believed_keys(settings: Settings, vault: Vault) -> list[NoteKey]:
    """Return this machine's keys, else those that lie in the vault."""
    return own_keys(settings) or vault.keys()


def any_in(directory: Path) -> bool:
    return directory.is_dir() and any(directory.iterdir())


def _files(where: str) -> Files:
    if "://" in where:
        return PlaceFiles(open_place(where))
    return offline.open_files(Path(where))


def _run(
    files: Files,
    where: str,
    keys: Sequence[offline.Key],
    pinned: Sequence[tuple[str, bytes]],
) -> Report:
    with Line() as line:
        return offline.verify(
            files,
            where,
            keys=keys,
            since=pinned,
            tell=lambda log, count: line.say(f"{log}: {count:,} records"),
        )
