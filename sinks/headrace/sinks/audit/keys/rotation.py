"""The rotation of the master key."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
    with _alone(settings):
        ring = None
        if former is not None:
            ring = KeyRing([*open_masters(settings), *read_masters(former)])
        keys = open_keys(settings, ring)
        fresh = False
        if in_a_file(settings) and masters_of(survey(keys)) == {keys.ring.current.id}:
            _put_fresh_first(master_file(settings))
            keys, fresh = open_keys(settings), True
        current = keys.ring.current
        return Rotated(current.id, fresh, keys.rewrap(current, told))


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Of two that put a fresh key into one file, one's would be lost."""
    path = master_file(settings)
    if not in_a_file(settings):
        yield
        return
    lock = path.with_name(f".{path.name}.lock")
    try:
        with locked(lock, wait=False):
            yield
    except BlockingIOError:
        raise SettingsError(f"another rotation of {path} runs: wait for it") from None
    except OSError as error:
        raise SettingsError(f"{lock} cannot be made: {error.strerror}") from None


def _put_fresh_first(path: Path) -> None:
    """Nothing is wrapped by what stands behind the current key: it goes."""
    current = path.read_text(encoding="ascii").split()[0]
    try:
        replace_private(path, f"{generate()}\n{current}\n".encode())
    except OSError as error:
        raise SettingsError(
            f"{path} cannot be written: {error.strerror}: put a fresh key before the one in it "
            "(`openssl rand -base64 32`) and call this again"
        ) from None
