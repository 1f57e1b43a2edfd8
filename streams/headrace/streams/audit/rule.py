"""One rule of an audit policy: which events belong to a class of evidence."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from headrace.events.envelope import Envelope

Plain = str | int | float | bool

_LABEL: Final = re.compile(r"\[.*\] ", re.DOTALL)
"""What agentao puts before the tools of a sub-agent, for people: ``[helper 1/5] update_order``."""


class Names:
    """Names by pattern, as a shell writes them: ``*``, ``?``, ``[ab]``; case counts."""

    def __init__(self, patterns: Collection[str]) -> None:
        self.patterns = tuple(patterns)
        self._matches = re.compile("|".join(map(fnmatch.translate, patterns))).match

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._matches(name) is not None


@dataclass(frozen=True, slots=True)
class Rule:
    """All of its conditions must be met; None is no condition. Immutable: safe from any thread."""

    audit_class: str
    types: frozenset[str]
    tools: Names | None = None
    """Of ``data.tool``, a sub-agent's without its label."""
    except_tools: Names | None = None
    tenants: Names | None = None
    where: Mapping[str, tuple[Plain, ...]] = field(default_factory=dict)
    """Key of ``data`` to the values of which it must have one."""

    def matches(self, event: Envelope) -> bool:
        """Tell whether an event of one of its types meets the conditions."""
        tool = _plain(event.data.get("tool"))
        return (
            (self.tools is None or tool in self.tools)
            and (self.except_tools is None or tool not in self.except_tools)
            and (self.tenants is None or event.tenant in self.tenants)
            and all(_is_one_of(event.data.get(key), some) for key, some in self.where.items())
        )


def _plain(tool: Any) -> Any:
    return _LABEL.sub("", tool, count=1) if isinstance(tool, str) and tool[:1] == "[" else tool


def _is_one_of(value: Any, some: Collection[Plain]) -> bool:
    """Compare as JSON does: ``true`` is not 1, but 1.0 is."""
    return any(value == one and isinstance(value, bool) == isinstance(one, bool) for one in some)
