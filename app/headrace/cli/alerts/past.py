"""Rules over the archive: the span, its panes, and what the rules would have done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from headrace.cli.alerts.panes import Panes, floor, metrics_of, tenants_of
from headrace.cli.alerts.trial import Tried, run
from headrace.cli.alerts.words import count, when
from headrace.cli.archive import Archive
from headrace.cli.faults import CommandError
from headrace.cli.progress import Line
from headrace.streams.alerts.backtest import reach
from headrace.streams.alerts.model import RuleSet


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it."""

    start: int
    """Of the span, which begins and ends with a pane, in seconds since 1970."""
    end: int
    read: int
    """Panes of series that were read, those before the span too."""
    unread: tuple[str, ...]
    """Why panes were left out."""
    tried: list[Tried]


def try_out(
    archive: Archive, rules: RuleSet, start: float, end: float, tenant: str | None
) -> Outcome:
    """Try rules on ``[start, end)`` (s since 1970).

    Raises :class:`CommandError` where the archive has no panes of what the rules read.
    """
    first, last = floor(start), floor(end)
    tenants = tenants_of(rules) if tenant is None else [tenant]
    panes = Panes(archive, metrics_of(rules), tenants)
    before = max(0, first - max(map(reach, rules.rules), default=0))
    with Line() as line:
        told = _teller(line, before, last)
        tried = run(rules, panes.between(before, last, told), first, last)
    if not panes.read and not panes.unread:
        raise CommandError(_nothing(panes, first, last))
    return Outcome(first, last, panes.read, tuple(panes.unread), tried)


def _teller(line: Line, start: int, end: int) -> Callable[[int], None]:
    def tell(at: int) -> None:
        line.say(f"{when(at)} UTC", done=at - start, total=end - start)

    return tell


def _nothing(panes: Panes, start: int, end: int) -> str:
    said = f"no panes from {when(start)} to {when(end)} (UTC) of what the rules read"
    span = panes.span()
    if span is None:
        return f"{said}, nor any others: `headrace status` shows whether metrics are archived"
    return f"{said}: there are some from {when(span[0])} to {when(span[1])}"


def span_text(outcome: Outcome, rules: RuleSet) -> str:
    """Say what was tried on what."""
    return (
        f"{when(outcome.start)} to {when(outcome.end)} (UTC), "
        f"{count(len(rules.rules), 'rule')} of {rules.source}, {count(outcome.read, 'pane')}"
    )
