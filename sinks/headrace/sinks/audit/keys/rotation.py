"""The rotation of the master key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from headrace.events.errors import SettingsError
from headrace.events.settings import Settings
from headrace.sinks.audit.keys.keyring import KeyRing
from headrace.sinks.audit.keys.master import generate
from headrace.sinks.audit.keys.opening import (
    in_a_file,
    master_file,
    open_keys,
    open_masters,
    read_masters,
)
from headrace.sinks.audit.keys.private import locked, replace_private
from headrace.sinks.audit.keys.survey import masters_of, survey


@dataclass(frozen=True, slots=True)
class Rotated:
    """What came of it."""

    master: str
    """The id of the key that wraps now."""
    fresh: bool
    """Whether it was made just now: not where the settings give it, or a rotation was finished."""
    rewrapped: int


def rotate_master(
    settings: Settings, former: Path | None = None, told: Callable[[], None] = lambda: None
) -> Rotated:
    """Wrap every key by the current master key; where that is in a file, by a fresh one.

    ``former``: a file of master keys that the settings no longer give. Interrupted, it goes on
    where it was. The former key stays in our file until the next rotation: a worker may just have
    wrapped by it. Raises as :func:`open_keys` and :meth:`DataKeys.rewrap`.
    """
    if former is not None:
        keys, fresh = open_keys(settings, _with(settings, former)), False
    else:
        fresh = in_a_file(settings) and _put_fresh_first(settings)
        keys = open_keys(settings)
    current = keys.ring.current
    return Rotated(current.id, fresh, keys.rewrap(current, told))


def _with(settings: Settings, former: Path) -> KeyRing:
    return KeyRing([*open_masters(settings), *read_masters(former)])


def _put_fresh_first(settings: Settings) -> bool:
    """Put a fresh key before the one that wraps everything. False: it does not wrap everything.

    Then nothing is wrapped by what stands behind it, which goes.
    """
    path = master_file(settings)
    if not _wraps_all(settings):
        return False
    try:
        # Of two that put a fresh key into one file, one's would be lost.
        with locked(path.with_name(f".{path.name}.lock"), wait=False):
            if not _wraps_all(settings):
                return False
            current = path.read_text(encoding="ascii").split()[0]
            replace_private(path, f"{generate()}\n{current}\n".encode())
    except BlockingIOError:
        raise SettingsError(f"another rotation of {path} runs: wait for it") from None
    except OSError as error:
        raise SettingsError(
            f"{path} cannot be written: {error.strerror}: put a fresh key before the one in it "
            "(`openssl rand -base64 32`) and call this again"
        ) from None
    return True


def _wraps_all(settings: Settings) -> bool:
    keys = open_keys(settings)
    return masters_of(survey(keys)) == {keys.ring.current.id}
