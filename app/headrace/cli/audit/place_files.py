"""A vault's place as files for the verifier."""

from __future__ import annotations

import io
from typing import BinaryIO

from headrace.sinks.audit.vault.place import MissingError, Place, VaultError


class PlaceFiles:
    """See :class:`headrace.sinks.audit.verify.offline.Files`: a file is read whole.

    Raises :class:`~headrace.events.errors.Retryable` where the place is away.
    """

    def __init__(self, place: Place) -> None:
        self._place = place

    def names(self) -> list[str]:
        found: list[str] = []
        folders = [""]
        while folders:
            for name in self._place.names(folders.pop()):
                (folders if name.endswith("/") else found).append(name)
        return found

    def open(self, name: str) -> BinaryIO:
        try:
            return io.BytesIO(self._place.read(name))
        except MissingError:
            raise FileNotFoundError(name) from None
        except VaultError as error:  # a name that no vault has
            raise FileNotFoundError(str(error)) from None
