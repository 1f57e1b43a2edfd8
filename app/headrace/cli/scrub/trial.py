"""A scrubber tried on events, without writing any."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from headrace.streams.scrub.event import Hit, Tally
from headrace.streams.scrub.scrubber import Scrubber
from headrace.streams.scrub.tokens import UnreadableError

EXAMPLES: Final = 3
"""Different ones of each rule."""
TELL_EVERY: Final = 500


@dataclass(slots=True)
class Trial:
    """What a scrubber would have done."""

    events: int = 0
    rewritten: int = 0
    unreadable: int = 0
    """Events that would be dead-lettered without their content."""
    missed: Counter[str] = field(default_factory=Counter)
    """By rule: what its hints let pass, and it would have found."""
    hits: Counter[str] = field(default_factory=Counter)
    in_events: Counter[str] = field(default_factory=Counter)
    kept: Counter[tuple[str, str]] = field(default_factory=Counter)
    examples: dict[str, list[Hit]] = field(default_factory=dict)


def run(scrubber: Scrubber, events: Iterable[bytes], tell: Callable[[int], None]) -> Trial:
    """Try the scrubber as the archive would use it, and beside that without regard to hints."""
    trial = Trial()
    for event in events:
        trial.events += 1
        _one(scrubber, event, trial)
        if trial.events % TELL_EVERY == 0:
            tell(trial.events)
    return trial


def _one(scrubber: Scrubber, event: bytes, trial: Trial) -> None:
    found, whole = Tally(samples=[]), Tally()
    done = scrubber.scrub([event])
    if done.withheld:
        trial.unreadable += 1
        return
    try:
        scrubber.scrub_one(event, found)
        scrubber.scrub_one(event, whole, all_rules=True)
    except UnreadableError:
        return  # nothing hints at a secret in it: it is the archive's to refuse
    trial.rewritten += done.values[0] != event
    trial.missed += whole.hits - done.tally.hits
    trial.hits += done.tally.hits
    trial.in_events.update(done.tally.hits.keys())
    trial.kept += done.tally.kept
    for hit in found.samples or ():
        seen = trial.examples.setdefault(hit.rule, [])
        if len(seen) < EXAMPLES and hit not in seen:
            seen.append(hit)
