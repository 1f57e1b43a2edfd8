"""Finding a record by what people know of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from headrace.cli.faults import CommandError
from headrace.events.identity import Identity
from headrace.events.settings import Settings
from headrace.sinks.audit import leaf as leaves
from headrace.sinks.audit.keys import open_keys
from headrace.sinks.audit.vault.seal import is_log
from headrace.sinks.audit.vault.vault import Vault

Told = Callable[[str, int], None]
"""Progress: the log and how many of its leaves were looked at."""
_INDEX: Final = re.compile("0|[1-9][0-9]{0,17}")


def locate(settings: Settings, vault: Vault, name: str, told: Told) -> tuple[str, int]:
    """Return the log and the index of ``<log>/<index>`` or ``<tenant>/<session>/<epoch>/<seq>``.

    The latter takes the key of the pseudonyms, and reads the vault until it is found. Blocking.
    Raises :class:`CommandError`, and as keys and vault do.
    """
    log, _, index = name.rpartition("/")
    if is_log(log) and _INDEX.fullmatch(index):
        return log, int(index)
    tenant, _, rest = name.partition("/")
    session, _, rest = rest.rpartition("/")
    session, _, epoch = session.rpartition("/")
    if not (tenant and session and epoch and _INDEX.fullmatch(rest)):
        raise CommandError(f"{name!r} names no record: give LOG/INDEX or TENANT/SESSION/EPOCH/SEQ")
    found = _find(settings, vault, Identity(tenant, session, epoch, int(rest)), told)
    if found is None:
        raise CommandError(f"{name} is not sealed: it is no evidence, not sealed yet, or fell due")
    return found


def _find(settings: Settings, vault: Vault, wanted: Identity, told: Told) -> tuple[str, int] | None:
    session = open_keys(settings).pseudonym("session", wanted.tenant, wanted.session)
    sought = (wanted.tenant, session, wanted.epoch, wanted.seq)
    mark = f'"session":"{session}"'.encode()
    for log in vault.logs():
        for seal in vault.seals(log):
            for file in seal.classes:
                for line in vault.lines(file) or ():
                    if mark not in line:
                        continue
                    leaf = leaves.read(line)
                    if (leaf.tenant, leaf.session, leaf.epoch, leaf.seq) == sought:
                        return leaf.log, leaf.index
            told(log, seal.end)
    return None
