"""A receiver: where alerts go, as the operator's file names it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from headrace.sinks.notify.addresses import Network
from headrace.sinks.notify.secret import Secret

Kind = Literal["webhook", "alertmanager", "apprise"]

KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Receiver:
    """One ``[[receiver]]`` table, checked."""

    name: str
    kind: Kind
    urls: tuple[Secret, ...]
    """One; of kind ``apprise`` at least one."""
    secrets: tuple[Secret, ...] = ()
    """What webhooks are signed with: all of them at once, the newest first."""
    allow: tuple[Network, ...] = ()
    """What it may be reached at although it is inside."""
