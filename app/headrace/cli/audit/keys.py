"""What ``headrace audit keys`` does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from headrace.cli.alerts.words import count
from headrace.cli.output import print_json, print_table, say
from headrace.cli.progress import Line
from headrace.events.errors import SettingsError
from headrace.events.settings import Settings
from headrace.sinks.audit.keys import ensure_local, open_keys, open_signing, rotation, signing
from headrace.sinks.audit.keys.names import PSEUDONYMS
from headrace.sinks.audit.keys.opening import signing_folder, signing_name
from headrace.sinks.audit.keys.record import Tombstone, Wrapped
from headrace.sinks.audit.keys.survey import Surveyed, survey
from headrace.sinks.audit.tree import note
from headrace.sinks.audit.vault.vault import make_vault

_PROOF = "headrace audit keys check\n"


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of opening every key."""

    where: str
    keys: list[Surveyed]
    lost: list[tuple[str, str]]
    """What, and why."""


def init(settings: Settings) -> list[str]:
    """Make what is missing, the vault last; return what was made, in words."""
    made = ensure_local(settings)
    vault = make_vault(settings)
    return made if vault is None else [*made, f"vault {vault}"]


def look(settings: Settings) -> list[Surveyed]:
    """Return the data keys, unopened."""
    with _progress("reading keys") as told:
        found = survey(open_keys(settings), told=told)
    return [one for one in found if one.id != PSEUDONYMS]


def check(settings: Settings) -> Checked:
    keys = open_keys(settings)
    with _progress("opening keys") as told:
        found = survey(keys, unwrap=True, told=told)
    lost = [(one.id, one.lost) for one in found if one.lost is not None]
    try:
        signing_keys = open_signing(settings)
        note.verify(signing_keys.sign(_PROOF), [signing_keys.current])
    except (SettingsError, note.NoteError) as error:
        lost.append(("signing key", str(error)))
    return Checked(keys.where, found, lost)


def rotate_master(settings: Settings, former: Path | None) -> rotation.Rotated:
    with _progress("wrapping keys anew") as told:
        return rotation.rotate_master(settings, former, told)


def rotate_signing(settings: Settings) -> str:
    """Return the new public key's line."""
    return signing.rotate(signing_folder(settings), signing_name(settings)).line()


def public_lines(settings: Settings) -> list[str]:
    """Return every public key's line, also where the private one is lost."""
    folder = signing_folder(settings)
    lines = [key.line() for key in signing.public_keys(folder).values()]
    if not lines:
        raise SettingsError(f"no signing keys in {folder}: run `headrace audit keys init`")
    return lines


def show(found: list[Surveyed]) -> None:
    if not found:
        say("no data keys yet: the worker `audit` makes one for each person and class")
        return
    print_table(
        ("subject", "class", "generation", "state", "master key"),
        [(*one.id.split("."), _state(one), _master(one)) for one in found],
    )


def as_json(one: Surveyed) -> dict[str, Any]:
    subject, audit_class, generation = one.id.split(".")
    fields = {
        "id": one.id,
        "subject": subject,
        "class": audit_class,
        "generation": int(generation),
        "state": _state(one).partition(" ")[0],
    }
    if isinstance(one.record, Wrapped):
        fields["master"] = one.record.master
    if isinstance(one.record, Tombstone):
        fields["shredded"] = one.record.shredded
    return fields


def show_rotated(done: rotation.Rotated, *, as_json: bool) -> None:
    if as_json:
        print_json({"master": done.master, "fresh": done.fresh, "rewrapped": done.rewrapped})
        return
    if done.fresh:
        say(
            f"wrapped {count(done.rewrapped, 'key')} by the fresh master key {done.master}: back "
            "it up; the former one stays behind it until the next rotation"
        )
    elif done.rewrapped:
        say(f"wrapped {count(done.rewrapped, 'key')} that were left under another by {done.master}")
    else:
        say(f"every key is wrapped by {done.master}: to rotate it, put a new one before it")


def show_check(checked: Checked, *, as_json: bool) -> int:
    """Return the exit code."""
    shredded = sum(isinstance(one.record, Tombstone) for one in checked.keys)
    good = sum(isinstance(one.record, Wrapped) and one.lost is None for one in checked.keys)
    if as_json:
        lost = [{"what": what, "why": why} for what, why in checked.lost]
        print_json({"good": good, "shredded": shredded, "lost": lost})
    else:
        for what, why in checked.lost:
            say(f"lost: {what}: {why}")
        say(f"{checked.where}: {good:,} good, {shredded:,} shredded, {len(checked.lost):,} lost")
    return 1 if checked.lost else 0


def _state(one: Surveyed) -> str:
    if isinstance(one.record, Tombstone):
        day = datetime.fromtimestamp(one.record.shredded, tz=timezone.utc)
        return f"shredded {day:%Y-%m-%d}"
    return "damaged" if one.record is None else "wrapped"


def _master(one: Surveyed) -> str:
    return one.record.master if isinstance(one.record, Wrapped) else ""


@contextmanager
def _progress(text: str) -> Iterator[Callable[[], None]]:
    """Yield what is called for each key, in any thread."""
    lock, done = threading.Lock(), 0

    def told() -> None:
        nonlocal done
        with lock:
            done += 1
            line.say(f"{text}: {done:,}")

    with Line() as line:
        yield told
