"""Values that must never be seen: they come from the environment or a file, and stay hidden."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final, NoReturn

LARGEST_FILE: Final = 65_536
"""Bytes. A larger file holds something else than a secret."""


class Secret:
    """A value that shows itself to :meth:`reveal` alone: not in a log, an error or a pickle."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled")


class NoSecretError(Exception):
    """There is nothing at a secret's place. The text names the place, never what it holds."""


def from_environment(name: str, environ: Mapping[str, str]) -> list[Secret]:
    """Return the secrets that a variable holds, parted by white space.

    Raises :class:`NoSecretError`.
    """
    value = environ.get(name)
    if value is None:
        raise NoSecretError(f"the variable {name} is not set")
    return _parted(value, f"the variable {name}")


def from_file(name: str) -> list[Secret]:
    """Return the secrets that a file holds, parted by white space. Blocks on the disk.

    Raises :class:`NoSecretError`.
    """
    try:
        with Path(name).open("rb") as file:
            held = file.read(LARGEST_FILE + 1)
        if len(held) > LARGEST_FILE:
            raise NoSecretError(f"{name} is larger than {LARGEST_FILE} bytes")
        return _parted(held.decode(), name)
    except OSError as error:
        raise NoSecretError(f"{name} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise NoSecretError(f"{name} is not UTF-8 text") from None


def _parted(text: str, place: str) -> list[Secret]:
    found = [Secret(word) for word in text.split()]
    if not found:
        raise NoSecretError(f"{place} is empty")
    return found
